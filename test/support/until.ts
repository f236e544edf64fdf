import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until something holds, and fails when it does not within `timeoutMs`. An error counts as "not yet":
 * a query is refused while a workflow task is tried again.
 */
export async function until<T>(
  what: string,
  found: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await found();
      if (value) return value as NonNullable<T>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    }
    await sleep(20);
  }
}
