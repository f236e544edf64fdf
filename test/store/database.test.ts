// Opening a database: what is wrong with an address is said in one line, without its password; a server
// that goes away and comes back needs no new start of ours; a folder belongs to one process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CepError } from '../../src/errors.js';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import { type Database, type DatabaseAddress, openDatabase } from '../../src/store/database.js';
import { migrate } from '../../src/store/migrate.js';
import { sqlSources } from '../../src/store/sources.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';

/** What opening it fails with: everything that may reach a log, and how long it took. */
async function refusal(address: DatabaseAddress) {
  const before = sockets();
  const start = performance.now();
  const error = await openDatabase(address).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CepError);
  const { code, message, details } = error as CepError;
  expect(message).not.toContain('\n');
  const cause = (error as CepError).cause as Error | undefined;
  const shown = `${message} ${JSON.stringify(details)} ${cause?.stack} ${JSON.stringify(cause)}`;
  expect(shown).not.toMatch(/s3cret/);
  const seconds = (performance.now() - start) / 1_000;
  // One left open would keep a process from ending.
  await expect.poll(sockets).toBeLessThanOrEqual(before);
  return { code, message, seconds };
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cep-store-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The files of a folder, each with the time at which it was last written. */
async function written(path: string): Promise<[file: string, at: number][]> {
  const files = await readdir(path, { recursive: true });
  return await Promise.all(
    files.map(async (file) => [file, (await stat(join(path, file))).mtimeMs] as [string, number]),
  );
}

describe('an address', () => {
  const HOW = 'postgres://user:password@host:5432/database';

  test.each([
    ['mysql://cep:s3cret@db/cep', 'mysql://cep@db/cep'],
    ['mysql://cep:s3cret@x/s3cret@db/cep', 'mysql://cep@db/cep'],
    ['host=db password=s3cret', 'host=db password=***'],
    ['localhost', 'localhost'],
    ['', ''],
  ])('%s is none', async (address, shown) => {
    expect(await refusal(address)).toMatchObject({
      code: 'SETTING_INVALID',
      message: `"${shown}" is no database address: write ${HOW}`,
    });
  });

  test('a password may break the URL', async () => {
    expect(await refusal('postgres://cep:s3cret/a@db/cep')).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database postgres://cep@db/cep can't be used (it is no URL; encode characters such as @ / # in the password: %40 %2F %23): correct its address, ${HOW}`,
    });
  });

  test('a certificate may be missing', async () => {
    expect(
      await refusal('postgres://db/cep?sslrootcert=/none/ca.pem&password=s3cret'),
    ).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database postgres://db/cep?sslrootcert=/none/ca.pem&password=*** can't be used (ENOENT: no such file or directory, open '/none/ca.pem'): correct its address, ${HOW}`,
    });
  });

  test('nobody may listen there', async () => {
    const port = await freePort();
    const { seconds, ...said } = await refusal(`postgres://cep:s3cret@${LOOPBACK}:${port}/cep`);
    expect(said).toEqual({
      code: 'DATABASE_UNREACHABLE',
      message: `no database answers at postgres://cep@${LOOPBACK}:${port}/cep (connect ECONNREFUSED ${LOOPBACK}:${port}): start it, or correct the address`,
    });
    expect(seconds).toBeLessThan(10);
  });

  test('who listens there may say nothing', async () => {
    const silent = createServer((socket) => void socket.resume()).listen(0, LOOPBACK);
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const { seconds, ...said } = await refusal(`postgres://cep:s3cret@${LOOPBACK}:${port}/cep`);
    expect(said).toEqual({
      code: 'DATABASE_UNREACHABLE',
      message: `no database answers at postgres://cep@${LOOPBACK}:${port}/cep (timeout expired): start it, or correct the address`,
    });
    expect(seconds).toBeLessThan(15);
  });
});

describe('a PostgreSQL server', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.stop());

  /** The server's address with another part of it changed. */
  const addressWith = (change: (url: URL) => void) => {
    const url = new URL(server.url);
    change(url);
    return { address: url.href, shown: url.href.replace(/:[^:@/]*@/, '@') };
  };
  const open = async (): Promise<Database> => {
    const database = await openDatabase(server.url);
    onTestFinished(() => database.close());
    return database;
  };
  const HOW = 'correct its address, postgres://user:password@host:5432/database';

  test('asks for the right password', async () => {
    const { db } = await open();
    const role = `cep_guest_${process.pid}`;
    await sql`create role ${sql.ref(role)} login password 'right'`.execute(db);
    onTestFinished(async () => {
      const own = await openDatabase(server.url);
      await sql`drop role ${sql.ref(role)}`.execute(own.db);
      await own.close();
    });
    const wrong = addressWith((url) => {
      url.username = role;
      url.password = 's3cret';
    });
    expect(await refusal(wrong.address)).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database ${wrong.shown} can't be used (password authentication failed for user "${role}"): ${HOW}`,
    });
    const none = addressWith((url) => {
      url.username = role;
    });
    expect(await refusal(none.address)).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database ${none.address} can't be used (it asks for a password): ${HOW}`,
    });
    const right = addressWith((url) => {
      url.username = role;
      url.password = 'right';
    });
    const guest = await openDatabase(right.address);
    onTestFinished(() => guest.close());
    expect(guest.name).toBe(right.shown);
    await sql`revoke create on schema public from public`.execute(db);
    await expect(migrate(guest)).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database ${guest.name} can't be set up (permission denied for schema public): run temporal-cep setup as a user who may create tables`,
    });
  });

  test('may not have the database', async () => {
    const { address, shown } = addressWith((url) => {
      url.pathname = '/nowhere';
    });
    expect(await refusal(address)).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database ${shown} can't be used (database "nowhere" does not exist): ${HOW}`,
    });
  });

  test('may not speak TLS', async () => {
    const { address, shown } = addressWith((url) => url.searchParams.set('sslmode', 'verify-full'));
    expect(await refusal(address)).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database ${shown} can't be used (The server does not support SSL connections): ${HOW}`,
    });
  });

  test('gives large integers as numbers, to nobody else', async () => {
    const { db } = await open();
    const { rows } = await sql`select 9007199254740991::bigint as n`.execute(db);
    expect(rows).toEqual([{ n: Number.MAX_SAFE_INTEGER }]);
    await expect(sql`select 9007199254740992::bigint as n`.execute(db)).rejects.toThrow(
      'broken invariant: the database has integers below 2^53 (9007199254740992)',
    );
    expect(pg.types.getTypeParser(pg.types.builtins.INT8)('1')).toBe('1');
  });

  test('may go away, also in the middle of a transaction, and come back', async () => {
    const database = await open();
    await migrate(database);
    const sources = sqlSources(database);
    await sources.setKeyed('clicks@1', 'clicks', true);
    const interrupted = database.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('cep_sources').execute();
      await server.stopServer();
      // The connection is in use and silent: its end has nobody to go to but our listener.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await trx.selectFrom('cep_sources').selectAll().execute();
    });
    await expect(interrupted).rejects.toThrow();
    await expect(sources.keyedOf('clicks@1')).rejects.toThrow();

    // A new process waits a while for a server that is starting.
    const opening = openDatabase(server.url);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await server.startServer();
    const another = await opening;
    await another.close();
    expect(await sources.keyedOf('clicks@1')).toBe(true);
  });
});

describe('the embedded database', () => {
  const database = pathToFileURL(fileURLToPath(new URL('../../dist/store/', import.meta.url))).href;
  /** Opens the folder in another process, writes, says so, and keeps it. */
  const HOLDER = `
    const { openDatabase } = await import('${database}/database.js');
    const { migrate } = await import('${database}/migrate.js');
    const { sqlSources } = await import('${database}/sources.js');
    const opened = await openDatabase({ folder: process.argv[1] });
    await migrate(opened);
    await sqlSources(opened).setKeyed('clicks@1', 'clicks', true);
    console.log('open');
    setInterval(() => {}, 1000);
  `;

  test('has a folder that belongs to one process, and is to be had again when that was killed', async () => {
    const path = join(await folder(), 'new', 'data');
    const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void holder.kill('SIGKILL'));
    expect(`${await once(holder.stdout, 'data')}`).toBe('open\n');

    expect(await refusal({ folder: path })).toMatchObject({
      code: 'ALREADY_RUNNING',
      message: `another process uses the database in ${path}, which can have one user only: stop it, or give all processes the address of a PostgreSQL server`,
    });

    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const mine = await openDatabase({ folder: path });
    expect(await sqlSources(mine).keyedOf('clicks@1')).toBe(true);
    await mine.close();
    // Given back, so there is nothing to wait for.
    const start = performance.now();
    const again = await openDatabase({ folder: path });
    expect(await sqlSources(again).keyedOf('clicks@1')).toBe(true);
    await again.close();
    await again.close();
    expect(performance.now() - start).toBeLessThan(9_000);
  });

  test('writes nothing more into a folder that another process took, which took it for dead', async () => {
    const path = await folder();
    const mine = await openDatabase({ folder: path });
    await migrate(mine);
    await sqlSources(mine).setKeyed('clicks@1', 'clicks', true);
    // As the lock of somebody else.
    await utimes(join(path, 'lock'), 1, 1);
    const refused = () =>
      sqlSources(mine)
        .keyedOf('clicks@1')
        .catch((error: unknown) => error);
    await expect
      .poll(refused, { timeout: 20_000 })
      .toMatchObject({ code: 'ALREADY_RUNNING', details: { folder: path } });
    const before = await written(join(path, 'postgres'));
    await mine.close();
    expect(await written(join(path, 'postgres'))).toEqual(before);
  });

  test('has no folder where a file is', async () => {
    const path = join(await folder(), 'file');
    await writeFile(path, '');
    expect(await refusal({ folder: path })).toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database folder ${path} can't be used (EEXIST: file already exists, mkdir '${path}'): name a folder that this process may write`,
    });
  });

  test('lets nobody between the statements of a transaction', async () => {
    const mine = await openDatabase({ memory: true });
    onTestFinished(() => mine.close());
    await migrate(mine);
    const sources = sqlSources(mine);
    const failing = mine.db.transaction().execute(async (trx) => {
      await trx
        .insertInto('cep_sources')
        .values({ source: 'a', topic: null, keyed: true })
        .execute();
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error('rolled back');
    });
    const [outcome] = await Promise.allSettled([failing, sources.setKeyed('b', 'b', true)]);
    expect(outcome).toEqual({ status: 'rejected', reason: new Error('rolled back') });
    expect(await sources.keyedOf('a')).toBeNull();
    expect(await sources.keyedOf('b')).toBe(true);
    // A statement that fails spoils none after it.
    await expect(sql`select nonsense`.execute(mine.db)).rejects.toThrow('nonsense');
    expect(await sources.keyedOf('b')).toBe(true);
  });
});
