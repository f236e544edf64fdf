import type { NFA } from './nfa.js';
import type { State } from './state.js';

/** The same automaton for matches that are open: it goes on with them and begins none. Snapshots fit both. */
export function withoutBegin(nfa: NFA): NFA {
  const start: State = { ...nfa.start, transitions: [], decision: null, decisions: 0 };
  const states = nfa.states.map((state) => (state === nfa.start ? start : state));
  return { ...nfa, start, states };
}
