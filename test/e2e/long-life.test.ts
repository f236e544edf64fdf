// Sessions that live long: one key with very many events, and what is handed from run to run when it is large.

import type { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CepEvent, EventData } from '../../src/event.js';
import type { RawRecord } from '../../src/ingest/record.js';
import type { CompiledJourneys } from '../../src/rules/compiled.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, MAX_TIMESTAMP, minutes } from '../../src/time.js';
import {
  type BatchedEvent,
  type NotTakenReason,
  type SessionRef,
  STATE_QUERY,
} from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { until } from '../support/until.js';
import {
  bundleJourneys,
  createWorker,
  ingest,
  loadJourneys,
  memoryStore,
  runOffline,
  temporalGateway,
} from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import { runsOf, taskFailures } from './support/history.js';
import { feedSession } from './support/session.js';

const MODULE = new URL('support/long-life-journeys.ts', import.meta.url);
const T0 = Date.now() + days(1);

const alerts: Alert[] = [];
const late: { session: SessionRef; events: readonly CepEvent[]; reason: NotTakenReason }[] = [];
const store = memoryStore();
let journeys: CompiledJourneys;
let bundle: Awaited<ReturnType<typeof bundleJourneys>>;

beforeAll(async () => {
  ({ journeys } = await loadJourneys(MODULE));
  bundle = await bundleJourneys(MODULE);
});

async function start(dynamicConfig: Record<string, number> = {}): Promise<Dev> {
  const dev = await startDev({ dynamicConfig });
  const worker: Worker = await createWorker({
    journeys: MODULE,
    bundle,
    connection: dev.connection,
    store,
    alerts: { publish: async (step) => void alerts.push(...step) },
    late: {
      publish: async (session, events, reason) => void late.push({ session, events, reason }),
    },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
  return dev;
}

const alertsOf = (key: string) => alerts.filter((alert) => alert.key === key);
const inOrder = (list: readonly Alert[]) => list.toSorted((a, b) => a.at - b.at);

describe('a hot key', () => {
  let dev: Dev;
  beforeAll(async () => {
    dev = await start();
  });
  afterAll(() => dev?.stop());

  test('100,000 events: as offline, over several runs, and no task in vain', async () => {
    const key = 'hot';
    const events = 100_000;
    function* records(): Generator<RawRecord> {
      for (let offset = 0; offset < events; offset++) {
        const eventTime = T0 + offset * 10;
        const value = { n: offset, eventTime, userSession: key, padding: '.'.repeat(240) };
        yield { source: 'hot', partition: 0, offset, recordTime: eventTime, value };
      }
    }
    async function* read() {
      yield* records();
    }
    const settings = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };
    const { set, byId } = journeys;
    const counting = { set, byId: new Map([...byId].filter(([id]) => id === 'counting')) };
    const counts = await ingest({
      journeys: counting,
      records: read(),
      gateway: temporalGateway({ client: dev.client, settings }),
      store: store.progress,
      outOfOrdernessMs: 0,
      endWatermark: 'last-event',
    });
    expect(counts).toMatchObject({ events, late: 0, undelivered: 0, sessions: 1, parked: 0 });

    const offline = runOffline({
      journeys: counting,
      records: records(),
      outOfOrdernessMs: 0,
      endWatermark: 'last-event',
    });
    expect(offline.alerts).toHaveLength(1_428);
    const handle = dev.client.workflow.getHandle(`counting/${key}`);
    const state = () => handle.query<SessionState>(STATE_QUERY);
    await until('all was taken', async () => (await state()).counts.events === events);
    await until('all was told', async () => (await state()).publishing === 0);
    const { rules, counts: taken } = await state();
    expect(taken).toMatchObject({ events, repeats: 0, late: 0, refused: 0, alerts: 1_428 });
    const [open] = offline.open.values();
    expect(open?.[0]?.openCount).toBe(1);
    // The query shows some of what is open, and here that is all.
    const withoutIds = rules.map((rule) => ({
      ...rule,
      open: rule.open.map(({ id: _, ...match }) => match),
    }));
    expect(withoutIds).toEqual(open);
    expect(inOrder(alertsOf(key))).toEqual(offline.alerts);

    const runs = await runsOf(dev.client, handle.workflowId);
    expect(runs.length).toBeGreaterThanOrEqual(5);
    expect(runs.flatMap(taskFailures)).toEqual([]);
  });
});

describe('what is handed from run to run', () => {
  let dev: Dev;
  beforeAll(async () => {
    // A run is full after a few signals.
    dev = await start({ 'limit.historyCount.suggestContinueAsNew': 20 });
  });
  afterAll(() => dev?.stop());

  function sessionOf(journey: string, key: string) {
    const settings = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };
    const gateway = temporalGateway({ client: dev.client, settings });
    const { client } = dev;
    return feedSession({ client, gateway, journey, key, source: `of ${key}` });
  }

  const step = (n: number, length: number): BatchedEvent => {
    const data: EventData = { n, eventTime: T0 + n, userSession: '', padding: '.'.repeat(length) };
    return { offset: n, timestamp: T0 + n, data };
  };

  test('rules that hold more than one payload together: the oldest matches give way, counted', async () => {
    const session = sessionOf('hoarding', 'too-much');
    // Three rules that hold different events, each within its own megabyte.
    for (let n = 0; n < 54; n++) {
      await session.send([step(n, 50_000)]);
      await session.took(n + 1);
    }
    const { rules, counts } = await session.state();
    expect(counts).toMatchObject({ events: 54, refused: 0 });
    const dropped = rules.map(({ counts }) => counts.dropped);
    expect(rules.map(({ openCount }, i) => openCount + (dropped[i] ?? 0))).toEqual([18, 18, 18]);
    const lost = dropped.reduce((sum, count) => sum + count, 0);
    expect(lost).toBeGreaterThan(15);
    expect(lost).toBeLessThan(40);
    // Those that are left are the youngest, and they match.
    await session.send([step(1_000, 10)], { lowWater: 2_000 });
    await session.handle.result();
    expect(alertsOf('too-much')).toHaveLength(54 - lost);
    const runs = await runsOf(dev.client, session.handle.workflowId);
    expect(runs.length).toBeGreaterThan(3);
  });

  test('events that wait for another partition stay in their run while it has room', async () => {
    const session = sessionOf('pairs', 'waiting');
    const behind = { source: 'another', partition: 3 };
    await session.send([], { ...behind, watermark: T0 - 1 });
    const many = Array.from({ length: 70 }, (_, n) => step(n, 40_000));
    for (let n = 0; n < 70; n += 10) {
      await session.send(many.slice(n, n + 10));
      await session.took(n + 10);
    }
    const before = (await runsOf(dev.client, session.handle.workflowId)).length;
    await session.send([step(70, 10)]);
    await session.took(71);
    // Too much to be handed on, and nothing is given up for that.
    expect((await runsOf(dev.client, session.handle.workflowId)).length).toBe(before);
    expect(late).toEqual([]);
    await session.send([], { ...behind, watermark: T0 + minutes(1), lowWater: MAX_TIMESTAMP });
    await until('it has matched', () => alertsOf('waiting').length === 1);
    // Nothing is open any more; the session stays until its offsets are committed.
    await session.send([step(71, 10)]);
    await session.took(72);
    expect((await session.state()).rules[0]?.counts).toMatchObject({ matches: 1, dropped: 0 });
    const runs = await runsOf(dev.client, session.handle.workflowId);
    expect(runs.length).toBeGreaterThan(before);
  });
});
