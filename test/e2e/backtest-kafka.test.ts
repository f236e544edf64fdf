// Ranges of Kafka topics read in process, and backtests over them, against a real broker: the records are those that were produced,
// and the alerts, by id, those of an offline run over the same records.

import { type Message, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawRecord } from '../../src/ingest/record.js';
import { ensureTopics } from '../../src/kafka/admin.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { readTopicRange, topicEnd } from './support/built.js';

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
    ...(transactionalId ? { transactionalId, maxInFlightRequests: 1, idempotent: true } : {}),
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
