// Dead letters as ingest has written them to a file, which may go on writing meanwhile.
//
//   F1. A letter is in the file or beside it until it is known where else it is: whoever is killed leaves it twice at
//       worst, and letters of one record and journey are one letter.
//   F2. Lines are taken out of the file by a rename. An ingestor opens it anew for each line, so it begins another one, to
//       which those that stay are appended.
//   F3. What is tried again stands in a file of its own, in its order, until all of it is settled. Its text names the source
//       and its lines are the offsets, so that it is the same source whenever it is gone on with.

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { CepError, messageOf } from '../errors.js';
import { coordinates } from '../event.js';
import { type HeldLock, holdLock } from '../held-lock.js';
import type { RawRecord } from '../ingest/record.js';
import { fileRejects, type Reject } from '../ingest/rejects.js';
import type { Timestamp } from '../time.js';

const LINE_FEED = 10;

/** @throws CepError `INPUT_MISSING` for a file that can't be read or a line that is none */
export function readDeadLetters(path: string): Reject[] {
  const taken = takenFrom(path);
  const isTaken = existsSync(taken);
  // F2: who was killed meanwhile has left it without a file.
  const letters = isTaken && !existsSync(path) ? [] : lettersIn(path);
  return isTaken ? [...lettersIn(taken), ...letters] : letters;
}

function lettersIn(path: string): Reject[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CepError(
      'INPUT_MISSING',
      `cannot read ${path} (${messageOf(cause)}): name the file that --dead-letters of ingest has written`,
      { details: { path }, cause },
    );
  }
  const lines = text.split('\n');
  // An ingestor that writes meanwhile may be in the middle of the last one.
  if (!text.endsWith('\n')) lines.pop();
  return lines.flatMap((line, i) => (line.trim() === '' ? [] : [rejectOf(line, path, i + 1)]));
}

function rejectOf(line: string, path: string, number: number): Reject {
  const letter = letterOf(line);
  if (letter) return letter;
  throw new CepError(
    'INPUT_MISSING',
    `line ${number} of ${path} is no dead letter: name the file that --dead-letters of ingest has written`,
    { details: { path, line: number } },
  );
}

function letterOf(line: string): Reject | null {
  try {
    const reject = JSON.parse(line) as Reject;
    return typeof reject?.source === 'string' && typeof reject.reason === 'string' ? reject : null;
  } catch {
    return null;
  }
}

/** F1: of a record and a journey the letter that has been tried most often. */
export function newestLetters(letters: readonly Reject[]): Reject[] {
  const newest = new Map<string, Reject>();
  for (const letter of letters) {
    const known = newest.get(keyOf(letter));
    if (!known || triesOf(letter) >= triesOf(known)) newest.set(keyOf(letter), letter);
  }
  return [...newest.values()];
}

/** Takes these letters out of the file, and older ones of the same records; {@link withLettersOf} sees to it that nobody else does. */
export function removeDeadLetters(path: string, removed: readonly Reject[]): void {
  const tries = new Map(removed.map((letter) => [keyOf(letter), triesOf(letter)]));
  const taken = takenFrom(path);
  if (existsSync(taken)) putBack(taken, path, () => true);
  if (!existsSync(path)) return;
  renameSync(path, taken);
  putBack(taken, path, (letter) => triesOf(letter) > (tries.get(keyOf(letter)) ?? -1));
}

function putBack(from: string, to: string, stays: (letter: Reject) => boolean): void {
  const isKept = (line: string) => {
    // What is no letter is nobody's to drop.
    const letter = letterOf(line);
    return letter === null ? line.trim() !== '' : stays(letter);
  };
  for (let at = 0, isRead = false; !isRead; ) {
    // Looked at once more at the end: somebody may have had it open when it was renamed.
    const bytes = readFileSync(from).subarray(at);
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    const lines = bytes.toString('utf8', 0, end).split('\n').filter(isKept);
    isRead = end === 0;
    appendFileSync(to, isRead ? bytes : lines.map((line) => `${line}\n`).join(''));
    at += end;
  }
  rmSync(from);
}

/** Who gave something up, when and why. */
export interface Discarded {
  readonly author: string;
  readonly reason: string | null;
  /** In ms since the epoch. */
  readonly at: Timestamp;
}

/** Appends letters to a file, with who gave them up. */
export function discardedLetters(path: string, discarded: Discarded): (letter: Reject) => void {
  const append = fileRejects(path);
  return (letter) => void append({ ...letter, discarded } as Reject);
}

/**
 * Gives letters up: they are in `<path>.discarded` from then on.
 *
 * @throws CepError `ALREADY_RUNNING` while some are tried again
 */
export function discardDeadLetters(
  path: string,
  letters: readonly Reject[],
  discarded: Discarded,
): void {
  if (begunRetry(path)) {
    throw new CepError(
      'ALREADY_RUNNING',
      `letters of ${path} are being tried again, and that was interrupted: see it to its end with temporal-cep dead retry --dead-letters ${path}, then discard`,
      { details: { path } },
    );
  }
  const append = discardedLetters(`${path}.discarded`, discarded);
  for (const letter of letters) append(letter);
  removeDeadLetters(path, letters);
}

/** What is tried again, as a source of its own. */
export interface Retry {
  /** F3. */
  readonly source: string;
  /** Their positions are their offsets. */
  readonly letters: readonly Reject[];
}

/** What somebody has begun to try again and did not see to its end; null for nothing. */
export function begunRetry(path: string): Retry | null {
  const file = retryOf(path);
  if (!existsSync(file)) return null;
  const hash = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  return { source: `retry:${basename(path)}:${hash}`, letters: lettersIn(file) };
}

/** F3. The letters stay in the file until {@link endRetry}. */
export function beginRetry(path: string, letters: readonly Reject[]): Retry {
  const file = retryOf(path);
  writeFileSync(`${file}.new`, letters.map((letter) => `${JSON.stringify(letter)}\n`).join(''), {
    flush: true,
  });
  renameSync(`${file}.new`, file);
  return begunRetry(path) as Retry;
}

/** Nothing of it is under way any more: what died again has been written as {@link diedAgain} says. */
export function endRetry(path: string, { letters }: Retry): void {
  removeDeadLetters(path, letters);
  rmSync(retryOf(path));
}

/** The letters of a retry as a source's records. */
export function* recordsOf({ source, letters }: Retry, now: Timestamp): Generator<RawRecord> {
  for (const [offset, { record, journey }] of letters.entries()) {
    const value = record as RawRecord['value'];
    const at = { source, partition: 0, offset, recordTime: now, value };
    yield journey === undefined ? at : { ...at, journey };
  }
}

/** The letter of a record that died again: still by its own coordinates, with the reason of this time. */
export function diedAgain(
  { letters }: Retry,
  { offset, reason, message, journey }: Pick<Reject, 'offset' | 'reason' | 'message' | 'journey'>,
): Reject {
  const letter = letters[offset] as Reject;
  const again = { ...letter, reason, message, retried: triesOf(letter) + 1 };
  return journey === undefined ? again : { ...again, journey };
}

/**
 * Does something with a file that only one process may do at a time.
 *
 * @throws CepError `ALREADY_RUNNING`
 */
export async function withLettersOf<T>(path: string, act: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  let held: HeldLock | null;
  try {
    held = await holdLock(lock);
  } catch (cause) {
    throw new CepError(
      'SETTING_INVALID',
      `cannot make ${lock} (${messageOf(cause)}): the folder of the dead letters has to be writable`,
      { details: { path }, cause },
    );
  }
  if (held === null) {
    throw new CepError(
      'ALREADY_RUNNING',
      `another process is at work on ${path}: wait for its end`,
      {
        details: { path },
      },
    );
  }
  try {
    return await act();
  } finally {
    await held.release();
  }
}

function keyOf({ journey, ...of }: Reject): string {
  return JSON.stringify([coordinates(of), journey]);
}

function triesOf({ retried = 0 }: Reject): number {
  return retried;
}

function takenFrom(path: string): string {
  return `${path}.taken`;
}

function retryOf(path: string): string {
  return `${path}.retrying`;
}
