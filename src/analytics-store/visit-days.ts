// Page views in SQL: `cep_visit_days` has each day's totals and is what a day is counted under, `cep_visitors` who came.

import { sql, type Transaction } from 'kysely';
import type { PageViewsAggregate } from '../analytics/aggregate.js';
import { countDay, type PageView } from '../analytics/page-views.js';
import { transact } from '../store/sql-database.js';
import type { AnalyticsDatabase, AnalyticsSchema } from './schema.js';
import { type Dialect, insertMissing, portions, type Row, upsert } from './statements.js';

const TABLE = 'cep_visit_days';
const KEY = ['aggregate', 'day'];
/** A day that was made to be locked and has no event yet: no time is before 1970. */
const NO_TIME = -1;
/** What becomes of a day: counted, then no more, then without visitors as well. */
const OPEN = 0;
const CLOSED = 1;
const FORGOTTEN = 2;
/** Visitors that are deleted at a time, so that no statement takes long. */
const DELETED_MAX = 5_000;

interface Day {
  readonly pv: number;
  readonly uv: number;
  readonly lastTime: number | null;
  readonly isClosed: boolean;
}

/**
 * Counts events in the order in which they arrived.
 *
 * @returns those that are too late: the visitors of their day are forgotten
 */
export async function countPageViews(
  transaction: Transaction<AnalyticsSchema>,
  dialect: Dialect,
  { name, declaration: { table }, days }: PageViewsAggregate,
  events: readonly PageView[],
): Promise<ReadonlySet<PageView>> {
  const tooLate = new Set<PageView>();
  const byDay = new Map<string, PageView[]>();
  for (const event of events) {
    const ofDay = byDay.get(event.day);
    if (ofDay) ofDay.push(event);
    else byDay.set(event.day, [event]);
  }
  if (byDay.size === 0) return tooLate;
  // All of them before anything is read that others may be writing.
  const before = await lock(transaction, dialect, name, [...byDay.keys()].sort());
  const totals: Row[] = [];
  const minutes: Row[] = [];
  for (const [day, ofDay] of byDay) {
    const known = before.get(day) as Day;
    if (known.isClosed) {
      for (const event of ofDay) tooLate.add(event);
      continue;
    }
    const visitors = await knownVisitors(transaction, name, day, ofDay);
    const isKnown = (visitor: string) => visitors.has(visitor);
    const counted = countDay(known, ofDay, { isKnown, days });
    const { pv, uv, lastTime } = counted.totals;
    totals.push({
      ...{ aggregate: name, day, pv, uv, last_time: lastTime ?? NO_TIME, closed: OPEN },
      updated_at: sql`current_timestamp(3)`,
    });
    for (const [minute, { pv, uv }] of counted.minutes) {
      minutes.push({
        ...{ summary_date: day, summary_min: minute, pv, uv },
        currenttime: sql`current_timestamp(3)`,
      });
    }
    await insertMissing(transaction, dialect, {
      table: 'cep_visitors',
      key: ['aggregate', 'day', 'visitor'],
      rows: counted.newVisitors.map((visitor) => ({ aggregate: name, day, visitor })),
    });
  }
  await upsert(transaction, dialect, { table: TABLE, key: KEY, rows: totals });
  await upsert(transaction, dialect, {
    ...{ table, key: ['summary_date', 'summary_min'], rows: minutes },
  });
  return tooLate;
}

/** Takes the days, which are made where they are missing, and tells what they hold. */
async function lock(
  transaction: Transaction<AnalyticsSchema>,
  dialect: Dialect,
  aggregate: string,
  days: readonly string[],
): Promise<Map<string, Day>> {
  const found = new Map<string, Day>();
  const take = async (wanted: readonly string[]) => {
    for (const some of portions(wanted)) {
      const rows = await transaction
        .selectFrom(TABLE)
        .select(['day', 'pv', 'uv', 'last_time', 'closed'])
        .where('aggregate', '=', aggregate)
        .where('day', 'in', some)
        .orderBy('day')
        .forUpdate()
        .execute();
      for (const { day, pv, uv, last_time, closed } of rows) {
        const lastTime = last_time === NO_TIME ? null : last_time;
        found.set(day, { pv, uv, lastTime, isClosed: closed !== OPEN });
      }
    }
  };
  await take(days);
  const missing = days.filter((day) => !found.has(day));
  if (missing.length === 0) return found;
  await insertMissing(transaction, dialect, {
    table: TABLE,
    key: KEY,
    rows: missing.map((day) => ({
      ...{ aggregate, day, pv: 0, uv: 0, last_time: NO_TIME, closed: OPEN },
    })),
  });
  await take(missing);
  return found;
}

/** Which of the visitors have come on that day. */
async function knownVisitors(
  transaction: Transaction<AnalyticsSchema>,
  aggregate: string,
  day: string,
  events: readonly PageView[],
): Promise<Set<string>> {
  const known = new Set<string>();
  for (const some of portions([...new Set(events.map(({ visitor }) => visitor))])) {
    const rows = await transaction
      .selectFrom('cep_visitors')
      .select('visitor')
      .where('aggregate', '=', aggregate)
      .where('day', '=', day)
      .where('visitor', 'in', some)
      .execute();
    for (const { visitor } of rows) known.add(visitor);
  }
  return known;
}

/**
 * Closes days for which nothing has come for as long as the aggregate keeps their visitors, by the database's clock, and deletes those. The
 * totals stay.
 *
 * @returns how many days
 */
export async function forgetVisitors(
  database: AnalyticsDatabase,
  { name, declaration: { keep } }: PageViewsAggregate,
): Promise<number> {
  const { db, dialect } = database;
  const since = {
    postgres: sql`current_timestamp - ${keep} * interval '1 millisecond'`,
    mysql: sql`timestampadd(microsecond, ${-keep * 1_000}, current_timestamp(3))`,
  }[dialect];
  // One statement: whoever counts such a day right now has its row, and has made it young again when this gets it.
  await db
    .updateTable(TABLE)
    .set({ closed: CLOSED })
    .where('aggregate', '=', name)
    .where('closed', '=', OPEN)
    .where(sql<boolean>`updated_at < ${since}`)
    .execute();
  const closed = await db
    .selectFrom(TABLE)
    .select('day')
    .where('aggregate', '=', name)
    .where('closed', '=', CLOSED)
    .execute();
  for (const { day } of closed) {
    while (await deleteSome(database, name, day));
    await db
      .updateTable(TABLE)
      .set({ closed: FORGOTTEN })
      .where('aggregate', '=', name)
      .where('day', '=', day)
      .execute();
  }
  return closed.length;
}

/** @returns whether there may be more */
async function deleteSome(
  database: AnalyticsDatabase,
  aggregate: string,
  day: string,
): Promise<boolean> {
  return await transact(database, async (transaction) => {
    const rows = await transaction
      .selectFrom('cep_visitors')
      .select('visitor')
      .where('aggregate', '=', aggregate)
      .where('day', '=', day)
      .orderBy('visitor')
      .limit(DELETED_MAX)
      .execute();
    const last = rows.at(-1)?.visitor;
    if (last === undefined) return false;
    await transaction
      .deleteFrom('cep_visitors')
      .where('aggregate', '=', aggregate)
      .where('day', '=', day)
      .where('visitor', '<=', last)
      .execute();
    return rows.length === DELETED_MAX;
  });
}
