// From an INSERT in MariaDB to an alert in Kafka, all of it real: binlog, Debezium in Kafka Connect, ingest and worker. The alerts are
// those that Flink gave for the same rows; updates and deletes are counted; what Connect delivers again sets nothing off again. The
// same changes, repartitioned.

import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Consumer } from 'kafkajs';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import { ensureTopics } from '../../src/kafka/admin.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, minutes, seconds } from '../../src/time.js';
import { newTopic, readAll } from '../kafka/helpers.js';
import { temporaryFolder } from '../servers/helpers.js';
import { type Connector, findConnect, offsetsFile, startConnect } from '../support/connect.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { startMariadb } from '../support/mariadb.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { environment, ROOT, run, start } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';
import { ALERTS_BY_TYPE, byType, expectFlinksAlerts } from './support/flink-rows.js';
import { interrupt } from './support/shop.js';

interface Row {
  readonly eventTime: number;
  readonly [column: string]: unknown;
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const ROWS = read('examples/data/sample-rows.ndjson')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);
/** In the table before Debezium first looks: they come by its snapshot, the others by the binlog. */
const IN_SNAPSHOT = 10;
const SAMPLES = 20;
const LITERAL = join(ROOT, 'examples/literal-journeys.ts');
const PASSWORD = 'open-sesame';

const folder = temporaryFolder();
const prefix = uniqueName('cdc');
const topic = `${prefix}.shop.clickstream`;
const alertsTopic = `${prefix}.alerts`;
const cleanUp: (() => Promise<unknown>)[] = [];
let kafka: TestKafka;
let dev: Dev;
let database: mysql.Connection;
let connector: Connector;

beforeAll(async () => {
  const [mariadb] = await Promise.all([
    startMariadb({ hasBinlog: true }),
    startKafka().then((started) => {
      kafka = started;
    }),
    startDev().then((started) => {
      dev = started;
    }),
    findConnect(),
  ]);
  cleanUp.push(() => mariadb.stop());
  const { hostname: host, port } = new URL(mariadb.url);
  database = await mysql.createConnection({ host, port: Number(port), user: 'root' });
  cleanUp.push(() => database.end());
  for (const sql of [
    "set time_zone = '+00:00'",
    'create database shop',
    'use shop',
    read('examples/clickstream.sql'),
    `create user debezium identified by '${PASSWORD}'`,
    'grant select, reload, show databases, replication slave, replication client on *.* to debezium',
  ]) {
    await database.query(sql);
  }
  // What docs/change-data-capture.md has people use, at the addresses of this test.
  const { name, config } = JSON.parse(read('examples/debezium-clickstream.json')) as Connector;
  connector = {
    name,
    config: {
      ...config,
      'connector.class': 'io.debezium.connector.mariadb.MariaDbConnector',
      'database.hostname': host,
      'database.port': port,
      'topic.prefix': prefix,
      'schema.history.internal.kafka.bootstrap.servers': kafka.brokers.join(','),
      'schema.history.internal.kafka.topic': `${prefix}.schema-history`,
    },
  };
  const admin = kafka.kafka().admin();
  await admin.connect();
  await ensureTopics(admin, [{ topic }, { topic: alertsTopic }]);
  await admin.disconnect();
});

afterAll(async () => {
  for (const step of cleanUp.reverse()) await step();
  await dev?.stop();
  await kafka?.stop();
});

async function insert(rows: readonly Row[]): Promise<void> {
  const columns = Object.keys(rows[0] as Row).filter((column) => column !== 'id');
  const values = rows.map((row) =>
    columns.map((column) => (column === 'eventTime' ? new Date(row.eventTime) : row[column])),
  );
  await database.query(`insert into clickstream (${columns.join(', ')}) values ?`, [
    // In UTC, whatever zone this process is in.
    values.map((row) => row.map((value) => (value instanceof Date ? inUtc(value) : value))),
  ]);
}

function inUtc(at: Date): string {
  return at.toISOString().slice(0, 19).replace('T', ' ');
}

const connect = () =>
  startConnect({
    ...{ brokers: kafka.brokers, folder, connector },
    env: { DEBEZIUM_PASSWORD: PASSWORD },
  });

/** Waits until the topic holds so many records. */
async function holds(records: number): Promise<void> {
  const admin = kafka.kafka().admin();
  await admin.connect();
  await until(`${topic} holds ${records} records`, async () => {
    const ends = await admin.fetchTopicOffsets(topic);
    return ends.reduce((sum, { high }) => sum + Number(high), 0) >= records;
  });
  await admin.disconnect();
}

/** Alerts as they come, each with the moment at which it came. */
async function alertsAsTheyCome(): Promise<{ alert: Alert; at: number }[]> {
  const arrived: { alert: Alert; at: number }[] = [];
  const consumer: Consumer = kafka
    .kafka()
    .consumer({ groupId: uniqueName('alerts'), maxWaitTimeInMs: 50 });
  cleanUp.push(() => consumer.disconnect());
  await consumer.connect();
  await consumer.subscribe({ topic: alertsTopic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      arrived.push({ alert: JSON.parse(String(message.value)), at: performance.now() });
    },
  });
  return arrived;
}

/** Writes the topic into one that is keyed by the sessions: each row once for each of its keys, and nothing of updates and deletes. */
async function expectRepartitioned(
  env: Record<string, string>,
  rows: number,
  records: number,
): Promise<void> {
  const postgres = await startPostgres();
  cleanUp.push(() => postgres.stop());
  const database = ['--database', postgres.url];
  const { code, stderr } = await run(['setup', ...database], { env });
  expect(code, stderr).toBe(0);
  const keyed = await newTopic(kafka.kafka(), 'by-key');
  const repartition = start(
    [
      ...['repartition', topic, '--to', keyed, '--format', 'debezium', '--group', `${prefix}.keys`],
      ...['--journeys', LITERAL, '--json', ...database],
    ],
    { env },
  );
  // The very last one waits for a later one to move event time on.
  const last = `${records - 2}`;
  const written = await until('the last row but one is in the keyed topic', async () => {
    const found = await readAll(kafka.kafka(), keyed);
    const events = found.filter(({ headers }) => headers['cep-type'] === 'event');
    return events.some(({ headers }) => headers['cep-offset'] === last) ? events : null;
  });
  const counts = JSON.parse(await interrupt(repartition)) as IngestCounts;
  expect(counts).toMatchObject({ read: records, dead: {}, changes: { update: 2, delete: 2 } });
  expect(counts.events + counts.late).toBe(rows);
  const reached = new Map<string, string[]>();
  for (const { key, headers, value } of written) {
    const row = value as Row;
    const [offset, time] = [headers['cep-offset'] as string, headers['cep-time']];
    expect(time).toBe(`${row.eventTime}`);
    const journeys = JSON.parse(headers['cep-journeys'] as string) as string[];
    for (const journey of journeys) {
      expect(key).toBe(journey === 'literal-session' ? row.userSession : row.userId);
    }
    reached.set(offset, [...(reached.get(offset) ?? []), ...journeys]);
  }
  expect(reached.size).toBe(counts.events - 1);
  for (const journeys of reached.values()) {
    expect(journeys.sort()).toEqual(['literal-session', 'literal-user']);
  }
}

test(
  'INSERTs set off what Flink says, once; UPDATE and DELETE are counted',
  async () => {
    await insert(ROWS.slice(0, IN_SNAPSHOT));
    const env = environment({
      TEMPORAL_ADDRESS: dev.address,
      KAFKA_BROKERS: kafka.brokers.join(','),
    });
    const ingestor = start(
      [
        ...['ingest', 'kafka', topic, '--format', 'debezium', '--group', prefix, '--json'],
        ...['--journeys', LITERAL, '--with-worker'],
        ...['--data-folder', join(folder, 'data'), '--alerts-topic', alertsTopic],
      ],
      { env },
    );
    const [arrived, first] = await Promise.all([
      alertsAsTheyCome(),
      connect(),
      ingestor.says(/^Reads .*; Ctrl-C ends it$/m, minutes(3)),
    ]);
    await holds(IN_SNAPSHOT);
    await until('Connect has noted how far it is', () => existsSync(offsetsFile(folder)));
    const noted = join(folder, 'noted');
    copyFileSync(offsetsFile(folder), noted);
    await insert(ROWS.slice(IN_SNAPSHOT));
    await database.query('update clickstream set price = price + 1 where id = 3');
    await database.query('delete from clickstream where id = 5');
    // Two more records of the delete: the change, and a tombstone.
    const written = ROWS.length + 3;
    await holds(written);
    // As if it had died before it noted anything behind the snapshot: the rest is delivered twice.
    await first.kill();
    copyFileSync(noted, offsetsFile(folder));
    await connect();
    const again = ROWS.length - IN_SNAPSHOT + 3;
    await holds(written + again);

    // Behind every window of the rows. Each time the third row lets event time pass the two before it.
    const begin = (ROWS.at(-1) as Row).eventTime + days(10);
    const click = (at: number, userSession: string, columns: object): Row => ({
      ...{ eventType: 'view', productId: 'p', categoryId: 'c', categoryCode: 'c', brand: 'b' },
      ...{ price: 1, userId: userSession, userSession, eventTime: begin + at, ...columns },
    });
    const latencies: number[] = [];
    for (let i = 0; i <= SAMPLES; i++) {
      const key = `sample-${i}`;
      const insertedAt = performance.now();
      await insert([
        click(seconds(10 * i), key, { categoryCode: 'shoes' }),
        click(seconds(10 * i + 1), key, { categoryCode: 'hats' }),
        click(seconds(10 * i + 5), 'clock', { eventType: 'noop' }),
      ]);
      const { at } = await until(`an alert for ${key}`, () =>
        arrived.find(({ alert }) => alert.key === key),
      );
      // The first one waits for Connect, which has just begun.
      if (i > 0) latencies.push(at - insertedAt);
    }
    const samples = 3 * (SAMPLES + 1);
    const alerts = arrived.map(({ alert }) => alert);
    const [ofSamples, ofRows] = [true, false].map((isSample) =>
      alerts.filter(({ key }) => key.startsWith('sample-') === isSample),
    ) as [Alert[], Alert[]];
    expect(byType(ofRows)).toEqual(ALERTS_BY_TYPE);
    expectFlinksAlerts(ofRows);
    expect(byType(ofSamples)).toEqual({ CROSS_UPSELL: SAMPLES + 1 });
    expect(new Set(alerts.map(({ id }) => id)).size).toBe(alerts.length);

    const counts = JSON.parse(await interrupt(ingestor)) as IngestCounts;
    expect(counts).toMatchObject({
      read: written + again + samples,
      dead: {},
      changes: { update: 2, delete: 2 },
      tombstones: 2,
    });
    // What came twice is late, or a repeat to its session: no event more.
    const came = ROWS.length + samples + (ROWS.length - IN_SNAPSHOT);
    expect(counts.events + counts.late + counts.repeats).toBe(came);

    // The same topic, in process: the same alerts, ids included.
    const file = join(folder, 'alerts.ndjson');
    const { code, stdout, stderr } = await run(
      [
        ...['backtest', '--rules', LITERAL, '--events', `kafka:${topic}`, '--group', prefix],
        ...['--format', 'debezium', '--leave-open', '--threads', '1', '--alerts', file, '--json'],
      ],
      { env },
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ records: counts.read, changes: 4, bad: 2 });
    const idsOf = (of: readonly Alert[]) => of.map(({ id }) => id).sort();
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(idsOf(lines.map((line) => JSON.parse(line)))).toEqual(idsOf(alerts));

    await expectRepartitioned(env, came, counts.read);

    const sorted = latencies.sort((a, b) => a - b).map((ms) => Math.round(ms));
    const median = sorted[Math.floor(sorted.length / 2)];
    console.log(
      `INSERT to alert in Kafka: median ${median} ms, max ${sorted.at(-1)} ms of ${SAMPLES}`,
    );
  },
  minutes(6),
);
