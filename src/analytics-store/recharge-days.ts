// Recharges in SQL: `cep_recharge_days` has every sum, the table for people those over 0.

import type { Transaction } from 'kysely';
import type { RechargeAggregate } from '../analytics/aggregate.js';
import { addRecharge, type Recharge, type RechargeSum } from '../analytics/recharge.js';
import { amountOf, formatAmount } from '../money.js';
import type { AnalyticsSchema } from './schema.js';
import { type Dialect, deleteRows, insertMissing, portions, upsert } from './statements.js';

const TABLE = 'cep_recharge_days';
const KEY = ['aggregate', 'appkey', 'day'];
/** A row that was made to be locked and has no event yet: no time is before 1970. */
const NO_TIME = -1;

interface Place {
  readonly app: string;
  readonly day: string;
}

/** Adds events in the order in which they arrived. */
export async function countRecharges(
  transaction: Transaction<AnalyticsSchema>,
  dialect: Dialect,
  { name, declaration: { table } }: RechargeAggregate,
  events: readonly Recharge[],
): Promise<void> {
  const places = new Map<string, Place>();
  for (const { app, day } of events) places.set(keyOf(app, day), { app, day });
  if (places.size === 0) return;
  const before = await lock(transaction, dialect, name, places);
  const after = new Map(before);
  for (const event of events) {
    const key = keyOf(event.app, event.day);
    after.set(key, addRecharge(after.get(key), event));
  }
  const rows = [...places].map(([key, place]) => ({ place, sum: after.get(key) as RechargeSum }));
  await upsert(transaction, dialect, {
    table: TABLE,
    key: KEY,
    rows: rows.map(({ place: { app, day }, sum }) => ({
      aggregate: name,
      appkey: app,
      day,
      amount: formatAmount(sum.amount),
      last_time: sum.lastTime,
      serverid: sum.server,
      servertime: sum.serverTime,
      roleid: sum.role,
    })),
  });
  await upsert(transaction, dialect, {
    table,
    key: ['appkey', 'dt'],
    rows: rows
      .filter(({ sum }) => sum.amount > 0n)
      .map(({ place: { app, day }, sum }) => ({
        appkey: app,
        serverid: sum.server,
        servertime: sum.serverTime,
        roleid: sum.role,
        amount: formatAmount(sum.amount),
        dt: day,
      })),
  });
  const isShown = ({ app, day }: Place) => (before.get(keyOf(app, day))?.amount ?? 0n) > 0n;
  await deleteRows(
    transaction,
    table,
    rows
      .filter(({ place, sum }) => sum.amount <= 0n && isShown(place))
      .map(({ place: { app, day } }) => ({ appkey: app, dt: day })),
  );
}

/** Takes the rows, which are made where they are missing, and tells what they hold. */
async function lock(
  transaction: Transaction<AnalyticsSchema>,
  dialect: Dialect,
  aggregate: string,
  places: ReadonlyMap<string, Place>,
): Promise<Map<string, RechargeSum | undefined>> {
  const sums = new Map<string, RechargeSum | undefined>();
  const sorted = [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place);
  const take = async (wanted: readonly Place[]) => {
    for (const some of portions(wanted)) {
      const rows = await transaction
        .selectFrom(TABLE)
        .selectAll()
        .where('aggregate', '=', aggregate)
        .where(({ eb, refTuple, tuple }) =>
          eb(
            refTuple('appkey', 'day'),
            'in',
            some.map(({ app, day }) => tuple(app, day)),
          ),
        )
        .orderBy('appkey')
        .orderBy('day')
        .forUpdate()
        .execute();
      for (const row of rows) {
        const sum = {
          amount: amountOf(row.amount),
          lastTime: row.last_time,
          server: row.serverid,
          serverTime: row.servertime,
          role: row.roleid,
        };
        sums.set(keyOf(row.appkey, row.day), row.last_time === NO_TIME ? undefined : sum);
      }
    }
  };
  await take(sorted);
  const missing = sorted.filter(({ app, day }) => !sums.has(keyOf(app, day)));
  if (missing.length === 0) return sums;
  await insertMissing(transaction, dialect, {
    table: TABLE,
    key: KEY,
    rows: missing.map(({ app, day }) => ({
      ...{ aggregate, appkey: app, day, amount: '0', last_time: NO_TIME },
      ...{ serverid: '', servertime: '', roleid: '' },
    })),
  });
  await take(missing);
  return sums;
}

/** No app has U+0000 in it. */
function keyOf(app: string, day: string): string {
  return `${app}\0${day}`;
}
