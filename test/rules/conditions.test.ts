// Conditions in documents: text, registered classes, and Flink's combinations, both ways.

import { describe, expect, test } from 'vitest';
import { askCondition } from '../../src/automaton/asked.js';
import { RuleError } from '../../src/errors.js';
import type { CepEvent } from '../../src/event.js';
import {
  type ConditionClasses,
  conditionDocument,
  conditionOf,
} from '../../src/rules/conditions.js';
import type { ConditionDocument } from '../../src/rules/document.js';

interface Click {
  readonly eventType: string;
  readonly price: number;
}

const classes = {
  'shop.rules.PriceOver': {
    version: 2,
    create: ([limit]: readonly string[]) => {
      if (Number.isNaN(Number(limit))) throw new Error('the limit is a number');
      return ({ price }: Click) => price > Number(limit);
    },
  },
  'shop.Purchase': {
    create:
      () =>
      ({ eventType }: Click) =>
        eventType === 'purchase',
  },
  'shop.rules.Dearer': {
    create:
      () =>
      ({ price }: Click, match: { view?: readonly Click[] }) =>
        (match.view ?? []).every((view) => view.price < price),
  },
} as unknown as ConditionClasses;

const FLINK = 'org.apache.flink.cep.pattern.conditions';
const isCart: ConditionDocument = { type: 'AVIATOR', expression: "eventType == 'cart'" };
const isOver: ConditionDocument = {
  type: 'CLASS',
  className: 'shop.rules.PriceOver',
  args: ['100'],
};
const combined = (name: string, ...nestedConditions: ConditionDocument[]): ConditionDocument => ({
  type: 'CLASS',
  className: `${FLINK}.${name}`,
  nestedConditions,
});
const build = (document: ConditionDocument) => conditionOf(document, '$.condition', classes);
const asks = (document: ConditionDocument, eventType: string, price: number, match = {}) =>
  build(document).evaluate({ eventType, price }, match, 0);

test('a registered condition is made with its arguments', () => {
  expect(asks(isOver, 'cart', 101)).toBe(true);
  expect(asks(isOver, 'cart', 100)).toBe(false);
  expect(build(isOver)).toMatchObject({
    type: 'CLASS',
    expression: 'shop.rules.PriceOver',
    args: ['100'],
    version: 2,
    iterative: false,
  });
});

test('one that declares the match is iterative', () => {
  const dearer: ConditionDocument = { type: 'CLASS', className: 'shop.rules.Dearer' };
  expect(build(dearer).iterative).toBe(true);
  expect(asks(dearer, 'view', 5, { view: [{ price: 4 }] })).toBe(true);
  expect(asks(dearer, 'view', 5, { view: [{ price: 6 }] })).toBe(false);
});

test('and, or, not, and those of each other', () => {
  const both = combined('RichAndCondition', isCart, isOver);
  expect([asks(both, 'cart', 101), asks(both, 'cart', 99), asks(both, 'view', 101)]).toEqual([
    true,
    false,
    false,
  ]);
  const neither = combined('RichNotCondition', combined('RichOrCondition', isCart, isOver));
  expect([asks(neither, 'view', 1), asks(neither, 'view', 101), asks(neither, 'cart', 1)]).toEqual([
    true,
    false,
    false,
  ]);
});

test('a subtype is a registered condition', () => {
  const purchase: ConditionDocument = {
    type: 'CLASS',
    className: `${FLINK}.SubtypeCondition`,
    subClassName: 'shop.Purchase',
  };
  expect(asks(purchase, 'purchase', 1)).toBe(true);
  expect(asks(purchase, 'view', 1)).toBe(false);
});

test('Groovy is taken where it reads as AVIATOR', () => {
  expect(asks({ type: 'GROOVY', expression: "eventType == 'cart' && price > 3" }, 'cart', 4)).toBe(
    true,
  );
  expect(() => build({ type: 'GROOVY', expression: 'def x = 3; x > 2' })).toThrow(
    /^\$\.condition: Groovy is not run here/,
  );
});

describe('what is refused says where', () => {
  test.each<[ConditionDocument, string, string]>([
    [
      { type: 'CLASS', className: 'shop.rules.Nobody' },
      'CONDITION_UNKNOWN',
      '$.condition.className: no condition is registered as shop.rules.Nobody: add it to "conditions" of defineJourneys(), or name one of shop.rules.PriceOver',
    ],
    [
      { type: 'CLASS', className: 'x.Subtype', subClassName: 'shop.View' },
      'CONDITION_UNKNOWN',
      '$.condition.subClassName: no condition is registered as shop.View',
    ],
    [
      { type: 'CLASS', className: 'shop.rules.PriceOver', args: ['dear'] },
      'CONDITION_UNKNOWN',
      '$.condition.args: shop.rules.PriceOver refuses ["dear"]: the limit is a number',
    ],
    [
      combined('RichAndCondition', isCart, { type: 'AVIATOR', expression: 'price = 1' }),
      'EXPRESSION_INVALID',
      '$.condition.nestedConditions[1]: AVIATOR expression, column 7: it assigns',
    ],
    [
      combined('RichNotCondition', isCart, isOver),
      'DOCUMENT_INVALID',
      '$.condition.nestedConditions: RichNotCondition wants one, not 2',
    ],
    [combined('RichOrCondition'), 'DOCUMENT_INVALID', 'RichOrCondition wants at least one, not 0'],
  ])('%j', (document, code, message) => {
    try {
      build(document);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RuleError);
      expect((error as RuleError).code).toBe(code);
      expect((error as RuleError).message).toContain(message);
    }
  });
});

test('what is built is written down again', () => {
  const documents = [
    isCart,
    isOver,
    { type: 'CLASS', className: 'shop.rules.Dearer' },
    { type: 'CLASS', className: 'RichSubtypeCondition', subClassName: 'shop.Purchase' },
    combined('RichAndCondition', isCart, combined('RichNotCondition', isOver)),
    { type: 'CEL', expression: 'event.price > 2.0' },
  ] as ConditionDocument[];
  for (const document of documents) {
    expect(conditionDocument(build(document), 'a')).toEqual(document);
  }
});

test('what is told of them when they are asked', () => {
  const event: CepEvent = {
    ...{ source: 's', partition: 0, offset: 0, timestamp: 1 },
    data: { eventType: 'cart', price: 99 },
  };
  expect(askCondition(build(combined('RichAndCondition', isCart, isOver)), event, {})).toEqual({
    condition: "(eventType == 'cart') && (shop.rules.PriceOver(100))",
    answer: false,
    values: [],
    parts: [
      {
        condition: "eventType == 'cart'",
        answer: true,
        values: [{ path: 'event.eventType', value: 'cart' }],
      },
      { condition: 'shop.rules.PriceOver(100)', answer: false, values: [] },
    ],
  });
});
