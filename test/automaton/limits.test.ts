// O5: what is open of one pattern stays within its limits, whatever pattern and stream; what gives is what
// the policy says, and is counted.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompilablePattern, compile } from '../../src/automaton/compile.js';
import {
  bytesAtMost,
  jsonBytes,
  NO_LIMITS,
  SizedEvent,
  type StateLimits,
} from '../../src/automaton/limits.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import { CepError } from '../../src/errors.js';
import type { CepEvent } from '../../src/event.js';
import { skipPastLastEvent, skipToNext } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import { eventsArbitrary, patternArbitrary } from './arbitraries.js';
import { eventOf, eventsOf, is, outputLines } from './helpers.js';

const ab = begin('a').where(is('a')).followedBy('b').where(is('b')).within(100);
/** The same in each of the automaton's layouts. */
const LAYOUTS: readonly [string, CompilablePattern][] = [
  ['lists that fork', ab],
  // A condition that looks back.
  [
    'single lists',
    begin('a')
      .where(is('a'))
      .followedBy('b')
      .where((e, { a }) => is('b')(e) && a.length > 0)
      .within(100),
  ],
  ['heaps', ab.afterMatch(skipPastLastEvent())],
];

function operatorOf(pattern: CompilablePattern, limits: Partial<StateLimits>): CepOperator {
  return new CepOperator(compile(pattern), { limits });
}

/** Events one by one, each with its watermark. */
function feed(
  operator: CepOperator,
  events: readonly CepEvent[],
  output: OperatorOutput = [],
): OperatorOutput {
  for (const event of events) {
    operator.processElement(event);
    operator.advanceWatermark(event.timestamp, output);
  }
  return output;
}

describe.each(LAYOUTS)('%s', (_, pattern) => {
  const startsOf = (operator: CepOperator) =>
    operator.openMatches().map(({ events }) => events.a?.[0]?.offset);

  test('drop-oldest keeps those that began last', () => {
    const operator = operatorOf(pattern, { partialMatches: 3 });
    feed(operator, eventsOf('a a a a a'));
    expect(startsOf(operator)).toEqual([2, 3, 4]);
    expect(operator.dropped).toBe(2);
    expect(operator.openCount).toBe(3);
  });

  test('refuse-new keeps those that began first', () => {
    const operator = operatorOf(pattern, { partialMatches: 3, policy: 'refuse-new' });
    feed(operator, eventsOf('a a a a a'));
    expect(startsOf(operator)).toEqual([0, 1, 2]);
    expect(operator.dropped).toBe(2);
    // They go on as if nothing had been.
    expect(outputLines(feed(operator, eventsOf('b@6')))[0]).toBe('match a[0] b[0] at 6');
  });

  test('those of one time go together', () => {
    const operator = operatorOf(pattern, { partialMatches: 3 });
    feed(operator, eventsOf('a@1'));
    for (const event of eventsOf('a@2 a@2 a@2')) operator.processElement(event);
    operator.advanceWatermark(2);
    expect([operator.openCount, operator.dropped]).toEqual([3, 1]);
    for (const event of eventsOf('a@3')) operator.processElement(event);
    operator.advanceWatermark(3);
    expect([operator.openCount, operator.dropped]).toEqual([1, 4]);
  });

  test('fail names the limit and what to do', () => {
    const operator = operatorOf(pattern, { partialMatches: 3, policy: 'fail' });
    const events = eventsOf('a a a a');
    feed(operator, events.slice(0, 3));
    const last = () => feed(operator, events.slice(3));
    expect(last).toThrow(
      /limit of 3 partial matches for one key is passed: bound the pattern with/,
    );
    expect(last).not.toThrow(TypeError);
  });

  test('bytes: the state is measured, and a part of it dropped', () => {
    const bytes = 20_000;
    const operator = operatorOf(pattern, { bytes });
    const padding = 'é'.repeat(100);
    for (let n = 1; n < 1_000; n++) {
      feed(operator, [eventOf(n, n, { kind: 'a', padding })]);
      const { matches } = operator.snapshot();
      expect(jsonBytes(matches)).toBeLessThan(bytes * (1 + 1 / 16) + 1_000);
    }
    expect(operator.openCount).toBeGreaterThan(20);
    expect(operator.openCount + operator.dropped).toBe(999);
  });

  test('without a limit in the way nothing is dropped', () => {
    const operator = operatorOf(pattern, { partialMatches: 5 });
    feed(operator, eventsOf('a a a a a b'));
    expect(operator.dropped).toBe(0);
  });
});

test('jsonBytes counts as UTF-8 does', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(jsonBytes({ text })).toBe(Buffer.byteLength(JSON.stringify({ text })));
    }),
  );
});

test('an event that finds no room among those that wait is refused', () => {
  const operator = operatorOf(ab, { bufferedEvents: 2 });
  expect(eventsOf('a b a').map((event) => operator.processElement(event))).toEqual([
    true,
    true,
    false,
  ]);
  expect(operator.isFull).toBe(true);
  expect(outputLines(operator.advanceWatermark(5))).toEqual(['match a[0] b[1] at 2']);
  expect(operator.isFull).toBe(false);
});

test('what only a dropped match held back comes out', () => {
  const pattern = begin('a')
    .where(is('a'))
    .followedBy('b')
    .where((e, { a }) => is('b')(e) && e.n === a[0]?.n)
    .afterMatch(skipToNext());
  const events = ['a1', 'a2', 'b2', 'a3', 'a4'].map((name, i) =>
    eventOf(i, i, { kind: name.charAt(0), n: Number(name.charAt(1)) }),
  );
  expect(feed(operatorOf(pattern, {}), events)).toEqual([]);
  const operator = operatorOf(pattern, { partialMatches: 3 });
  expect(outputLines(feed(operator, events))).toEqual(['match a[1] b[2] at 2']);
  expect(operator.dropped).toBe(1);
});

test('forks in forks, thousands deep: measured and shown without running out of stack or time', () => {
  const pattern = begin('s')
    .where(is('s'))
    .followedBy('a')
    .where(is('a'))
    .oneOrMore()
    .followedBy('b')
    .where(is('b'))
    .within(100_000);
  const operator = operatorOf(pattern, { partialMatches: 20_000 });
  feed(operator, [eventOf(0, 1, { kind: 's' })]);
  for (let n = 1; n <= 6_000; n++) feed(operator, [eventOf(n, n + 1, { kind: 'a' })]);
  expect(operator.openCount).toBe(6_000);
  const json = JSON.stringify(operator.snapshot());
  const restored = new CepOperator(compile(pattern), {}, JSON.parse(json));
  expect(restored.heldEvents().size).toBe(6_001);
  expect(restored.openMatches(10).length).toBe(10);
});

const POLICIES = ['drop-oldest', 'refuse-new'] as const;

test('any pattern stays within its limits; what is found is found without them too; JSON goes on alike', () => {
  fc.assert(
    fc.property(
      patternArbitrary,
      eventsArbitrary,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 50, max: 2_000 }),
      fc.constantFrom(...POLICIES),
      (pattern, events, partialMatches, bytes, policy) => {
        const nfa = compile(pattern);
        const limits = { partialMatches, bytes, policy };
        const limited: OperatorOutput = [];
        const restored: OperatorOutput = [];
        const operator = new CepOperator(nfa, { limits });
        let json = JSON.stringify(operator.snapshot());
        const ends = (watermark: number) => {
          operator.advanceWatermark(watermark, limited);
          const again = new CepOperator(nfa, { limits }, JSON.parse(json));
          again.advanceWatermark(watermark, restored);
          json = JSON.stringify(again.snapshot());
          expect(json).toBe(JSON.stringify(operator.snapshot()));
        };
        try {
          for (const event of events) {
            ends(event.timestamp - 1);
            operator.processElement(event);
            const again = new CepOperator(nfa, { limits }, JSON.parse(json));
            again.processElement(event);
            json = JSON.stringify(again.snapshot());
            const { matches } = operator.snapshot();
            const held = operator.openCount + matches.completed.length;
            expect(held).toBeLessThanOrEqual(partialMatches);
            // What is written of a state with nothing open is not empty either.
            expect(held === 0 || jsonBytes(matches) <= (bytes * 17) / 16).toBe(true);
          }
          ends(MAX_TIMESTAMP);
          expect(outputLines(restored)).toEqual(outputLines(limited));
          if (pattern.afterMatchSkip.type !== 'NO_SKIP') return;
          const free = new CepOperator(nfa, { limits: NO_LIMITS });
          const found: OperatorOutput = [];
          // In the same steps: where two windows of a match end between two watermarks, it times out in either.
          for (const event of events) {
            free.advanceWatermark(event.timestamp - 1, found);
            free.processElement(event);
          }
          const all = outputLines(free.advanceWatermark(MAX_TIMESTAMP, found));
          for (const line of outputLines(limited)) {
            expect(all).toContain(line);
            all.splice(all.indexOf(line), 1);
          }
        } catch (error) {
          // Where Flink's job fails.
          if (!(error instanceof CepError)) throw error;
        }
      },
    ),
    { numRuns: 3_000 },
  );
});

test('an event may know its size, which shows in nothing', () => {
  for (const id of [undefined, 'e1']) {
    const plain: CepEvent = { ...eventOf(3, 5, { kind: 'a', text: 'é' }), ...(id && { id }) };
    const sized = new SizedEvent(plain);
    expect(SizedEvent.bytesOf(sized)).toBe(bytesAtMost(plain));
    expect(SizedEvent.bytesOf(plain)).toBe(bytesAtMost(plain));
    expect(JSON.stringify(sized)).toBe(JSON.stringify(plain));
    expect(Object.keys(sized)).toEqual(Object.keys(plain));
  }
});
