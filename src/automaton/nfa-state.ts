import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import type { NFA } from './nfa.js';
import { compareByStart, PartialMatch } from './partial-match.js';
import { PriorityQueue } from './priority-queue.js';

/** Everything about the matches of one key that changes from event to event. */
export interface NFAState {
  /**
   * The open partial matches and the start state. Under a skip strategy the array of a heap; under NO_SKIP
   * oldest start first, but for those that fork, and the start state last.
   */
  partialMatches: PartialMatch[];
  /** Finished matches that a skip strategy holds back while an earlier partial match is alive; a heap. */
  readonly completedMatches: PriorityQueue<PartialMatch>;
  /** How many events were processed. */
  sequence: number;
  /** No partial match ends before this time. */
  earliestDeadline: Timestamp;
  /** Partial matches that began at or before this time are over. */
  horizon: Timestamp;
}

export function queueByStart(items: PartialMatch[] = []): PriorityQueue<PartialMatch> {
  return new PriorityQueue(compareByStart, items);
}

/** The state before the first event: the start state alone. */
export function initialState(nfa: NFA): NFAState {
  return {
    partialMatches: [new PartialMatch(nfa.start, null)],
    completedMatches: queueByStart(),
    sequence: 0,
    earliestDeadline: MAX_TIMESTAMP,
    horizon: MIN_TIMESTAMP,
  };
}
