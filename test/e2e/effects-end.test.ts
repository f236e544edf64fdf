// A worker that ends gives up what its effects were sent over: a pool of MySQL would keep the process alive.

import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSqlDatabase, type SqlDatabase } from '../../src/store/sql-database.js';
import { startMariadb } from '../support/mariadb.js';
import { until } from '../support/until.js';
import { alertOf, startEffects } from './support/effects-in-skipped-time.js';

let mariadb: Awaited<ReturnType<typeof startMariadb>>;
let database: SqlDatabase<unknown>;
beforeAll(async () => {
  mariadb = await startMariadb();
  database = await openSqlDatabase(mariadb.url);
});
afterAll(async () => {
  await database?.close();
  await mariadb?.stop();
});

async function countOf(from: string): Promise<number> {
  const { rows } = await sql.raw<{ n: unknown }>(`select count(*) n ${from}`).execute(database.db);
  return Number(rows[0]?.n);
}
const connections = () => countOf("from information_schema.processlist where command <> 'Daemon'");

test('connections to a database of rows', async () => {
  await sql.raw('create table notes (id varchar(100) primary key, said text)').execute(database.db);
  process.env.TEMPORAL_CEP_TEST_NOTES = mariadb.url;
  const before = await connections();
  const world = await startEffects({
    effects: {
      effects: {
        note: {
          send: {
            kind: 'sql',
            database: { env: 'TEMPORAL_CEP_TEST_NOTES' },
            table: 'notes',
            columns: { said: '{{ alert.message }}' },
          },
        },
      },
    },
    progressWaitMs: 0,
  });
  const ann = await world.setOff({
    alert: alertOf('ann', await world.env.currentTimeMs()),
    effects: ['note'],
  });
  await ann.result();
  expect(await countOf("from notes where said = 'left'")).toBe(1);
  expect(await connections()).toBeGreaterThan(before);
  await world.stop();
  await until('its connections are closed', async () => (await connections()) <= before, 10_000);
});
