// Rejects are read back from the topic, the requests they took are counted, and the broker is killed
// while some wait.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reject } from '../../src/ingest/rejects.js';
import { lateTopic, rejectTopic } from '../../src/kafka/reject-topic.js';
import { createKafka } from '../../src/kafka/settings.js';
import { startKafka, type TestKafka } from '../support/kafka.js';
import { newTopic, readAll, recordingLogger } from './helpers.js';

let broker: TestKafka;
beforeAll(async () => {
  broker = await startKafka();
});
afterAll(async () => {
  await broker?.stop();
});

const reject = (offset: number, record: unknown = `{"n":${offset}`): Reject => ({
  source: 'clicks@id',
  partition: 3,
  offset,
  reason: 'RECORD_NOT_JSON',
  message: 'the record is no JSON',
  record,
});
const messageOf = (of: Reject, value: object = of) => ({
  key: `${of.source}/${of.partition}/${of.offset}`,
  headers: {
    reason: of.reason,
    source: of.source,
    partition: `${of.partition}`,
    offset: `${of.offset}`,
  },
  value,
});

function client() {
  const { log, lines } = recordingLogger();
  const kafka = createKafka({ brokers: broker.brokers, clientId: 'test' }, log);
  return { kafka, log, lines };
}

/** Counts what the producers made by a client send. */
function counting(kafka: Kafka): { kafka: Kafka; requests: number[] } {
  const requests: number[] = [];
  const producer: Kafka['producer'] = (config) => {
    const made = kafka.producer(config);
    return {
      ...made,
      send: (record) => {
        requests.push(record.messages.length);
        return made.send(record);
      },
    };
  };
  return { kafka: { producer } as Kafka, requests };
}

describe('rejectTopic', () => {
  it('writes what is put at about the same time in one request, in order', async () => {
    const { kafka, log } = client();
    const topic = await newTopic(kafka, 'dead');
    const counted = counting(kafka);
    const rejects = rejectTopic({ kafka: counted.kafka, topic, log });
    const all = Array.from({ length: 500 }, (_, i) => reject(i));
    await Promise.all(all.map((each) => rejects.put(each)));
    await rejects.put(reject(500, { n: [1, 'é'] }));
    await rejects.close();
    expect(counted.requests).toEqual([500, 1]);
    expect(await readAll(broker.kafka(), topic)).toEqual(
      [...all, reject(500, { n: [1, 'é'] })].map((each) => messageOf(each)),
    );
  });

  it('takes the same reject once while it waits', async () => {
    const { kafka, log } = client();
    const topic = await newTopic(kafka, 'dead');
    const rejects = rejectTopic({ kafka, topic, log });
    await Promise.all([rejects.put(reject(1)), rejects.put(reject(1))]);
    await rejects.put(reject(1));
    await rejects.close();
    expect(await readAll(broker.kafka(), topic)).toEqual(
      [reject(1), reject(1)].map((each) => messageOf(each)),
    );
  });

  it('cuts a large record, and more where the topic takes less', async () => {
    const { kafka, log } = client();
    const wide = await newTopic(kafka, 'dead');
    const narrow = await newTopic(kafka, 'dead', { 'max.message.bytes': '20000' });
    // Its JSON has six bytes for each character, and is longer than a request may be.
    const text = '\u0001'.repeat(600_000);
    const data = { note: 'x'.repeat(499_000), more: 'y'.repeat(10_000) };
    const whole = 'z'.repeat(400_000);
    for (const topic of [wide, narrow]) {
      const rejects = rejectTopic({ kafka, topic, log });
      const records = [text, data, whole, 'small'];
      await Promise.all(records.map((record, i) => rejects.put(reject(i, record))));
      await rejects.close();
    }
    const json = JSON.stringify(data);
    const cut = (offset: number, record: string, length: number) =>
      messageOf(reject(offset), {
        ...reject(offset, record.slice(0, length)),
        recordLength: record.length,
      });
    expect(await readAll(broker.kafka(), wide)).toEqual([
      cut(0, text, 100_000),
      cut(1, json, 100_000),
      messageOf(reject(2, whole)),
      messageOf(reject(3, 'small')),
    ]);
    expect(await readAll(broker.kafka(), narrow)).toEqual([
      cut(0, text, 100),
      cut(1, json, 100),
      cut(2, whole, 100),
      messageOf(reject(3, 'small')),
    ]);
  });

  it('waits for a broker that is away, says so, and loses nothing', async () => {
    const { kafka, log, lines } = client();
    const topic = await newTopic(kafka, 'dead');
    const rejects = rejectTopic({ kafka, topic, log });
    await rejects.put(reject(0));
    await broker.kill();
    const written: number[] = [];
    const puts = [1, 2, 3].map(async (offset) => {
      await rejects.put(reject(offset));
      written.push(offset);
    });
    await sleep(6_000);
    puts.push(rejects.put(reject(4)));
    expect(written).toEqual([]);
    await broker.start();
    await Promise.all(puts);
    await rejects.put(reject(5));
    await rejects.close();

    // At least once: what a dying broker took without a word is there twice.
    const read = await readAll(broker.kafka(), topic);
    const once = new Map(read.map((message) => [message.key, message]));
    expect([...once.values()]).toEqual(
      [0, 1, 2, 3, 4, 5].map((offset) => messageOf(reject(offset))),
    );
    const warnings = lines.filter(([, message]) => message === 'rejects wait for Kafka');
    expect(warnings.length).toBeGreaterThan(0);
    for (const warning of warnings) {
      expect(warning).toEqual([
        'warn',
        'rejects wait for Kafka',
        { topic, waiting: expect.any(Number), reason: expect.any(String) },
      ]);
    }
  });

  it('loses nothing when the broker is killed in the middle', async () => {
    const { kafka, log } = client();
    const topic = await newTopic(kafka, 'dead');
    const rejects = rejectTopic({ kafka, topic, log });
    const puts: Promise<void>[] = [];
    const restart = sleep(300)
      .then(() => broker.kill())
      .then(() => broker.start());
    for (let offset = 0; offset < 300; offset++) {
      puts.push(rejects.put(reject(offset)));
      await sleep(2);
    }
    await Promise.all([restart, ...puts]);
    await rejects.close();
    const keys = (await readAll(broker.kafka(), topic)).map(({ key }) => key);
    expect([...new Set(keys)]).toEqual(puts.map((_, offset) => messageOf(reject(offset)).key));
  });

  it('rejects what waits when it is closed, and all that comes after', async () => {
    const { log } = recordingLogger();
    const settings = { brokers: broker.brokers, clientId: 'test' };
    const kafka = createKafka(settings, log, { retry: { retries: 0 } });
    const topic = await newTopic(broker.kafka(), 'dead');
    const rejects = rejectTopic({ kafka, topic, log });
    await broker.kill();
    const waits = expect(rejects.put(reject(1))).rejects.toThrow(
      `the topic ${topic} was closed before this was written`,
    );
    await sleep(100);
    await rejects.close();
    await waits;
    await expect(rejects.put(reject(2))).rejects.toThrow(`the topic ${topic} was closed`);
    await broker.start();
    expect(await readAll(broker.kafka(), topic)).toEqual([]);
  });
});

describe('lateTopic', () => {
  it('writes an event each, with its data as the record', async () => {
    const { kafka, log } = client();
    const topic = await newTopic(kafka, 'late');
    const late = lateTopic({ kafka, topic, log });
    const event = (offset: number) => ({
      timestamp: 1_700_000_000_000,
      source: 'clicks@id',
      partition: 3,
      offset,
      data: { n: offset },
    });
    const reason = 'LATE_FOR_SESSION';
    await late.publish({ journey: 'shop', key: 'user-7' }, [event(8), event(9)], reason);
    await late.publish({ journey: 'shop', key: 'user-7' }, [], reason);
    await late.close();
    const message = 'it came too late for the session shop/user-7';
    expect(await readAll(broker.kafka(), topic)).toEqual(
      [8, 9].map((n) => messageOf({ ...reject(n, { n }), reason, message })),
    );
  });
});
