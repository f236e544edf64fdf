// Whether an event can complete a match, whatever is open: never "no" where some state lets it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { NO_LIMITS } from '../../src/automaton/limits.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import { completionTest } from '../../src/automaton/urgency.js';
import { CepError } from '../../src/errors.js';
import { begin } from '../../src/pattern/pattern.js';
import { cel } from '../../src/rules/cel.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';
import { eventsArbitrary, patternArbitrary } from './arbitraries.js';
import { eventOf, is } from './helpers.js';

const kinds = (pattern: Parameters<typeof compile>[0], text = 'a b c') => {
  const canComplete = completionTest(compile(pattern));
  return text.split(' ').filter((kind) => canComplete(eventOf(0, 1, { kind })));
};

describe('an event completes', () => {
  const a = begin('a').where(is('a'));
  test.each([
    ['the last stage', a.followedBy('b').where(is('b')), ['b']],
    ['a single one', a, ['a']],
    ['what an optional stage may follow', a.followedBy('b').where(is('b')).optional(), ['a', 'b']],
    ['a repetition', a.followedBy('b').where(is('b')).oneOrMore(), ['b']],
    ['nothing where time does', a.notFollowedBy('b').where(is('b')).within(10), []],
    ['what is not the event of a last notNext()', a.notNext('b').where(is('b')), ['a', 'c']],
    ['a stage that takes anything', a.followedBy('b'), ['a', 'b', 'c']],
  ])('%s', (_, pattern, expected) => {
    expect(kinds(pattern)).toEqual(expected);
  });

  test('where a condition looks back only if the event alone does not say no', () => {
    const closure = a.followedBy('b').where((e, { a }) => is('b')(e) && a.length > 1);
    expect(kinds(closure)).toEqual(['b']);
    const first = a.followedBy('b').where((e, match) => (match.a?.length ?? 0) > 1 && is('b')(e));
    expect(kinds(first)).toEqual(['a', 'b', 'c']);
    const text = a.followedBy('b').where(cel('event.kind == "b" && size(match.a) > 1'));
    expect(kinds(text)).toEqual(['b']);
  });

  test('not where a condition throws', () => {
    const throwing = a.followedBy('b').where(() => {
      throw new Error('no such field');
    });
    expect(kinds(throwing)).toEqual([]);
  });
});

/** @returns what comes out; null where Flink's job fails */
function advance(operator: CepOperator, watermark: Timestamp): OperatorOutput | null {
  try {
    return operator.advanceWatermark(watermark);
  } catch (error) {
    if (!(error instanceof CepError)) throw error;
    return null;
  }
}

test('no match of any pattern is completed by an event that was said not to', () => {
  fc.assert(
    fc.property(patternArbitrary, eventsArbitrary, (pattern, events) => {
      const nfa = compile(pattern);
      const canComplete = completionTest(nfa);
      const operator = new CepOperator(nfa, { limits: NO_LIMITS });
      for (const event of events) {
        // Time first: what a passing window completes is not the event's.
        const advanced = advance(operator, event.timestamp - 1);
        const endsNow = (operator.nextDeadline ?? MAX_TIMESTAMP) <= event.timestamp;
        operator.processElement(event);
        const held = operator.snapshot().matches.completed.length;
        const found = advanced && advance(operator, event.timestamp);
        if (!found) return;
        const isCompleted = found.some(
          ({ type, at, events: taken }) =>
            type === 'match' &&
            at === event.timestamp &&
            Object.values(taken).some((list) => list.includes(event)),
        );
        const isHeld = !endsNow && operator.snapshot().matches.completed.length > held;
        if (isCompleted || isHeld) expect(canComplete(event)).toBe(true);
      }
    }),
  );
});
