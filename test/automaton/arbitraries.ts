// Random patterns and streams. A pattern is made by the same calls a user would write; one that is
// refused is thrown away, so what remains is every combination that Flink CEP allows.

import fc from 'fast-check';
import { compile } from '../../src/automaton/compile.js';
import { CepError } from '../../src/errors.js';
import type { CepEvent } from '../../src/event.js';
import type { AfterMatchSkipStrategy } from '../../src/pattern/after-match-skip.js';
import type { ConditionInput, MatchSoFar } from '../../src/pattern/condition.js';
import { begin, type Pattern } from '../../src/pattern/pattern.js';
import type { WithinType } from '../../src/pattern/window.js';
import { eventOf, type Letter } from './helpers.js';

// biome-ignore lint/suspicious/noExplicitAny: stages of a random pattern have no static type
export type AnyPattern = Pattern<any, any, any>;

const KINDS = ['a', 'b', 'c'];
const WINDOW_MS = { min: 1, max: 12 };

const condition: fc.Arbitrary<ConditionInput<unknown>> = fc
  .record({
    kinds: fc.subarray(KINDS, { minLength: 1 }),
    looksBack: fc.integer({ max: 5, min: 0 }),
  })
  .map(({ kinds, looksBack }) => {
    const fits = (event: unknown) => kinds.includes((event as Letter).kind);
    if (looksBack > 0) return fits;
    // One in six: not smaller than what any stage took last.
    return (event: unknown, match: MatchSoFar) =>
      fits(event) &&
      Object.values(match).every(
        (taken) => ((taken.at(-1) as Letter | undefined)?.n ?? 0) <= ((event as Letter).n ?? 0),
      );
  });

const edge = fc.constantFrom(
  'next',
  'followedBy',
  'followedBy',
  'followedByAny',
  'notNext',
  'notFollowedBy',
);
const quantifier = fc.constantFrom<(pattern: AnyPattern) => AnyPattern>(
  (p) => p,
  (p) => p,
  (p) => p.oneOrMore(),
  (p) => p.timesOrMore(2),
  (p) => p.times(2),
  (p) => p.times(1, 3, 4),
  (p) => p.times(0, 2),
);
const inner = fc.constantFrom<(pattern: AnyPattern) => AnyPattern>(
  (p) => p,
  (p) => p,
  (p) => p.consecutive(),
  (p) => p.allowCombinations(),
);
const flag = fc.boolean();
const rarely = fc.integer({ min: 0, max: 3 }).map((n) => n === 3);

const stage = fc.record({
  edge,
  condition,
  quantifier,
  inner,
  optional: rarely,
  greedy: rarely,
  until: fc.option(condition, { freq: 6 }),
  gapMs: fc.option(fc.integer(WINDOW_MS), { freq: 4 }),
  isGroup: rarely,
});
type Stage = typeof stage extends fc.Arbitrary<infer T> ? T : never;

const skip = fc.constantFrom<AfterMatchSkipStrategy>(
  { type: 'NO_SKIP' },
  { type: 'NO_SKIP' },
  { type: 'SKIP_TO_NEXT' },
  { type: 'SKIP_PAST_LAST_EVENT' },
  { type: 'SKIP_TO_FIRST', patternName: 's1' },
  { type: 'SKIP_TO_LAST', patternName: 's0' },
);

function build(
  stages: Stage[],
  windowMs: number | null,
  strategy: AfterMatchSkipStrategy,
): AnyPattern | null {
  try {
    let pattern: AnyPattern | null = null;
    stages.forEach((spec, i) => {
      const isNot = spec.edge.startsWith('not');
      let name: unknown = `s${i}`;
      if (spec.isGroup && !isNot) {
        name = begin(`s${i}`)
          .where(spec.condition as never)
          .followedBy(`s${i}x`)
          .where(spec.condition as never);
      }
      let next: AnyPattern =
        pattern === null ? begin(name as string) : pattern[spec.edge as 'next'](name as string);
      if (typeof name === 'string') next = next.where(spec.condition as never);
      if (!isNot) {
        const quantified = spec.quantifier(next);
        if (quantified !== next) next = spec.inner(quantified);
        if (spec.optional) next = next.optional();
        if (spec.greedy) next = next.greedy();
        if (spec.until) next = next.until(spec.until as never);
      }
      if (spec.gapMs !== null) next = next.within(spec.gapMs, 'PREVIOUS_AND_CURRENT' as WithinType);
      pattern = next;
    });
    let whole = pattern as unknown as AnyPattern;
    if (windowMs !== null) whole = whole.within(windowMs);
    whole = whole.afterMatch(strategy);
    compile(whole);
    return whole;
  } catch (error) {
    if (error instanceof CepError) return null;
    throw error;
  }
}

/** A pattern that compiles. */
export const patternArbitrary: fc.Arbitrary<AnyPattern> = fc
  .record({
    stages: fc.array(stage, { minLength: 1, maxLength: 4 }),
    windowMs: fc.option(fc.integer(WINDOW_MS), { freq: 4 }),
    skip,
  })
  .map(({ stages, windowMs, skip: strategy }) => build(stages, windowMs, strategy))
  .filter((pattern) => pattern !== null);

/** Up to ten events in time order, with ties, and beginning at 0, where Flink's timers have a hole. */
export const eventsArbitrary: fc.Arbitrary<CepEvent[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom(...KINDS, 'x'),
      n: fc.integer({ min: 0, max: 3 }),
      afterMs: fc.constantFrom(0, 0, 1, 1, 2, 3, 7),
    }),
    { maxLength: 10 },
  )
  .map((specs) => {
    let timestamp = 0;
    return specs.map(({ kind, n, afterMs }, i) => {
      timestamp += afterMs;
      return eventOf(i, timestamp, { kind, n });
    });
  });

/** Which of a list's steps get something extra. */
export const choices = fc.array(flag, { minLength: 16, maxLength: 16 });
