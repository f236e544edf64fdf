// Files and pipes as records: lines and their numbers, CSV, odd bytes, and files that grow.

import { appendFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { fileSource, type ReadFileOptions, readFileRecords } from '../../src/ingest/read-file.js';
import type { EndOfLog, RawRecord } from '../../src/ingest/record.js';
import { temporaryFolder, until } from './helpers.js';

const folder = temporaryFolder();
let files = 0;
function fileOf(text: string | Buffer, extension = 'ndjson'): string {
  const path = join(folder, `${files++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

async function readAll(options: ReadFileOptions): Promise<RawRecord[]> {
  const records: RawRecord[] = [];
  for await (const read of readFileRecords(options)) {
    if (!('endOfLog' in read)) records.push(read);
  }
  return records;
}

const found = (records: readonly RawRecord[]) =>
  records.map(({ offset, value }) => [offset, value]);
const faults = (records: readonly RawRecord[]) =>
  records.filter(({ fault }) => fault !== undefined).map(({ offset, fault }) => [offset, fault]);

async function* chunks(...parts: (string | Buffer)[]) {
  for (const part of parts) {
    await sleep(1);
    yield Buffer.from(part);
  }
}

describe('lines', () => {
  test('an offset is the number of the line, blank ones included', async () => {
    const path = fileOf('\uFEFF{"a":1}\r\n\r\n  \n{"a":2}\n{"a":3}');
    const records = await readAll({ path });
    expect(found(records)).toEqual([
      [0, '{"a":1}'],
      [3, '{"a":2}'],
      [4, '{"a":3}'],
    ]);
    expect(records[0]).toMatchObject({ source: fileSource(path), partition: 0 });
  });

  test('an empty file has no records', async () => {
    expect(await readAll({ path: fileOf('') })).toEqual([]);
  });

  test('characters may be cut between two chunks', async () => {
    const bytes = Buffer.from('{"a":"é€😀"}\n');
    const parts = [...bytes].map((byte) => Buffer.from([byte]));
    const records = await readAll({ path: '-', stdin: chunks(...parts), source: 'pipe' });
    expect(found(records)).toEqual([[0, '{"a":"é€😀"}']]);
  });

  test('a line without an end does not fill the memory', async () => {
    const part = Buffer.alloc(1 << 18, 'x');
    async function* endless() {
      for (let i = 0; i < 200; i++) yield part;
      yield Buffer.from('\n{"a":1}\n');
    }
    const records = await readAll({ path: '-', stdin: endless() });
    expect(records.map(({ offset }) => offset)).toEqual([0, 1]);
    expect(faults(records)).toEqual([[0, expect.stringMatching(/52428800 .*more than/)]]);
    expect(`${records[0]?.value}`.length).toBeLessThan(10_000);
    expect(records[1]?.value).toBe('{"a":1}');
  });

  test('more than one chunk of a file', async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) =>
      JSON.stringify({ n, pad: 'é'.repeat(9) }),
    );
    const records = await readAll({ path: fileOf(lines.join('\n')) });
    expect(records.map(({ value }) => value)).toEqual(lines);
  });
});

describe('CSV', () => {
  const read = (text: string) => readAll({ path: fileOf(text, 'csv') });

  test('a record per row, by the header; empty columns are absent', async () => {
    expect(found(await read('\uFEFFid, name ,price\r\n1,x,\r\n\r\n2,"a ""b"", c",3\r\n'))).toEqual([
      [0, { id: '1', name: 'x' }],
      [1, { id: '2', name: 'a "b", c', price: '3' }],
    ]);
  });

  test('a quoted column may hold line ends', async () => {
    expect(found(await read('id,name\n1,"two\nlines"\n2,x'))).toEqual([
      [0, { id: '1', name: 'two\nlines' }],
      [1, { id: '2', name: 'x' }],
    ]);
  });

  test('rows with too few or too many columns are faulty, the others are not', async () => {
    const records = await read('id,name\n1\n2,x\n3,y,z\n4,w\n');
    expect(faults(records)).toEqual([
      [0, 'expected 2 columns (id, name), found 1'],
      [2, 'expected 2 columns (id, name), found 3'],
    ]);
    expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
  });

  test('a quote that is never closed costs one record, not the file', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => `${n + 1},y`);
    const records = await read(`id,name\n0,"open\n${rows.join('\n')}\n`);
    expect(faults(records)).toEqual([[0, expect.stringContaining('quote')]]);
    expect(records).toHaveLength(51);
    expect(records.at(-1)?.value).toEqual({ id: '50', name: 'y' });
  });

  test('stray quotes are text', async () => {
    expect(found(await read('id,name\n1,5" disc\n2,x\n'))).toEqual([
      [0, { id: '1', name: '5" disc' }],
      [1, { id: '2', name: 'x' }],
    ]);
  });

  test('many chunks: nothing is lost or moved', async () => {
    const rows = Array.from({ length: 30_000 }, (_, n) => `${n},"name, ${n}"`);
    const records = await read(`id,name\n${rows.join('\n')}`);
    expect(records).toHaveLength(30_000);
    expect(records.every(({ offset, value }) => (value as { id: string }).id === `${offset}`)).toBe(
      true,
    );
  });

  test('a file without a header is refused', async () => {
    await expect(read('')).rejects.toMatchObject({ code: 'INPUT_MISSING' });
    await expect(read('id,id\n1,2\n')).rejects.toMatchObject({ code: 'INPUT_MISSING' });
  });
});

test.each([
  ['a missing file', () => join(folder, 'nowhere.ndjson')],
  ['a folder', () => folder],
])('%s is named, with a remedy', async (_, path) => {
  await expect(readAll({ path: path() })).rejects.toMatchObject({
    code: 'INPUT_MISSING',
    message: expect.stringContaining('name an NDJSON or CSV file'),
  });
});

/** Reads in the background. */
function following(options: ReadFileOptions) {
  const stop = new AbortController();
  const reads: (RawRecord | EndOfLog)[] = [];
  const done = (async () => {
    for await (const read of readFileRecords({ ...options, follow: true, signal: stop.signal })) {
      reads.push(read);
    }
  })();
  const isEnd = (read: RawRecord | EndOfLog): read is EndOfLog => 'endOfLog' in read;
  return {
    done,
    stop: () => stop.abort(),
    records: () => reads.filter((read) => !isEnd(read)) as RawRecord[],
    ends: () => reads.filter(isEnd),
  };
}

describe('a file that grows', () => {
  test.each(['ndjson', 'csv'])('%s: rows appear as they are finished', async (format) => {
    const path = fileOf(format === 'csv' ? 'a\n1\n' : '{"a":"1"}\n', format);
    const { records, ends, stop, done } = following({ path });
    const values = () =>
      records().map(({ value }) =>
        typeof value === 'string' ? JSON.parse(value).a : (value as { a: string }).a,
      );
    await until(() => ends().length > 0);
    expect(values()).toEqual(['1']);
    appendFileSync(path, format === 'csv' ? '2\n3' : '{"a":"2"}\n{"a":');
    await until(() => records().length === 2);
    const seen = ends().length;
    await sleep(600);
    // Half a line is a sign of more to come, so it proves no silence.
    expect([values(), ends().length - seen]).toEqual([['1', '2'], 0]);
    appendFileSync(path, format === 'csv' ? '4\n' : '"34"}\n');
    await until(() => records().length === 3);
    expect(values()).toEqual(['1', '2', '34']);
    await until(() => ends().length > seen);
    stop();
    await done;
    expect(records()).toHaveLength(3);
  });

  test('a look that finds nothing is dated to its beginning', async () => {
    const path = fileOf('');
    const before = performance.now();
    const { ends, stop, done } = following({ path });
    await until(() => ends().length > 1);
    const [first, second] = ends() as [EndOfLog, EndOfLog];
    expect(first.lookedAt).toBeGreaterThanOrEqual(before);
    expect(second.lookedAt).toBeGreaterThan(first.lookedAt);
    expect(second.lookedAt).toBeLessThanOrEqual(performance.now());
    stop();
    await done;
  });

  test('half a line at the stop is left for the next run', async () => {
    const path = fileOf('{"a":1}\n{"a":2');
    const { records, stop, done } = following({ path });
    await until(() => records().length === 1);
    stop();
    await done;
    expect(records()).toHaveLength(1);
  });

  test('truncated: an error that says what to do', async () => {
    const path = fileOf('{"a":1}\n{"a":2}\n');
    const { records, done } = following({ path });
    const failed = expect(done).rejects.toMatchObject({
      code: 'INPUT_MISSING',
      message: expect.stringContaining('--source'),
    });
    await until(() => records().length === 2);
    truncateSync(path, 3);
    await failed;
  });

  test('replaced by another file: the same error', async () => {
    const path = fileOf('{"a":1}\n');
    const { records, done } = following({ path });
    const failed = expect(done).rejects.toMatchObject({ code: 'INPUT_MISSING' });
    await until(() => records().length === 1);
    renameSync(path, `${path}.1`);
    writeFileSync(path, '{"a":1}\n{"a":2}\n{"a":3}\n');
    await failed;
  });
});

describe('a pipe', () => {
  test('says when it is quiet, and ends when it ends', async () => {
    async function* slow() {
      yield Buffer.from('{"a":1}\n');
      await sleep(700);
      yield Buffer.from('{"a":2}');
    }
    const reads: (RawRecord | EndOfLog)[] = [];
    for await (const read of readFileRecords({ path: '-', stdin: slow() })) reads.push(read);
    const kinds = reads.map((read) => ('endOfLog' in read ? 'end' : read.value));
    expect(kinds).toEqual(['{"a":1}', 'end', 'end', '{"a":2}']);
  });

  test('is not quiet while half a line waits', async () => {
    async function* slow() {
      yield Buffer.from('{"a":');
      await sleep(700);
      yield Buffer.from('1}\n');
    }
    const reads: (RawRecord | EndOfLog)[] = [];
    for await (const read of readFileRecords({ path: '-', stdin: slow() })) reads.push(read);
    expect(reads).toHaveLength(1);
  });

  test('a stop does not wait for it', async () => {
    const stop = new AbortController();
    const silent = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<Buffer>>(() => {}),
      }),
    };
    setTimeout(() => stop.abort(), 20);
    const reads: (RawRecord | EndOfLog)[] = [];
    for await (const read of readFileRecords({ path: '-', stdin: silent, signal: stop.signal })) {
      reads.push(read);
    }
    expect(reads.every((read) => 'endOfLog' in read)).toBe(true);
  });
});
