// What workers are told of the ingestors, with a clock and a source of our own: how often the source is
// asked, how old an answer may be, and what a topic made anew says for the one before.

import { expect, test } from 'vitest';
import { cachedProgressReader } from '../../src/store/cached-progress.js';
import type { ProgressRow } from '../../src/store/progress-store.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';

function row(source: string, partition: number, rest: Partial<ProgressRow> = {}): ProgressRow {
  return {
    source,
    partition,
    watermark: 100,
    lowWater: 10,
    finished: false,
    continuedBy: null,
    ...rest,
  };
}

/** A source whose queries are answered by hand, and a clock that stands. */
function byHand() {
  const queries: { answer(watermark: number): void; fail(message: string): void }[] = [];
  const clock = { now: 0 };
  const reader = cachedProgressReader(
    {
      readAll: () =>
        new Promise((resolve, reject) => {
          queries.push({
            answer: (watermark) => resolve([row('a', 0, { watermark }), row('a', 1)]),
            fail: (message) => reject(new Error(message)),
          });
        }),
    },
    1_000,
    () => clock.now,
  );
  return { queries, clock, reader };
}

const at = (watermark: number) => ({ watermark, lowWater: 10, finished: false });

test('questions share a query, until its beginning is too long ago', async () => {
  const { queries, clock, reader } = byHand();
  expect(queries.length).toBe(0);
  const both = Promise.all([reader.read('a', 0), reader.read('a', 1)]);
  clock.now = 600;
  const third = reader.read('b', 0);
  queries[0]?.answer(1);
  expect(await both).toEqual([at(1), at(100)]);
  expect(await third).toBeNull();
  clock.now = 1_000;
  expect(await reader.read('a', 0)).toEqual(at(1));
  expect(queries.length).toBe(1);
  clock.now = 1_001;
  const later = reader.read('a', 0);
  expect(queries.length).toBe(2);
  queries[1]?.answer(2);
  expect(await later).toEqual(at(2));
});

test('a slow query answers only who asked within its second', async () => {
  const { queries, clock, reader } = byHand();
  const first = reader.read('a', 0);
  clock.now = 1_001;
  const second = reader.read('a', 0);
  expect(queries.length).toBe(2);
  queries[1]?.answer(2);
  expect(await second).toEqual(at(2));
  queries[0]?.answer(1);
  expect(await first).toEqual(at(1));
  // The older copy, which came last, has not taken the place of the newer.
  expect(await reader.read('a', 0)).toEqual(at(2));
  expect(queries.length).toBe(2);
});

test('a query that fails is of all who wait for it, and the next question tries again', async () => {
  const { queries, clock, reader } = byHand();
  const waiting = Promise.allSettled([reader.read('a', 0), reader.read('b', 0)]);
  queries[0]?.fail('no route to host');
  expect(await waiting).toEqual([
    { status: 'rejected', reason: new Error('no route to host') },
    { status: 'rejected', reason: new Error('no route to host') },
  ]);
  clock.now = 1;
  const again = reader.read('a', 0);
  queries[1]?.answer(3);
  expect(await again).toEqual(at(3));
  expect(queries.length).toBe(2);
});

test('a late failure does not throw away a newer copy', async () => {
  const { queries, clock, reader } = byHand();
  const first = reader.read('a', 0);
  clock.now = 2_000;
  const second = reader.read('a', 0);
  queries[1]?.answer(2);
  await second;
  queries[0]?.fail('too slow');
  await expect(first).rejects.toThrow('too slow');
  expect(await reader.read('a', 0)).toEqual(at(2));
  expect(queries.length).toBe(2);
});

test('every second is one query, whoever asks', async () => {
  let asked = 0;
  let now = 0;
  const reader = cachedProgressReader(
    {
      readAll: async () => {
        asked++;
        return [row('a', 0)];
      },
    },
    1_000,
    () => now,
  );
  for (; now < 10_000; now += 10) await reader.read('a', 0);
  expect(asked).toBe(10);
});

test('a source made anew speaks for the one before', async () => {
  const answers = async (rows: readonly ProgressRow[]) =>
    await cachedProgressReader({ readAll: async () => rows }).read('a@1', 0);
  const before = row('a@1', 0, { continuedBy: 'a@2' });
  const done = { watermark: MAX_TIMESTAMP, finished: true };

  // It has only been claimed: what was promised stays.
  expect(await answers([before, row('a@2', 0, { watermark: MIN_TIMESTAMP })])).toEqual({
    watermark: 100,
    lowWater: MAX_TIMESTAMP,
    finished: false,
  });
  // The slowest of its partitions counts.
  expect(
    await answers([before, row('a@2', 0, { watermark: 700 }), row('a@2', 1, { watermark: 300 })]),
  ).toEqual({ watermark: 300, lowWater: MAX_TIMESTAMP, finished: false });
  expect(await answers([before, row('a@2', 0, done), row('a@2', 1)])).toEqual({
    watermark: 100,
    lowWater: MAX_TIMESTAMP,
    finished: false,
  });
  expect(await answers([before, row('a@2', 0, done), row('a@2', 1, done)])).toEqual({
    watermark: MAX_TIMESTAMP,
    lowWater: MAX_TIMESTAMP,
    finished: true,
  });
  // The last of a chain.
  expect(
    await answers([
      before,
      row('a@2', 0, { watermark: 900, continuedBy: 'a@3' }),
      row('a@3', 0, { watermark: 400 }),
    ]),
  ).toEqual({ watermark: 400, lowWater: MAX_TIMESTAMP, finished: false });
  // A circle has no end, but an answer; and a successor without rows says nothing.
  expect(await answers([before, row('a@2', 0, { continuedBy: 'a@1' })])).toEqual({
    watermark: 100,
    lowWater: MAX_TIMESTAMP,
    finished: false,
  });
  expect(await answers([before])).toEqual({ watermark: 100, lowWater: 10, finished: false });
});

test('of an origin, the low-water mark is its own; of a topic made anew there is none to wait for', async () => {
  const origins = {
    source: 'g/src@1',
    partitions: [{ watermark: 50, lowWater: 7, isSilent: false }],
    ...{ watermark: 50, retired: [] },
  };
  const rows = [row('a', 0, { origins }), row('b', 0, { origins, continuedBy: 'c' }), row('c', 0)];
  const reader = cachedProgressReader({ readAll: async () => rows });
  const origin = { source: 'g/src@1', partition: 0 };
  expect(await reader.read('a', 0, origin)).toEqual({
    watermark: 100,
    lowWater: 7,
    finished: false,
  });
  expect(await reader.read('a', 0)).toEqual({ watermark: 100, lowWater: 10, finished: false });
  expect((await reader.read('b', 0, origin))?.lowWater).toBe(MAX_TIMESTAMP);
});
