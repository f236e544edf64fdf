// Servers that are Java, from Maven's jars, in the cache that the package's own servers are kept in.

import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attempt, findOrFetch } from '../../src/servers/cache.js';
import {
  describeFailure,
  type Environment,
  findOnPath,
  isExecutable,
  reportToStderr,
  run,
} from '../../src/servers/process.js';
import { minutes } from '../../src/time.js';

const CLASS_ARCHIVE = 'classes.jsa';
const MAVEN_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** Runs a server by its launcher until the classes it needs are loaded, and ends it in good order. */
export type TrialRun = (launcher: string, env: Environment) => Promise<void>;

export interface JavaServer {
  /** For messages. */
  readonly what: string;
  /** Of its launcher. */
  readonly name: string;
  /** Its folder in the cache, `<what>-<version>`. */
  readonly folder: string;
  /** `group:artifact:version` of each jar; what they need comes with them. */
  readonly jars: readonly string[];
  readonly main: string;
  /** So that the next starts take a third of the time. */
  readonly trial?: TrialRun;
  /** Steps tried before. */
  readonly tried?: readonly Attempt[];
  readonly remedy: string;
}

/**
 * The path of a script that starts a server with the arguments it is given, and whose first line is `pid <its process id>`.
 *
 * @throws CepError `SERVER_NOT_FOUND` with every step that was tried
 */
export async function findJavaServer(
  server: JavaServer,
  env: Environment = process.env,
): Promise<string> {
  const { what, name, folder, jars, main, trial, tried = [], remedy } = server;
  return await findOrFetch({
    what,
    name,
    entry: name,
    sources: [
      {
        label: `Maven (${jars[0]})`,
        folder,
        takes: 'about a minute the first time',
        unavailable: () =>
          hasJava(env) ? (findOnPath('mvn', env) ? null : 'no mvn on PATH') : 'no java',
        obstacle: () => (hasJava(env) ? null : 'it needs java in JAVA_HOME or on PATH'),
        async install(draft) {
          await writeFile(join(draft, 'pom.xml'), pomOf(name, jars));
          const args = ['-q', '-B', '-f', 'pom.xml', MAVEN_GOAL];
          args.push('-DincludeScope=runtime', '-DoutputDirectory=lib');
          const options = { env, cwd: draft, timeoutMs: minutes(10) };
          const outcome = await run(findOnPath('mvn', env) as string, args, options);
          if (outcome.code !== 0) throw new Error(describeFailure(outcome));
          await writeFile(join(draft, name), launcherOf(main));
          await chmod(join(draft, name), 0o755);
        },
        // In the final folder, because Java ties the archive to the paths of the jars.
        polish: async (final) => {
          if (trial) await archiveClasses(join(final, name), final, trial, env);
        },
      },
    ],
    tried,
    remedy,
    env,
    report: reportToStderr,
  });
}

// The first line tells the process id, because the guard is a shell between Java and us.
function launcherOf(main: string): string {
  return `#!/bin/sh
here="\${0%/*}"
java="$JAVA_HOME/bin/java"
[ -x "$java" ] || java=java
archive=
[ -f "$here/${CLASS_ARCHIVE}" ] && archive="-XX:SharedArchiveFile=$here/${CLASS_ARCHIVE}"
echo "pid $$"
exec "$java" -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xlog:disable \\
  \${archive:+"$archive"} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \\
  -Dlog4j2.StatusLogger.level=OFF -Dlog4j2.level=OFF -cp "$here/lib/*" ${main} "$@"
`;
}

function pomOf(name: string, jars: readonly string[]): string {
  const dependencies = jars.map((jar) => {
    const [group, artifact, version] = jar.split(':');
    return `    <dependency>
      <groupId>${group}</groupId>
      <artifactId>${artifact}</artifactId>
      <version>${version}</version>
    </dependency>
`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>temporal-cep</groupId>
  <artifactId>${name}</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join('')}  </dependencies>
</project>
`;
}

function hasJava(env: Environment): boolean {
  const home = env.JAVA_HOME;
  return (home && isExecutable(join(home, 'bin', 'java'))) || findOnPath('java', env) !== null;
}

/** Takes two thirds of the start away, by an archive of the classes that a trial run loaded. */
async function archiveClasses(
  launcher: string,
  folder: string,
  trial: TrialRun,
  env: Environment,
): Promise<void> {
  const draft = join(folder, `${CLASS_ARCHIVE}.draft`);
  // The archive is written on the way out.
  const option = `"-XX:ArchiveClassesAtExit=${draft}"`;
  await trial(launcher, { ...env, JDK_JAVA_OPTIONS: option });
  await rename(draft, join(folder, CLASS_ARCHIVE));
}
