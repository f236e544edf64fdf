// From an alert and what is declared to what is planned.

import { expect, test } from 'vitest';
import { planEffect, planFollowUp } from '../../src/effects/plan.js';
import type { Alert } from '../../src/rules/rule.js';
import { declare } from './helpers.js';

const alert: Alert = {
  id: 'a1',
  journey: 'shop',
  rule: 'cart',
  ruleVersion: 3,
  key: 'k',
  userId: 'u1',
  userSession: null,
  type: 'CART_ABANDONMENT',
  message: 'left',
  at: 1_000,
  match: {
    first: [{ mail: null }, { mail: 'old@example.org', tz: 'UTC' }],
    second: [{ mail: 'new@example.org', zone: 'Europe/Berlin' }],
  },
};
const known = {
  alertId: 'a1',
  journey: 'shop',
  key: 'k',
  rule: 'cart',
  ruleVersion: 3,
  matchedAt: 1_000,
};

test('with the first fields of the match, the kind as channel, and no cost', () => {
  expect(planEffect(declare({}, { user: { email: 'mail' } }), 'mail', alert)).toEqual({
    ...known,
    id: 'a1/mail',
    effect: 'mail',
    channel: 'email',
    user: { id: 'u1', email: 'old@example.org', zone: 'Europe/Berlin' },
    cost: null,
    isDryRun: false,
  });
});

test('with what is declared; a follow-up has its own', () => {
  const budget = { campaign: 'spring', value: '5', limit: '100' };
  const follow = {
    send: { kind: 'webhook' },
    channel: 'push',
    dryRun: true,
  };
  const declared = declare({ budget, channel: 'letter' }, { effects: { follow } });
  const planned = planEffect(declared, 'mail', { ...alert, userId: null, match: {} });
  expect(planned).toEqual({
    ...known,
    id: 'a1/mail',
    effect: 'mail',
    channel: 'letter',
    user: { id: null, email: null, zone: null },
    cost: { campaign: 'spring', value: '5' },
    isDryRun: false,
  });
  const { all } = declared;
  const following = { all, effect: all.effects.follow as typeof declared.effect };
  expect(planFollowUp(following, 'follow', planned)).toEqual({
    ...planned,
    id: 'a1/follow',
    effect: 'follow',
    channel: 'push',
    cost: null,
    isDryRun: true,
  });
});

test('a dry run of all is one of each', () => {
  expect(planEffect(declare({}, { dryRun: true }), 'mail', alert).isDryRun).toBe(true);
});
