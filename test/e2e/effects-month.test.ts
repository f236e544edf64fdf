// A month of alerts through the shipped workflow, and the same month simulated: effect by effect the same state, for the same reason,
// at the same time. The clocks of all three zones are moved in it.

import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTimeSkipping } from '../../src/servers/test-server.js';
import type { Store } from '../../src/store/index.js';
import { days, hours, seconds } from '../../src/time.js';
import { EFFECT_WORKFLOW, effectWorkflowId } from '../../src/workflows/effect-messages.js';
import { TASK_QUEUE } from '../../src/workflows/messages.js';
import { alertsOf, giftsFrom, MONTH, month, monthAfter, simulate } from '../effects/month.js';
import { createWorker, openStore, quietTemporal } from './support/built.js';

const USERS = Number(process.env.TEMPORAL_CEP_USERS ?? 20);
/** Between what is due at a time and its decision: many are due at one moment, and activities take their time. */
const LATE_MAX = seconds(30);

let env: TestWorkflowEnvironment;
let store: Store;
let stop: () => Promise<void>;
const sent: { name: string; alert: string }[] = [];

beforeAll(async () => {
  quietTemporal();
  env = await startTimeSkipping();
  store = await openStore({ memory: true }, { migrate: true });
  const told = (name: string) => async (alert: { id: string }) => {
    sent.push({ name, alert: alert.id });
  };
  const worker = await createWorker({
    journeys: new URL('support/journeys.ts', import.meta.url),
    store,
    effects: month,
    activities: Object.fromEntries(Object.keys(month.effects).map((name) => [name, told(name)])),
    connection: env.nativeConnection,
  });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
  };
});
afterAll(async () => {
  await stop?.();
  await store?.close();
  await env?.teardown();
});

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
      all.slice(i, i + 20).map(({ alert, effects }) =>
        env.client.workflow.start(EFFECT_WORKFLOW, {
          workflowId: effectWorkflowId(alert.id),
          taskQueue: TASK_QUEUE,
          args: [{ alert, effects }],
          startDelay: alert.at - now,
        }),
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
