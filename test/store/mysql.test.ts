// Opening MySQL and MariaDB: what is wrong with an address is said in one line without its password, and a server that says nothing
// holds nobody up for ever.

import { sql } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { CepError } from '../../src/errors.js';
import { openRuleStore } from '../../src/rule-store/rule-store.js';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import { openSqlDatabase } from '../../src/store/sql-database.js';
import { startMariadb, type TestMariadb } from '../support/mariadb.js';

let server: TestMariadb;
beforeAll(async () => {
  server = await startMariadb();
});
afterAll(() => server?.stop());

async function refusal(address: string) {
  const error = await openSqlDatabase(address).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CepError);
  const { code, message, cause } = error as CepError;
  expect(message).not.toContain('\n');
  expect(`${message} ${(cause as Error | undefined)?.stack}`).not.toContain('s3cret');
  return { code, message };
}

const HOW = 'correct its address, mysql://user:password@host:3306/database';

test('nobody may listen there', async () => {
  const at = `${LOOPBACK}:${await freePort()}/cep`;
  expect(await refusal(`mariadb://cep:s3cret@${at}`)).toEqual({
    code: 'DATABASE_UNREACHABLE',
    message: `no database answers at mariadb://cep@${at} (connect ECONNREFUSED ${at.replace('/cep', '')}): start it, or correct the address`,
  });
});

test('a password may break the URL', async () => {
  expect(await refusal('mysql://cep:s3cret/a@db/cep')).toEqual({
    code: 'SETTING_INVALID',
    message: `the database mysql://cep@db/cep can't be used (it is no URL; encode characters such as @ / # in the password: %40 %2F %23): ${HOW}`,
  });
});

test('password and database may be wrong', async () => {
  const wrong = server.url.replace('root@', 'root:s3cret@');
  expect(await refusal(wrong)).toEqual({
    code: 'SETTING_INVALID',
    message: `the database ${server.url} can't be used (Access denied for user 'root'@'${LOOPBACK}' (using password: YES)): ${HOW}`,
  });
  expect(await refusal(server.url.replace('/cep', '/none'))).toEqual({
    code: 'SETTING_INVALID',
    message: `the database ${server.url.replace('/cep', '/none')} can't be used (Unknown database 'none'): ${HOW}`,
  });
});

test('a user may have no right to make tables', async () => {
  const { db, close } = await openSqlDatabase(server.url);
  onTestFinished(close);
  await sql`create user guest identified by 'right'`.execute(db);
  await sql`grant select on cep.* to guest`.execute(db);
  const address = server.url.replace('root@', 'guest:right@');
  await expect(openRuleStore(address)).rejects.toMatchObject({
    code: 'SETTING_INVALID',
    message: expect.stringMatching(/ has not been set up: run temporal-cep setup$/),
  });
  await expect(openRuleStore(address, { migrate: true })).rejects.toMatchObject({
    code: 'SETTING_INVALID',
    message: expect.stringMatching(
      /can't be set up \(.*denied.*\): run temporal-cep setup as a user who may create tables$/,
    ),
  });
});

test('several may set it up at once, and text is never cut', async () => {
  const stores = await Promise.all(
    [1, 2, 3].map(() => openRuleStore(server.url, { migrate: true })),
  );
  onTestFinished(async () => {
    for (const store of stores) await store.close();
  });
  const [store] = stores as [(typeof stores)[0]];
  await expect(
    store.append([{ id: 'x'.repeat(65), journey: 'j', pattern: '{}', author: '' }]),
  ).rejects.toThrow(/too long/i);
  const pattern = JSON.stringify({ text: "back\\slash ' quote 🛒".repeat(10_000) });
  const [written] = await store.append([{ id: 'x', journey: 'j', pattern, author: '' }]);
  expect(written?.pattern).toBe(pattern);
});
