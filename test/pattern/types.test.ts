// What TypeScript knows of a pattern. The assertions are checked by `tsc --noEmit`, for which each line
// that is marked as an error has to be one.

import { expect, expectTypeOf, test } from 'vitest';
import {
  begin,
  type FinishedMatch,
  type MatchOf,
  patterns,
  skipToFirst,
  skipToLast,
} from '../../src/index.js';
import type { GroupPattern, Pattern } from '../../src/pattern/pattern.js';

interface View {
  kind: 'view';
  product: string;
}
interface Cart {
  kind: 'cart';
  price: number;
}
type Click = View | Cart;
const clicks = patterns<Click>();
const isCart = (event: Click): event is Cart => event.kind === 'cart';

type StagesOf<P> =
  P extends Pattern<infer _E, infer S, infer _C> ? { [K in keyof S]: S[K] } : never;

test('a condition knows the stages before it and its own', () => {
  clicks
    .begin('first')
    .where((event, match) => {
      expectTypeOf(event).toEqualTypeOf<Click>();
      expectTypeOf(match.first).toEqualTypeOf<readonly Click[]>();
      return match.first.length === 0;
    })
    .next('second')
    .where((_, match, timestamp) => {
      expectTypeOf(match).toHaveProperty('first');
      expectTypeOf(match).toHaveProperty('second');
      expectTypeOf(timestamp).toBeNumber();
      // @ts-expect-error a stage that comes later
      return match.third === undefined;
    })
    .next('third');
});

test('a condition answers with a boolean and knows the fields of its event', () => {
  // @ts-expect-error a string is no answer
  clicks.begin('first').where((event) => event.kind);
  // @ts-expect-error no field of a click
  clicks.begin('first').where((event) => event.brand === 'x');
});

test('subtype narrows its stage, for later conditions and for the match', () => {
  const pattern = clicks
    .begin('first')
    .subtype(isCart)
    .where((event) => {
      expectTypeOf(event).toEqualTypeOf<Cart>();
      return event.price > 200;
    })
    .next('second')
    .where((event, { first }) => {
      expectTypeOf(event).toEqualTypeOf<Click>();
      expectTypeOf(first).toEqualTypeOf<readonly Cart[]>();
      return first.length > 0;
    });
  expectTypeOf<StagesOf<typeof pattern>>().toEqualTypeOf<{ first: Cart; second: Click }>();
  // @ts-expect-error a guard for what is no click
  clicks.begin('first').subtype((event: number): event is 1 => event === 1);
});

test('skip strategies take the names of stages that exist', () => {
  const pattern = clicks.begin('first').next('second');
  pattern.afterMatch(skipToFirst('second'));
  pattern.afterMatch(skipToLast('first', { throwExceptionOnMiss: true }));
  // @ts-expect-error no such stage
  pattern.afterMatch(skipToFirst('third'));
  // @ts-expect-error not there yet
  clicks.begin('first').afterMatch(skipToLast('second')).next('second');
});

test('the members of a group are stages of the whole; the group has no condition and no greed', () => {
  const group = clicks.begin('x').next('y').subtype(isCart);
  const whole = clicks.begin('first').followedBy(group).oneOrMore();
  whole.next('last').where((_, match) => {
    expectTypeOf(match.first).toEqualTypeOf<readonly Click[]>();
    expectTypeOf(match.y).toEqualTypeOf<readonly Cart[]>();
    return true;
  });
  const first = clicks.begin(group);
  // @ts-expect-error a condition belongs on a stage
  const where = () => first.where(() => true);
  // @ts-expect-error nor behind a quantifier
  const behind = () => whole.where(() => true);
  // @ts-expect-error a group cannot be greedy
  const greedy = () => first.greedy();
  // @ts-expect-error a group cannot be negated
  const not = () => whole.notNext(group);
  expectTypeOf([where, behind, greedy, not]).toBeArray();
});

test('a loop sees its own earlier events, and a stage those of the members of a group', () => {
  const group = clicks.begin('x').next('y').subtype(isCart);
  const pattern = clicks
    .begin('seen')
    .where((_, match) => {
      expectTypeOf(match).toEqualTypeOf<{ readonly seen: readonly Click[] }>();
      return match.seen.length < 3;
    })
    .oneOrMore()
    .followedBy(group)
    .notNext('gone')
    .next('last')
    .where((event, { seen, x, y, gone, last }) => {
      expectTypeOf(event).toEqualTypeOf<Click>();
      expectTypeOf([seen, x, gone, last]).toEqualTypeOf<(readonly Click[])[]>();
      expectTypeOf(y).toEqualTypeOf<readonly Cart[]>();
      return true;
    });
  expectTypeOf(pattern).toEqualTypeOf<
    Pattern<
      Click,
      { seen: Click; x: Click; y: Cart; gone: Click; last: Click },
      'last',
      never,
      'seen' | 'gone' | 'last'
    >
  >();
});

test('what subtype said holds neither for an alternative nor for the event that ends a loop', () => {
  clicks
    .begin('cart')
    .subtype(isCart)
    .oneOrMore()
    .until((event) => {
      expectTypeOf(event).toEqualTypeOf<Click>();
      return event.kind === 'view';
    })
    .or((event) => {
      expectTypeOf(event).toEqualTypeOf<Click>();
      return event.kind === 'view';
    })
    .next('last')
    .where((_, { cart }) => {
      expectTypeOf(cart).toEqualTypeOf<readonly Click[]>();
      return true;
    });
  const group = clicks.begin(clicks.begin('x').subtype(isCart));
  group.oneOrMore().until((event, { x }) => {
    expectTypeOf(event).toEqualTypeOf<Click>();
    expectTypeOf(x).toEqualTypeOf<readonly Cart[]>();
    return event.kind === 'view';
  });
});

test('a skip strategy names no member of a group', () => {
  const pattern = clicks.begin('a').next(clicks.begin('x').next('y')).notNext('n').next('b');
  pattern.afterMatch(skipToFirst('a'));
  pattern.afterMatch(skipToFirst('n'));
  pattern.afterMatch(skipToLast('b'));
  // @ts-expect-error a member of a group
  pattern.afterMatch(skipToFirst('x'));
  // @ts-expect-error a stage or a member of a group
  pattern.afterMatch(skipToLast('b' as 'b' | 'y'));
});

test('a call that may not come now has a sentence as its this', () => {
  const a = clicks.begin('a');
  expectTypeOf<
    ThisParameterType<typeof a.greedy>
  >().toEqualTypeOf<'greedy() needs a quantifier before it, such as oneOrMore()'>();
  expectTypeOf<
    ThisParameterType<typeof a.until>
  >().toEqualTypeOf<'until() needs oneOrMore() or timesOrMore() before it'>();
  const loop = a.oneOrMore();
  expectTypeOf<ThisParameterType<typeof loop.greedy>>().toBeUnknown();
  expectTypeOf<
    ThisParameterType<typeof loop.oneOrMore>
  >().toEqualTypeOf<'a stage takes one quantifier: drop the second'>();
  const not = a.notNext('n');
  expectTypeOf<
    ThisParameterType<typeof not.optional>
  >().toEqualTypeOf<'a NOT stage takes no event, so it cannot be optional either'>();
  const group = clicks.begin(a).optional().within(5);
  expectTypeOf<
    ThisParameterType<typeof group.where>
  >().toEqualTypeOf<'a group has no condition: put it on a stage in it'>();
});

test('the next stage begins anew', () => {
  clicks.begin('a').oneOrMore().next('b').oneOrMore().until(isCart).next('c').times(2).greedy();
  clicks.begin('a').notNext('n').next('b').optional().next('c').oneOrMore();
  clicks.begin(clicks.begin('x')).next('a').where(isCart).times(2).greedy();
  clicks.begin('a').times(2).greedy().next('b').next('c').optional();
});

test('of a pattern that is only known to be one, the types refuse nothing, and the run does', () => {
  const extend = (pattern: Pattern<Click, { a: Click }, 'a'>) =>
    pattern.where(isCart).oneOrMore().greedy().next('b').optional().notNext('c');
  expect(() => extend(clicks.begin('a'))).toThrow(/stage "b": .* cannot follow the greedy stage/);
  // biome-ignore lint/suspicious/noExplicitAny: stages that nobody knows
  const any: Pattern<Click, any, any> = clicks.begin('a').oneOrMore();
  any.until(isCart).next('d').afterMatch(skipToFirst('somewhere'));
  let pattern = clicks.begin('a' as string);
  for (const name of ['b', 'c']) pattern = pattern.next(name);
  expectTypeOf(pattern).toExtend<Pattern<Click, Record<string, Click>, string>>();
});

test('a group can be named by its type', () => {
  const twice: GroupPattern<Click, { x: Click; y: Cart }> = clicks.begin(
    clicks.begin('x').next('y').subtype(isCart),
  );
  twice.times(2).next('z');
});

test('a match lists every stage; a finished match may lack some', () => {
  expectTypeOf<MatchOf<{ a: View }>>().toEqualTypeOf<{ readonly a: readonly View[] }>();
  expectTypeOf<FinishedMatch<{ a: View }>>().toEqualTypeOf<{ readonly a?: readonly View[] }>();
});

test('without a type of its own an event is a record of unknowns', () => {
  begin('a').where((event) => {
    expectTypeOf(event).toEqualTypeOf<Record<string, unknown>>();
    // @ts-expect-error unknown is no number
    return event.price > 200;
  });
});
