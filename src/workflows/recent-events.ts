import type { CepEvent } from '../event.js';

/** Events that are kept for explanations. */
export const RECENT_EVENTS = 20;
/** What the next run gets of them, as JSON in characters. */
const CARRIED_LENGTH_MAX = 16_000;

/** The last events that a session took, in order of arrival: what its conditions can be asked about. */
export class RecentEvents {
  readonly #events: CepEvent[];

  constructor(events: readonly CepEvent[] = []) {
    this.#events = [...events];
  }

  add(event: CepEvent): void {
    const events = this.#events;
    if (events.length >= RECENT_EVENTS) events.shift();
    events.push(event);
  }

  all(): readonly CepEvent[] {
    return this.#events;
  }

  /** The newest ones, for the next run; bounded in bytes, because an event may be of any size. */
  snapshot(): CepEvent[] {
    let length = 0;
    let from = this.#events.length;
    while (from > 0) {
      length += JSON.stringify(this.#events[from - 1]).length;
      if (length > CARRIED_LENGTH_MAX) break;
      from--;
    }
    return this.#events.slice(from);
  }
}
