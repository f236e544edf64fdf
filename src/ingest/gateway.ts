import type { EventBatch, SessionRef } from '../workflows/messages.js';

/** The way to the sessions. Throws {@link SessionRefused} for what is refused for good; anything else is tried again. */
export interface SessionGateway {
  /** Delivers to the session in one signal, starting it where it does not run. A batch per partition. */
  signalWithStart(session: SessionRef, ...batches: EventBatch[]): Promise<void>;
  /** Delivers to a session that runs. */
  signal(session: SessionRef, ...batches: EventBatch[]): Promise<'accepted' | 'not-found'>;
  /** Whether the session, which runs, has signals to take or alerts to publish. */
  isBusy(session: SessionRef): Promise<boolean>;
}

/** The server will never take this batch: a limit, or a payload it does not accept. */
export class SessionRefused extends Error {}
