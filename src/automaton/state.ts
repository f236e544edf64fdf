import type { Millis } from '../time.js';
import type { Decision } from './decision.js';
import type { Guard } from './guard.js';

/** TAKE adds the event to the match, IGNORE passes it over, PROCEED tries it again from the target. */
export type TransitionAction = 'TAKE' | 'IGNORE' | 'PROCEED';

/**
 * START begins matches, FINAL completes them, STOP discards them; a match that waits in PENDING is
 * complete once its window has passed. NOWHERE stands for a target that Flink's automaton lacks: a match
 * that comes to it fails.
 */
export type StateType = 'START' | 'NORMAL' | 'FINAL' | 'STOP' | 'PENDING' | 'NOWHERE';

export interface StateTransition {
  readonly action: TransitionAction;
  readonly target: State;
  readonly guard: Guard;
}

/** A state of the compiled automaton. Transitions are tried in order. */
export interface State {
  /** Position in `NFA.states`; the same whenever the same pattern is compiled. */
  readonly index: number;
  /** Unique: the stage's name, with `:n` for the further states of the stage. */
  readonly name: string;
  /** Index into `NFA.stageNames`; -1 where no stage stands behind it. */
  readonly stage: number;
  readonly type: StateType;
  readonly transitions: readonly StateTransition[];
  /** A match that waits here ends this long after its last event; null for no such limit. */
  readonly gapMs: Millis | null;
  /** What is known of outcomes so far (decision.ts), and how much of it: no part of the pattern's meaning. */
  decision: Decision | null;
  decisions: number;
}
