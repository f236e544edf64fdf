// Conditions that want an event and the first one of a match to agree: partial matches that don't are passed over unasked, and
// nothing shows of that.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import type { CepEvent } from '../../src/event.js';
import {
  noSkip,
  skipPastLastEvent,
  skipToFirst,
  skipToLast,
  skipToNext,
} from '../../src/pattern/after-match-skip.js';
import type { Condition } from '../../src/pattern/condition.js';
import { begin } from '../../src/pattern/pattern.js';
import { cel } from '../../src/rules/cel.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import type { AnyPattern } from './arbitraries.js';
import { eventOf, outputLines } from './helpers.js';

describe('which expressions ask for it', () => {
  const agreement = { field: 'item', stage: 'a', firstField: 'product' };

  test.each([
    'event.item == match.a[0].product',
    'match.a[0].product == event.item',
    "event['item'] == match['a'][0]['product']",
    "event.kind == 'b' && event.item == match.a[0].product",
    "event.kind == 'b' && event.n < 3.0 && event.item == match.a[0].product && size(match.a) > 0",
    'event.item == match.a[0].product && match.a.exists(e, e.n > 3.0)',
  ])('%s', (expression) => {
    expect(cel(expression).agreement).toEqual(agreement);
  });

  test.each([
    'event.item != match.a[0].product',
    '!(event.item == match.a[0].product)',
    "event.kind == 'b' || event.item == match.a[0].product",
    'event.item == match.a[1].product',
    'event.item == event.product',
    'match.a[0].item == match.a[0].product',
    "match.a[0].item == 'x'",
    'event.item.id == match.a[0].product',
    'event.item == match.a[0].product.id',
    // What stands in front may use the budget up, and then the condition errs.
    'match.a.exists(e, e.n > 3.0) && event.item == match.a[0].product',
  ])('not %s', (expression) => {
    expect(cel(expression).agreement).toBeUndefined();
  });
});

/** The same, as it is for conditions that know nothing of all this, and lists in place of first events. */
function plain(expression: string): Condition {
  const { evaluate } = cel(expression);
  const listed = ['a', 'b', 'c'];
  return {
    type: 'FUNCTION',
    iterative: true,
    evaluate: (event, match, timestamp) =>
      evaluate(
        event,
        Object.fromEntries(listed.flatMap((name) => (match[name] ? [[name, match[name]]] : []))),
        timestamp,
      ),
  };
}

const CONDITIONS = [
  'event.item == match.a[0].item',
  "event.kind == 'b' && event.item == match.a[0].item",
  'event.item == match.a[0].item && event.n >= match.a[0].n',
  // Another one than the first, of which the pattern has its agreement.
  'match.a[0].n == event.n',
  'event.item == match.b[0].item',
  'event.item == match.b[0].item || event.n == match.a[0].n',
  'event.item != match.a[0].item',
];
const items = ['x', 'y', 1, 2, '1', null, { x: 1 }, undefined];

const eventsArbitrary = fc
  .array(
    fc.record({
      kind: fc.constantFrom('a', 'a', 'b'),
      item: fc.constantFrom(...items),
      n: fc.constantFrom(1, 2, undefined),
      after: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 14 },
  )
  .map((drafts) => {
    let timestamp = 1;
    return drafts.map(({ after, ...data }, offset) => {
      timestamp += after;
      // A field that is undefined is not there.
      return eventOf(offset, timestamp, JSON.parse(JSON.stringify(data)));
    });
  });

type Edge = 'next' | 'followedBy' | 'followedByAny';
const stageArbitrary = fc.record({
  edge: fc.constantFrom<Edge>('next', 'followedBy', 'followedBy', 'followedByAny'),
  condition: fc.constantFrom(...CONDITIONS),
  loops: fc.constantFrom<(pattern: AnyPattern) => AnyPattern>(
    (p) => p,
    (p) => p,
    (p) => p.times(2),
    (p) => p.oneOrMore(),
    (p) => p.optional(),
  ),
});
const patternArbitrary = fc
  .record({
    isOptional: fc.boolean(),
    b: stageArbitrary,
    c: stageArbitrary,
    skip: fc.constantFrom(
      noSkip(),
      noSkip(),
      skipPastLastEvent(),
      skipToNext(),
      skipToFirst('b'),
      skipToLast('b'),
    ),
    windowMs: fc.integer({ min: 2, max: 10 }),
  })
  .map(({ isOptional, b, c, skip, windowMs }) => (conditionOf: (text: string) => Condition) => {
    let pattern: AnyPattern = begin('a').where(conditionOf("event.kind == 'a'"));
    // The first event of a match may then be that of another stage.
    if (isOptional) pattern = pattern.optional();
    for (const [name, { edge, condition, loops }] of [['b', b] as const, ['c', c] as const]) {
      pattern = loops(pattern[edge](name).where(conditionOf(condition)));
    }
    return pattern.within(windowMs).afterMatch(skip);
  });

/** All that can be seen of a pattern over events; from a snapshot again behind each of them, if asked. */
function seenOf(pattern: AnyPattern, events: readonly CepEvent[], restores: boolean): unknown {
  const nfa = compile(pattern);
  let operator = new CepOperator(nfa);
  const output: OperatorOutput = [];
  const states: unknown[] = [];
  let failure: string | null = null;
  try {
    for (const event of events) {
      operator.processElement(event);
      operator.advanceWatermark(event.timestamp, output);
      states.push(operator.snapshot().matches.partial);
      if (restores) {
        const snapshot = JSON.parse(JSON.stringify(operator.snapshot()));
        operator = new CepOperator(nfa, {}, snapshot);
      }
    }
    operator.advanceWatermark(MAX_TIMESTAMP, output);
  } catch (error) {
    failure = String(error);
  }
  return {
    output: outputLines(output),
    errors: operator.conditionErrors,
    dropped: operator.dropped,
    states,
    failure,
  };
}

test.each([
  ['in one run', false],
  ['from a snapshot behind each event', true],
])(
  'what comes out and what is open are as with conditions that are always asked, %s',
  (_, restores) => {
    let isTried = 0;
    fc.assert(
      fc.property(patternArbitrary, eventsArbitrary, (patternOf, events) => {
        let pattern: AnyPattern;
        try {
          pattern = patternOf(cel);
          compile(pattern);
        } catch {
          // No pattern of Flink's.
          return;
        }
        isTried++;
        const expected = seenOf(patternOf(plain), events, restores);
        expect(seenOf(pattern, events, restores)).toEqual(expected);
      }),
      { numRuns: 3_000 },
    );
    expect(isTried).toBeGreaterThan(1_000);
  },
);

test('a condition is asked of the partial matches that agree alone', () => {
  let asked = 0;
  const condition = cel('event.item == match.a[0].item');
  const counted: Condition = {
    ...condition,
    evaluate: (event, match, timestamp) => {
      asked++;
      return condition.evaluate(event, match, timestamp);
    },
  };
  for (const skip of [noSkip(), skipPastLastEvent()]) {
    const pattern = begin('a')
      .where(cel("event.kind == 'a'"))
      .followedBy('b')
      .where(counted)
      .within(1_000)
      .afterMatch(skip);
    const operator = new CepOperator(compile(pattern));
    const output: OperatorOutput = [];
    const take = (offset: number, data: Record<string, unknown>) => {
      operator.processElement(eventOf(offset, offset + 1, data));
      operator.advanceWatermark(offset + 1, output);
    };
    for (let i = 0; i < 100; i++) take(i, { kind: 'a', item: `${i}` });
    asked = 0;
    take(100, { kind: 'b', item: 'another' });
    expect(asked).toBeLessThanOrEqual(1);
    asked = 0;
    take(101, { kind: 'b', item: '7' });
    expect(asked).toBe(1);
    // Under the skip strategy those before it hold it back until they have ended.
    expect(outputLines(operator.advanceWatermark(MAX_TIMESTAMP, output))).toContain(
      'match a[7] b[101] at 102',
    );
  }
});
