// What comes out: finished matches, and partial ones that timed out. Their events are put together when they
// are asked for: under NO_SKIP a key can have more matches than anybody looks at.

import type { CepEvent, MatchedEvents } from '../event.js';
import type { Timestamp } from '../time.js';
import { alongPath, listOf, type Path, Taken } from './taken.js';

/** Events by stage, in the order in which the stages first took one. */
export type EventsByStage = Readonly<Record<string, readonly CepEvent[]>>;

/** What one partial match became. */
export class Found<Type extends 'match' | 'timeout' = 'match' | 'timeout'> {
  readonly type: Type;
  readonly #at: Timestamp | null;
  readonly #list: Taken | Path;
  readonly #stageNames: readonly string[];
  #events: EventsByStage | null = null;

  /** @param at - null for the time of the last event of a list that is handed over by its end */
  constructor(type: Type, at: null, list: Taken, stageNames: readonly string[]);
  constructor(type: Type, at: Timestamp, list: Taken | Path, stageNames: readonly string[]);
  constructor(type: Type, at: Timestamp | null, list: Taken | Path, stageNames: readonly string[]) {
    this.type = type;
    this.#at = at;
    this.#list = list;
    this.#stageNames = stageNames;
  }

  /**
   * Of a match the time of its last event, or the deadline where the pattern ends in notFollowedBy; of a
   * timeout first event + window, or last event + limit between neighbours. In ms since the epoch.
   */
  get at(): Timestamp {
    return this.#at ?? (this.#list as Taken).event.timestamp;
  }

  get events(): EventsByStage {
    this.#events ??= eventsByStage(this.taken(), this.#stageNames);
    return this.#events;
  }

  /** The events with the indices of their stages, oldest first: less work than {@link events}. */
  taken(): Taken[] {
    return this.#list instanceof Taken ? listOf(this.#list) : alongPath(this.#list);
  }
}

/** The events taken, by stage. */
export function eventsByStage(
  taken: readonly Taken[],
  stageNames: readonly string[],
): EventsByStage {
  const stages = new Map<string, CepEvent[]>();
  for (const { stage, event } of taken) {
    const name = stageNames[stage] as string;
    const events = stages.get(name);
    if (events) events.push(event);
    else stages.set(name, [event]);
  }
  return Object.fromEntries(stages);
}

/** The same without the envelopes: what a user sees of a match. */
export function dataByStage(match: EventsByStage): MatchedEvents {
  return Object.fromEntries(
    Object.entries(match).map(([stage, events]) => [stage, events.map((event) => event.data)]),
  );
}
