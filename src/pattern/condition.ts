// Conditions: what an event must satisfy to be taken by a stage.
//
//   C1. A condition is pure: the same event, match and timestamp give the same answer.
//   C2. A condition that is not `iterative` looks at the event alone, so the automaton asks it once
//       per event, however many partial matches want to know.
//   C3. A condition that throws is false for that event; the automaton counts it and goes on.

import type { Timestamp } from '../time.js';

/**
 * The events a partial match has taken so far, by stage name, oldest first; a stage that took none
 * is an empty list. The current event is not among them.
 */
export type MatchSoFar<E = unknown> = Readonly<Record<string, readonly E[]>>;

/** A compiled condition, as the automaton sees it. */
export interface Condition<E = unknown> {
  /** What the condition is in a pattern document: `CEL`, `CLASS`, or `FUNCTION` for a closure. */
  readonly type: 'CEL' | 'CLASS' | 'FUNCTION' | 'AND' | 'OR' | 'SUBTYPE';
  /** Whether the answer depends on the events matched before this one (or on the time). */
  readonly iterative: boolean;
  /** Source text of a `CEL` condition, name of a `CLASS` condition. */
  readonly expression?: string;
  /** The parts of `AND` and `OR`. */
  readonly parts?: readonly Condition<E>[];
  /** May throw; see C3. `match` is only to be read when `iterative`. */
  evaluate(event: E, match: MatchSoFar, timestamp: Timestamp): boolean;
}
