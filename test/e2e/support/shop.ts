// A shop as a company runs it, for the tests of Kafka: broker, database, Temporal, and worker and ingestor of
// the command line in processes of their own.

import type { Kafka, Message } from 'kafkajs';
import { Partitioners } from 'kafkajs';
import pg from 'pg';
import { idOfKey } from '../../../src/ingest/keyed.js';
import type { RawRecord } from '../../../src/ingest/record.js';
import type { Reject } from '../../../src/ingest/rejects.js';
import { ensureTopics } from '../../../src/kafka/admin.js';
import type { Alert } from '../../../src/rules/rule.js';
import type { Store } from '../../../src/store/index.js';
import { days } from '../../../src/time.js';
import { startKafka, type TestKafka, uniqueName } from '../../support/kafka.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';
import { readTopic } from '../../support/topics.js';
import { until } from '../../support/until.js';
import { openStore } from './built.js';
import { environment, type Running, start } from './cli.js';
import { type Dev, startDev } from './dev.js';

/** A record as it is produced. */
export interface Produced {
  readonly partition?: number;
  readonly key?: string | null;
  /** An object is written as JSON; null is a tombstone. */
  readonly value: object | string | null;
  /** The record's own timestamp, in ms since the epoch; the present by default. */
  readonly timestamp?: number;
}

/** A topic's records, read back. */
export interface Consumed<T> {
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: T;
}

/** An event behind all others, in each partition: it moves event time past every window. */
export function closers(partitions: number): Produced[] {
  return Array.from({ length: partitions }, (_, partition) => ({
    partition,
    key: JSON.stringify({ id: `closer-${partition}` }),
    value: {
      eventTime: Date.now() - days(10),
      eventType: 'noop',
      userId: 'nobody',
      userSession: 'nobody',
    },
  }));
}

/** What a topic should not have, over two partitions: no JSON, no key, a tombstone, and `late` twice. */
export function oddRecords(late: object): Produced[] {
  return [
    { partition: 0, key: '{"id":"x1"}', value: 'no JSON' },
    { partition: 1, key: '{"id":"x2"}', value: { eventType: 'view' } },
    { partition: 0, key: '{"id":"x3"}', value: late },
    { partition: 1, key: '{"id":"x4"}', value: late },
    { partition: 0, key: '{"id":0}', value: null },
  ];
}

export interface Shop {
  /** Rows of the shared database. */
  query<Row extends object>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  readonly dev: Dev;
  readonly kafka: TestKafka;
  readonly client: Kafka;
  readonly postgres: TestPostgres;
  readonly store: Store;
  /** Starts temporal-cep, which ends with the shop at the latest. */
  start(args: readonly string[], env: Record<string, string>): Running;
  /** What worker and ingestor are told by their environment. */
  readonly env: Record<string, string>;
  stop(): Promise<void>;
}

export async function startShop(dynamicConfig: Record<string, number> = {}): Promise<Shop> {
  const [postgres, kafka, dev] = await Promise.all([
    startPostgres(),
    startKafka(),
    startDev({ dynamicConfig }),
  ]);
  const store = await openStore(postgres.url, { migrate: true });
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  // A test may take the server down.
  pool.on('error', () => {});
  dev.onStop(() => kafka.stop());
  dev.onStop(() => postgres.stop());
  dev.onStop(() => store.close());
  dev.onStop(() => pool.end());
  const started: Running[] = [];
  dev.onStop(async () => {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
  });
  return {
    start: (args, env) => {
      const running = start(args, { env, outlives: true });
      started.push(running);
      return running;
    },
    query: async <Row extends object>(sql: string, parameters: unknown[] = []) =>
      (await pool.query<Row>(sql, parameters)).rows,
    dev,
    kafka,
    client: kafka.kafka(),
    postgres,
    store,
    env: environment({
      TEMPORAL_ADDRESS: dev.address,
      TEMPORAL_CEP_DATABASE: postgres.url,
      KAFKA_BROKERS: kafka.brokers.join(','),
    }),
    stop: () => dev.stop(),
  };
}

/** One test's topics, group and task queue in a shop. */
export class Stall {
  readonly name: string;
  readonly taskQueue: string;
  readonly topic: string;
  readonly alertsTopic: string;
  readonly lateTopic: string;
  readonly deadTopic: string;
  readonly #shop: Shop;
  readonly #journeys: string;
  #produced = 0;

  private constructor(shop: Shop, name: string, journeys: string, beside?: Stall) {
    this.#shop = shop;
    this.#journeys = journeys;
    this.name = uniqueName(name);
    this.taskQueue = beside?.taskQueue ?? this.name;
    this.topic = `${this.name}.clicks`;
    this.alertsTopic = beside?.alertsTopic ?? `${this.name}.alerts`;
    this.lateTopic = `${this.name}.late`;
    this.deadTopic = `${this.name}.dead`;
  }

  static async open(
    shop: Shop,
    options: {
      name: string;
      journeys: string;
      partitions?: number;
      config?: Readonly<Record<string, string>>;
      /** Its worker serves this one too. */
      beside?: Stall;
    },
  ): Promise<Stall> {
    const { name, journeys, partitions = 1, config = {} } = options;
    const stall = new Stall(shop, name, journeys, options.beside);
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    const admin = shop.client.admin();
    await admin.connect();
    await ensureTopics(admin, [
      { topic: stall.topic, partitions, configEntries },
      ...[stall.alertsTopic, stall.lateTopic, stall.deadTopic].map((topic) => ({ topic })),
    ]);
    await admin.disconnect();
    return stall;
  }

  async produce(records: readonly Produced[], topic = this.topic): Promise<void> {
    const producer = this.#shop.client.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const messages = records.map(
      ({ partition, key = null, value, timestamp }): Message => ({
        key,
        value: value === null || typeof value === 'string' ? value : JSON.stringify(value),
        ...(partition === undefined ? {} : { partition }),
        ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
      }),
    );
    this.#produced += topic === this.topic ? records.length : 0;
    // In portions below what a request may hold.
    for (let i = 0; i < messages.length; i += 500) {
      await producer.send({ topic, messages: messages.slice(i, i + 500), acks: -1 });
    }
    await producer.disconnect();
  }

  /** All that a topic holds at this moment, by an ordinary consumer. */
  async consume<T>(topic: string): Promise<Consumed<T>[]> {
    const records = await readTopic(this.#shop.client, topic);
    return records.map(({ key, headers, value }) => ({ key, headers, value: JSON.parse(value) }));
  }

  alerts(): Promise<Consumed<Alert>[]> {
    return this.consume(this.alertsTopic);
  }

  async rejects(topic: string): Promise<Reject[]> {
    return (await this.consume<Reject>(topic)).map(({ value }) => value);
  }

  async worker(env: Record<string, string> = {}, args: readonly string[] = []): Promise<Running> {
    const running = this.startWorker(env, args);
    await running.says(/^Worker is ready on task queue/m, 90_000);
    return running;
  }

  startWorker(env: Record<string, string> = {}, args: readonly string[] = []): Running {
    return this.#shop.start(
      [
        ...['worker', '--journeys', this.#journeys, '--task-queue', this.taskQueue],
        ...['--alerts-topic', this.alertsTopic, '--session-late-topic', this.lateTopic, ...args],
      ],
      { ...this.#shop.env, ...env },
    );
  }

  async ingestor(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Running> {
    const running = this.startIngestor(args, env);
    await running.says(/^Reads .*; Ctrl-C ends it$/m, 90_000);
    return running;
  }

  startIngestor(args: readonly string[] = [], env: Record<string, string> = {}): Running {
    return this.#shop.start(
      [
        ...['ingest', 'kafka', this.topic, '--journeys', this.#journeys],
        ...['--task-queue', this.taskQueue, '--group', this.name],
        ...['--late-topic', this.lateTopic, '--dead-letters-topic', this.deadTopic],
        ...['--session-timeout', '6s', '--json', ...args],
      ],
      { ...this.#shop.env, ...env },
    );
  }

  /** What is kept of the topic's partitions. */
  async progress(): Promise<{ partition: number; watermark: number; lowWater: number }[]> {
    const rows = await this.#shop.store.progress.readAll();
    return rows
      .filter(({ source }) => source.startsWith(`${this.name}/`))
      .map(({ partition, watermark, lowWater }) => ({ partition, watermark, lowWater }));
  }

  /**
   * Waits until all that can be settled is: the last event of a partition waits in event-time order for
   * what may still come before it.
   */
  async isRead(timeoutMs = 90_000): Promise<void> {
    const admin = this.#shop.client.admin();
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(this.topic);
    await admin.disconnect();
    // Written by somebody else, or twice: then offsets are not what a test expects.
    const written = ends.reduce((sum, { high }) => sum + Number(high), 0);
    if (written !== this.#produced) {
      throw new Error(`${this.topic} holds ${written} records, not the ${this.#produced} produced`);
    }
    await until(
      `${this.topic} is read`,
      async () => {
        const lowWaters = new Map(
          (await this.progress()).map(({ partition, lowWater }) => [partition, lowWater]),
        );
        return ends.every(
          ({ partition, high }) => (lowWaters.get(partition) ?? 0) >= Number(high) - 1,
        );
      },
      timeoutMs,
    );
  }
}

/** The source that an ingestor has named. */
export function sourceOf(ingestor: Running): string {
  const [, source = ''] = /^Reads (.*); Ctrl-C ends it$/m.exec(ingestor.stderr()) ?? [];
  return source;
}

/** The same records for the offline run, in the order in which partitions are read. */
export function rawRecords(records: readonly Produced[], source: string): RawRecord[] {
  const offsets = new Map<number, number>();
  return records.map(({ partition = 0, key = null, value, timestamp = Date.now() }) => {
    const offset = offsets.get(partition) ?? 0;
    offsets.set(partition, offset + 1);
    const text = value === null || typeof value === 'string' ? value : JSON.stringify(value);
    const id = idOfKey(key);
    return {
      ...{ source, partition, offset, key, value: text, recordTime: timestamp },
      ...(id === undefined ? {} : { id }),
    };
  });
}

/** Ends a process as Ctrl-C does. @returns what it printed */
export async function interrupt(running: Running): Promise<string> {
  running.child.kill('SIGINT');
  const { code, stdout, stderr } = await running.ended;
  if (code !== 0) throw new Error(`it ended with ${code}:\n${stderr}`);
  return stdout;
}
