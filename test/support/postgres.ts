// A PostgreSQL server for tests: the one that TEMPORAL_CEP_TEST_DATABASE names, in a database of its own, or
// else one that is started here, in a temporary folder, and dies with this process. There every role but
// `postgres` has to give its password.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import {
  describeFailure,
  findOnPath,
  type GuardedProcess,
  isExecutable,
  run,
} from '../../src/servers/process.js';
import { minutes } from '../../src/time.js';
import { asAccount, freezeTree, installFromDebian, signalTree, started } from './own-server.js';

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
  const asUser = asAccount('postgres', folder);
  const must = async (program: string, ...args: string[]) => {
    const [command, all] = asUser(join(programs, program), ...args);
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
    server = await started(...asUser(join(programs, 'postgres'), ...options), folder, {
      name: 'postgres',
      ready: 'ready to accept connections',
    });
  };
  const stopServer = async () => {
    if (server === null) return;
    await must('pg_ctl', 'stop', '-D', data, '-m', 'immediate');
    await server.exited;
    server = null;
  };

  const signalAll = (name: NodeJS.Signals) => signalTree(server?.pid, name);

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
    freeze: () => freezeTree(server?.pid),
    thaw: () => signalAll('SIGCONT'),
    stop: async () => {
      await stopServer();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The folder of postgres, initdb and pg_ctl. */
async function findPrograms(): Promise<string> {
  const found = search();
  if (found !== null) return found;
  const remedy =
    'install PostgreSQL (Debian: apt-get install postgresql), or name a server in TEMPORAL_CEP_TEST_DATABASE=postgres://user:password@host/database';
  await installFromDebian(['postgresql'], {
    missing: 'no PostgreSQL was found on PATH or in /usr/lib/postgresql',
    remedy,
    before: keepFromCreatingCluster,
  });
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
