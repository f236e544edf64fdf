// A month of 10,000 users. Each one's lot is the same among few as among many, and what was sent is recounted by the platform's clock.

import { expect, test } from 'vitest';
import type { SimulatedEffect } from '../../src/effects/simulation.js';
import { wallClock } from './helpers.js';
import { alertsOf, GIFT, GIFTS_LIMIT, giftsFrom, monthAfter, simulate } from './month.js';

const START = monthAfter(Date.parse('2026-11-22T00:00Z'));
const USERS = 10_000;
const FEW = 200;

const byUser = (all: readonly SimulatedEffect[]) => {
  const users = new Map<string, SimulatedEffect[]>();
  for (const effect of all) {
    const id = effect.planned.user.id ?? '';
    users.set(id, [...(users.get(id) ?? []), effect]);
  }
  return users;
};

test('10,000 users, and 200 of them on their own', () => {
  const alerts = Array.from({ length: USERS }, (_, user) => alertsOf(user, START, user >= FEW));
  const began = performance.now();
  const many = byUser(simulate(alerts.flat()));
  console.log(
    `${alerts.flat().length} alerts simulated in ${Math.round(performance.now() - began)} ms`,
  );
  const few = byUser(simulate(alerts.slice(0, FEW).flat()));
  expect(few.size).toBe(FEW);
  for (const [user, effects] of few) expect(many.get(user)).toEqual(effects);

  const all = [...many.values()].flat();
  const seen = new Set(all.map(({ state, reason }) => `${state}/${reason}`));
  expect([...seen].sort()).toEqual([
    'capped/BUDGET_OF_USER',
    'capped/CAP',
    'capped/REENTRY',
    'sent/null',
    'suppressed/CONTROL_GROUP',
  ]);
  for (const effects of many.values()) {
    const days = effects
      .filter(({ state, planned }) => state === 'sent' && planned.channel === 'mail')
      .map(({ at, planned: { user } }) => wallClock(user.zone ?? 'Europe/Berlin', at).date);
    expect(new Set(days).size).toBe(days.length);
  }
  for (const { state, at, planned } of all) {
    if (state !== 'sent' || planned.effect !== 'mail') continue;
    const { minute } = wallClock(planned.user.zone ?? 'Europe/Berlin', at);
    expect(minute >= 8 * 60 && minute < 21 * 60 + 30).toBe(true);
  }
}, 120_000);

test('a campaign ends with its money', () => {
  const gifts = simulate(giftsFrom(START)).map(({ state, reason }) => reason ?? state);
  const asked = gifts.filter((what) => what !== 'CONTROL_GROUP');
  const paid = GIFTS_LIMIT / GIFT;
  expect(asked.slice(0, paid)).toEqual(Array(paid).fill('sent'));
  expect(new Set(asked.slice(paid))).toEqual(new Set(['BUDGET']));
});
