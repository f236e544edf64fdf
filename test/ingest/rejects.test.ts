// Late events and dead letters: in a file, one JSON object per line, or in the log.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fileRejects, loggedRejects } from '../../src/ingest/rejects.js';
import { memoryLog, temporaryFolder } from './helpers.js';

const reject = (offset: number, record: unknown) => ({
  source: 'file:x.ndjson',
  partition: 0,
  offset,
  reason: 'LATE',
  message: 'too late',
  record,
});

test('a file is appended to, also by the next run', () => {
  const path = join(temporaryFolder(), 'late.ndjson');
  const first = fileRejects(path);
  first(reject(1, { a: 'line\nend' }));
  first(reject(2, 'text'));
  fileRejects(path)(reject(3, null));
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    reject(1, { a: 'line\nend' }),
    reject(2, 'text'),
    reject(3, null),
  ]);
});

test('a file that can not be written is named at once, not at the first reject', () => {
  const path = join(temporaryFolder(), 'missing', 'late.ndjson');
  expect(() => fileRejects(path)).toThrow(
    expect.objectContaining({ code: 'SETTING_INVALID', message: expect.stringContaining(path) }),
  );
});

test('the log has the coordinates, the reason and the beginning of the record', () => {
  const log = memoryLog();
  loggedRejects(log, 'dead letter')(reject(1, 'x'.repeat(10_000)));
  loggedRejects(log, 'late event')(reject(2, { a: 1 }));
  expect(log.lines).toEqual([
    ['warn', 'dead letter', reject(1, 'x'.repeat(500))],
    ['warn', 'late event', reject(2, '{"a":1}')],
  ]);
});
