// The latest figures for those who watch: what each minute has added to its day, and exact sums by app and day, in each kind of database.

import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { latestRecharge, latestVisits } from '../../src/analytics-store/figures.js';
import { CONSUME, prepareTable, SUMMARY } from '../../src/analytics-store/tables.js';
import { readOnly } from '../../src/store/sql-database.js';
import { isMissingTable, sqlStateOf } from '../../src/store/sql-state.js';
import { ENGINES } from '../support/engines.js';
import { count, recordsOf } from './support/counting.js';
import { useDatabase } from './support/database.js';

const VISITS = { table: 'result_cps_total_summary_pvuv_min', days: 2, minutes: 4 };
const RECHARGE = { table: 'consume', days: 2, apps: 2 };

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);
  const visits = () => readOnly(at.database, (db) => latestVisits(db, VISITS));
  const recharge = () => readOnly(at.database, (db) => latestRecharge(db, RECHARGE));

  test('a minute is what it has beyond the row before, over midnight and over gaps', async () => {
    await expect(visits()).rejects.toSatisfy(isMissingTable);
    await prepareTable(at.database, VISITS.table, SUMMARY);
    expect(await visits()).toEqual({ days: [], minutes: [] });
    const row = (summary_date: string, summary_min: string, pv: number, uv: number) => ({
      ...{ summary_date, summary_min, pv, uv },
    });
    const rows = [
      row('2026-01-29', '12:00', 500, 50),
      row('2026-01-30', '12:00', 80, 8),
      row('2026-01-30', '23:59', 100, 10),
      row('2026-01-31', '00:02', 7, 3),
    ];
    await at.database.db
      .insertInto('result_cps_total_summary_pvuv_min')
      .values(rows as never)
      .execute();
    expect(await visits()).toEqual({
      days: [
        { day: '2026-01-30', pv: 100, uv: 10 },
        { day: '2026-01-31', pv: 7, uv: 3 },
      ],
      minutes: [
        { day: '2026-01-30', minute: '23:59', pv: 20, uv: 2 },
        { day: '2026-01-31', minute: '00:00', pv: 0, uv: 0 },
        { day: '2026-01-31', minute: '00:01', pv: 0, uv: 0 },
        { day: '2026-01-31', minute: '00:02', pv: 7, uv: 3 },
      ],
    });
  });

  test('recharges are summed to the last place', async () => {
    await expect(recharge()).rejects.toSatisfy(isMissingTable);
    await prepareTable(at.database, RECHARGE.table, CONSUME);
    expect(await recharge()).toEqual({ days: [], totals: [], apps: [], others: null });
    const put = async (dt: string, amounts: Record<string, string>) => {
      const values = Object.entries(amounts).map(([appkey, amount]) => ({
        ...{ appkey, amount, dt, serverid: '1', servertime: '1', roleid: '1' },
      }));
      await at.database.db.insertInto('consume').values(values).execute();
    };
    await put('2026-01-01', { old: '5' });
    await put('2026-01-30', { a: '0.1', A: '1' });
    await put('2026-01-31', { a: '9007199254740993.0001', b: '0.2' });
    expect(await recharge()).toEqual({
      days: ['2026-01-30', '2026-01-31'],
      totals: ['1.10', '9007199254740993.2001'],
      apps: [
        { app: 'a', amounts: ['0.10', '9007199254740993.0001'], total: '9007199254740993.1001' },
        { app: 'A', amounts: ['1.00', '0.00'], total: '1.00' },
      ],
      others: { amounts: ['0.00', '0.20'], total: '0.20' },
    });
  });

  test("days of a table of the user's own may be dates", async () => {
    await sql`create table result_cps_total_summary_pvuv_min (summary_date date, summary_min varchar(5), pv bigint, uv bigint,
      currenttime timestamp, primary key (summary_date, summary_min))`.execute(at.database.db);
    await sql`create table consume (appkey varchar(64), serverid varchar(64), servertime varchar(32), roleid varchar(64),
      amount decimal(20, 4), dt date, primary key (appkey, dt))`.execute(at.database.db);
    const aggregates = { sums: { kind: 'recharge' }, views: { kind: 'page-views' } };
    const event = (time: string, consumenum: number) => ({
      ...{ appkey: 'a', serverid: '1', servertime: time, roleid: 'r', consumenum },
      ...{ c_time: time, client_ip: 'x' },
    });
    const events = [
      event('2026-01-29 23:00:00', 1),
      event('2026-01-30 23:59:00', 2),
      event('2026-01-31 00:01:00', 3),
    ];
    await count(at.at, { aggregates }, recordsOf(events));
    expect(await visits()).toEqual({
      days: [
        { day: '2026-01-30', pv: 1, uv: 1 },
        { day: '2026-01-31', pv: 1, uv: 1 },
      ],
      minutes: [
        { day: '2026-01-30', minute: '23:58', pv: 0, uv: 0 },
        { day: '2026-01-30', minute: '23:59', pv: 1, uv: 1 },
        { day: '2026-01-31', minute: '00:00', pv: 0, uv: 0 },
        { day: '2026-01-31', minute: '00:01', pv: 1, uv: 1 },
      ],
    });
    expect(await recharge()).toEqual({
      days: ['2026-01-30', '2026-01-31'],
      totals: ['2.00', '3.00'],
      apps: [{ app: 'a', amounts: ['2.00', '3.00'], total: '5.00' }],
      others: null,
    });
  });

  test('nothing can be written on the way', async () => {
    await prepareTable(at.database, RECHARGE.table, CONSUME);
    const write = readOnly(at.database, (db) => db.deleteFrom('consume').execute());
    // In PostgreSQL's words, or MySQL's.
    await expect(write).rejects.toSatisfy((error) =>
      ['25006', '25000'].includes(sqlStateOf(error) ?? ''),
    );
  });
});
