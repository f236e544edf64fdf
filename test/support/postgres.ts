// A PostgreSQL server for tests: the one that TEMPORAL_CEP_TEST_DATABASE names, in a database of its own, or
// else one that is started here, in a temporary folder, and dies with this process. There every role but
// `postgres` has to give its password.

import { randomUUID } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import {
  describeExit,
  describeFailure,
  findOnPath,
  type GuardedProcess,
  isExecutable,
  run,
  startGuarded,
} from '../../src/servers/process.js';
import { type Millis, minutes, seconds } from '../../src/time.js';
import { descendantsOf } from '../e2e/support/cli.js';

export interface TestPostgres {
  /** Address of an empty database whose user may do everything. */
  readonly url: string;
  /** Takes it down as if the machine had lost its power: connections end, new ones are refused. */
  stopServer(): Promise<void>;
  /** SIGKILL to it and all its processes. The data stay. */
  kill(): Promise<void>;
  /** SIGSTOP to all of them: connections stay open, and nothing is answered. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Brings it back at the same address with the same data. */
  startServer(): Promise<void>;
  /** Ends it and removes what is left of it. */
  stop(): Promise<void>;
}

/** How {@link startPostgres} starts a server. */
export interface PostgresOptions {
  /** A server of our own even where one is named, which writes to the disk before it acknowledges. */
  readonly isOwnAndDurable?: boolean;
}

/** @throws Error with a way to get PostgreSQL when there is none */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const { isOwnAndDurable = false } = options;
  const named = process.env.TEMPORAL_CEP_TEST_DATABASE;
  if (named && !isOwnAndDurable) return await useNamed(named);
  return await startOwn(await findPrograms(), isOwnAndDurable);
}

async function useNamed(server: string): Promise<TestPostgres> {
  const name = `cep_test_${randomUUID().replaceAll('-', '')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const hangUp = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`;
  await statement(server, `create database ${name}`);
  const refuse = (): never => {
    throw new Error('the server that TEMPORAL_CEP_TEST_DATABASE names is not ours to signal');
  };
  return {
    url: url.href,
    kill: async () => refuse(),
    freeze: refuse,
    thaw: refuse,
    // The server is not ours to stop; to the users of this one database it looks the same.
    stopServer: async () => {
      await statement(server, `alter database ${name} with allow_connections false`);
      await statement(server, hangUp);
    },
    startServer: () => statement(server, `alter database ${name} with allow_connections true`),
    stop: () => statement(server, `drop database if exists ${name} with (force)`),
  };
}

async function statement(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function startOwn(programs: string, isDurable: boolean): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'cep-postgres-'));
  const account = process.getuid?.() === 0 ? unprivileged() : null;
  if (account) chownSync(folder, account.uid, account.gid);
  /** The server refuses to be run by root. */
  const asUser = (program: string, ...args: string[]): [string, string[]] => {
    const path = join(programs, program);
    if (account === null) return [path, args];
    const ids = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
    return ['setpriv', [...ids, path, ...args]];
  };
  const must = async (program: string, ...args: string[]) => {
    const [command, all] = asUser(program, ...args);
    const outcome = await run(command, all, { cwd: folder, timeoutMs: minutes(2) });
    if (outcome.code !== 0) throw new Error(`${program}: ${describeFailure(outcome)}`);
  };

  const data = join(folder, 'data');
  const port = await freePort();
  let server: GuardedProcess | null = null;
  const startServer = async () => {
    const options = ['-D', data, '-h', LOOPBACK, '-p', `${port}`, '-k', folder];
    options.push('-c', 'max_connections=50');
    // What is written need not outlive this machine.
    if (!isDurable) options.push('-F', '-c', 'full_page_writes=off');
    server = await started(...asUser('postgres', ...options), folder);
  };
  const stopServer = async () => {
    if (server === null) return;
    await must('pg_ctl', 'stop', '-D', data, '-m', 'immediate');
    await server.exited;
    server = null;
  };

  /** Each process of the server leads a group of its own. */
  const signalAll = (name: NodeJS.Signals) => {
    if (server?.pid === undefined) return;
    for (const pid of [server.pid, ...descendantsOf(server.pid)]) {
      try {
        process.kill(pid, name);
      } catch {
        // It has ended meanwhile.
      }
    }
  };

  try {
    await must(
      'initdb',
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--no-locale',
      '-N',
    );
    await writeFile(
      join(data, 'pg_hba.conf'),
      `host all postgres ${LOOPBACK}/32 trust\nhost all all ${LOOPBACK}/32 scram-sha-256\n`,
    );
    await startServer();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url: `postgres://postgres@${LOOPBACK}:${port}/postgres`,
    stopServer,
    startServer,
    kill: async () => {
      signalAll('SIGKILL');
      await server?.exited;
      server = null;
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    stop: async () => {
      await stopServer();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const START_TIMEOUT_MS: Millis = seconds(60);

async function started(command: string, args: string[], cwd: string): Promise<GuardedProcess> {
  const { promise: ready, resolve, reject } = withResolvers();
  const server = startGuarded(command, args, {
    cwd,
    onLine: (line) => {
      if (line.includes('ready to accept connections')) resolve();
    },
  });
  const fail = (how: string) => reject(new Error(`postgres: ${how}\n${server.tail()}`));
  const timer = setTimeout(() => fail('no sign of life'), START_TIMEOUT_MS);
  void server.exited.then((exit) => fail(describeExit(exit)));
  try {
    await ready;
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function withResolvers() {
  let resolve = () => {};
  let reject = (_: Error) => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The account for a server that root starts: that of Debian's package, or else that of nobody. */
function unprivileged(): { uid: number; gid: number } {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody']
    .map((name) => accounts.find((account) => account[0] === name))
    .find((account) => account !== undefined);
  if (!found)
    throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/** The folder of postgres, initdb and pg_ctl. */
async function findPrograms(): Promise<string> {
  const found = search();
  if (found !== null) return found;
  const remedy =
    'install PostgreSQL (Debian: apt-get install postgresql), or name a server in TEMPORAL_CEP_TEST_DATABASE=postgres://user:password@host/database';
  if (process.getuid?.() !== 0 || findOnPath('apt-get', process.env) === null) {
    throw new Error(`no PostgreSQL was found on PATH or in /usr/lib/postgresql: ${remedy}`);
  }
  keepFromCreatingCluster();
  for (const args of [['update'], ['install', '-y', 'postgresql']]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options = ['-o', 'Dpkg::Options::=--force-confold', ...args];
    const outcome = await run('apt-get', options, { env, timeoutMs: minutes(10) });
    if (outcome.code !== 0) {
      throw new Error(`apt-get ${args.join(' ')}: ${describeFailure(outcome)}; ${remedy}`);
    }
  }
  const installed = search();
  if (installed === null) throw new Error(`the package postgresql has no server in it: ${remedy}`);
  return installed;
}

function search(): string | null {
  const onPath = findOnPath('postgres', process.env);
  // A link to one program, say in /usr/local/bin, need not have the others beside it.
  const candidates = onPath === null ? [] : [dirname(onPath), dirname(realpathSync(onPath))];
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).map(Number) : [];
  for (const version of versions.sort((a, b) => b - a))
    candidates.push(join(root, `${version}`, 'bin'));
  const programs = ['postgres', 'initdb', 'pg_ctl'];
  return candidates.find((at) => programs.every((name) => isExecutable(join(at, name)))) ?? null;
}

/** Debian's package would make a cluster of its own and start a server on port 5432. */
function keepFromCreatingCluster(): void {
  const file = '/etc/postgresql-common/createcluster.conf';
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'create_main_cluster = false\n');
}
