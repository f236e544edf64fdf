// The time that one try may take, whatever it waits for.

import { formatDuration } from '../../time.js';
import type { Delivery } from './kind.js';

/**
 * Does something with a signal that says when its time is over. `reason` of the signal says so in words.
 *
 * @param act - has to end soon after the signal
 */
export async function tryFor<T>(
  { signal, timeoutMs }: Pick<Delivery, 'signal' | 'timeoutMs'>,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const cut = () => controller.abort(new Error('the try was cut short'));
  const timer = setTimeout(
    () => controller.abort(new Error(`it took longer than ${formatDuration(timeoutMs)}`)),
    timeoutMs,
  );
  signal.addEventListener('abort', cut, { once: true });
  if (signal.aborted) cut();
  try {
    return await act(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cut);
  }
}

/** Rejects as soon as the signal says so, and leaves the work to itself. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // What comes of it later interests nobody.
  work.catch(() => {});
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
