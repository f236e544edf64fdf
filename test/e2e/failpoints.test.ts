// A kill at each failpoint, of ingestor and worker: afterwards nothing is lost, nothing is counted twice. What
// is open in the sessions is what is open offline, and every alert is in Kafka once per id and in the
// ledger once.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OfflineResult } from '../../src/backtest/offline.js';
import { generateClickstream } from '../../src/demo/clickstream.js';
import type { Failpoint } from '../../src/failpoints.js';
import type { RuleView } from '../../src/rules/session.js';
import { days, minutes, seconds, type Timestamp } from '../../src/time.js';
import { STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { until } from '../support/until.js';
import { loadJourneys, runOffline } from './support/built.js';
import { ROOT, type Running } from './support/cli.js';
import {
  interrupt,
  type Produced,
  rawRecords,
  type Shop,
  Stall,
  sourceOf,
  startShop,
} from './support/shop.js';

const JOURNEYS = join(ROOT, 'examples/journeys.ts');
const PARTITIONS = 2;
const TIMEOUT_MS = 300_000;
let shop: Shop;

beforeAll(async () => {
  // Sessions continue as new after a dozen signals.
  shop = await startShop({ 'limit.historyCount.suggestContinueAsNew': 50 });
});
afterAll(() => shop?.stop());

/**
 * A shop's past of some days whose keys are the test's own; many windows are still open at its end. Each
 * session gets a last event, which begins nothing and tells it the time: else it would look once a minute.
 */
function past(prefix: string): Produced[] {
  const endsAt = Date.now() - days(30);
  const all = generateClickstream({ seed: 11, events: 1_000, endsAt });
  const clicks = all
    .filter(({ eventType }) => eventType !== 'create' && eventType !== 'pay')
    .map((click) => ({
      ...click,
      userId: `${prefix}-${click.userId}`,
      userSession: `${prefix}-${click.userSession}`,
    }));
  const last = Math.max(...clicks.map(({ eventTime }) => eventTime));
  const sessions = new Map(clicks.map(({ userSession, userId }) => [userSession, userId]));
  const goodbyes = [...sessions].map(([userSession, userId]) => ({
    eventTime: last + seconds(20),
    eventType: 'noop',
    userId,
    userSession,
  }));
  const records = [...clicks, ...goodbyes].map((value, i) => ({
    partition: i % PARTITIONS,
    key: JSON.stringify({ id: i }),
    value,
  }));
  const before = records.splice(clicks.length);
  return [...records, ...nothings(last + seconds(10)), ...before, ...nothings(last + seconds(30))];
}

/** Events that begin nothing, and let event time go on. */
function nothings(eventTime: number): Produced[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({
    partition,
    key: null,
    value: { eventTime, eventType: 'noop', userId: 'nobody', userSession: 'nobody' },
  }));
}

async function offlineOf(records: readonly Produced[], source: string): Promise<OfflineResult> {
  const { journeys } = await loadJourneys(JOURNEYS);
  return runOffline({
    journeys,
    records: rawRecords(records, source),
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({ source, partition })),
    endWatermark: 'last-event',
  });
}

/** Ended by its failpoint, and by nothing else. */
async function killed(process: Running): Promise<void> {
  await process.ended;
  expect(process.child.signalCode, process.stderr()).toBe('SIGKILL');
}

/**
 * What a rule is about, without what counts how often a session began anew.
 *
 * @param after - the last event: a match whose window has ended by then, and brings nothing forth, is there until its session wakes
 */
function openOf(rules: readonly RuleView[], after: Timestamp) {
  return rules
    .map(({ rule, open }) => ({
      rule,
      open: open
        .filter(({ deadline }) => deadline === null || deadline > after)
        .map(({ id: _, ...match }) => match),
    }))
    .filter(({ open }) => open.length > 0);
}

async function expectAsOffline(
  stall: Stall,
  prefix: string,
  records: readonly Produced[],
  source: string,
) {
  const offline = await offlineOf(records, source);
  const last = Math.max(...records.map(({ value }) => (value as { eventTime: number }).eventTime));
  const expected = offline.alerts.map(({ id }) => id).sort();
  expect(expected.length).toBeGreaterThan(50);
  const ledger = () =>
    shop.query<{ id: string; published: boolean }>(
      'select id, published_at is not null as published from cep_alerts where key like $1 order by id',
      [`${prefix}-%`],
    );
  // Where a session has no event of its own any more, it looks at the watermark once a minute.
  const lookedMs = minutes(2);
  const hasAlerts = async () => {
    const rows = await ledger();
    return rows.length >= expected.length && rows.every(({ published }) => published);
  };
  await until('the ledger has the alerts', hasAlerts, lookedMs);
  expect(await stall.rejects(stall.lateTopic)).toEqual([]);
  expect(await stall.rejects(stall.deadTopic)).toEqual([]);
  expect((await ledger()).map(({ id }) => id)).toEqual(expected);
  const published = (await stall.alerts())
    .map(({ value }) => value)
    .filter(({ key }) => key.startsWith(`${prefix}-`));
  expect([...new Set(published.map(({ id }) => id))].sort()).toEqual(expected);

  const isOpen = [...offline.open.values()].filter((rules) => openOf(rules, last).length > 0);
  expect(isOpen.length).toBeGreaterThan(3);
  for (const [id, rules] of offline.open) {
    const session = shop.dev.client.workflow.getHandle(id);
    const wanted = openOf(rules, last);
    const isAsOffline = async () => {
      const state = await session.query<SessionState>(STATE_QUERY);
      expect(openOf(state.rules, last)).toEqual(wanted);
      return true;
    };
    await until(`${id} is as offline`, isAsOffline, lookedMs);
  }
  return published.length - expected.length;
}

describe('an ingestor that is killed', () => {
  let beside: Stall;
  let worker: Running;

  beforeAll(async () => {
    beside = await Stall.open(shop, { name: 'ingestor', journeys: JOURNEYS });
    worker = await beside.worker();
  });
  afterAll(() => interrupt(worker));

  test.concurrent.each<[Failpoint, number]>([
    ['signal-accepted', 7],
    ['acknowledged', 2],
    ['progress-published', 2],
  ])(
    'at %s, time %i',
    async (failpoint, nth) => {
      const stall = await Stall.open(shop, {
        name: failpoint,
        journeys: JOURNEYS,
        partitions: PARTITIONS,
        beside,
      });
      const records = past(failpoint);
      const half = Math.floor(records.length / 2);
      await stall.produce(records.slice(0, half));
      const first = await stall.ingestor([], { TEMPORAL_CEP_FAILPOINT: `${failpoint}:${nth}` });
      // In portions, so that there is something between any two publications.
      for (let i = half; i < records.length; i += 120) {
        await stall.produce(records.slice(i, i + 120));
        await sleep(300);
      }
      await killed(first);
      const second = await stall.ingestor();
      await stall.isRead(180_000);
      const surplus = await expectAsOffline(stall, failpoint, records, sourceOf(second));
      expect(surplus).toBe(0);
      await interrupt(second);
    },
    TIMEOUT_MS,
  );
});

describe('a worker that is killed', () => {
  test.concurrent.each<[Failpoint, number]>([
    ['alerts-sent', 3],
    ['alerts-recorded', 3],
    ['continue-as-new', 1],
    ['continued-as-new', 1],
  ])(
    'at %s, time %i',
    async (failpoint, nth) => {
      const stall = await Stall.open(shop, {
        name: failpoint,
        journeys: JOURNEYS,
        partitions: PARTITIONS,
      });
      const records = past(failpoint);
      const first = await stall.worker({ TEMPORAL_CEP_FAILPOINT: `${failpoint}:${nth}` });
      const ingestor = await stall.ingestor();
      await stall.produce(records);
      // One session that is signalled often enough to continue as new.
      const last = records.at(-1) as Produced;
      const from = (last.value as { eventTime: number }).eventTime + minutes(1);
      const hot: Produced[] = [];
      for (let i = 0; first.child.signalCode === null; i++) {
        const portion: Produced[] = [
          {
            partition: i % PARTITIONS,
            key: JSON.stringify({ id: `hot-${i}` }),
            value: {
              eventTime: from + i * 3_000,
              eventType: i === 0 ? 'cart' : 'view',
              productId: `p${i % 3}`,
              categoryId: 'c',
              categoryCode: `c${i % 2}`,
              brand: 'b',
              price: 250,
              userId: `${failpoint}-hot`,
              userSession: `${failpoint}-hot`,
            },
          },
          ...nothings(from + i * 3_000 + 2_500),
        ];
        await stall.produce(portion);
        hot.push(...portion);
        expect(i).toBeLessThan(600);
        await sleep(250);
      }
      await killed(first);
      const second = await stall.worker();
      await stall.isRead(180_000);
      const all = [...records, ...hot];
      const surplus = await expectAsOffline(stall, failpoint, all, sourceOf(ingestor));
      // What was sent and not yet known to be comes once more, with its id; others were under way too.
      expect(surplus).toBeGreaterThanOrEqual(failpoint === 'alerts-sent' ? 1 : 0);
      await interrupt(ingestor);
      await interrupt(second);
    },
    TIMEOUT_MS,
  );
});
