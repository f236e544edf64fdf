// What is explained is what happens: on random patterns and streams (arbitraries.ts) the matches and timeouts of
// an explanation are the operator's, and what it says of the runs adds up.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { explain } from '../../src/automaton/explain.js';
import { explainText } from '../../src/automaton/explain-text.js';
import { NO_LIMITS } from '../../src/automaton/limits.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import { CepError } from '../../src/errors.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';
import { choices, eventsArbitrary, patternArbitrary } from './arbitraries.js';

/** Lets time pass as a session does: from deadline to deadline. */
function advance(operator: CepOperator, until: Timestamp, output: OperatorOutput): boolean {
  try {
    while (operator.watermark < until) {
      const due = operator.nextDeadline ?? until;
      operator.advanceWatermark(Math.max(operator.watermark + 1, Math.min(due, until)), output);
    }
    return true;
  } catch (error) {
    if (!(error instanceof CepError)) throw error;
    return false;
  }
}

const linesOf = (output: OperatorOutput, type: string) =>
  output
    .filter((found) => found.type === type)
    .map(({ events, at }) => lineOf({ events, at }))
    .sort();

const lineOf = ({ events, at }: { events: object; at: Timestamp }) =>
  `${Object.entries(events).map(([stage, taken]) => `${stage}[${taken.map(({ offset }: { offset: number }) => offset)}]`)} at ${at}`;

test('matches, timeouts and what stays open are those of the operator', () => {
  fc.assert(
    fc.property(patternArbitrary, eventsArbitrary, choices, (pattern, events, [toEnd]) => {
      const nfa = compile(pattern);
      const until = toEnd ? MAX_TIMESTAMP : (events.at(-1)?.timestamp ?? 0) + 2;
      const operator = new CepOperator(nfa, { limits: NO_LIMITS });
      for (const event of events) operator.processElement(event);
      const output: OperatorOutput = [];
      const isUseful = advance(operator, until, output);
      const found = explain(nfa, events, { until });
      expect(found.matches.map(lineOf).sort()).toEqual(linesOf(output, 'match'));
      expect(found.timeouts.map(lineOf).sort()).toEqual(linesOf(output, 'timeout'));
      expect(found.moments.some(({ failure }) => failure !== undefined)).toBe(!isUseful);
      expect(JSON.parse(JSON.stringify(found))).toEqual(found);
      expect(explainText(found)).not.toMatch(/undefined|\[object/);
      if (!isUseful) return;
      expect(found.live.length).toBe(operator.openCount);
      const steps = found.moments.flatMap((moment) => moment.steps);
      const count = (...what: string[]) => steps.filter((step) => what.includes(step.what)).length;
      expect(count('MATCHED', 'RELEASED')).toBe(found.matches.length);
      expect(count('TIMED_OUT')).toBe(found.timeouts.length);
    }),
    { numRuns: 1_500 },
  );
});

test('an explanation from the middle goes on as the operator does', () => {
  fc.assert(
    fc.property(patternArbitrary, eventsArbitrary, fc.nat({ max: 10 }), (pattern, events, at) => {
      const nfa = compile(pattern);
      const operator = new CepOperator(nfa, { limits: NO_LIMITS });
      const [before, behind] = [events.slice(0, at), events.slice(at)];
      for (const event of before) operator.processElement(event);
      // The last one is still buffered.
      const middle = (before.at(-1)?.timestamp ?? 0) - 1;
      if (!advance(operator, middle, [])) return;
      const from = JSON.parse(JSON.stringify(operator.snapshot()));
      for (const event of behind) operator.processElement(event);
      const output: OperatorOutput = [];
      advance(operator, MAX_TIMESTAMP, output);
      const found = explain(nfa, behind, { from, until: MAX_TIMESTAMP });
      expect(found.matches.map(lineOf).sort()).toEqual(linesOf(output, 'match'));
      expect(found.timeouts.map(lineOf).sort()).toEqual(linesOf(output, 'timeout'));
    }),
    { numRuns: 1_500 },
  );
});
