// What the command line and the environment say about Kafka, and the kafkajs client made of it.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  Kafka,
  type KafkaConfig,
  type LogEntry,
  logLevel,
  type RetryOptions,
  type SASLOptions,
} from 'kafkajs';
import { CepError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** How to reach Kafka: a part of what `new Kafka()` of kafkajs takes. Holds a password: don't print it. */
export interface KafkaSettings {
  /** Each `host:port`. */
  readonly brokers: string[];
  readonly clientId: string;
  /** Each in PEM. Without `ca` the authorities that Node knows are trusted. */
  readonly ssl?: true | { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: Extract<SASLOptions, { readonly mechanism: (typeof MECHANISMS)[number] }>;
}

/** What the command line says; it comes before the environment. */
export interface KafkaOverrides {
  /** Comma separated, `host:port` each. */
  readonly brokers?: string | undefined;
  readonly clientId?: string | undefined;
}

/**
 * Reads KAFKA_BROKERS (`host:port`, comma separated; required), KAFKA_CLIENT_ID (`temporal-cep`),
 * KAFKA_SSL (`true` or `false`), KAFKA_SSL_CA (whom to trust), KAFKA_SSL_CERT and KAFKA_SSL_KEY (who we
 * are, where brokers ask for a certificate; each of the three the path of a PEM file, and each means
 * KAFKA_SSL=true), KAFKA_SASL_MECHANISM (`plain`, `scram-sha-256` or `scram-sha-512`),
 * KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD. A variable that is set to nothing counts as not set.
 *
 * @throws CepError `SETTING_INVALID`, one line that names the variable and the remedy
 */
export function kafkaSettingsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  overrides: KafkaOverrides = {},
): KafkaSettings {
  const ssl = sslOf(env);
  const sasl = saslOf(env);
  return {
    brokers: brokersOf(overrides.brokers || env.KAFKA_BROKERS),
    clientId: overrides.clientId || env.KAFKA_CLIENT_ID || 'temporal-cep',
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

function brokersOf(text: string | undefined): string[] {
  const brokers = (text ?? '')
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  if (brokers.length === 0) {
    throw invalid('KAFKA_BROKERS is not set: name a broker, as in KAFKA_BROKERS=127.0.0.1:9092');
  }
  for (const broker of brokers) {
    // kafkajs splits at the first colon, so an IPv6 address can't be given to it.
    const port = Number(/^[^\s:/[\]]+:(\d{1,5})$/.exec(broker)?.[1] ?? 0);
    if (port < 1 || port > 65_535) {
      throw invalid(
        `KAFKA_BROKERS holds ${JSON.stringify(broker)}, which is not host:port: write it as in KAFKA_BROKERS=kafka-1:9092,kafka-2:9092`,
      );
    }
  }
  return brokers;
}

function sslOf(env: Readonly<Record<string, string | undefined>>): KafkaSettings['ssl'] {
  const { KAFKA_SSL: wanted } = env;
  if (wanted && wanted !== 'true' && wanted !== 'false') {
    throw invalid(`KAFKA_SSL is ${JSON.stringify(wanted)}: set it to true or false`);
  }
  const files = ['KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'].filter((name) => env[name]);
  if (files.length === 0) return wanted === 'true' ? true : undefined;
  if (wanted === 'false') {
    throw invalid(`${files[0]} is set, but KAFKA_SSL is false: unset one of them`);
  }
  // TLS itself ignores a file that holds no certificate, and then trusts nobody.
  const ca = pemOf(env, 'KAFKA_SSL_CA', 'certificate', (pem) => new X509Certificate(pem));
  const cert = pemOf(env, 'KAFKA_SSL_CERT', 'certificate', (pem) => new X509Certificate(pem));
  const key = pemOf(env, 'KAFKA_SSL_KEY', 'private key without a password', createPrivateKey);
  if ((cert === null) !== (key === null)) {
    const [is, isNot] = cert === null ? ['KEY', 'CERT'] : ['CERT', 'KEY'];
    throw invalid(`KAFKA_SSL_${is} is set, but KAFKA_SSL_${isNot} is not: set it as well`);
  }
  if (cert && key && !cert.read.checkPrivateKey(key.read)) {
    throw invalid(
      'KAFKA_SSL_KEY is not the key of the certificate of KAFKA_SSL_CERT: name the two that belong together',
    );
  }
  return {
    ...(ca === null ? {} : { ca: ca.pem }),
    ...(cert === null ? {} : { cert: cert.pem }),
    ...(key === null ? {} : { key: key.pem }),
  };
}

/** The file that a variable names, as it is and as read; null where the variable is not set. */
function pemOf<T extends X509Certificate | KeyObject>(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  what: string,
  read: (pem: string) => T,
): { pem: string; read: T } | null {
  const path = env[variable];
  if (!path) return null;
  try {
    const pem = readFileSync(path, 'utf8');
    return { pem, read: read(pem) };
  } catch (cause) {
    throw invalid(
      `${variable} names ${path}, which holds no ${what} that can be read (${messageOf(cause)}): name a PEM file`,
      cause,
    );
  }
}

function saslOf(env: Readonly<Record<string, string | undefined>>): KafkaSettings['sasl'] {
  const username = env.KAFKA_SASL_USERNAME;
  const password = env.KAFKA_SASL_PASSWORD;
  const name = env.KAFKA_SASL_MECHANISM;
  if (!name) {
    if (!username && !password) return undefined;
    const variable = username ? 'KAFKA_SASL_USERNAME' : 'KAFKA_SASL_PASSWORD';
    throw invalid(
      `${variable} is set, but KAFKA_SASL_MECHANISM is not: set it to ${MECHANISMS.join(', ')}`,
    );
  }
  const mechanism = MECHANISMS.find((each) => each === name.toLowerCase());
  if (mechanism === undefined) {
    throw invalid(
      `KAFKA_SASL_MECHANISM is ${JSON.stringify(name)}: set it to ${MECHANISMS.join(', ')}`,
    );
  }
  if (!username || !password) {
    const variable = username ? 'KAFKA_SASL_PASSWORD' : 'KAFKA_SASL_USERNAME';
    throw invalid(`KAFKA_SASL_MECHANISM is set, but ${variable} is not: set it as well`);
  }
  return { mechanism, username, password };
}

function invalid(message: string, cause?: unknown): CepError {
  return new CepError('SETTING_INVALID', message, { cause });
}

// Written out, because kafkajs has other defaults where NODE_ENV is `test`. A broker that is being
// restarted is away for some seconds: an operation waits up to 15 s for it, and then its caller decides.
const RETRY: RetryOptions = {
  initialRetryTime: 300,
  maxRetryTime: 5_000,
  factor: 0.2,
  multiplier: 2,
  retries: 6,
};

/**
 * A kafkajs client that logs to `log`. An operation waits up to about 15 s for brokers that are away,
 * and a request 15 s for its answer.
 *
 * @param overrides - other bounds, for short-lived clients
 */
export function createKafka(
  settings: KafkaSettings,
  log: Logger,
  overrides: Pick<KafkaConfig, 'retry' | 'requestTimeout'> = {},
): Kafka {
  const { sasl, ...others } = settings;
  return new Kafka({
    ...others,
    // A copy, because kafkajs puts a function into it, and settings are handed to threads.
    ...(sasl === undefined ? {} : { sasl: { ...sasl } }),
    connectionTimeout: 5_000,
    requestTimeout: 15_000,
    retry: RETRY,
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => logEntry(log, entry),
    ...overrides,
  });
}

// kafkajs writes an error for each attempt that it will repeat. When it gives up it throws, and the
// caller tells; only where there is no caller an error of its log is the last word.
const NO_CALLER = /^(Crash|Failed to execute listener|Caught error when)/;

function logEntry(log: Logger, { namespace, level, log: entry }: LogEntry): void {
  const { timestamp: _, logger: __, message, stack: ___, ...attributes } = entry;
  const said = { from: namespace, said: message, ...attributes };
  // What goes wrong on a connection is told again by whoever wanted something of it.
  if (level >= logLevel.INFO || namespace === 'Connection') {
    log.debug('message of the Kafka client', said);
  } else if (level === logLevel.ERROR && NO_CALLER.test(message)) {
    log.error('error of the Kafka client', said);
  } else {
    log.warn('warning of the Kafka client', said);
  }
}
