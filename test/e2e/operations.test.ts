// Sessions as people operate them, on a real server: what they ask (explain, timeline), what they do (drop, pause,
// resume, close), what is refused and how, and that a pause outlives the run of the workflow. Then the same from the
// command line, which also finds sessions by the stage they stand in.

import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CepEvent, EventData } from '../../src/event.js';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, formatTimestamp, minutes, type Timestamp } from '../../src/time.js';
import {
  type BatchedEvent,
  type EventBatch,
  EXPLAIN_QUERY,
  type NotTakenReason,
  type PartitionProgress,
  STATE_QUERY,
  TIMELINE_QUERY,
  type UPDATES,
} from '../../src/workflows/messages.js';
import type { SessionExplanation } from '../../src/workflows/operations.js';
import type { SessionResult, SessionState } from '../../src/workflows/session.js';
import type { TimelineEntry } from '../../src/workflows/timeline.js';
import { bundleJourneys, createWorker, memoryLedger, temporalGateway } from './support/built.js';
import { environment, run } from './support/cli.js';
import { type Dev, startDev, until } from './support/dev.js';
import { eventsOf, scheduledActivity } from './support/history.js';

const MODULE = new URL('support/session-journeys.ts', import.meta.url);
/** Far enough ahead that no timer of a deadline fires. */
const T0 = Date.now() + days(1);
/** Far behind: deadlines have passed on the clock, and only the watermark says when. */
const PAST = Date.now() - days(30);
/** History events after which the server suggests to continue as new. */
const SUGGEST_AFTER = 60;
const BY = { author: 'ann', reason: 'stock is being counted' };

const alerts: Alert[] = [];
const late: { key: string; events: readonly CepEvent[]; reason: NotTakenReason }[] = [];
/** What the ingestor of the source `clicks` says of its partitions. */
const progress = new Map<number, PartitionProgress>();
let dev: Dev;
let bundle: WorkflowBundleWithSourceMap;
let gateway: SessionGateway;
let partitions = 0;

beforeAll(async () => {
  dev = await startDev({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': SUGGEST_AFTER },
  });
  bundle = await bundleJourneys(MODULE);
  gateway = temporalGateway({
    client: dev.client,
    settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0 },
  });
  const worker = await createWorker({
    journeys: MODULE,
    bundle,
    connection: dev.connection,
    store: {
      progress: { read: async (_, partition) => progress.get(partition) ?? null },
      ledger: memoryLedger(),
    },
    alerts: { publish: async (step) => void alerts.push(...step) },
    late: {
      publish: async ({ key }, events, reason) => void late.push({ key, events, reason }),
    },
    activities: { coupon: async () => {}, broken: async () => {} },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
});
afterAll(() => dev?.stop());

function sessionOf(journey: string, key: string) {
  const ref = { journey, key };
  const handle = dev.client.workflow.getHandle(`${journey}/${key}`);
  const partition = partitions++;
  const state = () => handle.query<SessionState>(STATE_QUERY);
  return {
    handle,
    partition,
    state,
    send: async (
      events: readonly BatchedEvent[],
      promises: Partial<Omit<EventBatch, 'events'>> = {},
    ) => {
      const watermark = events.at(-1)?.timestamp ?? 0;
      const from = { source: 'clicks', partition, watermark, lowWater: 0 };
      await gateway.signalWithStart(ref, { ...from, events, ...promises });
    },
    took: (events: number) =>
      until(`it has taken ${events}`, async () => (await state()).counts.events === events),
    update: <T>(name: keyof typeof UPDATES, request: object = BY): Promise<T> =>
      handle.executeUpdate<T, [object]>(name, { args: [request] }),
    /** What a refused update says. */
    refusal: async (name: keyof typeof UPDATES, request: unknown): Promise<string> => {
      const error = await handle.executeUpdate(name, { args: [request] }).catch((e) => e);
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      return (error as WorkflowUpdateFailedError).cause?.message ?? '';
    },
    open: async (rule = 0) => (await state()).rules[rule]?.open ?? [],
    timeline: () => handle.query<TimelineEntry[]>(TIMELINE_QUERY),
    explain: () => handle.query<SessionExplanation>(EXPLAIN_QUERY),
    result: (): Promise<SessionResult> => handle.result(),
    alerts: () => alerts.filter((alert) => alert.key === key).map(({ type }) => type),
  };
}

function click(
  offset: number,
  eventType: string,
  productId = 'p1',
  timestamp: Timestamp = T0 + offset * 1_000,
): BatchedEvent {
  return { offset, timestamp, data: { eventType, productId, eventTime: timestamp } as EventData };
}

function step(n: number): BatchedEvent {
  return { offset: n, timestamp: T0 + n * 1_000, data: { n } };
}

describe.concurrent('what people ask', () => {
  test('the timeline tells what happened, with rule, stages and coordinates, and outlives a run', async () => {
    const session = sessionOf('cart', 'timeline');
    const at = (offset: number) => `clicks/${session.partition}/${offset}`;
    await session.send([click(0, 'cart'), click(1, 'view'), click(2, 'purchase')]);
    await session.took(3);
    await session.send([click(1, 'view'), click(3, 'cart', 'p2')]);
    await session.send([click(9, 'cart', 'p3', T0 + 1_000)]);
    await until('it is told', async () => (await session.timeline()).length === 4);
    const told = (await session.timeline()).map(({ at: wall, ...entry }) => {
      expect(Math.abs(Date.now() - wall)).toBeLessThan(minutes(5));
      return entry;
    });
    const rule = 'abandonment';
    expect(told).toEqual([
      { what: 'TOOK', rule, stages: ['cart'], eventTime: T0, events: [at(0)] },
      { what: 'TOOK', rule, stages: ['purchase'], eventTime: T0 + 2_000, events: [at(2)] },
      { what: 'MATCH', rule, eventTime: T0 + 2_000, events: [at(0), at(2)], count: 2 },
      { what: 'TOOK', rule, stages: ['cart'], eventTime: T0 + 3_000, events: [at(3)] },
    ]);
    const { runId } = await session.handle.describe();
    for (let n = 10; (await session.handle.describe()).runId === runId; n++) {
      await session.send([click(n, 'view')]);
      await until('it has taken it', async () => (await session.state()).counts.events > n - 7);
    }
    expect((await session.timeline()).map(({ what }) => what)).toEqual([
      ...['TOOK', 'TOOK', 'MATCH', 'TOOK', 'CONTINUED'],
    ]);
    await session.handle.terminate();
  });
});
