// The test harness on the time-skipping server: what it says to events and journeys it cannot use, and the
// shop's churn rule over weeks that pass in milliseconds. harness-example.test.ts is the README's.

import { CepError, days, hours } from 'temporal-cep';
import { type JourneyTest, startJourneyTest } from 'temporal-cep/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const MODULE = './examples/journeys.ts';
const view = { eventType: 'view', userId: 'ann', productId: 'lamp' };
const purchase = { ...view, eventType: 'purchase' };

/** The error of a call that must fail. */
async function errorOf(call: Promise<unknown>): Promise<CepError> {
  const error = await call.then(
    () => expect.fail('it should have failed'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CepError);
  return error as CepError;
}

test('an unknown journey is named, beside those there are; no server is started', async () => {
  const error = await errorOf(startJourneyTest({ journeys: MODULE, journey: 'churn' }));
  expect(error.code).toBe('JOURNEYS_INVALID');
  expect(error.message).toBe(
    'the module has no journey "churn": it has shopping, pricing, loyalty, order',
  );
});

test('a missing module is named', async () => {
  const error = await errorOf(startJourneyTest({ journeys: './none.ts', journey: 'loyalty' }));
  expect(error.code).toBe('JOURNEYS_INVALID');
  expect(error.message).toMatch(/^no journeys module at .*none\.ts: /);
});

describe('the churn rule', () => {
  // One server for all: the sessions of one customer end before those of the next begin.
  let shop: JourneyTest;

  beforeAll(async () => {
    shop = await startJourneyTest({ journeys: MODULE, journey: 'loyalty' });
  });
  afterAll(() => shop?.stop());

  const types = (userId: string) =>
    shop.alerts.filter((alert) => alert.userId === userId).map(({ type }) => type);

  test('ten views, a purchase on day three: no alert, and no session is left', async () => {
    await shop.send(...Array(10).fill({ ...view, userId: 'bea' }));
    await shop.skip(days(3));
    expect((await shop.state('bea'))?.rules[0]?.open.length).toBeGreaterThan(0);
    await shop.send({ ...purchase, userId: 'bea' });
    await shop.skip(days(30));
    expect(types('bea')).toEqual([]);
    expect(await shop.state('bea')).toBeNull();
  });

  test('a purchase among the views: no alert', async () => {
    await shop.send(...Array(5).fill({ ...view, userId: 'cem' }));
    await shop.send({ ...purchase, userId: 'cem' });
    await shop.send(...Array(9).fill({ ...view, userId: 'cem' }));
    await shop.skip(days(30));
    expect(types('cem')).toEqual([]);
    expect(await shop.state('cem')).toBeNull();
  });

  test('thirty views over three days: one alert, a week after the last one', async () => {
    for (let i = 0; i < 30; i++) {
      await shop.send({ ...view, userId: 'dan' });
      if (i < 29) await shop.skip(hours(2.5));
    }
    const last = await shop.now();
    await shop.skip(days(7) - hours(1));
    expect(types('dan')).toEqual([]);
    await shop.skip(hours(1));
    expect(types('dan')).toEqual(['CHURN_RISK']);
    const [alert] = shop.alerts.filter(({ userId }) => userId === 'dan');
    expect(Math.abs((alert?.at ?? 0) - last - days(7))).toBeLessThan(60_000);
    await shop.skip(days(30));
    expect(types('dan')).toEqual(['CHURN_RISK']);
  });

  test('events it cannot use', async () => {
    const { userId: _, ...nobodys } = view;
    const withoutKey = await errorOf(shop.send(nobodys));
    expect(withoutKey.code).toBe('RECORD_WITHOUT_KEY');
    expect(withoutKey.message).toMatch(/^the event has no key for journey "loyalty"/);

    const now = await shop.now();
    await shop.send({ ...view, userId: 'eve', eventTime: now });
    for (const eventTime of [now, now - 1, 'yesterday']) {
      const timeBack = await errorOf(shop.send({ ...view, userId: 'eve', eventTime }));
      expect(timeBack.code).toBe('RECORD_WITHOUT_TIME');
      expect(timeBack.message).toMatch(
        new RegExp(
          `^the event time ${eventTime} is not after ${now}, the event time reached: send`,
        ),
      );
    }
    // Only the first one counted, and one that no rule is about is passed over.
    await shop.send({ ...view, userId: 'eve', eventType: 'cart' });
    expect((await shop.state('eve'))?.counts.events).toBe(1);
    expect(await shop.state('nobody')).toBeNull();
  });
});

test('an effect of the rule runs, with the alert; one that is not registered is named', async () => {
  const sent: string[] = [];
  const options = { journeys: './test/e2e/support/effect-journeys.ts', journey: 'cart' };
  const error = await errorOf(startJourneyTest(options));
  expect(error.message).toMatch(/names the effect "sendCoupon", which is not registered/);
  const shop = await startJourneyTest({
    ...options,
    activities: { sendCoupon: async ({ type, key }) => void sent.push(`${type} ${key}`) },
  });
  try {
    await shop.send({ eventType: 'cart', userId: 'ann' });
    await shop.skip(hours(1));
    expect(sent).toEqual(['LEFT_CART ann']);
    expect(shop.alerts.map(({ type }) => type)).toEqual(['LEFT_CART']);
  } finally {
    await shop.stop();
  }
});
