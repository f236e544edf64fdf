// Alerts are read back from the topic: what of each, in which order, and that there is no more.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { alertTopic } from '../../src/kafka/alert-topic.js';
import { createKafka } from '../../src/kafka/settings.js';
import type { Alert } from '../../src/rules/rule.js';
import { startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { newTopic, readAll, recordingLogger } from './helpers.js';

let broker: TestKafka;
beforeAll(async () => {
  broker = await startKafka();
});
afterAll(async () => {
  await broker?.stop();
});

const alert = (id: string, more: Partial<Alert> = {}): Alert => ({
  id,
  journey: 'shop',
  rule: 'cart-abandonment',
  ruleVersion: 1,
  key: 'user-7',
  userId: 'user-7',
  userSession: null,
  type: 'CART_ABANDONMENT',
  message: 'Nutzer 7 ließ 3 Stück liegen',
  at: 1_700_000_000_000,
  match: { cart: [{ productId: 'p1' }] },
  ...more,
});
const HEADERS = { type: 'CART_ABANDONMENT', journey: 'shop', rule: 'cart-abandonment' };
const messageOf = (of: Alert) => ({ key: of.id, headers: { id: of.id, ...HEADERS }, value: of });

function client() {
  const { log, lines } = recordingLogger();
  const settings = { brokers: broker.brokers, clientId: 'test' };
  return { kafka: createKafka(settings, log), log, lines };
}

it('writes key, headers and the alert as JSON', async () => {
  const { kafka, log, lines } = client();
  const topic = await newTopic(kafka, 'alerts');
  const sink = alertTopic({ kafka, topic, log });
  await sink.publish([]);
  await sink.publish([alert('a1'), alert('a2')]);
  await sink.publish([alert('a3')]);
  await sink.close();
  expect(await readAll(broker.kafka(), topic)).toEqual(
    ['a1', 'a2', 'a3'].map((id) => messageOf(alert(id))),
  );
  expect(lines.filter(([level]) => level !== 'debug')).toEqual([]);
});

it('writes more than one request holds', async () => {
  const { kafka, log } = client();
  const topic = await newTopic(kafka, 'alerts');
  const sink = alertTopic({ kafka, topic, log });
  const message = 'x'.repeat(400_000);
  const alerts = Array.from({ length: 7 }, (_, i) => alert(`a${i}`, { message }));
  await sink.publish(alerts);
  await sink.close();
  expect(await readAll(broker.kafka(), topic)).toEqual(alerts.map(messageOf));
});

it('writes an alert that is too large without its match, and the others whole', async () => {
  const { kafka, log, lines } = client();
  // Takes less than a request of ours holds, so that the others have to be told from the large one.
  const topic = await newTopic(kafka, 'alerts', { 'max.message.bytes': '100000' });
  const sink = alertTopic({ kafka, topic, log });
  const large = alert('large', { match: { cart: [{ note: 'x'.repeat(3_000_000) }] } });
  const talkative = alert('talkative', { message: 'y'.repeat(200_000) });
  await sink.publish([alert('a1'), large, alert('a2'), talkative, alert('a3')]);
  await sink.publish([alert('a4')]);
  await sink.close();

  const { match: _, ...withoutMatch } = large;
  const { match: __, ...short } = { ...talkative, message: 'y'.repeat(10_000) };
  expect(await readAll(broker.kafka(), topic)).toEqual([
    messageOf(alert('a1')),
    { ...messageOf(large), value: { ...withoutMatch, matchOmitted: true } },
    messageOf(alert('a2')),
    { ...messageOf(talkative), value: { ...short, matchOmitted: true } },
    messageOf(alert('a3')),
    messageOf(alert('a4')),
  ]);
  const about = { journey: 'shop', rule: 'cart-abandonment', topic };
  expect(lines.filter(([level]) => level === 'error')).toEqual([
    [
      'error',
      'alert published without its match: it is larger than the topic takes',
      { alert: 'large', ...about, bytes: Buffer.byteLength(JSON.stringify(large)) },
    ],
    [
      'error',
      'alert published without its match: it is larger than the topic takes',
      { alert: 'talkative', ...about, bytes: Buffer.byteLength(JSON.stringify(talkative)) },
    ],
  ]);
});

it('names a topic that is missing, does not create it, and goes on when it is there', async () => {
  const { kafka, log } = client();
  const topic = uniqueName('missing');
  const sink = alertTopic({ kafka, topic, log });
  await expect(sink.publish([alert('a1')])).rejects.toEqual(
    expect.objectContaining({
      code: 'INPUT_MISSING',
      message: `the topic ${topic} is not there: create it with \`temporal-cep setup --topic ${topic}\``,
    }),
  );
  const admin = broker.kafka().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  await sink.publish([alert('a1')]);
  await sink.close();
  expect(await readAll(broker.kafka(), topic)).toEqual([messageOf(alert('a1'))]);
});

it('says that a broker is away, and reaches it when it is back', async () => {
  const { log } = recordingLogger();
  const settings = { brokers: broker.brokers, clientId: 'test' };
  const kafka = createKafka(settings, log, { retry: { retries: 1, initialRetryTime: 100 } });
  const topic = await newTopic(broker.kafka(), 'alerts');
  const sink = alertTopic({ kafka, topic, log });
  await sink.publish([alert('a1')]);
  await broker.kill();
  await expect(sink.publish([alert('a2')])).rejects.toEqual(
    expect.objectContaining({
      code: 'BROKER_UNREACHABLE',
      message: expect.stringMatching(
        new RegExp(
          `^the topic ${topic} could not be written to \\([^\\n]+\\): see whether the brokers are up$`,
        ),
      ),
    }),
  );
  await broker.start();
  await sink.publish([alert('a2')]);
  await sink.close();
  expect(await readAll(broker.kafka(), topic)).toEqual([alert('a1'), alert('a2')].map(messageOf));
});
