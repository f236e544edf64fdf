// The session workflow on a real server, signalled as by an ingestor: what is delivered twice or too late,
// two sources and the end of one, thousands of signals over several runs, a flood after an outage of the
// workers, when a session ends, effects that fail, and what people see of a session.

import { ApplicationFailure } from '@temporalio/common';
import type { Worker, WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CepEvent, EventData } from '../../src/event.js';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import type { CompiledJourneys } from '../../src/rules/compiled.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, formatTimestamp, MAX_TIMESTAMP, minutes } from '../../src/time.js';
import {
  type BatchedEvent,
  type NotTakenReason,
  type PartitionProgress,
  type SessionRef,
  TASK_QUEUE,
} from '../../src/workflows/messages.js';
import type { SessionCounts, SessionResult } from '../../src/workflows/session.js';
import { until } from '../support/until.js';
import {
  bundleJourneys,
  createWorker,
  loadJourneys,
  memoryLedger,
  openStore,
  runOffline,
  temporalGateway,
} from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import {
  eventsOf,
  type HistoryEvent,
  localActivity,
  runsOf,
  scheduledActivity,
  taskFailures,
} from './support/history.js';
import { feedSession } from './support/session.js';
import type { Click, Step } from './support/session-journeys.js';

const MODULE = new URL('support/session-journeys.ts', import.meta.url);
const LATER_QUEUE = 'worker-comes-later';
/** Far enough ahead that no timer of a deadline fires. */
const T0 = Date.now() + days(1);

const alerts: Alert[] = [];
const coupons: Alert[] = [];
const late: { session: SessionRef; events: readonly CepEvent[]; reason: NotTakenReason }[] = [];
/** What the ingestor of the source `clicks` says of its partitions. */
const progress = new Map<number, PartitionProgress>();
const dropped: [journey: string, rule: string, partialMatches: number][] = [];
let dev: Dev;
let store: Awaited<ReturnType<typeof openStore>>;
let bundle: WorkflowBundleWithSourceMap;
let journeys: CompiledJourneys;
let gateway: SessionGateway;
let partitions = 0;

beforeAll(async () => {
  dev = await startDev();
  store = await openStore({ memory: true }, { migrate: true });
  ({ journeys } = await loadJourneys(MODULE));
  bundle = await bundleJourneys(MODULE);
  gateway = gatewayTo(TASK_QUEUE);
  await startWorker(TASK_QUEUE);
});
afterAll(async () => {
  await dev?.stop();
  await store?.close();
});

function gatewayTo(taskQueue: string): SessionGateway {
  const settings = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };
  return temporalGateway({ client: dev.client, settings, taskQueue });
}

async function startWorker(taskQueue: string): Promise<void> {
  const worker = await createWorker({
    journeys: MODULE,
    bundle,
    connection: dev.connection,
    taskQueue,
    store: {
      progress: {
        read: async (_, partition) => progress.get(partition) ?? null,
      },
      ledger: memoryLedger(),
      effects: store.effects,
    },
    alerts: { publish: async (step) => void alerts.push(...step) },
    late: {
      publish: async (session, events, reason) => void late.push({ session, events, reason }),
    },
    onDropped: (...drop) => void dropped.push(drop),
    activities: {
      coupon: async (alert) => void coupons.push(alert),
      broken: async () => {
        throw ApplicationFailure.nonRetryable('there is no such template');
      },
    },
  });
  runUntilStop(worker);
}

function runUntilStop(worker: Worker): void {
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
}

/** A session of its own, fed from a partition of its own. */
function sessionOf(journey: string, key: string, to: SessionGateway = gateway) {
  const { client } = dev;
  const session = feedSession({ client, gateway: to, journey, key, partition: partitions++ });
  const { handle, state } = session;
  return {
    ...session,
    counts: async (): Promise<SessionCounts> => (await state()).counts,
    result: (): Promise<SessionResult> => handle.result(),
    isRunning: async () => (await handle.describe()).status.name === 'RUNNING',
    alerts: () => alerts.filter((alert) => alert.key === key && alert.journey === journey),
    summary: () =>
      alerts
        .filter((alert) => alert.key === key && alert.journey === journey)
        .map(({ type, at, message }) => ({ type, at: at - T0, message })),
  };
}

const couponsOf = (journey: string) => coupons.filter((alert) => alert.journey === journey);

/** An event at T0 + offset * 1 s. */
function click(
  offset: number,
  eventType: Click['eventType'],
  productId = 'p1',
  timestamp = T0 + offset * 1_000,
): BatchedEvent {
  const data = { eventType, productId, eventTime: timestamp, userSession: '' };
  return { offset, timestamp, data: data as EventData };
}

const NOTHING: SessionCounts = {
  events: 0,
  repeats: 0,
  late: 0,
  refused: 0,
  skipped: 0,
  alerts: 0,
};

describe.concurrent('deliveries', () => {
  test('what comes twice is counted and matched once', async () => {
    const session = sessionOf('cart', 'repeats');
    const batch = [click(0, 'cart'), click(1, 'view'), click(2, 'purchase')];
    await session.send(batch);
    await session.send(batch);
    // Part of it again, with something new.
    await session.send([...batch.slice(1), click(3, 'cart', 'p2')]);
    await session.send([click(4, 'purchase', 'p2')]);
    await until('all was taken', async () => (await session.counts()).events === 5);
    expect(await session.counts()).toEqual({ ...NOTHING, events: 5, repeats: 5, alerts: 2 });

    await session.send([], { lowWater: 5 });
    expect(await session.result()).toEqual({
      counts: { ...NOTHING, events: 5, repeats: 5, alerts: 2 },
      rules: { abandonment: { matches: 2, timeouts: 0, errors: 0, failures: 0, dropped: 0 } },
    });
    expect(session.summary()).toEqual([
      { type: 'PURCHASE_COMPLETION', at: 2_000, message: 'p1 bought' },
      { type: 'PURCHASE_COMPLETION', at: 4_000, message: 'p2 bought' },
    ]);
  });

  test('an event that the session has passed is late: published and counted', async () => {
    const session = sessionOf('cart', 'late');
    await session.send([click(0, 'cart'), click(1, 'view', 'p1', T0 + 2_000)]);
    await until('they were taken', async () => (await session.counts()).events === 2);
    // Only now does the session hear of the second source, which is behind.
    const purchase = click(7, 'purchase', 'p1', T0 + 1_000);
    // What could have begun nothing before there was a session is told to nobody.
    const earlier = click(6, 'purchase', 'p1', T0 - 1_000);
    await session.send([earlier, purchase], { source: 'orders', partition: 3 });
    await until('it was published', () => late.find(({ session: { key } }) => key === 'late'));
    expect(late.filter(({ session: { key } }) => key === 'late')).toEqual([
      {
        session: session.ref,
        events: [{ source: 'orders', partition: 3, ...purchase }],
        reason: 'LATE_FOR_SESSION',
      },
    ]);
    const { counts, watermark, rules } = await session.state();
    expect(counts).toEqual({ ...NOTHING, events: 2, late: 1, skipped: 1 });
    expect(watermark).toBe(T0 + 2_000);
    expect(rules[0]).toMatchObject({ openCount: 1, counts: { matches: 0, timeouts: 0 } });
  });

  test('the slower of two sources gates; one that has ended does not', async () => {
    const session = sessionOf('cart', 'two-sources');
    const orders = { source: 'orders', partition: 0 };
    await session.send([click(0, 'cart')]);
    await session.send([click(0, 'view', 'p1', T0 + 1)], orders);
    await session.send([], { watermark: T0 + minutes(20) });
    await until('the watermark is known', async () => {
      const { sources } = await session.state();
      return sources.some(({ watermark }) => watermark === T0 + minutes(20));
    });
    const { watermark, counts, nextDeadline } = await session.state();
    expect({ watermark, counts, nextDeadline }).toEqual({
      watermark: T0 + 1,
      counts: { ...NOTHING, events: 2 },
      nextDeadline: T0 + minutes(10),
    });

    const end = { watermark: T0 + 1, lowWater: MAX_TIMESTAMP, finished: true as const };
    await session.send([], { ...orders, ...end });
    await until('the window has ended', async () => (await session.counts()).alerts === 1);
    expect((await session.state()).watermark).toBe(T0 + minutes(20));
    await session.send([], { lowWater: 1 });
    expect((await session.result()).counts).toEqual({ ...NOTHING, events: 2, alerts: 1 });
    expect(session.summary()).toEqual([
      { type: 'CART_ABANDONMENT', at: minutes(10), message: 'p1 left' },
    ]);
  });
});

describe.concurrent('limits of a rule', () => {
  const step = (offset: number, n = offset, padding = ''): BatchedEvent => {
    const timestamp = T0 + offset;
    return { offset, timestamp, data: { n, eventTime: timestamp, userSession: '', padding } };
  };

  test('what is dropped is counted, told to the worker, and said in the details', async () => {
    const session = sessionOf('limited', 'dropping');
    await session.send([0, 1, 2, 3].map((n) => step(n)));
    await until('they were taken', async () => (await session.counts()).events === 4);
    await session.send([step(4), step(5, 1_000)]);
    await until('it has matched', () => session.alerts().length === 3);
    expect(session.summary().map(({ message }) => message)).toEqual(['from 2', 'from 3', 'from 4']);
    const { rules } = await session.state();
    expect(rules[0]).toMatchObject({ openCount: 1, counts: { dropped: 2, failures: 0 } });
    expect(dropped.filter(([journey]) => journey === 'limited')).toEqual([
      ['limited', 'few', 1],
      ['limited', 'few', 1],
    ]);
  });

  test('where too many wait for the watermark they are published, and counted', async () => {
    const session = sessionOf('limited', 'refusing');
    // Together more than one activity is given.
    const events = [0, 1, 2, 3, 4, 5].map((n) => step(n, n, '.'.repeat(150_000)));
    await session.send(events, { watermark: T0 - 1 });
    // Activities beside each other: either may end first.
    const published = () =>
      late
        .filter(({ session: { key } }) => key === 'refusing')
        .sort((a, b) => (a.events[0]?.offset ?? 0) - (b.events[0]?.offset ?? 0));
    await until(
      'they were published',
      () => published().flatMap((each) => each.events).length >= 5,
    );
    expect(published().map((each) => [each.reason, each.events.length])).toEqual([
      ['NO_ROOM_IN_SESSION', 3],
      ['NO_ROOM_IN_SESSION', 2],
    ]);
    const from = { source: 'clicks', partition: session.partition };
    expect(published().flatMap((each) => each.events)).toEqual(
      events.slice(0, 5).map((event) => ({ ...from, ...event })),
    );
    expect(published()[0]?.session).toEqual(session.ref);
    expect(await session.counts()).toEqual({ ...NOTHING, events: 5, refused: 5 });
  });
});

describe.concurrent('the end of a session', () => {
  test('comes when the ingestor has committed what the session took', async () => {
    const session = sessionOf('cart', 'committed');
    progress.set(session.partition, { watermark: T0, lowWater: 1, finished: false });
    await session.send([click(0, 'cart'), click(1, 'purchase')]);
    // Idle: it asks by itself. Offset 1 could still come again.
    await until('it has asked', async () => (await session.state()).sources[0]?.lowWater === 1);
    expect(await session.isRunning()).toBe(true);
    await session.send([click(1, 'purchase')]);
    await until('the repeat was seen', async () => (await session.counts()).repeats === 1);
    expect(session.alerts()).toHaveLength(1);

    progress.set(session.partition, { watermark: T0, lowWater: 2, finished: false });
    expect((await session.result()).counts).toEqual({
      ...NOTHING,
      events: 2,
      repeats: 1,
      alerts: 1,
    });
    expect(session.alerts()).toHaveLength(1);
    // The alert is published in the task that finds it; the first question goes with it, without a timer.
    const history = await eventsOf(dev.client, session.handle.workflowId);
    const tasks = history.findIndex((event) => event.workflowTaskCompletedEventAttributes);
    const next = history.slice(tasks + 1, tasks + 4);
    expect(next.map((event) => scheduledActivity(event) ?? localActivity(event))).toEqual(
      expect.arrayContaining(['readProgress', 'publishAlerts']),
    );
  });

  test('does not come while a match is open', async () => {
    const session = sessionOf('cart', 'open');
    await session.send([click(0, 'cart')]);
    await session.send([], { lowWater: 10 });
    await until('it is committed', async () => (await session.state()).sources[0]?.lowWater === 10);
    expect(await session.isRunning()).toBe(true);
    await session.send([click(10, 'purchase')], { lowWater: 10 });
    await until('it is bought', () => session.alerts().length === 1);
    expect(await session.isRunning()).toBe(true);
    await session.send([], { lowWater: 11 });
    expect((await session.result()).counts).toEqual({ ...NOTHING, events: 2, alerts: 1 });
  });
});

describe.concurrent('effects', () => {
  test('are called once per alert; one that fails for good is in the ledger and stops nothing', async () => {
    const session = sessionOf('rewarded', 'effects');
    await session.send([click(0, 'cart'), click(1, 'purchase')]);
    const [alert] = await until('there is an alert', () =>
      session.alerts().length === 1 ? session.alerts() : null,
    );
    const isDead = async (id: string) =>
      (await store.effects.read(`${id}/broken`))?.state === 'dead';
    await until('its effect is dead', () => isDead(alert?.id ?? ''));
    await session.send([click(2, 'cart', 'p2'), click(3, 'purchase', 'p2')]);
    await session.send([click(2, 'cart', 'p2'), click(3, 'purchase', 'p2')], { lowWater: 4 });
    expect(await session.result()).toEqual({
      counts: { ...NOTHING, events: 4, repeats: 2, alerts: 2 },
      rules: { abandonment: { matches: 2, timeouts: 0, errors: 0, failures: 0, dropped: 0 } },
    });
    expect(session.summary().map(({ message }) => message)).toEqual(['p1 bought', 'p2 bought']);
    await until('the second has its coupon', () => couponsOf('rewarded').length === 2);
    expect(couponsOf('rewarded')).toEqual(session.alerts());
    expect(await store.effects.read(`${alert?.id}/coupon`)).toMatchObject({
      ...{
        state: 'delivered',
        attempts: 1,
        journey: 'rewarded',
        rule: 'abandonment',
        ruleVersion: 1,
      },
      workflowId: `effect/${alert?.id}`,
    });
    expect(await store.effects.read(`${alert?.id}/broken`)).toMatchObject({
      ...{ reason: 'REFUSED', detail: 'the function broken has failed: there is no such template' },
    });
    expect(new Set(session.alerts().map(({ id }) => id)).size).toBe(2);
  });
});

describe.concurrent('what people see', () => {
  test('state, details, summary and search attributes', async () => {
    const session = sessionOf('cart', 'seen by all');
    await session.send([click(0, 'cart'), click(1, 'view')]);
    await until('all was taken', async () => (await session.counts()).events === 2);
    const deadline = T0 + minutes(10);
    expect(await session.state()).toEqual({
      journey: 'cart',
      key: 'seen by all',
      watermark: T0 + 1_000,
      nextDeadline: deadline,
      rules: [
        {
          rule: 'abandonment',
          version: 1,
          description: 'A cart, and no purchase of it within ten minutes',
          open: [expect.objectContaining({ stage: 'purchase', deadline })],
          openCount: 1,
          nextDeadline: deadline,
          counts: { matches: 0, timeouts: 0, errors: 0, failures: 0, dropped: 0 },
          lastError: null,
        },
      ],
      sources: [
        {
          source: 'clicks',
          partition: session.partition,
          watermark: T0 + 1_000,
          lowWater: 0,
          highest: 1,
          finished: false,
          seen: [0, 1],
        },
      ],
      counts: { ...NOTHING, events: 2 },
      publishing: 0,
      paused: null,
    });

    const details = async () =>
      (await session.handle.query<{ currentDetails: string }>('__temporal_workflow_metadata'))
        .currentDetails;
    const at = (time: number) => formatTimestamp(time).slice(0, 19).replace('T', ' ');
    expect(await details()).toContain('**cart** for **seen by all**: 2 events, 0 alerts.');
    expect(await details()).toContain('### abandonment');
    expect(await details()).toMatch(/\| purchase \| \*\*cart\*\*: cart, p1 at [\d:]{8} \|/);
    expect(await details()).toContain(`${at(deadline)} UTC, in 9 min 59 s of event time |`);

    const description = await session.handle.describe();
    expect(await description.staticSummary()).toBe('cart of seen by all');
    expect(description.searchAttributes).toMatchObject({
      CepJourney: ['cart'],
      CepKey: ['seen by all'],
      CepRules: ['abandonment'],
      CepNextDeadline: [new Date(deadline)],
    });
    const found = async (condition: string) => {
      const ids: string[] = [];
      const query = `CepKey = 'seen by all' AND ${condition}`;
      for await (const { workflowId } of dev.client.workflow.list({ query })) ids.push(workflowId);
      return ids;
    };
    const ours = ['cart/seen by all'];
    const dueBefore = (time: number) => `CepNextDeadline < '${new Date(time).toISOString()}'`;
    await until('it is listed', async () => (await found("CepRules = 'abandonment'")).length > 0);
    expect(await found("CepJourney = 'cart' AND CepRules = 'abandonment'")).toEqual(ours);
    expect(await found("CepRules = 'another'")).toEqual([]);
    expect(await found(dueBefore(deadline))).toEqual([]);
    expect(await found(dueBefore(deadline + 1))).toEqual(ours);

    // Nothing is in progress after the match.
    await session.send([click(2, 'purchase')]);
    await until('it is bought', () => session.alerts().length === 1);
    await until('it is listed', async () => (await found('CepRules IS NULL')).length > 0);
    expect(await found('CepNextDeadline IS NOT NULL')).toEqual([]);
    expect(await details()).toContain('**cart** for **seen by all**: 3 events, 1 alert.');
    expect(await details()).toContain('Nothing open.');
  });
});

describe('many events', () => {
  const steps = (from: number, to: number, padding?: string): BatchedEvent[] =>
    Array.from({ length: to - from }, (_, i) => {
      const n = from + i;
      const step: Step = { n, eventTime: T0 + n, userSession: '' };
      const data = padding === undefined ? step : { ...step, padding };
      return { offset: n, timestamp: T0 + n, data: data as unknown as EventData };
    });

  /** The alerts of the offline run over the same events. */
  function offline(
    { ref: { journey, key }, partition }: { ref: SessionRef; partition: number },
    events: readonly BatchedEvent[],
  ) {
    const source = 'clicks';
    const { byId, set } = journeys;
    const only = new Map([...byId].filter(([id]) => id === journey));
    return runOffline({
      journeys: { set, byId: only },
      records: events.map(({ offset, timestamp, data }) => ({
        source,
        partition,
        offset,
        recordTime: timestamp,
        value: { ...data, userSession: key },
      })),
      outOfOrdernessMs: 0,
      endWatermark: 'last-event',
    }).alerts;
  }

  const inOrder = (list: readonly Alert[]) => list.toSorted((a, b) => a.at - b.at);
  const withKey = (events: readonly BatchedEvent[], key: string) =>
    events.map((event) => ({ ...event, data: { ...event.data, userSession: key } }));

  /** Why tasks failed: never because of what the workflow did. */
  function troubles(runs: readonly HistoryEvent[][]): string[] {
    // A signal that came during a task which was to end a run: the server has it done again.
    return runs
      .flatMap(taskFailures)
      .filter((cause) => !/(UNHANDLED|FORCE_CLOSE)_COMMAND$/.test(cause));
  }

  test('4,500 signals: several runs, nothing lost, doubled or out of order', async () => {
    const key = 'signals';
    const session = sessionOf('counting', key);
    const events = withKey(steps(0, 4_500), key);
    let repeats = 0;
    for (const [n, event] of events.entries()) {
      const lowWater = Math.max(0, n - 1_000);
      await session.send([event], { lowWater });
      // A redelivery, across the runs too; some of it from below the low-water mark.
      if (n % 300 === 299) {
        const again = events.slice(Math.max(0, n - 1_200), n).filter((_, i) => i % 100 === 0);
        await session.send(again, { watermark: event.timestamp, lowWater });
        repeats += again.length;
      }
      // As the ingestor does: a worker that falls far behind replays what it can't end, until that takes too long.
      if (n % 500 === 499) {
        await until('it is done with all', async () => (await session.counts()).events === n + 1);
      }
    }
    const expected = offline(session, events);
    expect(expected).toHaveLength(45);
    await session.send([], { lowWater: 4_500 });
    expect((await session.result()).counts).toEqual({
      ...NOTHING,
      events: 4_500,
      repeats,
      alerts: 45,
    });
    expect(inOrder(session.alerts())).toEqual(expected);
    const runs = await runsOf(dev.client, session.handle.workflowId);
    // A worker that is behind takes more than 2,000 signals in one run.
    expect(runs.length).toBeGreaterThanOrEqual(2);
    expect(troubles(runs)).toEqual([]);
    expect(runs.map((run) => run.length).filter((length) => length > 10_000)).toEqual([]);
  }, 300_000);

  test('a flood that came while no worker was there is worked off, without a task timeout', async () => {
    const key = 'flood';
    const session = sessionOf('counting', key, gatewayTo(LATER_QUEUE));
    // 30 batches of the size the ingestor makes, together more than one payload or run can hold.
    const events = withKey(steps(0, 15_000, '.'.repeat(250)), key);
    for (let n = 0; n < events.length; n += 500) await session.send(events.slice(n, n + 500));
    await startWorker(LATER_QUEUE);
    await until('all was taken', async () => (await session.counts()).events === 15_000);
    expect(await session.counts()).toEqual({ ...NOTHING, events: 15_000, alerts: 150 });
    const expected = offline(session, events);
    expect(expected).toHaveLength(150);
    await session.send([], { lowWater: 15_000 });
    expect((await session.result()).counts.events).toBe(15_000);
    expect(inOrder(session.alerts())).toEqual(expected);
    expect(troubles(await runsOf(dev.client, session.handle.workflowId))).toEqual([]);
  });

  test('more alerts from one batch than an activity can take: all of them, in portions', async () => {
    const key = 'portions';
    const session = sessionOf('overlapping', key);
    const events = withKey(steps(0, 700, '.'.repeat(500)), key);
    const expected = offline(session, events);
    expect(expected).toHaveLength(691);
    // Of the first 500 events alone: more than the 2 MB that an activity's argument may have.
    expect(JSON.stringify(expected.slice(0, 491)).length).toBeGreaterThan(2 * 1024 * 1024);
    await session.send(events.slice(0, 500));
    await session.send(events.slice(500), { lowWater: 500 });
    await session.send([], { lowWater: 700 });
    await until('all was told', () => session.alerts().length >= 691);
    // Nine events of a next match are taken: the session stays open.
    await until('nothing is under way', async () => (await session.state()).publishing === 0);
    expect(await session.counts()).toEqual({ ...NOTHING, events: 700, alerts: 691 });
    expect(inOrder(session.alerts())).toEqual(expected);
    const runs = await runsOf(dev.client, session.handle.workflowId);
    expect(troubles(runs)).toEqual([]);
    // And not one by one.
    const published = runs.flat().filter((e) => localActivity(e) === 'publishAlerts');
    expect(published.length).toBeGreaterThan(5);
    expect(published.length).toBeLessThan(50);
  });
});
