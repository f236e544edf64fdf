import type { State } from './state.js';
import type { Branches } from './taken.js';

/** One partial match: where it stands and what it has taken. Several, where the list forks. */
export class PartialMatch {
  state: State;
  /** Null for the start state, which has taken nothing. */
  last: Branches | null;
  /** The same as `last.origin`, at hand: to follow `last` for it costs more than all else in a step. */
  origin: Branches | null;
  /** The next one of the same key; only under NO_SKIP. */
  next: PartialMatch | null = null;
  /** What its first event has of what further events must have too; undefined where that is nothing. See `agreement.ts`. */
  value: unknown;

  constructor(state: State, last: Branches | null, value: unknown) {
    this.state = state;
    this.last = last;
    this.origin = last === null ? null : last.origin;
    this.value = value;
  }
}

/** Orders partial matches by their start event; the start state comes last. */
export function compareByStart({ origin: a }: PartialMatch, { origin: b }: PartialMatch): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a.sequence - b.sequence;
}
