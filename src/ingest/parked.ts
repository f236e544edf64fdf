// Parked sessions: those that get nothing more, because the server refused some of their events for good. What comes
// for them is kept in order, until somebody has it sent again.
//
//   Q1. A signal is kept for a session only while that is parked, and a session stops being parked only when nothing is
//       kept for it. Both are decided under one lock, so that one of them comes first.
//   Q2. Whoever retries forgets a kept signal only when Temporal has accepted it. So what an ingestor sends to a session
//       that is parked no longer stands behind all that was kept.
//   Q3. An ingestor asks before each signal for a session that it takes for parked. So it learns with the next one that
//       it is not, and loses nothing by learning late.

import type { EventBatch, SessionRef } from '../workflows/messages.js';

/** A session that gets nothing more for the time being. */
export interface ParkedSession extends SessionRef {
  readonly reason: string;
  /** When it was parked, in ms since the epoch. */
  readonly parkedAt: number;
}

/** A signal as it would have been sent. */
export interface RefusedSignal {
  readonly batches: readonly EventBatch[];
  /** Whether an event in it can begin a match, so that it may start the session. */
  readonly begins: boolean;
}

/** Remembers parked sessions: what comes later must not be matched without what is missing. */
export interface ParkedSessions {
  park(session: SessionRef, reason: string): Promise<void>;
  /** Keeps a signal behind those kept before; Q1. @returns false where the session is not parked: nothing was kept */
  keep(session: SessionRef, signal: RefusedSignal): Promise<boolean>;
  /** Those parked, longest first. */
  list(): Promise<ParkedSession[]>;
}

/** One that was kept. */
export interface KeptSignal extends RefusedSignal {
  /** Grows from one to the next. */
  readonly number: number;
}

/** What was kept, for those who have it sent again. */
export interface KeptSignals {
  /**
   * The first signal that is kept for a session; null for none.
   *
   * @param behind - the number of another one, behind which it stands
   */
  first(session: SessionRef, behind?: number): Promise<KeptSignal | null>;
  /** Forgets one that was sent. */
  sent(session: SessionRef, number: number): Promise<void>;
  /** Q1. @returns false when something is kept by now, and the session stays parked */
  unpark(session: SessionRef): Promise<boolean>;
  /** How many signals are kept, by session: only those that have some. */
  counts(): Promise<(SessionRef & { readonly signals: number })[]>;
}
