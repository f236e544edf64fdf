// Topics read back whole.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { seconds } from '../../src/time.js';
import { uniqueName } from './kafka.js';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  /** When its producer sent it, in ms since the epoch. */
  readonly timestamp: number;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

const READ_MS = seconds(30);
const TRIES = 5;

/** All that a topic holds at this moment, by partition and offset. */
export async function readTopic(kafka: Kafka, topic: string): Promise<TopicRecord[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(kafka, topic);
    } catch (error) {
      // Where a broker has just come back, a consumer of kafkajs may wait for good: another one will do.
      if (attempt === TRIES) throw error;
    }
  }
}

async function readOnce(kafka: Kafka, topic: string): Promise<TopicRecord[]> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  let left = ends.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
  const high = new Map(ends.map((end) => [end.partition, Number(end.high)]));
  const found: TopicRecord[] = [];
  if (left === 0) return found;
  const consumer = kafka.consumer({ groupId: uniqueName('reader'), maxWaitTimeInMs: 100 });
  const reading = async () => {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: async ({ partition, message }) => {
            const offset = Number(message.offset);
            if (offset >= (high.get(partition) ?? 0)) return;
            found.push({
              ...{ partition, offset, timestamp: Number(message.timestamp) },
              key: message.key === null ? null : message.key.toString(),
              headers: Object.fromEntries(
                Object.entries(message.headers ?? {}).map(([name, text]) => [name, String(text)]),
              ),
              value: String(message.value),
            });
            if (--left === 0) resolve();
          },
        })
        .catch(reject);
    });
  };
  const overdue = new AbortController();
  const tooLong = sleep(READ_MS, undefined, { signal: overdue.signal }).then(() => {
    throw new Error(`${topic} could not be read within ${READ_MS} ms`);
  });
  try {
    await Promise.race([reading(), tooLong]);
  } finally {
    overdue.abort();
    await Promise.race([consumer.disconnect(), sleep(5_000)]);
  }
  return found.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}
