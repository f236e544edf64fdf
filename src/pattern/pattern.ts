// The fluent Pattern API: what a user says. A pattern is plain, frozen data with methods that each
// return a new pattern, so half a pattern can be named and used twice. The vocabulary is FlinkCEP's,
// and so is what is refused: here what one call can see, in automaton/compile.ts what needs the whole.

import { type CepErrorCode, MalformedPatternError } from '../errors.js';
import type { EventData } from '../event.js';
import type { Millis } from '../time.js';
import type { AfterMatchSkipStrategy } from './after-match-skip.js';
import { and, type Condition, type ConditionInput, or, subtype, toCondition } from './condition.js';
import {
  type ConsumingStrategy,
  type InnerConsumingStrategy,
  isNot,
  type Quantifier,
  SINGLE,
  type Times,
} from './quantifier.js';
import type {
  Behind,
  Fresh,
  FreshGroup,
  Mandatory,
  Needs,
  OneContiguity,
  Quantified,
  Said,
  Unquantified,
  Without,
} from './said.js';
import type { Windows, WithinType } from './window.js';

interface NodeBase {
  /** The edge that leads here; STRICT for the first node of a chain. */
  readonly edge: ConsumingStrategy;
  readonly quantifier: Quantifier;
  /** Ends a loop; null for none. */
  readonly until: Condition | null;
  readonly windows: Windows;
}

/** One stage: takes events for which the condition holds. */
export interface StageNode extends NodeBase {
  readonly kind: 'STAGE';
  readonly name: string;
  /** Null accepts every event. */
  readonly condition: Condition | null;
}

/** A pattern used as one stage of another. */
export interface GroupNode extends NodeBase {
  readonly kind: 'GROUP';
  readonly chain: readonly PatternNode[];
}

export type PatternNode = StageNode | GroupNode;

/** Stage names and the type of the events each takes. */
export type Stages = Record<string, unknown>;

/**
 * What a condition of the pattern sees of the match: the events taken so far by stage, oldest first, an empty
 * list where there are none. The names are those of the stages before, of the members of groups among them,
 * and the stage's own: a loop sees its earlier events.
 *
 * @example
 * begin('first')
 *   .next('second')
 *   .where((event, match) => event.price < (match.first[0]?.price ?? 0))
 */
export type MatchOf<S extends Stages> = { readonly [Name in keyof S]: readonly S[Name][] };

/**
 * What a finished match holds: the events by stage, oldest first. A stage that took none is absent.
 *
 * @example
 * const bought = (match: FinishedMatch<{ cart: Click; purchase: Click }>) => match.purchase?.[0]?.price;
 */
export type FinishedMatch<S extends Stages> = { readonly [Name in keyof S]?: readonly S[Name][] };

/** The stages with one of them of another event type. */
type Retyped<S extends Stages, Name, E> = { [K in keyof S]: K extends Name ? E : S[K] };

/** The pattern with one more stage, of which `L` was said. */
type Stage<E, S extends Stages, N extends string, L extends Said, Outer extends string> = Pattern<
  E,
  { [K in keyof S | N]: K extends keyof S ? S[K] : E },
  N,
  L,
  Outer | N
>;

/** The pattern with a group as one more stage. */
type GroupStage<E, S extends Stages, L extends Said, Outer extends string> = Pattern<
  E,
  { [K in keyof S]: S[K] },
  never,
  L | 'GROUP',
  Outer
>;

/**
 * A pattern whose last stage is a group: another pattern, which may be optional or repeated as a whole. A group
 * has no condition of its own, and can't be greedy.
 *
 * @example
 * begin(begin('view').next('cart')).oneOrMore()
 */
export type GroupPattern<E, S extends Stages, Outer extends string = string> = Pattern<
  E,
  S,
  never,
  'GROUP',
  Outer
>;

/**
 * A pattern over events of type `E`: what a user says, by calls that each return a new pattern. It begins with
 * {@link begin} or {@link patterns}. A call that FlinkCEP refuses is an error of the compiler where the types can
 * tell, and throws a MalformedPatternError anyhow; what only shows in the whole is refused by `compile`.
 *
 * @typeParam S - the stages so far, members of groups included, and the type of the events each takes
 * @typeParam Current - name of the last stage; never for a group
 * @typeParam L - what was said of the last stage; any where that is not known
 * @typeParam Outer - names of the stages that are no members of groups: what a skip strategy may name
 * @example
 * begin('cart')
 *   .where((event) => event.eventType === 'cart' && event.price > 200)
 *   .followedBy('purchase')
 *   .where((event) => event.eventType === 'purchase')
 *   .within(minutes(10))
 * @see Flink CEP, org.apache.flink.cep.pattern.Pattern
 */
export class Pattern<
  E,
  S extends Stages,
  Current extends keyof S & string,
  // biome-ignore lint/suspicious/noExplicitAny: for patterns of which nothing is known
  L extends Said = any,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  Outer extends string = any,
> {
  /** The stages in order; never empty. */
  readonly chain: readonly PatternNode[];
  /** What a finished match does to the others; NO_SKIP unless {@link afterMatch} said otherwise. */
  readonly afterMatchSkip: AfterMatchSkipStrategy;

  /** @internal Patterns begin with {@link begin}. */
  constructor(chain: readonly PatternNode[], afterMatchSkip: AfterMatchSkipStrategy) {
    this.chain = Object.freeze([...chain]);
    this.afterMatchSkip = afterMatchSkip;
  }

  /** The last node: what the next call is about. */
  get #last(): PatternNode {
    return this.chain[this.chain.length - 1] as PatternNode;
  }

  #withLast(change: Partial<StageNode> | Partial<GroupNode>): this {
    const last = Object.freeze({ ...this.#last, ...change }) as PatternNode;
    return new Pattern([...this.chain.slice(0, -1), last], this.afterMatchSkip) as unknown as this;
  }

  #append(edge: ConsumingStrategy, stage: string | Chained): unknown {
    return new Pattern([...this.chain, nodeOf(edge, stage)], this.afterMatchSkip);
  }

  // ---- conditions

  /**
   * Adds a condition to the last stage; several are joined by "and". Without any the stage takes every event.
   *
   * @param condition - a closure or `cel('...')`; a closure that declares `match` is iterative: it sees the events
   *   taken so far, of the stages before and of its own, the current event not among them
   * @throws MalformedPatternError `CONDITION_ON_GROUP`, `EXPRESSION_INVALID` for what is no condition
   * @example
   * begin('first')
   *   .where((event) => event.eventType === 'view')
   *   .next('cheaper')
   *   .where((event, match) => event.price < (match.first[0]?.price ?? 0))
   * @see Flink CEP, Pattern.where(IterativeCondition)
   */
  where(
    this: Without<L, 'GROUP', 'a group has no condition: put it on a stage in it'>,
    condition: ConditionInput<S[Current], MatchOf<S>>,
  ): this;
  where(condition: ConditionInput<unknown>): unknown {
    return this.#condition(condition, and);
  }

  /**
   * Adds an alternative to the conditions so far: (all before) or this one. What `subtype` said of the events
   * holds no longer, since the alternative lets others in.
   *
   * @throws MalformedPatternError `CONDITION_ON_GROUP`, `EXPRESSION_INVALID` for what is no condition
   * @example
   * begin('seen')
   *   .where((event) => event.eventType === 'view')
   *   .or((event) => event.eventType === 'cart')
   * @see Flink CEP, Pattern.or(IterativeCondition)
   */
  or(
    this: Without<L, 'GROUP', 'a group has no condition: put it on a stage in it'>,
    condition: ConditionInput<E, MatchOf<S>>,
  ): Pattern<E, Retyped<S, Current, E>, Current, L, Outer>;
  or(condition: ConditionInput<unknown>): unknown {
    return this.#condition(condition, or);
  }

  /**
   * Takes only events that pass the type guard. Later conditions of the stage, and those that look at it in the
   * match, see events of that type.
   *
   * @throws MalformedPatternError `CONDITION_ON_GROUP`, `EXPRESSION_INVALID` for what is no condition
   * @example
   * begin('cart')
   *   .subtype((event): event is Cart => event.eventType === 'cart')
   *   .where((cart) => cart.price > 200)
   * @see Flink CEP, Pattern.subtype(Class)
   */
  subtype<Sub extends S[Current]>(
    this: Without<L, 'GROUP', 'a group has no condition: put it on a stage in it'>,
    guard: (event: S[Current]) => event is Sub,
  ): Pattern<E, Retyped<S, Current, Sub>, Current, L, Outer>;
  subtype(guard: (event: unknown) => event is unknown): unknown {
    // What is no function is refused as any other condition is.
    return this.#condition(typeof guard === 'function' ? subtype(guard) : guard, and);
  }

  #condition(input: ConditionInput<unknown>, join: typeof and): unknown {
    const last = this.#last;
    if (last.kind === 'GROUP') {
      throw malformed(
        'CONDITION_ON_GROUP',
        last,
        'a group has no condition: put it on a stage in it',
      );
    }
    const condition = this.#made(input);
    return this.#withLast({
      condition: last.condition ? join(last.condition, condition) : condition,
    });
  }

  #made(input: ConditionInput<unknown>): Condition {
    if (typeof input === 'function' || typeof input?.evaluate === 'function') {
      return toCondition(input);
    }
    throw malformed(
      'EXPRESSION_INVALID',
      this.#last,
      `a condition is a function or made by cel('...'), and not ${input === null ? 'null' : typeof input}: give it one`,
    );
  }

  // ---- the next stage

  /**
   * The very next event must be this stage's (strict contiguity).
   *
   * @param stage - a name that no other stage has, or a pattern that becomes one stage: a group
   * @throws MalformedPatternError from `compile`: `DUPLICATE_STAGE`
   * @example begin('first').next('second')
   * @see Flink CEP, Pattern.next
   */
  next<N extends string>(stage: Fresh<N, keyof S>): Stage<E, S, N, Behind<L>, Outer>;
  next<G extends Stages>(
    this: FreshGroup<keyof G, keyof S>,
    stage: AnyLast<E, G>,
  ): GroupStage<E, S & G, Behind<L>, Outer>;
  next(stage: string | Chained): unknown {
    return this.#append('STRICT', stage);
  }

  /**
   * The next event that fits is this stage's; others are passed over (relaxed contiguity).
   *
   * @param stage - a name that no other stage has, or a pattern that becomes one stage: a group
   * @throws MalformedPatternError from `compile`: `DUPLICATE_STAGE`
   * @example begin('cart').followedBy('purchase')
   * @see Flink CEP, Pattern.followedBy
   */
  followedBy<N extends string>(stage: Fresh<N, keyof S>): Stage<E, S, N, Behind<L>, Outer>;
  followedBy<G extends Stages>(
    this: FreshGroup<keyof G, keyof S>,
    stage: AnyLast<E, G>,
  ): GroupStage<E, S & G, Behind<L>, Outer>;
  followedBy(stage: string | Chained): unknown {
    return this.#append('SKIP_TILL_NEXT', stage);
  }

  /**
   * Any later event that fits may be this stage's: each gives a match of its own (non-deterministic relaxed
   * contiguity).
   *
   * @param stage - a name that no other stage has, or a pattern that becomes one stage: a group
   * @throws MalformedPatternError from `compile`: `DUPLICATE_STAGE`
   * @example begin('view').followedByAny('purchase')
   * @see Flink CEP, Pattern.followedByAny
   */
  followedByAny<N extends string>(stage: Fresh<N, keyof S>): Stage<E, S, N, Behind<L>, Outer>;
  followedByAny<G extends Stages>(
    this: FreshGroup<keyof G, keyof S>,
    stage: AnyLast<E, G>,
  ): GroupStage<E, S & G, Behind<L>, Outer>;
  followedByAny(stage: string | Chained): unknown {
    return this.#append('SKIP_TILL_ANY', stage);
  }

  /**
   * The very next event must not fit this stage. It never appears in a match, and takes no quantifier.
   *
   * @param name - no group: that cannot be negated
   * @throws MalformedPatternError `NOT_AFTER_OPTIONAL` behind an optional stage, `NOT_WITH_GROUP`;
   *   `compile` throws `DUPLICATE_STAGE`
   * @example begin('view').notNext('purchase').where((event) => event.eventType === 'purchase')
   * @see Flink CEP, Pattern.notNext
   */
  notNext<N extends string>(
    this: Without<L, 'OPTIONAL', 'a NOT stage cannot stand behind an optional one: move it before'>,
    name: Fresh<N, keyof S>,
  ): Stage<E, S, N, Behind<L> | 'NOT', Outer>;
  notNext(name: string): unknown {
    return this.#not('NOT_NEXT', name);
  }

  /**
   * No event that fits may come before the next stage; as the last stage, before the window ends. It never appears
   * in a match, and takes no quantifier.
   *
   * @param name - no group: that cannot be negated
   * @throws MalformedPatternError `NOT_AFTER_OPTIONAL` behind an optional stage, `NOT_WITH_GROUP`;
   *   `compile` throws `DUPLICATE_STAGE`, and `NOT_FOLLOWED_BY_LAST_WITHOUT_WINDOW`
   * @example begin('cart').notFollowedBy('purchase').within(minutes(10))
   * @see Flink CEP, Pattern.notFollowedBy
   */
  notFollowedBy<N extends string>(
    this: Without<L, 'OPTIONAL', 'a NOT stage cannot stand behind an optional one: move it before'>,
    name: Fresh<N, keyof S>,
  ): Stage<E, S, N, Behind<L> | 'NOT', Outer>;
  notFollowedBy(name: string): unknown {
    return this.#not('NOT_FOLLOW', name);
  }

  #not(edge: ConsumingStrategy, name: string): unknown {
    if (typeof name !== 'string') {
      throw malformed(
        'NOT_WITH_GROUP',
        this.#last,
        'a NOT stage takes a name: a group cannot be negated',
      );
    }
    if (this.#last.quantifier.optional) {
      throw malformed(
        'NOT_AFTER_OPTIONAL',
        this.#last,
        `the NOT stage "${name}" stands behind an optional stage: make that one mandatory, or move the NOT before it`,
      );
    }
    return this.#append(edge, name);
  }

  // ---- quantifiers

  /**
   * The stage may be missing. Stands behind the quantifier: one that comes later forgets it, as in FlinkCEP.
   *
   * @throws MalformedPatternError `OPTIONAL_TWICE`, `OPTIONAL_AFTER_GREEDY`, `QUANTIFIER_ON_NOT`
   * @example begin('view').followedBy('cart').optional().followedBy('purchase')
   * @see Flink CEP, Pattern.optional
   */
  optional(
    this: Without<L, 'NOT', 'a NOT stage takes no event, so it cannot be optional either'> &
      Without<L, 'OPTIONAL', 'optional() stands twice: drop one'> &
      Without<L, 'AFTER_GREEDY', 'an optional stage cannot follow a greedy one: drop greedy()'>,
  ): Pattern<E, S, Current, L | 'OPTIONAL', Outer>;
  optional(): unknown {
    const { quantifier, edge } = this.#last;
    if (isNot(edge)) throw this.#quantifierOnNot('optional()');
    if (quantifier.optional) {
      throw malformed('OPTIONAL_TWICE', this.#last, 'optional() stands twice: drop one');
    }
    const previous = this.chain[this.chain.length - 2];
    if (previous?.quantifier.greedy) {
      throw malformed(
        'OPTIONAL_AFTER_GREEDY',
        this.#last,
        `an optional stage cannot follow the greedy ${label(previous)}: drop greedy() or optional()`,
      );
    }
    return this.#withLast({ quantifier: { ...quantifier, optional: true } });
  }

  /**
   * One event or more.
   *
   * @param gapMs - FlinkCEP's windowTime, with its oddities (docs/semantics.md); no limit by default
   * @throws MalformedPatternError `QUANTIFIER_TWICE`, `QUANTIFIER_ON_NOT`
   * @example begin('view').oneOrMore().consecutive()
   * @see Flink CEP, Pattern.oneOrMore
   */
  oneOrMore(
    this: Unquantified<L>,
    gapMs?: Millis,
  ): Pattern<E, S, Current, Mandatory<L> | 'LOOPING', Outer>;
  oneOrMore(gapMs?: Millis): unknown {
    return this.#quantify('LOOPING', { from: 1, to: 1, gapMs: gapMs ?? null });
  }

  /**
   * `from` events or more.
   *
   * @param from - a whole number, 1 or more
   * @param gapMs - FlinkCEP's windowTime, with its oddities (docs/semantics.md); no limit by default
   * @throws MalformedPatternError `QUANTIFIER_TWICE`, `QUANTIFIER_RANGE`, `QUANTIFIER_ON_NOT`
   * @example begin('view').timesOrMore(10).within(days(7))
   * @see Flink CEP, Pattern.timesOrMore
   */
  timesOrMore(
    this: Unquantified<L>,
    from: number,
    gapMs?: Millis,
  ): Pattern<E, S, Current, Mandatory<L> | 'LOOPING', Outer>;
  timesOrMore(from: number, gapMs?: Millis): unknown {
    return this.#quantify('LOOPING', { from, to: from, gapMs: gapMs ?? null });
  }

  /**
   * Asks for the stage exactly `from` times, or at least `from` and at most `to` times.
   *
   * @param from - least number of events; 0 (only with `to`) makes the stage optional
   * @param to - greatest number of events, inclusive; `from` by default
   * @param gapMs - FlinkCEP's windowTime, with its oddities (docs/semantics.md); no limit by default
   * @throws MalformedPatternError `QUANTIFIER_TWICE`, `QUANTIFIER_RANGE`, `QUANTIFIER_ON_NOT`
   * @example begin('view').times(3, 5, minutes(2))
   * @see Flink CEP, Pattern.times(int, int, Duration)
   */
  times(
    this: Unquantified<L>,
    from: 0,
    to: number,
    gapMs?: Millis,
  ): Pattern<E, S, Current, L | 'TIMES' | 'OPTIONAL', Outer>;
  times(
    this: Unquantified<L>,
    from: number,
    to?: number,
    gapMs?: Millis,
  ): Pattern<E, S, Current, Mandatory<L> | 'TIMES', Outer>;
  times(from: number, to?: number, gapMs?: Millis): unknown {
    const zero = from === 0 && to !== undefined && to > 0;
    const times = { from: zero ? 1 : from, to: to ?? from, gapMs: gapMs ?? null };
    return this.#quantify('TIMES', times, zero);
  }

  #quantify(kind: 'LOOPING' | 'TIMES', times: Times, optional = false): unknown {
    const { quantifier, edge } = this.#last;
    if (isNot(edge)) throw this.#quantifierOnNot('a quantifier');
    if (quantifier.kind !== 'SINGLE') {
      throw malformed(
        'QUANTIFIER_TWICE',
        this.#last,
        'a stage takes one quantifier: drop the second',
      );
    }
    const { from, to } = times;
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 1 || to < from) {
      throw malformed(
        'QUANTIFIER_RANGE',
        this.#last,
        `${from} to ${to} is no range of repetitions: use whole numbers with 1 <= from <= to`,
      );
    }
    // An optional() before it is forgotten, as in Flink.
    return this.#withLast({ quantifier: { ...quantifier, kind, times, optional } });
  }

  #quantifierOnNot(what: string): MalformedPatternError {
    return malformed(
      'QUANTIFIER_ON_NOT',
      this.#last,
      `a NOT stage takes no event, so not ${what} either: drop it`,
    );
  }

  /**
   * The loop takes what fits it, and the next stage only what does not. No effect on a last stage.
   *
   * @throws MalformedPatternError `GREEDY_WITHOUT_LOOP`, `GREEDY_WITH_COMBINATIONS`, `GREEDY_ON_GROUP`,
   *   `QUANTIFIER_ON_NOT`
   * @example begin('view').oneOrMore().greedy().next('cart')
   * @see Flink CEP, Pattern.greedy
   */
  greedy(
    this: Without<L, 'GROUP', 'a group cannot be greedy: drop greedy()'> &
      Without<L, 'COMBINATIONS', 'greedy() and allowCombinations() exclude each other'> &
      Quantified<L, 'greedy()'>,
  ): Pattern<E, S, Current, L | 'GREEDY', Outer>;
  greedy(): unknown {
    const last = this.#last;
    if (isNot(last.edge)) throw this.#quantifierOnNot('greedy()');
    if (last.kind === 'GROUP') {
      throw malformed('GREEDY_ON_GROUP', last, 'a group cannot be greedy: drop greedy()');
    }
    if (last.quantifier.kind === 'SINGLE') {
      throw malformed(
        'GREEDY_WITHOUT_LOOP',
        last,
        'greedy() needs a quantifier before it, such as oneOrMore()',
      );
    }
    if (last.quantifier.inner === 'SKIP_TILL_ANY') {
      throw malformed(
        'GREEDY_WITH_COMBINATIONS',
        last,
        'greedy() and allowCombinations() exclude each other: drop one',
      );
    }
    return this.#withLast({ quantifier: { ...last.quantifier, greedy: true } });
  }

  /**
   * Repetitions follow one another strictly: an event that does not fit ends the loop. By default it is passed over.
   *
   * @throws MalformedPatternError `INNER_CONTIGUITY_WITHOUT_LOOP`, `INNER_CONTIGUITY_TWICE`
   * @example begin('view').times(3).consecutive()
   * @see Flink CEP, Pattern.consecutive
   */
  consecutive(
    this: Quantified<L, 'consecutive()'> & OneContiguity<L>,
  ): Pattern<E, S, Current, L | 'CONSECUTIVE', Outer>;
  consecutive(): unknown {
    return this.#inner('STRICT', 'consecutive()');
  }

  /**
   * Repetitions may skip events that fit.
   *
   * @throws MalformedPatternError `INNER_CONTIGUITY_WITHOUT_LOOP`, `INNER_CONTIGUITY_TWICE`
   * @example begin('view').times(2).allowCombinations()
   * @see Flink CEP, Pattern.allowCombinations
   */
  allowCombinations(
    this: Quantified<L, 'allowCombinations()'> & OneContiguity<L>,
  ): Pattern<E, S, Current, L | 'COMBINATIONS', Outer>;
  allowCombinations(): unknown {
    return this.#inner('SKIP_TILL_ANY', 'allowCombinations()');
  }

  #inner(inner: InnerConsumingStrategy, what: string): unknown {
    const { quantifier } = this.#last;
    if (quantifier.kind === 'SINGLE') {
      throw malformed(
        'INNER_CONTIGUITY_WITHOUT_LOOP',
        this.#last,
        `${what} needs a quantifier before it, such as oneOrMore()`,
      );
    }
    if (quantifier.inner !== 'SKIP_TILL_NEXT') {
      throw malformed(
        'INNER_CONTIGUITY_TWICE',
        this.#last,
        'use one of consecutive() and allowCombinations(), once',
      );
    }
    return this.#withLast({ quantifier: { ...quantifier, inner } });
  }

  /**
   * Ends the loop at the first event that fits. That event is asked whether or not it would fit the stage, so
   * what `subtype` said does not hold for it.
   *
   * @throws MalformedPatternError `UNTIL_WITHOUT_LOOP`, `UNTIL_TWICE`, `EXPRESSION_INVALID` for what is no condition
   * @example begin('view').oneOrMore().until((event) => event.eventType === 'purchase').followedBy('next')
   * @see Flink CEP, Pattern.until
   */
  until(
    this: Without<L, 'UNTIL', 'until() stands twice: join the conditions'> &
      Needs<L, 'LOOPING', 'until() needs oneOrMore() or timesOrMore() before it'>,
    condition: ConditionInput<E, MatchOf<S>>,
  ): Pattern<E, S, Current, L | 'UNTIL', Outer>;
  until(condition: ConditionInput<unknown>): unknown {
    const last = this.#last;
    if (last.until) {
      throw malformed('UNTIL_TWICE', last, 'until() stands twice: join the conditions');
    }
    if (last.quantifier.kind !== 'LOOPING') {
      throw malformed(
        'UNTIL_WITHOUT_LOOP',
        last,
        'until() needs oneOrMore() or timesOrMore() before it',
      );
    }
    return this.#withLast({ until: this.#made(condition) });
  }

  // ---- the whole

  /**
   * Limits the time of the match. The smallest FIRST_AND_LAST window of a chain counts for all of it.
   *
   * @param windowMs - an event exactly this long after the first one is too late
   * @param type - FIRST_AND_LAST (default), or PREVIOUS_AND_CURRENT: the step into this stage alone
   * @throws MalformedPatternError `WINDOW_EMPTY` for zero or less; `compile` throws `WINDOW_GAP_TOO_LARGE`
   * @example begin('cart').followedBy('purchase').within(minutes(10))
   * @see Flink CEP, Pattern.within(Duration, WithinType)
   */
  within(windowMs: Millis, type: WithinType = 'FIRST_AND_LAST'): this {
    if (!(windowMs > 0)) {
      throw malformed(
        'WINDOW_EMPTY',
        this.#last,
        `a window of ${windowMs} ms holds nothing: give it a length`,
      );
    }
    return this.#withLast({ windows: { ...this.#last.windows, [type]: windowMs } });
  }

  /**
   * Says what a finished match does to the others. Counts for the whole pattern; in a group it is ignored.
   *
   * @param strategy - such as `skipPastLastEvent()`; a stage it names must be there, and no member of a group
   * @throws MalformedPatternError by `compile`: `SKIP_TO_UNKNOWN_STAGE`
   * @example begin('first').next('second').afterMatch(skipToFirst('second'))
   * @see Flink CEP, Pattern.begin(String, AfterMatchSkipStrategy)
   */
  afterMatch(strategy: AfterMatchSkipStrategy<Outer>): this {
    return new Pattern(this.chain, strategy) as unknown as this;
  }
}

/** Any pattern with these stages, as a group of another sees it. */
// biome-ignore lint/suspicious/noExplicitAny: any last stage will do
type AnyLast<E, S extends Stages> = Pattern<E, S, any>;
type Chained = { readonly chain: readonly PatternNode[] };

/**
 * Begins a pattern over untyped events, whose fields are `unknown`; see {@link patterns} for typed ones.
 *
 * @example begin('hot').where((event) => Number(event['degrees']) > 30).times(3).within(minutes(5))
 * @see Flink CEP, Pattern.begin
 */
export const begin = patterns<EventData>().begin;

/**
 * Binds the event type, so that stage names and conditions are typed from there on. The function it returns begins
 * a pattern with the name of its first stage, or with another pattern: a group.
 *
 * @example patterns<Click>().begin('cart').where((event) => event.price > 200)
 */
export function patterns<E>(): {
  begin<N extends string>(stage: Fresh<N, never>): Pattern<E, { [K in N]: E }, N, never, N>;
  begin<G extends Stages>(stage: AnyLast<E, G>): GroupPattern<E, G, never>;
} {
  return {
    begin: (stage: string | Chained) =>
      new Pattern([nodeOf('STRICT', stage)], { type: 'NO_SKIP' }) as never,
  };
}

function nodeOf(edge: ConsumingStrategy, stage: string | Chained): PatternNode {
  const base = { edge, quantifier: SINGLE, until: null, windows: {} };
  if (typeof stage !== 'string') {
    return Object.freeze({ kind: 'GROUP', chain: stage.chain, ...base });
  }
  return Object.freeze({ kind: 'STAGE', name: stage, condition: null, ...base });
}

function label(node: PatternNode): string {
  return node.kind === 'STAGE'
    ? `stage "${node.name}"`
    : `group (${node.chain.map(label).join(', ')})`;
}

/** An error about one node of a pattern. */
export function malformed(
  code: CepErrorCode,
  node: PatternNode,
  message: string,
): MalformedPatternError {
  return new MalformedPatternError(code, `${label(node)}: ${message}`, {
    details: { stage: node.kind === 'STAGE' ? node.name : null },
  });
}
