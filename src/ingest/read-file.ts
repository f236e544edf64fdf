// A file, or standard input, as records: NDJSON (one JSON object per line) or CSV (with a header line).
// Lines are counted from 0 and the count is the offset, blank lines included, so that an offset always
// leads back to its line; in CSV it counts the records behind the header.

import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CsvError, parse as csvParser, type Parser } from 'csv-parse';
import { CepError, messageOf } from '../errors.js';
import type { Millis } from '../time.js';
import { type Clock, type Read, systemClock } from './record.js';

export type FileFormat = 'ndjson' | 'csv';

export interface ReadFileOptions {
  /** Path of the file, or `-` for standard input. */
  readonly path: string;
  /** By the file's extension when absent: `.csv` is CSV, anything else NDJSON. */
  readonly format?: FileFormat;
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

/** A piece of text, or null for "there was nothing more when I looked at `lookedAt`". */
type Chunk = { readonly text: string } | { readonly text: null; readonly lookedAt: number };

/**
 * Reads records.
 *
 * @throws CepError `INPUT_MISSING` when the file can't be read, or shrinks while it is followed
 */
export async function* readFileRecords(options: ReadFileOptions): AsyncGenerator<Read> {
  const { path, clock = systemClock } = options;
  const { source = fileSource(path) } = options;
  const format = options.format ?? (/\.csv$/i.test(path) ? 'csv' : 'ndjson');
  const toRecords = format === 'csv' ? csvRecords() : lines();
  const chunks = path === '-' ? pipeChunks(options, clock) : fileChunks(options, clock);
  const partition = 0;
  for await (const chunk of chunks) {
    if (chunk.text === null) {
      yield { endOfLog: true, source, partition, lookedAt: chunk.lookedAt };
      continue;
    }
    for (const record of toRecords.write(chunk.text)) {
      yield { source, partition, recordTime: clock.now(), ...record };
    }
  }
  // A followed file's last line may be half written; that of a finished one is whole.
  if (options.signal?.aborted && options.follow) return;
  for (const record of toRecords.end()) {
    yield { source, partition, recordTime: clock.now(), ...record };
  }
}

async function* fileChunks(options: ReadFileOptions, clock: Clock): AsyncGenerator<Chunk> {
  const { path, follow = false, signal } = options;
  const file = await openFile(path);
  const decoder = new StringDecoder('utf8');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  try {
    for (let position = 0; !signal?.aborted; ) {
      const lookedAt = clock.monotonic();
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
      if (bytesRead > 0) {
        position += bytesRead;
        yield { text: decoder.write(buffer.subarray(0, bytesRead)) };
        continue;
      }
      if (!follow) break;
      const { size } = await file.stat();
      if (size < position) {
        throw new CepError(
          'INPUT_MISSING',
          `${path} was truncated while it was followed (${size} bytes left of ${position}): start again, with --source and a new name if its lines are new ones`,
          { details: { path } },
        );
      }
      yield { text: null, lookedAt };
      await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => {
        // Aborted: the loop's condition ends it.
      });
    }
    yield { text: decoder.end() };
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

/** A pipe says nothing while it is quiet; that nothing came for a while is the evidence. */
async function* pipeChunks(options: ReadFileOptions, clock: Clock): AsyncGenerator<Chunk> {
  const { stdin = process.stdin, signal } = options;
  const decoder = new StringDecoder('utf8');
  const iterator = stdin[Symbol.asyncIterator]();
  try {
    let pending = iterator.next();
    while (!signal?.aborted) {
      const lookedAt = clock.monotonic();
      const next = await Promise.race([pending, sleep(POLL_MS, null)]);
      if (next === null) {
        yield { text: null, lookedAt };
        continue;
      }
      if (next.done) break;
      yield { text: decoder.write(next.value as Buffer) };
      pending = iterator.next();
    }
    yield { text: decoder.end() };
  } finally {
    // Not awaited: a pipe that never speaks again would never answer.
    void iterator.return?.();
  }
}

type Found = { offset: number; value: string | Record<string, unknown>; fault?: string };

/** Cuts text into records as it comes. */
interface Records {
  write(text: string): Iterable<Found>;
  end(): Iterable<Found>;
}

function lines(): Records {
  let rest = '';
  let offset = 0;
  function* cut(text: string): Generator<Found> {
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      yield* line(text.slice(from, to));
      from = to + 1;
    }
    rest = text.slice(from);
  }
  function* line(text: string): Generator<Found> {
    const value = (offset === 0 ? text.replace(/^\uFEFF/, '') : text).trim();
    if (value !== '') yield { offset, value };
    offset++;
  }
  return {
    write: (text) => cut(rest + text),
    end: () => (rest === '' ? [] : line(rest)),
  };
}

function csvRecords(): Records {
  const parser: Parser = csvParser({
    bom: true,
    relaxColumnCount: true,
    skipEmptyLines: true,
    relaxQuotes: true,
  });
  let failure: CsvError | null = null;
  parser.on('error', (error: CsvError) => {
    failure = error;
  });
  let header: string[] | null = null;
  let offset = 0;
  function* take(): Generator<Found> {
    for (let row: string[] | null = parser.read(); row !== null; row = parser.read()) {
      if (header === null) {
        header = row.map((name) => name.trim());
        continue;
      }
      yield record(header, row);
    }
    if (failure) {
      throw new CepError('INPUT_MISSING', `the CSV file can't be read on: ${failure.message}`);
    }
  }
  const record = (names: string[], row: string[]): Found => {
    const found = { offset: offset++ };
    if (row.length !== names.length) {
      const fault = `expected ${names.length} columns (${names.join(', ')}), found ${row.length}`;
      return { ...found, value: row.join(','), fault };
    }
    const value: Record<string, unknown> = {};
    names.forEach((name, i) => {
      // An empty column says nothing, rather than an empty text.
      if (row[i] !== '') value[name] = row[i];
    });
    return { ...found, value };
  };
  return {
    write: (text) => {
      parser.write(text);
      return take();
    },
    end: () => {
      parser.end();
      return take();
    },
  };
}
