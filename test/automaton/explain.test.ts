// What an explanation says, one small stream for each thing that can become of a run, as the text that people
// read. The near-misses of the five clickstream patterns are in fixtures/near-misses.txt.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type CompilablePattern, compile } from '../../src/automaton/compile.js';
import { explain } from '../../src/automaton/explain.js';
import { explainText } from '../../src/automaton/explain-text.js';
import type { ExplainOptions } from '../../src/automaton/explanation.js';
import { CepOperator } from '../../src/automaton/operator.js';
import type { CepEvent } from '../../src/event.js';
import { skipPastLastEvent, skipToFirst, skipToNext } from '../../src/pattern/after-match-skip.js';
import type { MatchSoFar } from '../../src/pattern/condition.js';
import { begin as beginPattern, type Pattern } from '../../src/pattern/pattern.js';
import { cel } from '../../src/rules/cel.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import { type VectorFile, eventOf as vectorEvent } from '../../src/testing/vectors.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import { eventOf, eventsOf, type Letter } from './helpers.js';

// biome-ignore lint/suspicious/noExplicitAny: the stages' names do not matter here
type AnyPattern = Pattern<any, any, any>;
const begin = (name: string): AnyPattern => beginPattern(name) as AnyPattern;
const kind = (letter: string) => cel(`event.kind == '${letter}'`);
const a = begin('a').where(kind('a'));

/** The text, with times in ms. */
function textOf(pattern: CompilablePattern, events: string, options: ExplainOptions = {}): string {
  const text = explainText(explain(compile(pattern), eventsOf(events), options));
  return text.replace(/1970-01-01T00:00:00\.0*(\d+)Z/g, '$1');
}

/** The part about events. */
function stepsOf(...args: Parameters<typeof textOf>): string {
  return textOf(...args).split('\n\n')[0] as string;
}

describe('what becomes of a run', () => {
  test('it begins, ignores, takes and matches', () => {
    expect(textOf(a.followedBy('b').where(kind('b')), 'x a x b')).toMatchInlineSnapshot(`
      "#0 1 kind=x
        no run began: a: event.kind == 'a' is false (event.kind = "x")
      #1 2 kind=a
        run 1 (#1) began: a took it
      #2 3 kind=x
        run 1 (#1) ignored it: b: event.kind == 'b' is false (event.kind = "x")
      #3 4 kind=b
        run 1 (#1) matched: a #1, b #3

      1 match, 0 timeouts

      nothing is open at 4"
    `);
  });

  test('it dies where an event must come next, and says what was refused', () => {
    expect(stepsOf(a.next('b').where(kind('b')), 'a x')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: a took it
      #1 2 kind=x
        run 1 (#0) died: b: event.kind == 'b' is false (event.kind = "x")"
    `);
  });

  test('it branches, and each way is a run', () => {
    expect(
      textOf(a.followedByAny('b').where(kind('b')).next('c').where(kind('c')), 'a b b'),
    ).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: a took it
      #1 2 kind=b
        run 1 (#0) took it: b
        run 2 (#0) branched off run 1: ignored it
      #2 3 kind=b
        run 1 (#0) died: c: event.kind == 'c' is false (event.kind = "b")
        run 2 (#0) took it: b
        run 3 (#0) branched off run 2: ignored it

      0 matches, 0 timeouts

      open at 3:
        run 2, a #0, b #2, waits for c, event.kind == 'c'; for ever
        run 3, a #0, waits for b, event.kind == 'b'; for ever

      first near-miss: run 1 died at 3
        had:       a #0, b #1
        event:     #2 3 kind=b
        stage:     c
        condition: event.kind == 'c'
        answer:    false
        values:    event.kind = "b""
    `);
  });

  test('it is stopped by what must not come', () => {
    const pattern = a.notFollowedBy('n').where(kind('n')).followedBy('b').where(kind('b'));
    expect(stepsOf(pattern, 'a n')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: a took it
      #1 2 kind=n
        run 1 (#0) was stopped: n: event.kind == 'n' is true (event.kind = "n")"
    `);
  });

  test('it times out, with what it ignored last and what came too late', () => {
    const pattern = a.followedBy('b').where(kind('b')).within(5);
    expect(textOf(pattern, 'a@1 x@2 b@7')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: a took it
      #1 2 kind=x
        run 1 (#0) ignored it: b: event.kind == 'b' is false (event.kind = "x")
      time 6
        run 1 (#0) timed out: a #0; last ignored #1: b: event.kind == 'b' is false (event.kind = "x")
      #2 7 kind=b
        no run began: a: event.kind == 'a' is false (event.kind = "b")

      0 matches, 1 timeout

      nothing is open at 7

      first near-miss: run 1 timed out at 6
        had:       a #0
        awaited:   b, event.kind == 'b'
        ignored:   #1, the last one
        stage:     b
        condition: event.kind == 'b'
        answer:    false
        values:    event.kind = "x"
        too late:  #2 7 kind=b
        stage:     b
        condition: event.kind == 'b'
        answer:    true
        values:    event.kind = "b""
    `);
  });

  test('what only waits is complete at its deadline', () => {
    const pattern = a.notFollowedBy('n').where(kind('n')).within(5);
    expect(textOf(pattern, 'a@1 x@2')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: a took it
      #1 2 kind=x
        run 1 (#0) ignored it

      0 matches, 0 timeouts

      open at 2:
        run 1, a #0, waits for its time to end; unless n, event.kind == 'n' comes; until 6"
    `);
    expect(stepsOf(pattern, 'a@1 x@2', { until: MAX_TIMESTAMP })).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: a took it
      #1 2 kind=x
        run 1 (#0) ignored it
      time 6
        run 1 (#0) matched: a #0"
    `);
  });

  test('it is pruned by the match of another', () => {
    const pattern = begin('v').where(kind('v')).timesOrMore(2).consecutive();
    expect(stepsOf(pattern.afterMatch(skipPastLastEvent()), 'v v v')).toMatchInlineSnapshot(`
      "#0 1 kind=v
        run 1 (#0) began: v took it
      #1 2 kind=v
        run 1 (#0) matched: v #0 #1
        run 1 (#0) was pruned: v #0; by the match v #0 #1
        run 2 (#1) began: v took it
        run 2 (#1) was pruned: v #1; by the match v #0 #1
      #2 3 kind=v
        run 3 (#2) began: v took it"
    `);
  });

  test('its match is held back by an earlier run, and released when that ends', () => {
    const slow = begin('v').where(cel("event.kind == 'a' || event.kind == 'b'"));
    const held = slow
      .followedBy('w')
      .where(cel("event.kind == (match.v[0].kind == 'a' ? 'x' : 'y')"))
      .within(9)
      .afterMatch(skipToNext());
    expect(textOf(held, 'a@1 b@2 y@3')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: v took it
      #1 2 kind=b
        run 1 (#0) ignored it: w: event.kind == (match.v[0].kind == 'a' ? 'x' : 'y') is false (event.kind = "b", match.v[0].kind = "a")
        run 2 (#1) began: v took it
      #2 3 kind=y
        run 1 (#0) ignored it: w: event.kind == (match.v[0].kind == 'a' ? 'x' : 'y') is false (event.kind = "y", match.v[0].kind = "a")
        run 2 (#1) finished a match, held back by a run that began earlier: v #1, w #2

      0 matches, 0 timeouts

      open at 3:
        run 1, v #0, waits for w, event.kind == (match.v[0].kind == 'a' ? 'x' : 'y'); until 10
        run 2 has a match that is held back by a run that began earlier: v #1, w #2"
    `);
    expect(stepsOf(held, 'a@1 b@2 y@3 z@20')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        run 1 (#0) began: v took it
      #1 2 kind=b
        run 1 (#0) ignored it: w: event.kind == (match.v[0].kind == 'a' ? 'x' : 'y') is false (event.kind = "b", match.v[0].kind = "a")
        run 2 (#1) began: v took it
      #2 3 kind=y
        run 1 (#0) ignored it: w: event.kind == (match.v[0].kind == 'a' ? 'x' : 'y') is false (event.kind = "y", match.v[0].kind = "a")
        run 2 (#1) finished a match, held back by a run that began earlier: v #1, w #2
      time 10
        run 1 (#0) timed out: v #0; last ignored #2: w: event.kind == (match.v[0].kind == 'a' ? 'x' : 'y') is false (event.kind = "y", match.v[0].kind = "a")
        run 2 (#1) matched, no longer held back: v #1, w #2
      #3 20 kind=z
        no run began: v: event.kind == 'a' || event.kind == 'b' is false (event.kind = "z")"
    `);
  });

  test('a failure ends the explanation, and is named', () => {
    const pattern = a
      .next('b')
      .where(kind('b'))
      .optional()
      .afterMatch(skipToFirst('b', { throwExceptionOnMiss: true }));
    expect(stepsOf(pattern, 'a b')).toMatchInlineSnapshot(`
      "#0 1 kind=a
        failed: SKIP_TO_FIRST[b] found no event of stage "b" in the match: make the stage mandatory, or drop throwExceptionOnMiss"
    `);
  });
});

describe('conditions', () => {
  /** The first near-miss, from the condition on. */
  const of = (pattern: AnyPattern, ...data: Letter[]) => {
    const events = data.map((each, i) => eventOf(i, i + 1, { ...each }));
    const text = explainText(explain(compile(pattern), events));
    return text.slice(text.indexOf('  condition:'));
  };

  test('one that throws shows its error', () => {
    const pattern = a.next('b').where(cel('event.price > 2.0'));
    expect(of(pattern, { kind: 'a' }, { kind: 'b' })).toMatchInlineSnapshot(`
      "  condition: event.price > 2.0
        answer:    failed: no field 'price' (column 7 of the expression)
        values:    event.price = missing"
    `);
  });

  test('a closure shows its text, and the fields that it mentions', () => {
    const pattern = a
      .next('b')
      .where((event: Letter, match: MatchSoFar<Letter>) => (event.n ?? 0) < (match.a?.[0]?.n ?? 0));
    expect(of(pattern, { kind: 'a', n: 1 }, { kind: 'b', n: 2 })).toMatchInlineSnapshot(`
      "  condition: (event, match) => (event.n ?? 0) < (match.a?.[0]?.n ?? 0)
        answer:    false
        values:    event.n = 2, match.a[0].n = 1"
    `);
    const alone = begin('b').where((event) => (event as Letter).kind === 'b');
    expect(of(alone, { kind: 'a', n: 1 })).toMatchInlineSnapshot(`
      "  condition: (event) => event.kind === "b"
        answer:    false
        values:    event.kind = "a""
    `);
  });

  test('of several parts, those that decided', () => {
    const pattern = begin('b')
      .where(kind('b'))
      .where(cel('event.n > 3.0'))
      .where(cel('event.n > 9.0'));
    expect(of(pattern, { kind: 'b', n: 2 })).toMatchInlineSnapshot(`
      "  condition: event.n > 3.0
        answer:    false
        values:    event.n = 2"
    `);
    const text = explainText(explain(compile(pattern), [eventOf(0, 1, { kind: 'b', n: 2 })]));
    expect(text).toContain('no run began: b: event.n > 3.0 is false (event.n = 2)\n');
  });

  test('values are found whatever stands between them', () => {
    const text = [
      'size(match.a) > 0 && match[\'a\'][0].kind != "event.no" // event.comment',
      "&& (event.kind.startsWith('event.x') || has(event.none) || timestamp > 1)",
      '&& match.a.exists(each, each.kind == event["n"]) && event.list[1].deep == 2.0',
    ].join('\n');
    expect(
      of(a.next('b').where(cel(text)), { kind: 'a' }, { kind: 'b', n: 4 }),
    ).toMatchInlineSnapshot(`
      "  condition: size(match.a) > 0 && match['a'][0].kind != "event.no" // event.comment && (event.kind.startsWith('event.x') || has(event.none) || timestamp > 1) && match.a.exists(each, each.kind == event["n"]) && event.list[1].deep == 2.0
        answer:    false
        values:    size(match.a) = 1, match['a'][0].kind = "a", event.kind = "b", event.none = missing, timestamp = 2, event["n"] = 4, event.list[1].deep = missing"
    `);
  });
});

describe('from a state', () => {
  test('it goes on with the open matches and the buffered events', () => {
    const nfa = compile(
      begin('v').where(kind('v')).oneOrMore().followedBy('b').where(kind('b')).within(50),
    );
    expect(nfa.forks).toBe(true);
    const operator = new CepOperator(nfa);
    const [first, second, third, fourth] = eventsOf('v@1 v@2 b@3 b@4') as CepEvent[];
    operator.processElement(first as CepEvent);
    operator.processElement(second as CepEvent);
    operator.advanceWatermark(2);
    operator.processElement(third as CepEvent);
    const from = JSON.parse(JSON.stringify(operator.snapshot()));
    const late = eventOf(9, 1, { kind: 'v' });
    const text = explainText(explain(nfa, [late, fourth as CepEvent], { from }));
    expect(text.replace(/1970-01-01T00:00:00\.0*(\d+)Z/g, '$1')).toMatchInlineSnapshot(`
      "open before:
        run 1, v #0 #1, waits for v, event.kind == 'v', or for b, event.kind == 'b'; until 51
        run 2, v #0, waits for b, event.kind == 'b'; until 51
        run 3, v #1, waits for v, event.kind == 'v', or for b, event.kind == 'b'; until 52

      #9 1 kind=v
        late: behind the watermark, changes nothing
      #2 3 kind=b
        run 1 (#0) ignored it: v: event.kind == 'v' is false (event.kind = "b")
        run 1 (#0) matched: v #0 #1, b #2
        run 2 (#0) matched: v #0, b #2
        run 3 (#1) ignored it: v: event.kind == 'v' is false (event.kind = "b")
        run 3 (#1) matched: v #1, b #2
      #3 4 kind=b
        run 1 (#0) ignored it: v: event.kind == 'v' is false (event.kind = "b")
        run 3 (#1) ignored it: likewise

      3 matches, 0 timeouts

      open at 4:
        run 1, v #0 #1, waits for v, event.kind == 'v'; until 51
        run 3, v #1, waits for v, event.kind == 'v'; until 52"
    `);
  });

  test('events of several sources are told apart', () => {
    const nfa = compile(a.next('b').where(kind('b')));
    const [first, second] = eventsOf('a b') as [CepEvent, CepEvent];
    const operator = new CepOperator(nfa);
    operator.processElement(first);
    operator.advanceWatermark(1);
    const from = operator.snapshot();
    const found = explain(nfa, [{ ...second, source: 'other', offset: 0 }], { from });
    expect(explainText(found)).toContain('run 1 (test/0#0) matched: a test/0#0, b other/0#0');
  });

  test('the state of another pattern is refused', () => {
    const from = new CepOperator(compile(a.next('b'))).snapshot();
    expect(() => explain(compile(a), [], { from })).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_MISMATCH' }),
    );
  });
});

test('the first near-miss of each of the five patterns', () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
  const { cases } = JSON.parse(read('../vectors/clickstream.json')) as VectorFile;
  const golden = read('./fixtures/near-misses.txt');
  const names = [...golden.matchAll(/^== (.*)$/gm)].map(([, name]) => name as string);
  expect(names).toHaveLength(5);
  const found = names.map((name) => {
    const vector = cases.find((each) => each.name === name);
    if (!vector) throw new Error(`no case ${name}`);
    const nfa = compile(decode(parseDocument(vector.pattern)));
    const events = vector.events.map((_, i) => vectorEvent(vector, i));
    const text = explainText(explain(nfa, events, { until: MAX_TIMESTAMP }));
    return `== ${name}\n${text.slice(text.indexOf('first near-miss'))}\n`;
  });
  expect(found.join('\n')).toBe(golden);
  // The example of the documentation is one of them.
  const [, example] =
    /^```text\n(first near-miss[\s\S]*?)^```$/m.exec(read('../../docs/semantics.md')) ?? [];
  expect(found.some((text) => text.endsWith(`\n${example}`))).toBe(true);
});
