import type { SessionRef } from '../workflows/messages.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import type { KeptSignal, KeptSignals, ParkedSession } from './parked.js';
import type { Reject, RejectSink } from './rejects.js';

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
export function retryParked(
  session: SessionRef,
  { gateway, kept }: { readonly gateway: SessionGateway; readonly kept: KeptSignals },
): Promise<RetryResult> {
  return empty(session, kept, async ({ batches, begins }) => {
    try {
      if (begins) await gateway.signalWithStart(session, ...batches);
      else await gateway.signal(session, ...batches);
      return null;
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      return error.message;
    }
  });
}

/**
 * Gives up what was kept for a parked session: each event is a dead letter, `SESSION_DISCARDED`, before it is forgotten. Then
 * live events flow again. Who is interrupted and does it again writes a letter twice, and loses none.
 *
 * @returns how many letters were written
 */
export async function discardParked(
  session: ParkedSession,
  { letters, kept }: { readonly letters: RejectSink; readonly kept: KeptSignals },
): Promise<number> {
  let written = 0;
  await empty(session, kept, async (signal) => {
    for (const letter of lettersOf(session, signal)) {
      await letters(letter);
      written++;
    }
    return null;
  });
  return written;
}

/** The events of a kept signal, as the dead letters that they become where they are given up. */
export function lettersOf(
  { journey, key, reason }: Pick<ParkedSession, 'journey' | 'key' | 'reason'>,
  { batches }: Pick<KeptSignal, 'batches'>,
): Reject[] {
  const message = `session ${journey}/${key}: ${reason}`;
  return batches.flatMap(({ events, origin, ...read }) => {
    const { source, partition } = origin ?? read;
    return events.map(({ offset, data }) => ({
      ...{ source, partition, offset, reason: 'SESSION_DISCARDED', message },
      ...{ record: data, journey },
    }));
  });
}

/** @param give - answers why it could not; then all that is left stays */
async function empty(
  session: SessionRef,
  kept: KeptSignals,
  give: (signal: KeptSignal) => Promise<string | null>,
): Promise<RetryResult> {
  for (let sent = 0; ; ) {
    const signal = await kept.first(session);
    if (signal === null) {
      if (await kept.unpark(session)) return { sent, refused: null };
      continue;
    }
    const refused = await give(signal);
    if (refused !== null) return { sent, refused };
    // Q2.
    await kept.sent(session, signal.number);
    sent++;
  }
}
