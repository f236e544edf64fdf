// Kafka's jars through Maven, in the cache that the package's own servers are kept in.

import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOrFetch } from '../../src/servers/cache.js';
import {
  describeFailure,
  type Environment,
  findOnPath,
  isExecutable,
  reportToStderr,
  run,
} from '../../src/servers/process.js';
import { minutes } from '../../src/time.js';

const VERSION = '4.1.2';
const ENTRY = 'kafka';
const CLASS_ARCHIVE = 'classes.jsa';
const MAVEN_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

// The first line tells the process id, because the guard is a shell between Java and us.
const LAUNCHER = `#!/bin/sh
here="\${0%/*}"
java="$JAVA_HOME/bin/java"
[ -x "$java" ] || java=java
archive=
[ -f "$here/${CLASS_ARCHIVE}" ] && archive="-XX:SharedArchiveFile=$here/${CLASS_ARCHIVE}"
echo "pid $$"
exec "$java" -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xlog:disable \\
  \${archive:+"$archive"} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \\
  -Dlog4j2.StatusLogger.level=OFF -Dlog4j2.level=OFF -cp "$here/lib/*" kafka.Kafka "$@"
`;

const POM = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>temporal-cep</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** Runs a broker by its launcher until the classes it needs are loaded, and ends it in good order. */
export type TrialRun = (launcher: string, env: Environment) => Promise<void>;

/**
 * The path of a script that starts a broker with the properties file it is given, and whose first line
 * is `pid <its process id>`.
 *
 * @throws CepError `SERVER_NOT_FOUND` with every step that was tried
 */
export async function findKafka(trial: TrialRun, env: Environment = process.env): Promise<string> {
  return await findOrFetch({
    what: 'Kafka',
    name: ENTRY,
    entry: ENTRY,
    sources: [
      {
        label: `Maven (org.apache.kafka:kafka_2.13:${VERSION})`,
        folder: `kafka-${VERSION}`,
        takes: 'about a minute the first time',
        unavailable: () =>
          hasJava(env) ? (findOnPath('mvn', env) ? null : 'no mvn on PATH') : 'no java',
        obstacle: () => (hasJava(env) ? null : 'it needs java in JAVA_HOME or on PATH'),
        async install(draft) {
          await writeFile(join(draft, 'pom.xml'), POM);
          const args = ['-q', '-B', '-f', 'pom.xml', MAVEN_GOAL];
          args.push('-DincludeScope=runtime', '-DoutputDirectory=lib');
          const options = { env, cwd: draft, timeoutMs: minutes(10) };
          const outcome = await run(findOnPath('mvn', env) as string, args, options);
          if (outcome.code !== 0) throw new Error(describeFailure(outcome));
          await writeFile(join(draft, ENTRY), LAUNCHER);
          await chmod(join(draft, ENTRY), 0o755);
        },
        // In the final folder, because Java ties the archive to the paths of the jars.
        polish: (final) => archiveClasses(final, trial, env),
      },
    ],
    tried: [{ step: 'TEMPORAL_CEP_TEST_BROKERS', outcome: 'not set' }],
    remedy:
      'Install Java 17 or later and Maven, so that `java` and `mvn` are on PATH, or set TEMPORAL_CEP_TEST_BROKERS to the host:port of a Kafka.',
    env,
    report: reportToStderr,
  });
}

function hasJava(env: Environment): boolean {
  const home = env.JAVA_HOME;
  return (home && isExecutable(join(home, 'bin', 'java'))) || findOnPath('java', env) !== null;
}

/** Takes two thirds of the start away, by an archive of the classes that a trial run loaded. */
async function archiveClasses(folder: string, trial: TrialRun, env: Environment): Promise<void> {
  const draft = join(folder, `${CLASS_ARCHIVE}.draft`);
  // The archive is written on the way out.
  const option = `"-XX:ArchiveClassesAtExit=${draft}"`;
  await trial(join(folder, ENTRY), { ...env, JDK_JAVA_OPTIONS: option });
  await rename(draft, join(folder, CLASS_ARCHIVE));
}
