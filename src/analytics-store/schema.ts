// The tables of aggregates as Kysely sees them. The two last ones are for people, and have the names that a declaration gives them;
// they stand here under those they have by default.

import type { ColumnType } from 'kysely';
import type { SqlDatabase } from '../store/sql-database.js';

/** An open database with aggregates in it. */
export type AnalyticsDatabase = SqlDatabase<AnalyticsSchema>;

export interface AnalyticsSchema {
  cep_aggregate_sources: SourcesTable;
  cep_aggregate_offsets: OffsetsTable;
  cep_recharge_days: RechargeDaysTable;
  cep_visit_days: VisitDaysTable;
  cep_visitors: VisitorsTable;
  consume: ConsumeTable;
  result_cps_total_summary_pvuv_min: SummaryTable;
}

export interface SourcesTable {
  source: string;
  /** How many partitions it had when it was first read. */
  first_partitions: number;
}

/** How far an aggregate has counted a partition. */
export interface OffsetsTable {
  aggregate: string;
  source: string;
  source_partition: number;
  /** All records below it are counted, late, dead letters or not meant. */
  next_offset: number;
  /** The largest event time among them, in ms since the epoch; null before the first event. */
  largest_time: number | null;
  updated_at: ColumnType<Date, never, unknown>;
}

/** The sum of an app's day whatever it is; `consume` has those over 0. */
export interface RechargeDaysTable {
  aggregate: string;
  appkey: string;
  /** `2026-01-31`. */
  day: string;
  /** Decimal, as text. */
  amount: string;
  /** Of the event that the next three are of, in ms since the epoch. */
  last_time: number;
  serverid: string;
  servertime: string;
  roleid: string;
}

/** A day's totals. Whoever holds its row counts it alone. */
export interface VisitDaysTable {
  aggregate: string;
  /** `2026-01-31`. */
  day: string;
  pv: number;
  uv: number;
  /** The latest time, in ms since the epoch. */
  last_time: number;
  /** 1 once its visitors are forgotten: what still comes is late. */
  closed: number;
  updated_at: ColumnType<Date, never, unknown>;
}

/** Who came on a day. */
export interface VisitorsTable {
  aggregate: string;
  day: string;
  visitor: string;
}

/** Recharges by app and day. */
export interface ConsumeTable {
  appkey: string;
  serverid: string;
  servertime: string;
  roleid: string;
  /** Decimal, as text. */
  amount: string;
  /** `2026-01-31`. */
  dt: string;
}

/** A day's page views and visitors so far, by the minute. */
export interface SummaryTable {
  /** `2026-01-31`. */
  summary_date: string;
  /** `23:59`. */
  summary_min: string;
  pv: number;
  uv: number;
  /** When the row was written. */
  currenttime: ColumnType<Date, unknown, unknown>;
}
