// What the tables of results say of the latest days and minutes, for those who watch. A table that is not there is an error of the
// database's, by which `isMissingTable` knows it.

import { type Kysely, sql } from 'kysely';
import { type Amount, amountOf, formatAmount } from '../money.js';
import { minutes } from '../time.js';
import type { AnalyticsSchema } from './schema.js';

export interface VisitDay {
  /** `2026-01-31`. */
  readonly day: string;
  readonly pv: number;
  readonly uv: number;
}

/** What a minute has added to its day. */
export interface VisitMinute {
  readonly day: string;
  /** `23:59`. */
  readonly minute: string;
  readonly pv: number;
  /** Visitors who had not come that day before. */
  readonly uv: number;
}

/** Both in the order of time. */
export interface Visits {
  readonly days: readonly VisitDay[];
  /** Each minute up to the latest there is: one without a row has added nothing. */
  readonly minutes: readonly VisitMinute[];
}

/** How much is read. */
export interface VisitsWanted {
  readonly table: string;
  readonly days: number;
  readonly minutes: number;
}

/** As text also where a user's table has dates: the drivers would make moments of this process's zone of them. */
const dayText = (column: string) => sql<string>`cast(${sql.ref(column)} as char(10))`;

/** The latest page views and visitors. */
export async function latestVisits(
  db: Kysely<AnalyticsSchema>,
  { table, days, minutes: length }: VisitsWanted,
): Promise<Visits> {
  const from = sql.table(table);
  // One more than asked for: a minute's figures are what it has beyond the row before.
  const { rows: latest } = await sql<SummaryRow>`
    select ${dayText('summary_date')} as day, summary_min as minute, pv, uv from ${from}
    order by summary_date desc, summary_min desc limit ${length + 1}`.execute(db);
  const newest = latest[0];
  if (newest === undefined) return { days: [], minutes: [] };
  const { rows: totals } = await sql<{ day: string; pv: number; uv: number }>`
    select ${dayText('summary_date')} as day, max(pv) as pv, max(uv) as uv from ${from}
    where summary_date >= ${dayBefore(newest.day, days - 1)}
    group by summary_date order by summary_date`.execute(db);
  return {
    days: totals.map(({ day, pv, uv }) => ({ day, pv: Number(pv), uv: Number(uv) })),
    minutes: byMinute(latest.reverse(), length),
  };
}

interface SummaryRow {
  readonly day: string;
  readonly minute: string;
  readonly pv: number;
  readonly uv: number;
}

/** From running totals, in the order of time, to what each of the last minutes has added. */
function byMinute(rows: readonly SummaryRow[], length: number): VisitMinute[] {
  const added = new Map<number, { pv: number; uv: number }>();
  for (const [i, row] of rows.entries()) {
    const before = rows[i - 1];
    const base = before?.day === row.day ? before : { pv: 0, uv: 0 };
    added.set(timeOf(row), {
      pv: Number(row.pv) - Number(base.pv),
      uv: Number(row.uv) - Number(base.uv),
    });
  }
  const end = timeOf(rows.at(-1) as SummaryRow);
  return Array.from({ length }, (_, i) => {
    const at = end - minutes(length - 1 - i);
    const text = new Date(at).toISOString();
    return {
      day: text.slice(0, 10),
      minute: text.slice(11, 16),
      ...(added.get(at) ?? { pv: 0, uv: 0 }),
    };
  });
}

/** Dates and minutes are reckoned in as UTC, whatever their zone. */
function timeOf({ day, minute }: Pick<SummaryRow, 'day' | 'minute'>): number {
  return Date.parse(`${day}T${minute}Z`);
}

function dayBefore(day: string, count: number): string {
  return new Date(Date.parse(day) - count * minutes(24 * 60)).toISOString().slice(0, 10);
}

/** An app's recharges. Amounts are decimals as text: `19.90`. */
export interface RechargeOfApp {
  readonly app: string;
  /** By day, in the order of {@link Recharge.days}. */
  readonly amounts: readonly string[];
  readonly total: string;
}

export interface Recharge {
  /** In order; days without any recharge are not among them. */
  readonly days: readonly string[];
  /** Of all apps, by day. */
  readonly totals: readonly string[];
  /** Those with the largest totals, the largest first. */
  readonly apps: readonly RechargeOfApp[];
  /** All other apps together; null where there are none. */
  readonly others: Omit<RechargeOfApp, 'app'> | null;
}

export interface RechargeWanted {
  readonly table: string;
  readonly days: number;
  readonly apps: number;
}

/** Recharges of the latest days. */
export async function latestRecharge(
  db: Kysely<AnalyticsSchema>,
  { table, days: length, apps: appsMax }: RechargeWanted,
): Promise<Recharge> {
  const from = sql.table(table);
  const { rows: newest } = await sql<{ day: string }>`
    select ${dayText('dt')} as day from ${from} group by dt order by dt desc limit ${length}`.execute(
    db,
  );
  const days = newest.map(({ day }) => day).reverse();
  const [first] = days;
  if (first === undefined) return { days, totals: [], apps: [], others: null };
  const { rows: sums } = await sql<{ day: string; amount: string }>`
    select ${dayText('dt')} as day, sum(amount) as amount from ${from}
    where dt >= ${first} group by dt order by dt`.execute(db);
  const { rows: named } = await sql<{ app: string }>`
    select appkey as app from ${from} where dt >= ${first}
    group by appkey order by sum(amount) desc, appkey limit ${appsMax + 1}`.execute(db);
  const shown = named.slice(0, appsMax).map(({ app }) => app);
  const { rows: cells } = await sql<{ app: string; day: string; amount: string }>`
    select appkey as app, ${dayText('dt')} as day, amount from ${from}
    where dt >= ${first} and appkey in (${sql.join(shown)})`.execute(db);

  const totals = sums.map(({ amount }) => formatAmount(amountOf(String(amount))));
  const left = new Map(sums.map(({ day, amount }) => [day, amountOf(String(amount))]));
  const known = new Map<string, Amount>();
  for (const { app, day, amount } of cells) {
    known.set(JSON.stringify([app, day]), amountOf(String(amount)));
    left.set(day, (left.get(day) ?? 0n) - amountOf(String(amount)));
  }
  const apps = shown.map((app) => ({
    app,
    ...summed(days.map((day) => known.get(JSON.stringify([app, day])) ?? 0n)),
  }));
  const others = named.length > appsMax ? summed(days.map((day) => left.get(day) ?? 0n)) : null;
  return { days, totals, apps, others };
}

function summed(amounts: readonly Amount[]): Omit<RechargeOfApp, 'app'> {
  return {
    amounts: amounts.map(formatAmount),
    total: formatAmount(amounts.reduce((sum, amount) => sum + amount, 0n)),
  };
}
