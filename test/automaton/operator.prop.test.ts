// The operator's invariants O1 to O4 under random patterns, streams and interleavings (arbitraries.ts).

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { NO_LIMITS } from '../../src/automaton/limits.js';
import {
  CepOperator,
  type OperatorOptions,
  type OperatorOutput,
  type OperatorSnapshot,
  type TimerMode,
} from '../../src/automaton/operator.js';
import { CepError } from '../../src/errors.js';
import type { CepEvent } from '../../src/event.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';
import { choices, eventsArbitrary, patternArbitrary } from './arbitraries.js';
import { eventOf, outputLines } from './helpers.js';

const timers = fc.constantFrom<TimerMode>('complete', 'flink');
const RUNS = { numRuns: 1_500 };

type Step = CepEvent | Timestamp;

/** Events and, where chosen, the watermark of the event before. */
function stepsOf(events: readonly CepEvent[], withWatermark: readonly boolean[]): Step[] {
  const steps = events.flatMap((event, i): Step[] => {
    const next = events[i + 1]?.timestamp;
    return withWatermark[i] && next !== event.timestamp ? [event, event.timestamp] : [event];
  });
  return [...steps, (events.at(-1)?.timestamp ?? 0) + 5, MAX_TIMESTAMP];
}

/** Does a step. @returns whether the operator is still of use */
function apply(operator: CepOperator, step: Step, output: OperatorOutput): boolean {
  if (typeof step !== 'number') {
    operator.processElement(step);
    return true;
  }
  try {
    operator.advanceWatermark(step, output);
    return true;
  } catch (error) {
    // Where Flink fails too, what was found before still has to be the same.
    if (!(error instanceof CepError)) throw error;
    return false;
  }
}

const throughJson = (snapshot: OperatorSnapshot): OperatorSnapshot =>
  JSON.parse(JSON.stringify(snapshot));
const withoutWatermark = ({ watermark: _, ...rest }: OperatorSnapshot) => rest;

test('O3: an operator restored from JSON after any steps goes on alike', () => {
  fc.assert(
    fc.property(
      patternArbitrary,
      eventsArbitrary,
      choices,
      choices,
      timers,
      (pattern, events, watermarks, restored, mode) => {
        const options: OperatorOptions = { timers: mode, limits: NO_LIMITS };
        const straight = new CepOperator(compile(pattern), options);
        let broken = new CepOperator(compile(pattern), options);
        const expected: OperatorOutput = [];
        const found: OperatorOutput = [];
        let i = 0;
        for (const step of stepsOf(events, watermarks)) {
          const isUseful = apply(straight, step, expected);
          expect(apply(broken, step, found)).toBe(isUseful);
          expect(outputLines(found)).toEqual(outputLines(expected));
          if (!isUseful) return;
          const snapshot = throughJson(broken.snapshot());
          expect(snapshot).toEqual(throughJson(straight.snapshot()));
          if (restored[i++ % restored.length]) {
            broken = new CepOperator(compile(pattern), options, snapshot);
            expect(broken.isIdle).toBe(straight.isIdle);
            expect(broken.nextDeadline).toBe(straight.nextDeadline);
            expect(broken.openMatches()).toEqual(straight.openMatches());
          }
        }
      },
    ),
    RUNS,
  );
});

test('O4: nothing changes before nextDeadline, and something does at it', () => {
  fc.assert(
    fc.property(patternArbitrary, eventsArbitrary, choices, (pattern, events, watermarks) => {
      const nfa = compile(pattern);
      const operator = new CepOperator(nfa, { limits: NO_LIMITS });
      for (const step of stepsOf(events, watermarks)) {
        if (!apply(operator, step, [])) return;
        const before = operator.snapshot();
        const copy = () => new CepOperator(nfa, { limits: NO_LIMITS }, throughJson(before));
        const quiet = copy();
        const due = operator.nextDeadline;
        expect(quiet.advanceWatermark(due === null ? MAX_TIMESTAMP : due - 1)).toEqual([]);
        expect(withoutWatermark(quiet.snapshot())).toEqual(withoutWatermark(before));
        if (due === null) continue;
        expect(due).toBeGreaterThan(operator.watermark);
        const loud = copy();
        const output: OperatorOutput = [];
        if (!apply(loud, due, output) || output.length > 0) continue;
        expect(withoutWatermark(loud.snapshot())).not.toEqual(withoutWatermark(before));
      }
    }),
    RUNS,
  );
});

test('O1, O2: late events and watermarks that fall behind change nothing', () => {
  fc.assert(
    fc.property(
      patternArbitrary,
      eventsArbitrary,
      choices,
      fc.nat({ max: 3 }),
      (pattern, events, watermarks, lagMs) => {
        const operator = new CepOperator(compile(pattern), { limits: NO_LIMITS });
        for (const step of stepsOf(events, watermarks)) {
          if (!apply(operator, step, [])) return;
          const before = operator.snapshot();
          const { watermark } = operator;
          expect(operator.advanceWatermark(watermark - lagMs)).toEqual([]);
          expect(operator.processElement(eventOf(99, watermark - lagMs, { kind: 'a' }))).toBe(
            false,
          );
          expect(operator.snapshot()).toEqual(before);
        }
      },
    ),
    RUNS,
  );
});

test('A5: partial matches that are one come to what they come to apart', () => {
  fc.assert(
    fc.property(patternArbitrary, eventsArbitrary, choices, (pattern, events, chosen) => {
      const nfa = compile(pattern);
      fc.pre(nfa.forks);
      const together = new CepOperator(nfa, { limits: NO_LIMITS });
      const apart = new CepOperator({ ...nfa, forks: false }, { limits: NO_LIMITS });
      for (const step of stepsOf(events, chosen)) {
        const outputs = [together, apart].map((operator) => {
          const output: OperatorOutput = [];
          apply(operator, step, output);
          return output;
        });
        const [forked = [], plain = []] = outputs;
        expect(outputLines(forked).sort()).toEqual(outputLines(plain).sort());
        const starts = forked.map(({ type, events }) => [
          type,
          Object.values(events)[0]?.[0]?.offset,
        ]);
        const inOrder = plain.map(({ type, events }) => [
          type,
          Object.values(events)[0]?.[0]?.offset,
        ]);
        expect(starts).toEqual(inOrder);
        expect(together.openCount).toBe(apart.openCount);
        expect(together.nextDeadline).toBe(apart.nextDeadline);
        expect(together.heldEvents()).toEqual(apart.heldEvents());
      }
    }),
    RUNS,
  );
});
