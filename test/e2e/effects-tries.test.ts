// What comes between the tries of an effect, and behind it, through the shipped workflow on the time-skipping server: a purchase, a
// night, a worker that dies, two chains that meet, somebody who cancels.

import { MockActivityEnvironment, type TestWorkflowEnvironment } from '@temporalio/testing';
import type { Alert } from 'temporal-cep/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEffectActivities, type UserDirectory } from '../../src/activities/effects.js';
import { type EffectsDocument, readEffects } from '../../src/effects/declaration.js';
import { sendersOf } from '../../src/effects/kinds/index.js';
import type { EffectLedger } from '../../src/effects/ledger.js';
import { createLogger } from '../../src/log.js';
import type { Store } from '../../src/store/index.js';
import { days, hours, minutes, type Timestamp } from '../../src/time.js';
import { EFFECTS_QUERY, type EffectProgress } from '../../src/workflows/effect-messages.js';
import {
  alertOf,
  type EffectsInSkippedTime,
  startEffects,
} from './support/effects-in-skipped-time.js';

let env: TestWorkflowEnvironment;
let store: Store;
let world: EffectsInSkippedTime;
/** Tries, by the id of the effect. */
const tries: string[] = [];
/** Effects whose next try fails. */
const failing = new Set<string>();
/** Effects of which the worker dies once, when it is recorded that they were delivered. */
const dying = new Set<string>();

const sending =
  (name: string) =>
  async ({ id }: Alert) => {
    tries.push(`${id}/${name}`);
    if (failing.delete(`${id}/${name}`)) throw new Error('not now');
  };
const triesOf = (id: string) => tries.filter((each) => each === id).length;

beforeAll(async () => {
  const ledgerOver = (ledger: EffectLedger): EffectLedger => ({
    ...ledger,
    attempted: async (id, how, now) => {
      await ledger.attempted(id, how, now);
      if (how.state === 'delivered' && dying.delete(id)) throw new Error('the worker is gone');
    },
  });
  const send = (name: string) => ({ kind: 'function', name });
  const retry = { for: '1d', first: '1h', longest: '1h' };
  const names = ['remind', 'mail', 'push', 'coupon', 'later'];
  world = await startEffects({
    ledgerOver,
    effects: {
      goals: { bought: { when: "event.eventType == 'purchase'" } },
      effects: {
        remind: { send: send('remind'), goal: 'bought', retry },
        mail: { send: send('mail'), retry, followUp: { after: '1d', effect: 'coupon' } },
        push: { send: send('push'), retry, followUp: { after: '1d', effect: 'coupon' } },
        coupon: { send: send('coupon'), retry },
        later: { send: send('later'), delay: '30m' },
      },
    },
    activities: Object.fromEntries(names.map((name) => [name, sending(name)])),
    progressWaitMs: 0,
  });
  ({ env, store } = world);
});
afterAll(() => world?.stop());

function alertAt(user: string, at: Timestamp): Alert {
  return alertOf(user, at, { cart: [{ userId: user, zone: 'UTC' }] });
}

async function setOff(user: string, effects: string[]) {
  const at = await env.currentTimeMs();
  const alert = alertAt(user, at);
  const handle = await world.setOff({ alert, effects });
  const records = async () =>
    (await store.effects.ofAlert(alert.id)).map(({ effect, state, reason }) => [
      effect,
      state,
      reason,
    ]);
  return { at, id: alert.id, handle, records };
}

test('a purchase between two tries: there is no second one', async () => {
  failing.add('alert-ann/remind');
  const ann = await setOff('ann', ['remind']);
  await env.sleep(minutes(30));
  expect(await ann.records()).toEqual([['remind', 'failed', 'RESULT_UNKNOWN']]);
  await store.effects.goalReached('ann', 'bought', ann.at + minutes(20));
  await env.sleep(hours(2));
  expect(await ann.records()).toEqual([['remind', 'suppressed', 'GOAL_REACHED']]);
  expect(triesOf('alert-ann/remind')).toBe(1);
  const [told] = await ann.handle.query<EffectProgress[]>(EFFECTS_QUERY);
  expect(told).toMatchObject({ state: 'not sent', why: 'GOAL_REACHED' });
});

/** The activities by themselves, at a time: the time-skipping server does not say when a try begins that had to wait. */
function activitiesAt(at: Timestamp, document: EffectsDocument, users?: UserDirectory) {
  const declaration = readEffects(document);
  const activities = createEffectActivities({
    ...{ declaration, ledger: store.effects, users, log: createLogger() },
    senders: sendersOf(declaration, {}, { remind: sending('remind') }),
    isInForce: async () => true,
  });
  const context = new MockActivityEnvironment({ currentAttemptScheduledTimestampMs: at });
  return {
    plan: (alert: Alert) => context.run(activities.planEffect, alert, 'remind', null),
    decide: (alert: Alert) => context.run(activities.decideEffect, alert, 'remind', null),
    send: (alert: Alert) => context.run(activities.sendEffect, alert, 'remind'),
  };
}

const REMIND = { send: { kind: 'function', name: 'remind' } };
const NIGHT = { from: '21:00', to: '08:00' };
/** Behind now, as time is where it is skipped. */
const MIDNIGHT = Date.UTC(2100, 0, 15);

test('quiet hours between two tries: the second one is in the morning', async () => {
  const alert = alertAt('bob', MIDNIGHT - hours(4));
  const declared = { zone: 'UTC', effects: { remind: { ...REMIND, quietHours: NIGHT } } };
  const evening = activitiesAt(alert.at, declared);
  await evening.plan(alert);
  expect(await evening.decide(alert)).toEqual({ decision: 'send' });
  failing.add('alert-bob/remind');
  await expect(evening.send(alert)).rejects.toThrow('not now');
  await expect(activitiesAt(MIDNIGHT, declared).send(alert)).rejects.toMatchObject({
    message: expect.stringMatching(/quiet hours, at 2100-01-15 08:00/),
    nextRetryDelay: hours(8),
  });
  expect(triesOf('alert-bob/remind')).toBe(1);
  expect(await activitiesAt(MIDNIGHT + hours(8), declared).send(alert)).toBe(true);
  expect(triesOf('alert-bob/remind')).toBe(2);
});

test('one that is no longer declared is not tried again', async () => {
  const alert = alertAt('ida', MIDNIGHT);
  const before = activitiesAt(alert.at, { effects: { remind: REMIND } });
  await before.plan(alert);
  await before.decide(alert);
  failing.add('alert-ida/remind');
  await expect(before.send(alert)).rejects.toThrow();
  const after = activitiesAt(alert.at, { effects: {} });
  // Also where a worker dies before Temporal knows.
  expect([await after.send(alert), await after.send(alert)]).toEqual([
    'EFFECT_GONE',
    'EFFECT_GONE',
  ]);
  expect(await store.effects.read('alert-ida/remind')).toMatchObject({
    ...{ state: 'suppressed', reason: 'EFFECT_GONE', attempts: 1 },
  });
});

test('one that is no longer declared when it is to be tried first is dead, and says so', async () => {
  const alert = alertAt('fay', MIDNIGHT);
  const before = activitiesAt(alert.at, { effects: { remind: REMIND } });
  await before.plan(alert);
  await before.decide(alert);
  expect(await activitiesAt(alert.at, { effects: {} }).send(alert)).toBe(false);
  expect(await store.effects.read('alert-fay/remind')).toMatchObject({
    ...{ state: 'dead', detail: 'it is no longer declared', attempts: 0 },
  });
});

test('a directory that does not know a user takes nothing away', async () => {
  const alert = alertAt('gil', MIDNIGHT);
  const users = (async () => ({ email: undefined, zone: undefined })) as unknown as UserDirectory;
  const declared = {
    user: { zone: 'zone' },
    effects: { remind: { ...REMIND, quietHours: NIGHT } },
  };
  const activities = activitiesAt(alert.at, declared, users);
  await activities.plan(alert);
  expect(await activities.decide(alert)).toMatchObject({ decision: 'hold', reason: 'QUIET_HOURS' });
});

test('a dry run records what would have been sent, and tells the workflow only that', async () => {
  const alert = alertAt('hal', MIDNIGHT);
  const activities = activitiesAt(alert.at, { dryRun: true, effects: { remind: REMIND } });
  await activities.plan(alert);
  const told = { decision: 'refuse', state: 'suppressed', reason: 'DRY_RUN' };
  expect(await activities.decide(alert)).toEqual(told);
  expect(await activities.decide(alert)).toEqual(told);
  const record = await store.effects.read('alert-hal/remind');
  expect(record?.detail).toContain('"message": "left"');
});

test('what was delivered before the worker died is followed by what follows', async () => {
  dying.add('alert-cid/mail');
  const cid = await setOff('cid', ['mail']);
  await env.sleep(hours(2));
  expect(await cid.records()).toEqual([
    ['mail', 'delivered', null],
    ['coupon', 'planned', null],
  ]);
  await env.sleep(days(1));
  expect(await cid.records()).toContainEqual(['coupon', 'delivered', null]);
  expect([triesOf('alert-cid/mail'), triesOf('alert-cid/coupon')]).toEqual([1, 1]);
});

test('what follows on two effects is sent once', async () => {
  const dot = await setOff('dot', ['mail', 'push']);
  await env.sleep(days(2));
  expect(await dot.records()).toEqual([
    ['mail', 'delivered', null],
    ['push', 'delivered', null],
    ['coupon', 'delivered', null],
  ]);
  expect(triesOf('alert-dot/coupon')).toBe(1);
  expect(await dot.handle.result()).toMatchObject([
    { effect: 'mail', state: 'delivered' },
    { effect: 'push', state: 'delivered' },
    { effect: 'coupon', state: 'delivered' },
  ]);
});

test('who cancels the workflow ends what waits, and the ledger has it', async () => {
  const eve = await setOff('eve', ['later']);
  await env.sleep(minutes(1));
  await eve.handle.cancel();
  await expect(eve.handle.result()).rejects.toThrow('cancelled');
  expect(await eve.records()).toEqual([['later', 'suppressed', 'CANCELLED']]);
  expect(triesOf('alert-eve/later')).toBe(0);
});
