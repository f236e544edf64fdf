// What the Pattern API refuses (every code, with the calls that raise it) and that a pattern is a value:
// every call gives a new one, so half a pattern can be used twice. Calls that the types refuse too are marked
// as errors, which `tsc --noEmit` holds them to; the others only show when they run.

import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { type CepErrorCode, MalformedPatternError } from '../../src/errors.js';
import {
  noSkip,
  skipPastLastEvent,
  skipToFirst,
  skipToLast,
  skipToNext,
} from '../../src/pattern/after-match-skip.js';
import type { Condition } from '../../src/pattern/condition.js';
import { begin, type GroupPattern, type StageNode } from '../../src/pattern/pattern.js';
import { seconds } from '../../src/time.js';

const a = begin('a');
const group = begin('x').followedBy('y');
const never = () => false;
const isAnything = (event: unknown): event is unknown => event !== undefined;

/** What raises each code: the call, and the stage that `details` names. */
const REFUSED: [CepErrorCode, string, string | null, () => unknown][] = [
  // @ts-expect-error the types refuse it too
  ['DUPLICATE_STAGE', 'next', 'a', () => compile(a.next('b').next('a'))],
  // @ts-expect-error the types refuse it too
  ['DUPLICATE_STAGE', 'in a group', 'x', () => compile(begin('x').next(group))],
  // @ts-expect-error the types refuse it too
  ['DUPLICATE_STAGE', 'a NOT stage', 'a', () => compile(a.notNext('a').next('b'))],
  ['DUPLICATE_STAGE', 'of the final state', '$endState$', () => compile(begin('$endState$'))],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_TWICE', 'oneOrMore, times', 'a', () => a.oneOrMore().times(2)],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_TWICE', 'times, times', 'a', () => a.times(2).times(2)],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_TWICE', 'on a group', null, () => begin(group).times(2).oneOrMore()],
  ['QUANTIFIER_RANGE', 'times(0)', 'a', () => a.times(0)],
  ['QUANTIFIER_RANGE', 'times(0, 0)', 'a', () => a.times(0, 0)],
  ['QUANTIFIER_RANGE', 'times(3, 2)', 'a', () => a.times(3, 2)],
  ['QUANTIFIER_RANGE', 'times(-1)', 'a', () => a.times(-1)],
  ['QUANTIFIER_RANGE', 'times(1.5)', 'a', () => a.times(1.5)],
  ['QUANTIFIER_RANGE', 'times(1, Infinity)', 'a', () => a.times(1, Number.POSITIVE_INFINITY)],
  ['QUANTIFIER_RANGE', 'timesOrMore(0)', 'a', () => a.timesOrMore(0)],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_ON_NOT', 'oneOrMore', 'b', () => a.notNext('b').oneOrMore()],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_ON_NOT', 'timesOrMore', 'b', () => a.notNext('b').timesOrMore(2)],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_ON_NOT', 'times(0, n)', 'b', () => a.notNext('b').times(0, 2)],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_ON_NOT', 'times', 'b', () => a.notFollowedBy('b').times(2)],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_ON_NOT', 'optional', 'b', () => a.notFollowedBy('b').optional()],
  // @ts-expect-error the types refuse it too
  ['QUANTIFIER_ON_NOT', 'greedy', 'b', () => a.notNext('b').greedy()],
  // @ts-expect-error the types refuse it too
  ['OPTIONAL_TWICE', 'optional, optional', 'a', () => a.optional().optional()],
  // @ts-expect-error the types refuse it too
  ['OPTIONAL_TWICE', 'times(0, 2), optional', 'a', () => a.times(0, 2).optional()],
  [
    'OPTIONAL_AFTER_GREEDY',
    'optional',
    'b',
    // @ts-expect-error the types refuse it too
    () => a.oneOrMore().greedy().followedBy('b').optional(),
  ],
  // @ts-expect-error the types refuse it too
  ['NOT_AFTER_OPTIONAL', 'notNext', 'a', () => a.optional().notNext('b')],
  // @ts-expect-error the types refuse it too
  ['NOT_AFTER_OPTIONAL', 'a group', null, () => begin(group).optional().notNext('b')],
  // @ts-expect-error the types refuse it too
  ['NOT_AFTER_OPTIONAL', 'notFollowedBy', 'a', () => a.times(0, 2).notFollowedBy('b')],
  [
    'NOT_FOLLOWED_BY_LAST_WITHOUT_WINDOW',
    'notFollowedBy at the end',
    'b',
    () => compile(a.notFollowedBy('b')),
  ],
  // @ts-expect-error the types refuse it too
  ['NOT_WITH_GROUP', 'notNext', 'a', () => a.notNext(group)],
  // @ts-expect-error the types refuse it too
  ['NOT_WITH_GROUP', 'notFollowedBy', 'a', () => a.notFollowedBy(group)],
  // @ts-expect-error the types refuse it too
  ['GREEDY_WITHOUT_LOOP', 'greedy', 'a', () => a.greedy()],
  // @ts-expect-error the types refuse it too
  ['GREEDY_WITHOUT_LOOP', 'optional, greedy', 'a', () => a.optional().greedy()],
  // @ts-expect-error the types refuse it too
  ['GREEDY_WITH_COMBINATIONS', 'greedy', 'a', () => a.oneOrMore().allowCombinations().greedy()],
  // @ts-expect-error the types refuse it too
  ['GREEDY_ON_GROUP', 'greedy', null, () => begin(group).greedy()],
  // @ts-expect-error the types refuse it too
  ['GREEDY_ON_GROUP', 'oneOrMore, greedy', null, () => begin(group).oneOrMore().greedy()],
  // @ts-expect-error the types refuse it too
  ['INNER_CONTIGUITY_WITHOUT_LOOP', 'consecutive', 'a', () => a.consecutive()],
  // @ts-expect-error the types refuse it too
  ['INNER_CONTIGUITY_WITHOUT_LOOP', 'allowCombinations', 'a', () => a.allowCombinations()],
  // @ts-expect-error the types refuse it too
  ['INNER_CONTIGUITY_WITHOUT_LOOP', 'a NOT stage', 'b', () => a.notNext('b').consecutive()],
  // @ts-expect-error the types refuse it too
  ['INNER_CONTIGUITY_TWICE', 'both', 'a', () => a.oneOrMore().consecutive().allowCombinations()],
  // @ts-expect-error the types refuse it too
  ['INNER_CONTIGUITY_TWICE', 'twice', 'a', () => a.oneOrMore().consecutive().consecutive()],
  // @ts-expect-error the types refuse it too
  ['UNTIL_TWICE', 'until, until', 'a', () => a.oneOrMore().until(never).until(never)],
  // @ts-expect-error the types refuse it too
  ['UNTIL_WITHOUT_LOOP', 'single', 'a', () => a.until(never)],
  // @ts-expect-error the types refuse it too
  ['UNTIL_WITHOUT_LOOP', 'times', 'a', () => a.times(2).until(never)],
  // @ts-expect-error the types refuse it too
  ['UNTIL_WITHOUT_LOOP', 'a NOT stage', 'b', () => a.notNext('b').until(never)],
  // @ts-expect-error the types refuse it too
  ['CONDITION_ON_GROUP', 'where', null, () => begin(group).where(() => true)],
  // @ts-expect-error the types refuse it too
  ['CONDITION_ON_GROUP', 'or', null, () => a.next(group).or(() => true)],
  // @ts-expect-error the types refuse it too
  ['CONDITION_ON_GROUP', 'subtype', null, () => a.followedBy(group).subtype(isAnything)],
  // @ts-expect-error the types refuse it too
  ['CONDITION_ON_GROUP', 'oneOrMore, where', null, () => begin(group).oneOrMore().where(never)],
  // @ts-expect-error the types refuse it too
  ['CONDITION_ON_GROUP', 'optional, or', null, () => begin(group).optional().or(never)],
  // @ts-expect-error the types refuse it too
  ['CONDITION_ON_GROUP', 'within, where', null, () => begin(group).within(5).where(never)],
  // @ts-expect-error the types refuse it too
  ['EXPRESSION_INVALID', 'where(null)', 'a', () => a.where(null)],
  // @ts-expect-error the types refuse it too
  ['EXPRESSION_INVALID', 'or()', 'a', () => a.where(never).or()],
  // @ts-expect-error the types refuse it too
  ['EXPRESSION_INVALID', 'until(text)', 'a', () => a.oneOrMore().until('event.x == 1.0')],
  // @ts-expect-error the types refuse it too
  ['EXPRESSION_INVALID', 'subtype(object)', 'a', () => a.subtype({})],
  ['WINDOW_EMPTY', 'within(0)', 'a', () => a.within(0)],
  ['WINDOW_EMPTY', 'within(-1)', 'a', () => a.within(-1, 'PREVIOUS_AND_CURRENT')],
  ['WINDOW_EMPTY', 'within(NaN)', 'a', () => a.within(Number.NaN)],
  [
    'WINDOW_GAP_TOO_LARGE',
    'within twice',
    'b',
    () =>
      compile(a.followedBy('b').within(seconds(11), 'PREVIOUS_AND_CURRENT').within(seconds(10))),
  ],
  // @ts-expect-error the types refuse it too
  ['SKIP_TO_UNKNOWN_STAGE', 'unknown', 'z', () => compile(a.afterMatch(skipToFirst('z')))],
  [
    'SKIP_TO_UNKNOWN_STAGE',
    'a member of a group',
    'x',
    // @ts-expect-error the types refuse it too
    () => compile(begin(group).followedBy('b').afterMatch(skipToLast('x'))),
  ],
  [
    'PROCEED_CYCLE',
    'a group that may be empty, repeated',
    'x',
    () => compile(begin(begin('x').optional()).oneOrMore()),
  ],
  [
    'UNTIL_LEADS_NOWHERE',
    'an optional greedy loop with until() behind a NOT and an optional stage',
    'o',
    () =>
      compile(
        a
          .notFollowedBy('n')
          .followedBy('o')
          .optional()
          .followedBy('l')
          .oneOrMore()
          .greedy()
          .optional()
          .until(never)
          .followedBy('e'),
      ),
  ],
  [
    'PROCEED_CYCLE',
    'such a group behind what lifts a NOT stage',
    'x',
    () =>
      compile(
        a
          .notFollowedBy('n')
          .followedBy('o')
          .optional()
          .followedBy(begin('x').optional())
          .oneOrMore()
          .followedBy('e'),
      ),
  ],
];

/** Raised elsewhere than by a pattern. */
const OF_PATTERNS: readonly CepErrorCode[] = [
  'DUPLICATE_STAGE',
  'QUANTIFIER_TWICE',
  'QUANTIFIER_RANGE',
  'QUANTIFIER_ON_NOT',
  'OPTIONAL_TWICE',
  'OPTIONAL_AFTER_GREEDY',
  'NOT_AFTER_OPTIONAL',
  'NOT_FOLLOWED_BY_LAST_WITHOUT_WINDOW',
  'NOT_WITH_GROUP',
  'GREEDY_WITHOUT_LOOP',
  'GREEDY_WITH_COMBINATIONS',
  'GREEDY_ON_GROUP',
  'INNER_CONTIGUITY_WITHOUT_LOOP',
  'INNER_CONTIGUITY_TWICE',
  'UNTIL_TWICE',
  'UNTIL_WITHOUT_LOOP',
  'CONDITION_ON_GROUP',
  'EXPRESSION_INVALID',
  'WINDOW_EMPTY',
  'WINDOW_GAP_TOO_LARGE',
  'SKIP_TO_UNKNOWN_STAGE',
  'PROCEED_CYCLE',
  'UNTIL_LEADS_NOWHERE',
];

describe('refused', () => {
  test.each(REFUSED)('%s: %s', (code, _, stage, call) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MalformedPatternError);
    const { code: found, details, message } = thrown as MalformedPatternError;
    expect([found, details.stage]).toEqual([code, stage]);
    // What was found, and the remedy behind a colon.
    expect(message).toMatch(/\w.{20,}/);
  });

  test('every code of a malformed pattern is raised above', () => {
    expect([...new Set(REFUSED.map(([code]) => code))].sort()).toEqual([...OF_PATTERNS].sort());
  });
});

describe('accepted, close to what is refused', () => {
  test.each<[string, () => Parameters<typeof compile>[0]]>([
    ['a NOT stage behind a loop', () => a.oneOrMore().notNext('b').next('c')],
    ['times(0, n) behind a greedy stage', () => a.oneOrMore().greedy().next('b').times(0, 2)],
    [
      'a limit as large as the window',
      () => a.next('b').within(5, 'PREVIOUS_AND_CURRENT').within(5),
    ],
    [
      'notFollowedBy at the end with a limit',
      () => a.notFollowedBy('b').within(1, 'PREVIOUS_AND_CURRENT'),
    ],
    ['notNext at the end without a window', () => a.notNext('b')],
    [
      'a group repeated whose first stage is optional',
      () => begin(begin('x').optional().next('y')).oneOrMore(),
    ],
    ['a second greedy()', () => a.oneOrMore().greedy().greedy().next('b')],
    ['combinations behind greedy()', () => a.oneOrMore().greedy().allowCombinations().next('b')],
    [
      'a NOT stage behind a quantifier that forgot optional()',
      () => a.optional().times(2).notNext('n').next('b'),
    ],
    ['optional() before and behind a quantifier', () => a.optional().oneOrMore().optional()],
    ['an empty name', () => begin('').next('b')],
    [
      'an optional stage behind a greedy one and a NOT stage',
      () => a.oneOrMore().greedy().notFollowedBy('n').next('b').optional(),
    ],
    [
      'a group that begins optionally behind a greedy stage',
      () => a.times(2).greedy().next(begin('x').optional().next('y')),
    ],
    ['a group that ends in notFollowedBy', () => a.next(begin('x').notFollowedBy('y'))],
    ['skipping to a NOT stage', () => a.notNext('b').next('c').afterMatch(skipToFirst('b'))],
    [
      'a limit on a loop above the window',
      () => a.next('b').oneOrMore().within(9, 'PREVIOUS_AND_CURRENT').within(5),
    ],
    ['until() on a group, then optional()', () => begin(group).oneOrMore().until(never).optional()],
    ['names that JavaScript knows', () => begin('__proto__').next('constructor').next('then')],
  ])('%s', (_, pattern) => {
    expect(compile(pattern()).states.length).toBeGreaterThan(1);
  });
});

describe('a pattern is a value', () => {
  const isCart = () => true;
  const half = begin('cart').where(isCart);

  test('half a pattern used twice gives two patterns and stays as it was', () => {
    const before = JSON.stringify(half);
    const bought = half.followedBy('purchase').within(seconds(5));
    const returned = half.oneOrMore().next('refund').afterMatch(skipToNext());
    expect(JSON.stringify(half)).toBe(before);
    expect(half.chain.map((node) => (node as StageNode).name)).toEqual(['cart']);
    expect(bought.chain.map((node) => (node as StageNode).name)).toEqual(['cart', 'purchase']);
    expect(returned.chain.map((node) => (node as StageNode).name)).toEqual(['cart', 'refund']);
    expect(bought.chain[0]).toBe(half.chain[0]);
    expect(returned.chain[0]?.quantifier.kind).toBe('LOOPING');
    expect(half.chain[0]?.quantifier.kind).toBe('SINGLE');
    expect([bought, returned].map((pattern) => pattern.afterMatchSkip.type)).toEqual([
      'NO_SKIP',
      'SKIP_TO_NEXT',
    ]);
  });

  test('a group used twice in other patterns is not changed by them', () => {
    const inner = begin('x').next('y');
    const before = JSON.stringify(inner);
    const once: GroupPattern<Record<string, unknown>, Record<'x' | 'y', unknown>> = begin(inner);
    once.times(2).consecutive();
    begin('a').followedBy(inner).optional();
    expect(JSON.stringify(inner)).toBe(before);
    expect(compile(inner).fingerprint).toBe(compile(once as never).fingerprint);
  });

  test('nodes and chain are frozen', () => {
    const pattern = half.followedBy('purchase').times(2);
    expect(Object.isFrozen(pattern.chain)).toBe(true);
    expect(pattern.chain.map((node) => Object.isFrozen(node))).toEqual([true, true]);
  });

  test('the node says what was called, whole', () => {
    const until = () => false;
    const node = half.followedByAny('b').timesOrMore(2, 7).consecutive().optional().greedy();
    const [, last] = node.until(until).within(9).within(8, 'PREVIOUS_AND_CURRENT').chain;
    expect(last).toEqual({
      kind: 'STAGE',
      name: 'b',
      condition: null,
      edge: 'SKIP_TILL_ANY',
      quantifier: {
        kind: 'LOOPING',
        inner: 'STRICT',
        optional: true,
        greedy: true,
        times: { from: 2, to: 2, gapMs: 7 },
      },
      until: {
        type: 'FUNCTION',
        iterative: false,
        evaluate: expect.any(Function),
        closure: expect.any(Function),
      },
      windows: { FIRST_AND_LAST: 9, PREVIOUS_AND_CURRENT: 8 },
    });
  });

  test('every edge has its call', () => {
    const pattern = a.next('b').followedBy('c').followedByAny('d').notNext('e').notFollowedBy('f');
    expect(pattern.chain.map(({ edge }) => edge)).toEqual([
      'STRICT',
      'STRICT',
      'SKIP_TILL_NEXT',
      'SKIP_TILL_ANY',
      'NOT_NEXT',
      'NOT_FOLLOW',
    ]);
  });
});

describe('where, or, subtype', () => {
  const conditionOf = (pattern: { chain: readonly unknown[] }) =>
    (pattern.chain.at(-1) as StageNode).condition as Condition;
  const at = (n: number) => (e: Record<string, unknown>) => e.n === n;

  test('where joins with and, or with or, from left to right', () => {
    const condition = conditionOf(
      a
        .where((e) => e.x === 1)
        .where((e) => e.y === 1)
        .or((e) => e.z === 1),
    );
    const shape = ({ type, parts }: Condition): unknown =>
      parts ? [type, ...parts.map(shape)] : type;
    expect(shape(condition)).toEqual(['OR', ['AND', 'FUNCTION', 'FUNCTION'], 'FUNCTION']);
    const holds = (event: object) => condition.evaluate(event, {}, 0);
    expect([{ x: 1, y: 1 }, { x: 1 }, { y: 1 }, { z: 1 }, {}].map(holds)).toEqual([
      true,
      false,
      false,
      true,
      false,
    ]);
  });

  test('is iterative when a closure declares the match, and so is what it is joined with', () => {
    expect(conditionOf(a.where(at(1))).iterative).toBe(false);
    expect(conditionOf(a.where((_, match) => match.a.length === 0)).iterative).toBe(true);
    expect(conditionOf(a.where(at(1)).or((_, match) => match.a.length > 0)).iterative).toBe(true);
  });

  test('a closure that declares the event alone is called without the match', () => {
    const calls: unknown[][] = [];
    const spy = (event: unknown, ...rest: unknown[]) => calls.push([event, ...rest]) > 0;
    expect(conditionOf(a.where(spy)).evaluate('event', {}, 1)).toBe(true);
    expect(calls).toEqual([['event']]);
  });

  test('an iterative closure is called with event, match and timestamp', () => {
    const calls: unknown[][] = [];
    const spy = (event: unknown, match: unknown, timestamp: unknown) =>
      calls.push([event, match, timestamp]) > 0;
    conditionOf(a.where(spy)).evaluate('event', { a: [] }, 7);
    expect(calls).toEqual([['event', { a: [] }, 7]]);
  });

  test('subtype asks its guard', () => {
    const guard = (event: Record<string, unknown>): event is { n: number } => event.n === 1;
    const condition = conditionOf(a.subtype(guard));
    expect(condition.type).toBe('SUBTYPE');
    expect([{ n: 1 }, { n: 2 }].map((event) => condition.evaluate(event, {}, 0))).toEqual([
      true,
      false,
    ]);
  });
});

test('the five skip strategies are the data of a pattern document', () => {
  expect([
    noSkip(),
    skipToNext(),
    skipPastLastEvent(),
    skipToFirst('b'),
    skipToLast('b', { throwExceptionOnMiss: true }),
    skipToFirst('b', { throwExceptionOnMiss: false }),
  ]).toEqual([
    { type: 'NO_SKIP' },
    { type: 'SKIP_TO_NEXT' },
    { type: 'SKIP_PAST_LAST_EVENT' },
    { type: 'SKIP_TO_FIRST', patternName: 'b' },
    { type: 'SKIP_TO_LAST', patternName: 'b', throwException: true },
    { type: 'SKIP_TO_FIRST', patternName: 'b' },
  ]);
});
