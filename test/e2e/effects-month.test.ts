// A month of alerts through the shipped workflow, and the same month simulated: effect by effect the same state, for the same reason,
// at the same time. The clocks of all three zones are moved in it.

import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Store } from '../../src/store/index.js';
import { days, hours, seconds } from '../../src/time.js';
import { effectWorkflowId } from '../../src/workflows/effect-messages.js';
import { alertsOf, giftsFrom, MONTH, month, monthAfter, simulate } from '../effects/month.js';
import { type EffectsInSkippedTime, startEffects } from './support/effects-in-skipped-time.js';

const USERS = Number(process.env.TEMPORAL_CEP_USERS ?? 20);
/** Between what is due at a time and its decision: many are due at one moment, and activities take their time. */
const LATE_MAX = seconds(30);

let env: TestWorkflowEnvironment;
let store: Store;
let world: EffectsInSkippedTime;
const sent: { name: string; alert: string }[] = [];

beforeAll(async () => {
  const told = (name: string) => async (alert: { id: string }) => {
    sent.push({ name, alert: alert.id });
  };
  world = await startEffects({
    effects: month,
    activities: Object.fromEntries(Object.keys(month.effects).map((name) => [name, told(name)])),
  });
  ({ env, store } = world);
});
afterAll(() => world?.stop());

test(`a month of ${USERS} users`, async () => {
  const present = await env.currentTimeMs();
  const start = monthAfter(present + days(1));
  await env.sleep(start - present - hours(1));
  const all = Array.from({ length: USERS }, (_, user) => alertsOf(user, start)).flat();
  all.push(...giftsFrom(start));
  const began = performance.now();
  for (let i = 0; i < all.length; i += 20) {
    const now = await env.currentTimeMs();
    await Promise.all(
      all
        .slice(i, i + 20)
        .map(({ alert, effects }) =>
          world.setOff({ alert, effects }, { startDelay: alert.at - now }),
        ),
    );
  }
  const started = performance.now() - began;
  for (let i = 0; i <= MONTH / days(1); i++) await env.sleep(days(1));
  // The environment's own client would skip time for each of them.
  const client = new Client({ connection: env.connection });
  await Promise.all(
    all.map(({ alert }) => client.workflow.getHandle(effectWorkflowId(alert.id)).result()),
  );
  const took = performance.now() - began;

  const records = new Map(
    (await Promise.all(all.map(({ alert }) => store.effects.ofAlert(alert.id))))
      .flat()
      .map((record) => [record.id, record]),
  );
  const simulated = simulate(all);
  const real = [...records.values()].map(({ id, state, reason }) => ({
    ...{ id, state: state === 'delivered' ? 'sent' : state, reason },
  }));
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  const lates = simulated
    .map(({ id, at }) => (records.get(id)?.decidedAt ?? 0) - at)
    .sort((a, b) => a - b);
  const quantile = (q: number) => lates[Math.floor(q * (lates.length - 1))];
  const figures = [`${all.length} alerts, ${records.size} effects, ${sent.length} sent`];
  figures.push(`${Math.round(started)} ms to start, ${Math.round(took)} ms in all`);
  figures.push(`late by ${[0, 0.5, 0.99, 1].map(quantile).join(', ')} ms (0, 50, 99, 100 %)`);
  console.log(figures.join('\n'));

  expect(real.sort(byId)).toEqual(
    simulated.map(({ id, state, reason }) => ({ id, state, reason })).sort(byId),
  );
  expect(quantile(0)).toBeGreaterThan(-1);
  expect(quantile(1)).toBeLessThan(LATE_MAX);
  expect(sent.map(({ name, alert }) => `${alert}/${name}`).sort()).toEqual(
    simulated
      .filter(({ state }) => state === 'sent')
      .map(({ id }) => id)
      .sort(),
  );
}, 480_000);
