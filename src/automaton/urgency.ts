// What is known of an event without knowing which partial matches are open: whether it can complete one. Whoever
// brings events may let the others wait for company.

import type { CepEvent } from '../event.js';
import { type Condition, FIRST_EVENT, type MatchSoFar } from '../pattern/condition.js';
import type { Guard } from './guard.js';
import type { NFA } from './nfa.js';
import type { State } from './state.js';

/**
 * Whether an event can complete a match of the pattern, whatever is open. Where a condition looks back and the
 * event alone does not decide it, it can.
 */
export function completionTest(nfa: NFA): (event: CepEvent) => boolean {
  // Behind a last notNext() the event that is passed over completes the match.
  const guards = nfa.states.flatMap((state) =>
    state.transitions
      .filter(
        ({ action, target }) => action === 'TAKE' || (action === 'IGNORE' && target !== state),
      )
      .filter(({ target }) => leadsToEnd(target))
      .map(({ guard }) => guard),
  );
  return (event) => {
    for (const guard of guards) if (can(true, guard, event, nfa.conditions)) return true;
    return false;
  };
}

/** Whether a match that comes to the state may be complete there, without another event. */
function leadsToEnd(state: State, seen = new Set<State>()): boolean {
  if (state.type === 'FINAL') return true;
  if (seen.has(state)) return false;
  seen.add(state);
  return state.transitions.some(
    ({ action, target }) => action === 'PROCEED' && leadsToEnd(target, seen),
  );
}

/** Whether the guard's answer can be `wanted`. */
function can(
  wanted: boolean,
  guard: Guard,
  event: CepEvent,
  conditions: readonly Condition[],
): boolean {
  switch (guard.op) {
    case 'TRUE':
      return wanted;
    case 'FALSE':
      return !wanted;
    case 'NOT':
      return can(!wanted, guard.of, event, conditions);
    case 'AND': {
      const left = can(wanted, guard.left, event, conditions);
      const right = can(wanted, guard.right, event, conditions);
      return wanted ? left && right : left || right;
    }
    case 'TEST': {
      const answer = answerOf(conditions[guard.condition] as Condition, event);
      return answer === 'UNKNOWN' || answer === wanted;
    }
  }
}

/** A look at the events of a match that nobody knows. */
let isAsked = false;
// One for all: to note where it is thrown takes longer than all else that is done with an event.
const NOT_KNOWN = new Error('the events of the match are not known');
const asked = () => {
  isAsked = true;
  throw NOT_KNOWN;
};
const UNKNOWN_LIST = new Proxy([], { get: asked, has: asked, ownKeys: asked });
/** Naming a stage is not looking at its events: a closure may take the match apart in its parameters. */
const UNKNOWN_MATCH = new Proxy(
  {},
  {
    get: (_, name) => (name === FIRST_EVENT ? undefined : UNKNOWN_LIST),
    has: asked,
    ownKeys: asked,
  },
);

function answerOf(condition: Condition, { data, timestamp }: CepEvent): boolean | 'UNKNOWN' {
  isAsked = false;
  try {
    return condition.evaluate(data, UNKNOWN_MATCH as MatchSoFar, timestamp) === true;
  } catch {
    // A condition that throws for another reason is false.
    return isAsked ? 'UNKNOWN' : false;
  }
}
