// What a state makes of an event. Which conditions are asked, and in which order, follows from the
// transitions and from the answers so far; so what was found for one row of answers is kept, and the next
// event with the same answers asks the conditions and walks no transition.
//
//   D1. An outcome follows from the state and the answers alone.
//   D2. A condition is asked when the walk needs its answer, once, and not otherwise.
//   D3. Transitions are found depth first: PROCEED targets wait on a stack until the present state's own
//       transitions are done. This gives Flink's order of equal starts.
//   D4. Guards on the way to the end of the pattern see the match as it was before the event was taken.

import type { Evaluation } from './evaluation.js';
import type { Guard } from './guard.js';
import type { State } from './state.js';

/** One transition that was found, and the states that the match stands in after it. */
export interface Step {
  /** The stage that takes the event; -1 where it is passed over. */
  readonly stage: number;
  /** The transition's target and, when the event may end the pattern there, the final state behind it. */
  readonly states: readonly State[];
}

/** All that becomes of a match. Without steps it dies. */
export interface Outcome {
  readonly steps: readonly Step[];
  /** A NOT stage was hit: of what follows only finished matches are kept. */
  readonly stops: boolean;
  /** Nothing changes: the event is passed over and the match stays as it is. */
  readonly keeps: boolean;
  /** Where Flink meets a null pointer: why processing fails at this event. */
  readonly fails: Failure | null;
}

/**
 * A NOT stage was hit before the match had taken any event; or the stage's until condition held where the
 * compiler has no state to go on to (compile.ts, `#nowhere`).
 */
export type Failure =
  | { readonly code: 'NOT_BEFORE_FIRST_EVENT' }
  | { readonly code: 'UNTIL_LEADS_NOWHERE'; readonly stage: number };

/** A condition to ask next, or the outcome. A class, so that all are of one shape: nothing is read more often. */
export class Decision {
  readonly outcome: Outcome | null;
  /** -1 where there is an outcome. */
  readonly condition: number;
  readonly known: Answers;
  yes: Decision | null = null;
  no: Decision | null = null;

  constructor(known: Answers, outcome: Outcome | null, condition: number) {
    this.known = known;
    this.outcome = outcome;
    this.condition = condition;
  }
}

type Answers = ReadonlyMap<number, boolean>;
const NONE: Answers = new Map();
/** Decisions kept for a state: 30 optional stages could have a thousand million. */
const KEPT_MAX = 5_000;

/** What the state makes of the event and the match that `evaluation` is about. */
export function outcomeOf(state: State, evaluation: Evaluation): Outcome {
  let decision = state.decision;
  if (decision === null) {
    decision = grow(state, NONE);
    state.decision = decision;
  }
  while (decision.outcome === null) {
    const answer = evaluation.test(decision.condition);
    let next: Decision | null = answer ? decision.yes : decision.no;
    if (next === null) {
      next = grow(state, new Map([...decision.known, [decision.condition, answer]]));
      if (++state.decisions <= KEPT_MAX) {
        if (answer) decision.yes = next;
        else decision.no = next;
      }
    }
    decision = next;
  }
  return decision.outcome;
}

/** Thrown where the walk needs an answer that is not known yet. */
class Unanswered {
  readonly condition: number;

  constructor(condition: number) {
    this.condition = condition;
  }
}

/** Thrown where the walk comes to a state that is not there. */
class Nowhere {
  readonly code = 'UNTIL_LEADS_NOWHERE';
  readonly stage: number;

  constructor({ stage }: State) {
    this.stage = stage;
  }
}

function grow(state: State, known: Answers): Decision {
  const ask = (condition: number): boolean => {
    const answer = known.get(condition);
    if (answer === undefined) throw new Unanswered(condition);
    return answer;
  };
  try {
    return new Decision(known, explore(state, ask), -1);
  } catch (end) {
    if (end instanceof Unanswered) return new Decision(known, null, end.condition);
    if (!(end instanceof Nowhere)) throw end;
    return new Decision(known, { steps: [], stops: false, keeps: false, fails: end }, -1);
  }
}

type Ask = (condition: number) => boolean;

function explore(from: State, ask: Ask): Outcome {
  const found: Step[] = [];
  const stack: State[] = [from];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    if (state.type === 'NOWHERE') throw new Nowhere(state);
    for (const { action, target, guard } of state.transitions) {
      if (!holds(guard, ask)) continue;
      if (action === 'PROCEED') stack.push(target);
      else if (action === 'TAKE') found.push(taking(state, target, ask));
      // The start state is always there; it has nothing to pass an event over with.
      else if (from.type !== 'START') found.push({ stage: -1, states: [target] });
    }
  }
  const stops = found.some(({ states }) => states.some(({ type }) => type === 'STOP'));
  const steps = stops ? found.map(finishedOnly).filter(({ states }) => states.length > 0) : found;
  const [step, ...more] = steps;
  const stays = step?.stage === -1 && step.states[0] === from && more.length === 0;
  const isStart = from.type === 'START';
  return {
    steps,
    stops,
    keeps: !stops && (stays || (isStart && !step)),
    fails: stops && isStart ? { code: 'NOT_BEFORE_FIRST_EVENT' } : null,
  };
}

function taking({ stage }: State, target: State, ask: Ask): Step {
  const final = finalBehind(target, (guard, to) => {
    const passes = holds(guard, ask);
    if (passes && to.type === 'NOWHERE') throw new Nowhere(to);
    return passes;
  });
  return { stage, states: final === null ? [target] : [target, final] };
}

function finishedOnly({ stage, states }: Step): Step {
  return { stage, states: states.filter(({ type }) => type === 'FINAL') };
}

/** The final state, if PROCEEDs whose guards hold lead to it from here. */
export function finalBehind(
  from: State,
  passes: (guard: Guard, to: State) => boolean,
): State | null {
  const stack: State[] = [from];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    for (const { action, target, guard } of state.transitions) {
      if (action !== 'PROCEED' || !passes(guard, target)) continue;
      if (target.type === 'FINAL') return target;
      stack.push(target);
    }
  }
  return null;
}

function holds(guard: Guard, ask: Ask): boolean {
  switch (guard.op) {
    case 'TRUE':
      return true;
    case 'FALSE':
      return false;
    case 'TEST':
      return ask(guard.condition);
    case 'NOT':
      return !holds(guard.of, ask);
    case 'AND':
      return holds(guard.left, ask) && holds(guard.right, ask);
  }
}
