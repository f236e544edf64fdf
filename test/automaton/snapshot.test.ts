// What a snapshot costs and whose it is. That it is complete is shown by operator.prop.test.ts and by the
// driver `json` of the vectors.

import { expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { NO_LIMITS } from '../../src/automaton/limits.js';
import { CepOperator } from '../../src/automaton/operator.js';
import { openCountOf } from '../../src/automaton/snapshot.js';
import { CepError } from '../../src/errors.js';
import { skipPastLastEvent } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { days } from '../../src/time.js';
import { eventOf, eventsOf, is } from './helpers.js';

const views = compile(
  begin('views').where(is('v')).oneOrMore().next('cart').where(is('c')).within(1_000_000),
);

function afterViews(count: number): CepOperator {
  const operator = new CepOperator(views);
  for (let i = 0; i < count; i++) operator.processElement(eventOf(i, i + 1, { kind: 'v' }));
  operator.advanceWatermark(count);
  return operator;
}

test('a loop at the front holds each event once, though a list begins with each', () => {
  const sizeOf = (count: number) => {
    const operator = afterViews(count);
    expect(operator.openCount).toBe(count);
    const { matches } = operator.snapshot();
    expect(matches.events.length).toBe(count);
    return JSON.stringify(matches).length;
  };
  // Linear: twice as many views, about twice the text.
  expect(sizeOf(5_000) / sizeOf(2_500)).toBeLessThan(2.2);
});

test('literal churn, which keeps each list of ten views or more: linear from 160 views to 5,000', () => {
  const nfa = compile(
    begin('first_view')
      .where(is('v'))
      .timesOrMore(10)
      .notNext('purchase')
      .where(is('p'))
      .within(days(7)),
  );
  const bytesPerView = (count: number) => {
    const operator = new CepOperator(nfa, { limits: NO_LIMITS });
    for (let i = 1; i <= count; i++) {
      operator.processElement(eventOf(i, i, { kind: 'v' }));
      // Twelve million matches in all: nobody keeps them.
      operator.advanceWatermark(i);
    }
    expect(operator.openCount).toBe(count);
    return JSON.stringify(operator.snapshot().matches).length / count;
  };
  const few = bytesPerView(160);
  // Numbers of rows are longer.
  expect(bytesPerView(5_000)).toBeLessThan(1.3 * few);
  expect(few).toBeLessThan(400);
});

test('the lengths of one loop share their events: one row each', () => {
  // Every length of the loop is an open match, because "cart" follows relaxed.
  const nfa = compile(
    begin('first')
      .where(is('f'))
      .next('views')
      .where(is('v'))
      .oneOrMore()
      .consecutive()
      .followedBy('cart')
      .where(is('c')),
  );
  const sizeOf = (count: number) => {
    const operator = new CepOperator(nfa);
    operator.processElement(eventOf(0, 1, { kind: 'f' }));
    for (let i = 1; i <= count; i++) operator.processElement(eventOf(i, i + 1, { kind: 'v' }));
    operator.advanceWatermark(count + 1);
    expect(operator.openCount).toBe(count);
    const { matches } = operator.snapshot();
    expect([matches.events.length, matches.taken.length]).toEqual([count + 1, count + 1]);
    return JSON.stringify(matches).length;
  };
  // Linear: twice as many views, about twice the text.
  expect(sizeOf(200) / sizeOf(100)).toBeLessThan(2.2);
});

test('a match of 20,000 events is written, read, shown and finished without running out of stack', () => {
  const nfa = compile(
    begin('start')
      .where(is('s'))
      .next('views')
      .where(is('v'))
      .oneOrMore()
      .consecutive()
      .greedy()
      .next('end')
      .where(is('e')),
  );
  const count = 20_000;
  let operator = new CepOperator(nfa, { limits: NO_LIMITS });
  operator.processElement(eventOf(0, 1, { kind: 's' }));
  for (let i = 1; i <= count; i++) operator.processElement(eventOf(i, i + 1, { kind: 'v' }));
  operator.advanceWatermark(count + 1);
  operator = new CepOperator(
    nfa,
    { limits: NO_LIMITS },
    JSON.parse(JSON.stringify(operator.snapshot())),
  );
  expect(operator.openMatches()[0]?.events.views?.length).toBe(count);
  expect(operator.heldEvents().size).toBe(count + 1);
  operator.processElement(eventOf(count + 1, count + 2, { kind: 'e' }));
  const [match, ...more] = operator.advanceWatermark(count + 2);
  expect(match?.events.views?.length).toBe(count);
  expect(more).toEqual([]);
});

test('a snapshot of another pattern is refused', () => {
  const other = compile(begin('views').where(is('v')).next('cart'));
  const snapshot = afterViews(3).snapshot();
  let thrown: unknown;
  try {
    new CepOperator(other, {}, snapshot);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CepError);
  expect((thrown as CepError).code).toBe('SNAPSHOT_MISMATCH');
});

test('a snapshot is not changed by what its operator does next', () => {
  const operator = afterViews(3);
  const snapshot = operator.snapshot();
  const before = JSON.stringify(snapshot);
  for (const event of eventsOf('v@4 c@5')) operator.processElement(event);
  operator.advanceWatermark(9);
  expect(JSON.stringify(snapshot)).toBe(before);
});

test.each([
  ['one stage', begin('a').where(is('v')).followedBy('b').where(is('c'))],
  [
    'any of several',
    begin('a').where(is('v')).followedByAny('b').where(is('v')).next('c').where(is('c')),
  ],
  [
    'combinations under a skip strategy',
    begin('a')
      .where(is('v'))
      .oneOrMore()
      .allowCombinations()
      .followedBy('b')
      .where(is('c'))
      .afterMatch(skipPastLastEvent()),
  ],
])('how many partial matches it holds can be told without its automaton: %s', (_, pattern) => {
  const operator = new CepOperator(compile(pattern));
  expect(openCountOf(operator.snapshot().matches)).toBe(0);
  for (let i = 1; i <= 6; i++) operator.processElement(eventOf(i, i, { kind: 'v' }));
  operator.advanceWatermark(6);
  expect(operator.openCount).toBeGreaterThan(5);
  expect(openCountOf(operator.snapshot().matches)).toBe(operator.openCount);
});
