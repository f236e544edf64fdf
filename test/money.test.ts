// Amounts are exact, and are written as they are read.

import { expect, test } from 'vitest';
import { amountOf, formatAmount } from '../src/money.js';

test.each([
  ['0', 0n, '0.00'],
  ['19.9', 199_000n, '19.90'],
  ['19.9000', 199_000n, '19.90'],
  ['0.0001', 1n, '0.0001'],
  ['0.01', 100n, '0.01'],
  ['12.345', 123_450n, '12.3450'],
  ['-0.5', -5_000n, '-0.50'],
  ['999999999999.9999', 9_999_999_999_999_999n, '999999999999.9999'],
])('%s', (decimal, amount, text) => {
  expect(amountOf(decimal)).toBe(amount);
  expect(formatAmount(amount)).toBe(text);
  expect(amountOf(text)).toBe(amount);
});

test.each(['', '1,5', '1e3', '1.00001', '.5', 'NaN'])('"%s" is none', (text) => {
  expect(() => amountOf(text)).toThrow('is an amount of money');
});
