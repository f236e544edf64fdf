// The id of a topic is compared with what the broker wrote beside the topic's data.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, type Kafka, PartitionAssigners } from 'kafkajs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { topicIdentity } from '../../src/kafka/topic-id.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { newTopic } from './helpers.js';

let broker: TestKafka;
let cluster: Cluster;
beforeAll(async () => {
  broker = await startKafka();
  cluster = clusterOf(broker.kafka());
});
afterAll(async () => {
  await cluster?.disconnect();
  await broker?.stop();
});

/** kafkajs shows a consumer's cluster to its partition assigners, when the consumer is made. */
function clusterOf(kafka: Kafka): Cluster {
  let cluster: Cluster | undefined;
  kafka.consumer({
    groupId: 'unused',
    partitionAssigners: [
      (config) => {
        cluster = config.cluster;
        return PartitionAssigners.roundRobin(config);
      },
    ],
  });
  return cluster as Cluster;
}

const topicId = async (of: Cluster, topic: string) => (await topicIdentity(of, topic))?.id ?? null;

const onDisk = (topic: string) =>
  /^topic_id: (.+)$/m.exec(
    readFileSync(join(broker.folder, `${topic}-0`, 'partition.metadata'), 'utf8'),
  )?.[1];

it('is the id that the broker gave', async () => {
  const topic = await newTopic(broker.kafka(), 'clicks');
  const id = await topicId(cluster, topic);
  expect(id).toMatch(/^[\w-]{22}$/);
  expect(id).toBe(onDisk(topic));
  expect(await topicId(cluster, topic)).toBe(id);
});

it('comes with the number of partitions, also when there are more since', async () => {
  const topic = await newTopic(broker.kafka(), 'growing');
  expect((await topicIdentity(cluster, topic))?.partitions).toBe(1);
  const admin = broker.kafka().admin();
  await admin.connect();
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  await admin.disconnect();
  await vi.waitFor(async () => expect((await topicIdentity(cluster, topic))?.partitions).toBe(3));
});

it('is asked for by names of any length that a topic may have', async () => {
  const topic = await newTopic(broker.kafka(), 'n'.repeat(200));
  expect(await topicId(cluster, topic)).toBe(onDisk(topic));
});

it('is another one after the topic was deleted and created again', async () => {
  const kafka = broker.kafka();
  const topic = await newTopic(kafka, 'again');
  const before = await topicId(cluster, topic);
  const admin = kafka.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await expect(topicId(cluster, topic)).rejects.toEqual(
    expect.objectContaining({
      code: 'INPUT_MISSING',
      message: `the topic ${topic} is not there: create it with \`temporal-cep setup --topic ${topic}\``,
    }),
  );
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();

  const after = await topicId(cluster, topic);
  expect(after).toBe(onDisk(topic));
  expect(after).not.toBe(before);
});

it('does not create the topic that it is asked for', async () => {
  const topic = uniqueName('missing');
  for (const _ of [1, 2]) {
    await expect(topicId(cluster, topic)).rejects.toThrow(`the topic ${topic} is not there`);
  }
});

it('is null where the brokers have no ids, and says so when kafkajs is built otherwise', async () => {
  const clusterWith = (broker: unknown) =>
    ({
      connect: async () => {},
      getNodeIds: () => [1],
      findBroker: async () => broker,
    }) as unknown as Cluster;
  const connectionPool = { send: () => Promise.reject(new Error('must not be asked')) };
  // Kafka 2.7.
  const old = { versions: { 3: { minVersion: 0, maxVersion: 9 } }, connectionPool };
  expect(await topicId(clusterWith(old), 'clicks')).toBeNull();
  await expect(topicId(clusterWith({ nodeId: 1 }), 'clicks')).rejects.toThrow(
    'kafkajs is not built as temporal-cep expects (a Broker without versions or connectionPool): use kafkajs 2.2.4',
  );
});
