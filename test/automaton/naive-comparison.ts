// Holds the operator against the naive matcher for one pattern and one stream, and says in words what
// differs.

import type { compile } from '../../src/automaton/compile.js';
import { NO_LIMITS } from '../../src/automaton/limits.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import type { CepEvent } from '../../src/event.js';
import type { Condition } from '../../src/pattern/condition.js';
import type { PatternNode, StageNode } from '../../src/pattern/pattern.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import type { Letter } from './helpers.js';
import { naiveMatcher, type Output, type PlainPattern, timesOutOnce } from './naive-matcher.js';

type NFA = ReturnType<typeof compile>;

/** Compares on one stream after another. @returns what differs, or null */
export type Comparison = (events: readonly CepEvent[]) => string | null;

export function comparisonOf(pattern: PlainPattern, nfa: NFA): Comparison {
  const naive = naiveMatcher(pattern);
  const timeoutsCount = timesOutOnce(pattern);
  return (events) => {
    const { matches, timeouts } = naive(events);
    const expected = linesOf([...matches, ...timeouts], timeoutsCount);
    const found = linesOf(operatorOutput(nfa, events), timeoutsCount);
    const same = expected.length === found.length && expected.every((line, i) => line === found[i]);
    if (same) return null;
    return [
      `pattern: ${patternText(pattern)}`,
      `stream: ${events.map(({ data, timestamp }) => `${data.kind}@${timestamp}`).join(' ')}`,
      ...surplus('only the operator', found, expected),
      ...surplus('only the naive matcher', expected, found),
    ].join('\n');
  };
}

/**
 * The output as sorted lines such as `match s0=0,2 s1=3 at 3`, with the offsets of the events.
 *
 * @param timeoutsCount - whether equal timeouts are kept apart
 */
function linesOf(output: readonly Output[], timeoutsCount: boolean): string[] {
  const matches: string[] = [];
  const timeouts: string[] = [];
  for (const { type, events, at } of output) {
    // Concatenated in a plain loop: the exhaustive test makes some ten million lines.
    let line: string = type;
    for (const stage in events) {
      line += ` ${stage}`;
      let separator = '=';
      for (const { offset } of events[stage] ?? []) {
        line += separator + offset;
        separator = ',';
      }
    }
    (type === 'match' ? matches : timeouts).push(`${line} at ${at}`);
  }
  return [...matches, ...(timeoutsCount ? timeouts : new Set(timeouts))].sort();
}

/** Events in time order, a watermark behind each timestamp, and the end of time. */
function operatorOutput(nfa: NFA, events: readonly CepEvent[]): OperatorOutput {
  const operator = new CepOperator(nfa, { timers: 'complete', limits: NO_LIMITS });
  const output: OperatorOutput = [];
  events.forEach((event, i) => {
    operator.processElement(event);
    const { timestamp } = event;
    if (events[i + 1]?.timestamp !== timestamp) operator.advanceWatermark(timestamp, output);
  });
  return operator.advanceWatermark(MAX_TIMESTAMP, output);
}

/** The lines of `lines` that `others` lacks, as multisets. */
function surplus(label: string, lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines
    .filter((line) => {
      const at = left.indexOf(line);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    })
    .map((line) => `${label}: ${line}`);
}

/** A pattern over letters as one would write it, a condition as the letters it accepts. */
export function patternText({ chain }: PlainPattern): string {
  return chain.map((node, i) => nodeText(node as StageNode, i === 0)).join('.');
}

const METHODS = {
  STRICT: 'next',
  SKIP_TILL_NEXT: 'followedBy',
  SKIP_TILL_ANY: 'followedByAny',
  NOT_NEXT: 'notNext',
  NOT_FOLLOW: 'notFollowedBy',
} as const;

function nodeText(node: StageNode, isFirst: boolean): string {
  const method = isFirst ? 'begin' : METHODS[node.edge];
  const { until, windows } = node;
  return [
    `${method}(${node.name}: ${lettersOf(node.condition)})`,
    ...quantifierTexts(node),
    ...(until ? [`until(${lettersOf(until)})`] : []),
    ...Object.entries(windows).map(([type, ms]) => `within(${ms}, ${type})`),
  ].join('.');
}

function quantifierTexts({ quantifier: { kind, times, inner, optional } }: PatternNode): string[] {
  const texts: string[] = [];
  if (kind === 'LOOPING') texts.push(`timesOrMore(${times?.from})`);
  if (kind === 'TIMES') texts.push(`times(${times?.from}, ${times?.to})`);
  if (kind !== 'SINGLE' && inner === 'STRICT') texts.push('consecutive()');
  if (kind !== 'SINGLE' && inner === 'SKIP_TILL_ANY') texts.push('allowCombinations()');
  if (optional) texts.push('optional()');
  return texts;
}

function lettersOf(condition: Condition | null): string {
  const letters: Letter[] = ['a', 'b', 'c', 'x'].map((kind) => ({ kind }));
  return letters
    .filter((letter) => condition?.evaluate(letter, {}, 0) ?? true)
    .map(({ kind }) => kind)
    .join('|');
}
