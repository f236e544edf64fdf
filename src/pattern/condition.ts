// Conditions: what an event must satisfy to be taken by a stage.
//
//   C1. A condition is pure: the same event, match and timestamp give the same answer.
//   C2. A condition that is not `iterative` looks at the event alone, so the automaton asks it once
//       per event, however many partial matches want to know.
//   C3. A condition that throws is false for that event; the automaton counts it and goes on.

import type { Timestamp } from '../time.js';

/**
 * The events a partial match has taken so far, by stage name, oldest first; a stage that took none
 * is an empty list. The current event is not among them. In a closure the names are those of the pattern: see
 * `MatchOf`.
 *
 * @example
 * const viewedBefore = (match: MatchSoFar<Click>) => (match.view ?? []).length > 0;
 */
export type MatchSoFar<E = unknown> = Readonly<Record<string, readonly E[]>>;

/**
 * Under this name the automaton's own views of a match answer with a stage's first event, or undefined: what conditions ask for
 * most often, and a list of all that the stage has taken takes a look at each. Other matches have no such thing.
 */
export const FIRST_EVENT: unique symbol = Symbol('first event');

/** A match that may know first events by themselves. */
export interface KnowsFirst {
  readonly [FIRST_EVENT]?: (stage: string) => unknown;
}

/** What the event at hand must have in common with the first one that a stage has taken. */
export interface Agreement {
  readonly field: string;
  readonly stage: string;
  readonly firstField: string;
}

/**
 * A compiled condition, as the automaton sees it. `cel('...')` makes one of text; closures need not be compiled.
 *
 * @example
 * const isCart: Condition<Click> = {
 *   type: 'FUNCTION',
 *   iterative: false,
 *   evaluate: (event) => event.eventType === 'cart',
 * };
 */
export interface Condition<E = unknown> {
  /** What the condition is in a pattern document: `CEL`, `AVIATOR`, `CLASS`, or `FUNCTION` for a closure. */
  readonly type: 'CEL' | 'AVIATOR' | 'CLASS' | 'FUNCTION' | 'AND' | 'OR' | 'NOT' | 'SUBTYPE';
  /** Whether the answer depends on the events matched before this one. */
  readonly iterative: boolean;
  /** Source text of a `CEL` or `AVIATOR` condition, name of a `CLASS` condition. */
  readonly expression?: string;
  /** Of a `CLASS` condition: what it was made with, the version of its code, and whether it stood as a subtype. */
  readonly args?: readonly string[];
  readonly version?: number;
  readonly isSubtype?: boolean;
  /** The parts of `AND` and `OR`; the one part of `NOT`. */
  readonly parts?: readonly Condition<E>[];
  /**
   * The condition is false, and does not throw, for an event that has in `field` another text or another number than the first
   * event of `stage` in `firstField`: most partial matches need not be looked at for most events.
   */
  readonly agreement?: Agreement;
  /** The closure that `evaluate` wraps; its text is what people are shown of the condition. */
  readonly closure?: (event: E) => boolean;
  /** May throw; see C3. `match` is only to be read when `iterative`. */
  evaluate(event: E, match: MatchSoFar, timestamp: Timestamp): boolean;
}

/**
 * A condition written in TypeScript: pure, and false where it throws. One that declares `match` is iterative, as in
 * FlinkCEP: it is asked once per partial match, any other once per event.
 *
 * @param timestamp - the event's time, ms since the epoch
 * @example
 * const isCart: ConditionFunction<Click> = (event) => event.eventType === 'cart';
 * @see Flink CEP, SimpleCondition and IterativeCondition
 */
export type ConditionFunction<E, M = MatchSoFar<E>> = (
  event: E,
  match: M,
  timestamp: Timestamp,
) => boolean;

/**
 * A condition as a user writes it: a closure, or a compiled one such as `cel('...')`.
 *
 * @example
 * const conditions: ConditionInput<Click>[] = [(event) => event.price > 200, cel('event.price > 200.0')];
 */
export type ConditionInput<E, M = MatchSoFar<E>> = ConditionFunction<E, M> | Condition<E>;

/**
 * Makes a condition of a closure. Whether it reads the match is told from its number of declared
 * parameters, so a closure over rest parameters counts as one that looks at the event alone.
 */
export function toCondition<E>(input: ConditionInput<E, never>): Condition<E> {
  if (typeof input !== 'function') return input;
  const fn = input as ConditionFunction<E>;
  if (fn.length >= 2) return { type: 'FUNCTION', iterative: true, evaluate: fn };
  return {
    type: 'FUNCTION',
    iterative: false,
    // Called without the match: an answer that depended on it would be remembered for other matches.
    evaluate: (event) => (fn as (event: E) => boolean)(event),
    closure: fn as (event: E) => boolean,
  };
}

/** All of the parts hold; asked from left to right, no further than needed. */
export function and<E>(...parts: Condition<E>[]): Condition<E> {
  return {
    type: 'AND',
    iterative: parts.some((part) => part.iterative),
    parts,
    evaluate: (event, match, timestamp) => {
      for (const part of parts) if (!part.evaluate(event, match, timestamp)) return false;
      return true;
    },
  };
}

/** At least one part holds; asked from left to right, no further than needed. */
export function or<E>(...parts: Condition<E>[]): Condition<E> {
  return {
    type: 'OR',
    iterative: parts.some((part) => part.iterative),
    parts,
    evaluate: (event, match, timestamp) => {
      for (const part of parts) if (part.evaluate(event, match, timestamp)) return true;
      return false;
    },
  };
}

/** The part does not hold. Where it throws, so does this. */
export function not<E>(part: Condition<E>): Condition<E> {
  return {
    type: 'NOT',
    iterative: part.iterative,
    parts: [part],
    evaluate: (event, match, timestamp) => !part.evaluate(event, match, timestamp),
  };
}

/** The event passes a type guard: FlinkCEP's subtype condition. */
export function subtype<E, Sub extends E>(guard: (event: E) => event is Sub): Condition<E> {
  return { type: 'SUBTYPE', iterative: false, evaluate: (event) => guard(event), closure: guard };
}
