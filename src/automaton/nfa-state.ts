import { type ComputationState, compareByStart } from './computation-state.js';
import type { NFA } from './nfa.js';
import { PriorityQueue } from './priority-queue.js';

/** Everything about the matches of one key that changes from event to event. */
export interface NFAState {
  /** The open partial matches and, last, the start state. */
  partialMatches: PriorityQueue<ComputationState>;
  /** Finished matches that a skip strategy holds back while an earlier partial match is alive. */
  completedMatches: PriorityQueue<ComputationState>;
}

export function computationStates(items: ComputationState[] = []): PriorityQueue<ComputationState> {
  return new PriorityQueue(compareByStart, items);
}

/** The state before the first event: the start state alone. */
export function initialState(nfa: NFA): NFAState {
  const start = { state: nfa.start, last: null, start: null };
  return { partialMatches: computationStates([start]), completedMatches: computationStates() };
}
