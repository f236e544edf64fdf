// W5: what kafkajs leaves out without a word, with a producer that knows as many partitions as there were when it connected.

import type { Kafka, ProducerRecord } from 'kafkajs';
import { expect, test } from 'vitest';
import { topicWriter } from '../../src/kafka/topic-writer.js';

function fakeKafka() {
  const state = { partitions: 1, connections: 0, written: [] as unknown[] };
  const producer = () => {
    let known = 0;
    return {
      connect: async () => {
        state.connections++;
        known = state.partitions;
      },
      disconnect: async () => {},
      send: async ({ messages }: ProducerRecord) => {
        const taken = messages.filter(({ partition }) => (partition ?? 0) < known);
        state.written.push(...taken.map(({ key }) => key));
        return taken.map(({ partition = 0 }) => ({ partition }));
      },
    };
  };
  return { state, kafka: { producer } as unknown as Kafka };
}

const message = (key: string, partition?: number) => ({
  ...{ key, headers: {}, value: '' },
  ...(partition === undefined ? {} : { partition }),
});

test('a partition that was added since fails the write, and the next one gets through', async () => {
  const { state, kafka } = fakeKafka();
  const writer = topicWriter({ kafka, topic: 'by-key' });
  await writer.write([message('a', 0), message('b')]);
  state.partitions = 2;
  const messages = [message('c', 0), message('d', 1)];
  await expect(writer.write(messages)).rejects.toMatchObject({
    code: 'BROKER_UNREACHABLE',
    message: expect.stringContaining('partition 1 is not known to the producer yet'),
  });
  await writer.write(messages);
  expect([state.connections, state.written]).toEqual([2, ['a', 'b', 'c', 'c', 'd']]);
  await writer.close();
});
