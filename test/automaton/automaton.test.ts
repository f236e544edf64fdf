// The automaton without an operator: what its file headers promise and the vectors do not show.

import { describe, expect, test } from 'vitest';
import { Automaton, type NFAState, openMatches } from '../../src/automaton/automaton.js';
import { compile } from '../../src/automaton/compile.js';
import type { Found } from '../../src/automaton/match.js';
import type { Taken } from '../../src/automaton/taken.js';
import type { CepEvent } from '../../src/event.js';
import { begin } from '../../src/pattern/pattern.js';
import { eventsOf, is, outputLines } from './helpers.js';

const ab = compile(begin('a').where(is('a')).followedBy('b').where(is('b')).within(10));

function step(automaton: Automaton, state: NFAState, event: CepEvent): string[] {
  const output: Found[] = [];
  automaton.advanceTime(state, event.timestamp, output);
  automaton.processEvent(state, event, output);
  return outputLines(output);
}

describe('A1: one automaton for any number of keys', () => {
  test('two keys in turn are as each alone', () => {
    const shared = new Automaton(ab);
    const [one, two] = [shared.initialState(), shared.initialState()];
    const [first, second] = [eventsOf('a x b a b'), eventsOf('x a a x b')];
    const alone = (events: CepEvent[]) => {
      const automaton = new Automaton(ab);
      const state = automaton.initialState();
      return events.map((event) => step(automaton, state, event));
    };
    const found = first.map((event, i) => [
      step(shared, one, event),
      step(shared, two, second[i] as CepEvent),
    ]);
    expect(found.map(([of]) => of)).toEqual(alone(first));
    expect(found.map(([, of]) => of)).toEqual(alone(second));
  });

  test('what a step had finished before it failed does not turn up at another key', () => {
    // "n" both ends the open match and is hit by the start state, which has taken nothing.
    const automaton = new Automaton(
      compile(
        begin(begin('s').where(is('s')).optional())
          .notFollowedBy('not')
          .where(is('n'))
          .followedBy('c')
          .where(is('n', 'c')),
      ),
    );
    const failing = automaton.initialState();
    const [s, n] = eventsOf('s n') as [CepEvent, CepEvent];
    step(automaton, failing, s);
    expect(() => step(automaton, failing, n)).toThrow(/NOT stage was hit/);
    const other = automaton.initialState();
    const lines = eventsOf('s@5 c@6').flatMap((event) => step(automaton, other, event));
    expect(lines).toEqual(['match s[0] c[1] at 6', 'match c[1] at 6']);
  });
});

test('A2: the start state is there after each event', () => {
  const automaton = new Automaton(ab);
  const state = automaton.initialState();
  for (const event of eventsOf('x a b x')) {
    step(automaton, state, event);
    expect(automaton.canBegin(eventsOf('a')[0] as CepEvent)).toBe(true);
  }
});

test('where nobody wants timeouts none come out, and the matches are the same', () => {
  const of = (timeouts: boolean) => {
    const automaton = new Automaton(ab, { timeouts });
    const state = automaton.initialState();
    const lines = eventsOf('a@1 a@5 b@12 x@40').flatMap((event) => step(automaton, state, event));
    expect(openMatches(state)).toEqual([]);
    return lines;
  };
  expect(of(true)).toEqual(['timeout a[0] at 11', 'match a[1] b[2] at 12']);
  expect(of(false)).toEqual(['match a[1] b[2] at 12']);
});

test('T1: what was taken does not change by what comes after it', () => {
  const automaton = new Automaton(
    compile(begin('a').where(is('a')).oneOrMore().followedBy('b').where(is('b')).within(6)),
  );
  const state = automaton.initialState();
  const told: { found: Found; taken: Taken[]; line: string }[] = [];
  for (const event of eventsOf('a a b a b a@9 b b a@20 b')) {
    const output: Found[] = [];
    automaton.advanceTime(state, event.timestamp, output);
    automaton.processEvent(state, event, output);
    for (const found of output) {
      told.push({ found, taken: found.taken(), line: outputLines([found]).join() });
    }
  }
  expect(told.length).toBeGreaterThan(10);
  for (const { found, taken, line } of told) {
    expect(found.taken().every((node, i) => node === taken[i])).toBe(true);
    expect(outputLines([found])).toEqual([line]);
  }
});

describe('decisions', () => {
  /** A pattern that notes which conditions are asked. */
  function asking() {
    const asked: string[] = [];
    const ask =
      (name: string, ...kinds: string[]) =>
      (event: unknown) => {
        asked.push(name);
        return is(...kinds)(event);
      };
    return { asked, ask };
  }

  test('D2: a condition is asked once where its answer is needed, and not otherwise', () => {
    const { asked, ask } = asking();
    const nfa = compile(
      begin('a').where(ask('a', 'a')).next('b').where(ask('b', 'b')).or(ask('or', 'c')),
    );
    const automaton = new Automaton(nfa);
    const state = automaton.initialState();
    const per = eventsOf('x a b a c').map((event) => {
      asked.length = 0;
      step(automaton, state, event);
      return asked.join(' ');
    });
    expect(per).toEqual(['a', 'a', 'b a', 'a', 'b or a']);
  });

  test('D1: more rows of answers than are kept give the same outcomes', () => {
    // Thirteen optional stages: 8,192 rows, of which 5,000 are kept.
    const count = 13;
    const holds = (bit: number) => (event: unknown) =>
      ((Number((event as { n: number }).n) >> bit) & 1) === 1;
    let pattern = begin('s').where(is('s'));
    for (let bit = 0; bit < count; bit++) {
      pattern = pattern.followedBy(`o${bit}`).where(holds(bit)).optional() as typeof pattern;
    }
    const nfa = compile(pattern.followedBy('e').where(is('e')));
    const fresh = () => compile(pattern.followedBy('e').where(is('e')));
    const automaton = new Automaton(nfa);
    const [s] = eventsOf('s') as [CepEvent];
    const outcome = (by: Automaton, n: number) => {
      const state = by.initialState();
      step(by, state, { ...s, data: { kind: 's', n: 0 } });
      step(by, state, { ...s, timestamp: 2, data: { kind: 'x', n } });
      return openMatches(state).map(({ state: at }) => at.name);
    };
    for (let n = 0; n < 2 ** count; n++) outcome(automaton, n);
    expect(nfa.states.some(({ decisions }) => decisions > 5_000)).toBe(true);
    for (const n of [1, 77, 4_097, 8_000, 8_191]) {
      expect(outcome(automaton, n)).toEqual(outcome(new Automaton(fresh()), n));
    }
  });
});
