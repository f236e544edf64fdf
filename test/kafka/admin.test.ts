// Looking for brokers and topics, and making topics: against a broker, a broker that stands still, and
// ports where none is.

import type { Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBrokers, describeTopics, ensureTopics, requireTopic } from '../../src/kafka/admin.js';
import type { KafkaSettings } from '../../src/kafka/settings.js';
import { freePort } from '../../src/servers/ports.js';
import { SASL_USER, startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { newTopic, recordingLogger } from './helpers.js';

let broker: TestKafka;
let admin: Admin;
beforeAll(async () => {
  broker = await startKafka({ moreListeners: true });
  admin = broker.kafka().admin();
  await admin.connect();
});
afterAll(async () => {
  await admin?.disconnect();
  await broker?.stop();
});

const settings = (brokers: string[], more: Partial<KafkaSettings> = {}): KafkaSettings => ({
  brokers,
  clientId: 'test',
  ...more,
});
const check = async (of: KafkaSettings, timeoutMs?: number) =>
  await checkBrokers(of, recordingLogger().log, timeoutMs);
const unreachable = (message: string) =>
  expect.objectContaining({ code: 'BROKER_UNREACHABLE', message });

describe('checkBrokers', () => {
  it('takes the first that answers', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    await check(settings([nobody, ...broker.brokers]));
  });

  it('waits, then says that the connection was refused', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const start = performance.now();
    await expect(check(settings([nobody]), 1_500)).rejects.toEqual(
      unreachable(
        `Kafka can't be reached at ${nobody} (connect ECONNREFUSED ${nobody}): start Kafka, or correct KAFKA_BROKERS`,
      ),
    );
    expect(performance.now() - start).toBeGreaterThan(1_400);
  });

  it('finds a broker that is started meanwhile', async () => {
    await broker.kill();
    const [checked] = await Promise.all([check(settings(broker.brokers)), broker.start()]);
    expect(checked).toBeUndefined();
  });

  it('does not wait for a broker that stands still', async () => {
    broker.freeze();
    try {
      await expect(check(settings(broker.brokers), 1_000)).rejects.toEqual(
        unreachable(
          `Kafka can't be reached at ${broker.brokers} (no answer within 1 s): start Kafka, or correct KAFKA_BROKERS`,
        ),
      );
    } finally {
      broker.thaw();
    }
  });

  it('lets the right user in', async () => {
    const sasl = { mechanism: 'plain', ...SASL_USER } as const;
    await check(settings([broker.saslBroker], { sasl }));
  });

  it('says at once that a password is wrong, and not which', async () => {
    const sasl = { mechanism: 'plain', username: SASL_USER.username, password: 'guess' } as const;
    const start = performance.now();
    await expect(check(settings([broker.saslBroker], { sasl }))).rejects.toEqual(
      unreachable(
        `Kafka can't be reached at ${broker.saslBroker} (authentication failed: Authentication failed: Invalid username or password): check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`,
      ),
    );
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('says that a mechanism is not offered', async () => {
    const sasl = { mechanism: 'scram-sha-256', ...SASL_USER } as const;
    await expect(check(settings([broker.saslBroker], { sasl }))).rejects.toEqual(
      unreachable(
        `Kafka can't be reached at ${broker.saslBroker} (authentication failed: The broker does not support the requested SASL mechanism): set KAFKA_SASL_MECHANISM to one that the brokers offer at this port`,
      ),
    );
  });

  it('says that a port wants a password, or TLS', async () => {
    await expect(check(settings([broker.saslBroker]), 1_500)).rejects.toEqual(
      unreachable(
        `Kafka can't be reached at ${broker.saslBroker} (the connection was closed): see whether this port expects TLS (KAFKA_SSL) or a password (KAFKA_SASL_MECHANISM)`,
      ),
    );
  });

  it('says that a port speaks no TLS', async () => {
    await expect(check(settings(broker.brokers, { ssl: true }))).rejects.toEqual(
      unreachable(
        `Kafka can't be reached at ${broker.brokers} (TLS failed: Client network socket disconnected before secure TLS connection was established): unset KAFKA_SSL if this port speaks no TLS, or name the port that does`,
      ),
    );
  });

  it('says where the brokers send their clients on to', async () => {
    const { misleadingBroker, nowhere } = broker;
    await expect(check(settings([misleadingBroker]), 1_500)).rejects.toEqual(
      unreachable(
        `Kafka can't be reached at ${misleadingBroker} (they send their clients on to ${nowhere}, where connect ECONNREFUSED ${nowhere}): set the brokers' advertised.listeners to addresses that this machine reaches`,
      ),
    );
  });
});

describe('topics', () => {
  it('asks for a topic without creating it', async () => {
    const topic = uniqueName('missing');
    for (const _ of [1, 2]) {
      await expect(requireTopic(admin, topic)).rejects.toEqual(
        expect.objectContaining({
          code: 'INPUT_MISSING',
          message: `the topic ${topic} is not there: create it with \`temporal-cep setup --topic ${topic}\``,
        }),
      );
    }
    expect(await describeTopics(admin, [topic])).toEqual([]);
    expect(await admin.listTopics()).not.toContain(topic);
  });

  it('refuses what can be no name', async () => {
    await expect(requireTopic(admin, 'clicks and carts')).rejects.toEqual(
      expect.objectContaining({
        code: 'SETTING_INVALID',
        message:
          '"clicks and carts" can\'t be the name of a topic: use up to 249 letters, digits, dots, dashes and underscores',
      }),
    );
  });

  it('creates what is missing, and the second time nothing', async () => {
    const [events, alerts, plain] = ['events', 'alerts', 'plain'].map(uniqueName) as [
      string,
      string,
      string,
    ];
    const wanted = [
      { topic: events, partitions: 12, configEntries: [{ name: 'retention.ms', value: '60000' }] },
      { topic: alerts, partitions: 2 },
      { topic: plain },
    ];
    expect(await ensureTopics(admin, wanted)).toEqual([
      { topic: events, outcome: 'created', partitions: 12 },
      { topic: alerts, outcome: 'created', partitions: 2 },
      { topic: plain, outcome: 'created', partitions: 1 },
    ]);
    expect(await ensureTopics(admin, wanted)).toEqual([
      { topic: events, outcome: 'present', partitions: 12 },
      { topic: alerts, outcome: 'present', partitions: 2 },
      { topic: plain, outcome: 'present', partitions: 1 },
    ]);
    expect(await ensureTopics(admin, [{ topic: alerts, partitions: 3 }])).toEqual([
      { topic: alerts, outcome: 'too-few-partitions', partitions: 2 },
    ]);
    expect(await requireTopic(admin, events)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(await describeTopics(admin, [alerts, uniqueName('missing'), plain])).toEqual([
      { topic: alerts, partitions: [0, 1] },
      { topic: plain, partitions: [0] },
    ]);
  });

  it('creates a topic once when two ask at the same time', async () => {
    const topic = uniqueName('race');
    const both = await Promise.all([1, 2].map(() => ensureTopics(admin, [{ topic }])));
    const outcomes = both.flat().map(({ outcome }) => outcome);
    expect(outcomes.sort()).toEqual(['created', 'present']);
  });

  it('says why a topic is refused', async () => {
    const topic = uniqueName('refused');
    const configEntries = [{ name: 'retention.ms', value: 'a week' }];
    await expect(ensureTopics(admin, [{ topic, partitions: 1, configEntries }])).rejects.toEqual(
      expect.objectContaining({
        code: 'SETTING_INVALID',
        message: `the topic ${topic} can't be created with 1 partitions (Configuration is invalid): change its settings, or create it with Kafka's own tools`,
      }),
    );
    expect(await describeTopics(admin, [topic])).toEqual([]);
    expect(await newTopic(broker.kafka(), 'allowed')).toContain('allowed-');
  });
});
