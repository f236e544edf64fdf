// Holds the operator against the naive matcher (naive-matcher.ts) on random patterns of up to four stages
// and longer streams. A failure prints the seed and path that make it again, and the smallest case found.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { CepError } from '../../src/errors.js';
import type { CepEvent } from '../../src/event.js';
import type { Condition } from '../../src/pattern/condition.js';
import {
  type GroupNode,
  Pattern,
  type PatternNode,
  type StageNode,
} from '../../src/pattern/pattern.js';
import { type AnyPattern, patternArbitrary } from './arbitraries.js';
import { eventOf } from './helpers.js';
import { comparisonOf, patternText } from './naive-comparison.js';
import { isPlain } from './naive-matcher.js';

const RUNS = { numRuns: 6_000 };

/**
 * The same node without what the naive matcher leaves out: of a group its first member remains, and a
 * condition that looks at the match is dropped.
 */
function plainNode({ kind, edge, quantifier, until, windows, ...node }: PatternNode): StageNode {
  const stage = (kind === 'GROUP' ? (node as GroupNode).chain[0] : node) as StageNode;
  const { times } = quantifier;
  const { FIRST_AND_LAST } = windows;
  return {
    kind: 'STAGE',
    name: stage.name,
    condition: withoutMatch(stage.condition),
    edge,
    quantifier: { ...quantifier, greedy: false, times: times && { ...times, gapMs: null } },
    until: withoutMatch(until),
    windows: FIRST_AND_LAST === undefined ? {} : { FIRST_AND_LAST },
  };
}

const withoutMatch = (condition: Condition | null): Condition | null =>
  condition?.iterative ? null : condition;

function compiles(pattern: AnyPattern): boolean {
  try {
    compile(pattern);
    return true;
  } catch (error) {
    if (error instanceof CepError) return false;
    throw error;
  }
}

const anyLength: fc.Arbitrary<AnyPattern> = patternArbitrary
  .map(({ chain }): AnyPattern => new Pattern(chain.map(plainNode), { type: 'NO_SKIP' }))
  .filter((pattern) => isPlain(pattern) && compiles(pattern));

/** Long ones get refused most often, but only they have stages on both sides of NOT and optional ones. */
const plainPattern = fc.oneof(
  anyLength,
  anyLength.filter(({ chain }) => chain.length === 4),
);

/** Up to twelve events in time order, with ties and gaps, beginning at 0. */
const stream: fc.Arbitrary<CepEvent[]> = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'x'), fc.constantFrom(0, 1, 1, 2, 3, 7)), {
    maxLength: 12,
    size: 'max',
  })
  .map((specs) => {
    let timestamp = 0;
    return specs.map(([kind, afterMs], i) => {
      timestamp += i === 0 ? 0 : afterMs;
      return eventOf(i, timestamp, { kind });
    });
  });

test('the operator agrees with the naive matcher', () => {
  fc.assert(
    fc.property(plainPattern, stream, (pattern, events) => {
      const difference = comparisonOf(pattern, compile(pattern))(events);
      if (difference !== null) expect.fail(difference);
    }),
    RUNS,
  );
}, 120_000);

test('the random patterns are as varied as they should be', () => {
  const texts = fc.sample(plainPattern, 500).map(patternText);
  for (const part of ['notNext', 'notFollowedBy', 'followedByAny', 'until', 'within', 's3']) {
    expect(texts.filter((text) => text.includes(part)).length).toBeGreaterThan(10);
  }
});
