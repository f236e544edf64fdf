// Partial matches. FlinkCEP shares the events of overlapping matches in a buffer of reference-counted,
// Dewey-numbered nodes; here a partial match points at an immutable list of what it has taken, whose
// tail it shares with the match it branched from, and the garbage collector does the counting.

import type { CepEvent, MatchedEvents } from '../event.js';
import type { Timestamp } from '../time.js';
import type { State } from './state.js';

/** An event the automaton holds. Two of one timestamp are ordered by arrival. */
export interface StoredEvent {
  readonly timestamp: Timestamp;
  /** Counts the events of one operator in the order in which they were processed. */
  readonly sequence: number;
  readonly event: CepEvent;
}

/** The newest event a partial match has taken, and the list of those before it. */
export interface TakenEvent {
  /** Index into the automaton's stage names. */
  readonly stage: number;
  readonly stored: StoredEvent;
  readonly previous: TakenEvent | null;
}

/** One partial match: where it stands and what it has taken. */
export interface ComputationState {
  readonly state: State;
  /** Null for the start state, which has taken nothing. */
  readonly last: TakenEvent | null;
  /** The first event taken; null for the start state. */
  readonly start: StoredEvent | null;
}

/** Orders events by time, then by arrival. */
export function compareEvents(a: StoredEvent, b: StoredEvent): number {
  return a.timestamp - b.timestamp || a.sequence - b.sequence;
}

/** Orders partial matches by their start event; the start state comes last. */
export function compareByStart(a: ComputationState, b: ComputationState): number {
  if (a.start === null || b.start === null)
    return Number(a.start === null) - Number(b.start === null);
  return a.start === b.start ? 0 : compareEvents(a.start, b.start);
}

/** What was taken, oldest first. */
export function takenEvents(last: TakenEvent | null): TakenEvent[] {
  const taken: TakenEvent[] = [];
  for (let node = last; node !== null; node = node.previous) taken.push(node);
  return taken.reverse();
}

/** The events taken, by stage, in the order in which the stages first took one. */
export function eventsByStage(
  last: TakenEvent | null,
  stageNames: readonly string[],
): Record<string, CepEvent[]> {
  const stages = new Map<string, CepEvent[]>();
  for (const { stage, stored } of takenEvents(last)) {
    const name = stageNames[stage] as string;
    const events = stages.get(name);
    if (events) events.push(stored.event);
    else stages.set(name, [stored.event]);
  }
  return Object.fromEntries(stages);
}

/** The same without the envelopes: what a user sees of a match. */
export function dataByStage(match: Readonly<Record<string, readonly CepEvent[]>>): MatchedEvents {
  return Object.fromEntries(
    Object.entries(match).map(([stage, events]) => [stage, events.map((event) => event.data)]),
  );
}
