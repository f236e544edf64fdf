// Whether something is worth a try while a workflow task waits for it. A worker has few places for those tasks: where each waited
// until it gave up, a sink that is away would hold up every session, also those that have nothing for it.

import { type Millis, seconds } from '../time.js';

/** A try that takes longer says that the next ones will; sessions wait no longer either. */
const SLOW_MS: Millis = seconds(2);
/** How long no more is tried then. */
const HELD_OFF_MS: Millis = seconds(10);

export class LocalTries {
  #notBefore: Millis = 0;

  /** @throws Error without a try, where one has failed or been slow within the last 10 s */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (performance.now() < this.#notBefore) {
      throw new Error('the sink or the ledger was away a moment ago');
    }
    const slow = setTimeout(() => this.#holdOff(), SLOW_MS);
    try {
      return await act();
    } catch (error) {
      this.#holdOff();
      throw error;
    } finally {
      clearTimeout(slow);
    }
  }

  #holdOff(): void {
    this.#notBefore = performance.now() + HELD_OFF_MS;
  }
}
