// A key gets a workflow when it has an event that can begin something, and not before: the start and the end of a
// workflow are most of what a short session costs.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateClickstream } from '../../src/demo/clickstream.js';
import type { RawRecord } from '../../src/ingest/record.js';
import { days, hours } from '../../src/time.js';
import { SESSION_WORKFLOW } from '../../src/workflows/messages.js';
import { until } from '../support/until.js';
import {
  createWorker,
  ingest,
  loadJourneys,
  memoryStore,
  runOffline,
  temporalGateway,
} from './support/built.js';
import { ROOT } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';

const JOURNEYS = `${ROOT}/examples/journeys.ts`;
let dev: Dev;

beforeAll(async () => {
  dev = await startDev();
});
afterAll(() => dev?.stop());

test('the server has started as many workflows as keys had an event that can begin a pattern', async () => {
  const { journeys } = await loadJourneys(JOURNEYS);
  const clicks = generateClickstream({ seed: 3, events: 1_500, endsAt: Date.now() - days(30) });
  // Visits that only end: a purchase without a cart, and pages of no journey.
  const last = Math.max(...clicks.map(({ eventTime }) => eventTime));
  const strangers = Array.from({ length: 200 }, (_, i) => ({
    eventTime: last + i,
    eventType: i % 2 === 0 ? 'purchase' : 'home',
    productId: 'p',
    price: 10,
    userId: `stranger-${i}`,
    userSession: `stranger-${i}`,
  }));
  const records: RawRecord[] = [...clicks, ...strangers].map((value, offset) => ({
    source: 'shop',
    partition: 0,
    offset,
    recordTime: Date.now(),
    value: { ...value },
  }));
  const offline = runOffline({ journeys, records, endWatermark: 'last-event' });
  expect(offline.sessions).toBeGreaterThan(150);

  const store = memoryStore();
  const worker = await createWorker({
    journeys: JOURNEYS,
    connection: dev.connection,
    store,
    alerts: { publish: async () => {} },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
  async function* read() {
    yield* records;
  }
  const settings = { outOfOrdernessMs: 2_000, publicationIntervalMs: 1_000 };
  const counts = await ingest({
    journeys,
    records: read(),
    gateway: temporalGateway({ client: dev.client, journeys, settings }),
    store: store.progress,
    // What nothing was committed of can't end, and so not begin a second time.
    publishMs: hours(1),
    endWatermark: 'last-event',
  });
  expect(counts.skipped).toBeGreaterThan(200);
  const started = async () => {
    const { count } = await dev.client.workflow.count(`WorkflowType = '${SESSION_WORKFLOW}'`);
    return count;
  };
  await until('the list has them', async () => (await started()) >= offline.sessions);
  expect(await started()).toBe(offline.sessions);
  expect(counts.sessions).toBe(offline.sessions);
});
