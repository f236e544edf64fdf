// The tables as Kysely sees them. The migrations make them; every one begins with `cep_`, because the
// database may be shared with other programs.

import type { ColumnType, Generated } from 'kysely';
import type { MatchedEvents } from '../event.js';
import type { OriginsState } from '../ingest/origins.js';

export interface Schema {
  cep_progress: ProgressTable;
  cep_alerts: AlertsTable;
  cep_effects: EffectsTable;
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
  /** When the sink had taken it; null before. */
  published_at: Date | null;
}

/** What alerts set off. */
export interface EffectsTable {
  alert_id: string;
  effect: string;
  attempts: Generated<number>;
  /** When the last attempt began. */
  begun_at: Generated<Date>;
  done_at: Date | null;
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
