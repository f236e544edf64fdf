// Late events and dead letters: one JSON object per line, with coordinates and reason.

import { appendFileSync } from 'node:fs';
import { CepError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** A record that did not reach a session, and why. */
export interface Reject {
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  /** A code: `LATE`, or that of the error. */
  readonly reason: string;
  readonly message: string;
  /** The record as it was read, or the event's data. */
  readonly record: unknown;
  /** The journey that it did not reach, where it may have reached others. */
  readonly journey?: string;
  /** How often it was tried again since. */
  readonly retried?: number;
}

/** Takes rejects. One that answers with a promise keeps its record unsettled until then. */
export type RejectSink = (reject: Reject) => void | Promise<void>;

/** Longest piece of a record that goes to the log. */
const LOGGED_LENGTH_MAX = 500;

/**
 * Appends to a file; the caller sees to it that its folder is there.
 *
 * @throws CepError `SETTING_INVALID` when the file can't be written
 */
export function fileRejects(path: string): RejectSink {
  try {
    // Better now than after a million records.
    appendFileSync(path, '');
  } catch (cause) {
    throw new CepError(
      'SETTING_INVALID',
      `cannot write to ${path} (${messageOf(cause)}): name a file in a folder that is there and may be written to`,
      { details: { path }, cause },
    );
  }
  return (reject) => appendFileSync(path, `${JSON.stringify(reject)}\n`);
}

/** Names each reject in the log, where no file was asked for. */
export function loggedRejects(log: Logger, message: string): RejectSink {
  return ({ record, ...reject }) => {
    const text = typeof record === 'string' ? record : (JSON.stringify(record) ?? '');
    log.warn(message, { ...reject, record: text.slice(0, LOGGED_LENGTH_MAX) });
  };
}
