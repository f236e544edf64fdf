// Bad input and bad luck over Kafka: brokers, topics, groups and databases that are away, gone, made anew or
// taken, and records that are too long, empty, late, ahead of time or refused. Each has one defined outcome:
// a line that says what to do, a count, a dead letter with its coordinates, or work that simply goes on.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import type { Reject } from '../../src/ingest/rejects.js';
import { ensureTopics } from '../../src/kafka/admin.js';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import { days, minutes, seconds } from '../../src/time.js';
import { STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { loadJourneys, openStore, runOffline } from './support/built.js';
import { ROOT, type Running } from './support/cli.js';
import type { Click } from './support/journeys.js';
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
const OUT_OF_ORDERNESS_MS = seconds(2);
/** As long as an ingestor of these tests may be silent in its group. */
const SESSION_TIMEOUT_MS = seconds(6);
const LIVE = ['--grace', '3s'];
/** After so many signals a session refuses more, unless a worker has let it begin anew. */
const SIGNALS_MAX = 8;
const OUTAGE_MS = minutes(1);
const TIMEOUT_MS = minutes(4);
/** Event times of streams of the past. */
const BASE = Date.now() - days(1);
let shop: Shop;
/** Has the worker that serves those who need none of their own. */
let base: Stall;
let worker: Running;

beforeAll(async () => {
  shop = await startShop({ 'history.maximumSignalsPerExecution': SIGNALS_MAX });
  base = await Stall.open(shop, { name: 'base', journeys: JOURNEYS });
  worker = await base.worker();
});
afterAll(() => shop?.stop());

/** An event of the journey `short`, whose window is 4 s, in a record with the session's key. */
function click(
  eventType: Click['eventType'],
  userSession: string,
  eventTime: number,
  more: Partial<Click> = {},
): Omit<Produced, 'value'> & { value: Click } {
  const value = { eventTime, eventType, productId: 'p1', userSession, shop: 'short', ...more };
  return { partition: 0, key: userSession, value };
}

/** For no journey: it only lets event time go on. */
function tick(eventTime: number, partition = 0): Produced {
  return { ...click('view', 'nobody', eventTime, { shop: 'none' }), partition };
}

/** What a process says to people: all but the lines of its log. */
function saidBy({ stderr }: { stderr: string }): string[] {
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
}

async function expectRefusal(running: Running, line: string | RegExp): Promise<void> {
  const ended = await running.ended;
  const expected = typeof line === 'string' ? line : expect.stringMatching(line);
  expect({ code: ended.code, stdout: ended.stdout, said: saidBy(ended) }).toEqual({
    code: 1,
    stdout: '',
    said: [expected],
  });
}

function expectRunning(...processes: Running[]): void {
  for (const { child } of processes) {
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  }
}

async function countsOf(ingestor: Running): Promise<IngestCounts> {
  return JSON.parse(await interrupt(ingestor)) as IngestCounts;
}

/** Type and key of a stall's alerts, among those of its neighbours. */
async function alertsOf(stall: Stall): Promise<string[]> {
  return (await stall.alerts())
    .filter(({ value }) => value.key.startsWith(`${stall.name}-`))
    .map(({ value: { type, key } }) => `${type} ${key.slice(stall.name.length + 1)}`)
    .sort();
}

async function expectAlerts(stall: Stall, expected: readonly string[], withinMs = seconds(90)) {
  await until(
    'the alerts are there',
    async () => (await alertsOf(stall)).length >= expected.length,
    withinMs,
  );
  expect(await alertsOf(stall)).toEqual([...expected].sort());
}

/** Ids of a stall's alerts; one that came twice has it once. */
async function alertIdsOf(stall: Stall): Promise<string[]> {
  const alerts = (await stall.alerts()).map(({ value }) => value);
  const ids = alerts.filter(({ key }) => key.startsWith(`${stall.name}-`)).map(({ id }) => id);
  return [...new Set(ids)].sort();
}

async function offlineIds(
  records: readonly Produced[],
  source: string,
  partitions: number,
): Promise<string[]> {
  const { journeys } = await loadJourneys(JOURNEYS);
  const { alerts } = runOffline({
    journeys,
    records: rawRecords(records, source),
    partitions: Array.from({ length: partitions }, (_, partition) => ({ source, partition })),
    endWatermark: 'last-event',
  });
  return alerts.map(({ id }) => id).sort();
}

async function hasEvents(key: string, count: number, journey = 'short'): Promise<void> {
  const session = shop.dev.client.workflow.getHandle(`${journey}/${key}`);
  await until(`${key} has ${count} events`, async () => {
    const { counts } = await session.query<SessionState>(STATE_QUERY);
    return counts.events >= count;
  });
}

/** Our metrics as Prometheus reads them: name and labels to value. */
async function metricsOf(running: Running): Promise<Record<string, number>> {
  await running.says(/^Metrics at /m);
  const [, address = ''] = /^Metrics at (\S+)$/m.exec(running.stderr()) ?? [];
  const text = await (await fetch(address)).text();
  const ours = text.split('\n').filter((line) => line.startsWith('temporal_cep_'));
  return Object.fromEntries(
    ours.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

async function withAdmin<T>(
  work: (admin: ReturnType<Shop['client']['admin']>) => Promise<T>,
): Promise<T> {
  const admin = shop.client.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

async function ownersOf(source: string): Promise<string[]> {
  const rows = await shop.query<{ owner: string }>(
    'select owner from cep_progress where source = $1 order by partition',
    [source],
  );
  return rows.map(({ owner }) => owner);
}

test.concurrent(
  'the database is away for a minute: nobody exits, nothing times out falsely, and all alerts come once',
  async () => {
    // A database of its own, so that the others need not wait.
    const postgres = await startPostgres();
    shop.dev.onStop(() => postgres.stop());
    await (await openStore(postgres.url, { migrate: true })).close();
    const env = { TEMPORAL_CEP_DATABASE: postgres.url };
    const stall = await Stall.open(shop, { name: 'sql', journeys: JOURNEYS });
    const own = await stall.worker(env);
    const ingestor = await stall.ingestor(LIVE, env);
    const keyOf = (name: string) => `${stall.name}-${name}`;
    const produce = (eventType: Click['eventType'], name: string, journey = 'short') =>
      stall.produce([click(eventType, keyOf(name), Date.now(), { shop: journey })]);
    const ticking = new AbortController();
    const ticks = (async () => {
      while (!ticking.signal.aborted) {
        await stall.produce([tick(Date.now())]);
        await sleep(seconds(1));
      }
    })();

    await produce('cart', 'first');
    await produce('purchase', 'first');
    await expectAlerts(stall, ['PURCHASE_COMPLETION first']);
    await produce('cart', 'buys-later', 'long');
    await produce('cart', 'leaves-before');
    await hasEvents(keyOf('buys-later'), 1, 'long');
    await hasEvents(keyOf('leaves-before'), 1);
    await postgres.stopServer();
    const isBackAt = Date.now() + OUTAGE_MS;
    await sleep(seconds(3));
    await produce('purchase', 'buys-later', 'long');
    await produce('cart', 'buys-meanwhile');
    await produce('cart', 'leaves-meanwhile');
    await produce('purchase', 'buys-meanwhile');
    await sleep(isBackAt - Date.now());
    // No alert without its place in the ledger.
    expect(await alertsOf(stall)).toEqual(['PURCHASE_COMPLETION first']);
    expectRunning(own, ingestor);
    await postgres.startServer();
    await produce('cart', 'buys-after');
    await produce('purchase', 'buys-after');
    await expectAlerts(
      stall,
      [
        'CART_ABANDONMENT leaves-before',
        'CART_ABANDONMENT leaves-meanwhile',
        'PURCHASE_COMPLETION buys-after',
        'PURCHASE_COMPLETION buys-later',
        'PURCHASE_COMPLETION buys-meanwhile',
        'PURCHASE_COMPLETION first',
      ],
      minutes(2),
    );
    ticking.abort();
    await ticks;
    expectRunning(own, ingestor);
    const counts = await countsOf(ingestor);
    expect(counts).toMatchObject({ late: 0, dead: {}, repeats: 0, parked: 0, undelivered: 0 });
    expect(await stall.rejects(stall.lateTopic)).toEqual([]);
    await interrupt(own);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'a session that refuses signals is parked, also after a restart, and others go on',
  async () => {
    // No worker, so that the session can't continue as new.
    const stall = await Stall.open(shop, { name: 'parked', journeys: JOURNEYS });
    const full = `${stall.name}-full`;
    const other = `${stall.name}-other`;
    const first = await stall.ingestor(['--metrics-port', '0']);
    let at = BASE;
    let offset = 0;
    const view = (key: string) => {
      at += seconds(3);
      return click('view', key, at);
    };
    await stall.produce([click('cart', full, at)]);
    // Each releases the one before it, and that one makes a signal.
    for (; !first.stderr().includes('"session parked'); offset++) {
      expect(offset).toBeLessThan(100);
      await stall.produce([view(full)]);
      await sleep(400);
    }
    const lastOfFull = offset;
    at += seconds(3);
    await stall.produce([
      click('cart', other, at),
      click('purchase', other, at + 1),
      tick(at + seconds(10)),
    ]);
    await stall.isRead();
    const dead = await stall.rejects(stall.deadTopic);
    const firstDead = dead[0]?.offset ?? Number.NaN;
    const limit = 'exceeded workflow execution limit for signal events';
    expect(firstDead).toBeGreaterThanOrEqual(SIGNALS_MAX);
    expect(dead.map(({ offset }) => offset)).toEqual(
      Array.from({ length: lastOfFull - firstDead + 1 }, (_, i) => firstDead + i),
    );
    for (const { message, record, ...of } of dead) {
      expect(of).toEqual({
        source: sourceOf(first),
        partition: 0,
        offset: of.offset,
        reason: 'SESSION_REFUSED',
        journey: 'short',
      });
      expect(message).toMatch(
        of.offset === firstDead
          ? `session short/${full}: ${limit}`
          : new RegExp(`^session short/${full}: (${limit}|the session is parked)$`),
      );
      expect(record).toMatchObject({ eventType: 'view', userSession: full });
    }
    const parked = () =>
      shop.query('select session, journey, key, reason from cep_parked where key = $1', [full]);
    const row = { session: `short/${full}`, journey: 'short', key: full, reason: limit };
    expect(await parked()).toEqual([row]);
    expect(await metricsOf(first)).toMatchObject({
      temporal_cep_parked_sessions: 1,
      'temporal_cep_dead_letters_total{reason="SESSION_REFUSED"}': dead.length,
    });
    const refused = { SESSION_REFUSED: dead.length };
    expect(await countsOf(first)).toMatchObject({ parked: 1, dead: refused, undelivered: 0 });

    const second = await stall.ingestor();
    at += seconds(20);
    await stall.produce([click('cart', full, at), tick(at + seconds(10))]);
    await stall.isRead();
    expect((await stall.rejects(stall.deadTopic)).slice(dead.length)).toEqual([
      {
        source: sourceOf(second),
        partition: 0,
        offset: lastOfFull + 4,
        reason: 'SESSION_REFUSED',
        message: `session short/${full}: the session is parked`,
        record: click('cart', full, at).value,
        journey: 'short',
      },
    ]);
    expect(await countsOf(second)).toMatchObject({ parked: 1, dead: { SESSION_REFUSED: 1 } });
    expect(await parked()).toEqual([row]);

    const own = await stall.worker();
    await expectAlerts(stall, ['CART_ABANDONMENT full', 'PURCHASE_COMPLETION other']);
    await interrupt(own);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'a second ingestor of a topic that is not keyed refuses, and the first goes on',
  async () => {
    const stall = await Stall.open(shop, {
      name: 'unkeyed',
      journeys: JOURNEYS,
      partitions: 2,
      beside: base,
    });
    const sessions = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => i + from).flatMap((n) => {
        const at = BASE + n * seconds(5);
        const key = `${stall.name}-${n}`;
        const bought = n % 2 === 0 ? [click('purchase', key, at + seconds(1))] : [];
        // The session's events lie in both partitions.
        return [click('cart', key, at), ...bought].map((record, i) => ({
          ...record,
          partition: i,
          key: JSON.stringify({ id: 2 * n + i }),
        }));
      });
    const early = [...sessions(0, 4), tick(BASE + seconds(30), 0), tick(BASE + seconds(30), 1)];
    await stall.produce(early);
    const first = await stall.ingestor();
    await stall.isRead();
    const second = stall.startIngestor();
    const began = performance.now();
    await expectRefusal(
      second,
      `temporal-cep: ${stall.topic} is not keyed by the journeys' key, so the events of a session lie in several partitions, and another ingestor of group ${stall.name} reads it already: run one, or put temporal-cep repartition in front of it (--keyed says that the topic is keyed)`,
    );
    // The first might have been killed, and then its place would have become free.
    expect(performance.now() - began).toBeGreaterThan(SESSION_TIMEOUT_MS);
    const later = [...sessions(8, 12), tick(BASE + seconds(90), 0), tick(BASE + seconds(90), 1)];
    await stall.produce(later);
    await stall.isRead();
    const records = [...early, ...later];
    const expected = await offlineIds(records, sourceOf(first), 2);
    expect(expected).toHaveLength(8);
    await until('its alerts', async () => (await alertIdsOf(stall)).length >= expected.length);
    expect(await alertIdsOf(stall)).toEqual(expected);
    const generations = await shop.query(
      'select partition, generation::int from cep_progress where source = $1 order by partition',
      [sourceOf(first)],
    );
    expect(generations).toEqual([
      { partition: 0, generation: 1 },
      { partition: 1, generation: 1 },
    ]);
    const counts = { read: records.length, late: 0, dead: {}, repeats: 0, undelivered: 0 };
    expect(await countsOf(first)).toMatchObject(counts);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'two ingestors share a topic that is keyed',
  async () => {
    const stall = await Stall.open(shop, {
      name: 'keyed',
      journeys: JOURNEYS,
      partitions: 2,
      beside: base,
    });
    const [one, two] = await Promise.all([stall.ingestor(), stall.ingestor()]);
    const source = sourceOf(one);
    expect(sourceOf(two)).toBe(source);
    await until('each has one', async () => new Set(await ownersOf(source)).size === 2);
    const records = Array.from({ length: 12 }, (_, n) => {
      const at = BASE + n * 500;
      const key = `${stall.name}-${n}`;
      const bought = n % 3 === 0 ? [click('purchase', key, at + seconds(1))] : [];
      return [click('cart', key, at), ...bought].map((record) => ({ ...record, partition: n % 2 }));
    }).flat();
    records.push(
      ...[0, 1].map((partition) => ({
        ...click('view', `${stall.name}-end`, BASE + seconds(40)),
        partition,
      })),
    );
    await stall.produce(records);
    await stall.isRead();
    const expected = await offlineIds(records, source, 2);
    expect(expected).toHaveLength(12);
    await until('all alerts', async () => (await alertIdsOf(stall)).length >= expected.length);
    expect(await alertIdsOf(stall)).toEqual(expected);
    expect((await ownersOf(source)).map((owner) => owner.split(':')[1]).sort()).toEqual(
      [`${one.pid}`, `${two.pid}`].sort(),
    );
    const counts = await Promise.all([one, two].map(countsOf));
    const halves = [0, 1].map((of) => records.filter(({ partition }) => partition === of).length);
    expect(counts.map(({ read }) => read).sort()).toEqual(halves.sort());
    for (const each of counts) expect(each).toMatchObject({ late: 0, dead: {}, undelivered: 0 });
  },
  TIMEOUT_MS,
);

test.concurrent(
  'records that are too long, empty, late, of 1970, of tomorrow or without a time, and the metrics of them',
  async () => {
    const stall = await Stall.open(shop, {
      name: 'odd',
      journeys: JOURNEYS,
      config: {
        'max.message.bytes': '5000000',
        // Else Kafka refuses a record that says it is of tomorrow.
        'message.timestamp.after.max.ms': `${days(365)}`,
      },
    });
    const key = `${stall.name}-buyer`;
    const ancient = `${stall.name}-of-1970`;
    const tomorrow = Date.now() + days(1);
    const long = { ...click('cart', key, BASE).value, note: 'x'.repeat(3_000_000) };
    const records: Produced[] = [
      click('cart', ancient, 1),
      click('cart', key, BASE),
      click('cart', ancient, 1),
      { partition: 0, key, value: long },
      { partition: 0, key, value: null },
      click('cart', key, tomorrow),
      { ...click('cart', key, tomorrow), timestamp: tomorrow },
      click('cart', key, -1),
      click('purchase', key, BASE + seconds(3)),
      tick(BASE + seconds(10)),
    ];
    // One at a time: together they would be more than a request may hold.
    for (const record of records) await stall.produce([record]);
    const own = await stall.worker({}, ['--metrics-port', '0']);
    const ingestor = await stall.ingestor(['--metrics-port', '0']);
    const source = sourceOf(ingestor);
    await stall.isRead();
    await expectAlerts(stall, ['CART_ABANDONMENT of-1970', 'PURCHASE_COMPLETION buyer']);

    const at = (offset: number) => ({ source, partition: 0, offset });
    const textOf = (offset: number) => JSON.stringify(records[offset]?.value);
    const watermark = BASE + seconds(10) - OUT_OF_ORDERNESS_MS - 1;
    expect(await stall.rejects(stall.lateTopic)).toEqual([
      {
        ...at(2),
        reason: 'LATE',
        message: `event time 1 is not after the watermark ${BASE - OUT_OF_ORDERNESS_MS - 1}`,
        record: records[2]?.value,
      },
    ]);
    const dead = await stall.consume<Reject & { recordLength?: number }>(stall.deadTopic);
    const length = JSON.stringify(long).length;
    const ahead = `event time ${new Date(tomorrow).toISOString()} is more than 5 min ahead of the record's own `;
    expect(dead.map(({ value }) => value)).toEqual([
      {
        ...at(3),
        reason: 'RECORD_TOO_LONG',
        message: `the record has ${length} characters, more than 1000000: leave out what no rule needs`,
        record: JSON.stringify(long).slice(0, 100_000),
        recordLength: length,
      },
      ...[5, 6].map((offset) => ({
        ...at(offset),
        reason: 'RECORD_TIME_AHEAD',
        message: expect.stringContaining(ahead),
        record: textOf(offset),
      })),
      {
        ...at(7),
        reason: 'RECORD_WITHOUT_TIME',
        message:
          'field "eventTime" should hold the event time (ms since the epoch, or such as 2026-01-31T12:00:00Z; from 1970 on), found -1',
        record: textOf(7),
      },
    ]);
    for (const { key, headers, value } of dead) {
      const { source, partition, offset, reason } = value;
      expect(key).toBe(`${source}/${partition}/${offset}`);
      expect(headers).toEqual({ source, partition: '0', offset: `${offset}`, reason });
    }

    const of = `{source="${source}",partition="0"}`;
    const wanted = {
      temporal_cep_records_total: records.length,
      temporal_cep_events_total: 4,
      temporal_cep_late_events_total: 1,
      temporal_cep_repeats_total: 0,
      temporal_cep_tombstones_total: 1,
      temporal_cep_unrouted_events_total: 0,
      temporal_cep_skipped_deliveries_total: 0,
      temporal_cep_signals_total: expect.any(Number),
      'temporal_cep_dead_letters_total{reason="RECORD_TOO_LONG"}': 1,
      'temporal_cep_dead_letters_total{reason="RECORD_TIME_AHEAD"}': 2,
      'temporal_cep_dead_letters_total{reason="RECORD_WITHOUT_TIME"}': 1,
      // That of another test, perhaps: it is parked for all.
      temporal_cep_parked_sessions: expect.any(Number),
      temporal_cep_undelivered_events: 0,
      [`temporal_cep_watermark_seconds${of}`]: watermark / 1_000,
      [`temporal_cep_live${of}`]: 0,
      [`temporal_cep_partitions_added_total${of.replace(/,partition=.*/, '}')}`]: 0,
      // The last event waits in the order for what may still come before it.
      [`temporal_cep_lag_records${of}`]: 1,
    };
    await until('the lag is known', async () => {
      expect(await metricsOf(ingestor)).toEqual(wanted);
      return true;
    });
    const rule = 'journey="short",rule="cart-abandonment"';
    expect(await metricsOf(own)).toEqual({
      [`temporal_cep_alerts_total{${rule},type="CART_ABANDONMENT"}`]: 1,
      [`temporal_cep_alerts_total{${rule},type="PURCHASE_COMPLETION"}`]: 1,
      temporal_cep_session_late_events_total: 0,
      temporal_cep_session_refused_events_total: 0,
    });
    expect(await countsOf(ingestor)).toEqual({
      read: records.length,
      events: 4,
      late: 1,
      dead: { RECORD_TOO_LONG: 1, RECORD_TIME_AHEAD: 2, RECORD_WITHOUT_TIME: 1 },
      unrouted: 0,
      skipped: 0,
      repeats: 0,
      tombstones: 1,
      changes: {},
      batches: expect.any(Number),
      sessions: 0,
      parked: expect.any(Number),
      watermark,
      partitions: [{ source, partition: 0, watermark, lowWater: 9, isLive: false }],
      undelivered: 0,
    });
    await interrupt(own);
  },
  TIMEOUT_MS,
);

test.concurrent.each(['stopped', 'running'])(
  'a topic is deleted and created again while its ingestor is %s',
  async (state) => {
    const stall = await Stall.open(shop, {
      name: `anew-${state}`,
      journeys: JOURNEYS,
      beside: base,
    });
    const keyOf = (name: string) => `${stall.name}-${name}`;
    let ingestor = await stall.ingestor();
    const before = sourceOf(ingestor);
    await stall.produce([
      click('cart', keyOf('leaves'), BASE),
      click('cart', keyOf('buys'), BASE + seconds(1)),
      tick(BASE + seconds(4)),
    ]);
    await hasEvents(keyOf('leaves'), 1);
    await hasEvents(keyOf('buys'), 1);
    await stall.isRead();
    if (state === 'stopped') await interrupt(ingestor);
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [stall.topic] });
      await ensureTopics(admin, [{ topic: stall.topic, partitions: 1 }]);
    });
    // As many as there were and more, so that offsets of the old topic are there in the new one.
    const records = [
      click('cart', keyOf('new'), BASE + seconds(3)),
      click('purchase', keyOf('buys'), BASE + seconds(3) + 1),
      click('purchase', keyOf('new'), BASE + seconds(5)),
      tick(BASE + seconds(10)),
      tick(BASE + seconds(20)),
    ];
    await stall.produce(records);
    if (state === 'stopped') ingestor = await stall.ingestor();
    await expectAlerts(stall, [
      'CART_ABANDONMENT leaves',
      'PURCHASE_COMPLETION buys',
      'PURCHASE_COMPLETION new',
    ]);
    const rows = await shop.query<{ source: string; continued_by: string | null }>(
      'select source, continued_by from cep_progress where topic = $1',
      [`${stall.name}/${stall.topic}`],
    );
    const after = rows.find(({ source }) => source !== before)?.source ?? '';
    for (const source of [before, after]) {
      const [name, id] = source.split('@');
      expect([name, id]).toEqual([
        `${stall.name}/${stall.topic}`,
        expect.stringMatching(/^[\w-]{22}$/),
      ]);
    }
    expect(rows.sort((a) => (a.source === before ? -1 : 1))).toEqual([
      { source: before, continued_by: after },
      { source: after, continued_by: null },
    ]);
    if (state === 'stopped') expect(sourceOf(ingestor)).toBe(after);
    expect(await countsOf(ingestor)).toMatchObject({
      read: records.length + (state === 'stopped' ? 0 : 3),
      late: 0,
      dead: {},
      repeats: 0,
      undelivered: 0,
    });
    expect(await stall.rejects(stall.lateTopic)).toEqual([]);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'a topic is made anew with more partitions: the ingestor ends, and its successor reads all of them',
  async () => {
    const stall = await Stall.open(shop, { name: 'wider', journeys: JOURNEYS, beside: base });
    const first = await stall.ingestor();
    await stall.produce([click('cart', 'one', BASE)]);
    await until('it is read', () => first.stderr().includes('"how":"found"'));
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [stall.topic] });
      await ensureTopics(admin, [{ topic: stall.topic, partitions: 2 }]);
    });
    const { code, stderr } = await first.ended;
    expect(code).toBe(1);
    expect(stderr).toContain(
      `temporal-cep: ${stall.topic} was deleted and made anew with 2 partitions instead of 1: start the ingestors of this group again\n`,
    );
    const second = await stall.ingestor();
    await stall.produce(
      [0, 1, 0, 1].map((partition, i) => tick(BASE + i * seconds(10), partition)),
    );
    await until('both are read', async () => {
      const read = (await stall.progress()).filter(({ lowWater }) => lowWater > 0);
      return read.length === 2;
    });
    expect(await countsOf(second)).toMatchObject({
      partitions: [{ partition: 0 }, { partition: 1 }],
    });
  },
  TIMEOUT_MS,
);

test.concurrent(
  'a group that something else uses: the ingestor refuses, and the other is not disturbed',
  async () => {
    const stall = await Stall.open(shop, { name: 'taken', journeys: JOURNEYS, beside: base });
    const consumer = shop.client.consumer({ groupId: stall.name, maxWaitTimeInMs: 100 });
    const seen: string[] = [];
    let joins = 0;
    await consumer.connect();
    consumer.on(consumer.events.GROUP_JOIN, () => void joins++);
    await consumer.subscribe({ topic: stall.topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(`${message.key}`) });
    try {
      await until('the other has joined', () => joins === 1);
      await stall.produce([click('cart', 'one', BASE)]);
      await expectRefusal(
        stall.startIngestor(),
        `temporal-cep: the consumer group ${stall.name} is in use by something else: test at /${LOOPBACK} (protocol RoundRobinAssigner); name another --group`,
      );
      await stall.produce([click('cart', 'two', BASE)]);
      await until('the other reads on', () => seen.length === 2);
      expect({ seen, joins }).toEqual({ seen: ['one', 'two'], joins: 1 });
      expect(await stall.progress()).toEqual([]);
    } finally {
      await consumer.disconnect();
    }
  },
  TIMEOUT_MS,
);

test.concurrent.each([
  ['ingest', 'kafka', 'clicks'],
  ['worker', '--alerts-topic', 'alerts'],
])(
  'no broker at the start of %s',
  async (...command) => {
    const nowhere = `${LOOPBACK}:${await freePort()}`;
    const began = performance.now();
    const args = [...command, '--journeys', JOURNEYS, '--brokers', nowhere];
    await expectRefusal(
      shop.start(args, shop.env),
      `temporal-cep: Kafka can't be reached at ${nowhere} (connect ECONNREFUSED ${nowhere}): start Kafka, or correct KAFKA_BROKERS`,
    );
    expect(performance.now() - began).toBeLessThan(seconds(20));
  },
  TIMEOUT_MS,
);

test.concurrent(
  'a topic that is not there is named with its remedy, and not created',
  async () => {
    const stall = await Stall.open(shop, { name: 'missing', journeys: JOURNEYS, beside: base });
    await withAdmin((admin) => admin.deleteTopics({ topics: [stall.topic] }));
    await expectRefusal(
      stall.startIngestor(),
      `temporal-cep: the topic ${stall.topic} is not there: create it with \`temporal-cep setup --topic ${stall.topic}\``,
    );
    expect(await withAdmin((admin) => admin.listTopics())).not.toContain(stall.topic);
  },
  TIMEOUT_MS,
);

test.concurrent(
  'setup creates topics, and leaves them as they are the next time',
  async () => {
    const topics = ['a', 'b'].map((name) => `${base.name}.setup-${name}`);
    for (const what of ['created', 'is there']) {
      const args = ['setup', '--topic', ...topics, '--partitions', '2'];
      const ended = await shop.start(args, shop.env).ended;
      expect({ code: ended.code, stdout: ended.stdout, stderr: ended.stderr.split('\n') }).toEqual({
        code: 0,
        stdout: '',
        stderr: [
          expect.stringContaining(`Temporal at ${shop.dev.address}: namespace default has `),
          'Database: the tables are there',
          ...topics.map((topic) => `Topic ${topic}: ${what} (2 partitions)`),
          '',
        ],
      });
      const found = await withAdmin((admin) => admin.fetchTopicMetadata({ topics }));
      expect(found.topics.map(({ partitions }) => partitions.length)).toEqual([2, 2]);
    }
  },
  TIMEOUT_MS,
);

// Of this one nobody else must be in need of the broker.
test(
  'the broker is killed and comes back: ingestor and worker go on, and nothing is lost',
  async () => {
    const stall = await Stall.open(shop, {
      name: 'killed',
      journeys: JOURNEYS,
      partitions: 2,
      beside: base,
    });
    const sessions = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => i + from).flatMap((n) => {
        const at = BASE + n * seconds(1);
        const key = `${stall.name}-${n}`;
        const bought = n % 2 === 0 ? [click('purchase', key, at + seconds(1))] : [];
        return [click('cart', key, at), ...bought].map((record) => ({
          ...record,
          partition: n % 2,
        }));
      });
    const records: Produced[] = sessions(0, 20);
    const ingestor = await stall.ingestor();
    await stall.produce(records);
    // In the middle: some are with their sessions, and alerts are on their way.
    await until('some are read', async () => (await stall.progress()).some((p) => p.lowWater > 2));
    await shop.kafka.kill();
    await sleep(seconds(5));
    expectRunning(worker, ingestor);
    await shop.kafka.start();
    const rest = [...sessions(20, 40), tick(BASE + seconds(100), 0), tick(BASE + seconds(100), 1)];
    await stall.produce(rest);
    records.push(...rest);
    await stall.isRead();
    const expected = await offlineIds(records, sourceOf(ingestor), 2);
    expect(expected).toHaveLength(40);
    await until('all alerts', async () => (await alertIdsOf(stall)).length >= expected.length);
    expect(await alertIdsOf(stall)).toEqual(expected);
    expectRunning(worker, ingestor);
    expect(await stall.rejects(stall.lateTopic)).toEqual([]);
    expect(await stall.rejects(stall.deadTopic)).toEqual([]);
    expect(await countsOf(ingestor)).toMatchObject({
      late: 0,
      dead: {},
      undelivered: 0,
    });
    await interrupt(worker);
  },
  TIMEOUT_MS,
);
