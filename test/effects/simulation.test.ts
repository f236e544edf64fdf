// The clock of a backtest: each step of an effect's life in a small case with its whole answer. Recounts and random streams are in
// simulation.prop.test.ts.

import { expect, test } from 'vitest';
import {
  type GoalReached,
  type SimulatedEffect,
  simulateEffects,
} from '../../src/effects/simulation.js';
import { days, hours, minutes } from '../../src/time.js';
import { declareAll, plannedOf } from './helpers.js';

/** A noon in UTC. */
const NOON = Date.parse('2024-06-12T12:00Z');
const bought = (at: number, user = 'u1'): GoalReached => ({ at, user, goal: 'bought' });
const goals = { bought: { when: 'true' } };
const inUtc = { id: 'u1', email: null, zone: 'UTC' };

/** Set off at its match. */
const setOff = (id: string, at: number, over: Parameters<typeof plannedOf>[1] = {}) => ({
  at,
  planned: plannedOf(id, { user: inUtc, matchedAt: at, ...over }),
});
const ended = (effects: readonly SimulatedEffect[]) =>
  effects.map(({ id, state, reason, at, heldUntil }) => {
    const told = `${id} ${reason ?? state} ${new Date(at).toISOString().slice(5, 16)}`;
    return heldUntil === undefined ? told : `${told}, held`;
  });

test('a delay is counted from the plan; the goal ends it at once, one of before the match does not', () => {
  const declared = declareAll({ goals, effects: { mail: { delay: '30m', goal: 'bought' } } });
  const planned = ['a', 'b', 'c'].map((id, i) =>
    setOff(id, NOON + hours(i), { user: { ...inUtc, id } }),
  );
  const reached = [
    bought(NOON, 'a'),
    bought(NOON + hours(1) + minutes(10), 'b'),
    bought(NOON + hours(2) + minutes(30) + 1, 'c'),
  ];
  expect(ended(simulateEffects({ declared, planned, goals: reached }))).toEqual([
    'a/mail sent 06-12T12:30',
    'b/mail GOAL_REACHED 06-12T13:10',
    'c/mail sent 06-12T14:30',
  ]);
});

test('a goal at the moment at which an effect is due comes first', () => {
  const declared = declareAll({ goals, effects: { mail: { delay: '30m', goal: 'bought' } } });
  const reached = [bought(NOON + minutes(30))];
  expect(
    ended(simulateEffects({ declared, planned: [setOff('a', NOON)], goals: reached })),
  ).toEqual(['a/mail GOAL_REACHED 06-12T12:30']);
});

test('a goal between the match and a late plan is found when it is decided; another goal or user is none', () => {
  const declared = declareAll({
    goals: { ...goals, seen: { when: 'true' } },
    effects: { mail: { goal: 'bought' } },
  });
  const planned = [setOff('a', NOON, { matchedAt: NOON - hours(1) })];
  const of = (goal: GoalReached) => ended(simulateEffects({ declared, planned, goals: [goal] }));
  expect(of(bought(NOON - minutes(1)))).toEqual(['a/mail GOAL_REACHED 06-12T12:00']);
  expect(of(bought(NOON - hours(1)))).toEqual(['a/mail sent 06-12T12:00']);
  expect(of({ ...bought(NOON - minutes(1)), goal: 'seen' })).toEqual(['a/mail sent 06-12T12:00']);
  expect(of(bought(NOON - minutes(1), 'u2'))).toEqual(['a/mail sent 06-12T12:00']);
});

test('what is held is decided anew when it may be sent, or ended by the goal', () => {
  const declared = declareAll({
    goals,
    effects: { mail: { goal: 'bought' } },
    quietHours: { from: '22:00', to: '08:00' },
    caps: [{ max: 1, per: '1h', of: 'user' }],
  });
  const night = NOON + hours(11);
  const planned = [setOff('a', night), setOff('b', night + 1)];
  expect(ended(simulateEffects({ declared, planned }))).toEqual([
    'a/mail sent 06-13T08:00, held',
    'b/mail CAP 06-13T08:00, held',
  ]);
  const reached = [bought(night + hours(2))];
  expect(ended(simulateEffects({ declared, planned, goals: reached }))).toEqual([
    'a/mail GOAL_REACHED 06-13T01:00, held',
    'b/mail GOAL_REACHED 06-13T01:00, held',
  ]);
});

test('a follow-up is sent so long after the effect, unless the goal of that one comes first', () => {
  const declared = declareAll({
    goals,
    effects: {
      mail: { goal: 'bought', delay: '1h', followUp: { after: '1d', effect: 'sms' } },
      sms: { send: { kind: 'sms' }, delay: '2h' },
    },
  });
  const planned = [setOff('a', NOON)];
  const effects = simulateEffects({ declared, planned });
  expect(ended(effects)).toEqual(['a/mail sent 06-12T13:00', 'a/sms sent 06-13T15:00']);
  expect(effects[1]?.planned).toEqual({
    ...plannedOf('a', { user: inUtc, matchedAt: NOON, effect: 'sms', channel: 'sms' }),
  });
  // It has none of its own.
  const reachedAt = (at: number) =>
    ended(simulateEffects({ declared, planned, goals: [bought(at)] }))[1];
  expect(reachedAt(NOON + hours(25))).toBe('a/sms GOAL_REACHED 06-13T13:00');
  expect(reachedAt(NOON + hours(27) + 1)).toBe('a/sms sent 06-13T15:00');
});

test('what was not sent is followed by nothing', () => {
  const declared = declareAll({
    effects: { mail: { control: 100, followUp: { after: '1d', effect: 'sms' } }, sms: {} },
  });
  expect(ended(simulateEffects({ declared, planned: [setOff('a', NOON)] }))).toEqual([
    'a/mail CONTROL_GROUP 06-12T12:00',
  ]);
});

test('an id is planned once, whoever comes first', () => {
  const declared = declareAll({
    effects: { mail: { followUp: { after: '1d', effect: 'sms' } }, sms: { delay: '1h' } },
  });
  const planned = [setOff('a', NOON), setOff('a', NOON, { effect: 'sms' }), setOff('a', NOON + 1)];
  expect(ended(simulateEffects({ declared, planned }))).toEqual([
    'a/mail sent 06-12T12:00',
    'a/sms sent 06-12T13:00',
  ]);
});

test('of what is due at one moment the id decides who takes the last place', () => {
  const declared = declareAll({
    effects: { mail: { budget: { campaign: 'c', value: '0.1', limit: '0.3', perUser: '0.2' } } },
  });
  const cost = { campaign: 'c', value: '0.1' };
  const at = (id: string, user: string) =>
    setOff(id, NOON, { cost, user: { id: user, email: null, zone: null } });
  const planned = [at('e', 'u3'), at('d', 'u2'), at('c', 'u1'), at('b', 'u1'), at('a', 'u1')];
  expect(ended(simulateEffects({ declared, planned }))).toEqual([
    'a/mail sent 06-12T12:00',
    'b/mail sent 06-12T12:00',
    'c/mail BUDGET_OF_USER 06-12T12:00',
    'd/mail sent 06-12T12:00',
    'e/mail BUDGET 06-12T12:00',
  ]);
});

test('a suppression holds from its moment on, for its channel or all', () => {
  const declared = declareAll({ effects: { mail: {} } });
  const planned = [0, 1, 2].map((i) => setOff(`a${i}`, NOON + days(i)));
  const from = (channel: string | null) =>
    ended(
      simulateEffects({
        declared,
        planned,
        suppressed: [{ at: NOON + days(1), user: 'u1', channel }],
      }),
    ).map((told) => told.split(' ')[1]);
  expect(from('email')).toEqual(['sent', 'SUPPRESSION_LIST', 'SUPPRESSION_LIST']);
  expect(from(null)).toEqual(['sent', 'SUPPRESSION_LIST', 'SUPPRESSION_LIST']);
  expect(from('sms')).toEqual(['sent', 'sent', 'sent']);
});

test('a dry run counts for dry runs, and not for what is sent', () => {
  const declared = declareAll({
    effects: { mail: {}, dry: { dryRun: true } },
    caps: [{ max: 2, per: '1d', of: 'user' }],
  });
  const order = ['dry', 'mail', 'dry', 'mail', 'mail'];
  const planned = order.map((effect, i) =>
    setOff(`a${i}`, NOON + i, { effect, isDryRun: effect === 'dry' }),
  );
  expect(simulateEffects({ declared, planned }).map(({ reason }) => reason ?? 'sent')).toEqual([
    'DRY_RUN',
    'sent',
    'CAP',
    'sent',
    'CAP',
  ]);
});

test('what is due after the end stays as it is; what is planned after it is left out', () => {
  const declared = declareAll({
    effects: { mail: { quietHours: { from: '22:00', to: '08:00' } }, late: { delay: '12h' } },
  });
  const planned = [
    setOff('a', NOON + hours(11)),
    setOff('b', NOON, { effect: 'late' }),
    setOff('c', NOON + days(1)),
  ];
  expect(ended(simulateEffects({ declared, planned, until: NOON + hours(11) }))).toEqual([
    'b/late planned 06-12T12:00',
    'a/mail QUIET_HOURS 06-12T23:00, held',
  ]);
});

test('an effect that is not declared any more', () => {
  const declared = declareAll({ effects: {} });
  expect(ended(simulateEffects({ declared, planned: [setOff('a', NOON)] }))).toEqual([
    'a/mail EFFECT_GONE 06-12T12:00',
  ]);
});
