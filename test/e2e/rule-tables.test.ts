// The sample system: five tables as Flink's dynamic CEP reads them, each with its stream in Kafka, on every database. The alerts are
// those of Flink; then a row changes, and one goes, while events come.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kafka, Producer } from 'kafkajs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { RuleStore } from '../../src/rule-store/rule-store.js';
import type { CompiledJourneys } from '../../src/rules/compiled.js';
import type { ConditionClasses } from '../../src/rules/conditions.js';
import type { RuleRevision } from '../../src/rules/revision.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, minutes, seconds } from '../../src/time.js';
import { STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { flinkTable } from '../rule-store/support/rules.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { startMariadb, type TestMariadb } from '../support/mariadb.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import {
  createWorker,
  ingest,
  LiveJourneys,
  loadJourneys,
  memoryStore,
  openKafkaReader,
  openRuleStore,
  RuleDiscoverer,
  revisionReader,
  temporalGateway,
} from './support/built.js';
import { environment, run } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';
import { FLINK_RULES, told } from './support/flink-rules.js';

const MODULE = new URL('support/table-journeys.ts', import.meta.url);
const TIMES = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };

const NOBODY = { counts: { events: 0 } };

let broker: TestKafka;
let kafka: Kafka;
let producer: Producer;
let dev: Dev;
/** For the command line; the systems below have one of their own. */
let mariadb: TestMariadb;

beforeAll(async () => {
  [broker, dev, mariadb] = await Promise.all([startKafka(), startDev(), startMariadb()]);
  kafka = broker.kafka();
  producer = kafka.producer();
  await producer.connect();
});
afterAll(async () => {
  await producer?.disconnect();
  await dev?.stop();
  await mariadb?.stop();
  await broker?.stop();
});

test('by the command line: a table in MariaDB, a file of events, and a row that cannot be used', async () => {
  const { events, pattern, expected } = FLINK_RULES[1] as (typeof FLINK_RULES)[number];
  const rules = await openRuleStore(mariadb.url, { migrate: true });
  onTestFinished(() => rules.close());
  const execute = (text: string) => sql.raw(text).execute(rules.database.db);
  await execute(flinkTable('rds_demo2'));
  const text = pattern.replaceAll("'", "''");
  await execute(`insert into rds_demo2 values ('carts', 1, '${text}', 'shop.rules.Tell')`);
  await execute(`insert into rds_demo2 values ('broken', 1, '{"nodes":', '')`);
  const folder = temporaryFolder();
  const file = join(folder, 'clicks.ndjson');
  writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const env = environment({ TEMPORAL_ADDRESS: dev.address });
  const { code, stdout, stderr } = await run(
    [
      ...['ingest', 'file', file, '--with-worker', '--task-queue', uniqueName('cli')],
      ...['--journeys', fileURLToPath(MODULE), '--data-folder', join(folder, 'data')],
      ...['--rules-database', mariadb.url, '--rule-table', 'rds_demo2=demo2'],
      ...['--journey', 'demo2', '--alerts', join(folder, 'alerts.ndjson')],
    ],
    { env },
  );
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  const alerts = readFileSync(join(folder, 'alerts.ndjson'), 'utf8').trim().split('\n');
  expect(alerts.map((line) => JSON.parse(line).type)).toEqual(
    expected.map((line) => line.split(' ')[0]),
  );
  expect(stderr).toContain('A row of a rule table cannot be used');
  const list = await run(['rules', 'list', '--rules-database', mariadb.url], { env });
  expect(list.stdout).toMatch(/Fault in rds_demo2, rule "broken": \$\.pattern: it is no JSON/);
});

/** Where the rules are. @returns its address, and how to end it */
const DATABASES = {
  MariaDB: startMariadb,
  PostgreSQL: startPostgres,
  PGlite: async () => ({ url: { memory: true as const }, stop: async () => {} }),
};

/** Five tables and streams, an ingestor for each, and a worker. */
async function startSystem(engine: keyof typeof DATABASES) {
  const cleanUp: (() => Promise<unknown>)[] = [];
  const server = await DATABASES[engine]();
  cleanUp.push(() => server.stop());
  const rules: RuleStore = await openRuleStore(server.url, { migrate: true });
  cleanUp.push(() => rules.close());
  const run = async (statement: string) => {
    const text = engine === 'MariaDB' ? statement : statement.replaceAll('`', '"');
    await sql.raw(text).execute(rules.database.db);
  };
  const streams = FLINK_RULES.map((_, i) => uniqueName(`click_stream${i + 1}`));
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: streams.map((topic) => ({ topic, numPartitions: 1 })) });
  await admin.disconnect();
  for (const [i, { name, pattern }] of FLINK_RULES.entries()) {
    await run(flinkTable(`rds_demo${i + 1}`));
    const text = pattern.replaceAll("'", "''");
    await run(`insert into rds_demo${i + 1} values ('${name}', 1, '${text}', 'shop.rules.Tell')`);
  }

  const { journeys } = await loadJourneys(MODULE);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  // As with --journey: each ingestor reads the stream of one.
  const lives = streams.map((_, i) => new LiveJourneys(journeys, [`demo${i + 1}`]));
  const take = (revision: RuleRevision) => {
    for (const live of lives) live.take(revision);
  };
  const discoverer = new RuleDiscoverer({
    store: rules,
    tables: FLINK_RULES.map((_, i) => ({ table: `rds_demo${i + 1}`, journey: `demo${i + 1}` })),
    classes: journeys.set.conditions as ConditionClasses,
    journeys: journeys.set.journeys,
    log,
    onRevision: take,
  });
  take(await discoverer.start());
  cleanUp.push(() => discoverer.stop());

  const taskQueue = uniqueName('tables');
  const store = memoryStore();
  const alerts: Alert[] = [];
  const worker = await createWorker({
    journeys: MODULE,
    connection: dev.connection,
    taskQueue,
    store,
    rules: revisionReader(rules, log),
    alerts: { publish: async (some) => void alerts.push(...some) },
  });
  const running = worker.run();
  cleanUp.push(() => {
    worker.shutdown();
    return running;
  });
  const stop = new AbortController();
  const ingests = streams.map(async (topic, i) => {
    const live = lives[i] as CompiledJourneys;
    const reader = await openKafkaReader({
      ...{ kafka, topic, groupId: uniqueName('group'), journeys: live, progress: store.progress },
      keyed: {
        keyedOf: async () => true,
        setKeyed: async () => {},
        firstPartitions: async () => 1,
      },
      ...{ isKeyed: true, owner: engine, log, signal: stop.signal },
    });
    try {
      await ingest({
        journeys: live,
        records: (flow) => reader.records(flow),
        gateway: temporalGateway({
          client: dev.client,
          journeys: live,
          taskQueue,
          settings: TIMES,
        }),
        store: store.progress,
        outOfOrdernessMs: 0,
        endWatermark: 'none',
        onPublished: (publications) => reader.commit(publications),
        log,
        signal: stop.signal,
      });
    } finally {
      await reader.close();
    }
  });
  cleanUp.push(() => {
    stop.abort();
    return Promise.all(ingests);
  });

  return {
    run,
    alerts,
    discoverer,
    /** Puts events into the stream of a table, in order. */
    send: async (table: number, ...events: readonly object[]) => {
      await producer.send({
        topic: streams[table - 1] as string,
        messages: events.map((event) => ({ key: null, value: JSON.stringify(event) })),
      });
    },
    /** When, by the clock of this process, a statement's change was in force: how long that took. */
    inForceAfter: async (statement: string): Promise<number> => {
      const { revision } = discoverer.counters;
      await run(statement);
      const began = performance.now();
      await until('it is in force', async () => discoverer.counters.revision > revision, 10_000);
      return performance.now() - began;
    },
    stop: async () => {
      for (const step of cleanUp.reverse()) await step();
    },
  };
}

describe.each(Object.keys(DATABASES) as (keyof typeof DATABASES)[])('rules in %s', (engine) => {
  let system: Awaited<ReturnType<typeof startSystem>>;

  beforeAll(async () => {
    system = await startSystem(engine);
  });
  afterAll(() => system?.stop());

  test('each table gives the alerts that Flink gives', async () => {
    const { send, alerts } = system;
    for (const [i, { events }] of FLINK_RULES.entries()) {
      const last = events.at(-1) as (typeof events)[number];
      // Somebody else, much later: until then all windows have passed.
      const closer = { ...last, id: 0, userId: 'closer', userSession: 'closer' };
      const at = [8, 9].map((d) => ({ ...closer, eventTime: last.eventTime + days(d) }));
      await send(i + 1, ...events, ...at);
    }
    const found = (i: number) => {
      const { events } = FLINK_RULES[i] as (typeof FLINK_RULES)[number];
      const numbers = (list: readonly unknown[]) =>
        list.map((data) => events.findIndex(({ id }) => id === (data as { id: number }).id));
      return alerts
        .filter(({ journey, key }) => journey === `demo${i + 1}` && key !== 'closer')
        .map(({ type, match }) =>
          told(
            type,
            Object.fromEntries(Object.entries(match).map(([stage, l]) => [stage, numbers(l)])),
          ),
        )
        .sort();
    };
    const expected = FLINK_RULES.flatMap((rule) => rule.expected);
    await until(
      'all have come',
      async () => {
        return FLINK_RULES.flatMap((_, i) => found(i)).length >= expected.length;
      },
      60_000,
    );
    expect(FLINK_RULES.map((_, i) => found(i))).toEqual(FLINK_RULES.map((rule) => rule.expected));
  });

  test('a threshold changes what the next cart of 150 does, and a row that goes takes its rule along', async () => {
    const { send, alerts, inForceAfter } = system;
    let at = Date.parse('2024-01-01T10:00:00Z');
    const click = (key: string, eventType: string, price = 0) => {
      at += seconds(1);
      const userSession = `${key} ${engine}`;
      return { eventTime: at, eventType, productId: 'p', price, userId: 'u', userSession };
    };
    /** Event time goes on; a session that hears of it need not ask. */
    const tick = (...keys: string[]) =>
      send(2, ...[...keys, 'clock'].map((key) => click(key, 'tick')));
    const isOpen = (key: string) =>
      until(`there is a session of ${key}`, async () => {
        const handle = dev.client.workflow.getHandle(`demo2/${key} ${engine}`);
        const { counts } = await handle.query<SessionState>(STATE_QUERY).catch(() => NOBODY);
        return counts.events > 0;
      });
    await send(2, click('before', 'cart', 150), click('held', 'cart', 250));
    await tick();
    await isOpen('held');
    const tookMs = await inForceAfter(
      `update rds_demo2 set version = 2, pattern = replace(pattern, '"200"', '"100"')`,
    );
    expect(tookMs).toBeLessThan(2_000);
    await send(2, click('after', 'cart', 150));
    await tick();
    at += minutes(20);
    await tick('held', 'after', 'before');
    const of2 = () =>
      alerts
        .filter(({ journey, at: when }) => journey === 'demo2' && when > Date.parse('2024-01-01'))
        .map(({ key, type }) => `${key.split(' ')[0]} ${type}`)
        .sort();
    await until('both have ended', async () => of2().length === 2, 60_000);
    // The one in flight ended under its own text, as its policy says.
    expect(of2()).toEqual(['after TIMEOUT', 'held TIMEOUT']);

    await send(2, click('deleted', 'cart', 900));
    await tick();
    await isOpen('deleted');
    await inForceAfter('delete from rds_demo2');
    await send(2, click('unseen', 'cart', 900));
    at += minutes(20);
    await tick('deleted', 'unseen');
    // With it those are committed, and a session may end.
    await tick();
    await until(
      'its session has ended',
      async () => {
        const { status } = await dev.client.workflow
          .getHandle(`demo2/deleted ${engine}`)
          .describe();
        return status.name === 'COMPLETED';
      },
      90_000,
    );
    expect(of2()).toHaveLength(2);
  });
});
