// A session's matches as JSON: a table of events, a table of taken events with the index of the one
// before, and the partial matches as references into it. Linear in live nodes and live matches, because
// a tail that several matches share is written once.

import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { ComputationState, StoredEvent, TakenEvent } from './computation-state.js';
import type { NFA } from './nfa.js';
import { computationStates, type NFAState } from './nfa-state.js';

/** Position of a state in `NFA.states`, and of the last taken event in `taken` (-1 for none). */
type MatchRow = [state: number, taken: number];

export interface NFASnapshot {
  /** Of the automaton that this belongs to. */
  readonly fingerprint: string;
  readonly events: readonly [sequence: number, event: CepEvent][];
  /** A row stands behind the row it refers to. */
  readonly taken: readonly [stage: number, event: number, previous: number][];
  /** In the array order of the queue. */
  readonly partial: readonly MatchRow[];
  readonly completed: readonly MatchRow[];
}

/** Writes a state down. */
export function writeState(nfa: NFA, state: NFAState): NFASnapshot {
  const events: [number, CepEvent][] = [];
  const taken: [number, number, number][] = [];
  const eventRows = new Map<StoredEvent, number>();
  const takenRows = new Map<TakenEvent, number>();

  const eventRow = (stored: StoredEvent): number => {
    const known = eventRows.get(stored);
    if (known !== undefined) return known;
    const row = events.push([stored.sequence, stored.event]) - 1;
    eventRows.set(stored, row);
    return row;
  };
  const takenRow = (last: TakenEvent | null): number => {
    // A loop, not a recursion: a long loop's list could be deeper than the stack.
    const missing: TakenEvent[] = [];
    let node = last;
    for (; node !== null && !takenRows.has(node); node = node.previous) missing.push(node);
    let row = node === null ? -1 : (takenRows.get(node) as number);
    for (const next of missing.reverse()) {
      row = taken.push([next.stage, eventRow(next.stored), row]) - 1;
      takenRows.set(next, row);
    }
    return row;
  };
  const rows = (matches: readonly ComputationState[]): MatchRow[] =>
    matches.map((match) => [match.state.index, takenRow(match.last)]);

  return {
    fingerprint: nfa.fingerprint,
    partial: rows(state.partialMatches.items),
    completed: rows(state.completedMatches.items),
    events,
    taken,
  };
}

/**
 * Reads a state back.
 *
 * @throws CepError `SNAPSHOT_MISMATCH` when it was written by another automaton
 */
export function readState(nfa: NFA, snapshot: NFASnapshot): NFAState {
  if (snapshot.fingerprint !== nfa.fingerprint) {
    throw new CepError(
      'SNAPSHOT_MISMATCH',
      `the snapshot belongs to pattern ${snapshot.fingerprint}, not to ${nfa.fingerprint}: a changed pattern needs a fresh state`,
    );
  }
  const events = snapshot.events.map(
    ([sequence, event]): StoredEvent => ({ timestamp: event.timestamp, sequence, event }),
  );
  const taken: TakenEvent[] = [];
  const starts: StoredEvent[] = [];
  for (const [stage, event, previous] of snapshot.taken) {
    const stored = events[event] as StoredEvent;
    taken.push({ stage, stored, previous: previous < 0 ? null : (taken[previous] as TakenEvent) });
    starts.push(previous < 0 ? stored : (starts[previous] as StoredEvent));
  }
  const matches = (rows: readonly MatchRow[]) =>
    computationStates(
      rows.map(([state, row]) => ({
        state: nfa.states[state] as ComputationState['state'],
        last: row < 0 ? null : (taken[row] as TakenEvent),
        start: row < 0 ? null : (starts[row] as StoredEvent),
      })),
    );
  return {
    partialMatches: matches(snapshot.partial),
    completedMatches: matches(snapshot.completed),
  };
}
