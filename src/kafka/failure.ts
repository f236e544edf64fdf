// What a failure of kafkajs means. It wraps errors in errors, and a protocol error has its name in `type`.

import { CepError, messageOf } from '../errors.js';

/** The fields that errors of kafkajs and of Node's sockets may have. */
interface KafkaFailure {
  readonly name?: string;
  readonly message: string;
  /** Kafka's name of a protocol error, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly type?: string;
  /** Of a socket: `ECONNREFUSED`. */
  readonly code?: unknown;
  /** Whom a connection was for. */
  readonly broker?: string;
  readonly cause?: unknown;
}

/** The innermost error that kafkajs wrapped. */
export function rootFailure(error: unknown): KafkaFailure {
  let failure = error instanceof Error ? (error as KafkaFailure) : { message: messageOf(error) };
  while (failure.type === undefined && failure.cause instanceof Error) {
    failure = failure.cause as KafkaFailure;
  }
  return failure;
}

/** Whether the topic takes no message, or no batch, of this size. */
export function isTooLarge(error: unknown): boolean {
  const { type } = rootFailure(error);
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE';
}

/** The error for a topic that is not there, with its remedy. */
export function topicMissing(topic: string, cause?: unknown): CepError {
  return new CepError(
    'INPUT_MISSING',
    `the topic ${topic} is not there: create it with \`temporal-cep setup --topic ${topic}\``,
    { details: { topic }, cause },
  );
}

/**
 * What the user can do about a topic that can't be used, or null when the topic is not the reason.
 *
 * @param action - what was wanted of it: `read`, `written`
 */
export function topicFailure(topic: string, action: string, error: unknown): CepError | null {
  switch (rootFailure(error).type) {
    case 'UNKNOWN_TOPIC_OR_PARTITION':
      return topicMissing(topic, error);
    case 'INVALID_TOPIC_EXCEPTION':
      return new CepError(
        'SETTING_INVALID',
        `${JSON.stringify(topic)} can't be the name of a topic: use up to 249 letters, digits, dots, dashes and underscores`,
        { details: { topic }, cause: error },
      );
    case 'TOPIC_AUTHORIZATION_FAILED':
      return new CepError(
        'SETTING_INVALID',
        `the topic ${topic} may not be ${action} by this Kafka user: grant it the access, or set KAFKA_SASL_USERNAME to a user that has it`,
        { details: { topic }, cause: error },
      );
    default:
      return null;
  }
}

/** The error for messages that Kafka has not acknowledged. */
export function notWritten(topic: string, error: unknown): CepError {
  const failure = rootFailure(error);
  const remedy = isAuthentication(failure)
    ? authenticationRemedy(failure)
    : 'see whether the brokers are up';
  return new CepError(
    'BROKER_UNREACHABLE',
    `the topic ${topic} could not be written to (${failure.message}): ${remedy}`,
    { details: { topic }, cause: error },
  );
}

/** The error for a topic that stopped answering while it was read. */
export function notRead(topic: string, error: unknown): CepError {
  return new CepError(
    'BROKER_UNREACHABLE',
    `the topic ${topic} could not be read to its end (${rootFailure(error).message}): see whether the brokers are up`,
    { details: { topic }, cause: error },
  );
}

/** The settings that a failure to connect is judged by. */
interface Connecting {
  readonly brokers: readonly string[];
  readonly ssl?: true | { readonly cert?: unknown };
  readonly sasl?: unknown;
}

/** One line about brokers that could not be reached: which, what failed, and the remedy. */
export function brokerUnreachable(settings: Connecting, error: unknown): CepError {
  const { what, remedy } = explain(settings, rootFailure(error));
  const brokers = settings.brokers.join(',');
  return new CepError(
    'BROKER_UNREACHABLE',
    `Kafka can't be reached at ${brokers} (${what}): ${remedy}`.replaceAll(/\s+/g, ' '),
    { details: { brokers: settings.brokers, reason: what }, cause: error },
  );
}

/**
 * What the user can do where the brokers refuse us while we read, or null when they do not. Passwords and rights may be
 * taken away at any time.
 */
export function readingRefused(
  { topic, groupId }: { topic: string; groupId: string },
  error: unknown,
): CepError | null {
  const failure = rootFailure(error);
  if (isAuthentication(failure)) {
    const { what, remedy } = explain({ brokers: [] }, failure);
    return new CepError(
      'BROKER_UNREACHABLE',
      `Kafka lets this client in no longer (${what}): ${remedy}`,
      { details: { topic, groupId, reason: what }, cause: error },
    );
  }
  if (failure.type === 'GROUP_AUTHORIZATION_FAILED') {
    return new CepError(
      'SETTING_INVALID',
      `the consumer group ${groupId} may not be used by this Kafka user: grant it the access, or set KAFKA_SASL_USERNAME to a user that has it`,
      { details: { groupId }, cause: error },
    );
  }
  return topicFailure(topic, 'read', error);
}

/** Whether waiting is of no use: passwords and certificates don't come right by themselves. */
export function isFinal(error: unknown): boolean {
  const failure = rootFailure(error);
  return isAuthentication(failure) || isTls(failure);
}

function explain(
  { brokers, ssl, sasl }: Connecting,
  failure: KafkaFailure,
): { what: string; remedy: string } {
  const what = failure.message.replace(/^Connection error: /, '').trim();
  if (isAuthentication(failure)) {
    return {
      what: `authentication failed: ${what.replace(/^SASL [A-Z0-9 ]+ authentication failed: /, '')}`,
      remedy: authenticationRemedy(failure),
    };
  }
  if (isTls(failure)) {
    // What the other side complains of, without where in OpenSSL it was read.
    const [, alert] = /\balert ([a-z ]+)/.exec(what) ?? [];
    return {
      what: `TLS failed: ${alert === undefined ? what : `the broker answered "${alert}"`}`,
      remedy: tlsRemedy(String(failure.code), alert !== undefined, ssl),
    };
  }
  if (failure.broker !== undefined && !brokers.includes(failure.broker)) {
    // It is never ours when the brokers sent us there: they say how they want to be called.
    return {
      what: `they send their clients on to ${failure.broker}, where ${what}`,
      remedy: "set the brokers' advertised.listeners to addresses that this machine reaches",
    };
  }
  if (failure.name === 'KafkaJSConnectionClosedError' || failure.code === 'ECONNRESET') {
    const wanted = [
      ...(ssl ? [] : ['TLS (KAFKA_SSL)']),
      ...(sasl ? [] : ['a password (KAFKA_SASL_MECHANISM)']),
    ];
    return {
      what: 'the connection was closed',
      remedy: `see whether this port expects ${wanted.join(' or ') || 'other credentials'}`,
    };
  }
  return { what, remedy: 'start Kafka, or correct KAFKA_BROKERS' };
}

function authenticationRemedy({ type }: KafkaFailure): string {
  switch (type) {
    case 'UNSUPPORTED_SASL_MECHANISM':
      return 'set KAFKA_SASL_MECHANISM to one that the brokers offer at this port';
    case 'ILLEGAL_SASL_STATE':
      return 'this port asks for no password: unset KAFKA_SASL_MECHANISM, or name the port that does';
    default:
      return 'check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD';
  }
}

function tlsRemedy(code: string, isAlert: boolean, ssl: Connecting['ssl']): string {
  if (isAlert && /CERT|_CA$/.test(code)) {
    return typeof ssl === 'object' && ssl.cert !== undefined
      ? 'set KAFKA_SSL_CERT and KAFKA_SSL_KEY to a certificate that the brokers trust and that has not expired'
      : 'this port asks its clients for a certificate: set KAFKA_SSL_CERT and KAFKA_SSL_KEY';
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return "call the brokers by a name in their certificate, in KAFKA_BROKERS and in the brokers' advertised.listeners";
  }
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
    return "renew the brokers' certificate, or correct the clock of this machine";
  }
  if (IS_CERTIFICATE.test(code)) {
    return "set KAFKA_SSL_CA to the certificate of the authority that signed the brokers'";
  }
  return 'unset KAFKA_SSL if this port speaks no TLS, or name the port that does';
}

/** OpenSSL's complaints of a certificate. */
const IS_CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|INVALID_)/;

function isAuthentication({ name, type }: KafkaFailure): boolean {
  return (
    name === 'KafkaJSSASLAuthenticationError' ||
    type === 'SASL_AUTHENTICATION_FAILED' ||
    type === 'UNSUPPORTED_SASL_MECHANISM' ||
    type === 'ILLEGAL_SASL_STATE'
  );
}

function isTls({ code, message }: KafkaFailure): boolean {
  return (
    /^(EPROTO|ERR_SSL|ERR_TLS)/.test(String(code)) ||
    IS_CERTIFICATE.test(String(code)) ||
    message.includes('secure TLS connection')
  );
}
