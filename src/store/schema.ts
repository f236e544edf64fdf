// The tables as Kysely sees them. The migrations make them; every one begins with `cep_`, because the
// database may be shared with other programs.

import type { ColumnType, Generated } from 'kysely';
import type { Answer } from '../effects/kinds/kind.js';
import type { EffectState, Reason } from '../effects/record.js';
import type { MatchedEvents } from '../event.js';
import type { OriginsState } from '../ingest/origins.js';

export interface Schema {
  cep_progress: ProgressTable;
  cep_alerts: AlertsTable;
  cep_effects: EffectsTable;
  cep_effect_users: EffectUsersTable;
  cep_budgets: BudgetsTable;
  cep_goals: GoalsTable;
  cep_suppressions: SuppressionsTable;
  cep_parked: ParkedTable;
  cep_refused: RefusedTable;
  cep_sources: SourcesTable;
}

/** How far the ingestors are, a row per partition of a source. */
export interface ProgressTable {
  source: string;
  partition: number;
  /** The topic behind the source; null for a file. */
  topic: string | null;
  /** How often the partition was claimed. */
  generation: number;
  /** For people: who claimed it last. */
  owner: string;
  watermark: Generated<number>;
  low_water: Generated<number>;
  next_offset: Generated<number>;
  read_to: Generated<number>;
  ordering_watermark: Generated<number>;
  quiet_since: number | null;
  finished: Generated<boolean>;
  /** The source that has taken this one's place: its topic was deleted and created again. */
  continued_by: string | null;
  /** Of a repartitioned topic: what was known of its source before the record at `low_water`. */
  origins: ColumnType<OriginsState | null, string | null | undefined, string | null>;
  /** When progress was published last; null when it never was since the source began. */
  updated_at: Date | null;
}

/** Every alert there was. */
export interface AlertsTable {
  id: string;
  journey: string;
  rule: string;
  rule_version: Generated<number>;
  key: string;
  type: string;
  message: string;
  user_id: string | null;
  user_session: string | null;
  /** Event time, ms since the epoch. */
  at: number;
  match: ColumnType<MatchedEvents, string, string>;
  recorded_at: Generated<Date>;
  /** Of a rule in the shadow: published nowhere. */
  shadow: Generated<boolean>;
  /** Whether the window ended first; false for what was recorded before anybody wrote it down. */
  timed_out: Generated<boolean>;
  /** When the sink had taken it; null before. */
  published_at: Date | null;
}

/** What alerts set off, and what became of it: see `effects/ledger.ts`. Times are ms since the epoch. */
export interface EffectsTable {
  alert_id: string;
  /** Its name. */
  effect: string;
  journey: string | null;
  key: string | null;
  rule: string | null;
  rule_version: number | null;
  user_id: string | null;
  channel: string | null;
  /** Which the user may reach first. */
  goal: string | null;
  state: EffectState;
  reason: Reason | null;
  detail: string | null;
  answer: ColumnType<Answer | null, string | null | undefined, string | null>;
  campaign: string | null;
  /** What it costs, a decimal. */
  value: string | null;
  attempts: Generated<number>;
  dry_run: Generated<boolean>;
  /** Whether a try has begun whose end is not recorded. */
  under_way: Generated<boolean>;
  /** Whether some try may have arrived. */
  may_have_arrived: Generated<boolean>;
  /** Whether it counts for caps and budgets. */
  counted: Generated<boolean>;
  /** Event time. */
  matched_at: number | null;
  planned_at: number | null;
  held_until: number | null;
  decided_at: number | null;
  ended_at: number | null;
  workflow_id: string | null;
  run_id: string | null;
  /** Given up for good: dead, and listed no more. */
  discarded: Generated<boolean>;
  /** Who has discarded it, or had it tried again, last. */
  handled_by: string | null;
  handled_why: string | null;
  handled_at: number | null;
}

/** A row to lock for each user that something was ever decided for. */
export interface EffectUsersTable {
  /** As `userKey` of effect-ledger.ts makes it, here and in the three tables below. */
  user_id: string;
}

/** What campaigns have spent: on each user, and, under the empty user id, on all. */
export interface BudgetsTable {
  campaign: string;
  user_id: string;
  /** What would have been, had it been sent. */
  dry_run: boolean;
  spent: ColumnType<string, string, string>;
}

/** When users have reached goals: a row each time, for as long as `GOALS_KEPT_MS` of effect-ledger.ts says. */
export interface GoalsTable {
  user_id: string;
  goal: string;
  /** Event time. */
  at: number;
}

/** Who is sent nothing: over a channel, or, under the empty one, at all. */
export interface SuppressionsTable {
  /** As `suppressionKey` of suppressions.ts makes it: a user, or an address. */
  user_id: string;
  channel: string;
  reason: string;
  author: string;
  added_at: Generated<Date>;
  /** When it was taken off the list; null while it is on it. */
  removed_at: Date | null;
  removed_by: string | null;
  removed_why: string | null;
}

/** Sessions that the server refuses signals for. */
export interface ParkedTable {
  /** The session's workflow id: a key may be longer than an index can take. */
  session: string;
  journey: string;
  key: string;
  reason: string;
  parked_at: Generated<Date>;
}

/** Signals that were not sent to parked sessions, in order. */
export interface RefusedTable {
  number: Generated<number>;
  /** The session's workflow id. */
  session: string;
  /** Whether it may start the session. */
  begins: boolean;
  /** The signal's batches as JSON. */
  batches: string;
  refused_at: Generated<Date>;
}

/** What is known of a source as a whole. */
export interface SourcesTable {
  source: string;
  topic: string | null;
  /** Whether the topic is keyed by the journeys' key; null when nobody has looked yet. */
  keyed: boolean | null;
  /** How many partitions the topic had when it was first read. */
  first_partitions: number | null;
}
