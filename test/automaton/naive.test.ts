// Holds the operator against the naive matcher (naive-matcher.ts) on all small patterns and all small
// streams, and the naive matcher itself against what Apache Flink did. Beyond small: naive.prop.test.ts.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import type { CepEvent } from '../../src/event.js';
import { begin } from '../../src/pattern/pattern.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import {
  type VectorCase,
  type VectorFile,
  eventOf as vectorEventOf,
} from '../../src/testing/vectors.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';
import type { AnyPattern } from './arbitraries.js';
import { eventOf, is } from './helpers.js';
import { comparisonOf } from './naive-comparison.js';
import { isPlain, naiveMatcher, type Output, timesOutOnce } from './naive-matcher.js';

type Quantify = (pattern: AnyPattern) => AnyPattern;

/** Which patterns and streams there are. */
interface Space {
  readonly stages: number;
  /** An event is one of these. */
  readonly letters: readonly string[];
  readonly quantifiers: readonly Quantify[];
  readonly windowMs: number | null;
  /** How many there are: a pattern or stream that gets lost is a failure too. */
  readonly patterns: number;
  readonly pairs: number;
}

const FEW: readonly Quantify[] = [(p) => p, (p) => p.optional(), (p) => p.oneOrMore()];
const SOME: readonly Quantify[] = [
  ...FEW,
  (p) => p.times(2),
  (p) => p.oneOrMore().until(is('c') as never),
];
const ALL: readonly Quantify[] = [
  ...SOME,
  (p) => p.oneOrMore().optional(),
  (p) => p.oneOrMore().consecutive(),
  (p) => p.oneOrMore().allowCombinations(),
  (p) => p.oneOrMore().until(is('b') as never),
  (p) => p.timesOrMore(2),
  (p) => p.times(2).consecutive(),
  (p) => p.times(2).allowCombinations().optional(),
  (p) => p.times(1, 3),
  (p) => p.times(1, 3).allowCombinations(),
  (p) => p.times(0, 2).consecutive(),
];

const LENGTH_MAX = 5;
/** Events are a millisecond apart, so a match has its first event and two more to end in. */
const WINDOW_MS = 3;

const ABC = ['a', 'b', 'c'];
const AB = ['a', 'b'];
const SPACES: readonly Space[] = [
  { stages: 1, letters: ABC, quantifiers: ALL, windowMs: null, patterns: 30, pairs: 10_920 },
  { stages: 1, letters: ABC, quantifiers: ALL, windowMs: WINDOW_MS, patterns: 30, pairs: 10_920 },
  { stages: 2, letters: ABC, quantifiers: SOME, windowMs: null, patterns: 474, pairs: 172_536 },
  { stages: 2, letters: AB, quantifiers: ALL, windowMs: null, patterns: 4116, pairs: 259_308 },
  { stages: 2, letters: AB, quantifiers: ALL, windowMs: WINDOW_MS, patterns: 4134, pairs: 260_442 },
  { stages: 3, letters: AB, quantifiers: FEW, windowMs: null, patterns: 5238, pairs: 329_994 },
  { stages: 3, letters: AB, quantifiers: FEW, windowMs: WINDOW_MS, patterns: 5400, pairs: 340_200 },
];

/** A condition by the letter it accepts, or null for any; conditions overlap, so events have a choice. */
const CONDITIONS = ['a', 'b', null] as const;
/** With b alone first it would be the same pattern, letters exchanged (but for until). */
const FIRST_CONDITIONS = ['a', null] as const;

function* patternsOf(space: Space): Generator<AnyPattern> {
  for (const chain of chainsOf(space, space.stages)) {
    const pattern = space.windowMs === null ? chain : chain.within(space.windowMs);
    // What waits for the end of a window is refused without one.
    const needsWindow = pattern.chain.at(-1)?.edge === 'NOT_FOLLOW' && space.windowMs === null;
    if (isPlain(pattern) && !needsWindow) yield pattern;
  }
}

function* chainsOf(space: Space, stages: number): Generator<AnyPattern> {
  const name = `s${stages - 1}`;
  if (stages === 1) {
    for (const letter of FIRST_CONDITIONS) yield* quantified(space, fitting(begin(name), letter));
    return;
  }
  for (const before of chainsOf(space, stages - 1)) {
    for (const letter of CONDITIONS) {
      for (const edge of ['next', 'followedBy', 'followedByAny'] as const) {
        yield* quantified(space, fitting(before[edge](name), letter));
      }
      if (before.chain.at(-1)?.quantifier.optional) continue;
      yield fitting(before.notNext(name), letter);
      yield fitting(before.notFollowedBy(name), letter);
    }
  }
}

const fitting = (pattern: AnyPattern, letter: string | null): AnyPattern =>
  letter === null ? pattern : pattern.where(is(letter) as never);

const quantified = ({ quantifiers }: Space, pattern: AnyPattern): AnyPattern[] =>
  quantifiers.map((quantify) => quantify(pattern));

/** Every stream over the letters, the empty one first. */
function streamsOf(letters: readonly string[]): CepEvent[][] {
  const streams: CepEvent[][] = [[]];
  for (const stream of streams) {
    const i = stream.length;
    if (i === LENGTH_MAX) continue;
    for (const kind of letters) streams.push([...stream, eventOf(i, i, { kind })]);
  }
  return streams;
}

describe('the operator agrees with the naive matcher on every stream of up to five events', () => {
  test.each(SPACES)(
    '$stages stages over $letters, window $windowMs: $pairs pairs',
    (space) => {
      const streams = streamsOf(space.letters);
      let patterns = 0;
      let pairs = 0;
      for (const pattern of patternsOf(space)) {
        const compare = comparisonOf(pattern, compile(pattern));
        for (const events of streams) {
          const difference = compare(events);
          if (difference !== null) expect.fail(difference);
          pairs++;
        }
        patterns++;
      }
      expect({ patterns, pairs }).toEqual({ patterns: space.patterns, pairs: space.pairs });
    },
    120_000,
  );
});

test('the operator agrees with the naive matcher where more is open than a key may hold by default', () => {
  const pattern: AnyPattern = begin('s0')
    .oneOrMore()
    .allowCombinations()
    .followedByAny('s1')
    .oneOrMore()
    .allowCombinations()
    .optional()
    .followedByAny('s2')
    .followedByAny('s3')
    .oneOrMore()
    .allowCombinations();
  const events = Array.from({ length: 12 }, (_, i) => eventOf(i, 0, { kind: 'a' }));
  expect(comparisonOf(pattern, compile(pattern))(events)).toBeNull();
});

/** Number of plain cases by file: a fragment that shrinks is a failure too. */
const PLAIN_CASES = { docs: 115, clickstream: 37, semantics: 25, engine: 72, random: 128 } as const;

/** The case in which Flink cuts a stage's name at a colon; names are not the matcher's business. */
const LEFT_OUT = ['sem-same-name-with-colon'];

describe('the naive matcher agrees with Apache Flink on every plain vector', () => {
  test.each(Object.entries(PLAIN_CASES))('%s.json: %i cases', (file, count) => {
    const url = new URL(`../vectors/${file}.json`, import.meta.url);
    const { cases } = JSON.parse(readFileSync(url, 'utf8')) as VectorFile;
    let plain = 0;
    for (const vector of cases) {
      if (LEFT_OUT.includes(vector.name) || isRefused(vector) || vector.outOfOrder) continue;
      const pattern = decode(parseDocument(vector.pattern));
      if (!isPlain(pattern)) continue;
      const events = vector.events.map((_, i) => vectorEventOf(vector, i));
      const { matches, timeouts } = naiveMatcher(pattern)(events);
      const reached = endOf(vector);
      const isReached = ({ at }: Output) => at <= reached;
      const answer: Expected = {
        matches: matches.filter(isReached).map((output) => ({ match: positionsOf(output) })),
        timeouts: timeouts
          .filter(isReached)
          .map((output) => ({ match: positionsOf(output), timeout: output.at })),
      };
      const kinds = timeoutsToCompare(vector, timesOutOnce(pattern));
      expect({ [vector.name]: sorted(answer, kinds) }).toEqual({
        [vector.name]: sorted(vector.expected, kinds),
      });
      plain++;
    }
    expect(plain).toBe(count);
  });
});

type Expected = Pick<VectorCase['expected'], 'matches' | 'timeouts'>;

const positionsOf = ({ events }: Output) =>
  Object.fromEntries(
    Object.entries(events).map(([stage, taken]) => [stage, taken.map(({ offset }) => offset)]),
  );

/** Flink sets no timer for a match that starts at time 0 (SEMANTICS.md, Timers). */
function timeoutsToCompare({ events }: VectorCase, timesOutOnce: boolean): 'none' | 'set' | 'all' {
  if (events[0]?.timestamp === 0) return 'none';
  return timesOutOnce ? 'all' : 'set';
}

function sorted({ matches = [], timeouts = [] }: Expected, kinds: 'none' | 'set' | 'all') {
  const texts = timeouts.map((timeout) => JSON.stringify(timeout)).sort();
  return {
    matches: matches.map(({ match }) => JSON.stringify(match)).sort(),
    timeouts: kinds === 'none' ? [] : kinds === 'set' ? [...new Set(texts)] : texts,
  };
}

/** The naive matcher knows streams that have ended; others have brought forth what is not later than this. */
function endOf({ events, endWatermark = MAX_TIMESTAMP }: VectorCase): Timestamp {
  return Math.max(endWatermark, ...events.map(({ timestamp }) => timestamp));
}

const isRefused = ({ expected }: VectorCase): boolean =>
  expected.error !== undefined || expected.runtimeError !== undefined;
