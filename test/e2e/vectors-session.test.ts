// The vectors through the session workflow: what Flink made of the cases of docs.json and
// clickstream.json is what signals, durable timers, the watermark read by an activity and the alerts of
// an activity make of them, on the time-skipping server, one workflow after the other.

import { readFileSync } from 'node:fs';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTimeSkipping } from '../../src/servers/test-server.js';
import {
  differenceOf,
  stepsOf,
  type VectorCase,
  type VectorDriver,
  type VectorFile,
} from '../../src/testing/vectors.js';
import { quietTemporal, startSessionDriver } from './support/built.js';
import { eventsOf, scheduledActivity } from './support/history.js';

const cases = ['docs', 'clickstream'].flatMap((name) => {
  const file = new URL(`../vectors/${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as VectorFile).cases;
});
const NOT_RUN: Readonly<Record<string, string>> = {
  'empty-stream': 'without an event nobody starts a session',
  'time-context': 'its conditions name points in time, and the driver moves a case to the present',
};
const accepted = cases.filter(({ expected }) => expected.error === undefined);
const runnable = accepted.filter(({ name }) => !Object.hasOwn(NOT_RUN, name));
const timingOut = runnable.filter(({ expected }) => (expected.timeouts ?? []).length > 0);

let env: TestWorkflowEnvironment;
let driver: VectorDriver;
let stop: () => Promise<void>;

beforeAll(async () => {
  quietTemporal();
  env = await startTimeSkipping();
  ({ driver, stop } = await startSessionDriver(env, runnable));
});
afterAll(async () => {
  await stop?.();
  await env?.teardown();
});

test('every case, with the timeouts', async () => {
  const failures: string[] = [];
  const ran = new Set<VectorCase>();
  const byTimer: string[] = [];
  for (const vector of runnable) {
    let difference: string | null;
    try {
      difference = differenceOf(vector, await driver(vector), { anyOrder: true });
    } catch (error) {
      difference = `the driver failed: ${(error as Error).message}`;
    }
    if (difference !== null) failures.push(`${vector.name}: ${difference}`);
    ran.add(vector);
    if (timesOutInSilence(vector)) byTimer.push(vector.name);
  }
  expect(failures).toEqual([]);
  expect(ran.size).toBeGreaterThanOrEqual(60);
  expect(ran.size).toBe(accepted.length - Object.keys(NOT_RUN).length);
  expect(timingOut.length).toBeGreaterThan(40);
  expect(timingOut.filter((vector) => !ran.has(vector))).toEqual([]);

  // Nothing followed that could have ended the window: a timer did, and the watermark it had read.
  expect(byTimer.length).toBeGreaterThan(20);
  for (const name of byTimer) {
    const history = await eventsOf(env.client, `${name}/key`);
    const fired = history.findIndex((event) => event.timerFiredEventAttributes);
    const read = history.findIndex((event) => scheduledActivity(event) === 'readProgress');
    const last = history.findLastIndex((event) => scheduledActivity(event) === 'publishAlerts');
    expect({ name, inOrder: fired >= 0 && fired < read && read < last }).toEqual({
      name,
      inOrder: true,
    });
  }
}, 600_000);

/** Whether a timeout is due only after all that the batches bring. */
function timesOutInSilence(vector: VectorCase): boolean {
  const watermarks = [...stepsOf(vector)].flatMap((s) => ('watermark' in s ? [s.watermark] : []));
  const sent = watermarks.at(-2) ?? Number.NEGATIVE_INFINITY;
  return (vector.expected.timeouts ?? []).some(({ timeout }) => timeout > sent);
}
