// What alerts set off, through the shipped workflows on the time-skipping server: delay, quiet hours, caps, follow-ups and goals.

import { days, hours, minutes } from 'temporal-cep';
import { type JourneyTest, startJourneyTest } from 'temporal-cep/testing';
import type { Alert } from 'temporal-cep/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import effects from './support/cart-effects.js';

const sent: { name: string; user: string; at: number }[] = [];
let shop: JourneyTest;

const sending = (name: string) => async (alert: Alert) => {
  sent.push({ name, user: alert.key, at: await shop.now() });
};
const sentTo = (user: string) => sent.filter((each) => each.user === user);
const alertOf = (user: string, nth = 0) =>
  shop.alerts.filter(({ key }) => key === user)[nth] as Alert;
const recordsOf = async (user: string, nth = 0) =>
  (await shop.effects(alertOf(user, nth))).map(({ effect, state, reason }) => [
    effect,
    state,
    reason,
  ]);

/** Lets time go on until it is so late on the clocks of Berlin. */
async function untilHour(hour: number): Promise<void> {
  const clock = new Intl.DateTimeFormat('en', {
    timeZone: 'Europe/Berlin',
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  });
  const [h, m] = clock
    .format(await shop.now())
    .split(':')
    .map(Number) as [number, number];
  await shop.skip(((hour * 60 - h * 60 - m + 1_440) % 1_440) * 60_000);
}

beforeAll(async () => {
  shop = await startJourneyTest({
    journeys: './test/e2e/support/effect-journeys.ts',
    journey: 'cart',
    effects,
    activities: { sendCoupon: sending('sendCoupon'), second: sending('second') },
  });
});
afterAll(() => shop?.stop());

test('a reminder after its delay, and the next one a day later', async () => {
  await untilHour(10);
  await shop.send({ eventType: 'cart', userId: 'ann' });
  await shop.skip(minutes(11));
  const { at } = alertOf('ann');
  expect(await recordsOf('ann')).toEqual([['sendCoupon', 'planned', null]]);
  await shop.skip(minutes(30));
  expect(sentTo('ann').map(({ name }) => name)).toEqual(['sendCoupon']);
  expect((sentTo('ann')[0]?.at ?? 0) - at - minutes(30)).toBeLessThan(minutes(1));
  expect(await recordsOf('ann')).toEqual([
    ['sendCoupon', 'delivered', null],
    ['second', 'planned', null],
  ]);
  await shop.skip(days(1));
  expect(sentTo('ann').map(({ name }) => name)).toEqual(['sendCoupon', 'second']);
});

test('a purchase ends the wait of both', async () => {
  await untilHour(10);
  await shop.send({ eventType: 'cart', userId: 'bob' });
  await shop.skip(minutes(20));
  await shop.send({ eventType: 'purchase', userId: 'bob' });
  await shop.skip(days(2));
  expect(sentTo('bob')).toEqual([]);
  expect(await recordsOf('bob')).toEqual([['sendCoupon', 'suppressed', 'GOAL_REACHED']]);

  await untilHour(10);
  await shop.send({ eventType: 'cart', userId: 'cid' });
  await shop.skip(hours(1));
  await shop.send({ eventType: 'purchase', userId: 'cid' });
  await shop.skip(days(2));
  expect(sentTo('cid').map(({ name }) => name)).toEqual(['sendCoupon']);
  expect(await recordsOf('cid')).toEqual([
    ['sendCoupon', 'delivered', null],
    ['second', 'suppressed', 'GOAL_REACHED'],
  ]);
});

test('one that falls due at night waits for the morning', async () => {
  await untilHour(22);
  await shop.send({ eventType: 'cart', userId: 'dot' });
  await shop.skip(hours(1));
  expect(await recordsOf('dot')).toEqual([['sendCoupon', 'held', 'QUIET_HOURS']]);
  await untilHour(9);
  expect(sentTo('dot')).toHaveLength(1);
  const hour = new Intl.DateTimeFormat('en', {
    timeZone: 'Europe/Berlin',
    hour: 'numeric',
    hourCycle: 'h23',
  });
  expect(hour.format(sentTo('dot')[0]?.at)).toBe('08');
});

test('a second one on the same day is capped', async () => {
  await untilHour(9);
  await shop.send({ eventType: 'cart', userId: 'eve' });
  await shop.skip(hours(1));
  await shop.send({ eventType: 'cart', userId: 'eve' });
  await shop.skip(hours(1));
  expect(await recordsOf('eve', 0)).toContainEqual(['sendCoupon', 'delivered', null]);
  expect(await recordsOf('eve', 1)).toEqual([['sendCoupon', 'capped', 'CAP']]);
  expect(sentTo('eve')).toHaveLength(1);
});
