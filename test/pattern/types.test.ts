// What TypeScript knows of a pattern. The assertions are checked by `tsc --noEmit`, for which each line
// that is marked as an error has to be one.

import { expectTypeOf, test } from 'vitest';
import {
  begin,
  type FinishedMatch,
  type MatchOf,
  patterns,
  skipToFirst,
  skipToLast,
} from '../../src/index.js';
import type { Pattern } from '../../src/pattern/pattern.js';

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
  // @ts-expect-error a group cannot be greedy
  const greedy = () => first.greedy();
  // @ts-expect-error a group cannot be negated
  const not = () => whole.notNext(group);
  expectTypeOf([where, greedy, not]).toBeArray();
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
