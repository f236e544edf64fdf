// R2 and R3 against a made-up broker: where a range ends that lacks records at its end, which a real one leaves only after compaction.

import type { Cluster, Kafka } from 'kafkajs';
import { expect, test } from 'vitest';
import { readTopicRange } from '../../src/ingest/read-topic.js';

interface Asked {
  readonly partition: number;
  readonly fetchOffset: string;
  readonly maxBytes: number;
}

/** A client of one broker, which answers each fetch with offsets of records. */
function brokerThat(answers: (asked: Asked, isAlone: boolean) => number[]): Kafka {
  const broker = {
    // Of Kafka 2.7, where topics have no ids.
    versions: { 3: { maxVersion: 9 } },
    connectionPool: { send: () => Promise.reject(new Error('must not be asked')) },
    fetch: async ({ topics }: { topics: { partitions: Asked[] }[] }) => ({
      responses: topics.map(({ partitions }) => ({
        partitions: partitions.map((asked) => ({
          ...{ partition: asked.partition, highWatermark: '9', lastStableOffset: '9' },
          messages: answers(asked, partitions.length === 1).map((offset) => ({
            ...{ offset: String(offset), timestamp: '5', key: null, value: Buffer.from('{}') },
            ...{ isControlRecord: false, batchContext: {} },
          })),
        })),
      })),
    }),
  };
  const cluster = {
    connect: async () => {},
    disconnect: async () => {},
    addTargetTopic: async () => {},
    getNodeIds: () => [1],
    findBroker: async () => broker,
    findLeaderForPartitions: (_: string, partitions: number[]) => ({ 1: partitions }),
  } as unknown as Cluster;
  const consumer = ({ partitionAssigners = [] }: Parameters<Kafka['consumer']>[0]) =>
    void (partitionAssigners[0] as (config: object) => unknown)({ cluster });
  return { consumer } as unknown as Kafka;
}

async function read(kafka: Kafka) {
  const range = { kafka, topic: 'clicks', source: 'shop/clicks' };
  const partitions = [0, 1].map((partition) => ({ partition, from: 0, end: 9 }));
  const ended: number[] = [];
  const found: [partition: number, offset: number][] = [];
  const onEnd = (partition: number) => ended.push(partition);
  for await (const records of readTopicRange({ ...range, partitions, onEnd })) {
    for (const { partition, offset } of records) found.push([partition, offset]);
  }
  return { found, ended };
}

test('a range ends where nothing is left before its end', async () => {
  const kafka = brokerThat(({ partition, fetchOffset }) =>
    partition === 0 && fetchOffset === '0' ? [0, 3] : [],
  );
  expect(await read(kafka)).toEqual({
    found: [
      [0, 0],
      [0, 3],
    ],
    ended: [0, 1],
  });
});

test('an answer that holds nothing for want of room is no end', async () => {
  // A record that fits no portion comes when its partition is asked for by itself, with room for it.
  const kafka = brokerThat(({ partition, fetchOffset, maxBytes }, isAlone) => {
    const at = Number(fetchOffset);
    if (partition === 0) return at < 2 ? [at] : [];
    return at === 0 && isAlone && maxBytes > 1 << 20 ? [0, 8, 9] : [];
  });
  expect(await read(kafka)).toEqual({
    found: [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 8],
    ],
    ended: [0, 1],
  });
});
