// The file of dead letters while ingest goes on writing to it: what is tried again or given up leaves it, and wherever somebody is
// killed, no letter is lost and none is two.

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import {
  beginRetry,
  begunRetry,
  diedAgain,
  discardDeadLetters,
  endRetry,
  newestLetters,
  readDeadLetters,
  recordsOf,
  removeDeadLetters,
  withLettersOf,
} from '../../src/cli/dead-letters.js';
import type { Reject } from '../../src/ingest/rejects.js';
import { temporaryFolder } from '../ingest/helpers.js';

const folder = temporaryFolder();
let file: string;
let files = 0;

const letter = (offset: number, more: Partial<Reject> = {}): Reject => ({
  ...{ source: 'clicks', partition: 1, offset, reason: 'RECORD_NOT_JSON', message: 'not JSON' },
  ...{ record: `{${offset}` },
  ...more,
});
const line = (of: Reject) => `${JSON.stringify(of)}\n`;
const [a, b, c] = [letter(1), letter(2), letter(3)];

beforeEach(() => {
  file = join(folder, `dead-${files++}.ndjson`);
  writeFileSync(file, [a, b, c].map(line).join(''));
});

test('letters are read line by line, but for one that is being written', () => {
  appendFileSync(file, '\n{"sou');
  expect(readDeadLetters(file)).toEqual([a, b, c]);
  appendFileSync(file, '"\n');
  expect(() => readDeadLetters(file)).toThrow(`line 5 of ${file} is no dead letter`);
  expect(() => readDeadLetters(join(folder, 'none'))).toThrow('cannot read');
});

test('what is removed is gone, and all else stays, also what nobody can read yet', () => {
  const ofOneJourney = letter(2, { journey: 'shop' });
  appendFileSync(file, `${line(ofOneJourney)}{"sou`);
  removeDeadLetters(file, [b]);
  expect(readFileSync(file, 'utf8')).toBe(`${[a, c, ofOneJourney].map(line).join('')}{"sou`);
  expect(existsSync(`${file}.taken`)).toBe(false);
});

test('who is killed while the file is away finds all letters again', () => {
  renameSync(file, `${file}.taken`);
  expect(readDeadLetters(file)).toEqual([a, b, c]);
  // The ingestor goes on meanwhile.
  const d = letter(4);
  appendFileSync(file, line(d));
  expect(readDeadLetters(file)).toEqual([a, b, c, d]);
  // Killed a moment later, when one of them was back.
  appendFileSync(file, line(a));
  removeDeadLetters(file, [c]);
  expect(newestLetters(readDeadLetters(file))).toEqual([d, a, b]);
});

test('what is given up stands in a file of its own, with who and why', () => {
  const by = { author: 'ann', reason: 'a test', at: 1 };
  discardDeadLetters(file, [a, c], by);
  expect(readDeadLetters(file)).toEqual([b]);
  expect(readDeadLetters(`${file}.discarded`)).toEqual([
    { ...a, discarded: by },
    { ...c, discarded: by },
  ]);
});

test('a retry is the same source until its end, and what died again stays', () => {
  const ofJourney = letter(9, { journey: 'shop', record: { type: 'cart' } });
  appendFileSync(file, line(ofJourney));
  expect(begunRetry(file)).toBeNull();
  const retry = beginRetry(file, [ofJourney, a, b]);
  expect(retry.source).toMatch(/^retry:dead-\d+\.ndjson:[0-9a-f]{16}$/);
  expect([...recordsOf(retry, 7)]).toEqual([
    {
      ...{ source: retry.source, partition: 0, offset: 0, recordTime: 7 },
      ...{ value: { type: 'cart' }, journey: 'shop' },
    },
    { source: retry.source, partition: 0, offset: 1, recordTime: 7, value: '{1' },
    { source: retry.source, partition: 0, offset: 2, recordTime: 7, value: '{2' },
  ]);
  const again = diedAgain(retry, { offset: 1, reason: 'RECORD_WITHOUT_TIME', message: 'no time' });
  expect(again).toEqual({ ...a, reason: 'RECORD_WITHOUT_TIME', message: 'no time', retried: 1 });
  appendFileSync(file, line(again));

  // Killed here: who comes next goes on with the same, whatever has come to the file meanwhile.
  appendFileSync(file, line(letter(4)));
  const goneOn = begunRetry(file);
  expect(goneOn).toEqual(retry);
  const discard = () => discardDeadLetters(file, [b], { author: 'ann', reason: null, at: 1 });
  expect(discard).toThrow(expect.objectContaining({ code: 'ALREADY_RUNNING' }));
  // It died twice, and the ingestor has read its record once more too.
  appendFileSync(file, line(again) + line(a));
  endRetry(file, retry);
  expect(begunRetry(file)).toBeNull();
  expect(newestLetters(readDeadLetters(file))).toEqual([c, again, letter(4)]);
  expect(beginRetry(file, [again]).source).not.toBe(retry.source);
});

test('what dies again for one journey is that journey’s from then on', () => {
  const retry = beginRetry(file, [a]);
  const reject = { offset: 0, reason: 'RECORD_WITHOUT_KEY', message: 'no key', journey: 'shop' };
  const again = diedAgain(retry, reject);
  expect(again).toMatchObject({ ...a, ...reject, offset: 1, retried: 1 });
  appendFileSync(file, line(again));
  endRetry(file, retry);
  expect(readDeadLetters(file)).toEqual([b, c, again]);
});

test('one at a time: who is at work keeps others out, and who was killed does not', async () => {
  const takes = (path = file) => withLettersOf(path, async () => 'in');
  await withLettersOf(file, async () => {
    await expect(takes()).rejects.toMatchObject({
      code: 'ALREADY_RUNNING',
      message: expect.stringContaining(`another process is at work on ${file}`),
    });
  });
  // As of a process that has not touched it for a minute.
  const ago = Date.now() / 1_000 - 60;
  mkdirSync(`${file}.lock`);
  utimesSync(`${file}.lock`, ago, ago);
  expect(await takes()).toBe('in');
  expect(existsSync(`${file}.lock`)).toBe(false);
  await expect(takes(join(folder, 'none', 'dead'))).rejects.toMatchObject({
    code: 'SETTING_INVALID',
  });
});
