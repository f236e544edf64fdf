// Rule set documents: journeys without code, and what of one is refused, with its place.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CepError } from '../../src/errors.js';
import { compileJourneys } from '../../src/rules/compiled.js';
import { journeysOfDocument, type RuleRow, ruleOf } from '../../src/rules/rule-set.js';
import { Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';

const view = {
  name: 'view',
  type: 'ATOMIC',
  quantifier: { properties: ['SINGLE'] },
  condition: { type: 'AVIATOR', expression: "eventType == 'view'" },
};
const cart = { ...view, name: 'cart', condition: { type: 'CLASS', className: 'shop.Cart' } };
const pattern = {
  nodes: [view, cart],
  edges: [{ source: 'view', target: 'cart', type: 'SKIP_TILL_NEXT' }],
  window: { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 10 } },
};
const row: RuleRow = { id: 'look-and-take', version: 3, journey: 'shop', pattern };
const document = (rules: readonly object[] = [row], journey: object = {}) => ({
  eventTime: 'at',
  journeys: [{ id: 'shop', key: 'user', ...journey }],
  rules,
});
const classes = {
  'shop.Cart': {
    create: () => (event: unknown) => (event as { eventType: string }).eventType === 'cart',
  },
};

function alertsOf(rules: readonly object[], ...types: string[]) {
  const journeys = compileJourneys(journeysOfDocument(document(rules), classes));
  const [journey] = journeys.byId.values();
  const session = new Session(journey as NonNullable<typeof journey>, 'k');
  types.forEach((eventType, offset) => {
    const at = (1_000 + offset) as Timestamp;
    session.accept({
      ...{ source: 's', partition: 0, offset, timestamp: at },
      data: { at, eventType, price: offset * 100, user: 'k' },
    });
  });
  return session.advance(MAX_TIMESTAMP).map(({ alert, effects }) => ({
    type: alert.type,
    message: alert.message,
    effects,
  }));
}

test("a row of Flink's table: its function is the effect, its id the alert", () => {
  const flink = { ...row, pattern: JSON.stringify(pattern), function: 'shop.NotifyCart' };
  expect(alertsOf([flink], 'view', 'cart')).toEqual([
    {
      type: 'look-and-take',
      message: 'look-and-take (look-and-take)',
      effects: ['shop.NotifyCart'],
    },
  ]);
});

test('alerts of matches and timeouts, with their texts, conditions and effects', () => {
  const whole = {
    ...row,
    description: 'Looked, and took',
    onMatch: {
      alert: 'TAKEN',
      message: 'at {{cart.0.price}}',
      when: 'match.cart[0].price > 150.0',
      effects: ['coupon'],
    },
    onTimeout: { alert: 'LEFT' },
  };
  expect(alertsOf([whole], 'view', 'cart')).toEqual([]);
  expect(alertsOf([whole], 'x', 'view', 'cart')).toEqual([
    { type: 'TAKEN', message: 'at 200', effects: ['coupon'] },
  ]);
  expect(alertsOf([whole], 'view')).toEqual([
    { type: 'LEFT', message: 'Looked, and took', effects: [] },
  ]);
});

test('accepts is CEL; an event on which it errs is not accepted', () => {
  const { journeys } = journeysOfDocument(
    document([row], { accepts: "event.eventType == 'view' && event.price > 1.0" }),
    classes,
  );
  const accepts = journeys[0]?.accepts as (event: unknown) => boolean;
  expect(accepts({ eventType: 'view', price: 2 })).toBe(true);
  expect(accepts({ eventType: 'view', price: 1 })).toBe(false);
  expect(accepts({ eventType: 'view' })).toBe(false);
});

test('the content is the hash: another condition, argument or version of a class is another rule', () => {
  const hashOf = (rule: object, version = 1) => {
    const own = { 'shop.Cart': { version, create: () => () => true } };
    const { byId } = compileJourneys(journeysOfDocument(document([rule]), own));
    return byId.get('shop')?.rules[0]?.hash;
  };
  const withArgs = (args: string[]) => ({
    ...row,
    pattern: {
      ...pattern,
      nodes: [view, { ...cart, condition: { ...cart.condition, args } }],
    },
  });
  const hashes = [
    hashOf(row),
    hashOf({ ...row, version: 4 }),
    hashOf(row, 2),
    hashOf(withArgs(['1'])),
    hashOf(withArgs(['2'])),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
  expect(hashOf({ ...row, pattern: JSON.stringify(pattern) })).toBe(hashes[0]);
});

describe('what is refused', () => {
  test.each<[unknown, string, string]>([
    [{ journeys: [] }, 'DOCUMENT_INVALID', '$.journeys: '],
    [document([{ ...row, version: 0 }]), 'DOCUMENT_INVALID', '$.rules[0].version: '],
    [document([{ ...row, priority: 1 }]), 'DOCUMENT_INVALID', '$.rules[0]: '],
    [
      document([{ ...row, journey: 'shops' }]),
      'RULE_INVALID',
      '$.rules[0].journey: no journey is called "shops": name one of shop',
    ],
    [
      document([row, { ...row, id: 'b', pattern: '{' }]),
      'DOCUMENT_INVALID',
      '$.rules[1].pattern: it is no JSON',
    ],
    [
      document([{ ...row, pattern: { ...pattern, nodes: [view, { ...cart, name: 'view' }] } }]),
      'DUPLICATE_STAGE',
      '$.rules[0].pattern',
    ],
    [
      document([{ ...row, pattern: { ...pattern, nodes: [view] } }]),
      'DOCUMENT_INVALID',
      '$.rules[0].pattern.edges: target "cart" is no node',
    ],
    [
      document([{ ...row, onMatch: { alert: 'X', when: 'match.cart[0].price >' } }]),
      'EXPRESSION_INVALID',
      '$.rules[0].onMatch.when: CEL expression, column ',
    ],
    [
      document([row], { accepts: 'match.view.size() > 0' }),
      'EXPRESSION_INVALID',
      '$.journeys[0].accepts: ',
    ],
    [document([row, row]), 'JOURNEYS_INVALID', 'has two rules called "look-and-take"'],
  ])('%#', (json, code, message) => {
    let refused: unknown = null;
    try {
      journeysOfDocument(json, classes);
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(CepError);
    expect((refused as CepError).code).toBe(code);
    expect((refused as CepError).message).toContain(message);
  });
});

test('a row alone', () => {
  expect(() => ruleOf(row)).toThrow(
    '$.pattern.nodes[1].condition.className: no condition is registered as shop.Cart',
  );
});

test('the five of examples/five.json', () => {
  const json = JSON.parse(
    readFileSync(new URL('../../examples/five.json', import.meta.url), 'utf8'),
  );
  const { byId } = compileJourneys(journeysOfDocument(json));
  expect([...byId.values()].map(({ rules }) => rules.length)).toEqual([3, 1, 1]);
});
