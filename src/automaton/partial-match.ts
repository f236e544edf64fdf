import type { State } from './state.js';
import type { Branches } from './taken.js';

/** One partial match: where it stands and what it has taken. Several, where the list forks. */
export class PartialMatch {
  state: State;
  /** Null for the start state, which has taken nothing. */
  last: Branches | null;

  constructor(state: State, last: Branches | null) {
    this.state = state;
    this.last = last;
  }
}

/** Orders partial matches by their start event; the start state comes last. */
export function compareByStart({ last: a }: PartialMatch, { last: b }: PartialMatch): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a.origin.sequence - b.origin.sequence;
}
