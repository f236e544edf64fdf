// temporal-cep: the pure API. Nothing here touches Node, Temporal or a clock.

export type { Asked, SeenValue } from './automaton/asked.js';
export { compile } from './automaton/compile.js';
export { explain } from './automaton/explain.js';
export { explainText } from './automaton/explain-text.js';
export type {
  Awaited,
  EventRef,
  ExplainOptions,
  Explanation,
  LiveRun,
  Moment,
  NearMiss,
  Reason,
  RefsByStage,
  RunFate,
  RunStep,
} from './automaton/explanation.js';
export {
  DEFAULT_LIMITS,
  type LimitPolicy,
  NO_LIMITS,
  type StateLimits,
} from './automaton/limits.js';
export type { NFA } from './automaton/nfa.js';
export {
  CepOperator,
  type EventsByStage,
  type Match,
  type OpenMatch,
  type OperatorOptions,
  type OperatorOutput,
  type OperatorSnapshot,
  type Timeout,
  type TimerMode,
} from './automaton/operator.js';
export {
  CepError,
  type CepErrorCode,
  DecodeError,
  MalformedPatternError,
  RuleError,
} from './errors.js';
export type { CepEvent, EventData, MatchedEvents } from './event.js';
export {
  type AfterMatchSkipStrategy,
  noSkip,
  skipPastLastEvent,
  skipToFirst,
  skipToLast,
  skipToNext,
} from './pattern/after-match-skip.js';
export type {
  Condition,
  ConditionFunction,
  ConditionInput,
  MatchSoFar,
} from './pattern/condition.js';
export { type DrawablePattern, toMermaid } from './pattern/diagram.js';
export {
  begin,
  type FinishedMatch,
  type GroupPattern,
  type MatchOf,
  Pattern,
  patterns,
} from './pattern/pattern.js';
export { type PatternWarning, type WarnablePattern, warningsOf } from './pattern/warnings.js';
export type { WithinType } from './pattern/window.js';
export { cel } from './rules/cel.js';
export { defineJourneys, type FieldType, type Journey, type JourneySet } from './rules/journey.js';
export type { Alert, Outcome, Rule } from './rules/rule.js';
export {
  days,
  hours,
  type Millis,
  milliseconds,
  minutes,
  seconds,
  type Timestamp,
} from './time.js';
