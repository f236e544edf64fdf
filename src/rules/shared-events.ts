// The rules of a session see the same events. Its snapshot holds each of them once, and what a rule has of it is
// a row: what is handed from run to run would otherwise grow with the number of rules.

import type { OperatorSnapshot } from '../automaton/operator.js';
import type { CepEvent } from '../event.js';

/** The events of one snapshot, each with its row. */
export class EventTable {
  readonly events: CepEvent[] = [];
  readonly #rows = new Map<CepEvent, number>();

  /** An operator's snapshot with rows of this table in place of events. */
  pack(snapshot: OperatorSnapshot): OperatorSnapshot<number> {
    const { matches, buffered } = snapshot;
    return {
      ...snapshot,
      matches: {
        ...matches,
        events: matches.events.map(([sequence, event]) => [sequence, this.#rowOf(event)]),
      },
      buffered: buffered.map((event) => this.#rowOf(event)),
    };
  }

  #rowOf(event: CepEvent): number {
    const known = this.#rows.get(event);
    if (known !== undefined) return known;
    const row = this.events.push(event) - 1;
    this.#rows.set(event, row);
    return row;
  }
}

/** Puts the events back in the place of their rows. */
export function unpack(
  packed: OperatorSnapshot<number>,
  events: readonly CepEvent[],
): OperatorSnapshot {
  const { matches, buffered } = packed;
  const at = (row: number) => events[row] as CepEvent;
  return {
    ...packed,
    matches: {
      ...matches,
      events: matches.events.map(([sequence, row]) => [sequence, at(row)]),
    },
    buffered: buffered.map(at),
  };
}
