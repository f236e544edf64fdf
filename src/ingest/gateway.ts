import type { EventBatch, SessionRef } from '../workflows/messages.js';

/** The way to the sessions. Throws {@link SessionRefused} for what is refused for good; anything else is tried again. */
export interface SessionGateway {
  /** Delivers to the session, starting it where it does not run. */
  signalWithStart(session: SessionRef, batch: EventBatch): Promise<void>;
  /** Delivers to a session that runs. */
  signal(session: SessionRef, batch: EventBatch): Promise<'accepted' | 'not-found'>;
}

/** The server will never take this batch: a limit, or a payload it does not accept. */
export class SessionRefused extends Error {}
