import type { SessionRef } from '../workflows/messages.js';

/** A session that gets nothing more, because the server refused some of its events for good. */
export interface ParkedSession extends SessionRef {
  readonly reason: string;
  /** When it was parked, in ms since the epoch. */
  readonly parkedAt: number;
}

/** Remembers parked sessions: what comes later must not be matched without what is missing. */
export interface ParkedSessions {
  park(session: SessionRef, reason: string): Promise<void>;
  list(): Promise<ParkedSession[]>;
}
