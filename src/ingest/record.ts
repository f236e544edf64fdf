import type { DecodeError } from '../errors.js';
import type { Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import type { Claim } from './progress.js';

/** What a change of a row was that is no event. */
export type SkippedChange = 'update' | 'delete' | 'truncate' | 'message' | 'other';

/** A record as a reader found it: bytes with coordinates. */
export interface RawRecord extends SourcePartition {
  /** Position in the partition; for a file the record's number, from 0. */
  readonly offset: number;
  /** The record's own timestamp, never ahead of when it was read; for a file that time. */
  readonly recordTime: Timestamp;
  /** JSON text, or an object that is parsed already; null for a tombstone, which says that a key is gone. */
  readonly value: string | Readonly<Record<string, unknown>> | null;
  /** The record's key as it was read. */
  readonly key?: string | null;
  /** The event's id by the record's key; records of one id are repeats of one event. */
  readonly id?: string;
  /** The one journey that it is for, where others have had it before. */
  readonly journey?: string;
  /** Its headers, where `repartition` has written it. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What Debezium had said, where `value` is the row of a change. */
  readonly envelope?: string;
  /** Of an update that is an event: where it stands in the database's log; null where that is not known. */
  readonly position?: string | null;
  /** Of a change that is no event, and has no `value`. */
  readonly skipped?: SkippedChange;
  /** Why the reader could make no sense of it; `value` is then what it read. */
  readonly fault?: string | DecodeError;
}

/** A reader looked, and there was nothing more: evidence that the partition is quiet. */
export interface EndOfLog extends SourcePartition {
  readonly endOfLog: true;
  /** When the look was begun, on the monotonic clock, in ms. */
  readonly lookedAt: number;
}

/**
 * The partitions that are read from now on, in place of all before: each begins anew from what its claim
 * says. A reader that never says so is given each partition when its first record comes.
 */
export interface Assignment {
  readonly assigned: readonly Claim[];
  /** Whether a session's events lie in one partition, or in all of them. */
  readonly isKeyed: boolean;
}

export type Read = RawRecord | EndOfLog | Assignment;

/** What a reader may ask of the ingest that it feeds. */
export interface Flow {
  /**
   * Whether more of this partition would only wait for others: then those should be read first.
   */
  isAhead(partition: SourcePartition): boolean;
}

/** The two clocks of an ingestor, in ms. Injected, so that tests need not wait. */
export interface Clock {
  /** Wall clock. */
  now(): Timestamp;
  /** Never goes back; only differences mean anything. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
