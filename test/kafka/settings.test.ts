// Every variable about Kafka, alone and in what it must not be combined with; and what becomes of
// kafkajs' own log. No broker is needed: nothing listens on the port that is tried.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKafka, kafkaSettingsFromEnv } from '../../src/kafka/settings.js';
import { freePort } from '../../src/servers/ports.js';
import { type Authority, type Certificate, createAuthority } from '../support/authority.js';
import { recordingLogger } from './helpers.js';

const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ca = `${rootCertificates[0]}\n`;
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, ca);
const noCertificate = join(folder, 'note.txt');
writeFileSync(noCertificate, 'not a certificate\n');

const KAFKA_BROKERS = 'kafka-1:9092';
const MECHANISMS = 'plain, scram-sha-256, scram-sha-512';

describe('kafkaSettingsFromEnv', () => {
  it.each([
    [{ KAFKA_BROKERS }, { brokers: ['kafka-1:9092'], clientId: 'temporal-cep' }],
    [
      { KAFKA_BROKERS: ' 10.0.0.1:9092, kafka-2:19092,', KAFKA_CLIENT_ID: 'ingest', KAFKA_SSL: '' },
      { brokers: ['10.0.0.1:9092', 'kafka-2:19092'], clientId: 'ingest' },
    ],
    [
      { KAFKA_BROKERS, KAFKA_SSL: 'true' },
      { brokers: ['kafka-1:9092'], clientId: 'temporal-cep', ssl: true },
    ],
    [
      { KAFKA_BROKERS, KAFKA_SSL: 'false' },
      { brokers: ['kafka-1:9092'], clientId: 'temporal-cep' },
    ],
    [
      { KAFKA_BROKERS, KAFKA_SSL_CA: caFile },
      { brokers: ['kafka-1:9092'], clientId: 'temporal-cep', ssl: { ca } },
    ],
    [
      {
        KAFKA_BROKERS,
        KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
        KAFKA_SASL_USERNAME: 'ann',
        KAFKA_SASL_PASSWORD: 'secret',
      },
      {
        brokers: ['kafka-1:9092'],
        clientId: 'temporal-cep',
        sasl: { mechanism: 'scram-sha-512', username: 'ann', password: 'secret' },
      },
    ],
  ])('reads %j', (env, settings) => {
    expect(kafkaSettingsFromEnv(env)).toEqual(settings);
  });

  it('lets the command line come first', () => {
    const overrides = { brokers: 'other:9092', clientId: 'mine' };
    expect(kafkaSettingsFromEnv({ KAFKA_BROKERS }, overrides)).toEqual({
      brokers: ['other:9092'],
      clientId: 'mine',
    });
  });

  it.each([
    [{}, 'KAFKA_BROKERS is not set: name a broker, as in KAFKA_BROKERS=127.0.0.1:9092'],
    [
      { KAFKA_BROKERS: 'kafka-1' },
      'KAFKA_BROKERS holds "kafka-1", which is not host:port: write it as in KAFKA_BROKERS=kafka-1:9092,kafka-2:9092',
    ],
    [
      { KAFKA_BROKERS: 'kafka-1:9092,[::1]:9092' },
      'KAFKA_BROKERS holds "[::1]:9092", which is not host:port: write it as in KAFKA_BROKERS=kafka-1:9092,kafka-2:9092',
    ],
    [
      { KAFKA_BROKERS: 'kafka-1:99999' },
      'KAFKA_BROKERS holds "kafka-1:99999", which is not host:port: write it as in KAFKA_BROKERS=kafka-1:9092,kafka-2:9092',
    ],
    [{ KAFKA_BROKERS, KAFKA_SSL: 'yes' }, 'KAFKA_SSL is "yes": set it to true or false'],
    [
      { KAFKA_BROKERS, KAFKA_SSL: 'false', KAFKA_SSL_CA: caFile },
      'KAFKA_SSL_CA is set, but KAFKA_SSL is false: unset one of them',
    ],
    [
      { KAFKA_BROKERS, KAFKA_SASL_MECHANISM: 'gssapi' },
      `KAFKA_SASL_MECHANISM is "gssapi": set it to ${MECHANISMS}`,
    ],
    [
      { KAFKA_BROKERS, KAFKA_SASL_PASSWORD: 'secret' },
      `KAFKA_SASL_PASSWORD is set, but KAFKA_SASL_MECHANISM is not: set it to ${MECHANISMS}`,
    ],
    [
      { KAFKA_BROKERS, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'secret' },
      'KAFKA_SASL_MECHANISM is set, but KAFKA_SASL_USERNAME is not: set it as well',
    ],
    [
      { KAFKA_BROKERS, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'ann' },
      'KAFKA_SASL_MECHANISM is set, but KAFKA_SASL_PASSWORD is not: set it as well',
    ],
  ])('refuses %j', (env, message) => {
    expect(() => kafkaSettingsFromEnv(env)).toThrow(
      expect.objectContaining({ code: 'SETTING_INVALID', message }),
    );
  });

  it.each([noCertificate, join(folder, 'nowhere.pem')])(
    'refuses the certificates of %s',
    (path) => {
      expect(() => kafkaSettingsFromEnv({ KAFKA_BROKERS, KAFKA_SSL_CA: path })).toThrow(
        expect.objectContaining({
          code: 'SETTING_INVALID',
          message: expect.stringMatching(
            /^KAFKA_SSL_CA names \S+, which holds no certificate that can be read \([^\n]+\): name a PEM file$/,
          ),
        }),
      );
    },
  );
});

describe('the certificate of a client', () => {
  let authority: Authority;
  let client: Certificate;
  let other: Certificate;
  beforeAll(async () => {
    authority = await createAuthority('authority');
    client = await authority.sign('client', ['DNS:client']);
    other = await authority.sign('other', ['DNS:other']);
  });
  afterAll(() => authority?.remove());

  it('is read with its key', () => {
    const { certificate: KAFKA_SSL_CERT, key: KAFKA_SSL_KEY } = client;
    expect(kafkaSettingsFromEnv({ KAFKA_BROKERS, KAFKA_SSL_CERT, KAFKA_SSL_KEY }).ssl).toEqual({
      cert: readFileSync(client.certificate, 'utf8'),
      key: readFileSync(client.key, 'utf8'),
    });
  });

  it.each<[string, () => Record<string, string>, RegExp]>([
    [
      'without its key',
      () => ({ KAFKA_SSL_CERT: client.certificate }),
      /^KAFKA_SSL_CERT is set, but KAFKA_SSL_KEY is not: set it as well$/,
    ],
    [
      'that is left out',
      () => ({ KAFKA_SSL_KEY: client.key }),
      /^KAFKA_SSL_KEY is set, but KAFKA_SSL_CERT is not: set it as well$/,
    ],
    [
      'with the key of another one',
      () => ({ KAFKA_SSL_CERT: client.certificate, KAFKA_SSL_KEY: other.key }),
      /^KAFKA_SSL_KEY is not the key of the certificate of KAFKA_SSL_CERT: name the two that belong together$/,
    ],
    [
      'in the place of the key',
      () => ({ KAFKA_SSL_CERT: client.certificate, KAFKA_SSL_KEY: client.certificate }),
      /^KAFKA_SSL_KEY names \S+, which holds no private key without a password that can be read \([^\n]+\): name a PEM file$/,
    ],
    [
      'where TLS is off',
      () => ({ KAFKA_SSL: 'false', KAFKA_SSL_CERT: client.certificate }),
      /^KAFKA_SSL_CERT is set, but KAFKA_SSL is false: unset one of them$/,
    ],
  ])('is refused %s', (_, variables, message) => {
    expect(() => kafkaSettingsFromEnv({ KAFKA_BROKERS, ...variables() })).toThrow(
      expect.objectContaining({
        code: 'SETTING_INVALID',
        message: expect.stringMatching(message),
      }),
    );
  });
});

describe('createKafka', () => {
  it('logs what kafkajs says in constant sentences, an attempt that it repeats as a warning', async () => {
    const { log, lines } = recordingLogger();
    const broker = `127.0.0.1:${await freePort()}`;
    const settings = { brokers: [broker], clientId: 'temporal-cep' };
    const kafka = createKafka(settings, log, { retry: { retries: 0 } });
    await expect(kafka.admin().connect()).rejects.toThrow('ECONNREFUSED');

    const refused = `connect ECONNREFUSED ${broker}`;
    expect(lines).toEqual([
      [
        'debug',
        'message of the Kafka client',
        {
          from: 'Connection',
          said: `Connection error: ${refused}`,
          broker,
          clientId: 'temporal-cep',
        },
      ],
      [
        'warn',
        'warning of the Kafka client',
        {
          from: 'BrokerPool',
          said: `Failed to connect to seed broker, trying another broker from the list: Connection error: ${refused}`,
          retryCount: 0,
          retryTime: expect.any(Number),
        },
      ],
    ]);
  });
});
