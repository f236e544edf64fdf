// A session's matches as JSON: a table of events, a table of taken events with the rows of those before, and
// the partial matches as references into it. Linear in live nodes and in what they lead to, because an end
// that several lists share is written once.

import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import { MIN_TIMESTAMP } from '../time.js';
import { wantedOf } from './agreement.js';
import { earliestDeadline, link, type NFAState, openMatches } from './automaton.js';
import type { NFA } from './nfa.js';
import { PartialMatch } from './partial-match.js';
import type { State } from './state.js';
import { type Branches, Fork, nodesAt, nodesBehind, Taken } from './taken.js';

/** Position of a state in `NFA.states`, and the rows in `taken` where its lists end: none for the start state. */
type MatchRow = readonly [state: number, ...taken: number[]];

/** @typeParam E - an event, or what stands for it in a snapshot that shares its events with others */
export interface NFASnapshot<E = CepEvent> {
  /** Of the automaton that this belongs to. */
  readonly fingerprint: string;
  readonly events: readonly (readonly [sequence: number, event: E])[];
  /** A row stands behind the rows it refers to; one without is a first event, one with several forks. */
  readonly taken: readonly (readonly [stage: number, event: number, ...previous: number[]])[];
  /** In the order of the state's list or array. */
  readonly partial: readonly MatchRow[];
  readonly completed: readonly MatchRow[];
  /** The next number of an event. */
  readonly sequence: number;
}

/** Writes a state down. */
export function writeState(nfa: NFA, state: NFAState): NFASnapshot {
  const { completed, sequence } = state;
  const partial = state.open.length > 0 ? state.open : openMatches(state);
  const events: [number, CepEvent][] = [];
  const eventRows = new Map<number, number>();
  const eventRow = ({ sequence, event }: Taken): number => {
    const known = eventRows.get(sequence);
    if (known !== undefined) return known;
    const row = events.push([sequence, event]) - 1;
    eventRows.set(sequence, row);
    return row;
  };
  const takenRows = new Map<Taken, number>();
  const rowsAt = (branches: Branches | null): number[] =>
    nodesAt(branches).map((node) => takenRows.get(node) as number);
  const ends = [...partial, ...completed].flatMap(({ last }) => last ?? []);
  const taken = [...nodesBehind(ends)].map((node, row): [number, number, ...number[]] => {
    takenRows.set(node, row);
    return [node.stage, eventRow(node), ...rowsAt(node.previous)];
  });
  const matchRow = ({ state, last }: PartialMatch): MatchRow => [state.index, ...rowsAt(last)];
  return {
    fingerprint: nfa.fingerprint,
    partial: partial.map(matchRow),
    completed: completed.map(matchRow),
    events,
    taken,
    sequence,
  };
}

/** How many partial matches a snapshot holds, known without its automaton. */
export function openCountOf({ partial, taken }: NFASnapshot<unknown>): number {
  const lists: number[] = [];
  const sumOf = (rows: readonly number[]) => rows.reduce((sum, row) => sum + (lists[row] ?? 0), 0);
  for (const [, , ...previous] of taken) {
    lists.push(previous.length === 0 ? 1 : sumOf(previous));
  }
  return partial.reduce((sum, [, ...ends]) => sum + sumOf(ends), 0);
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
  const nodes: Taken[] = [];
  const branchesAt = (rows: readonly number[]): Branches | null => {
    const [first, ...others] = rows.map((row) => nodes[row] as Taken);
    return first === undefined ? null : others.reduce<Branches>(Fork.of, first);
  };
  for (const [stage, row, ...previous] of snapshot.taken) {
    const [sequence, event] = snapshot.events[row] as [number, CepEvent];
    const before = branchesAt(previous);
    nodes.push(new Taken(stage, event, sequence, before, before?.origin ?? null));
  }
  const matches = (rows: readonly MatchRow[]): PartialMatch[] =>
    rows.map(([index, ...ends]) => {
      const last = branchesAt(ends);
      return new PartialMatch(nfa.states[index] as State, last, wantedOf(last, nfa.agreement));
    });
  const partial = matches(snapshot.partial);
  const isHeap = nfa.afterMatchSkip.type !== 'NO_SKIP';
  const state: NFAState = {
    first: null,
    open: isHeap ? partial : [],
    completed: matches(snapshot.completed),
    sequence: snapshot.sequence,
    earliestDeadline: MIN_TIMESTAMP,
  };
  if (!isHeap) link(state, partial);
  state.earliestDeadline = earliestDeadline(nfa, state);
  return state;
}
