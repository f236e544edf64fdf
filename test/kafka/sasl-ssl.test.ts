// Kafka as companies run it: a broker that speaks TLS with a certificate of an authority of the test's own, and lets in
// by PLAIN, SCRAM and client certificates. Whoever may come in does; who may not is told why in one line; and a command
// that is refused while it runs ends with one. No password is ever in what is said.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBrokers, ensureTopics } from '../../src/kafka/admin.js';
import { createKafka, kafkaSettingsFromEnv } from '../../src/kafka/settings.js';
import { topicWriter } from '../../src/kafka/topic-writer.js';
import { days, seconds } from '../../src/time.js';
import { environment, ROOT, run, start } from '../e2e/support/cli.js';
import { type Dev, startDev } from '../e2e/support/dev.js';
import { type Authority, type Certificate, createAuthority } from '../support/authority.js';
import { SASL_USER, startKafka, type TestKafka, uniqueName } from '../support/kafka.js';
import { readTopic } from '../support/topics.js';
import { until } from '../support/until.js';
import { recordingLogger } from './helpers.js';

const JOURNEYS = join(ROOT, 'test/e2e/support/journeys.ts');
/** Of no user, so that it can be looked for. */
const WRONG = 'open-barley';
let folder: string;
let authority: Authority;
let stranger: Authority;
let client: Certificate;
let strangersClient: Certificate;
let broker: TestKafka;
let dev: Dev;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'temporal-cep-test-'));
  [authority, stranger] = await Promise.all([
    createAuthority('authority'),
    createAuthority('stranger'),
  ]);
  client = await authority.sign('client', ['DNS:client']);
  strangersClient = await stranger.sign('client', ['DNS:client']);
  [broker, dev] = await Promise.all([startKafka({ authority }), startDev()]);
});
afterAll(async () => {
  await Promise.allSettled([broker?.stop(), dev?.stop()]);
  await Promise.all([authority?.remove(), stranger?.remove()]);
  rmSync(folder, { recursive: true, force: true });
});

type Variables = Readonly<Record<string, string>>;

const trusting = (more: Variables = {}): Variables => ({
  KAFKA_SSL_CA: authority.certificate,
  ...more,
});
const withPassword = (mechanism: string, more: Variables = {}): Variables => ({
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: SASL_USER.username,
  KAFKA_SASL_PASSWORD: SASL_USER.password,
  ...more,
});
const withCertificate = ({ key, certificate }: Certificate): Variables => ({
  KAFKA_SSL_CERT: certificate,
  KAFKA_SSL_KEY: key,
});
const scram = (more: Variables = {}): Variables => trusting(withPassword('scram-sha-512', more));

describe('who may come in', () => {
  it.each<[string, () => string, () => Variables]>([
    ['PLAIN', () => broker.tls.plain, () => trusting(withPassword('plain'))],
    ['SCRAM-SHA-256', () => broker.tls.scram, () => trusting(withPassword('scram-sha-256'))],
    ['SCRAM-SHA-512', () => broker.tls.scram, () => scram()],
    ['a client certificate', () => broker.tls.mutual, () => trusting(withCertificate(client))],
  ])('makes topics, writes and reads with %s', async (_, at, variables) => {
    const settings = kafkaSettingsFromEnv({ KAFKA_BROKERS: at(), ...variables() });
    const { log, lines } = recordingLogger();
    await checkBrokers(settings, log);
    const kafka = createKafka(settings, log);
    const admin = kafka.admin();
    await admin.connect();
    const topic = uniqueName('alerts');
    await ensureTopics(admin, [{ topic, partitions: 1 }]);
    await admin.disconnect();
    const writer = topicWriter({ kafka, topic });
    await writer.write([{ key: 'a1', headers: {}, value: 'Überall' }]);
    await writer.close();
    expect((await readTopic(kafka, topic)).map(({ key, value }) => [key, value])).toEqual([
      ['a1', 'Überall'],
    ]);
    // Threads are handed them.
    expect(structuredClone(settings)).toEqual(settings);
    expect(JSON.stringify(lines)).not.toContain(SASL_USER.password);
  });
});

describe('who may not', () => {
  const PASSWORD = 'check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD';
  const AUTHORITY = "set KAFKA_SSL_CA to the certificate of the authority that signed the brokers'";
  const SCRAM_REFUSED =
    'authentication failed: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512';

  const REFUSALS: [string, () => string, () => Variables, string][] = [
    [
      'a wrong password',
      () => broker.tls.scram,
      () => scram({ KAFKA_SASL_PASSWORD: WRONG }),
      `(${SCRAM_REFUSED}): ${PASSWORD}`,
    ],
    [
      'an unknown user',
      () => broker.tls.scram,
      () => scram({ KAFKA_SASL_USERNAME: 'nobody' }),
      `(${SCRAM_REFUSED}): ${PASSWORD}`,
    ],
    [
      'a wrong password in plain',
      () => broker.tls.plain,
      () => trusting(withPassword('plain', { KAFKA_SASL_PASSWORD: WRONG })),
      `(authentication failed: Authentication failed: Invalid username or password): ${PASSWORD}`,
    ],
    [
      'a mechanism that is not offered',
      () => broker.tls.scram,
      () => trusting(withPassword('plain')),
      '(authentication failed: The broker does not support the requested SASL mechanism): set KAFKA_SASL_MECHANISM to one that the brokers offer at this port',
    ],
    [
      'a certificate of nobody whom this machine trusts',
      () => broker.tls.scram,
      () => ({ KAFKA_SSL: 'true', ...withPassword('scram-sha-512') }),
      `(TLS failed: unable to verify the first certificate): ${AUTHORITY}`,
    ],
    [
      "a certificate of an authority that is not KAFKA_SSL_CA's",
      () => broker.tls.scram,
      () => scram({ KAFKA_SSL_CA: stranger.certificate }),
      `(TLS failed: unable to verify the first certificate): ${AUTHORITY}`,
    ],
    [
      'a certificate of another host',
      () => broker.tls.otherHost,
      () => trusting(withPassword('plain')),
      "(TLS failed: Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list:): call the brokers by a name in their certificate, in KAFKA_BROKERS and in the brokers' advertised.listeners",
    ],
    [
      'no TLS to a port that speaks it',
      () => broker.tls.scram,
      () => withPassword('scram-sha-512'),
      '(the connection was closed): see whether this port expects TLS (KAFKA_SSL)',
    ],
    [
      'TLS to a port that speaks none',
      () => broker.brokers[0] as string,
      () => scram(),
      '(TLS failed: Client network socket disconnected before secure TLS connection was established): unset KAFKA_SSL if this port speaks no TLS, or name the port that does',
    ],
    [
      'a password to a port that asks for none',
      () => broker.brokers[0] as string,
      () => withPassword('scram-sha-512'),
      '(authentication failed: Request is not valid given the current SASL state): this port asks for no password: unset KAFKA_SASL_MECHANISM, or name the port that does',
    ],
    [
      'no certificate where clients need one',
      () => broker.tls.mutual,
      () => trusting(),
      '(TLS failed: the broker answered "bad certificate"): this port asks its clients for a certificate: set KAFKA_SSL_CERT and KAFKA_SSL_KEY',
    ],
    [
      'a certificate that the brokers do not trust',
      () => broker.tls.mutual,
      () => trusting(withCertificate(strangersClient)),
      '(TLS failed: the broker answered "certificate unknown"): set KAFKA_SSL_CERT and KAFKA_SSL_KEY to a certificate that the brokers trust and that has not expired',
    ],
  ];

  it.concurrent.each(REFUSALS)('%s', async (_, at, variables, line) => {
    const { log, lines } = recordingLogger();
    const began = performance.now();
    const settings = kafkaSettingsFromEnv({ KAFKA_BROKERS: at(), ...variables() });
    const message = `Kafka can't be reached at ${at()} ${line}`;
    const refused = expect.objectContaining({ code: 'BROKER_UNREACHABLE', message });
    await expect(checkBrokers(settings, log)).rejects.toEqual(refused);
    expect(performance.now() - began).toBeLessThan(seconds(15));
    // The error says it all.
    expect(lines.filter(([level]) => level !== 'debug')).toEqual([]);
    expect(JSON.stringify(lines)).not.toMatch(`${SASL_USER.password}|${WRONG}`);
  });

  const SEEN = ['a wrong password', 'a certificate of nobody whom this machine trusts'];
  const refusals = REFUSALS.filter(([name]) => SEEN.includes(name));
  it.each(refusals)('a command says it in one line: %s', async (_, at, variables, line) => {
    const ended = await run(
      ['ingest', 'kafka', 'clicks', '--journeys', JOURNEYS, '--with-worker'],
      { env: environment({ KAFKA_BROKERS: at(), ...variables() }), cwd: folder },
    );
    // Whole: no line of a log either.
    expect(ended).toEqual({
      code: 1,
      stdout: '',
      stderr: `temporal-cep: Kafka can't be reached at ${at()} ${line}\n`,
    });
  });
});

describe('from records to alerts', () => {
  const topic = uniqueName('clicks');
  const alerts = uniqueName('alerts');
  const group = uniqueName('group');
  const variables = () =>
    environment({ KAFKA_BROKERS: broker.tls.scram, TEMPORAL_ADDRESS: dev.address, ...scram() });
  const at = Date.now() - days(1);
  const click = (userSession: string, eventType: string, eventTime: number) => ({
    value: JSON.stringify({ eventTime, eventType, productId: 'p1', userSession, shop: 'quick' }),
  });
  const send = async (...messages: { value: string }[]) => {
    const producer = broker.kafka().producer();
    await producer.connect();
    await producer.send({ topic, messages });
    await producer.disconnect();
  };

  it('goes all the way by SCRAM-SHA-512, and ends with one line when it is let in no longer', async () => {
    const env = variables();
    const made = await run(['setup', '--topic', topic, alerts, '--partitions', '1'], { env });
    expect(made).toMatchObject({ code: 0 });
    await send(
      click('ann', 'cart', at),
      click('ben', 'cart', at),
      click('ben', 'purchase', at + 1_000),
      click('end', 'view', at + 60_000),
    );
    const ingest = start(
      [
        ...['ingest', 'kafka', topic, '--journeys', JOURNEYS, '--group', group, '--with-worker'],
        ...['--data-folder', join(folder, 'data'), '--alerts-topic', alerts],
      ],
      { env },
    );
    const sent = () => readTopic(broker.kafka(), alerts);
    await ingest.says(/^Reads .*; Ctrl-C ends it$/m, 90_000);
    await until('the alerts are there', async () => (await sent()).length >= 2, 90_000);
    const file = join(folder, 'alerts.ndjson');
    const tried = await run(
      [
        ...['backtest', '--events', `kafka:${topic}`, '--rules', JOURNEYS, '--group', group],
        ...['--leave-open', '--alerts', file],
      ],
      { env },
    );
    expect(tried).toMatchObject({ code: 0 });
    const ids = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id);
    expect((await sent()).map(({ key }) => key).sort()).toEqual(ids.sort());
    expect(ids).toHaveLength(2);

    // What it was let in by is withdrawn. It does not try for ever.
    await broker.kill();
    await broker.start({ 'listener.name.tlsscram.sasl.enabled.mechanisms': 'SCRAM-SHA-256' });
    const ended = await ingest.ended;
    expect(ended.code).toBe(1);
    const errors = ended.stderr.split('\n').filter((line) => line.startsWith('temporal-cep: '));
    expect(errors).toEqual([
      'temporal-cep: Kafka lets this client in no longer (authentication failed: The broker does not support the requested SASL mechanism): set KAFKA_SASL_MECHANISM to one that the brokers offer at this port',
    ]);
    expect(ended.stderr.endsWith(`${errors[0]}\n`)).toBe(true);
    for (const each of [made, tried, ended]) {
      expect(each.stdout + each.stderr).not.toContain(SASL_USER.password);
    }
  }, 240_000);
});
