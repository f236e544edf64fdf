// Aggregates by the command line: a real Kafka, a real PostgreSQL, and processes that share the partitions, are killed, and begin again in
// another group. The samples from their files as well.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORMAT_HEADER } from '../../src/ingest/repartition-format.js';
import { amountOf, formatAmount } from '../../src/money.js';
import { consume, summary } from '../analytics-store/support/counting.js';
import { useDatabase } from '../analytics-store/support/database.js';
import {
  DECLARATION,
  LATENESS_MS,
  lineOf,
  type StreamEvent,
  streamOf,
} from '../analytics-store/support/stream.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { until } from '../support/until.js';
import { environment, ROOT, run, start } from './support/cli.js';

const PARTITIONS = 3;
const EXAMPLE = join(ROOT, 'examples/analytics.json');
const folder = temporaryFolder();
const at = useDatabase('PostgreSQL');

test('the samples from their files, twice', async () => {
  const env = environment({ TEMPORAL_CEP_DATABASE: at.at as string });
  for (let times = 0; times < 2; times++) {
    for (const [name, file] of [
      ['recharge', 'recharge.ndjson'],
      ['page-views', 'pageviews.ndjson'],
    ] as const) {
      const path = join('examples/data', file);
      const args = ['analytics', 'file', path, '--aggregates', EXAMPLE, '--only', name, '--json'];
      const { code, stdout } = await run(args, { env });
      expect(code).toBe(0);
      const { counted, repeats } = JSON.parse(stdout).aggregates[name];
      expect(times === 0 ? repeats : counted).toBe(0);
    }
    const sums = (await consume(at.database)).map(({ appkey, amount, dt }) => [appkey, amount, dt]);
    expect(sums).toEqual([
      ['appkey1', '139.4000', '2020-09-30'],
      ['appkey2', '64.6000', '2020-09-30'],
    ]);
    expect((await summary(at.database)).at(-1)).toEqual({
      ...{ summary_date: '2021-12-01', summary_min: '19:13', pv: 4, uv: 4 },
    });
  }
});

test('rows of a table, as Debezium writes them', async () => {
  const click = {
    brand: 'acme',
    categoryId: '7',
    userId: 'ann',
    eventTime: '2026-01-31T23:58:00Z',
  };
  const sale = { ...click, eventType: 'purchase', price: '19.90' };
  const changes = [
    { op: 'r', before: null, after: { ...click, eventType: 'view' } },
    { op: 'c', before: null, after: { ...click, eventType: 'view' } },
    { op: 'c', before: null, after: sale },
    { op: 'u', before: sale, after: { ...sale, price: '29.90' } },
    { op: 'd', before: sale, after: null },
    { op: 'c', before: null, after: { ...sale, price: 'free' } },
  ];
  const path = join(folder, 'changes.ndjson');
  writeFileSync(path, changes.map((change) => `${JSON.stringify(change)}\n`).join(''));
  const dead = join(folder, 'changes-dead.ndjson');
  const aggregates = join(ROOT, 'examples/clickstream-analytics.json');
  const { code, stdout, stderr } = await run(
    [
      ...['analytics', 'file', path, '--format', 'debezium', '--aggregates', aggregates, '--json'],
      ...['--dead-letters', dead],
    ],
    { env: environment({ TEMPORAL_CEP_DATABASE: at.at as string }) },
  );
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ read: 6, passedOver: 2, changes: { update: 1, delete: 1 } },
    aggregates: {
      visits: { counted: 2, skipped: 2 },
      sales: { counted: 1, skipped: 2, dead: { RECORD_WRONG_TYPE: 1 } },
    },
  });
  const rows = await consume(at.database);
  expect(rows.filter(({ appkey }) => appkey === 'acme')).toMatchObject([
    { amount: '19.9000', dt: '2026-01-31' },
  ]);
  expect((await summary(at.database)).filter((row) => row.summary_date === '2026-01-31')).toEqual([
    { summary_date: '2026-01-31', summary_min: '23:58', pv: 2, uv: 1 },
  ]);
  // A dead letter is the record as it was read.
  const [letter] = readFileSync(dead, 'utf8').trim().split('\n');
  expect(JSON.parse(JSON.parse(letter as string).record)).toEqual(changes[5]);
});

test.each([
  [
    ['--aggregates', 'nowhere.json'],
    /^temporal-cep: nowhere\.json is no declaration of aggregates \(.*\): name a JSON file\n$/,
  ],
  [
    ['--aggregates', EXAMPLE, '--only', 'pageviews'],
    /has no aggregate "pageviews": --only takes recharge, page-views\n$/,
  ],
  [
    ['--aggregates', EXAMPLE, '--database', 'postgres://nobody@127.0.0.1:1/none'],
    /^temporal-cep: no database answers at postgres:\/\/nobody@127\.0\.0\.1:1\/none \(.*\): start it, or correct the address\n$/,
  ],
  [['--aggregates', EXAMPLE], /^temporal-cep: sums are kept in a database: set .*\n$/],
])('%j: one line', async (args, line) => {
  const { code, stderr } = await run([
    'analytics',
    'file',
    'examples/data/recharge.ndjson',
    ...args,
  ]);
  expect(stderr).toMatch(line);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(code).toBe(1);
});

describe('from Kafka', () => {
  let server: TestKafka;
  let kafka: Kafka;
  beforeAll(async () => {
    server = await startKafka();
    kafka = server.kafka();
  });
  afterAll(() => server?.stop());

  async function send(topic: string, messages: { partition: number; value: string | null }[]) {
    const producer = kafka.producer();
    await producer.connect();
    for (let from = 0; from < messages.length; from += 5_000) {
      await producer.send({ topic, messages: messages.slice(from, from + 5_000) });
    }
    await producer.disconnect();
  }

  async function create(topic: string) {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
    await admin.disconnect();
  }

  async function remove(topic: string) {
    const admin = kafka.admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  }

  /** How many records the database has done with, of all topics. */
  const reached = () => reachedBy('recharge');

  async function reachedBy(name: string): Promise<number> {
    const rows = await at.database.db
      .selectFrom('cep_aggregate_offsets')
      .select(['aggregate', 'next_offset'])
      .execute()
      .catch(() => []);
    return rows
      .filter(({ aggregate }) => aggregate === name)
      .reduce((sum, { next_offset }) => sum + next_offset, 0);
  }

  test('two at once, one killed, another group, a topic made anew', async () => {
    const topic = uniqueName('analytics');
    const declaration = join(folder, 'analytics.json');
    writeFileSync(declaration, JSON.stringify(DECLARATION));
    const events = [...streamOf(30_000, 7)];
    const odd = ['no json', JSON.stringify({ appkey: 'a' }), null];
    const messages = [
      ...events.map((event) => ({ partition: event.seq % PARTITIONS, value: lineOf(event) })),
      ...odd.map((value) => ({ partition: 0, value })),
    ];
    await create(topic);
    await send(topic, messages);
    const launch = (group: string) =>
      start(
        [
          ...['analytics', 'kafka', topic, '--aggregates', declaration, '--json'],
          ...['--database', at.at as string, '--brokers', server.brokers.join(), '--group', group],
          ...['--batch', '400', '--session-timeout', '6s', '--late', join(folder, 'late.ndjson')],
          ...['--dead-letters', join(folder, 'dead.ndjson')],
        ],
        { env: environment() },
      );
    const first = launch('one');
    await until('a first part', async () => (await reached()) > 2_000, 60_000);
    const second = launch('one');
    await until('more of it', async () => (await reached()) > 10_000, 60_000);
    first.child.kill('SIGKILL');
    await until('all of it', async () => (await reached()) === messages.length, 60_000);
    second.child.kill('SIGTERM');
    expect((await second.ended).code).toBe(0);
    await expectTotals([events]);

    // Whoever begins in another group goes on from what the database knows.
    const third = launch('two');
    await third.says(/Reads analytics/);
    await sleep(3_000);
    third.child.kill('SIGTERM');
    const { stdout } = await third.ended;
    expect(JSON.parse(stdout)).toMatchObject({ read: 0, transactions: 0 });

    // Its offsets begin anew, and are those of other events.
    await remove(topic);
    await create(topic);
    const more = [...streamOf(500, 8)];
    await send(
      topic,
      more.map((event) => ({ partition: 1, value: lineOf(event) })),
    );
    const fourth = launch('one');
    await until(
      'the new topic',
      async () => (await reached()) === messages.length + more.length,
      60_000,
    );
    fourth.child.kill('SIGTERM');
    expect((await fourth.ended).code).toBe(0);
    expect(JSON.parse((await fourth.ended).stdout).aggregates.recharge.repeats).toBe(0);
    await expectTotals([events], more);
  });

  const analytics = (topic: string, ...args: string[]) => [
    ...['analytics', 'kafka', topic, '--aggregates', EXAMPLE, '--json', '--session-timeout', '6s'],
    ...['--brokers', server.brokers.join(), ...args],
  ];
  const view = (client_ip: string) => ({
    partition: 0,
    value: JSON.stringify({ p_dt: '2021-12-01', c_time: '2021-12-01 10:00:00', client_ip }),
  });

  test('who counts something else, or elsewhere, gets no part of the partitions', async () => {
    const topic = uniqueName('shared');
    await create(topic);
    await send(topic, [view('a')]);
    const database = ['--database', at.at as string];
    const first = start(analytics(topic, '--only', 'page-views', ...database), {
      env: environment(),
    });
    const isCounted = async () => (await summary(at.database).catch(() => [])).length > 0;
    await until('it counts', isCounted, 60_000);
    for (const other of [
      ['--only', 'recharge', ...database],
      ['--only', 'page-views', '--data-folder', join(folder, 'elsewhere')],
    ]) {
      const { code, stderr } = await run(analytics(topic, ...other), { env: environment() });
      expect(stderr).toMatch(
        /^temporal-cep: the consumer group temporal-cep-analytics is in use by something else: .* \(protocol temporal-cep-analytics .*page-views.*\); name another --group$/m,
      );
      expect(code).toBe(1);
    }
    // Who counts the same has a part of them.
    const second = start(analytics(topic, '--only', 'page-views', ...database), {
      env: environment(),
    });
    await second.says(/Reads shared/);
    await sleep(1_000);
    for (const { child, ended } of [first, second]) {
      child.kill('SIGTERM');
      expect((await ended).code).toBe(0);
    }
  });

  test('a topic that repartition has written is refused: its records stand for others', async () => {
    const topic = uniqueName('repartitioned');
    await create(topic);
    const producer = kafka.producer();
    await producer.connect();
    const headers = { [FORMAT_HEADER]: '1' };
    await producer.send({ topic, messages: [{ ...view('a'), headers }] });
    await producer.disconnect();
    const args = analytics(topic, '--only', 'page-views', '--database', at.at as string);
    const { code, stderr } = await run(args, { env: environment() });
    expect(stderr).toMatch(
      /is written by temporal-cep repartition: name the topic that it is made from/,
    );
    expect(code).toBe(1);
    expect(await summary(at.database)).toEqual([]);
  });

  test('a topic that lost what was counted, and how to go on with it', async () => {
    const topic = uniqueName('cut');
    await create(topic);
    await send(topic, [view('a'), view('b')]);
    const args = analytics(topic, '--only', 'page-views', '--database', at.at as string);
    const views = async () => (await summary(at.database).catch(() => [])).at(-1)?.pv;
    const count = async (pv: number) => {
      const counting = start(args, { env: environment() });
      await until(`${pv} are counted`, async () => Number(await views()) === pv, 60_000);
      counting.child.kill('SIGTERM');
      expect((await counting.ended).code).toBe(0);
    };
    await count(2);
    const { db } = at.database;
    await db
      .updateTable('cep_aggregate_offsets')
      .set({ next_offset: 9 })
      .where('source_partition', '=', 0)
      .execute();
    const { code, stderr } = await run([...args, '--group', 'another'], { env: environment() });
    expect(code).toBe(1);
    const [, statement] = /the topic lost its records; .*: (update .*)$/m.exec(stderr) ?? [];
    expect(stderr).toMatch(/partition 0 of cut.* ends at offset 2, but it was read up to 9 before/);
    expect(stderr).not.toContain('--group');
    await sql.raw(statement as string).execute(db);
    await send(topic, [view('c')]);
    await count(3);
  });

  test('rejects: a topic that is not there, and one that goes away', async () => {
    const topic = uniqueName('rejecting');
    const dead = uniqueName('dead');
    await create(topic);
    await send(topic, [{ partition: 0, value: 'no json' }]);
    const args = analytics(topic, '--only', 'page-views', '--database', at.at as string);
    const there = [...args, '--dead-letters-topic', dead];
    const refused = await run(there, { env: environment() });
    expect(refused.stderr).toMatch(new RegExp(`^temporal-cep: .*${dead}`, 'm'));
    expect(refused.code).toBe(1);

    await create(dead);
    const counting = start(there, { env: environment() });
    const isCounted = async () => (await reachedBy('page-views')) === 1;
    await until('the first is counted', isCounted, 60_000);
    await remove(dead);
    await send(topic, [{ partition: 0, value: 'no json either' }]);
    await counting.says(/rejects wait for Kafka/);
    const told = performance.now();
    counting.child.kill('SIGTERM');
    const { code, stdout, stderr } = await counting.ended;
    expect(performance.now() - told).toBeLessThan(30_000);
    expect(JSON.parse(stdout)).toMatchObject({ read: 2, uncounted: 1 });
    expect(stderr).toMatch(/1 record .* not counted/);
    expect(code).toBe(1);
    expect(await reachedBy('page-views')).toBe(1);
  });

  /** What lies in each partition is late by that partition alone. */
  async function expectTotals(topics: StreamEvent[][], onePartition: StreamEvent[] = []) {
    const lanes = topics.flatMap((events) =>
      Array.from({ length: PARTITIONS }, (_, p) =>
        events.filter(({ seq }) => seq % PARTITIONS === p),
      ),
    );
    const kept = [...lanes, onePartition].flatMap((lane) => {
      let largest = 0;
      return lane.filter(({ time }) => {
        const isInTime = time >= largest - LATENESS_MS;
        largest = Math.max(largest, time);
        return isInTime;
      });
    });
    const sums = new Map<string, bigint>();
    const views = new Map<string, { pv: number; visitors: Set<string> }>();
    for (const { app, day, amount, visitor } of kept) {
      const key = `${app} ${day}`;
      sums.set(key, (sums.get(key) ?? 0n) + amountOf(amount));
      const ofDay = views.get(day) ?? { pv: 0, visitors: new Set() };
      ofDay.pv++;
      ofDay.visitors.add(visitor);
      views.set(day, ofDay);
    }
    const found = (await consume(at.database)).map(
      ({ appkey, dt, amount }) => `${appkey} ${dt} ${formatAmount(amountOf(amount))}`,
    );
    const expected = [...sums].flatMap(([key, sum]) =>
      sum > 0n ? [`${key} ${formatAmount(sum)}`] : [],
    );
    expect(found.sort()).toEqual(expected.sort());
    const last = new Map((await summary(at.database)).map((row) => [row.summary_date, row]));
    const greatest = [...last].map(([day, { pv, uv }]) => [day, pv, uv]);
    expect(greatest).toEqual(
      [...views].map(([day, { pv, visitors }]) => [day, pv, visitors.size]).sort(),
    );
  }
});
