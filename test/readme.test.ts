// The README's first example is a file that runs: it is compared to the letter, then fed three events.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import journeys from '../examples/cart-abandonment.js';
import { runOffline } from '../src/backtest/offline.js';
import { compileJourneys } from '../src/rules/compiled.js';
import { minutes } from '../src/time.js';

const readme = readFileSync('README.md', 'utf8');
const [block = ''] = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

test('the first example of the README is examples/cart-abandonment.ts, and short', () => {
  const [title, ...code] = block.split('\n');
  expect(title).toBe('// journeys.ts');
  expect(code.join('\n')).toBe(readFileSync('examples/cart-abandonment.ts', 'utf8'));
  expect(block.trimEnd().split('\n').length).toBeLessThan(25);
});

test('it tells the cart that was left from the one that was bought', () => {
  const startsAt = Date.UTC(2026, 0, 1);
  const click = (offset: number, fields: object) => ({
    source: 'test',
    partition: 0,
    offset,
    recordTime: startsAt + minutes(1),
    value: { eventTime: startsAt + minutes(offset), price: 250, ...fields },
  });
  const { alerts } = runOffline({
    journeys: compileJourneys(journeys),
    records: [
      click(0, { eventType: 'cart', productId: 'lamp', userSession: 'ann' }),
      click(1, { eventType: 'cart', productId: 'desk', userSession: 'bob' }),
      click(2, { eventType: 'purchase', productId: 'desk', userSession: 'bob' }),
    ],
  });
  const summary = alerts.map(({ key, type, message }) => [key, type, message]);
  expect(summary).toEqual([
    ['bob', 'PURCHASE_COMPLETION', 'PURCHASE_COMPLETION (cart-abandonment)'],
    ['ann', 'CART_ABANDONMENT', 'lamp was left in the cart'],
  ]);
});
