// The cart-abandonment example whole, as `npm run demo -- --example retention` runs it: held through quiet hours, cancelled by the
// purchase, reminder, then coupon within budget.

import { expect, test } from 'vitest';
import { environment, run } from './support/cli.js';

interface Retention {
  rows: { customer: string; effect: string; state: string; reason: string | null; at: number }[];
  mails: number;
  coupons: number;
}

test('demo --example retention --json', async () => {
  const args = ['demo', '--example', 'retention', '--json'];
  const { code, stdout, stderr } = await run(args, { env: environment() });
  expect(code, stderr).toBe(0);
  const { rows, mails, coupons } = JSON.parse(stdout) as Retention;
  const told = rows.map(({ customer, effect, state, reason }) => [customer, effect, state, reason]);
  expect(told).toEqual([
    ['ann', 'cart-reminder', 'delivered', null],
    ['ann', 'cart-coupon', 'delivered', null],
    ['bob', 'cart-reminder', 'suppressed', 'GOAL_REACHED'],
    ['ann', 'cart-reminder', 'capped', 'REENTRY'],
    ['cid', 'cart-reminder', 'delivered', null],
    ['cid', 'cart-coupon', 'delivered', null],
    ['dot', 'cart-reminder', 'delivered', null],
    ['dot', 'cart-coupon', 'suppressed', 'GOAL_REACHED'],
    ['eve', 'cart-reminder', 'delivered', null],
    ['eve', 'cart-coupon', 'capped', 'BUDGET'],
  ]);
  // The receivers' own count.
  expect({ mails, coupons }).toEqual({ mails: 4, coupons: 2 });
  const [, , , , held, next] = rows;
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' });
  expect(clock.format(held?.at)).toBe('08:00');
  expect(((next?.at ?? 0) - (held?.at ?? 0)) / 3_600_000).toBeCloseTo(24, 1);
});
