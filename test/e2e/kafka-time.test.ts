// Time over Kafka: an ingestor that is down, frozen or replaced delays what times out and never invents it; a
// silent live stream goes on with the clock; a historic one is moved by its events alone.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { hours, minutes, seconds } from '../../src/time.js';
import { STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { until } from '../support/until.js';
import { loadJourneys, runOffline } from './support/built.js';
import { ROOT, type Running } from './support/cli.js';
import { type Click, WINDOWS } from './support/journeys.js';
import {
  interrupt,
  type Produced,
  rawRecords,
  type Shop,
  Stall,
  sourceOf,
  startShop,
} from './support/shop.js';

const JOURNEYS = join(ROOT, 'test/e2e/support/journeys.ts');
const LITERAL = join(ROOT, 'examples/literal-journeys.ts');
const ROWS = join(ROOT, 'examples/data/sample-rows.ndjson');
const OUT_OF_ORDERNESS_MS = seconds(2);
const GRACE_MS = seconds(3);
const LIVE = ['--grace', '3s'];
const TIMEOUT_MS = minutes(4);
let shop: Shop;

beforeAll(async () => {
  shop = await startShop();
});
afterAll(() => shop?.stop());

type Window = keyof typeof WINDOWS;

function click(
  eventType: Click['eventType'],
  userSession: string,
  { partition = 0, window = 'long' }: { partition?: number; window?: Window } = {},
): Produced {
  const value: Click = {
    eventTime: Date.now(),
    eventType,
    productId: 'p1',
    userSession,
    shop: window,
  };
  return { partition, key: userSession, value };
}

/**
 * Puts a cart in and waits until its session has it: in a silent stream not before bound and grace.
 *
 * @returns when its window ends
 */
async function cart(
  stall: Stall,
  key: string,
  { partition = 0, window = 'long' }: { partition?: number; window?: Window } = {},
): Promise<number> {
  const record = click('cart', key, { partition, window });
  await stall.produce([record]);
  const session = shop.dev.client.workflow.getHandle(`${window}/${key}`);
  await until(`${key} has a cart`, async () => {
    const { counts } = await session.query<SessionState>(STATE_QUERY);
    return counts.events === 1;
  });
  return (record.value as Click).eventTime + WINDOWS[window];
}

async function typesOf(stall: Stall): Promise<string[]> {
  return (await stall.alerts()).map(({ value: { type, key } }) => `${type} ${key}`).sort();
}

/** A first event, so that worker, group and sessions are known to work before time counts. */
async function warmUp(stall: Stall, partitions = 1): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    await cart(stall, `${stall.name}-first-${partition}`, { partition });
    await stall.produce([click('purchase', `${stall.name}-first-${partition}`, { partition })]);
  }
}

function firsts(stall: Stall, partitions = 1): string[] {
  return Array.from(
    { length: partitions },
    (_, partition) => `PURCHASE_COMPLETION ${stall.name}-first-${partition}`,
  );
}

test.concurrent(
  'an ingestor killed for longer than a window, with the purchase waiting in Kafka',
  async () => {
    const stall = await Stall.open(shop, { name: 'outage', journeys: JOURNEYS });
    const worker = await stall.worker();
    const first = await stall.ingestor(LIVE);
    await warmUp(stall);
    const key = `${stall.name}-buyer`;
    const deadline = await cart(stall, key);
    first.child.kill('SIGKILL');
    await stall.produce([click('purchase', key)]);
    // The session's timer fires, and reads a watermark that stands.
    await sleep(deadline + seconds(10) - Date.now());
    expect(await typesOf(stall)).toEqual(firsts(stall));
    const second = await stall.ingestor(LIVE);
    const expected = [...firsts(stall), `PURCHASE_COMPLETION ${key}`].sort();
    await until('the purchase counts', async () => (await typesOf(stall)).length > 1, minutes(2));
    expect(await typesOf(stall)).toEqual(expected);
    await interrupt(second);
    await interrupt(worker);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'an ingestor frozen, its partition taken by another, then thawed',
  async () => {
    const partitions = 2;
    const stall = await Stall.open(shop, { name: 'frozen', journeys: JOURNEYS, partitions });
    const worker = await stall.worker();
    const one = await stall.ingestor(LIVE);
    await warmUp(stall, partitions);
    const other = await stall.ingestor(LIVE);
    const ownerOf = async (partition: number) => {
      const [row] = await shop.query<{ owner: string }>(
        'select owner from cep_progress where source = $1 and partition = $2',
        [sourceOf(one), partition],
      );
      return row?.owner.endsWith(`:${one.pid}`) ? one : other;
    };
    await until('they share the topic', async () => (await ownerOf(0)) !== (await ownerOf(1)));
    const frozen = await ownerOf(0);
    const key = `${stall.name}-buyer`;
    const deadline = await cart(stall, key);
    frozen.child.kill('SIGSTOP');
    await stall.produce([click('purchase', key)]);
    await until(
      'the other has both',
      async () => (await ownerOf(0)) === (await ownerOf(1)),
      minutes(1),
    );
    // Long past the window, by everybody's clock; the thawed one has all of that time behind it at once.
    await sleep(Math.max(0, deadline + seconds(5) - Date.now()));
    frozen.child.kill('SIGCONT');
    const expected = [...firsts(stall, partitions), `PURCHASE_COMPLETION ${key}`].sort();
    await until(
      'the purchase counts',
      async () => (await typesOf(stall)).length >= expected.length,
      minutes(2),
    );
    await until(
      'they share it again',
      async () => (await ownerOf(0)) !== (await ownerOf(1)),
      minutes(1),
    );
    await sleep(seconds(5));
    expect(await typesOf(stall)).toEqual(expected);
    expect(await stall.rejects(stall.lateTopic)).toEqual([]);
    // Both go on: each has a partition, and what comes now reaches its session through either.
    for (const partition of [0, 1]) {
      const again = `${stall.name}-again-${partition}`;
      await cart(stall, again, { partition });
      await stall.produce([click('purchase', again, { partition })]);
      expected.push(`PURCHASE_COMPLETION ${again}`);
    }
    await until(
      'both go on',
      async () => (await typesOf(stall)).length >= expected.length,
      minutes(1),
    );
    expect(await typesOf(stall)).toEqual(expected.sort());
    for (const each of [one, other, worker]) await interrupt(each);
  },
  TIMEOUT_MS,
);

test.concurrent.each([false, true])(
  'a silent live stream: a cart is left at its deadline plus bound and grace (ingestor restarted: %s)',
  async (isRestarted) => {
    const stall = await Stall.open(shop, { name: 'silent', journeys: JOURNEYS });
    const worker = await stall.worker();
    let ingestor: Running = await stall.ingestor(LIVE);
    await warmUp(stall);
    const key = `${stall.name}-leaver`;
    const deadline = await cart(stall, key, { window: 'short' });
    if (isRestarted) {
      // What it knows of the silence is kept at its end.
      await interrupt(ingestor);
      ingestor = await stall.ingestor(LIVE);
    }
    const due = deadline + OUT_OF_ORDERNESS_MS + GRACE_MS;
    let alert: Alert | undefined;
    let seenAt = 0;
    await until(
      'the cart is left',
      async () => {
        alert = (await stall.alerts()).map(({ value }) => value).find((each) => each.key === key);
        seenAt = Date.now();
        return alert;
      },
      minutes(1),
    );
    expect(alert).toMatchObject({ type: 'CART_ABANDONMENT', at: deadline });
    expect(seenAt).toBeGreaterThanOrEqual(due);
    // Publication, its reading and the session's own wait take some seconds; a busy machine some more.
    expect(seenAt).toBeLessThan(due + seconds(20));
    await interrupt(ingestor);
    await interrupt(worker);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'the rows of 2020: none is late, and nothing times out before its event time says so',
  async () => {
    const stall = await Stall.open(shop, { name: 'historic', journeys: LITERAL });
    const rows = readFileSync(ROWS, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { id: number; eventTime: number });
    const records: Produced[] = rows.map(({ id, ...value }) => ({
      key: JSON.stringify({ id }),
      value,
    }));
    const last = Math.max(...rows.map(({ eventTime }) => eventTime));
    const { journeys } = await loadJourneys(LITERAL);
    await stall.produce(records);
    const worker = await stall.worker();
    const ingestor = await stall.ingestor(LIVE);
    await stall.isRead();
    const source = sourceOf(ingestor);
    const idsOf = async () => (await stall.alerts()).map(({ value }) => value.id).sort();
    const idsOffline = (of: readonly Produced[], endWatermark: number | 'last-event') =>
      runOffline({ journeys, records: rawRecords(of, source), endWatermark })
        .alerts.map(({ id }) => id)
        .sort();

    // Up to the watermark, and no further, whatever the clock says.
    const watermark = last - OUT_OF_ORDERNESS_MS - 1;
    const released = records.filter((_, i) => (rows[i]?.eventTime ?? 0) <= watermark);
    const early = idsOffline(released, watermark);
    expect(early.length).toBeGreaterThan(3);
    await until('what is due', async () => (await idsOf()).length >= early.length, minutes(2));
    await sleep(seconds(15));
    expect(await idsOf()).toEqual(early);

    // A day later in event time every window of the sample has ended.
    const closer: Produced = {
      key: '{"id":"closer"}',
      value: { eventTime: last + hours(24), eventType: 'noop', userId: '0', userSession: 'none' },
    };
    await stall.produce([closer]);
    const all = idsOffline([...records, closer], 'last-event');
    expect(all.length).toBeGreaterThan(early.length);
    await until('the rest', async () => (await idsOf()).length >= all.length, minutes(2));
    expect(await idsOf()).toEqual(all);
    expect(await stall.rejects(stall.lateTopic)).toEqual([]);
    expect(await stall.rejects(stall.deadTopic)).toEqual([]);
    await interrupt(ingestor);
    await interrupt(worker);
  },
  TIMEOUT_MS,
);
