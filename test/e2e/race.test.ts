// The race of watermark and purchase, on a real server: a session's timer fires, its read of the watermark
// is held open, a purchase within the window is accepted, then a watermark beyond the deadline is
// published and read. The purchase counts: whatever was accepted before a watermark was published is seen
// before it. And its counterpart, without a purchase: one timeout.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import type { Alert } from '../../src/rules/rule.js';
import type { EventBatch, PartitionProgress } from '../../src/workflows/messages.js';
import type { SessionResult } from '../../src/workflows/session.js';
import { until } from '../support/until.js';
import { createWorker, memoryLedger, temporalGateway } from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import { eventsOf, scheduledActivity } from './support/history.js';
import { type Click, WINDOWS } from './support/journeys.js';

const SOURCE = 'race';
const TASK_QUEUE = 'race';
const JOURNEY = 'quick';

/** The questions for a watermark that are open, by partition; each session here has one of its own. */
const questions = new Map<number, (progress: PartitionProgress) => void>();
const alerts: Alert[] = [];
let dev: Dev;
let gateway: SessionGateway;

beforeAll(async () => {
  dev = await startDev();
  const { connection } = dev;
  gateway = temporalGateway({
    client: dev.client,
    settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0 },
    taskQueue: TASK_QUEUE,
  });
  const worker = await createWorker({
    journeys: new URL('support/journeys.ts', import.meta.url),
    connection,
    taskQueue: TASK_QUEUE,
    alerts: { publish: async (step) => void alerts.push(...step) },
    store: {
      progress: {
        read: (_, partition) =>
          new Promise<PartitionProgress>((resolve) => questions.set(partition, resolve)),
      },
      ledger: memoryLedger(),
    },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
});
afterAll(() => dev?.stop());

const click = (eventType: Click['eventType'], eventTime: number, userSession: string) => ({
  timestamp: eventTime,
  data: { eventType, eventTime, productId: 'p', userSession, shop: JOURNEY },
});

/** Sends a cart and waits until the session's read of the watermark is open. */
async function cartUntilRead(partition: number, key: string) {
  const ref = { journey: JOURNEY, key };
  const at = Date.now();
  const batch = (offset: number, event: ReturnType<typeof click>): EventBatch => ({
    source: SOURCE,
    partition,
    events: [{ offset, ...event }],
    watermark: event.timestamp,
    lowWater: 0,
  });
  await gateway.signalWithStart(ref, batch(0, click('cart', at, key)));
  const answer = await until(`${key} reads the watermark`, () => questions.get(partition));
  return { ref, at, deadline: at + WINDOWS.quick, batch, answer };
}

describe.concurrent('on sessions of their own', () => {
  test.each([1, 2, 3, 4, 5])(
    'a purchase accepted while the watermark is read (%i)',
    async (time) => {
      const key = `buyer-${time}`;
      const { ref, at, deadline, batch, answer } = await cartUntilRead(time, key);
      expect(Date.now()).toBeGreaterThanOrEqual(deadline);
      expect(await gateway.signal(ref, batch(1, click('purchase', at + 1_000, key)))).toBe(
        'accepted',
      );
      answer({ watermark: deadline + 60_000, lowWater: 2, finished: false });

      const workflowId = `${JOURNEY}/${key}`;
      const result: SessionResult = await dev.client.workflow.getHandle(workflowId).result();
      expect(result.rules).toEqual({
        'cart-abandonment': { matches: 1, timeouts: 0, errors: 0, failures: 0, dropped: 0 },
      });
      expect(ofKey(key)).toEqual([{ type: 'PURCHASE_COMPLETION', at: at + 1_000 }]);

      // It was the race: the purchase came between the question and its answer.
      const history = await eventsOf(dev.client, workflowId);
      const asked = history.findIndex((event) => scheduledActivity(event) === 'readProgress');
      const bought = history.findLastIndex((e) => e.workflowExecutionSignaledEventAttributes);
      const answered = history.findIndex((e) => e.activityTaskCompletedEventAttributes);
      expect([asked, bought, answered]).toEqual(
        [asked, bought, answered].toSorted((a, b) => a - b),
      );
      expect(asked).toBeGreaterThan(0);
    },
  );

  test('without a purchase: one timeout', async () => {
    const key = 'leaver';
    const { at, deadline, answer } = await cartUntilRead(6, key);
    expect(ofKey(key)).toEqual([]);
    answer({ watermark: deadline + 60_000, lowWater: 2, finished: false });
    const result: SessionResult = await dev.client.workflow.getHandle(`${JOURNEY}/${key}`).result();
    expect(result.rules).toEqual({
      'cart-abandonment': { matches: 0, timeouts: 1, errors: 0, failures: 0, dropped: 0 },
    });
    expect(ofKey(key)).toEqual([{ type: 'CART_ABANDONMENT', at: at + WINDOWS.quick }]);
  });

  test('a watermark short of the deadline ends nothing', async () => {
    const key = 'waiting';
    const { deadline, answer } = await cartUntilRead(7, key);
    questions.delete(7);
    answer({ watermark: deadline - 1, lowWater: 2, finished: false });
    // The session asks again; had it timed out, it would have ended.
    const again = await until('it asks again', () => questions.get(7));
    expect(ofKey(key)).toEqual([]);
    again({ watermark: deadline, lowWater: 2, finished: false });
    await dev.client.workflow.getHandle(`${JOURNEY}/${key}`).result();
    expect(ofKey(key)).toEqual([{ type: 'CART_ABANDONMENT', at: deadline }]);
  });
});

function ofKey(key: string) {
  return alerts.filter((alert) => alert.key === key).map(({ type, at }) => ({ type, at }));
}
