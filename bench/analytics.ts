// What it costs that each event counts once: events per second into PostgreSQL and MariaDB by batch size, beside a plain consumer with a
// transaction per event. In one run, on servers of its own that write to the disk before they acknowledge. The events are those of the tests:
// each is a recharge and a page view.
//
//   npm run bench:analytics

import { sql } from 'kysely';
import { aggregatesOf } from '../src/analytics/aggregate.js';
import { readAnalytics } from '../src/analytics/declaration.js';
import { openAnalyticsStore } from '../src/analytics-store/analytics-store.js';
import { countRecords } from '../src/analytics-store/count-records.js';
import type { AnalyticsDatabase, AnalyticsSchema } from '../src/analytics-store/schema.js';
import { upsert } from '../src/analytics-store/statements.js';
import { assert } from '../src/assert.js';
import type { RawRecord, Read } from '../src/ingest/record.js';
import { createLogger } from '../src/log.js';
import { openSqlDatabase, transact } from '../src/store/sql-database.js';
import {
  DECLARATION,
  lineOf,
  type StreamEvent,
  streamOf,
} from '../test/analytics-store/support/stream.js';
import { startMariadb } from '../test/support/mariadb.js';
import { startPostgres } from '../test/support/postgres.js';
import { report, rounded, show } from './support.js';

/** Events by batch size: enough for some seconds. */
const RUNS = [
  [1, 1_000],
  [10, 5_000],
  [100, 20_000],
  [1_000, 40_000],
  [5_000, 40_000],
] as const;
const PLAIN_EVENTS = 1_000;

const aggregates = aggregatesOf(readAnalytics(DECLARATION));
const rows: {
  database: string;
  batch: string;
  events: number;
  perSecond: number;
  ratio: number;
}[] = [];
for (const [name, startServer] of [
  ['PostgreSQL', () => startPostgres({ isOwnAndDurable: true })],
  ['MariaDB', () => startMariadb({ isDurable: true })],
] as const) {
  const server = await startServer();
  try {
    const plain = await measured(PLAIN_EVENTS, () => countPlainly(server.url, PLAIN_EVENTS));
    rows.push({
      database: name,
      batch: 'plain',
      events: PLAIN_EVENTS,
      perSecond: rounded(plain),
      ratio: 1,
    });
    for (const [batch, events] of RUNS) {
      const perSecond = await measured(events, () => countBatched(server.url, events, batch));
      const ratio = rounded(perSecond / plain);
      rows.push({
        database: name,
        batch: String(batch),
        events,
        perSecond: rounded(perSecond),
        ratio,
      });
    }
  } finally {
    await server.stop();
  }
}
show(
  'Events per second, each a recharge and a page view; "plain" is a transaction per event',
  rows,
);
report('analytics', { rows });

async function measured(events: number, act: () => Promise<number>): Promise<number> {
  return (events / (await act())) * 1_000;
}

/** @returns ms */
async function countBatched(url: string, events: number, batch: number): Promise<number> {
  const store = await openAnalyticsStore(url, aggregates);
  try {
    const source = `bench:${batch}`;
    const recordTime = Date.now();
    const records = [...streamOf(events, batch)].map(
      (event, offset): RawRecord => ({
        ...{ source, partition: 0, offset, recordTime, value: lineOf(event) },
      }),
    );
    const reads = async function* (): AsyncGenerator<Read> {
      yield* records;
    };
    const before = performance.now();
    const counts = await countRecords({
      ...{ store, batch, reads: reads(), rejects: { late: () => {}, dead: () => {} } },
      ...{ log: createLogger('error'), signal: new AbortController().signal },
    });
    assert(counts.read === events, 'all were counted');
    return performance.now() - before;
  } finally {
    await store.close();
  }
}

/** What one writes first: a transaction per event, with its offset. @returns ms */
async function countPlainly(url: string, events: number): Promise<number> {
  const database = await openSqlDatabase<AnalyticsSchema>(url);
  try {
    await sql`create table plain_offset (id integer primary key, next_offset bigint)`.execute(
      database.db,
    );
    await sql`create table plain_consume (appkey varchar(64), dt varchar(10), amount decimal(20, 4), serverid varchar(64), servertime varchar(32),
      roleid varchar(64), primary key (appkey, dt))`.execute(database.db);
    await sql`create table plain_day (day varchar(10) primary key, pv bigint, uv bigint)`.execute(
      database.db,
    );
    await sql`create table plain_visitors (day varchar(10), visitor varchar(64), primary key (day, visitor))`.execute(
      database.db,
    );
    await sql`create table plain_minutes (day varchar(10), minute varchar(5), pv bigint, uv bigint, primary key (day, minute))`.execute(
      database.db,
    );
    await sql`insert into plain_offset values (0, 0)`.execute(database.db);
    const stream = [...streamOf(events, 1)];
    const before = performance.now();
    for (const event of stream)
      await transact(database, (db) => countOne({ ...database, db }, event));
    return performance.now() - before;
  } finally {
    await database.close();
  }
}

async function countOne(
  { db, dialect }: Pick<AnalyticsDatabase, 'db' | 'dialect'>,
  { seq, app, day, shown, amount, visitor }: StreamEvent,
): Promise<void> {
  const excluded = dialect === 'mysql' ? sql`values(amount)` : sql`excluded.amount`;
  const conflict =
    dialect === 'mysql'
      ? sql`on duplicate key update`
      : sql`on conflict (appkey, dt) do update set`;
  await sql`insert into plain_consume values (${app}, ${day}, ${amount}, '1', ${shown}, 'role')
    ${conflict} amount = plain_consume.amount + ${excluded}, servertime = ${shown}`.execute(db);
  const ignore = dialect === 'mysql' ? sql`ignore` : sql``;
  const unless = dialect === 'mysql' ? sql`` : sql`on conflict do nothing`;
  const added =
    await sql`insert ${ignore} into plain_visitors values (${day}, ${visitor}) ${unless}`.execute(
      db,
    );
  await sql`insert ${ignore} into plain_day values (${day}, 0, 0) ${unless}`.execute(db);
  await sql`update plain_day set pv = pv + 1, uv = uv + ${Number(added.numAffectedRows ?? 0n)} where day = ${day}`.execute(
    db,
  );
  const { rows } = await sql<{
    pv: number;
    uv: number;
  }>`select pv, uv from plain_day where day = ${day}`.execute(db);
  const { pv = 0, uv = 0 } = rows[0] ?? {};
  await upsert(db, dialect, {
    ...{ table: 'plain_minutes', key: ['day', 'minute'] },
    rows: [{ day, minute: shown.slice(11, 16), pv, uv }],
  });
  await sql`update plain_offset set next_offset = ${seq + 1} where id = 0`.execute(db);
}
