// A worker killed with SIGKILL: across a deadline, before one, and after it wrote the alert and before the
// server knew. The worker is the command line's own process; this process is the ingestor, whose live
// stream moves the watermark on. Each time the alert stands in the file once, never before its deadline.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawRecord } from '../../src/ingest/record.js';
import { createLogger } from '../../src/log.js';
import type { Store } from '../../src/store/index.js';
import { STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionResult, SessionState } from '../../src/workflows/session.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { ingest, loadJourneys, openStore, temporalGateway } from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import { eventsOf, localActivity, timeOf } from './support/history.js';
import { type Click, WINDOWS } from './support/journeys.js';
import { slowPath, startWorkerProcess, watchAlerts } from './support/worker-process.js';

const OUT_OF_ORDERNESS_MS = 200;
const TICK_MS = 300;
const TIMEOUT_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-kill-'));
let dev: Dev;
let database: string;
let store: Store;

beforeAll(async () => {
  const postgres = await startPostgres();
  database = postgres.url;
  store = await openStore(database, { migrate: true });
  dev = await startDev();
  dev.onStop(() => postgres.stop());
  dev.onStop(() => store.close());
});
afterAll(async () => {
  await dev?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const where = () => ({ address: dev.address, database });

/** The live stream of one test: views of other sessions every 300 ms, and what is put in between. */
async function startIngest(name: string) {
  const source = `live-${name}`;
  const { journeys } = await loadJourneys(new URL('support/journeys.ts', import.meta.url));
  const stopping = new AbortController();
  const carts: Click[] = [];
  async function* records(): AsyncGenerator<RawRecord> {
    for (let offset = 0; !stopping.signal.aborted; offset++) {
      const eventTime = Date.now();
      const value = carts.shift() ?? {
        eventTime,
        eventType: 'view',
        productId: 'other',
        userSession: `visitor-${offset}`,
        shop: 'short',
      };
      yield { source, partition: 0, offset, recordTime: eventTime, value: { ...value } };
      await sleep(TICK_MS);
    }
  }
  const running = ingest({
    journeys,
    records: records(),
    gateway: temporalGateway({
      client: dev.client,
      settings: { outOfOrdernessMs: OUT_OF_ORDERNESS_MS, publicationIntervalMs: TICK_MS },
      taskQueue: name,
    }),
    store: store.progress,
    outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
    endWatermark: 'none',
    signal: stopping.signal,
    log: createLogger('warn'),
  });
  const stop = async () => {
    stopping.abort();
    const { dead, late } = await running;
    return { dead, late };
  };
  dev.onStop(() => stopped ?? stop());
  let stopped: ReturnType<typeof stop> | null = null;
  return {
    /** Puts a cart in and waits until its session has taken it. @returns the session and its deadline */
    cart: async (shop: keyof typeof WINDOWS) => {
      const eventTime = Date.now();
      const key = `${name}-${shop}`;
      carts.push({ eventTime, eventType: 'cart', productId: 'p1', userSession: key, shop });
      const session = dev.client.workflow.getHandle(`${shop}/${key}`);
      await until('the session has the cart', async () => {
        const state = await session.query<SessionState>(STATE_QUERY);
        return state.counts.events === 1;
      });
      return { key, session, deadline: eventTime + WINDOWS[shop] };
    },
    stop: async () => {
      stopped = stop();
      expect(await stopped).toEqual({ dead: {}, late: 0 });
    },
  };
}

/** What the file and the session must say in the end: one timeout, not before its deadline. */
async function expectOnce(
  file: ReturnType<typeof watchAlerts>,
  { key, session, deadline }: Awaited<ReturnType<Awaited<ReturnType<typeof startIngest>>['cart']>>,
): Promise<void> {
  // The session ends once its activities are done: nothing can follow.
  const { counts, rules }: SessionResult = await session.result();
  expect(counts).toMatchObject({ events: 1, repeats: 0, late: 0, alerts: 1 });
  expect(rules).toMatchObject({ 'cart-abandonment': { matches: 0, timeouts: 1 } });
  const seen = file.seen.filter(({ alert }) => alert.key === key);
  expect(seen.map(({ alert: { type, at } }) => ({ type, at }))).toEqual([
    { type: 'CART_ABANDONMENT', at: deadline },
  ]);
  expect(seen[0]?.seenAt).toBeGreaterThan(deadline);
}

describe.concurrent('SIGKILL', () => {
  test(
    'across a deadline, and before another',
    async () => {
      const taskQueue = 'across';
      const path = join(folder, `${taskQueue}.ndjson`);
      const first = await startWorkerProcess({ ...where(), taskQueue, alerts: path });
      const file = watchAlerts(path);
      const live = await startIngest(taskQueue);
      const [short, long] = await Promise.all([live.cart('short'), live.cart('longer')]);

      await sleep(500);
      expect(Date.now()).toBeLessThan(short.deadline);
      await first.kill();
      await sleep(short.deadline + 2_000 - Date.now());
      expect(file.seen).toEqual([]);
      const second = await startWorkerProcess({ ...where(), taskQueue, alerts: path });
      expect(second.readyAt).toBeLessThan(long.deadline);

      await expectOnce(file, short);
      await expectOnce(file, long);
      expect(file.seen).toHaveLength(2);
      // The one's timer fired on the server while no worker was there; the other's was still to come.
      const firedAt = async (workflowId: string) => {
        const history = await eventsOf(dev.client, workflowId);
        return timeOf(history.find((e) => e.timerFiredEventAttributes) ?? {});
      };
      expect(await firedAt(short.session.workflowId)).toBeLessThan(second.startedAt);
      expect(await firedAt(long.session.workflowId)).toBeGreaterThan(second.readyAt);
      await live.stop();
      await second.kill();
      file.close();
    },
    TIMEOUT_MS,
  );

  test(
    'before a deadline, with a new worker there in time',
    async () => {
      const taskQueue = 'before';
      const path = join(folder, `${taskQueue}.ndjson`);
      const first = await startWorkerProcess({ ...where(), taskQueue, alerts: path });
      const file = watchAlerts(path);
      const live = await startIngest(taskQueue);
      const cart = await live.cart('longer');
      await sleep(500);
      await first.kill();
      const second = await startWorkerProcess({ ...where(), taskQueue, alerts: path });
      expect(second.readyAt).toBeLessThan(cart.deadline);

      await expectOnce(file, cart);
      expect(file.seen).toHaveLength(1);
      await live.stop();
      await second.kill();
      file.close();
    },
    TIMEOUT_MS,
  );

  test(
    'when the alert is written and the server does not know yet',
    async () => {
      const taskQueue = 'between';
      const path = join(folder, `${taskQueue}.ndjson`);
      // What the worker says is under way for a while: time to kill it before it is heard.
      const slow = await slowPath(dev.address, 150);
      const first = await startWorkerProcess({
        ...where(),
        address: slow.address,
        taskQueue,
        alerts: path,
      });
      let isKilled = false;
      const file = watchAlerts(path, () => {
        if (!isKilled) void first.kill();
        isKilled = true;
      });
      const live = await startIngest(taskQueue);
      const cart = await live.cart('short');
      await until('the alert is written, the worker killed', () => isKilled);
      await slow.close();
      await sleep(1_000);
      const second = await startWorkerProcess({ ...where(), taskQueue, alerts: path });

      await expectOnce(file, cart);
      expect(file.seen).toHaveLength(1);
      // The second worker did publish it again, which changed nothing.
      const history = await eventsOf(dev.client, cart.session.workflowId);
      expect(history.some((event) => event.workflowTaskTimedOutEventAttributes)).toBe(true);
      expect(history.filter((event) => localActivity(event) === 'publishAlerts')).toHaveLength(1);
      await live.stop();
      await second.kill();
      file.close();
    },
    TIMEOUT_MS,
  );
});
