import { chmod, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import {
  TestWorkflowEnvironment,
  type TimeSkippingTestWorkflowEnvironmentOptions,
} from '@temporalio/testing';
import { CepError, messageOf } from '../errors.js';
import { minutes, seconds } from '../time.js';
import { type Attempt, findOrFetch, type Source } from './cache.js';
import { ensureSearchAttributes } from './connection.js';
import { sdkDownload } from './download.js';
import { freePort, waitForPort } from './ports.js';
import {
  describeExit,
  describeFailure,
  type Environment,
  findOnPath,
  isExecutable,
  type Report,
  reportToStderr,
  run,
  startGuarded,
  withProgress,
} from './process.js';

const WHAT = 'time-skipping test server';
const VERSION = '1.32.0';
const MAIN_CLASS = 'io.temporal.testserver.TestServer';
const MAVEN_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const JAVA_MIN = 11;
// Class archives of the user's own classes came with this version.
const JAVA_MIN_CLASS_ARCHIVE = 13;
const WINDOWS = process.platform === 'win32';
const ENTRY = WINDOWS ? 'temporal-test-server.exe' : 'temporal-test-server';
const CLASS_ARCHIVE = 'classes.jsa';
const QUICK_START = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];

// The SDK runs it as EXECUTABLE PORT, and waits five seconds. `$$` is the Java process after the
// `exec`; the loop in the background ends it when the parent is gone, for the SDK kills it only in
// `teardown`. It polls, because the SDK gives it no pipe to wait on.
const LAUNCHER = `#!/bin/sh
here="\${0%/*}"
java="$JAVA_HOME/bin/java"
[ -x "$java" ] || java=java
(
  trap '' INT HUP
  while kill -0 "$PPID" && kill -0 $$; do sleep 1; done
  kill -KILL $$
) </dev/null >/dev/null 2>&1 &
archive=
[ -f "$here/${CLASS_ARCHIVE}" ] && archive="-XX:SharedArchiveFile=$here/${CLASS_ARCHIVE}"
exec "$java" ${QUICK_START.join(' ')} -Xlog:disable \${archive:+"$archive"} \\
  -cp "$here/lib/*" ${MAIN_CLASS} "$@"
`;

// Without an implementation of slf4j the server prints three lines of complaint at each start.
const POM = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>temporal-cep</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** How {@link startTimeSkipping} starts a server. */
export interface TimeSkippingOptions
  extends Pick<TimeSkippingTestWorkflowEnvironmentOptions, 'client' | 'plugins'> {
  /** Where progress goes. Default standard error. */
  readonly report?: Report;
  /** Default `process.env`. */
  readonly env?: Environment;
}

/**
 * Starts a server that skips time, with our search attributes. Its `teardown` ends it. One workflow at
 * a time, or one environment per test: time is the server's, so two at once see wrong times.
 *
 * @throws CepError `SERVER_NOT_FOUND` when there is no executable and none can be fetched,
 * `SETTING_INVALID`, `SERVER_UNREACHABLE` when it does not start
 */
export async function startTimeSkipping(
  options: TimeSkippingOptions = {},
): Promise<TestWorkflowEnvironment> {
  const { report = reportToStderr, env = process.env, client, plugins } = options;
  const path = await findTestServer(report, env);
  const environment = await createPatiently(
    {
      server: { executable: { type: 'existing-path', path } },
      ...(client === undefined ? {} : { client }),
      ...(plugins === undefined ? {} : { plugins }),
    },
    report,
  );
  try {
    // Without them a workflow that sets one fails its task over and over.
    await ensureSearchAttributes(environment.connection, environment.namespace ?? 'default');
    return environment;
  } catch (error) {
    await environment.teardown();
    throw error;
  }
}

/**
 * The path of the time-skipping server's executable, which takes a port as its argument: the one that
 * TEMPORAL_CEP_TEST_SERVER names, or one from the cache, the SDK's download or Maven, in this order.
 *
 * @throws CepError `SETTING_INVALID` when TEMPORAL_CEP_TEST_SERVER names no executable,
 * `SERVER_NOT_FOUND` with every step that was tried
 */
export async function findTestServer(
  report: Report = reportToStderr,
  env: Environment = process.env,
): Promise<string> {
  const named = env.TEMPORAL_CEP_TEST_SERVER;
  if (named) {
    const path = resolve(named);
    if (isExecutable(path)) return path;
    throw new CepError(
      'SETTING_INVALID',
      `TEMPORAL_CEP_TEST_SERVER names ${path}, which is no executable file: correct it, or unset it to have the server found or fetched`,
      { details: { path } },
    );
  }
  const tried: Attempt[] = [{ step: 'TEMPORAL_CEP_TEST_SERVER', outcome: 'not set' }];
  return await findOrFetch({
    what: WHAT,
    name: 'test-server',
    entry: ENTRY,
    sources: [
      sdkDownload({ method: 'createTimeSkipping', name: 'test-server', entry: ENTRY, env, report }),
      maven(env, report),
    ],
    tried,
    remedy: `Install Java ${JAVA_MIN} or later and Maven, so that \`java\` and \`mvn\` are on PATH, or set TEMPORAL_CEP_TEST_SERVER to the path of a temporal-test-server.`,
    env,
    report,
  });
}

// The SDK's five seconds are few on a machine that is busy.
async function createPatiently(
  options: TimeSkippingTestWorkflowEnvironmentOptions,
  report: Report,
): Promise<TestWorkflowEnvironment> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping(options);
    } catch (error) {
      if (attempt === 3) {
        throw new CepError(
          'SERVER_UNREACHABLE',
          `the ${WHAT} did not start in ${attempt} attempts: ${messageOf(error)}`,
          { cause: error },
        );
      }
      report(`${WHAT}: did not start in time; trying again`);
    }
  }
}

function maven(env: Environment, report: Report): Source {
  const folder = `test-server-${VERSION}`;
  return {
    label: `Maven (io.temporal:temporal-test-server:${VERSION})`,
    folder,
    takes: 'about a minute the first time',
    unavailable() {
      if (WINDOWS) return 'not supported on Windows';
      if (findJava(env) === null) return 'no java in JAVA_HOME or on PATH';
      return findOnPath('mvn', env) === null ? 'no mvn on PATH' : null;
    },
    obstacle() {
      return findJava(env) === null ? 'it needs java in JAVA_HOME or on PATH' : null;
    },
    async install(draft) {
      await javaVersion(env);
      await writeFile(join(draft, 'pom.xml'), POM);
      const args = ['-q', '-B', '-f', 'pom.xml', MAVEN_GOAL];
      args.push('-DincludeScope=runtime', '-DoutputDirectory=lib');
      const outcome = await withProgress(
        report,
        (elapsedS) => `  Maven has been running for ${elapsedS} s`,
        () =>
          run(findOnPath('mvn', env) as string, args, {
            env,
            cwd: draft,
            timeoutMs: minutes(10),
          }),
      );
      if (outcome.code !== 0) throw new Error(describeFailure(outcome));
      await writeFile(join(draft, ENTRY), LAUNCHER);
      await chmod(join(draft, ENTRY), 0o755);
    },
    // In the final folder, because Java ties the archive to the paths of the jars.
    polish: (final) => archiveClasses(final, env),
  };
}

/** Halves the start by a trial run that leaves an archive of the classes it loaded. */
async function archiveClasses(folder: string, env: Environment): Promise<void> {
  if ((await javaVersion(env)) < JAVA_MIN_CLASS_ARCHIVE) return;
  const draft = join(folder, `${CLASS_ARCHIVE}.draft`);
  const port = await freePort();
  const done = new AbortController();
  const java = startGuarded(
    findJava(env) as string,
    [
      ...QUICK_START,
      `-XX:ArchiveClassesAtExit=${draft}`,
      '-cp',
      join(folder, 'lib', '*'),
      MAIN_CLASS,
      `${port}`,
    ],
    { env },
  );
  try {
    const ended = java.exited.then((exit) => {
      throw new Error(`no archive of classes, Java ended early: ${describeExit(exit)}`);
    });
    ended.catch(() => {});
    const waiting = { timeoutMs: seconds(30), signal: done.signal };
    await Promise.race([waitForPort(port, waiting), ended]);
    const connectionOptions = { address: `127.0.0.1:${port}` };
    const connection = await Connection.connect(connectionOptions);
    await ensureSearchAttributes(connection, 'default');
    await connection.close();
  } finally {
    done.abort();
    // The archive is written on the way out.
    await java.stop(seconds(30));
  }
  await rename(draft, join(folder, CLASS_ARCHIVE));
}

function findJava(env: Environment): string | null {
  const home = env.JAVA_HOME;
  const atHome = home ? join(home, 'bin', 'java') : null;
  return atHome !== null && isExecutable(atHome) ? atHome : findOnPath('java', env);
}

/** Java's feature release, such as 17; throws when it is too old. */
async function javaVersion(env: Environment): Promise<number> {
  const outcome = await run(findJava(env) as string, ['-version'], {
    env,
    timeoutMs: seconds(30),
  });
  if (outcome.code !== 0) throw new Error(`java -version: ${describeFailure(outcome)}`);
  // Up to Java 8 the version was written 1.8.
  const found = /version "(?:1\.)?(\d+)/.exec(outcome.output);
  const version = Number(found?.[1] ?? 0);
  if (version < JAVA_MIN) throw new Error(`Java ${JAVA_MIN} or later is needed, not ${version}`);
  return version;
}
