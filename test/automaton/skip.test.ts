// After-match skip strategies on one stream, whole outputs, and where skipping fails.

import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import { CepError } from '../../src/errors.js';
import {
  type AfterMatchSkipStrategy,
  noSkip,
  skipPastLastEvent,
  skipToFirst,
  skipToLast,
  skipToNext,
} from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { eventsOf, is, outputLines, run } from './helpers.js';

const aPlusB = begin('a').where(is('a')).oneOrMore().consecutive().next('b').where(is('b'));

describe('a+ b over a a a b', () => {
  test.each<[AfterMatchSkipStrategy<'a' | 'b'>, string[]]>([
    [noSkip(), ['a[0,1,2] b[3] at 4', 'a[1,2] b[3] at 4', 'a[2] b[3] at 4']],
    [skipToNext(), ['a[0,1,2] b[3] at 4', 'a[1,2] b[3] at 4', 'a[2] b[3] at 4']],
    [skipPastLastEvent(), ['a[0,1,2] b[3] at 4']],
    [skipToFirst('b'), ['a[0,1,2] b[3] at 4']],
    [skipToLast('a'), ['a[0,1,2] b[3] at 4', 'a[2] b[3] at 4']],
    [skipToFirst('a'), ['a[0,1,2] b[3] at 4', 'a[1,2] b[3] at 4', 'a[2] b[3] at 4']],
  ])('%o', (strategy, matches) => {
    expect(run(aPlusB.afterMatch(strategy), eventsOf('a a a b'))).toEqual(
      matches.map((match) => `match ${match}`),
    );
  });
});

test('SKIP_TO_NEXT keeps one match of each start', () => {
  const pattern = begin('a').where(is('a')).oneOrMore();
  expect(run(pattern, eventsOf('a a'))).toEqual([
    'match a[0] at 1',
    'match a[0,1] at 2',
    'match a[1] at 2',
  ]);
  expect(run(pattern.afterMatch(skipToNext()), eventsOf('a a'))).toEqual([
    'match a[0] at 1',
    'match a[1] at 2',
  ]);
});

test('a finished match waits while an earlier partial match is alive, and goes when that ends', () => {
  // What begins with x waits for a c, which never comes; "a b" is finished long before its window ends.
  const pattern = begin('first')
    .where(is('x', 'a'))
    .followedBy('last')
    .where(
      (event, { first }) => event.kind === ((first[0] as typeof event).kind === 'x' ? 'c' : 'b'),
    )
    .within(10);
  const events = eventsOf('x@1 a@2 b@3');
  expect(run(pattern, events, { end: 3 })).toEqual(['match first[1] last[2] at 3']);
  const skipping = pattern.afterMatch(skipPastLastEvent());
  expect(run(skipping, events, { end: 10 })).toEqual([]);
  expect(run(skipping, events, { end: 11 })).toEqual([
    'match first[1] last[2] at 3',
    'timeout first[0] at 11',
  ]);
});

describe('SKIP_MISSED', () => {
  const optional = begin('a')
    .where(is('a'))
    .next('b')
    .where(is('b'))
    .optional()
    .next('c')
    .where(is('c'));

  function failure(pattern: Parameters<typeof compile>[0], text: string) {
    const operator = new CepOperator(compile(pattern));
    const events = eventsOf(text);
    for (const event of events) operator.processElement(event);
    const output: OperatorOutput = [];
    try {
      operator.advanceWatermark(100, output);
    } catch (error) {
      const { code, details } = error as CepError;
      expect(error).toBeInstanceOf(CepError);
      return { output: outputLines(output), code, details };
    }
    return { output: outputLines(output) };
  }
  const onMiss = { throwExceptionOnMiss: true };

  test.each([skipToFirst, skipToLast])('a stage without events: %o', (skipTo) => {
    expect(failure(optional.afterMatch(skipTo('b')), 'a c a b c')).toEqual({
      output: ['match a[0] c[1] at 2', 'match a[2] b[3] c[4] at 5'],
    });
    expect(failure(optional.afterMatch(skipTo('b', onMiss)), 'a b c a c')).toEqual({
      output: ['match a[0] b[1] c[2] at 3'],
      code: 'SKIP_MISSED',
      details: { stage: 'b' },
    });
  });

  test('the match itself begins with the event that is skipped to', () => {
    expect(failure(optional.afterMatch(skipToFirst('a', onMiss)), 'a c')).toEqual({
      output: [],
      code: 'SKIP_MISSED',
      details: { stage: 'a' },
    });
  });
});
