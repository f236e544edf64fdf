// How often a condition is asked, what it sees, and what becomes of one that throws.

import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { matchViewOf } from '../../src/automaton/evaluation.js';
import { CepOperator } from '../../src/automaton/operator.js';
import { Taken } from '../../src/automaton/taken.js';
import type { MatchSoFar } from '../../src/pattern/condition.js';
import { begin } from '../../src/pattern/pattern.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import { eventOf, eventsOf, is, run } from './helpers.js';

/** A condition that counts how often it is asked about each event. */
function counted(fits: (event: unknown) => boolean) {
  const calls: Record<string, number> = {};
  const condition = (event: Record<string, unknown>) => {
    const id = String(event.kind);
    calls[id] = (calls[id] ?? 0) + 1;
    return fits(event);
  };
  return { calls, condition };
}

describe('E1', () => {
  test('a condition over the event alone is asked once per event, whatever is open', () => {
    const { calls, condition } = counted((event) => is('a', 'b', 'c', 'd')(event));
    const pattern = begin('first')
      .where(is('a', 'b', 'c', 'd'))
      .followedByAny('loop')
      .where(condition)
      .oneOrMore()
      .allowCombinations()
      .followedByAny('last')
      .where(is('z'));
    const operator = new CepOperator(compile(pattern));
    for (const event of eventsOf('a b c d')) operator.processElement(event);
    operator.advanceWatermark(MAX_TIMESTAMP);
    expect(operator.openCount).toBe(19);
    // Nothing is open when "a" comes: only the first stage is asked about it.
    expect(calls).toEqual({ b: 1, c: 1, d: 1 });
  });

  test('a condition that no transition needs is not asked', () => {
    const { calls, condition } = counted(() => true);
    run(begin('a').where(is('a')).next('b').where(condition), eventsOf('x y z'));
    expect(calls).toEqual({});
  });
});

describe('E2', () => {
  test('an iterative condition is asked once per event and match so far', () => {
    const seen: string[] = [];
    const pattern = begin('a')
      .where(is('a'))
      .followedByAny('b')
      .where((event, { a }) => {
        seen.push(`${a.map(({ n }) => n)}:${event.n}`);
        return true;
      });
    const operator = new CepOperator(compile(pattern));
    ['a', 'a', 'b', 'b'].forEach((kind, n) => {
      operator.processElement(eventOf(n, n + 1, { kind, n }));
    });
    operator.advanceWatermark(MAX_TIMESTAMP);
    // Event 1 is asked about for the match of event 0; then both matches are asked about 2 and 3.
    expect(seen).toEqual(['0:1', '0:2', '1:2', '0:3', '1:3']);
  });
});

describe('E3', () => {
  test('a condition that throws is false and counted; the others go on', () => {
    const pattern = begin('a')
      .where(is('a'))
      .followedBy('b')
      .where((event) => {
        if (event.kind === 'bad') throw new Error('no such field');
        return event.kind === 'b';
      });
    const operator = new CepOperator(compile(pattern));
    for (const event of eventsOf('bad a a bad b')) operator.processElement(event);
    const output = operator.advanceWatermark(MAX_TIMESTAMP);
    expect(output.map(({ type }) => type)).toEqual(['match', 'match']);
    // Once for the event: the first "bad" met no open match.
    expect(operator.conditionErrors).toBe(1);
    expect(new CepOperator(compile(pattern), {}, operator.snapshot()).conditionErrors).toBe(1);
  });

  test('an answer that is not true is false', () => {
    const truthy = begin('a').where((() => 'yes') as never);
    expect(run(truthy, eventsOf('a'))).toEqual([]);
  });
});

describe('what a condition sees', () => {
  test('events taken before, by stage, oldest first, without the current one', () => {
    const seen: unknown[] = [];
    const pattern = begin('a')
      .where((_, match) => {
        const { a, b } = match as MatchSoFar;
        seen.push({ a, b });
        return true;
      })
      .times(2)
      .consecutive()
      .next('b');
    run(pattern, eventsOf('p q r'), { end: 2 });
    const [p, q] = [{ kind: 'p' }, { kind: 'q' }];
    // q continues the match of p, and begins one of its own.
    expect(seen.slice(0, 3)).toEqual([
      { a: [], b: [] },
      { a: [p], b: [] },
      { a: [], b: [] },
    ]);
    expect(seen).not.toContainEqual({ a: [p, q], b: [] });
  });

  test('a stage in a group, a NOT stage and a later stage are there, as empty lists', () => {
    const keys: string[][] = [];
    const pattern = begin('first')
      .next(begin('x').next('y'))
      .notNext('no')
      .where(is('n'))
      .next('last')
      .where((_, match) => {
        const all: string[] = [];
        for (const key in match) all.push(key);
        keys.push(all);
        return match.no.length === 0;
      });
    expect(run(pattern, eventsOf('a b c d'))).toEqual(['match first[0] x[1] y[2] last[3] at 4']);
    expect(keys[0]).toEqual(['first', 'x', 'y', 'no', 'last']);
  });

  test('names that every object has are stages like others', () => {
    const View = matchViewOf(['constructor', '__proto__', 'a']);
    const view = new View(new Taken(1, eventOf(0, 1, { kind: 'p' }), 0, null, null));
    expect(view.constructor).toEqual([]);
    expect(Reflect.get(view, '__proto__')).toEqual([{ kind: 'p' }]);
    expect(view.a).toEqual([]);
    expect(view.toString).toBeUndefined();
    expect(view.a).toBe(view.a);
  });
});
