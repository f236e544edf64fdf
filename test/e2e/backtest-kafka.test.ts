// Ranges of Kafka topics read in process, and backtests over them, against a real broker: the records are those that were produced,
// and the alerts, by id, those of an offline run over the same records.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Message, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateClickstream } from '../../src/demo/clickstream.js';
import type { RawRecord } from '../../src/ingest/record.js';
import { encodeEvent } from '../../src/ingest/repartition-format.js';
import { ensureTopics } from '../../src/kafka/admin.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import {
  backtest,
  loadJourneys,
  loadRules,
  readTopicRange,
  runOffline,
  topicEnd,
} from './support/built.js';
import { environment, ROOT, run } from './support/cli.js';

let broker: TestKafka;
beforeAll(async () => {
  broker = await startKafka();
});
afterAll(() => broker?.stop());

async function newTopic(partitions: number): Promise<string> {
  const topic = uniqueName('clicks');
  const admin = broker.kafka().admin();
  await admin.connect();
  await ensureTopics(admin, [{ topic, partitions }]);
  await admin.disconnect();
  return topic;
}

const producerOf = (transactionalId?: string) =>
  broker.kafka().producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    // What is sent again after a hiccup must not be there twice: offsets are counted here.
    ...{ maxInFlightRequests: 1, idempotent: true },
    ...(transactionalId ? { transactionalId } : {}),
  });

async function produce(topic: string, messages: readonly Message[]): Promise<void> {
  const producer = producerOf();
  await producer.connect();
  for (let i = 0; i < messages.length; i += 1_000) {
    await producer.send({ topic, messages: messages.slice(i, i + 1_000) });
  }
  await producer.disconnect();
}

const measure = (topic: string) => topicEnd({ kafka: broker.kafka(), topic, groupId: 'shop' });

async function readAll(topic: string, ended: number[] = []): Promise<RawRecord[]> {
  const records: RawRecord[] = [];
  const end = await measure(topic);
  const onEnd = (partition: number) => ended.push(partition);
  for await (const batch of readTopicRange({ kafka: broker.kafka(), ...end, onEnd })) {
    records.push(...batch);
  }
  return records;
}

describe('a range of a topic', () => {
  test('holds what was there when it was measured, with the coordinates of an ingest', async () => {
    const topic = await newTopic(3);
    const messages = Array.from({ length: 2_500 }, (_, i) => ({
      partition: i % 2,
      key: JSON.stringify({ id: i }),
      value: i % 100 === 7 ? null : JSON.stringify({ i, filler: 'x'.repeat(1_500) }),
      timestamp: String(1_700_000_000_000 + i),
    }));
    await produce(topic, messages);
    const end = await measure(topic);
    expect(end.source).toMatch(new RegExp(`^shop/${topic}@[\\w-]{22}$`));
    expect(end.partitions).toEqual([
      { partition: 0, from: 0, end: 1_250 },
      { partition: 1, from: 0, end: 1_250 },
      { partition: 2, from: 0, end: 0 },
    ]);
    await produce(topic, [{ partition: 0, value: 'too late' }]);
    const ended: number[] = [];
    const records: RawRecord[] = [];
    const onEnd = (partition: number) => ended.push(partition);
    for await (const batch of readTopicRange({ kafka: broker.kafka(), ...end, onEnd })) {
      records.push(...batch);
    }
    expect(ended.sort()).toEqual([0, 1, 2]);
    const expected = messages.map(({ partition, key, value, timestamp }, i) => ({
      ...{ source: end.source, partition, offset: Math.floor(i / 2), key, value },
      ...{ recordTime: Number(timestamp), id: String(i) },
    }));
    const inOrder = (a: RawRecord, b: RawRecord) =>
      a.offset - b.offset || a.partition - b.partition;
    expect(records.toSorted(inOrder)).toEqual(expected);
    expect(records.filter(({ partition }) => partition === 0).map(({ offset }) => offset)).toEqual(
      Array.from({ length: 1_250 }, (_, offset) => offset),
    );
  });

  test('ends behind the marks of transactions, and without what they took back', async () => {
    const topic = await newTopic(1);
    const producer = producerOf(uniqueName('transactions'));
    await producer.connect();
    const transaction = async (value: string) => {
      const open = await producer.transaction();
      await open.send({ topic, messages: [{ value }] });
      return open;
    };
    await (await transaction('first')).commit();
    await (await transaction('taken back')).abort();
    await (await transaction('second')).commit();
    const found = (await readAll(topic)).map(({ offset, value }) => [offset, value]);
    expect(found).toEqual([
      [0, 'first'],
      [4, 'second'],
    ]);
    // One that is open is not waited for.
    const open = await transaction('open');
    expect(await readAll(topic)).toHaveLength(2);
    await open.abort();
    expect(await readAll(topic)).toHaveLength(2);
    await producer.disconnect();
  });

  test('begins where records are left, and tells when they expired since', async () => {
    const topic = await newTopic(1);
    await produce(topic, [{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
    const before = await measure(topic);
    const admin = broker.kafka().admin();
    await admin.connect();
    // kafkajs looks for leaders among topics that it was asked for before.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
    expect((await readAll(topic)).map(({ offset, value }) => [offset, value])).toEqual([[2, 'c']]);
    await expect(readTopicRange({ kafka: broker.kafka(), ...before }).next()).rejects.toMatchObject(
      {
        code: 'INPUT_MISSING',
        message: `records of ${topic} expired while it was read: start again, or let its retention.ms be longer`,
      },
    );
    // All of it is gone: nothing is left but the end.
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] });
    await admin.disconnect();
    expect(await readAll(topic)).toEqual([]);
  });

  test('is none of a topic that is not there', async () => {
    const topic = uniqueName('missing');
    await expect(measure(topic)).rejects.toMatchObject({
      code: 'INPUT_MISSING',
      message: `the topic ${topic} is not there: create it with \`temporal-cep setup --topic ${topic}\``,
    });
  });
});

describe('a backtest of a topic', () => {
  const folder = temporaryFolder();
  const FIVE = join(ROOT, 'examples/five.json');
  const endsAt = Date.UTC(2026, 0, 20);
  const clicks = generateClickstream({ seed: 12, events: 6_000, endsAt });
  // One in fifty comes ten minutes after its time, with two seconds allowed: late ones are among them.
  const arrivals = clicks
    .map((click, i) => ({ click, at: click.eventTime + (i % 50 === 0 ? 600_000 : 0) }))
    .sort((a, b) => a.at - b.at)
    .map(({ click }) => click);
  const idsOf = (alerts: readonly { id: string }[]) => alerts.map(({ id }) => id).sort();
  const cli = (args: readonly string[], env = { KAFKA_BROKERS: broker.brokers.join(',') }) =>
    run(['backtest', ...args], { cwd: folder, env: environment(env) });

  async function found(rules: string, topic: string, threads: number) {
    const settings = { brokers: broker.brokers, clientId: 'test' };
    const topics = [{ ...(await measure(topic)), settings }];
    return await backtest({ rules, events: [], topics, threads, keepsAlerts: true });
  }

  test('that is not keyed gives the alerts of an offline run, by id, with 1 and 2 threads', async () => {
    const topic = await newTopic(4);
    // Partition 3 stays empty. A key names an event: some come twice, in another partition.
    const messages = arrivals.flatMap((value, i) => {
      const message = { key: JSON.stringify({ id: i }), value: JSON.stringify(value) };
      const partition = i % 3;
      return [
        { ...message, partition },
        ...(i % 40 === 0 ? [{ ...message, partition: (i + 1) % 3 }] : []),
      ];
    });
    await produce(topic, messages);
    const { source } = await measure(topic);
    const next = new Map<number, number>();
    const offsetIn = (partition: number) => {
      const offset = next.get(partition) ?? 0;
      next.set(partition, offset + 1);
      return offset;
    };
    const records = messages.map(
      ({ partition, key, value }): RawRecord => ({
        ...{ source, partition, offset: offsetIn(partition), recordTime: endsAt },
        ...{ key, value, id: String(JSON.parse(key).id) },
      }),
    );
    const rules = join(ROOT, 'examples/journeys.ts');
    const expected = runOffline({
      journeys: (await loadJourneys(rules)).journeys,
      partitions: [0, 1, 2].map((partition) => ({ source, partition })),
      records,
    });
    expect(expected.late.length).toBeGreaterThan(10);
    expect(expected.alerts.length).toBeGreaterThan(200);
    for (const threads of [1, 2]) {
      const result = await found(rules, topic, threads);
      expect(idsOf(result.alerts)).toEqual(idsOf(expected.alerts));
      expect(result).toMatchObject({
        records: messages.length,
        late: expected.late.length,
        rules: Object.fromEntries(expected.rules),
      });
    }
  });

  test('that is keyed gives the alerts of each partition by itself', async () => {
    const topic = await newTopic(3);
    // Here the key {"id": ...} is the session's and names no event.
    const five = JSON.parse(readFileSync(FIVE, 'utf8'));
    const rules = join(folder, 'keyed.json');
    const { eventId: _, ...rest } = five;
    const journeys = five.journeys
      .slice(0, 1)
      .map((journey: object) => ({ ...journey, key: 'id' }));
    const fields = { ...five.fields, id: 'string' };
    const ofShopping = five.rules.filter(
      ({ journey }: { journey: string }) => journey === 'shopping',
    );
    writeFileSync(rules, JSON.stringify({ ...rest, fields, journeys, rules: ofShopping }));
    const messages = arrivals.map((click) => {
      const id = click.userSession;
      const partition = [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 3;
      return { partition, key: JSON.stringify({ id }), value: JSON.stringify({ ...click, id }) };
    });
    await produce(topic, messages);
    const { source } = await measure(topic);
    const compiled = (await loadRules(rules)).journeys;
    const alone = [0, 1, 2].map((partition) =>
      runOffline({
        journeys: compiled,
        records: messages
          .filter((message) => message.partition === partition)
          .map(({ key, value }, offset) => ({
            ...{ source, partition, offset, recordTime: endsAt, key, value },
          })),
      }),
    );
    const expected = idsOf(alone.flatMap(({ alerts }) => alerts));
    expect(expected.length).toBeGreaterThan(100);
    const late = alone.reduce((sum, each) => sum + each.late.length, 0);
    expect(late).toBeGreaterThan(5);
    for (const threads of [1, 2]) {
      const result = await found(rules, topic, threads);
      expect(idsOf(result.alerts)).toEqual(expected);
      expect(result.late).toBe(late);
    }
  });

  test('comes after the files, on the command line, and side by side with other topics', async () => {
    const linesOf = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`);
    const [file, whole] = [join(folder, 'first.ndjson'), join(folder, 'whole.ndjson')];
    const half = clicks.length / 2;
    writeFileSync(file, linesOf(clicks.slice(0, half)).join(''));
    writeFileSync(whole, linesOf(clicks).join(''));
    const [odd, even] = [await newTopic(1), await newTopic(2)];
    const every = (rest: number) =>
      clicks
        .slice(half)
        .filter((_, i) => i % 2 === rest)
        .map((click) => ({ partition: 0, value: JSON.stringify(click) }));
    await produce(odd, every(1));
    await produce(even, every(0));
    const report = async (events: readonly string[]) => {
      const args = ['--rules', FIVE, '--json', '--threads', '1', '--events', ...events];
      const { code, stdout, stderr } = await cli(args);
      const { alertCounts, rules, events: count, late, span } = JSON.parse(stdout);
      return { code, stderr, alertCounts, rules, count, late, span };
    };
    const ofParts = await report([`kafka:${odd}`, file, `kafka:${even}`]);
    expect(ofParts).toMatchObject({ code: 0, count: clicks.length, late: 0 });
    expect(ofParts).toEqual(await report([whole]));
  });

  test('that is empty finds nothing', async () => {
    const args = ['--rules', FIVE, '--events', `kafka:${await newTopic(2)}`, '--json'];
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ records: 0, alertCounts: {} });
  });

  test('that cannot be read is one line that says why', async () => {
    const missing = uniqueName('missing');
    const made = await newTopic(1);
    const event = { source: 'shop/clicks', partition: 0, offset: 0, timestamp: endsAt, data: {} };
    await produce(made, [encodeEvent({ event, key: 'ann', journeys: ['shopping'] })]);
    const cases: [string, string, Record<string, string>?][] = [
      [`kafka:${missing}`, `the topic ${missing} is not there`],
      [
        `kafka:${made}`,
        `${made} is written by temporal-cep repartition: name the topic that it is made from`,
      ],
      ['kafka:', '--events kafka: names no topic: write kafka:TOPIC'],
      ['kafka:clicks', 'KAFKA_BROKERS is not set', { KAFKA_BROKERS: '' }],
    ];
    for (const [events, message, env] of cases) {
      const { code, stdout, stderr } = await cli(
        ['--rules', FIVE, '--events', events],
        ...(env ? [env as { KAFKA_BROKERS: string }] : []),
      );
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    }
  });
});
