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
/** What a condition of the pattern sees of the match. */
export type MatchOf<S extends Stages> = { readonly [Name in keyof S]: readonly S[Name][] };
/** What a finished match holds: every stage that took events. */
export type FinishedMatch<S extends Stages> = { readonly [Name in keyof S]?: readonly S[Name][] };

type With<S extends Stages, Name extends string, E> = S & { [K in Name]: E };
/** A group has no condition of its own, and can't be greedy. */
export type GroupPattern<E, S extends Stages> = Omit<
  Pattern<E, S, never>,
  'where' | 'or' | 'subtype' | 'greedy'
>;

/**
 * A pattern over events of type `E`; `S` are its stages so far, `Current` the last one.
 *
 * @example
 * const { begin } = patterns<Click>();
 * begin('cart').where((e) => e.eventType === 'cart' && e.price > 200)
 *   .followedBy('purchase').where((e) => e.eventType === 'purchase')
 *   .within(minutes(10));
 * @see Flink CEP, org.apache.flink.cep.pattern.Pattern
 */
export class Pattern<E, S extends Stages, Current extends keyof S & string> {
  /** The stages in order; never empty. */
  readonly chain: readonly PatternNode[];
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
    return new Pattern([...this.chain.slice(0, -1), last], this.afterMatchSkip) as this;
  }

  #append(
    edge: ConsumingStrategy,
    stage: string | Pattern<E, Stages, string> | GroupPattern<E, Stages>,
    // biome-ignore lint/suspicious/noExplicitAny: the overloads of the callers give the type
  ): any {
    return new Pattern([...this.chain, nodeOf(edge, stage)], this.afterMatchSkip);
  }

  // ---- conditions

  /** Adds a condition; several are joined by "and". A closure that declares `match` sees earlier events. */
  where(condition: ConditionInput<S[Current], MatchOf<S>>): this {
    return this.#condition(condition as ConditionInput<unknown>, and);
  }

  /** Adds an alternative to the conditions so far: (all before) or this one. */
  or(condition: ConditionInput<S[Current], MatchOf<S>>): this {
    return this.#condition(condition as ConditionInput<unknown>, or);
  }

  /** Takes only events that pass the type guard, and gives the stage their type. */
  subtype<Sub extends S[Current]>(
    guard: (event: S[Current]) => event is Sub,
  ): Pattern<E, Omit<S, Current> & { [K in Current]: Sub }, Current> {
    const condition = subtype(guard as unknown as (event: unknown) => event is Sub);
    return this.#condition(condition, and) as never;
  }

  #condition(input: ConditionInput<unknown>, join: typeof and): this {
    const last = this.#last;
    if (last.kind === 'GROUP') {
      throw malformed(
        'CONDITION_ON_GROUP',
        last,
        'a group has no condition: put it on a stage in it',
      );
    }
    const condition = toCondition(input);
    return this.#withLast({
      condition: last.condition ? join(last.condition, condition) : condition,
    });
  }

  // ---- the next stage

  /** The very next event must be this stage's (strict contiguity). */
  next<N extends string>(name: N): Pattern<E, With<S, N, E>, N>;
  next<G extends Stages>(group: PatternOrGroup<E, G>): GroupPattern<E, S & G>;
  next(stage: never): unknown {
    return this.#append('STRICT', stage);
  }

  /** The next event that fits is this stage's; others are passed over (relaxed contiguity). */
  followedBy<N extends string>(name: N): Pattern<E, With<S, N, E>, N>;
  followedBy<G extends Stages>(group: PatternOrGroup<E, G>): GroupPattern<E, S & G>;
  followedBy(stage: never): unknown {
    return this.#append('SKIP_TILL_NEXT', stage);
  }

  /** Any later event that fits may be this stage's (non-deterministic relaxed contiguity). */
  followedByAny<N extends string>(name: N): Pattern<E, With<S, N, E>, N>;
  followedByAny<G extends Stages>(group: PatternOrGroup<E, G>): GroupPattern<E, S & G>;
  followedByAny(stage: never): unknown {
    return this.#append('SKIP_TILL_ANY', stage);
  }

  /**
   * The very next event must not fit this stage. It never appears in a match.
   *
   * @throws MalformedPatternError `NOT_AFTER_OPTIONAL` behind an optional stage
   */
  notNext<N extends string>(name: N): Pattern<E, With<S, N, E>, N> {
    return this.#not('NOT_NEXT', name);
  }

  /**
   * No event that fits may come before the next stage; as the last stage, before the window ends.
   *
   * @throws MalformedPatternError `NOT_AFTER_OPTIONAL` behind an optional stage
   */
  notFollowedBy<N extends string>(name: N): Pattern<E, With<S, N, E>, N> {
    return this.#not('NOT_FOLLOW', name);
  }

  #not<N extends string>(edge: ConsumingStrategy, name: N): Pattern<E, With<S, N, E>, N> {
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

  /** The stage may be missing. */
  optional(): this {
    const { quantifier, edge } = this.#last;
    if (isNot(edge)) throw this.#quantifierOnNot('optional()');
    if (quantifier.optional)
      throw malformed('OPTIONAL_TWICE', this.#last, 'optional() stands twice');
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
   */
  oneOrMore(gapMs?: Millis): this {
    return this.timesOrMore(1, gapMs);
  }

  /** `from` events or more. */
  timesOrMore(from: number, gapMs?: Millis): this {
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
  times(from: number, to?: number, gapMs?: Millis): this {
    const zero = from === 0 && to !== undefined && to > 0;
    const times = { from: zero ? 1 : from, to: to ?? from, gapMs: gapMs ?? null };
    return this.#quantify('TIMES', times, zero);
  }

  #quantify(kind: 'LOOPING' | 'TIMES', times: Times, optional = false): this {
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
    return this.#withLast({
      quantifier: { ...quantifier, kind, times, optional: quantifier.optional || optional },
    });
  }

  #quantifierOnNot(what: string): MalformedPatternError {
    return malformed(
      'QUANTIFIER_ON_NOT',
      this.#last,
      `a NOT stage takes no event, so not ${what} either`,
    );
  }

  /** The loop takes what fits it, and the next stage only what does not. No effect on a last stage. */
  greedy(): this {
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
        'greedy() and allowCombinations() exclude each other',
      );
    }
    return this.#withLast({ quantifier: { ...last.quantifier, greedy: true } });
  }

  /** Repetitions follow one another strictly. */
  consecutive(): this {
    return this.#inner('STRICT', 'consecutive()');
  }

  /** Repetitions may skip events that fit. */
  allowCombinations(): this {
    return this.#inner('SKIP_TILL_ANY', 'allowCombinations()');
  }

  #inner(inner: InnerConsumingStrategy, what: string): this {
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
   * Ends the loop at the first event that fits.
   *
   * @throws MalformedPatternError `UNTIL_WITHOUT_LOOP`, `UNTIL_TWICE`
   */
  until(condition: ConditionInput<S[Current], MatchOf<S>>): this {
    const last = this.#last;
    if (last.until)
      throw malformed('UNTIL_TWICE', last, 'until() stands twice: join the conditions');
    if (last.quantifier.kind !== 'LOOPING') {
      throw malformed(
        'UNTIL_WITHOUT_LOOP',
        last,
        'until() needs oneOrMore() or timesOrMore() before it',
      );
    }
    return this.#withLast({ until: toCondition(condition as ConditionInput<unknown>) });
  }

  // ---- the whole

  /**
   * Limits the time of the match. The smallest FIRST_AND_LAST window of a chain counts for all of it.
   *
   * @param windowMs - an event exactly this long after the first one is too late
   * @param type - FIRST_AND_LAST (default), or PREVIOUS_AND_CURRENT: the step into this stage alone
   * @throws MalformedPatternError `WINDOW_EMPTY` for zero or less
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

  /** Says what a finished match does to the others. Counts for the whole pattern; in a group it is ignored. */
  afterMatch(strategy: AfterMatchSkipStrategy<keyof S & string>): this {
    return new Pattern(this.chain, strategy) as this;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any last stage will do
export type PatternOrGroup<E, S extends Stages> = Pattern<E, S, any> | GroupPattern<E, S>;

/** The first stage of a pattern over untyped events; see {@link patterns} for typed ones. */
export const begin = patterns<EventData>().begin;

/**
 * Binds the event type, so that stage names and conditions are typed from there on.
 *
 * @example const { begin } = patterns<Click>();
 */
export function patterns<E>(): {
  begin<N extends string>(name: N): Pattern<E, { [K in N]: E }, N>;
  begin<G extends Stages>(group: PatternOrGroup<E, G>): GroupPattern<E, G>;
} {
  return {
    begin: (stage: never) => new Pattern([nodeOf('STRICT', stage)], { type: 'NO_SKIP' }) as never,
  };
}

function nodeOf(
  edge: ConsumingStrategy,
  stage: string | { readonly chain: readonly PatternNode[] },
): PatternNode {
  const base = { edge, quantifier: SINGLE, until: null, windows: {} };
  if (typeof stage !== 'string') {
    return Object.freeze({ kind: 'GROUP', chain: stage.chain, ...base });
  }
  const node: StageNode = { kind: 'STAGE', name: stage, condition: null, ...base };
  if (stage === '') throw malformed('STAGE_NAME_EMPTY', node, 'a stage needs a name');
  return Object.freeze(node);
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
