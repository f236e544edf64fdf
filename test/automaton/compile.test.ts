// The automaton that a pattern becomes, spelled out: states, transitions in order, guards. By hand from
// Flink's NFACompiler; SEMANTICS.md has the sentence behind each oddity.

import { expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import type { Guard } from '../../src/automaton/guard.js';
import type { NFA } from '../../src/automaton/nfa.js';
import type { State } from '../../src/automaton/state.js';
import { skipToNext } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { minutes } from '../../src/time.js';
import { is } from './helpers.js';

/** Conditions by letter, so that a guard can be read: a stage's is its name, the others are upper case. */
const CONDITIONS = Object.fromEntries([...'abcdU'].map((letter) => [letter, is(letter)]));
const [a, b, c, U] = ['a', 'b', 'c', 'U'].map((name) => CONDITIONS[name]) as [
  () => boolean,
  () => boolean,
  () => boolean,
  () => boolean,
];

function guardText(guard: Guard, names: readonly string[]): string {
  switch (guard.op) {
    case 'TEST':
      return names[guard.condition] as string;
    case 'NOT':
      return `!${guardText(guard.of, names)}`;
    case 'AND':
      return `${guardText(guard.left, names)}&${guardText(guard.right, names)}`;
    default:
      return guard.op === 'TRUE' ? '' : '?never';
  }
}

/** One line per state that can be reached: `name TYPE <gap: action[guard] target, ...`. */
function table(nfa: NFA): string[] {
  const probes = [...'abcdU'];
  const names = nfa.conditions.map((condition) =>
    probes.filter((kind) => condition.evaluate({ kind }, {}, 0)).join(''),
  );
  const reached = new Set<State>([nfa.start]);
  for (const state of reached) for (const { target } of state.transitions) reached.add(target);
  return [...reached].map(({ name, type, gapMs, transitions }) => {
    const ways = transitions.map(({ action, target, guard }) => {
      const text = guardText(guard, names);
      return `${action.toLowerCase()}${text ? `[${text}]` : ''} ${target.name}`;
    });
    return `${name} ${type}${gapMs === null ? '' : ` <${gapMs}`}: ${ways.join(', ')}`;
  });
}

const A = begin('a').where(a);

const TABLES: [string, NFA, string[]][] = [
  [
    'a, next b',
    compile(A.next('b').where(b)),
    ['a START: take[a] b', 'b NORMAL: take[b] $end', '$end FINAL: '],
  ],
  [
    'a, followed by b',
    compile(A.followedBy('b').where(b)),
    ['a START: take[a] b', 'b NORMAL: take[b] $end, ignore[!b] b', '$end FINAL: '],
  ],
  [
    'a, followed by any b',
    compile(A.followedByAny('b').where(b)),
    ['a START: take[a] b', 'b NORMAL: take[b] $end, ignore b', '$end FINAL: '],
  ],
  [
    'a, optional b, next c',
    compile(A.followedBy('b').where(b).optional().next('c').where(c)),
    [
      'a START: take[a] b',
      'b NORMAL: take[b] c, proceed c, ignore[!b] b:0',
      'c NORMAL: take[c] $end',
      'b:0 NORMAL: take[b] c, ignore[!b] b:0',
      '$end FINAL: ',
    ],
  ],
  [
    'a+ relaxed, next b',
    compile(A.oneOrMore().next('b').where(b)),
    [
      'a:1 START: take[a] a',
      'a NORMAL: proceed b, take[a] a, ignore[!a] a:0',
      'b NORMAL: take[b] $end',
      'a:0 NORMAL: take[a] a, ignore[!a] a:0',
      '$end FINAL: ',
    ],
  ],
  [
    'a{2} consecutive',
    compile(A.times(2).consecutive()),
    ['a:0 START: take[a] a', 'a NORMAL: take[a] $end', '$end FINAL: '],
  ],
  [
    'a{1,3} with a limit',
    compile(A.times(1, 3, 5)),
    [
      'a:3 START <5: take[a] a:1',
      'a:1 NORMAL <5: take[a] a, proceed $end, ignore[!a] a:2',
      'a NORMAL: take[a] $end, proceed $end, ignore[!a] a:0',
      '$end FINAL: ',
      'a:2 NORMAL: take[a] a, ignore[!a] a:2',
      'a:0 NORMAL: take[a] $end, ignore[!a] a:0',
    ],
  ],
  [
    'a+ greedy consecutive, next b',
    compile(A.oneOrMore().consecutive().greedy().next('b').where(b)),
    [
      'a:0 START: take[a] a',
      'a NORMAL: proceed b, take[a] a',
      'b NORMAL: take[b&!a] $end',
      '$end FINAL: ',
    ],
  ],
  [
    'a+ until U, combinations',
    compile(A.oneOrMore().allowCombinations().until(U)),
    [
      'a:1 START: take[!U&a] a',
      'a NORMAL: proceed $end, take[!U&a] a, ignore[!U] a:0',
      '$end FINAL: ',
      'a:0 NORMAL: take[!U&a] a, ignore[!U] a:0',
    ],
  ],
  [
    'a, not b next, c',
    compile(A.notNext('b').where(b).next('c').where(c)),
    [
      'a START: take[a] b',
      'b NORMAL: proceed[!b] c, proceed[b] b:0',
      'c NORMAL: take[c] $end',
      'b:0 STOP: take[b] b:0',
      '$end FINAL: ',
    ],
  ],
  [
    'a, not followed by b, c',
    compile(A.notFollowedBy('b').where(b).followedBy('c').where(c)),
    [
      'a START: take[a] c',
      'c NORMAL: take[c] $end, ignore[!c] c, proceed[b] b',
      '$end FINAL: ',
      'b STOP: take[b] b',
    ],
  ],
  [
    'a, not followed by b, within',
    compile(A.notFollowedBy('b').where(b).within(9)),
    ['a START: take[a] b', 'b PENDING: proceed[b] b:0, ignore[!b] b', 'b:0 STOP: take[b] b:0'],
  ],
  [
    'a, not next b at the end',
    compile(A.notNext('b').where(b)),
    [
      'a START: take[a] b',
      'b NORMAL: ignore[!b] $end, proceed[b] b:0',
      '$end FINAL: ',
      'b:0 STOP: take[b] b:0',
    ],
  ],
  [
    '(a next b)+, next c',
    compile(begin(A.next('b').where(b)).oneOrMore().next('c').where(c)),
    [
      'a:0 START: take[a] b:0',
      'b:0 NORMAL: take[b] a',
      'a NORMAL: take[a] b, ignore[!a] a, proceed c',
      'b NORMAL: take[b] $group',
      'c NORMAL: take[c] $end',
      '$group NORMAL: proceed a',
      '$end FINAL: ',
    ],
  ],
  [
    'a, b within 3 of it',
    compile(A.followedBy('b').where(b).within(3, 'PREVIOUS_AND_CURRENT')),
    ['a START: take[a] b', 'b NORMAL <3: take[b] $end, ignore[!b] b', '$end FINAL: '],
  ],
  ['a without a condition', compile(begin('a')), ['a START: take $end', '$end FINAL: ']],
];

test.each(TABLES)('%s', (_, nfa, expected) => {
  expect(table(nfa)).toEqual(expected);
});

test('names, window and strategy of the whole; the smallest window counts', () => {
  const inner = A.next('x').within(minutes(2));
  const nfa = compile(
    begin('first')
      .within(minutes(3))
      .notNext('not')
      .followedBy(inner)
      .next('last')
      .within(minutes(4))
      .afterMatch(skipToNext()),
  );
  expect(nfa.stageNames).toEqual(['first', 'not', 'a', 'x', 'last']);
  // The one of the group's last member is ignored, as in Flink: the group itself has none.
  expect(nfa.windowMs).toBe(minutes(3));
  expect(nfa.afterMatchSkip).toEqual({ type: 'SKIP_TO_NEXT' });
});

test('a condition that several transitions ask is there once', () => {
  const nfa = compile(
    A.timesOrMore(3).followedBy('b').where(b).notFollowedBy('c').where(c).within(9),
  );
  expect(nfa.conditions.length).toBe(3);
});

test('the same pattern has the same fingerprint, another structure another', () => {
  const make = (to: number) =>
    compile(begin('a').where(a).times(1, to).next('b').where(b).within(9));
  expect(make(2).fingerprint).toBe(make(2).fingerprint);
  const others = [
    make(2),
    make(3),
    compile(A.times(1, 2).next('b').where(b).within(8)),
    compile(A.times(1, 2).followedBy('b').where(b).within(9)),
    compile(A.times(1, 2).next('B').where(b).within(9)),
    compile(A.times(1, 2, 4).next('b').where(b).within(9)),
  ];
  expect(new Set(others.map(({ fingerprint }) => fingerprint)).size).toBe(others.length);
});
