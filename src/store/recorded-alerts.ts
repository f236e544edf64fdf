// What the ledger has recorded, for those who want to look at it.

import { type Selectable, sql } from 'kysely';
import type { Alert } from '../rules/rule.js';
import type { Timestamp } from '../time.js';
import type { Database } from './database.js';
import type { AlertsTable } from './schema.js';
import { storableText } from './text.js';

/**
 * The alerts of a rule, those in the shadow too, in the order of their times.
 *
 * @param of.since - event time of the first one
 */
export async function recordedAlerts(
  { db }: Pick<Database, 'db'>,
  of: { readonly rule: string; readonly since: Timestamp },
): Promise<Alert[]> {
  const rows = await db
    .selectFrom('cep_alerts')
    .selectAll()
    .where('rule', '=', storableText(of.rule))
    .where('at', '>=', of.since)
    .orderBy('at')
    .orderBy('id')
    .execute();
  return rows.map(alertOf);
}

/** Null where there is none of this id. */
export async function recordedAlert(
  { db }: Pick<Database, 'db'>,
  id: string,
): Promise<Alert | null> {
  const row = await db
    .selectFrom('cep_alerts')
    .selectAll()
    .where('id', '=', storableText(id))
    .executeTakeFirst();
  return row ? alertOf(row) : null;
}

/** An alert without what was matched. */
export interface RecordedAlert extends Omit<Alert, 'match' | 'omitted' | 'userId' | 'userSession'> {
  readonly recordedAt: Date;
  /** Whether a workflow takes care of what it has set off. */
  readonly hasEffects: boolean;
}

/** Those that were recorded last, the last one first. */
export async function newestAlerts(
  { db }: Pick<Database, 'db'>,
  limit: number,
): Promise<RecordedAlert[]> {
  const rows = await db
    .selectFrom('cep_alerts')
    .select(['id', 'journey', 'rule', 'rule_version', 'key', 'type', 'message', 'at'])
    .select(['recorded_at', 'shadow', 'timed_out'])
    .select(({ exists, selectFrom }) =>
      exists(
        selectFrom('cep_effects')
          .select('effect')
          .whereRef('cep_effects.alert_id', '=', 'cep_alerts.id'),
      ).as('hasEffects'),
    )
    .orderBy('recorded_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ rule_version, recorded_at, shadow, timed_out, hasEffects, ...row }) => ({
    ...row,
    ruleVersion: rule_version,
    recordedAt: recorded_at,
    hasEffects: Boolean(hasEffects),
    ...(timed_out && { timedOut: true as const }),
    ...(shadow && { shadow: true as const }),
  }));
}

/** How many alerts a rule has given in a minute. */
export interface AlertsOfMinute {
  readonly journey: string;
  readonly rule: string;
  readonly shadow: boolean;
  /** In which they were recorded, since the epoch. */
  readonly minute: number;
  readonly matches: number;
  readonly timeouts: number;
}

/** What {@link alertsByMinute} found. Minutes are counted since the epoch. */
export interface MinutesRead {
  /** The present one. */
  readonly now: number;
  /** The first one that was read. */
  readonly from: number;
  /** Nothing for minutes without alerts. */
  readonly rows: readonly AlertsOfMinute[];
}

/**
 * Alerts by rule and minute, up to the present one.
 *
 * @param wanted.minutes - how many at most
 * @param wanted.from - the first one that is of interest; null for all of them
 */
export async function alertsByMinute(
  { db }: Pick<Database, 'db'>,
  wanted: { readonly minutes: number; readonly from: number | null },
): Promise<MinutesRead> {
  const minuteOf = (time: string) => sql`floor(extract(epoch from ${sql.raw(time)}) / 60)::bigint`;
  const { rows: clock } = await sql<{ now: number }>`
    select ${minuteOf('current_timestamp')} as now`.execute(db);
  const now = Number(clock[0]?.now);
  const from = Math.max(now - wanted.minutes + 1, wanted.from ?? 0);
  const { rows } = await sql<AlertsOfMinute>`
    select journey, rule, shadow, ${minuteOf('recorded_at')} as minute,
      count(*) filter (where not timed_out) as matches,
      count(*) filter (where timed_out) as timeouts
    from cep_alerts
    where recorded_at >= to_timestamp(${from * 60})
    group by 1, 2, 3, 4`.execute(db);
  return {
    now,
    from,
    rows: rows.map(({ minute, matches, timeouts, ...rule }) => ({
      ...rule,
      minute: Number(minute),
      matches: Number(matches),
      timeouts: Number(timeouts),
    })),
  };
}

function alertOf(row: Selectable<AlertsTable>): Alert {
  return {
    id: row.id,
    journey: row.journey,
    rule: row.rule,
    ruleVersion: row.rule_version,
    key: row.key,
    userId: row.user_id,
    userSession: row.user_session,
    type: row.type,
    message: row.message,
    at: row.at,
    match: row.match,
    ...(row.timed_out && { timedOut: true as const }),
    ...(row.shadow && { shadow: true as const }),
  };
}
