// What opening a database server has in common, whatever the server.

import { setTimeout as sleep } from 'node:timers/promises';
import { CepError, messageOf } from '../errors.js';
import { type Millis, seconds } from '../time.js';

export const CONNECT_TIMEOUT_MS = seconds(5);
/** Behind a cable that was cut nothing ever answers, and the system notices after minutes or hours. */
export const QUERY_TIMEOUT_MS = seconds(30);
/** No further try begins after it, so that with the last one ten seconds are hardly exceeded. */
const TRIES_WITHIN_MS = seconds(6);
const RETRY_FIRST_MS: Millis = 250;

/** A server that is asked to let us in. */
export interface Login {
  /** Of the database, without a password. */
  readonly name: string;
  /** How an address is written. */
  readonly form: string;
  /** Logs in once, and out. */
  tryOnce(): Promise<void>;
  /** What there is against the address; null for what may be over in a moment. */
  objectionOf(error: unknown): string | null;
}

/**
 * Logs in until the server answers.
 *
 * @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE`
 */
export async function untilItAnswers({ name, form, tryOnce, objectionOf }: Login): Promise<void> {
  const start = performance.now();
  for (let pause = RETRY_FIRST_MS; ; pause *= 2) {
    try {
      await tryOnce();
      return;
    } catch (error) {
      const objection = objectionOf(error);
      if (objection !== null) throw unusable(name, form, objection, error);
      const left = TRIES_WITHIN_MS - (performance.now() - start);
      if (left <= 0) throw unreachable(name, error);
      await sleep(Math.min(pause, left));
    }
  }
}

/** What a driver makes of an address that is no URL. */
export function isNoUrl(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_INVALID_URL' || error instanceof URIError;
}

export const NO_URL = 'it is no URL; encode characters such as @ / # in the password: %40 %2F %23';

function unusable(name: string, form: string, objection: string, cause: unknown): CepError {
  return new CepError(
    'SETTING_INVALID',
    `the database ${name} can't be used (${objection}): correct its address, ${form}`,
    { details: { database: name }, cause },
  );
}

function unreachable(name: string, cause: unknown): CepError {
  // Of a host with several addresses Node reports all attempts as one error without a message.
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return new CepError(
    'DATABASE_UNREACHABLE',
    `no database answers at ${name} (${messageOf(first)}): start it, or correct the address`,
    { details: { database: name }, cause },
  );
}
