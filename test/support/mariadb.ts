// A MariaDB server for tests, in a temporary folder, which dies with this process. Everybody but `root` has to give a password.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import {
  describeFailure,
  findOnPath,
  type GuardedProcess,
  run,
} from '../../src/servers/process.js';
import { minutes } from '../../src/time.js';
import { asAccount, freezeTree, installFromDebian, signalTree, started } from './own-server.js';

export interface TestMariadb {
  /** Address of an empty database whose user may do everything. */
  readonly url: string;
  /** SIGKILL: connections end, new ones are refused. The data stay. */
  stopServer(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Brings it back at the same address with the same data. */
  startServer(): Promise<void>;
  /** Ends it and removes what is left of it. */
  stop(): Promise<void>;
}

/** How {@link startMariadb} starts a server. */
export interface MariadbOptions {
  /** Writes the log of changes that replicas, and Debezium, read. */
  readonly hasBinlog?: boolean;
  /** Writes to the disk before it acknowledges. */
  readonly isDurable?: boolean;
}

/** @throws Error with a way to get MariaDB when there is none */
export async function startMariadb(settings: MariadbOptions = {}): Promise<TestMariadb> {
  const { server: program, install } = await findPrograms();
  const folder = await mkdtemp(join(tmpdir(), 'cep-mariadb-'));
  const asUser = asAccount('mysql', folder);
  const data = join(folder, 'data');
  // A server that starts removes the temporary tables it finds, and so those of others in a common folder.
  const common = ['--no-defaults', `--datadir=${data}`, `--tmpdir=${folder}`];
  const port = await freePort();
  let server: GuardedProcess | null = null;
  const startServer = async () => {
    const options = [...common, `--port=${port}`];
    options.push(`--bind-address=${LOOPBACK}`, `--socket=${join(folder, 'socket')}`);
    options.push(`--pid-file=${join(folder, 'pid')}`, '--skip-name-resolve');
    // What is written has to outlive the server, which is killed, but not this machine.
    options.push('--innodb-buffer-pool-size=32M');
    if (!settings.isDurable) options.push('--innodb-flush-log-at-trx-commit=2');
    if (settings.hasBinlog) {
      options.push(`--log-bin=${join(data, 'binlog')}`, '--server-id=1');
      options.push('--binlog-format=ROW', '--binlog-row-image=FULL');
    }
    server = await started(...asUser(program, ...options), folder, {
      name: 'mariadbd',
      ready: 'ready for connections',
    });
  };
  const stopServer = async () => {
    signalTree(server?.pid, 'SIGKILL');
    await server?.exited;
    server = null;
  };
  try {
    const options = [...common, '--skip-test-db', '--auth-root-authentication-method=normal'];
    const [command, args] = asUser(install, ...options);
    const outcome = await run(command, args, { cwd: folder, timeoutMs: minutes(2) });
    if (outcome.code !== 0) throw new Error(`mariadb-install-db: ${describeFailure(outcome, 40)}`);
    await startServer();
    await createDatabase(port);
  } catch (error) {
    await stopServer();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url: `mysql://root@${LOOPBACK}:${port}/cep`,
    stopServer,
    startServer,
    freeze: () => freezeTree(server?.pid),
    thaw: () => signalTree(server?.pid, 'SIGCONT'),
    stop: async () => {
      await stopServer();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function createDatabase(port: number): Promise<void> {
  const { default: mysql } = await import('mysql2/promise');
  const connection = await mysql.createConnection({ host: LOOPBACK, port, user: 'root' });
  try {
    await connection.query('create database cep');
  } finally {
    await connection.end();
  }
}

async function findPrograms(): Promise<{ server: string; install: string }> {
  const found = search();
  if (found !== null) return found;
  const remedy = 'install MariaDB (Debian: apt-get install mariadb-server)';
  // Without the packages that start a server of their own.
  await installFromDebian(['mariadb-server-core', 'mariadb-client-core'], {
    missing: 'no MariaDB was found on PATH or in /usr/sbin',
    remedy,
  });
  const installed = search();
  if (installed === null) throw new Error(`the package has no server in it: ${remedy}`);
  return installed;
}

function search(): { server: string; install: string } | null {
  const program = (name: string) =>
    findOnPath(name, process.env) ?? [`/usr/sbin/${name}`].find((path) => existsSync(path)) ?? null;
  const server = program('mariadbd');
  const install = program('mariadb-install-db');
  return server !== null && install !== null ? { server, install } : null;
}
