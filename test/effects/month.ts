// A month of alerts for many users in three zones whose clocks are moved in it, and the policies that decide about their effects.

import { type EffectsDocument, readEffects } from '../../src/effects/declaration.js';
import { planEffect } from '../../src/effects/plan.js';
import { type SimulatedEffect, simulateEffects } from '../../src/effects/simulation.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, hours, minutes, type Timestamp } from '../../src/time.js';

export const MONTH = days(30);
export const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'] as const;
/** What comes of two effects of a user that are decided closer together depends on how fast a machine is. */
const APART = minutes(2);
/** Alerts of several users come at one moment: a server that skips time does one moment after the other. */
const SLOT = hours(2);
/** Of gifts: what they cost and how much there is for them, in all. */
export const GIFT = 5;
export const GIFTS_LIMIT = 50;

/**
 * On the first 8 March after a time: in the 30 days since then New York's clocks go forward, then Berlin's, and Lord Howe's go back
 * by half an hour.
 */
export function monthAfter(now: Timestamp): Timestamp {
  const year = new Date(now).getUTCFullYear();
  const start = Date.UTC(year, 2, 8);
  return start > now ? start : Date.UTC(year + 1, 2, 8);
}

const send = (name: string) => ({ kind: 'function', name });

export const month: EffectsDocument = {
  // Lengths that are no differences of slots and ends of quiet hours: what is due at such a moment would hang on milliseconds.
  zone: 'Europe/Berlin',
  control: 5,
  caps: [{ max: 4, per: '161h', of: 'user' }],
  effects: {
    mail: {
      send: send('mail'),
      channel: 'mail',
      quietHours: { from: '21:30', to: '08:00' },
      caps: [{ max: 1, per: 'day', of: 'channel' }],
      control: 10,
      followUp: { after: '52h', effect: 'reminder' },
    },
    reminder: {
      send: send('reminder'),
      channel: 'mail',
      quietHours: { from: '22:00', to: '02:15' },
      caps: [{ max: 1, per: 'day', of: 'channel' }],
    },
    coupon: {
      send: send('coupon'),
      delay: '95m',
      quietHours: { from: '20:00', to: '09:10' },
      reentry: { after: '4290m' },
      budget: { campaign: 'spring', value: '5.00', limit: '999999.00', perUser: '10.00' },
    },
    gift: {
      send: send('gift'),
      budget: { campaign: 'gifts', value: `${GIFT}.00`, limit: `${GIFTS_LIMIT}.00` },
    },
  },
};
export const declared = readEffects(month);

export interface MonthAlert {
  readonly alert: Alert;
  readonly effects: readonly string[];
}

/** The same numbers for the same seed, between 0 and 1. After mulberry32. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The alerts of one user; of the same user always the same.
 *
 * @param mayBeClose - whether what becomes of them may depend on milliseconds, which a simulation has none of
 */
export function alertsOf(user: number, start: Timestamp, mayBeClose = false): MonthAlert[] {
  const random = numbers(user * 7_919 + 1);
  const id = `user-${user}`;
  // One in ten tells no zone.
  const zone = user % 10 === 9 ? {} : { zone: ZONES[user % ZONES.length] };
  const wanted = 3 + Math.floor(random() * 4);
  let found: MonthAlert[] = [];
  let at = 0;
  while (found.length < wanted) {
    // Often on the same day, seldom in the same week; nothing in the last days, so that all is over with the month.
    at = random() < 0.4 ? at + SLOT : Math.floor((random() * (MONTH - days(5))) / SLOT) * SLOT;
    if (at > MONTH - days(4)) continue;
    const rule = random() < 0.5 ? 'left' : 'looked';
    const alert: Alert = {
      id: `${id}-${found.length}`,
      ...{ journey: 'shop', rule, ruleVersion: 1 },
      ...{ key: id, userId: id, userSession: null, type: 'LEFT', message: 'left' },
      at: start + at + minutes(7),
      match: { cart: [{ userId: id, ...zone }] },
    };
    const more = [...found, { alert, effects: ['mail', 'coupon'] }];
    if (mayBeClose || isApart(more)) found = more;
  }
  return found;
}

/** Whether it does not depend on milliseconds what becomes of the effects. */
function isApart(all: readonly MonthAlert[]): boolean {
  const times = simulate(all).map(({ at }) => at);
  const planned = all.map(({ alert: { at } }) => at);
  const close = (some: number[]) =>
    some.sort((a, b) => a - b).some((at, i) => i > 0 && at - (some[i - 1] as number) < APART);
  return !close(times) && !close(planned);
}

/** Users who are each given one thing, minutes apart, until the budget is spent. */
export function giftsFrom(start: Timestamp): MonthAlert[] {
  return Array.from({ length: 15 }, (_, i) => {
    const id = `guest-${i}`;
    const alert: Alert = {
      ...{ id, journey: 'shop', rule: 'guest', ruleVersion: 1 },
      ...{ key: id, userId: id, userSession: null, type: 'GUEST', message: 'guest' },
      at: start + days(2) + i * minutes(7),
      match: {},
    };
    return { alert, effects: ['gift'] };
  });
}

export function simulate(all: readonly MonthAlert[]): SimulatedEffect[] {
  return simulateEffects({
    declared,
    planned: all.flatMap(({ alert, effects }) =>
      effects.map((name) => {
        const effect = declared.effects[name];
        if (!effect) throw new Error(`no effect ${name}`);
        return { at: alert.at, planned: planEffect({ all: declared, effect }, name, alert) };
      }),
    ),
  });
}
