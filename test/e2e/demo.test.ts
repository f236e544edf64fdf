// The demo as `npm run demo` runs it, with a small past: every kind of alert appears, the sessions agree
// with the same rules offline, the live cart's timer fired before its alert, standard output holds the
// result alone, and nothing is left behind.

import { expect, test } from 'vitest';
import { answers, isAlive } from '../servers/helpers.js';
import { until } from '../support/until.js';
import { descendantsOf, environment, start } from './support/cli.js';

const TYPES = [
  'CROSS_UPSELL',
  'CART_ABANDONMENT',
  'PURCHASE_COMPLETION',
  'PURCHASE_INTENT',
  'PRICE_SENSITIVITY',
  'CHURN_RISK',
  'PAYMENT_TIMEOUT',
  'PAYMENT_SUCCESS',
];

interface DemoJson {
  ingest: { read: number; events: number; late: number; dead: object };
  alerts: Record<string, number>;
  rules: Record<string, { errors: number; failures: number; dropped: number }>;
  offline: { alerts: number; missing: string[]; surplus: string[]; equal: boolean };
  liveCart: { workflowId: string; timerFiredBeforeAlert: boolean };
  uiUrl: string;
}

test('demo --json --events 1000 --seed 7', async () => {
  const args = ['demo', '--json', '--events', '1000', '--seed', '7'];
  const demo = start(args, { env: environment() });
  await demo.says(/Worker is ready/);
  const started = descendantsOf(demo.pid);
  expect(started.length).toBeGreaterThan(0);
  const [, address = ''] = /Temporal is ready at (\S+),/.exec(demo.stderr()) ?? [];
  expect(await answers(address)).toBe(true);

  const { code, stdout, stderr } = await demo.ended;
  expect(code, stderr).toBe(0);
  expect(stdout.split('\n').length).toBe(2);
  const result = JSON.parse(stdout) as DemoJson;

  // Each alert that was told of is one of the known types, and of each there is at least one.
  expect(Object.keys(result.alerts).sort()).toEqual([...TYPES].sort());
  for (const type of TYPES) expect(stderr).toMatch(new RegExp(` ${type} `));
  const total = Object.values(result.alerts).reduce((sum, count) => sum + count, 0);
  expect(result.offline).toEqual({ alerts: total, missing: [], surplus: [], equal: true });
  expect(result.ingest.events).toBe(result.ingest.read);
  expect(result.ingest.read).toBeGreaterThan(1_000);
  expect(result.ingest).toMatchObject({ late: 0, dead: {} });
  for (const { errors, failures, dropped } of Object.values(result.rules)) {
    expect({ errors, failures, dropped }).toEqual({ errors: 0, failures: 0, dropped: 0 });
  }
  expect(result.liveCart.workflowId).toMatch(/^live-cart\//);
  expect(result.liveCart.timerFiredBeforeAlert).toBe(true);
  expect(result.rules['live-cart/cart-abandonment-30s']).toMatchObject({ matches: 0, timeouts: 1 });

  await until('all it started has ended', () => !started.some(isAlive));
  expect(await answers(address)).toBe(false);
});
