// The closures against the library's own evaluator, on the table of cases and on generated
// expressions over generated events. Where the library strays from the CEL specification it is listed
// here by name; the list is checked too, so that a new version of the library shows.

import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RuleError } from '../../src/errors.js';
import { cel } from '../../src/rules/cel.js';
import { event, match, TABLE } from './cel-cases.js';

type Answer = boolean | 'error' | 'refused';

const library = new Environment({ homogeneousAggregateLiterals: false })
  .registerVariable('event', 'map<string, dyn>')
  .registerVariable('match', 'map<string, list<map<string, dyn>>>')
  .registerVariable('timestamp', 'int');

function ofLibrary(expression: string, data: object, taken: object, timestamp: number): Answer {
  const parsed = library.parse(expression);
  if (!parsed.check().valid) return 'refused';
  try {
    const value = parsed({ event: data, match: taken, timestamp: BigInt(timestamp) });
    return typeof value === 'boolean' ? value : 'error';
  } catch {
    return 'error';
  }
}

function ours(expression: string, data: object, taken: object, timestamp: number): Answer {
  try {
    return cel(expression).evaluate(data, taken as never, timestamp);
  } catch (error) {
    return error instanceof RuleError ? 'refused' : 'error';
  }
}

/** Where the library differs: what it answers, and what the specification has to say. */
const DEVIATIONS: Record<string, [library: Answer, why: string]> = {
  'has(event.eventType.x)': [false, 'has() of something that is no map is an error'],
  'has(match.a[0].price)': ['refused', 'has() takes any object in front of the field'],
  'has(match.a[0].nope)': ['refused', 'has() takes any object in front of the field'],
  "has(event['user'].tier)": ['refused', 'has() takes any object in front of the field'],
  "has({'a': 1}.a)": ['refused', 'has() takes any object in front of the field'],
  "has({'a': 1}.b)": ['refused', 'has() takes any object in front of the field'],
  '-(-9223372036854775808) > 0': [true, 'ints have 64 bits; this overflows'],
  "'\\U0001F600' > '\\uFFFD'": [false, 'strings are ordered by code points'],
  "{1: true}[dyn('1')]": [true, 'the int 1 is not the string 1'],
  '{event.eventType: 1, event.eventType: 2}.cart == 1': [false, 'a key twice is an error'],
  '{event.price: 1} == {}': [false, 'a double is no key'],
  "{'__proto__': 1}['__proto__'] == 1": ['error', 'any string is a key'],
  "int('') == 0": [true, 'an empty string is no int'],
  "int('0b1') == 1": [true, 'int() reads decimals'],
  'int(1e30) == 0': [false, 'ints have 64 bits; this does not fit'],
  "double('0x10') == 16.0": [true, 'double() reads decimals'],
};

describe('the table of cases', () => {
  const rows = Object.values(TABLE).flat();
  test.each(rows.map(([expression, expected]) => ({ expression, expected })))(
    '$expression',
    ({ expression, expected }) => {
      const found = ofLibrary(expression, event, match, 5000);
      const deviation = DEVIATIONS[expression];
      if (deviation) {
        expect(found).toBe(deviation[0]);
        expect(found).not.toBe(expected);
      } else expect(found === 'refused' ? 'error' : found).toBe(expected);
    },
  );

  test('every deviation is a row of the table', () => {
    const known = new Set(rows.map(([expression]) => expression));
    for (const expression of Object.keys(DEVIATIONS)) expect(known).toContain(expression);
  });

  test('the library lets < bind closer than ==, where we ask for parentheses', () => {
    const expression = 'event.flag == event.n < 5.0';
    expect(ofLibrary(expression, event, match, 0)).toBe(true);
    expect(ours(expression, event, match, 0)).toBe('refused');
    expect(ours('event.flag == (event.n < 5.0)', event, match, 0)).toBe(true);
  });
});

// ---- generated

const FIELDS = ['p', 'q', 's', 'b', 'l', 'u', 'nope'];

// No empty string: int('') is a deviation.
const scalar = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 2.5, -1, 1e16, 0.1),
  fc.constantFrom('a', 'b', 'ab', '2', 'é'),
  fc.boolean(),
  fc.constant(null),
);
const numbers = fc.constantFrom(0, 1, 2, 2.5, -3);
const someEvent = fc.record(
  {
    p: fc.oneof({ arbitrary: numbers, weight: 4 }, { arbitrary: scalar, weight: 1 }),
    q: fc.oneof({ arbitrary: numbers, weight: 4 }, { arbitrary: scalar, weight: 1 }),
    s: fc.oneof(
      { arbitrary: fc.constantFrom('a', 'b', 'ab'), weight: 4 },
      { arbitrary: scalar, weight: 1 },
    ),
    b: fc.oneof({ arbitrary: fc.boolean(), weight: 4 }, { arbitrary: scalar, weight: 1 }),
    l: fc.oneof(
      fc.array(numbers, { maxLength: 3 }),
      fc.array(scalar, { maxLength: 3 }),
      fc.array(fc.constantFrom('a', 'b'), { maxLength: 3 }),
    ),
    u: fc.record({ p: numbers, s: fc.constantFrom('a', 'b') }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);
const someMatch = fc.record({
  a: fc.array(someEvent, { maxLength: 3 }),
  c: fc.array(someEvent, { maxLength: 2 }),
});

interface Terms {
  bool: string;
  int: string;
  dyn: string;
  text: string;
  list: string;
}

/** Expressions by what they are meant to give; a `dyn` may turn out to be anything. */
function terms(
  variables: readonly string[],
  depth: number,
): { [K in keyof Terms]: fc.Arbitrary<string> } {
  const owner = fc.oneof(
    fc.constantFrom('event', ...variables),
    fc.constantFrom('match.a[0]', "match['a'][1]", 'match.c[0]', 'event.u'),
  );
  const field = fc.tuple(owner, fc.constantFrom(...FIELDS)).map(([o, f]) => `${o}.${f}`);
  const int = fc.oneof(
    fc.constantFrom('0', '1', '2', '3', '-1', '9007199254740993'),
    fc.constantFrom('timestamp', 'size(match.a)', 'size(match.c)', 'match.a.size()'),
  );
  const text = fc.constantFrom("'a'", "'b'", "''", "'ab'", 'string(event.p)');
  const double = fc.constantFrom('0.0', '1.0', '2.5', '-3.0', '1e3');
  const list = fc.constantFrom(
    'event.l',
    "['a', 'b']",
    '[1, 2]',
    '[1.0, 2.5]',
    '[event.p, event.s]',
    '[]',
  );
  if (depth === 0) {
    return {
      bool: fc.oneof(
        fc.constantFrom('true', 'false', 'event.b'),
        field.map((f) => `${f} == 1`),
      ),
      int,
      dyn: fc.oneof({ arbitrary: field, weight: 4 }, { arbitrary: double, weight: 1 }),
      text,
      list,
    };
  }
  const inner = terms(variables, depth - 1);
  const fresh = `x${depth}`;
  const loop = terms([...variables, fresh], depth - 1);
  const ranges = fc.oneof(
    { arbitrary: fc.constantFrom('match.a', 'match.c'), weight: 3 },
    { arbitrary: inner.list, weight: 1 },
  );
  const value = fc.oneof(inner.dyn, inner.int, inner.text);
  const join = (a: fc.Arbitrary<string>, operators: readonly string[], b: fc.Arbitrary<string>) =>
    fc.tuple(a, fc.constantFrom(...operators), b).map(([x, o, y]) => `(${x} ${o} ${y})`);
  const ternary = (a: fc.Arbitrary<string>) =>
    fc.tuple(inner.bool, a, a).map(([c, x, y]) => `(${c} ? ${x} : ${y})`);
  return {
    bool: fc.oneof(
      { arbitrary: join(inner.bool, ['&&', '||'], inner.bool), weight: 5 },
      { arbitrary: join(inner.dyn, ['==', '!='], value), weight: 3 },
      { arbitrary: join(value, ['==', '!='], inner.dyn), weight: 1 },
      { arbitrary: join(inner.dyn, ['<', '<=', '>', '>='], value), weight: 3 },
      { arbitrary: join(inner.int, ['<', '<=', '>', '>=', '==', '!='], inner.int), weight: 2 },
      { arbitrary: join(inner.int, ['<', '>='], inner.dyn), weight: 1 },
      { arbitrary: join(value, ['in'], inner.list), weight: 1 },
      { arbitrary: join(inner.list, ['==', '!='], inner.list), weight: 1 },
      { arbitrary: inner.bool.map((b) => `!${b.startsWith('(') ? b : `(${b})`}`), weight: 1 },
      { arbitrary: ternary(inner.bool), weight: 1 },
      { arbitrary: fc.constantFrom(...FIELDS).map((f) => `has(event.${f})`), weight: 1 },
      { arbitrary: fc.constantFrom(...FIELDS).map((f) => `has(event.u.${f})`), weight: 1 },
      { arbitrary: fc.constantFrom(...FIELDS).map((f) => `('${f}' in event)`), weight: 1 },
      {
        arbitrary: fc
          .tuple(inner.dyn, fc.constantFrom('startsWith', 'endsWith', 'contains'), inner.text)
          .map(([x, m, y]) => `${x}.${m}(${y})`),
        weight: 1,
      },
      {
        arbitrary: fc
          .tuple(ranges, fc.constantFrom('all', 'exists', 'exists_one'), loop.bool)
          .map(([r, m, p]) => `${r}.${m}(${fresh}, ${p})`),
        weight: 3,
      },
    ),
    int: fc.oneof(int, join(inner.int, ['+', '-', '*', '/', '%'], inner.int), ternary(inner.int)),
    dyn: fc.oneof(
      inner.dyn,
      join(inner.dyn, ['+', '-', '*', '/'], inner.dyn),
      ternary(inner.dyn),
      fc.tuple(inner.list, inner.int).map(([l, i]) => `dyn(${l})[${i}]`),
      inner.dyn.map((x) => `dyn(int(${x}))`),
      inner.dyn.map((x) => `-(${x})`),
    ),
    text: fc.oneof(text, join(inner.text, ['+'], inner.text), ternary(inner.text)),
    list: fc.oneof(
      list,
      fc.tuple(ranges, loop.bool).map(([r, p]) => `${r}.filter(${fresh}, ${p})`),
      fc.tuple(ranges, loop.dyn).map(([r, p]) => `${r}.map(${fresh}, ${p})`),
      fc.tuple(ranges, loop.bool, loop.dyn).map(([r, p, v]) => `${r}.map(${fresh}, ${p}, ${v})`),
    ),
  };
}

test('generated expressions over generated events', () => {
  const seen: Record<string, number> = {};
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }).chain((depth) => terms([], depth).bool),
      someEvent,
      someMatch,
      fc.integer({ min: 0, max: 4 }),
      (expression, data, taken, timestamp) => {
        const theirs = ofLibrary(expression, data, taken, timestamp);
        seen[String(theirs)] = (seen[String(theirs)] ?? 0) + 1;
        expect(ours(expression, data, taken, timestamp)).toBe(theirs);
      },
    ),
    { numRuns: 4000 },
  );
  // The generator is of use only while all answers occur.
  for (const answer of ['true', 'false', 'error']) expect(seen[answer]).toBeGreaterThan(200);
});
