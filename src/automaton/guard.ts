// Guards: what a transition asks. The compiler joins stage conditions with and/not; the automaton asks
// the joined closure. Conditions stay numbered underneath, so that each is evaluated once per event.

import type { Evaluation } from './evaluation.js';

/** The guard of one transition, as data. */
export type Guard =
  | { readonly op: 'TRUE' }
  | { readonly op: 'FALSE' }
  | { readonly op: 'TEST'; readonly condition: number }
  | { readonly op: 'NOT'; readonly of: Guard }
  | { readonly op: 'AND'; readonly left: Guard; readonly right: Guard };

/** A compiled guard. */
export type Test = (evaluation: Evaluation) => boolean;

export const TRUE: Guard = { op: 'TRUE' };
const FALSE: Guard = { op: 'FALSE' };

export function not(guard: Guard): Guard {
  if (guard.op === 'TRUE') return FALSE;
  if (guard.op === 'FALSE') return TRUE;
  return guard.op === 'NOT' ? guard.of : { op: 'NOT', of: guard };
}

export function both(left: Guard, right: Guard): Guard {
  if (left.op === 'TRUE') return right;
  if (right.op === 'TRUE' || left.op === 'FALSE') return left;
  return { op: 'AND', left, right };
}

export function compileGuard(guard: Guard): Test {
  switch (guard.op) {
    case 'TRUE':
      return () => true;
    case 'FALSE':
      return () => false;
    case 'TEST': {
      const { condition } = guard;
      return (evaluation) => evaluation.test(condition);
    }
    case 'NOT': {
      const of = compileGuard(guard.of);
      return (evaluation) => !of(evaluation);
    }
    case 'AND': {
      const left = compileGuard(guard.left);
      const right = compileGuard(guard.right);
      return (evaluation) => left(evaluation) && right(evaluation);
    }
  }
}
