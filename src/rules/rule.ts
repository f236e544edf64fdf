import type { StateLimits } from '../automaton/limits.js';
import type { TimerMode } from '../automaton/operator.js';
import type { MatchedEvents } from '../event.js';
import type { Pattern } from '../pattern/pattern.js';
import type { Timestamp } from '../time.js';

/** What a match, or a timeout, sets off. */
export interface Outcome<E = unknown> {
  /** The alert's type, such as `CART_ABANDONMENT`. */
  readonly alert: string;
  /**
   * The alert's text: a Mustache template over the matched events (`{{cart.0.productId}}`), or a
   * function of them. Default: the rule's id and alert type.
   */
  readonly message?: string | ((match: MatchedEvents<E>) => string);
  /** Drops the alert, not the match, when it answers false. */
  readonly when?: (match: MatchedEvents<E>) => boolean;
  /** Names of registered activities, each called once with the alert. */
  readonly effects?: readonly string[];
}

/** What a match and a timeout set off: what a `PatternProcessFunction` is in Flink. */
export interface RuleFunction<E = unknown> {
  readonly onMatch?: Outcome<E>;
  /** As by a `TimedOutPartialMatchHandler`. */
  readonly onTimeout?: Outcome<E>;
}

/** By the names that the column `function` of rule tables has. */
export type RuleFunctions<E = unknown> = Readonly<Record<string, RuleFunction<E>>>;

/** A pattern with an id, a version and what follows from it. */
export interface Rule<E = unknown> {
  /** Unique in its journey. */
  readonly id: string;
  /** Raise it when a closure in the rule changes: code is not part of the rule's hash. Default 1. */
  readonly version?: number;
  /** One sentence for people; shown in the Temporal UI. */
  readonly description?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a rule holds patterns of any stages
  readonly pattern: Pattern<E, any, any>;
  /** Which timers end matches without an event; `complete` by default. `flink` has Flink's holes. */
  readonly timers?: TimerMode;
  /** How much one key may hold open of the rule, and what gives then: 5,000 partial matches and 1 MB by default. */
  readonly limits?: Partial<StateLimits>;
  readonly onMatch?: Outcome<E>;
  readonly onTimeout?: Outcome<E>;
}

/** What is published for a match or a timeout. JSON. */
export interface Alert {
  /** The same for the same events under the same rule, however often it is computed. */
  readonly id: string;
  readonly journey: string;
  readonly rule: string;
  readonly ruleVersion: number;
  readonly key: string;
  /** From the first matched event that has the field; null when none has. */
  readonly userId: string | null;
  readonly userSession: string | null;
  readonly type: string;
  readonly message: string;
  /** Event time: of the last matched event, or of the deadline for a timeout or an absence. */
  readonly at: Timestamp;
  readonly match: MatchedEvents;
  /** How many events `match` lacks, by stage, where all would not fit into one alert. */
  readonly omitted?: Readonly<Record<string, number>>;
  /** Says that the window ended before the match was complete; absent for a match. */
  readonly timedOut?: true;
  /** Found by a rule in the shadow: recorded, and published nowhere. */
  readonly shadow?: true;
}
