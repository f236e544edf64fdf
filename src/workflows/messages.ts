// What ingestor, worker and session workflow say to each other. Plain JSON, no behaviour.

import type { EventData } from '../event.js';
import type { Millis, Timestamp } from '../time.js';

/** Workflow type of a session. */
export const SESSION_WORKFLOW = 'session';
/** Signal that carries {@link EventBatch}es: one argument for each source partition it has events of. */
export const EVENTS_SIGNAL = 'events';
/** Signal, without arguments, that asks a session to continue as new. */
export const CONTINUE_SIGNAL = 'continueAsNew';
/** Query for a session's whole state. */
export const STATE_QUERY = 'state';
/** Query, by the ingestor, whether signals are still to be taken or alerts to be published. */
export const BUSY_QUERY = 'busy';
/** Query for what is open of each rule and why not more. */
export const EXPLAIN_QUERY = 'explain';
/** Query for what has happened in a session. */
export const TIMELINE_QUERY = 'timeline';
/** Updates by which people operate a session; each takes one JSON object with `author` and `reason`. */
export const UPDATES = { drop: 'drop', pause: 'pause', resume: 'resume', close: 'close' } as const;
/** Update that brings what a backtest has left open of a rule. */
export const TAKE_OVER_UPDATE = 'takeOver';
/** Temporal's limit for a summary is 400 bytes, of which a character takes up to four. */
export const SUMMARY_LENGTH_MAX = 100;
/** Default task queue of the workers. */
export const TASK_QUEUE = 'temporal-cep';

/** Custom search attributes of a session, with their types. */
export const SEARCH_ATTRIBUTES = {
  CepJourney: 'KEYWORD',
  CepKey: 'KEYWORD',
  CepRules: 'KEYWORD_LIST',
  CepNextDeadline: 'DATETIME',
  CepStages: 'KEYWORD_LIST',
  CepPaused: 'BOOL',
} as const;

/** An event in a batch: its source and partition stand on the batch. */
export interface BatchedEvent {
  readonly offset: number;
  readonly timestamp: Timestamp;
  readonly id?: string;
  readonly data: EventData;
}

/**
 * Events of one session from one source partition, in event-time order, with three promises about
 * that partition.
 */
export interface EventBatch extends SourcePartition {
  /**
   * Where the events were before `source` and `partition`, which a repartition has written: their offsets and
   * `lowWater` are those of the origin, `watermark` is not.
   */
  readonly origin?: SourcePartition;
  /** May be empty: then only the promises are news. */
  readonly events: readonly BatchedEvent[];
  /**
   * Every event of this partition *for this session* with time <= watermark is in this batch or in an
   * earlier one.
   */
  readonly watermark: Timestamp;
  /** Offsets below it are committed: they will never be delivered again. */
  readonly lowWater: number;
  /** The rules in force when it was made, where they come from a table: the session takes them up before its events. */
  readonly revision?: number;
  /** The next signal may come before the session has seen this one: no moment to continue as new. */
  readonly more?: true;
  /** The source has ended: nothing more will come, and its watermark no longer gates. */
  readonly finished?: true;
}

/** A partition of a source: of a topic, or of one run of a file. */
export interface SourcePartition {
  /** Such as `<topic>@<topic id>` or `file:<name>`. */
  readonly source: string;
  readonly partition: number;
}

/** A partition whose progress somebody wants to know; with an origin the low-water mark is that of the origin. */
export interface ReadPartition extends SourcePartition {
  readonly origin?: SourcePartition;
}

/** The same, and what would be worth a moment's wait. */
export interface ProgressQuestion extends ReadPartition {
  readonly watermark?: Timestamp;
  readonly lowWater?: number;
}

/** What an ingestor promises of one of its partitions at this moment. */
export interface PartitionProgress {
  /** Every event with time <= watermark was accepted by Temporal, or is late or a dead letter. */
  readonly watermark: Timestamp;
  /** Offsets below it are committed. */
  readonly lowWater: number;
  readonly finished: boolean;
  /** Of a stream of the present: its watermark goes on with the clock, or stands because its ingestor does. */
  readonly isLive?: boolean;
}

/** Answer to a {@link ProgressQuestion}. */
export interface ProgressAnswer extends PartitionProgress {
  /** The newest revision of the journey's rules, where they come from a table. */
  readonly revision?: number;
}

/** Times a session needs to know of its ingestor, to place its timer. */
export interface SessionSettings {
  /** How far event times may lag behind the largest one seen. Default 2 s. */
  readonly outOfOrdernessMs: Millis;
  /** How long a published watermark may be under way. Default 1 s. */
  readonly publicationIntervalMs: Millis;
  /**
   * Whether alerts are published in the workflow task at hand, and a session that is idle asks at once whether it may end.
   * Default true; a server that skips time stops doing so when a session is terminated meanwhile.
   */
  readonly sparesTasks?: boolean;
  /** How long the ingestor may hold events back, and with them the watermark. Default 0. */
  readonly patienceMs?: Millis;
}

/** A session's address. */
export interface SessionRef {
  readonly journey: string;
  readonly key: string;
}

/** What sessions tell their worker outside of history: for counters. */
export type SessionSinks = {
  session: { dropped(journey: string, rule: string, partialMatches: number): void };
};

/** Why a session did not take an event, in words. */
export const NOT_TAKEN = {
  LATE_FOR_SESSION: 'it came too late for the session',
  NO_ROOM_IN_SESSION: 'too many events wait for the watermark of the session',
  SESSION_CLOSED: 'it waited for the watermark when somebody closed the session',
} as const;

export type NotTakenReason = keyof typeof NOT_TAKEN;
