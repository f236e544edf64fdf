// AVIATOR conditions: what the texts of rule tables mean, and what is refused, with its place.

import { describe, expect, test } from 'vitest';
import { RuleError } from '../../src/errors.js';
import { aviator } from '../../src/rules/aviator.js';

const click = {
  eventType: 'cart',
  price: 150.5,
  count: 3,
  brand: null,
  userId: '17',
  isNew: true,
  tags: ['a', 'b'],
  basket: { size: 2, items: [{ id: 'x' }], 'odd name': 7 },
};
const ask = (expression: string) => aviator(expression).evaluate(click, {}, 0);

describe('what a text means', () => {
  test.each([
    ["eventType == 'cart' && price > 50", true],
    ['eventType == "view" || price <= 150.5', true],
    ['!(price > 200)', true],
    ['!isNew', false],
    // Precedence: arithmetic, comparison, equality, &&, ||, ?:.
    ['1 + 2 * 3 == 7 && 2 < 3 == true', true],
    ['(1 + 2) * 3 == 9', true],
    ['true || true && false', true],
    ['-count == -3 && - -count == 3', true],
    ["price > 100 ? eventType == 'cart' : false", true],
    ['false ? true : false ? true : false', false],
    // A2: whole numbers of the text are longs, those of an event doubles.
    ['7 / 2 == 3 && -7 / 2 == -3 && 7 % 4 == 3', true],
    ['count / 2 == 1.5', true],
    ['7 / 2.0 == 3.5 && 7 / 2 * 1.0 == 3.0', true],
    ['0x1F == 31 && 1e3 == 1000 && 5N == 5 && .5 == 0.50M', true],
    // nil is smaller than everything but nil; a field that is not there is nil.
    ['brand == nil && nothing == nil && nil == nil', true],
    ["brand != 'apple' && price != nil", true],
    ['nothing < 0 && brand < false && nothing <= nil', true],
    ['nothing > 0', false],
    ['nothing.at.all == nil', true],
    // Strings.
    ["userId == '17' && 'b' > 'a' && eventType + 1 == 'cart1'", true],
    ["string.contains(eventType, 'ar') && string.startsWith(eventType, 'c')", true],
    ["string . endsWith ( eventType , 't' ) && string.length(eventType) == 4", true],
    ["string.substring(eventType, 1) == 'art' && string.substring(eventType, 1, 2) == 'a'", true],
    ["string.indexOf(eventType, 'r') == 2 && string.length('ab') / 4 == 0", true],
    ["'it\\'s' == \"it's\" && 'a\\nb' != 'anb'", true],
    ["str(1) == '1' && str(nil) == 'null'", true],
    // Paths, lists, conversions, numbers.
    ["basket.size == 2 && basket.items[0].id == 'x' && basket['odd name'] == 7", true],
    ["count(tags) == 2 && include(tags, 'b') && !include(tags, 3)", true],
    ["long(userId) + 1 == 18 && double('1.5') == 1.5 && long(2.9) == 2", true],
    ['math.abs(-2) == 2 && math.round(2.5) == 3 && math.pow(2, 3) == 8 && math.sqrt(9) == 3', true],
    ['min(3, 1, 2) == 1 && max(3, count) == 3', true],
    ["boolean('true') && is_nil(brand)", true],
  ])('%s', (expression, answer) => {
    expect(ask(expression)).toBe(answer);
  });

  test('what is decided by the left side asks no more', () => {
    expect(ask("eventType == 'view' && price > 'x'")).toBe(false);
    expect(ask("eventType == 'cart' || price > 'x'")).toBe(true);
  });

  test.each([
    ["price > '100'", /a number and a string can not be compared/],
    ['price && true', /&& wants a boolean, not a number/],
    ['nothing && true', /&& wants a boolean, not nil/],
    ['nothing + 1 > 0', /\+ wants a number, not nil/],
    ['price', /gives a number, not a boolean/],
    ['1 / 0 > 0', /divided by 0/],
    ['tags[5] == nil', /no element 5/],
    ["string.contains(price, '1')", /wants a string, not a number/],
    ["long('x') == 1", /long wants a number or the text of one/],
  ])('%s throws', (expression, message) => {
    expect(() => ask(expression)).toThrow(message);
  });

  test('names of the prototype are no fields', () => {
    expect(ask('constructor == nil && toString == nil && basket.hasOwnProperty == nil')).toBe(true);
    expect(() => ask('constructor()')).toThrow(RuleError);
  });
});

describe('what is refused', () => {
  test.each([
    ['', 'column 1: it is empty'],
    ['price = 3', 'column 7: it assigns: equality is =='],
    ['eventType =~ /c.*/', 'column 11: regular expressions are not supported'],
    ['/c.*/ == 1', 'column 1: regular expressions'],
    ['price > 1; true', 'column 10: a condition is one expression'],
    ['lambda(x) -> x end', "column 1: 'lambda' is not supported"],
    ['price > 1 & true', 'column 11: bits are not supported: logic is &&'],
    ['price >', 'column 8: unexpected the end'],
    ['(price > 1', 'column 11: unexpected the end, expected )'],
    ["eventType == 'cart", 'column 14: the string is not closed'],
    ['price > 1 price', 'column 11: unexpected price'],
    ['seq.get(tags, 0) == 1', 'column 1: unknown function seq.get; known are string.contains'],
    ['string.length() == 1', 'column 1: string.length takes 1 arguments, not 0'],
    ['price § 1', 'column 7: unexpected character §'],
    [`${'('.repeat(200)}true${')'.repeat(200)}`, 'nested too deeply'],
    [`${'!'.repeat(200)}true`, 'nested too deeply'],
    [`price > 1 || ${'x'.repeat(5_000)}`, 'at most 4096 are allowed'],
  ])('%s', (expression, message) => {
    expect(() => aviator(expression)).toThrow(`AVIATOR expression, `);
    expect(() => aviator(expression)).toThrow(message);
  });

  test('the place is told', () => {
    try {
      aviator("eventType == 'cart' &&\n  price = 3");
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'EXPRESSION_INVALID',
        details: { position: 31, line: 2, column: 9 },
      });
    }
  });
});
