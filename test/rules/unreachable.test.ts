// Stages that no event can reach are found with their place, and none that one can.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aviator, aviatorClaim } from '../../src/rules/aviator.js';
import { cel } from '../../src/rules/cel.js';
import { celClaim } from '../../src/rules/cel-claims.js';
import { conflictIn } from '../../src/rules/claims.js';
import { validateRuleSet } from '../../src/rules/validate.js';

type Condition = object | null;
const text = (expression: string, type = 'CEL') => ({ type, expression });
const node = (name: string, condition: Condition, properties: string[] = ['SINGLE']) => ({
  ...{ name, type: 'ATOMIC', quantifier: { properties }, condition },
});
const chain = (nodes: { name: string }[], types: string[] = []) => ({
  nodes,
  edges: nodes.slice(1).map(({ name }, i) => ({
    ...{ source: nodes[i]?.name, target: name, type: types[i] ?? 'SKIP_TILL_NEXT' },
  })),
});
const found = (pattern: object, rest: object = {}) =>
  validateRuleSet({
    journeys: [{ id: 'shop', key: 'user' }],
    fields: { eventType: 'string', price: 'number', paid: 'boolean' },
    rules: [
      {
        ...{ id: 'a', journey: 'shop', onMatch: { alert: 'A' } },
        pattern: {
          ...pattern,
          window: { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 10 } },
        },
      },
    ],
    ...rest,
  })
    .filter(({ message }) => !message.includes('which "fields" does not have'))
    .map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
const ofOne = (condition: Condition, rest?: object) =>
  found(chain([node('view', condition)]), rest);
const AT = 'warning $.rules[0].pattern.nodes[0].condition: no event fits stage "view": ';
const and = (...nestedConditions: object[]) => ({
  ...{ type: 'CLASS', className: 'org.apache.RichAndCondition', nestedConditions },
});

describe('a condition that contradicts itself', () => {
  test.each([
    [
      text("event.eventType == 'view' && event.eventType == 'cart'"),
      'eventType == "view" at column 1 and eventType == "cart" at column 30 exclude each other; join them with ||, or correct one',
    ],
    [
      text("event.eventType == 'view' && event.price > 200 && event.price < 100.0"),
      'price > 200 at column 30 and price < 100 at column 51 exclude each other; join them with ||, or correct one',
    ],
    [
      text("eventType == 'view' && price >= 3 && 3 > price", 'AVIATOR'),
      'price >= 3 at column 24 and price < 3 at column 38 exclude each other; join them with ||, or correct one',
    ],
    [
      and(text("eventType == 'view'", 'AVIATOR'), text("event['eventType'] != 'view'")),
      'eventType == "view" at column 1 and eventType != "view" at column 1 exclude each other; join them with ||, or correct one',
    ],
    [text('event.price > 3.0 && false'), 'it asks for false at column 22'],
    [text('false', 'AVIATOR'), 'it asks for false at column 1'],
    [
      text('(event.paid == true || event.price < -1) && event.paid == false && event.price == 0'),
      'paid == true at column 2 and paid == false at column 45 exclude each other, and no alternative is better; join them with ||, or correct one',
    ],
    [
      text("event.price == '3'"),
      'it asks for price == "3" at column 1, but price is a number; correct "fields" or the condition',
    ],
    [
      text('eventType >= 3', 'AVIATOR'),
      'it asks for eventType >= 3 at column 1, but eventType is a string; correct "fields" or the condition',
    ],
    [
      text("event.eventTime > '2026-01-01'"),
      'it asks for eventTime > "2026-01-01" at column 1, but eventTime is a number; correct "fields" or the condition',
    ],
    [
      text('event.eventType ==\n  null && event.eventType == "a"'),
      'eventType == null at line 1, column 1 and eventType == "a" at line 2, column 11 exclude each other; join them with ||, or correct one',
    ],
  ])('%j', (condition, message) => {
    expect(ofOne(condition)).toEqual([AT + message]);
  });

  test.each([
    "event.eventType == 'view' || event.eventType == 'cart'",
    "event.eventType == 'view' && event.kind == 'cart'",
    "!(event.eventType == 'view') && event.eventType == 'cart'",
    "event.eventType != 'view' && event.eventType != 'cart'",
    "event.eventType in ['view', 'cart'] && event.eventType == 'buy'",
    'event.price > 3 && event.price < 4',
    'event.price >= 3 && event.price <= 3.0',
    'event.price + 1.0 > 3.0 && event.price < 3.0',
    'event.price > 5 && event.item.price < 3',
    'event.big > 9007199254740993 && event.big < 9007199254740995',
    'event.price > 1e308 && event.price < 1.7e308 && event.price != 2e307',
    "event.eventType > 'a' && event.eventType < 'B'",
    'event.price == 3 && event.price == 3.0',
    "event.kind == null || event.kind == 'a'",
    'event.paid ? event.price > 3 : event.price < 3',
    'event.list.exists(event, event.a == 1 && event.b == 2) && event.a == 2',
    'match.view[0].price == 1 && match.view[1].price == 2',
    '(event.a == 1 || event.b == 1) && (event.a == 2 || event.b == 2)',
    "event['a'].b == 1 && event.a == 'x' && event['a.b'] == 2",
  ])('%s: an event may fit', (expression) => {
    const nodes = [node('view', null), node('cart', text(expression))];
    expect(found(chain(nodes))).toEqual([]);
  });

  test.each([
    'price < 3 && price == nil',
    'price <= 3 && kind == nil',
    "price < 'a'",
    'eventType != 3',
    'price == nil',
    "a.b == 1 && a == 2 || kind == 'x'",
    'a.b < -3 && a.b > -4',
    '!paid && paid == false',
    "string.length(kind) == 3 && kind == 'four'",
  ])('AVIATOR %s: an event may fit', (expression) => {
    expect(ofOne(text(expression, 'AVIATOR'))).toEqual([]);
  });
});

describe('stages around one', () => {
  const no = text("event.eventType == 'a' && event.eventType == 'b'");
  const why =
    'eventType == "a" at column 1 and eventType == "b" at column 27 exclude each other; join them with ||, or correct one';

  test('those behind it are named, where it is awaited', () => {
    const pattern = chain([
      node('one', null),
      node('two', no),
      node('three', null),
      node('four', null),
    ]);
    expect(found(pattern)).toEqual([
      `warning $.rules[0].pattern.nodes[1].condition: no event fits stage "two", and none comes to "three", "four" behind it: ${why}`,
    ]);
  });

  test('an optional one is passed over', () => {
    const optional = node('two', no, ['SINGLE', 'OPTIONAL']);
    expect(found(chain([node('one', null), optional, node('three', null)]))).toEqual([
      `warning $.rules[0].pattern.nodes[1].condition: no event fits stage "two": ${why}`,
    ]);
  });

  test('one that should not come forbids nothing', () => {
    const nodes = [node('one', null), node('two', no), node('three', null)];
    expect(found(chain(nodes, ['NOT_FOLLOW']))).toEqual([
      `warning $.rules[0].pattern.nodes[1].condition: no event fits stage "two", so it forbids nothing: ${why}`,
    ]);
  });

  test('in a group it holds up what is behind the group, unless that is optional', () => {
    const group = (properties: string[]) => ({
      ...{ name: 'both', type: 'COMPOSITE', quantifier: { properties } },
      ...chain([node('two', no), node('three', null)]),
    });
    const around = (properties: string[]) =>
      found(chain([node('one', null), group(properties), node('four', null)]));
    const place =
      'warning $.rules[0].pattern.nodes[1].nodes[0].condition: no event fits stage "two"';
    expect(around(['SINGLE'])).toEqual([
      `${place}, and none comes to "three", "four" behind it: ${why}`,
    ]);
    expect(around(['SINGLE', 'OPTIONAL'])).toEqual([
      `${place}, and none comes to "three" behind it: ${why}`,
    ]);
  });

  test('what the journey accepts counts', () => {
    const journeys = [
      {
        id: 'shop',
        key: 'user',
        accepts: "event.eventType == 'view' || event.eventType == 'cart'",
      },
    ];
    expect(ofOne(text("eventType == 'buy'", 'AVIATOR'), { journeys })).toEqual([
      `${AT}its journey accepts no event that it asks for`,
    ]);
    expect(ofOne(text("eventType == 'cart'", 'AVIATOR'), { journeys })).toEqual([]);
    const broken = [{ id: 'shop', key: 'user', accepts: 'event.eventType ==' }];
    expect(ofOne(null, { journeys: broken })).toEqual([
      expect.stringMatching(/^error \$\.journeys\[0\]\.accepts/),
    ]);
  });
});

test('whatever fulfils a condition, its claims are in no conflict', () => {
  const values = fc.constantFrom<unknown>(0, 1, 2, 1.5, -1, 'a', 'b', '', true, false, null, []);
  const literal = fc.constantFrom('0', '1', '2.0', '-1', "'a'", "'b'", 'true', 'false', 'null');
  const field = fc.constantFrom('event.x', 'event.y', "event['x']");
  const operator = fc.constantFrom('==', '!=', '<', '<=', '>', '>=');
  const { condition } = fc.letrec<{ condition: string; one: string }>((tie) => ({
    one: fc
      .tuple(field, operator, literal, fc.boolean())
      .map(([a, of, b, isTurned]) => (isTurned ? `(${b} ${of} ${a})` : `(${a} ${of} ${b})`)),
    condition: fc.oneof(
      { maxDepth: 4 },
      tie('one'),
      fc.constant('false'),
      fc
        .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
        .map(([a, of, b]) => `(${a} ${of} ${b})`),
      tie('condition').map((a) => `!${a}`),
    ),
  }));
  const holds = (
    make: () => { evaluate(event: never, match: object, at: number): boolean },
    event: object,
  ) => {
    try {
      return make().evaluate(event as never, {}, 0);
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(condition, values, values, (expression, x, y) => {
      const event = { x, y };
      if (holds(() => cel(expression), event)) expect(conflictIn(celClaim(expression))).toBeNull();
      const other = expression
        .replaceAll("event['x']", 'x')
        .replaceAll('event.', '')
        .replaceAll('null', 'nil');
      for (const each of [event, { x }, {}]) {
        if (holds(() => aviator(other), each)) expect(conflictIn(aviatorClaim(other))).toBeNull();
      }
    }),
    { numRuns: 5_000 },
  );
});
