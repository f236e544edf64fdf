// Each rule of the policy as a table of cases, each case with its whole answer; then which rule comes first; then that what
// factsNeeded asks for is enough.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EffectsDocument } from '../../src/effects/declaration.js';
import {
  type Decision,
  type Declared,
  decide,
  type Facts,
  factsNeeded,
} from '../../src/effects/policy.js';
import type { PlannedEffect, SentEffect } from '../../src/effects/record.js';
import { days, hours, MIN_TIMESTAMP, minutes } from '../../src/time.js';
import { declare, plannedOf } from './helpers.js';

/** 13:00 in Berlin. */
const NOW = Date.parse('2024-06-12T11:00Z');
const NONE: Facts = {
  sent: [],
  isSuppressed: false,
  goalAt: null,
  spent: { campaign: '0', user: '0' },
};
const SEND: Decision = { decision: 'send' };
const refuse = (state: 'capped' | 'suppressed', reason: string, detail?: string) => ({
  decision: 'refuse',
  state,
  reason,
  ...(detail === undefined ? {} : { detail }),
});
const suppressed = (reason: string, detail?: string) => refuse('suppressed', reason, detail);
const capped = (reason: string, detail: string) => refuse('capped', reason, detail);

const sent = (at: number, over: Partial<SentEffect> = {}): SentEffect => ({
  effect: 'mail',
  journey: 'shop',
  rule: 'cart',
  channel: 'email',
  at,
  ...over,
});
const planned = (over: Partial<PlannedEffect> = {}) =>
  plannedOf('a1', { matchedAt: NOW - minutes(5), ...over });
const nobody = { id: null, email: null, zone: null };
const userIn = (zone: string | null) => ({ id: 'u1', email: null, zone });
const answer = (
  declared: Declared,
  facts: Partial<Facts> = {},
  of: Partial<PlannedEffect> = {},
  now = NOW,
) => decide(declared, planned(of), { ...NONE, ...facts }, now);

test('what no policy forbids is sent, to whomever', () => {
  expect(answer(declare())).toEqual(SEND);
  expect(answer(declare(), {}, { user: nobody })).toEqual(SEND);
});

test('a goal cancels when it was reached after the match', () => {
  const matchedAt = NOW - minutes(5);
  const goals = { bought: { when: 'true' } };
  const declared = declare({ goal: 'bought' }, { goals });
  expect(answer(declared, { goalAt: matchedAt })).toEqual(SEND);
  expect(answer(declared, { goalAt: matchedAt + 1 })).toEqual(
    suppressed('GOAL_REACHED', 'at 2024-06-12 10:55:00 UTC'),
  );
});

test('the suppression list', () => {
  expect(answer(declare(), { isSuppressed: true })).toEqual(suppressed('SUPPRESSION_LIST'));
});

test.each<[string, Declared]>([
  ['a cap', declare({ caps: [{ max: 1, per: '1d', of: 'user' }] })],
  ['a cap of all effects', declare({}, { caps: [{ max: 1, per: '1d', of: 'rule' }] })],
  ['re-entry once', declare({ reentry: 'once' })],
  ['re-entry after a time', declare({ reentry: { after: '1d' } })],
  ['a control group', declare({ control: 1 })],
  ['a control group of all', declare({}, { control: 1 })],
  [
    'a budget of the user',
    declare({ budget: { campaign: 'c', value: '1', limit: '10', perUser: '2' } }),
  ],
])('%s needs a user', (_, declared) => {
  const cost = { campaign: 'c', value: '1' };
  expect(answer(declared, {}, { user: nobody, cost })).toMatchObject(suppressed('NO_USER'));
  expect(answer(declared, {}, { user: userIn(null), cost })).not.toMatchObject({
    reason: 'NO_USER',
  });
});

test('a budget of the campaign alone needs no user', () => {
  const declared = declare({ budget: { campaign: 'c', value: '1', limit: '10' } });
  const cost = { campaign: 'c', value: '1' };
  expect(answer(declared, {}, { user: nobody, cost })).toEqual(SEND);
});

test('the control groups', () => {
  expect(answer(declare({}, { control: 100 }))).toEqual(
    suppressed('CONTROL_GROUP', 'of all effects, 100 %'),
  );
  expect(answer(declare({ control: 100 }))).toEqual(
    suppressed('CONTROL_GROUP', 'of mail for rule cart, 100 %'),
  );
  expect(answer(declare({ control: 0 }, { control: 0 }))).toEqual(SEND);
});

describe('zones', () => {
  const quietHours = { from: '22:00', to: '08:00' };
  test.each<[string, Declared, string | null, unknown]>([
    [
      'quiet hours, none at all',
      declare({ quietHours }),
      null,
      suppressed(
        'NO_ZONE',
        'the match names no time zone, and "zone" declares none for such users',
      ),
    ],
    [
      'quiet hours, an invalid one and no default',
      declare({ quietHours }),
      'Mars/Base',
      suppressed('NO_ZONE', '"Mars/Base" is no time zone, and "zone" declares none for such users'),
    ],
    [
      'a cap per day, none at all',
      declare({ caps: [{ max: 1, per: 'day', of: 'user' }] }),
      null,
      suppressed(
        'NO_ZONE',
        'the match names no time zone, and "zone" declares none for such users',
      ),
    ],
    [
      'a rolling cap needs none',
      declare({ caps: [{ max: 1, per: '1d', of: 'user' }] }),
      null,
      SEND,
    ],
    // 23:00 in Auckland, 13:00 in Berlin: until 08:00 there, at +12.
    [
      'the default',
      declare({ quietHours }, { zone: 'Pacific/Auckland' }),
      null,
      { decision: 'hold', until: Date.parse('2024-06-12T20:00Z'), reason: 'QUIET_HOURS' },
    ],
    [
      'the default instead of an invalid one',
      declare({ quietHours }, { zone: 'Pacific/Auckland' }),
      'Mars/Base',
      { decision: 'hold', until: Date.parse('2024-06-12T20:00Z'), reason: 'QUIET_HOURS' },
    ],
    [
      'the user’s before the default',
      declare({ quietHours }, { zone: 'Pacific/Auckland' }),
      'Europe/Berlin',
      SEND,
    ],
  ])('%s', (_, declared, zone, expected) => {
    expect(answer(declared, {}, { user: userIn(zone) })).toEqual(expected);
  });
});

describe('quiet hours', () => {
  const at = (clock: string) => Date.parse(`2024-06-12T${clock}Z`);
  const hold = (until: string) => ({
    decision: 'hold',
    until: Date.parse(`${until}Z`),
    reason: 'QUIET_HOURS',
  });
  const dropped = suppressed('QUIET_HOURS', 'it fell due in quiet hours of UTC');
  const night = { from: '22:00', to: '08:00' };
  const noon = { from: '12:00', to: '13:00', otherwise: 'drop' as const };
  test.each<
    [string, EffectsDocument['quietHours'], EffectsDocument['quietHours'], string, unknown]
  >([
    ['hold until their end', night, undefined, '23:00', hold('2024-06-13T08:00')],
    ['of all effects hold as well', undefined, night, '07:59', hold('2024-06-12T08:00')],
    ['are over at their end', night, undefined, '08:00', SEND],
    ['drop', noon, undefined, '12:00', dropped],
    ['do not drop at their end', noon, undefined, '13:00', SEND],
    ['both apply', night, { from: '07:00', to: '09:30' }, '01:00', hold('2024-06-12T09:30')],
    [
      'drop even where the others hold',
      { ...night, otherwise: 'drop' },
      { from: '20:00', to: '23:30' },
      '23:00',
      dropped,
    ],
    [
      'drop only what falls due in them',
      { from: '08:00', to: '10:00', otherwise: 'drop' },
      night,
      '23:00',
      hold('2024-06-13T10:00'),
    ],
  ])('%s', (_, ofEffect, ofAll, clock, expected) => {
    const declared = declare(
      ofEffect ? { quietHours: ofEffect } : {},
      ofAll ? { quietHours: ofAll } : {},
    );
    expect(answer(declared, {}, { user: userIn('UTC') }, at(clock))).toEqual(expected);
  });
});

describe('re-entry', () => {
  const once = capped('REENTRY', 'once, and last sent at 2024-06-01 00:00:00 UTC');
  const before = Date.parse('2024-06-01T00:00Z');
  test.each<[string, Declared, SentEffect[], unknown]>([
    ['once, never sent', declare({ reentry: 'once' }), [], SEND],
    ['once, sent before', declare({ reentry: 'once' }), [sent(before)], once],
    [
      'once, another effect sent',
      declare({ reentry: 'once' }),
      [sent(before, { effect: 'sms' })],
      SEND,
    ],
    [
      'once, for another rule',
      declare({ reentry: 'once' }),
      [sent(before, { rule: 'other' })],
      SEND,
    ],
    [
      'once, in another journey',
      declare({ reentry: 'once' }),
      [sent(before, { journey: 'other' })],
      SEND,
    ],
    [
      'after 2 d, to the moment',
      declare({ reentry: { after: '2d' } }),
      [sent(NOW - days(2))],
      SEND,
    ],
    [
      'after 2 d, a moment before',
      declare({ reentry: { after: '2d' } }),
      [sent(NOW - days(2) + 1000), sent(NOW - days(9))],
      capped('REENTRY', 'once in 2 d, and last sent at 2024-06-10 11:00:01 UTC'),
    ],
    ['always', declare({ reentry: 'always' }), [sent(NOW)], SEND],
  ])('%s', (_, declared, facts, expected) => {
    expect(answer(declared, { sent: facts })).toEqual(expected);
  });
});

describe('caps', () => {
  const cap = (max: number, per: string, of: 'user' | 'channel' | 'rule') =>
    declare({ caps: [{ max, per, of }] });
  const two = [sent(NOW - hours(1)), sent(NOW - hours(24) + 1)];
  test.each<[string, Declared, SentEffect[], unknown]>([
    ['0 means never', cap(0, '1h', 'user'), [], capped('CAP', '0 of 0 to the user in 1 h')],
    ['full', cap(2, '24h', 'channel'), two, capped('CAP', '2 of 2 by email in 1 d')],
    ['one place left', cap(3, '24h', 'channel'), two, SEND],
    [
      'what was sent `per` ago counts no more',
      cap(1, '24h', 'user'),
      [sent(NOW - hours(24))],
      SEND,
    ],
    [
      'another channel counts for the user',
      cap(1, '1d', 'user'),
      [sent(NOW, { channel: 'sms' })],
      capped('CAP', '1 of 1 to the user in 1 d'),
    ],
    ['and not for the channel', cap(1, '1d', 'channel'), [sent(NOW, { channel: 'sms' })], SEND],
    [
      'another effect of the rule counts',
      cap(1, '1d', 'rule'),
      [sent(NOW, { effect: 'sms' })],
      capped('CAP', '1 of 1 of rule cart in 1 d'),
    ],
    ['another rule does not', cap(1, '1d', 'rule'), [sent(NOW, { rule: 'other' })], SEND],
    [
      'nor one of its name elsewhere',
      cap(1, '1d', 'rule'),
      [sent(NOW, { journey: 'other' })],
      SEND,
    ],
    // The day in Berlin began at 22:00Z.
    [
      'this day',
      cap(1, 'day', 'user'),
      [sent(Date.parse('2024-06-11T22:00Z'))],
      capped('CAP', '1 of 1 to the user on 2024-06-12 in Europe/Berlin'),
    ],
    ['the day before', cap(1, 'day', 'user'), [sent(Date.parse('2024-06-11T21:59:59.999Z'))], SEND],
    [
      'of all effects',
      declare({}, { caps: [{ max: 2, per: '7d', of: 'user' }] }),
      two,
      capped('CAP', '2 of 2 to the user in 7 d'),
    ],
    [
      'of all effects and of this',
      declare(
        { caps: [{ max: 1, per: '1d', of: 'rule' }] },
        { caps: [{ max: 9, per: '7d', of: 'user' }] },
      ),
      two,
      capped('CAP', '2 of 1 of rule cart in 1 d'),
    ],
  ])('%s', (_, declared, facts, expected) => {
    expect(answer(declared, { sent: facts })).toEqual(expected);
  });

  test('a day of 25 hours counts from its beginning', () => {
    const now = Date.parse('2024-10-27T22:59Z');
    const first = Date.parse('2024-10-26T22:00Z');
    const declared = cap(1, 'day', 'user');
    expect(answer(declared, { sent: [sent(first)] }, {}, now)).toMatchObject({ reason: 'CAP' });
    expect(answer(declared, { sent: [sent(first - 1)] }, {}, now)).toEqual(SEND);
    expect(answer(declared, { sent: [sent(first)] }, {}, now + minutes(1))).toEqual(SEND);
  });
});

describe('budget', () => {
  const budget = { campaign: 'spring', value: '0.1', limit: '0.3', perUser: '0.2' };
  const cost = { campaign: 'spring', value: '0.1' };
  test.each<[string, { campaign: string; user: string }, unknown]>([
    // 0.2 + 0.1 is more than 0.3 in floats.
    ['filled to the last cent', { campaign: '0.2000', user: '0.1' }, SEND],
    [
      'exceeded by a hundredth of one',
      { campaign: '0.2001', user: '0' },
      capped('BUDGET', '0.2001 of 0.30 of spring are spent, this costs 0.10'),
    ],
    [
      'of the user exceeded',
      { campaign: '0.2', user: '0.1001' },
      capped('BUDGET_OF_USER', 'of the user: 0.1001 of 0.20 of spring are spent, this costs 0.10'),
    ],
    [
      'of more than a double holds',
      { campaign: '9007199254740993.0001', user: '0' },
      capped('BUDGET', '9007199254740993.0001 of 0.30 of spring are spent, this costs 0.10'),
    ],
  ])('%s', (_, spent, expected) => {
    expect(answer(declare({ budget }), { spent }, { cost })).toEqual(expected);
  });
});

test.each([
  ['planned as one', declare(), true],
  ['declared since', declare({ dryRun: true }), false],
  ['all declared since', declare({}, { dryRun: true }), false],
])('a dry run sends nothing: %s', (_, declared, isDryRun) => {
  expect(answer(declared, {}, { isDryRun })).toEqual(suppressed('DRY_RUN'));
});

test('of all that forbids, the first in order is the reason', () => {
  const night = { from: '12:00', to: '14:00' };
  const all: Partial<EffectsDocument> = { goals: { bought: { when: 'true' } } };
  const effect = {
    goal: 'bought',
    control: 100,
    quietHours: night,
    reentry: 'once' as const,
    caps: [{ max: 0, per: '1d', of: 'user' as const }],
    budget: { campaign: 'c', value: '2', limit: '1', perUser: '1' },
    dryRun: true,
  };
  const facts = { ...NONE, sent: [sent(NOW)], isSuppressed: true, goalAt: NOW };
  const cost = { campaign: 'c', value: '2' };
  const reason = (
    over: Partial<typeof effect>,
    known: Partial<Facts>,
    of: Partial<PlannedEffect> = {},
    document = all,
  ) => {
    const decision = answer(
      declare({ ...effect, ...over }, document),
      { ...facts, ...known },
      { cost, ...of },
    );
    return decision.decision === 'send' ? 'sent' : `${decision.decision} ${decision.reason}`;
  };
  const noGoal = { goalAt: null };
  const listed = { ...noGoal, isSuppressed: false };
  const day = { from: '22:00', to: '06:00' };
  expect([
    reason({}, {}, { user: nobody }),
    reason({}, noGoal, { user: nobody }),
    reason({}, listed, { user: nobody }),
    reason({}, listed, { user: userIn(null) }),
    reason({}, listed),
    reason({ quietHours: day }, listed),
    reason({ control: 0, quietHours: day }, listed),
    reason({ control: 0, quietHours: day }, { ...listed, sent: [] }),
    reason({ control: 0, quietHours: day, caps: [] }, { ...listed, sent: [] }),
    reason(
      { control: 0, quietHours: day, caps: [], budget: { ...effect.budget, limit: '2' } },
      { ...listed, sent: [] },
    ),
    reason(
      {
        control: 0,
        quietHours: day,
        caps: [],
        budget: { ...effect.budget, limit: '2', perUser: '2' },
      },
      { ...listed, sent: [] },
    ),
    reason(
      {
        control: 0,
        quietHours: day,
        caps: [],
        budget: { ...effect.budget, limit: '2', perUser: '2' },
        dryRun: false,
      },
      { ...listed, sent: [] },
    ),
  ]).toEqual([
    'refuse GOAL_REACHED',
    'refuse SUPPRESSION_LIST',
    'refuse NO_USER',
    'refuse NO_ZONE',
    'hold QUIET_HOURS',
    'refuse CONTROL_GROUP',
    'refuse REENTRY',
    'refuse CAP',
    'refuse BUDGET',
    'refuse BUDGET_OF_USER',
    'refuse DRY_RUN',
    'sent',
  ]);
});

describe('facts needed', () => {
  test.each<[string, Declared, Partial<PlannedEffect>, number | null]>([
    ['none', declare(), {}, null],
    [
      'the longest window',
      declare(
        { caps: [{ max: 1, per: '1d', of: 'user' }], reentry: { after: '3d' } },
        { caps: [{ max: 1, per: '2d', of: 'user' }] },
      ),
      {},
      NOW - days(3),
    ],
    [
      'the day so far',
      declare({ caps: [{ max: 1, per: 'day', of: 'user' }] }),
      {},
      Date.parse('2024-06-11T22:00Z'),
    ],
    [
      'everything',
      declare({ reentry: 'once', caps: [{ max: 1, per: '1d', of: 'user' }] }),
      {},
      MIN_TIMESTAMP,
    ],
    ['none of nobody', declare({ reentry: 'once' }), { user: nobody }, null],
    [
      'none for a day in no zone',
      declare({ caps: [{ max: 1, per: 'day', of: 'user' }] }),
      { user: userIn('Mars/Base') },
      null,
    ],
  ])('%s', (_, declared, of, sentSince) => {
    expect(factsNeeded(declared, planned(of), NOW)).toEqual({ sentSince, campaign: null });
  });

  test('the campaign of what it costs', () => {
    const cost = { campaign: 'spring', value: '1' };
    expect(factsNeeded(declare(), planned({ cost }), NOW).campaign).toBe('spring');
  });

  test('are enough: with more of them the decision is the same', () => {
    const duration = fc.constantFrom('1h', '1d', '3d');
    const caps = fc.array(
      fc.record({
        max: fc.integer({ min: 0, max: 3 }),
        per: fc.oneof(duration, fc.constant('day')),
        of: fc.constantFrom('user' as const, 'channel' as const, 'rule' as const),
      }),
      { maxLength: 2 },
    );
    const reentry = fc.oneof(
      fc.constantFrom('always' as const, 'once' as const),
      duration.map((after) => ({ after })),
    );
    const history = fc.array(
      fc.record({
        effect: fc.constantFrom('mail', 'sms'),
        journey: fc.constant('shop'),
        rule: fc.constantFrom('cart', 'other'),
        channel: fc.constantFrom('email', 'sms'),
        at: fc.integer({ min: -4 * 24, max: 0 }).map((ago) => NOW + hours(ago)),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(caps, caps, reentry, history, (ofEffect, ofAll, again, all) => {
        const declared = declare({ caps: ofEffect, reentry: again }, { caps: ofAll });
        const since = factsNeeded(declared, planned(), NOW).sentSince ?? NOW + 1;
        const needed = all.filter(({ at }) => at >= since);
        expect(answer(declared, { sent: needed })).toEqual(answer(declared, { sent: all }));
      }),
    );
  });
});
