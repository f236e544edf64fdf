// A file, or standard input, as records: NDJSON (one JSON object per line) or CSV (with a header line).
// Lines are counted from 0 and the count is the offset, blank lines included, so that an offset always
// leads back to its line; in CSV it counts the records behind the header.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CepError, messageOf } from '../errors.js';
import type { Millis, Timestamp } from '../time.js';
import { type Row, RowParser } from './csv.js';
import { type ChangeOptions, readChange } from './debezium.js';
import { RECORD_LENGTH_MAX } from './decode.js';
import { type Line, LineCutter } from './lines.js';
import { type Clock, type EndOfLog, type RawRecord, systemClock } from './record.js';

export type FileFormat = 'ndjson' | 'csv';

export interface ReadFileOptions {
  /** Path of the file, or `-` for standard input. */
  readonly path: string;
  /** By the file's extension when absent: `.csv` is CSV, anything else NDJSON. */
  readonly format?: FileFormat;
  /** Where each line of NDJSON is the value of a record that Debezium has written. */
  readonly changes?: ChangeOptions | undefined;
  /** Reads on as the file grows, until `signal` ends it. */
  readonly follow?: boolean;
  /** Default `file:<name of the file>`, or `stdin`. */
  readonly source?: string;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** What `-` means. Default `process.stdin`. */
  readonly stdin?: AsyncIterable<Buffer | string>;
}

const CHUNK_BYTES = 1 << 18;
/** How often a followed file, or a waiting pipe, is looked at. */
const POLL_MS: Millis = 250;

/** The name under which a file's events are known. */
export function fileSource(path: string): string {
  return path === '-' ? 'stdin' : `file:${basename(path)}`;
}

/** A piece of input, or null for "there was nothing more when I looked at `lookedAt`". */
type Chunk = { readonly bytes: Buffer } | { readonly bytes: null; readonly lookedAt: number };

/**
 * Reads records. One that can't be read has a `fault`, and the others go on.
 *
 * @throws CepError `INPUT_MISSING` when the file can't be read, is a CSV file without a usable header, or
 *   is truncated or replaced while it is followed
 */
export async function* readFileRecords(
  options: ReadFileOptions,
): AsyncGenerator<RawRecord | EndOfLog> {
  for await (const reads of readFileBatches(options)) for (const read of reads) yield read;
}

/**
 * The same in pieces, as the file is read: to wait for each record takes longer than to make it. A piece is used up before the
 * next is asked for.
 */
export async function* readFileBatches(
  options: ReadFileOptions,
): AsyncGenerator<Iterable<RawRecord | EndOfLog>> {
  const { path, signal, clock = systemClock } = options;
  const { source = fileSource(path), changes } = options;
  const format = options.format ?? (/\.csv$/i.test(path) ? 'csv' : 'ndjson');
  const cutter = new LineCutter(RECORD_LENGTH_MAX);
  const records = format === 'csv' ? csvRecords(path) : jsonRecords();
  const chunks = path === '-' ? pipeChunks(options, clock) : fileChunks(options, clock);
  const partition = 0;
  // A generator for each step of a line would cost as much as to parse it.
  const recordsAt = (recordTime: Timestamp, found: readonly Found[]): RawRecord[] => {
    const records = found.map(({ offset, value, fault }) =>
      fault === undefined
        ? { source, partition, offset, recordTime, value }
        : { source, partition, offset, recordTime, value, fault },
    );
    return format === 'ndjson' && changes !== undefined
      ? records.map((each) => readChange(each, changes))
      : records;
  };
  for await (const { bytes, ...look } of chunks) {
    if (bytes === null) {
      // Half a record is a sign of more to come.
      const isBetween = !cutter.isInLine && !records.isInRecord;
      const { lookedAt } = look as { lookedAt: number };
      if (isBetween) yield [{ endOfLog: true, source, partition, lookedAt }];
      continue;
    }
    yield recordsAt(clock.now(), records.write(cutter.write(bytes)));
  }
  // Whoever stops in the middle leaves what may be half a line for the next run.
  if (signal?.aborted) return;
  const recordTime = clock.now();
  yield recordsAt(recordTime, records.write(cutter.end()));
  yield recordsAt(recordTime, records.end());
}

async function* fileChunks(options: ReadFileOptions, clock: Clock): AsyncGenerator<Chunk> {
  const { path, follow = false, signal } = options;
  const file = await openFile(path);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  try {
    for (let position = 0; !signal?.aborted; ) {
      const lookedAt = clock.monotonic();
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
      if (bytesRead > 0) {
        position += bytesRead;
        yield { bytes: buffer.subarray(0, bytesRead) };
        continue;
      }
      if (!follow) break;
      await checkIsSame(file, path, position);
      yield { bytes: null, lookedAt };
      await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => {
        // Aborted: the loop's condition ends it.
      });
    }
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'r');
    if (!(await file.stat()).isDirectory()) return file;
    await file.close();
    throw new Error('it is a folder');
  } catch (cause) {
    throw new CepError(
      'INPUT_MISSING',
      `cannot read ${path} (${messageOf(cause)}): name an NDJSON or CSV file, or - for standard input`,
      { details: { path }, cause },
    );
  }
}

/**
 * The lines of a file that was truncated or replaced would get offsets that other lines had, and sessions
 * would take them for repeats. So that is the end of this source.
 */
async function checkIsSame(file: FileHandle, path: string, position: number): Promise<void> {
  const opened = await file.stat();
  const named = await stat(path).catch(() => null);
  const isReplaced = named !== null && (named.ino !== opened.ino || named.dev !== opened.dev);
  if (opened.size >= position && !isReplaced) return;
  const what = isReplaced ? 'replaced by another file' : `truncated to ${opened.size} bytes`;
  throw new CepError(
    'INPUT_MISSING',
    `${path} was ${what} while it was followed, ${position} bytes in: start again, with --source and a new name if its lines are new ones`,
    { details: { path } },
  );
}

/** A pipe says nothing while it is quiet; that nothing came for a while is the evidence. */
async function* pipeChunks(options: ReadFileOptions, clock: Clock): AsyncGenerator<Chunk> {
  const { stdin = process.stdin, signal } = options;
  const iterator = stdin[Symbol.asyncIterator]();
  let arrived: IteratorResult<Buffer | string> | undefined;
  let failure: { error: unknown } | undefined;
  let wake = () => {};
  // One reaction per chunk, however often we look: a race would leave one more on it with each look.
  const ask = () => {
    arrived = undefined;
    iterator.next().then(
      (result) => {
        arrived = result;
        wake();
      },
      (error) => {
        failure = { error };
        wake();
      },
    );
  };
  const stop = () => wake();
  signal?.addEventListener('abort', stop);
  try {
    ask();
    while (!signal?.aborted) {
      const lookedAt = clock.monotonic();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (arrived || failure || signal?.aborted) wake();
      });
      if (signal?.aborted) break;
      if (failure) throw failure.error;
      if (!arrived) {
        yield { bytes: null, lookedAt };
        continue;
      }
      if (arrived.done) break;
      yield { bytes: Buffer.from(arrived.value) };
      ask();
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    // A stream that is waited for keeps the process alive, and answers no return() before its next chunk.
    if ('destroy' in stdin && typeof stdin.destroy === 'function') stdin.destroy();
    else void iterator.return?.();
  }
}

type Found = { offset: number; value: string | Record<string, unknown>; fault?: string };

/** Makes records of lines as they come. */
interface Records {
  readonly isInRecord: boolean;
  write(lines: readonly Line[]): Found[];
  end(): Found[];
}

function jsonRecords(): Records {
  let offset = 0;
  return {
    isInRecord: false,
    write(lines) {
      const all: Found[] = [];
      for (const { text, fault } of lines) {
        const found = { offset: offset++, value: text.trim() };
        if (fault !== undefined) all.push({ ...found, fault });
        else if (found.value !== '') all.push(found);
      }
      return all;
    },
    end: () => [],
  };
}

function csvRecords(path: string): Records {
  const parser = new RowParser(RECORD_LENGTH_MAX);
  let header: readonly string[] | null = null;
  let offset = 0;
  function* take(rows: Iterable<Row>): Generator<Found> {
    for (const row of rows) {
      if (header === null) header = headerOf(row, path);
      else yield { offset: offset++, ...record(header, row) };
    }
  }
  return {
    get isInRecord() {
      return parser.isInRow;
    },
    write: (lines) => lines.flatMap((line) => [...take(parser.write(line))]),
    end() {
      const found = [...take(parser.end())];
      if (header === null) throw noHeader(path, 'it is empty');
      return found;
    },
  };
}

function headerOf(row: Row, path: string): string[] {
  if ('fault' in row) throw noHeader(path, row.fault);
  const names = row.columns.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw noHeader(path, `it has the column "${twice}" twice`);
  return names;
}

function noHeader(path: string, reason: string): CepError {
  return new CepError(
    'INPUT_MISSING',
    `${path} has no CSV header that can be used (${reason}): its first line must name the columns`,
    { details: { path } },
  );
}

function record(names: readonly string[], row: Row): Omit<Found, 'offset'> {
  if ('fault' in row) return { value: row.text, fault: row.fault };
  const { columns } = row;
  if (columns.length !== names.length) {
    const fault = `expected ${names.length} columns (${names.join(', ')}), found ${columns.length}`;
    return { value: columns.join(','), fault };
  }
  const value: Record<string, unknown> = {};
  names.forEach((name, i) => {
    // An empty column says nothing, rather than an empty text.
    if (columns[i] !== '') value[name] = columns[i];
  });
  return { value };
}
