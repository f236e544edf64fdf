// The operator by hand: late events, ties, watermarks, timers with and without Flink's holes, and what it
// tells of itself. Whole outputs, in order.

import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { CepOperator } from '../../src/automaton/operator.js';
import { begin } from '../../src/pattern/pattern.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';
import { eventOf, eventsOf, is, outputLines, run } from './helpers.js';

const ab = begin('a').where(is('a')).followedBy('b').where(is('b')).within(10);

/** Feeds the events without a watermark. */
function fed(text: string, ...args: ConstructorParameters<typeof CepOperator>): CepOperator {
  const operator = new CepOperator(...args);
  for (const event of eventsOf(text)) operator.processElement(event);
  return operator;
}

describe('time', () => {
  test('an event at the watermark is late, one behind it too, one ahead is not', () => {
    const operator = new CepOperator(compile(ab));
    operator.advanceWatermark(5);
    const [late, equal, ahead] = eventsOf('a@4 a@5 a@6') as [never, never, never];
    expect([late, equal, ahead].map((event) => operator.processElement(event))).toEqual([
      false,
      false,
      true,
    ]);
    expect(operator.buffered).toEqual([ahead]);
  });

  test('events wait for the watermark and are then taken in time order', () => {
    const operator = fed('b@3 a@2 a@1', compile(ab));
    expect(operator.advanceWatermark(2)).toEqual([]);
    expect(operator.openCount).toBe(2);
    expect(outputLines(operator.advanceWatermark(3))).toEqual([
      'match a[2] b[0] at 3',
      'match a[1] b[0] at 3',
    ]);
    expect(operator.advanceWatermark(MAX_TIMESTAMP)).toEqual([]);
    expect(operator.isIdle).toBe(true);
  });

  test('ties are taken by arrival, or as the comparator says', () => {
    expect(run(ab, eventsOf('b@1 a@1 b@1'))).toEqual(['match a[1] b[2] at 1']);
    const lastFirst = (x: { offset: number }, y: { offset: number }) => y.offset - x.offset;
    expect(run(ab, eventsOf('b@1 a@1 b@1'), { comparator: lastFirst })).toEqual([
      'match a[1] b[0] at 1',
    ]);
    // It orders equal times alone.
    expect(run(ab, eventsOf('a@1 b@2'), { comparator: lastFirst })).toEqual([
      'match a[0] b[1] at 2',
    ]);
  });

  test('the watermark never goes back', () => {
    const operator = fed('a@1 a@7', compile(ab));
    operator.advanceWatermark(5);
    expect(operator.advanceWatermark(4)).toEqual([]);
    expect(operator.advanceWatermark(5)).toEqual([]);
    expect(operator.watermark).toBe(5);
    expect(operator.openCount).toBe(1);
  });

  test('a window ends exactly its length after the first event, and before the event of that time', () => {
    expect(run(ab, eventsOf('a@1 b@10'))).toEqual(['match a[0] b[1] at 10']);
    expect(run(ab, eventsOf('a@1 b@11'))).toEqual(['timeout a[0] at 11']);
    expect(run(ab, eventsOf('a@1'), { end: 10 })).toEqual([]);
    expect(run(ab, eventsOf('a@1'), { end: 11 })).toEqual(['timeout a[0] at 11']);
    // However late it is noticed.
    expect(run(ab, eventsOf('a@1 x@500'))).toEqual(['timeout a[0] at 11']);
  });

  test('a pattern that ends in notFollowedBy matches at its deadline', () => {
    const absent = begin('a').where(is('a')).notFollowedBy('b').where(is('b')).within(10);
    expect(run(absent, eventsOf('a@1 x@5'))).toEqual(['match a[0] at 11']);
    expect(run(absent, eventsOf('a@1 b@10'))).toEqual([]);
    expect(run(absent, eventsOf('a@1 b@11'))).toEqual(['match a[0] at 11']);
  });
});

describe('timers', () => {
  const gap = begin('a')
    .where(is('a'))
    .followedBy('b')
    .where(is('b'))
    .within(10, 'PREVIOUS_AND_CURRENT');
  const absent = begin('a')
    .where(is('a'))
    .notFollowedBy('b')
    .where(is('b'))
    .within(10, 'PREVIOUS_AND_CURRENT');

  test.each([
    ['a limit between neighbours', gap, 'a@1', ['timeout a[0] at 11'], []],
    [
      '... and an event afterwards',
      gap,
      'a@1 x@50',
      ['timeout a[0] at 11'],
      ['timeout a[0] at 11'],
    ],
    ['an absence behind such a limit', absent, 'a@1', ['match a[0] at 11'], []],
    ['a match that starts at 0', ab, 'a@0', ['timeout a[0] at 10'], []],
    ['... and an event afterwards', ab, 'a@0 x@50', ['timeout a[0] at 10'], ['timeout a[0] at 10']],
    ['a match that starts at 1', ab, 'a@1', ['timeout a[0] at 11'], ['timeout a[0] at 11']],
    ['a match that starts before 0', ab, 'a@-1', ['timeout a[0] at 9'], []],
  ])('%s ends under `complete`, has a hole under `flink`', (_, pattern, text, complete, flink) => {
    expect(run(pattern, eventsOf(text))).toEqual(complete);
    expect(run(pattern, eventsOf(text), { timers: 'complete' })).toEqual(complete);
    expect(run(pattern, eventsOf(text), { timers: 'flink' })).toEqual(flink);
  });

  test('nextDeadline is the nearest of buffered events, windows and limits', () => {
    const both = ab.within(4, 'PREVIOUS_AND_CURRENT');
    const operator = fed('a@1 a@9', compile(both));
    const deadlines = [operator.nextDeadline];
    for (const watermark of [1, 5, 9, 13]) {
      operator.advanceWatermark(watermark);
      deadlines.push(operator.nextDeadline);
    }
    expect(deadlines).toEqual([1, 5, 9, 13, null]);
  });

  test('under `flink` it is the next timer of Flink', () => {
    const operator = fed('a@1', compile(ab), { timers: 'flink' });
    expect(operator.nextDeadline).toBe(1);
    operator.advanceWatermark(1);
    expect(operator.nextDeadline).toBe(11);
    operator.advanceWatermark(11);
    expect(operator.nextDeadline).toBeNull();
  });

  test('a fresh operator has no deadline and is idle', () => {
    const operator = new CepOperator(compile(ab));
    expect([operator.nextDeadline, operator.isIdle, operator.watermark]).toEqual([
      null,
      true,
      MIN_TIMESTAMP,
    ]);
  });
});

describe('what an operator tells of itself', () => {
  test('open matches, oldest first, with stage, events and deadline', () => {
    const operator = fed('a@1 a@2 x@3 a@4', compile(ab));
    operator.advanceWatermark(3);
    expect(operator.openMatches()).toEqual([
      { stage: 'b', events: { a: [eventOf(0, 1, { kind: 'a' })] }, deadline: 11 },
      { stage: 'b', events: { a: [eventOf(1, 2, { kind: 'a' })] }, deadline: 12 },
    ]);
    expect(operator.openMatches(1).map(({ deadline }) => deadline)).toEqual([11]);
    expect(operator.openCount).toBe(2);
    expect(operator.isIdle).toBe(false);
    expect([...operator.heldEvents()].map(({ offset }) => offset).sort()).toEqual([0, 1, 3]);
  });

  test('a match without a window has no deadline', () => {
    const operator = fed('a@1', compile(begin('a').where(is('a')).next('b')));
    operator.advanceWatermark(1);
    expect(operator.openMatches().map(({ deadline }) => deadline)).toEqual([null]);
    expect(operator.nextDeadline).toBeNull();
  });
});

describe('processing that fails', () => {
  const optionalThenNot = begin(begin('a').where(is('a')).optional())
    .notFollowedBy('no')
    .where(is('n'))
    .followedBy('b')
    .where(is('b'));

  test('NOT_BEFORE_FIRST_EVENT: what was found before is kept, what comes after is still buffered', () => {
    const operator = fed('b@1 n@2 b@2 b@3', compile(optionalThenNot));
    const output: Parameters<typeof operator.advanceWatermark>[1] = [];
    expect(() => operator.advanceWatermark(9, output)).toThrow(
      expect.objectContaining({
        code: 'NOT_BEFORE_FIRST_EVENT',
        details: { timestamp: 2, event: eventOf(1, 2, { kind: 'n' }) },
      }),
    );
    expect(outputLines(output)).toEqual(['match b[0] at 1']);
    expect(operator.buffered.map(({ offset }) => offset)).toEqual([2, 3]);
  });
});
