// The vectors through the session workflow: what Flink made of all cases of docs.json and clickstream.json, and
// of a fixed sample of the others, is what signals, durable timers, the watermark read by an activity and the
// alerts of an activity make of them, on the time-skipping server, one workflow after the other.

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

/**
 * Each how manyth case of a file is run, and of its cases that time alone ends. What is out of order is put in
 * order before it reaches a session.
 */
const EACH: Readonly<Record<string, readonly [of: number, ofSilent: number]>> = {
  docs: [1, 1],
  clickstream: [1, 1],
  found: [1, 1],
  semantics: [8, 1],
  engine: [20, 1],
  random: [100, 9],
};

const cases = Object.entries(EACH).flatMap(([name, [of, ofSilent]]) => {
  const file = new URL(`../vectors/${name}.json`, import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as VectorFile;
  // A job that fails is over in Flink; a session goes on without what was open.
  const whole = of === 1 ? cases : cases.filter(({ expected }) => !expected.runtimeError);
  const silent = whole.filter(timesOutInSilence).filter((_, i) => i % ofSilent === 0);
  const others = whole
    .filter((vector) => !timesOutInSilence(vector))
    .filter((_, i) => i % of === 0);
  return [...silent, ...others];
});
const NOT_RUN: Readonly<Record<string, string>> = {
  'sem-start-at-zero': 'the driver moves a case to the present, and no match starts at 0 there',
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
  expect(ran.size).toBeGreaterThanOrEqual(300);
  expect(ran.size).toBe(accepted.length - Object.keys(NOT_RUN).length);
  expect(timingOut.length).toBeGreaterThan(80);
  expect(timingOut.filter((vector) => !ran.has(vector))).toEqual([]);

  // Nothing followed that could have ended the window: a timer did, and the watermark it had read.
  expect(byTimer.length).toBeGreaterThanOrEqual(60);
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
