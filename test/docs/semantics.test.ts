// docs/semantics.md runs: every example is evaluated as it stands there, run through the operator, and compared
// with the result written below it, and every vector it names is there. An example is a pattern and, as
// comments, streams with what comes out of each; the notation is explained at the top of the page.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type CompilablePattern, compile } from '../../src/automaton/compile.js';
import {
  CepOperator,
  type OperatorOptions,
  type OperatorOutput,
} from '../../src/automaton/operator.js';
import { CepError } from '../../src/errors.js';
import type { CepEvent } from '../../src/event.js';
import * as strategies from '../../src/pattern/after-match-skip.js';
import { begin, Pattern } from '../../src/pattern/pattern.js';
import type { VectorFile } from '../../src/testing/vectors.js';
import { MAX_TIMESTAMP, minutes, type Timestamp } from '../../src/time.js';
import { eventOf, is, type Letter } from '../automaton/helpers.js';

const page = readFileSync('docs/semantics.md', 'utf8');
const DIFFERENCES = 'Where this engine differs';

// ---- reading the page

interface Stream {
  readonly text: string;
  readonly options: OperatorOptions;
  readonly expected: string[];
}

interface Example {
  readonly title: string;
  readonly code: string;
  /** Empty for a pattern that is refused. */
  readonly streams: readonly Stream[];
  readonly refused: string | null;
}

/** What may stand before a stream. */
const MODES: Readonly<Record<string, OperatorOptions>> = {
  'flink: ': { timers: 'flink' },
  'by kind: ': { comparator: (a, b) => (kindOf(a) < kindOf(b) ? -1 : 1) },
};
const kindOf = ({ data }: CepEvent) => (data as unknown as Letter).kind;

/** The examples: the `ts` blocks that begin with a pattern, and each pattern in them with `begin`. */
function examplesOf(markdown: string): Example[] {
  const examples: Example[] = [];
  let title = '';
  for (const [, heading, block] of markdown.matchAll(
    /^#+ (.*)$|^```ts\n(begin\([\s\S]*?)^```$/gm,
  )) {
    if (block === undefined) {
      title = heading as string;
      continue;
    }
    const texts = block.trim().split(/\n+(?=begin)/);
    examples.push(...texts.map((text) => exampleOf(title, text)));
  }
  return examples;
}

function exampleOf(title: string, text: string): Example {
  const lines = text.split('\n');
  const from = lines.findIndex((line) => line.startsWith('//'));
  const code = lines.slice(0, from).join('\n');
  const streams: Stream[] = [];
  for (const line of lines.slice(from)) {
    const refused = /^\/\/ refused: (.*)$/.exec(line)?.[1];
    if (refused !== undefined) return { title, code, streams, refused };
    const [, stream, results, more] = /^\/\/ (?:(\S.*) -> (\S.*)| {2}(\S.*))$/.exec(line) ?? [];
    if (stream !== undefined) streams.push(streamOf(stream));
    const listed = results ?? more;
    if (listed === undefined) throw new Error(`neither a stream nor more results: ${line}`);
    streams.at(-1)?.expected.push(...listed.split(/;\s*/).filter((result) => result !== ''));
  }
  return { title, code, streams, refused: null };
}

function streamOf(text: string): Stream {
  for (const [mode, options] of Object.entries(MODES)) {
    if (text.startsWith(mode)) return { text: text.slice(mode.length), options, expected: [] };
  }
  return { text, options: {}, expected: [] };
}

// ---- running an example

const MINUTE: number = minutes(1);
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'];
const SCOPE = {
  begin,
  minutes,
  ...strategies,
  ...Object.fromEntries(LETTERS.map((letter) => [letter, is(letter)])),
};

/** Evaluates text of our own page. */
function patternOf(code: string): CompilablePattern {
  return new Function(...Object.keys(SCOPE), `return ${code}`)(...Object.values(SCOPE));
}

/** Events out of `a1 x b2@7`: a kind, a number, and a time in minutes, which is one more than the last by default. */
function eventsOf(text: string): CepEvent[] {
  let last = 0;
  return text.split(' ').map((word, offset) => {
    const [, kind = '', n, time] = /^([a-z])(\d*)(?:@(\d+))?$/.exec(word) ?? [];
    if (kind === '') throw new Error(`"${word}" is no event`);
    last = time === undefined ? last + 1 : Number(time);
    return eventOf(offset, last * MINUTE, { kind, n: Number(n) });
  });
}

function resultsOf(code: string, { text }: Stream, options: OperatorOptions): string[] {
  const operator = new CepOperator(compile(patternOf(code)), options);
  const events = eventsOf(text);
  const labels = text.split(' ').map((word) => word.split('@')[0] as string);
  const results: string[] = [];
  /** @returns whether to go on */
  const advance = (watermark: Timestamp, on: CepEvent | null): boolean => {
    const output: OperatorOutput = [];
    let failure: string[] = [];
    try {
      operator.advanceWatermark(watermark, output);
    } catch (error) {
      if (!(error instanceof CepError)) throw error;
      failure = [`fails: ${error.code}`];
    }
    results.push(...output.map((found) => lineOf(found, labels, on)), ...failure);
    return failure.length === 0;
  };
  for (const [i, event] of events.entries()) {
    operator.processElement(event);
    if (events[i + 1]?.timestamp === event.timestamp) continue;
    if (!advance(event.timestamp, event)) return results;
  }
  advance(MAX_TIMESTAMP, null);
  return results.length > 0 ? results : ['nothing'];
}

/** `{a: a1, b: b1 b2}`, after `timeout` for one, and with when it came where that is not its last event. */
function lineOf(
  { type, events, at }: OperatorOutput[number],
  labels: readonly string[],
  on: CepEvent | null,
): string {
  const labelOf = ({ offset }: CepEvent) => labels[offset] as string;
  const stages = Object.entries(events).map(
    ([stage, taken]) => `${stage}: ${taken.map(labelOf).join(' ')}`,
  );
  const shown = `{${stages.join(', ')}}`;
  if (type === 'timeout') return `timeout ${shown} at ${at / MINUTE}`;
  const last = Math.max(
    ...Object.values(events)
      .flat()
      .map(({ timestamp }) => timestamp),
  );
  if (at !== last) return `${shown} at ${at / MINUTE}`;
  if (on?.timestamp === last) return shown;
  return on ? `${shown} on ${labelOf(on)}` : `${shown} at the end`;
}

// ---- the tests

const examples = examplesOf(page);

test('the page has its examples', () => {
  expect(examples.length).toBeGreaterThan(60);
  expect(page).toContain(`\n## ${DIFFERENCES}\n`);
});

describe('each example comes out as it says', () => {
  test.each(examples.map((example) => [example.title, example.code, example] as const))(
    '%s: %s',
    (title, code, { streams, refused }) => {
      if (refused !== null) {
        expect(() => compile(patternOf(code))).toThrow(expect.objectContaining({ code: refused }));
        return;
      }
      expect(streams.length).toBeGreaterThan(0);
      const isOrdered = patternOf(code).afterMatchSkip.type !== 'NO_SKIP';
      const inOrder = (lines: string[]) => (isOrdered ? lines : [...lines].sort());
      for (const stream of streams) {
        const { text, options, expected } = stream;
        // What stands outside the section on differences is Flink's: its timers change nothing there.
        const modes =
          title === DIFFERENCES ? [options] : [options, { ...options, timers: 'flink' }];
        for (const mode of modes as OperatorOptions[]) {
          const results = inOrder(resultsOf(code, stream, mode));
          expect({ text, mode, results }).toEqual({ text, mode, results: inOrder(expected) });
        }
      }
    },
  );
});

test('each operator of the API, and each skip strategy, has an example', () => {
  const operators = Object.getOwnPropertyNames(Pattern.prototype).filter(
    (name) => name !== 'constructor',
  );
  const names = ['begin', ...operators, ...Object.keys(strategies)];
  expect(names.length).toBeGreaterThan(20);
  const code = examples.map((example) => example.code).join('\n');
  const missing = names.filter((name) => !new RegExp(`\\b${name}\\(`).test(code));
  expect(missing).toEqual([]);
  expect(code).toContain('throwExceptionOnMiss: true');
  expect(code).toContain("'PREVIOUS_AND_CURRENT'");
});

test('each oddity names a vector', () => {
  const oddities = page.split('\n').flatMap((line, i) => (line.startsWith('*Oddity.*') ? [i] : []));
  expect(oddities.length).toBeGreaterThan(10);
  const lines = page.split('\n');
  const nameless = oddities.filter((at) => {
    const end = lines.findIndex((line, i) => i >= at && (line === '' || line.startsWith('```')));
    return !VECTORS_NAMED.test(lines.slice(at, end < 0 ? undefined : end).join(' '));
  });
  expect(nameless.map((at) => lines[at])).toEqual([]);
});

/** `[sem-start-at-zero, timeout-of-loop]`; a link is none. */
const VECTORS_NAMED = /\[([a-z\d]+-[a-z\d-]+(?:,\s[a-z\d]+-[a-z\d-]+)*)\](?!\()/;

test('each vector that is named exists', () => {
  const cases = new Set(
    readdirSync('test/vectors')
      .filter((file) => file.endsWith('.json'))
      .map((file) => JSON.parse(readFileSync(`test/vectors/${file}`, 'utf8')) as VectorFile)
      .flatMap((file) => file.cases.map(({ name }) => name)),
  );
  const prose = page.replace(/^```[\s\S]*?^```$/gm, '');
  const named = [...prose.matchAll(new RegExp(VECTORS_NAMED, 'g'))].flatMap(([, names]) =>
    (names as string).split(/,\s/),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !cases.has(name))).toEqual([]);
});
