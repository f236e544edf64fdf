import type { Timestamp } from '../time.js';

/** A record as a reader found it: bytes with coordinates. */
export interface RawRecord {
  /** A topic, or `file:<name>`. */
  readonly source: string;
  readonly partition: number;
  /** Position in the partition; for a file the record's number, from 0. */
  readonly offset: number;
  /** The record's own timestamp: for a topic the broker's, else when it was read. */
  readonly recordTime: Timestamp;
  /** JSON text, or an object that is parsed already. */
  readonly value: string | Readonly<Record<string, unknown>>;
  /** Why the reader could make no sense of it; `value` is then what it read. */
  readonly fault?: string;
}

/** A reader looked, and there was nothing more: evidence that the partition is quiet. */
export interface EndOfLog {
  readonly endOfLog: true;
  readonly source: string;
  readonly partition: number;
  /** When the look was begun, on the monotonic clock, in ms. */
  readonly lookedAt: number;
}

export type Read = RawRecord | EndOfLog;

/** The two clocks of an ingestor, in ms. Injected, so that tests need not wait. */
export interface Clock {
  /** Wall clock. */
  now(): Timestamp;
  /** Never goes back; only differences mean anything. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
