// What stands in the tables after which records, in each kind of database.

import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { aggregatesOf } from '../../src/analytics/aggregate.js';
import { readAnalytics } from '../../src/analytics/declaration.js';
import { openAnalyticsStore } from '../../src/analytics-store/analytics-store.js';
import { countRecords } from '../../src/analytics-store/count-records.js';
import { createLogger } from '../../src/log.js';
import { ENGINES } from '../support/engines.js';
import {
  consume,
  count,
  countInto,
  recordsOf,
  SAMPLES,
  sample,
  summary,
} from './support/counting.js';
import { useDatabase } from './support/database.js';

const example = JSON.parse(readFileSync(new URL('analytics.json', SAMPLES), 'utf8'));
const only = (name: string, changes: object = {}) => ({
  ...example,
  aggregates: { [name]: { ...example.aggregates[name], ...changes } },
});
const recharge = (app: string, time: string, amount: unknown, role = 'r') => ({
  ...{ appkey: app, serverid: '1', servertime: time, roleid: role, consumenum: amount },
});
const visit = (time: string, visitor: unknown) => ({
  ...{ p_dt: time.slice(0, 10), c_time: time, client_ip: visitor },
});

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);

  test('the samples, to the letter', async () => {
    const recharges = recordsOf(sample('recharge.ndjson'), 'file:recharge');
    const views = recordsOf(sample('pageviews.ndjson'), 'file:pageviews');
    for (let times = 0; times < 2; times++) {
      const counts = await count(at.at, only('recharge'), recharges);
      expect(counts.aggregates.recharge).toEqual({
        ...{ late: 0, skipped: 0, dead: {} },
        ...(times === 0 ? { counted: 5, repeats: 0 } : { counted: 0, repeats: 5 }),
      });
      await count(at.at, only('page-views'), views);
      const rows = await consume(at.database);
      expect(rows).toEqual([
        {
          ...{ appkey: 'appkey1', serverid: '1', servertime: '2020-09-30 14:30:36' },
          ...{ roleid: 'roleid1', amount: '139.4000', dt: '2020-09-30' },
        },
        {
          ...{ appkey: 'appkey2', serverid: '2', servertime: '2020-09-30 14:20:36' },
          ...{ roleid: 'roleid2', amount: '64.6000', dt: '2020-09-30' },
        },
      ]);
      expect(await summary(at.database)).toEqual([
        { summary_date: '2021-12-01', summary_min: '19:10', pv: 1, uv: 1 },
        { summary_date: '2021-12-01', summary_min: '19:11', pv: 2, uv: 2 },
        { summary_date: '2021-12-01', summary_min: '19:12', pv: 3, uv: 3 },
        { summary_date: '2021-12-01', summary_min: '19:13', pv: 4, uv: 4 },
      ]);
    }
  });

  test('a refund takes the row away, and a recharge brings it back', async () => {
    const events = [
      recharge('a', '2020-09-30 10:00:00', 5),
      recharge('a', '2020-09-30 10:01:00', -5, 'refunded'),
      recharge('a', '2020-09-30 10:02:00', '0.0001', 'last'),
    ].map((event) => event as Record<string, unknown>);
    await count(at.at, only('recharge'), recordsOf(events.slice(0, 1)));
    expect(await consume(at.database)).toMatchObject([{ appkey: 'a', amount: '5.0000' }]);
    await count(at.at, only('recharge'), recordsOf(events.slice(0, 2)));
    expect(await consume(at.database)).toEqual([]);
    await count(at.at, only('recharge'), recordsOf(events));
    expect(await consume(at.database)).toMatchObject([{ roleid: 'last', amount: '0.0001' }]);
  });

  test('what is late, a dead letter or not meant is counted, and goes where it should', async () => {
    const declaration = only('recharge', { where: { serverid: '1' } });
    const counts = await count(
      at.at,
      declaration,
      recordsOf([
        recharge('a', '2020-09-30 10:00:00', 1),
        recharge('a', '2020-09-30 08:59:59', 2),
        recharge('a', '2020-09-30 09:00:00', 4),
        recharge('a', '2020-09-30 10:00:00', '1.00001'),
        'no json',
        null,
        { ...recharge('a', '2020-09-30 10:00:00', 8), serverid: '2' },
        recharge('a', '2999-01-01 00:00:00', 8),
      ]),
    );
    expect(counts).toMatchObject({ read: 8, passedOver: 1, uncounted: 0 });
    expect(counts.aggregates.recharge).toEqual({
      ...{ counted: 2, late: 1, skipped: 1, repeats: 0 },
      dead: { RECORD_WRONG_TYPE: 1, RECORD_NOT_JSON: 1, RECORD_TIME_AHEAD: 1 },
    });
    const { late, dead } = counts.rejected;
    expect(late).toMatchObject([
      {
        ...{ source: 'file:test', partition: 0, offset: 1, reason: 'LATE' },
        message:
          'recharge: 2020-09-30T00:59:59.000Z is more than 1 h before the latest event of its partition, 2020-09-30T02:00:00.000Z',
        record: recharge('a', '2020-09-30 08:59:59', 2),
      },
    ]);
    expect(dead.map(({ offset, reason }) => [offset, reason])).toEqual([
      [3, 'RECORD_WRONG_TYPE'],
      [4, 'RECORD_NOT_JSON'],
      [7, 'RECORD_TIME_AHEAD'],
    ]);
    expect(await consume(at.database)).toMatchObject([{ amount: '5.0000' }]);
  });

  test('who is told to stop does not wait for rejects that nobody takes, and loses nothing', async () => {
    const records = recordsOf(['no json', recharge('a', '2020-09-30 10:00:00', 1)]);
    const store = await openAnalyticsStore(at.at, aggregatesOf(readAnalytics(only('recharge'))));
    const stop = new AbortController();
    const never = () => new Promise<void>(() => {});
    const dead = () => {
      stop.abort();
      return never();
    };
    const counts = await countRecords({
      ...{ store, batch: 1_000, signal: stop.signal, log: createLogger('silent') },
      reads: (async function* () {
        yield* records;
      })(),
      rejects: { late: never, dead },
      rejectsWithinMs: 200,
    });
    expect(counts).toMatchObject({ read: 2, uncounted: 2, transactions: 0 });
    expect(await consume(at.database)).toEqual([]);
    const again = await countInto(store, records);
    expect(again.aggregates.recharge).toMatchObject({ counted: 1, dead: { RECORD_NOT_JSON: 1 } });
    expect(again.rejected.dead).toHaveLength(1);
    await store.close();
  });

  test('a day for which nothing has come for long is closed: its totals stay, and the rest is late', async () => {
    const declaration = only('page-views', { keep: '1ms' });
    const records = recordsOf([
      visit('2021-12-01 10:00:00', 'x'),
      visit('2021-12-01 10:00:30', 'x'),
    ]);
    await count(at.at, only('page-views'), records.slice(0, 1));
    const store = await openAnalyticsStore(at.at, aggregatesOf(readAnalytics(declaration)));
    try {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await store.forget()).toBe(1);
      expect(await store.forget()).toBe(0);
      expect(await at.database.db.selectFrom('cep_visitors').selectAll().execute()).toEqual([]);
      const counts = await countInto(store, records);
      expect(counts.aggregates['page-views']).toMatchObject({ counted: 0, late: 1, repeats: 1 });
      expect(counts.rejected.late).toMatchObject([{ offset: 1, reason: 'LATE' }]);
    } finally {
      await store.close();
    }
    expect(await summary(at.database)).toMatchObject([{ pv: 1, uv: 1 }]);
  });

  test('an aggregate that is added later counts from the beginning', async () => {
    const events = [1, 2, 3].map((n) => ({
      ...recharge('a', `2021-12-01 10:0${n}:00`, n),
      ...visit(`2021-12-01 10:0${n}:00`, 'x'),
    }));
    await count(at.at, only('recharge'), recordsOf(events.slice(0, 2)));
    const { aggregates } = await count(at.at, example, recordsOf(events));
    expect(aggregates).toMatchObject({
      recharge: { counted: 1, repeats: 2 },
      'page-views': { counted: 3, repeats: 0 },
    });
  });

  test("a table of the user's own is used as it is, if what is written fits", async () => {
    const { db } = at.database;
    const declaration = only('recharge', { table: 'mine' });
    const open = () => openAnalyticsStore(at.at, aggregatesOf(readAnalytics(declaration)));
    await sql`create table mine (appkey varchar(20), dt varchar(10), amount decimal(10, 2))`.execute(
      db,
    );
    await expect(open()).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message: expect.stringMatching(/^the table mine of .* it needs the columns appkey, serverid/),
    });
    await sql`alter table mine add column serverid varchar(20), add column servertime varchar(20), add column roleid varchar(20),
      add column note varchar(20) default 'theirs'`.execute(db);
    await expect(open()).rejects.toThrow(
      /make \(appkey, dt\) its primary key, or name another table$/,
    );
    await sql`create unique index mine_key on mine (dt, appkey)`.execute(db);
    await count(at.at, declaration, recordsOf([recharge('a', '2020-09-30 10:00:00', 1.5)]));
    expect(await consume(at.database, 'mine')).toMatchObject([{ amount: '1.50', note: 'theirs' }]);
  });

  test('a database that was set back is noticed', async () => {
    const store = await openAnalyticsStore(at.at, aggregatesOf(readAnalytics(only('recharge'))));
    try {
      const records = recordsOf(
        [1, 2, 3, 4].map((n) => recharge('a', `2020-09-30 10:0${n}:00`, n)),
      );
      async function* reads() {
        yield* records.slice(0, 2);
        while ((await store.reached('file:test')).get(0)?.next !== 2);
        await sql`update cep_aggregate_offsets set next_offset = 1`.execute(at.database.db);
        yield* records.slice(2);
      }
      await expect(countInto(store, reads(), { batch: 2 })).rejects.toThrow(
        /knows 1 record of partition 0 of file:test, of which 2 were read: it was set back or emptied/,
      );
    } finally {
      await store.close();
    }
  });
});
