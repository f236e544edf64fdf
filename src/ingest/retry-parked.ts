import type { SessionRef } from '../workflows/messages.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import type { KeptSignals } from './parked.js';

/** What became of a retry. */
export interface RetryResult {
  /** Signals that Temporal accepted. */
  readonly sent: number;
  /** Why the server refused the next one: the session stays parked. Null when it is parked no longer. */
  readonly refused: string | null;
}

/**
 * Sends a parked session what was kept for it, in order, until nothing is; then live events flow again. To run it twice,
 * or once more after it was interrupted, does no harm: the session knows what it has seen.
 */
export async function retryParked(
  session: SessionRef,
  { gateway, kept }: { readonly gateway: SessionGateway; readonly kept: KeptSignals },
): Promise<RetryResult> {
  for (let sent = 0; ; ) {
    const signal = await kept.first(session);
    if (signal === null) {
      if (await kept.unpark(session)) return { sent, refused: null };
      continue;
    }
    const { batches, begins, number } = signal;
    try {
      if (begins) await gateway.signalWithStart(session, ...batches);
      else await gateway.signal(session, ...batches);
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      return { sent, refused: error.message };
    }
    // Q2.
    await kept.sent(session, number);
    sent++;
  }
}
