// One partial match dropped by its id: it alone goes, gives neither match nor timeout, and what comes of the others is the
// same whether lists fork or each partial match is one of its own.

import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import type { NFA } from '../../src/automaton/nfa.js';
import { CepOperator, type OperatorOutput } from '../../src/automaton/operator.js';
import type { CepEvent } from '../../src/event.js';
import { skipPastLastEvent } from '../../src/pattern/after-match-skip.js';
import { patterns } from '../../src/pattern/pattern.js';

type Item = { type: string; n?: number };
const { begin } = patterns<Item>();

const is = (type: string) => (event: Item) => event.type === type;
const loop = begin('a')
  .where(is('a'))
  .oneOrMore()
  .allowCombinations()
  .followedBy('b')
  .where(is('b'))
  .within(100);

function event(offset: number, type: string, n = 0): CepEvent {
  return { source: 's', partition: 0, offset, timestamp: offset + 1, data: { type, n } };
}

/** Feeds an operator, and drops the partial match of this position among those open then. */
function runOf(nfa: NFA, which: number | null) {
  const operator = new CepOperator(nfa);
  const output: OperatorOutput = [];
  [...'aaxa'].forEach((type, i) => {
    operator.processElement(event(i, type));
    operator.advanceWatermark(i + 1, output);
  });
  const open = operator.openMatches(undefined, { named: true });
  const offsets = ({ events }: { events: Record<string, readonly CepEvent[]> | object }) =>
    JSON.stringify(
      Object.values(events)
        .flat()
        .map(({ offset }: CepEvent) => offset),
    );
  const dropped = which === null ? null : open[which];
  if (dropped) {
    expect(operator.has(dropped.id ?? '')).toBe(true);
    expect(operator.drop(dropped.id ?? '', output)).toBe(1);
    expect(operator.dropped).toBe(1);
    const left = open.filter((match) => match !== dropped);
    expect(operator.openMatches(undefined, { named: true })).toEqual(left);
  }
  // What was dropped stays so in a snapshot.
  const restored = new CepOperator(nfa, {}, JSON.parse(JSON.stringify(operator.snapshot())));
  restored.processElement(event(4, 'b'));
  restored.processElement(event(5, 'a'));
  restored.advanceWatermark(1_000, output);
  const found = output.map((each) => `${each.type} ${offsets(each)}`).sort();
  return { count: open.length, found, dropped: dropped && offsets(dropped) };
}

describe('one of several that are one', () => {
  const nfa = compile(loop);
  const plain = { ...nfa, forks: false };

  test('each of them alone', () => {
    expect(nfa.forks).toBe(true);
    const whole = runOf(nfa, null);
    expect(runOf(plain, null)).toEqual(whole);
    expect(whole.count).toBeGreaterThan(6);
    const idsOf = (of: NFA) => Array.from({ length: whole.count }, (_, i) => runOf(of, i));
    const sorted = (runs: ReturnType<typeof idsOf>) =>
      runs.map((run) => JSON.stringify(run)).sort();
    expect(sorted(idsOf(nfa))).toEqual(sorted(idsOf(plain)));
    for (const { found } of idsOf(nfa)) {
      expect(found.length).toBeLessThan(whole.found.length);
      expect(whole.found).toEqual(expect.arrayContaining(found));
    }
  });
});

test('a finished match that only the dropped one held back comes out', () => {
  const pattern = begin('a')
    .where(is('a'))
    .followedBy('b')
    .where((item, match) => item.type === 'b' && item.n === match.a[0]?.n)
    .afterMatch(skipPastLastEvent());
  const operator = new CepOperator(compile(pattern));
  const output: OperatorOutput = [];
  operator.processElement(event(0, 'a', 1));
  operator.processElement(event(1, 'a', 2));
  operator.processElement(event(2, 'b', 2));
  operator.advanceWatermark(10, output);
  expect([output, operator.openCount]).toEqual([[], 1]);
  expect(operator.drop(null, output)).toBe(1);
  expect(output.map(({ type, at }) => [type, at])).toEqual([['match', 3]]);
  expect(operator.isIdle).toBe(true);
  expect(operator.drop('unknown', output)).toBe(0);
});
