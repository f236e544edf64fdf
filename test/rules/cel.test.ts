// The meaning of CEL conditions, held against the CEL specification by hand: each row is an
// expression and what it must give for one event, `error` standing for an evaluation error.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RuleError } from '../../src/errors.js';
import { CelEvaluationError, cel } from '../../src/rules/cel.js';
import { event, match, STATIC_ERRORS, TABLE } from './cel-cases.js';

function outcome(expression: string): boolean | 'error' {
  const condition = cel(expression);
  try {
    return condition.evaluate(event, match, 5000);
  } catch (error) {
    expect(error).toBeInstanceOf(CelEvaluationError);
    return 'error';
  }
}

for (const [subject, rows] of Object.entries(TABLE)) {
  test.each(rows.map((row) => ({ expression: row[0], expected: row[1] })))(
    `${subject}: $expression`,
    ({ expression, expected }) => {
      // `int(true)` and the like are already refused when they are built: an error as well.
      if (expected === 'error') {
        try {
          expect(outcome(expression)).toBe('error');
        } catch (error) {
          if (!(error instanceof RuleError)) throw error;
          expect(STATIC_ERRORS).toContain(expression);
        }
      } else expect(outcome(expression)).toBe(expected);
    },
  );
}

describe('the condition', () => {
  test('keeps its text and tells whether it looks at the match', () => {
    const text = " event.eventType == 'cart' // why\n";
    const condition = cel(text);
    expect({ ...condition, evaluate: undefined }).toEqual({
      type: 'CEL',
      iterative: false,
      expression: text,
      evaluate: undefined,
    });
    expect(cel('timestamp > 5').iterative).toBe(false);
    expect(cel('size(match.a) > 5').iterative).toBe(true);
    expect(cel('has(match.a)').iterative).toBe(true);
    expect(cel("match['a' + 'b'] == []").iterative).toBe(true);
    expect(cel('[[1]].all(match, match[0] == 1)').iterative).toBe(false);
    expect(cel('event.match == 1.0').iterative).toBe(false);
  });

  test('needs no match when it is not iterative', () => {
    expect(cel('event.price > 1.0').evaluate({ price: 2 }, undefined as never, 0)).toBe(true);
  });

  test('reads the stages of a match through getters, also inherited ones, only when asked', () => {
    const read: string[] = [];
    class View {
      get a(): object[] {
        read.push('a');
        return [{ price: 1 }];
      }
      get b(): object[] {
        read.push('b');
        return [];
      }
    }
    const view = new View() as never;
    expect(cel('match.a[0].price == event.price').evaluate({ price: 1 }, view, 0)).toBe(true);
    expect(cel('event.price > 5.0 && size(match.b) > 0').evaluate({ price: 1 }, view, 0)).toBe(
      false,
    );
    expect(read).toEqual(['a']);
  });

  test('names what went wrong and where', () => {
    const message = (expression: string) => {
      try {
        return cel(expression).evaluate(event, match, 0);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(message('event.nope == 1')).toBe("no field 'nope' (column 7 of the expression)");
    expect(message('true &&\n event.n + 1 > 0')).toBe(
      'no overload of + for double and int: numbers of an event are doubles, write 1.0 or double(...) (line 2, column 2 of the expression)',
    );
    expect(message('event.price < "a"')).toBe(
      'no overload of < for double and string (column 1 of the expression)',
    );
    expect(message('size(match.a) < event.eventType')).toBe(
      'no overload of < for int and string (column 1 of the expression)',
    );
    expect(message('match.z[0].x == 1')).toBe("no stage 'z' in match (column 7 of the expression)");
    expect(message('match.none[0].x == 1')).toBe(
      'the index is out of range (column 1 of the expression)',
    );
    expect(message('event.eventType')).toBe(
      'the condition is a string, not a bool (column 7 of the expression)',
    );
  });

  test('leaves the event and the match as they were', () => {
    const before = JSON.stringify([event, match]);
    outcome("event.tags + ['c'] == ['a'] || match.a.filter(e, true).map(e, e.price) == []");
    expect(JSON.stringify([event, match])).toBe(before);
  });
});

describe('an evaluation is bounded', () => {
  const numbers = Array.from({ length: 400 }, (_, i) => i);
  const run = (expression: string, data: object = { numbers }) =>
    cel(expression).evaluate(data, {}, 0);
  const STEPS = 'the expression took more than 100000 steps';

  test('nested comprehensions', () => {
    expect(run('event.numbers.all(a, event.numbers.exists(b, b == 1))')).toBe(true);
    expect(() => run('event.numbers.all(a, event.numbers.all(b, true))')).toThrow(STEPS);
  });

  test('no operator absorbs the end of the budget', () => {
    expect(() => run('event.numbers.all(a, event.numbers.all(b, true)) || true')).toThrow(STEPS);
    expect(() => run('event.numbers.exists(a, event.numbers.all(b, true) || true)')).not.toThrow();
    expect(() =>
      run('event.numbers.exists(a, event.numbers.all(b, event.numbers.all(c, true)) || true)'),
    ).toThrow(STEPS);
  });

  test('strings and lists that double', () => {
    const doubling = (start: string) =>
      `size(${start}${Array.from({ length: 60 }, (_, i) => `.map(x${i}, x${i} + x${i})`).join('')}) == 1`;
    expect(() => run(doubling("['ab']"))).toThrow(STEPS);
    expect(() => run(doubling('[[1]]'))).toThrow(STEPS);
  });

  test('lists in lists that share their parts', () => {
    let text = '[[1]]';
    for (let i = 0; i < 40; i++) text += `.map(x${i}, [x${i}, x${i}])`;
    expect(() => run(`${text} == ${text}`)).toThrow(STEPS);
  });

  test('membership in a long list inside a loop', () => {
    expect(() =>
      run('event.numbers.all(a, !(event.nope2 in event.numbers))', {
        numbers,
        nope2: 'x',
      }),
    ).toThrow(STEPS);
  });

  test('values nested deeper than the stack', () => {
    const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) as unknown;
    const other = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) as unknown;
    expect(() => run('event.a == event.b', { a: deep, b: other })).toThrow(STEPS);
  });

  test('a large body costs more than a small one', () => {
    const body = Array(380).fill('a == 1').join(' || ');
    const data = { numbers: Array.from({ length: 2000 }, () => 0) };
    expect(run('event.numbers.exists(a, a == 1)', data)).toBe(false);
    expect(() => run(`event.numbers.exists(a, ${body})`, data)).toThrow(STEPS);
  });

  test('the next evaluation has the whole budget again', () => {
    const condition = cel('event.numbers.all(a, event.numbers.all(b, true))');
    expect(() => condition.evaluate({ numbers }, {}, 0)).toThrow(STEPS);
    expect(condition.evaluate({ numbers: [1] }, {}, 0)).toBe(true);
  });
});

describe('what is wrong with a text is found when it is built', () => {
  // [expression, position, what the message says]
  const BAD: [string, number, string][] = [
    ['', 0, 'it is empty'],
    ['  ', 0, 'it is empty'],
    ['event.price >', 13, 'column 14: Unexpected token: EOF'],
    ['event.price = 5.0', 12, 'Unexpected character: ='],
    ['evnt.price > 5.0', 0, "unknown variable 'evnt'; known here are event, match, timestamp"],
    ['true && evnt.price > 5.0', 8, 'column 9: unknown variable'],
    ['true &&\n  evnt > 5.0', 10, 'line 2, column 3: unknown variable'],
    ['match.a.all(e, f)', 15, 'known here are event, match, timestamp, e'],
    ['match.a.all(e, true) && e', 24, "unknown variable 'e'"],
    ['1 + 2', 0, 'its result is int, not bool'],
    ["'a'", 0, 'its result is string, not bool'],
    ['event', 0, 'its result is map<string, dyn>, not bool'],
    ["1 + 'a' == 2", 0, 'no such overload: int + string'],
    ['timestamp - 5.0 > 3', 0, 'write 1.0 or double(...)'],
    ['1 == 1.0', 0, 'write 1.0 or double(...)'],
    ["event.name.matches('a+')", 0, 'backtrack'],
    ["matches(event.name, 'a+')", 0, 'no function matches'],
    ['event.price == 1u', 15, 'unsigned ints are not supported; write 1'],
    ["event.name == b'abc'", 14, 'bytes are not supported'],
    ['event.id == 9223372036854775808', 12, 'does not fit a 64-bit int'],
    [
      'event.name.lowerAscii() == "a"',
      0,
      'no method lowerAscii with 0 arguments here; there are size',
    ],
    ['foo(1, 2)', 0, 'no function foo with 2 arguments here; there are size, has'],
    ["timestamp('2020-01-01T00:00:00Z') == 1", 0, 'Times are numbers of ms'],
    ["duration('1s') == 1", 0, 'no function duration'],
    ['type(event.price) == double', 0, 'no function type'],
    ['event.price == double', 15, "unknown variable 'double'"],
    ['cel.bind(x, 1, x == 1)', 0, 'no method bind with 3 arguments'],
    ['has(event)', 4, 'has() takes a field'],
    ["has(event['a'])", 4, 'has() takes a field'],
    ['match.a.all(1, true)', 12, 'invalid predicate iteration variable'],
    ['match == match', 0, "'match' is only read by stage"],
    ['size(match) == 1', 5, "'match' is only read by stage"],
    ['match.all(s, true)', 0, "'match' is only read by stage"],
    ["match.a['x'] == 1", 0, 'List index must be int'],
    ['true == 1.0 < 2.0', 8, "'==' and '<' bind alike in CEL"],
    ['event.flag != (event.n) < 2.0', 15, 'bind alike'],
    ['event.flag == (event.user).n < 2.0', 15, 'bind alike'],
    ["event.flag == 'a' in event.tags", 14, "'==' and 'in' bind alike"],
    ["r'\\' == r'\\'", 0, ''],
    ['event.in == 1', 6, 'Expected IDENTIFIER'],
    ['event.x ? 1 : true', 0, 'Ternary branches must have the same type'],
    ['"abc', 0, 'Unterminated string'],
    ['event.?price == 1', 6, 'Expected IDENTIFIER'],
    ['{1: 1, 1: 2}[1] == 1', 0, 'the map has a key twice'],
    ['event.price > 5.0 and true', 18, 'logic is && and ||'],
    ['let == 1', 0, 'Reserved identifier: let'],
    ['.5 < event.price', 0, 'Unexpected token: DOT'],
  ];
  test.each(BAD)('%s', (expression, position, words) => {
    let error: unknown;
    try {
      cel(expression);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(RuleError);
    const { code, message, details } = error as RuleError;
    expect(code).toBe('EXPRESSION_INVALID');
    expect(message).toContain(words);
    if (words !== '') expect(details.position).toBe(position);
    expect(details.expression).toBe(expression);
    const lines = expression.slice(0, details.position as number).split('\n');
    expect(details.line).toBe(lines.length);
    expect(details.column).toBe((lines.at(-1) as string).length + 1);
  });

  const LARGE: [string, string, string][] = [
    ['too long', `event.name == '${'x'.repeat(70_000)}'`, 'at most 65536 are allowed'],
    [
      'too many parts',
      Array.from({ length: 90 }, () => `(${Array(60).fill('1==1').join('||')})`).join('||'),
      'more than 10000 parts',
    ],
    ['too deep', Array(2000).fill('true').join('&&'), 'nested more than 400 deep'],
    ['parentheses', `${'('.repeat(5000)}true${')'.repeat(5000)}`, 'maxDepth'],
    ['negations', `${'!'.repeat(60_000)}true`, 'nested'],
    ['minus signs', `${'-'.repeat(60_000)}1 == 1`, 'nested'],
    ['brackets', `event${'[0]'.repeat(5000)}`, 'maxDepth'],
  ];
  test.each(LARGE)('%s', (_name, expression, words) => {
    expect(() => cel(expression)).toThrow(words);
    expect(() => cel(expression)).toThrow(RuleError);
    try {
      cel(expression);
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(1000);
    }
  });
});

describe('the vectors', () => {
  const folder = new URL('../vectors/', import.meta.url);
  const expressions = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { type, expression } = value as { type?: unknown; expression?: unknown };
    if (type === 'CEL' && typeof expression === 'string') expressions.add(expression);
    for (const part of Object.values(value)) collect(part);
  };
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.json')) collect(JSON.parse(readFileSync(new URL(file, folder), 'utf8')));
  }

  test('every CEL expression in them compiles', () => {
    expect(expressions.size).toBeGreaterThan(200);
    for (const expression of expressions) {
      expect(cel(expression).iterative, expression).toBe(/\bmatch\b/.test(expression));
    }
  });
});
