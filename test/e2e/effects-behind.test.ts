// A purchase that waits in Kafka while its ingestor is away: an effect that it would cancel waits for it, on the time-skipping server.

import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Alert } from 'temporal-cep/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Store } from '../../src/store/index.js';
import { hours, minutes, type Timestamp } from '../../src/time.js';
import { EFFECTS_QUERY, type EffectProgress } from '../../src/workflows/effect-messages.js';
import {
  alertOf,
  type EffectsInSkippedTime,
  startEffects,
} from './support/effects-in-skipped-time.js';

const DELAY = minutes(30);

let env: TestWorkflowEnvironment;
let store: Store;
let world: EffectsInSkippedTime;
const sent: string[] = [];

beforeAll(async () => {
  world = await startEffects({
    effects: {
      goals: { bought: { when: "event.eventType == 'purchase'" } },
      effects: {
        remind: { send: { kind: 'function', name: 'remind' }, delay: '30m', goal: 'bought' },
      },
    },
    activities: {
      remind: async ({ id }: Alert) => {
        sent.push(id);
      },
    },
    progressWaitMs: 0,
  });
  ({ env, store } = world);
});
afterAll(() => world?.stop());

/** An ingestor of one partition. */
async function ingestorOf(source: string, isLive: boolean) {
  const [claim] = await store.progress.claim(source, [0], 'a test');
  return async (watermark: Timestamp) => {
    const progress = {
      ...{ watermark, lowWater: 1, nextOffset: 1, readTo: 1, orderingWatermark: watermark },
      ...{ finished: false, quietSince: isLive ? watermark : null },
    };
    const generation = claim?.generation ?? 0;
    const refused = await store.progress.publish([{ source, partition: 0, generation, progress }]);
    expect(refused).toEqual([]);
    // Workers know it within a second, which is nothing only where time is not skipped.
    await sleep(1_100);
  };
}

/** The effect of an alert of this moment, which is set off by a session of the source. */
async function setOff(source: string, user: string) {
  const at = await env.currentTimeMs();
  const alert = alertOf(user, at);
  const { workflowId } = await world.setOff({
    ...{ alert, effects: ['remind'], readFrom: [{ source, partition: 0 }] },
  });
  // The environment's own client would skip time for it.
  const client = new Client({ connection: env.connection });
  const handle = client.workflow.getHandle(workflowId);
  const stateOf = async () => {
    const [record] = await store.effects.ofAlert(alert.id);
    return [record?.state, record?.reason];
  };
  const waitsFor = async () => {
    const [one] = await handle.query<EffectProgress[]>(EFFECTS_QUERY);
    return one?.why;
  };
  return { at, id: alert.id, handle, stateOf, waitsFor };
}

test('it is decided when ingest has read as far as it is due: the purchase that was still in Kafka cancels it', async () => {
  const publish = await ingestorOf('kafka/away', true);
  const began = await env.currentTimeMs();
  await publish(began);
  const ann = await setOff('kafka/away', 'ann');
  const bob = await setOff('kafka/away', 'bob');
  await env.sleep(DELAY + hours(5));
  for (const one of [ann, bob]) {
    expect(await one.waitsFor()).toMatch(/^events up to .* are still to be read$/);
    expect(await one.stateOf()).toEqual(['planned', null]);
  }

  // Back again: the purchase is recorded before the watermark passes it, and its signal is lost on the way.
  await store.effects.goalReached('ann', 'bought', ann.at + minutes(10));
  await publish(ann.at + DELAY - 1);
  await env.sleep(minutes(11));
  expect(await ann.stateOf()).toEqual(['planned', null]);
  await publish(ann.at + DELAY + minutes(1));
  await env.sleep(minutes(11));
  expect(await ann.stateOf()).toEqual(['suppressed', 'GOAL_REACHED']);
  expect(await bob.stateOf()).toEqual(['delivered', null]);
  expect(sent).toEqual([bob.id]);

  // What looked ever more rarely has a short history.
  const { historyLength } = await bob.handle.describe();
  expect(historyLength).toBeLessThan(500);
});

test('a historic stream holds up nothing', async () => {
  const publish = await ingestorOf('kafka/past', false);
  await publish((await env.currentTimeMs()) - hours(24));
  const cid = await setOff('kafka/past', 'cid');
  await env.sleep(DELAY + minutes(1));
  expect(await cid.stateOf()).toEqual(['delivered', null]);
});
