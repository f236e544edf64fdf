// What became of matches, by rule, version and day: how many effects, why not more, and whether they were of use.
//
//   R1. Everything counts on the day of its match, so that a row follows the same people to their end.
//   R2. Users convert who reach the goal after the match and within the window. Those of the control group stand for what would have
//       happened anyway: they, too, had not reached the goal when the effect fell due.
//   R3. A dry run counts as not sent, and for nobody's conversion.

import { sql } from 'kysely';
import type { EffectState } from '../effects/record.js';
import type { Millis, Timestamp } from '../time.js';
import type { Database } from './database.js';
import { storableText } from './text.js';
import { USER_KEY } from './user-key.js';

export interface ReportWanted {
  /** Of the match, in event time. */
  readonly since: Timestamp;
  /** Before this. */
  readonly until: Timestamp;
  /** IANA name: whose days. */
  readonly zone: string;
  readonly rule?: string | undefined;
  readonly convertWithinMs: Millis;
  /** By default the effect's own. */
  readonly goal?: string | undefined;
}

/** Users, and how many of them reached the goal in time. */
export interface Converted {
  readonly users: number;
  readonly reached: number;
}

export interface ReportRow {
  readonly journey: string;
  readonly rule: string;
  readonly ruleVersion: number;
  /** `2026-01-31` */
  readonly day: string;
  /** Alerts, without those of a rule in the shadow. */
  readonly matched: number;
  /** Effects by what they are now. */
  readonly states: Readonly<Record<EffectState, number>>;
  /** Of those `suppressed`. */
  readonly suppressedBy: Readonly<Record<string, number>>;
  /** Null where nobody was sent what has a goal. */
  readonly delivered: Converted | null;
  readonly control: Converted | null;
}

interface Cell {
  journey: string;
  rule: string;
  version: number;
  day: string;
}

/** By rule, version and day. */
export async function effectReport(
  { db }: Pick<Database, 'db'>,
  { since, until, zone, rule, convertWithinMs, goal }: ReportWanted,
): Promise<ReportRow[]> {
  const day = (at: string) =>
    sql<string>`to_char(to_timestamp(${sql.ref(at)} / 1000.0) at time zone ${zone}::text, 'YYYY-MM-DD')`;
  const ofRule = rule === undefined ? sql`true` : sql`rule = ${storableText(rule)}`;
  const effectsWanted = sql`matched_at >= ${since} and matched_at < ${until} and ${ofRule}`;
  const wantedGoal = goal === undefined ? sql`cep_effects.goal` : sql`${storableText(goal)}::text`;

  const matches = await sql<Cell & { count: number }>`
    select journey, rule, rule_version as version, ${day('at')} as day, count(*) as count
    from cep_alerts
    where at >= ${since} and at < ${until} and not shadow and ${ofRule}
    group by 1, 2, 3, 4`.execute(db);
  const states = await sql<Cell & { state: EffectState; reason: string | null; count: number }>`
    select journey, rule, rule_version as version, ${day('matched_at')} as day,
      state, case when state = 'suppressed' then reason end as reason, count(*) as count
    from cep_effects
    where ${effectsWanted}
    group by 1, 2, 3, 4, 5, 6`.execute(db);
  const conversions = await sql<Cell & { control: boolean; users: number; reached: number }>`
    select journey, rule, version, day, control,
      count(distinct user_id) as users,
      count(distinct user_id) filter (where is_reached) as reached
    from (
      select journey, rule, rule_version as version, ${day('matched_at')} as day,
        state = 'suppressed' as control, user_id,
        exists (
          select 1 from cep_goals
          where cep_goals.user_id = ${USER_KEY} and cep_goals.goal = ${wantedGoal}
            and cep_goals.at > cep_effects.matched_at
            and cep_goals.at <= cep_effects.matched_at + ${convertWithinMs}::bigint
        ) as is_reached
      from cep_effects
      where ${effectsWanted} and user_id is not null and not dry_run and ${wantedGoal} is not null
        and (state = 'delivered' or (state = 'suppressed' and reason = 'CONTROL_GROUP'))
    ) as of_users
    group by 1, 2, 3, 4, 5`.execute(db);

  const rows = new Map<string, Writable<ReportRow>>();
  const rowOf = ({ journey, rule: id, version, day: date }: Cell) => {
    const key = JSON.stringify([journey, id, version, date]);
    const known = rows.get(key) ?? emptyRow(journey, id, version, date);
    rows.set(key, known);
    return known;
  };
  for (const cell of matches.rows) rowOf(cell).matched = Number(cell.count);
  for (const cell of states.rows) {
    const row = rowOf(cell);
    const { state, reason, count } = cell;
    row.states = { ...row.states, [state]: row.states[state] + Number(count) };
    if (reason !== null) row.suppressedBy = { ...row.suppressedBy, [reason]: Number(count) };
  }
  for (const cell of conversions.rows) {
    const converted = { users: Number(cell.users), reached: Number(cell.reached) };
    rowOf(cell)[cell.control ? 'control' : 'delivered'] = converted;
  }
  return [...rows.values()].sort(
    (a, b) =>
      compare(a.journey, b.journey) ||
      compare(a.rule, b.rule) ||
      a.ruleVersion - b.ruleVersion ||
      compare(a.day, b.day),
  );
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

function emptyRow(
  journey: string,
  rule: string,
  ruleVersion: number,
  day: string,
): Writable<ReportRow> {
  return {
    ...{ journey, rule, ruleVersion, day },
    matched: 0,
    states: {
      ...{ planned: 0, held: 0, sent: 0, delivered: 0 },
      ...{ capped: 0, suppressed: 0, failed: 0, dead: 0 },
    },
    suppressedBy: {},
    delivered: null,
    control: null,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
