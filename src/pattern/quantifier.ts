import type { Millis } from '../time.js';

/** How an event must follow the one before it. Spelled as in Flink's pattern documents. */
export type InnerConsumingStrategy = 'STRICT' | 'SKIP_TILL_NEXT' | 'SKIP_TILL_ANY';

/** The edge into a stage: `next`, `followedBy`, `followedByAny`, `notNext`, `notFollowedBy`. */
export type ConsumingStrategy = InnerConsumingStrategy | 'NOT_NEXT' | 'NOT_FOLLOW';

/** How often a stage is repeated. `gapMs` is FlinkCEP's windowTime of the quantifier. */
export interface Times {
  readonly from: number;
  readonly to: number;
  readonly gapMs: Millis | null;
}

/** How many events a stage takes, and how they follow one another. */
export interface Quantifier {
  readonly kind: 'SINGLE' | 'LOOPING' | 'TIMES';
  /** Contiguity between the repetitions of a LOOPING or TIMES stage. */
  readonly inner: InnerConsumingStrategy;
  readonly optional: boolean;
  readonly greedy: boolean;
  /** Null for SINGLE. For LOOPING `from === to`: the repetitions that must come before the loop. */
  readonly times: Times | null;
}

export const SINGLE: Quantifier = {
  kind: 'SINGLE',
  inner: 'SKIP_TILL_NEXT',
  optional: false,
  greedy: false,
  times: null,
};

export function isNot(edge: ConsumingStrategy): edge is 'NOT_NEXT' | 'NOT_FOLLOW' {
  return edge === 'NOT_NEXT' || edge === 'NOT_FOLLOW';
}
