// Claims, publications and their refusal, as MemoryProgressStore and its users know them, in SQL.

import { describe, expect, test } from 'vitest';
import type { Publication, StoredProgress } from '../../src/ingest/progress.js';
import { sqlProgressStore } from '../../src/store/progress-store.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';
import { ENGINES, useDatabase } from './support/database.js';

const NOTHING_YET = { watermark: MIN_TIMESTAMP, lowWater: 0, finished: false };

function progressAt(lowWater: number, rest: Partial<StoredProgress> = {}): StoredProgress {
  return {
    watermark: 1_000 + lowWater,
    lowWater,
    nextOffset: lowWater + 7,
    readTo: lowWater + 9,
    orderingWatermark: 500 + lowWater,
    quietSince: 1_700_000_000_000,
    finished: false,
    ...rest,
  };
}

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);
  const open = () => sqlProgressStore(at.database);
  const publication = (
    partition: number,
    generation: number,
    progress: StoredProgress,
  ): Publication => ({ source: 'clicks@1', partition, generation, progress });

  test('nobody has claimed, nothing is known', async () => {
    const store = open();
    expect(await store.read('clicks@1', 0)).toBeNull();
    expect(await store.readAll()).toEqual([]);
    expect(await store.claim('clicks@1', [], 'a')).toEqual([]);
    expect(await store.publish([])).toEqual([]);
  });

  test('of a repartitioned topic what is known of its source, and low-water marks of that', async () => {
    const store = open();
    const source = 'clicks@1';
    const origin = (partition: number) => ({ source: 'g/src@1', partition });
    const origins = {
      source: 'g/src@1',
      partitions: [{ watermark: 50, lowWater: 7, isSilent: true }, null],
      watermark: MIN_TIMESTAMP,
      retired: ['g/src@0'],
    };
    const progress = progressAt(3, { origins });
    await store.claim(source, [0, 1], 'a');
    await store.publish([publication(0, 1, progress), publication(1, 1, progressAt(3))]);
    const lowWaters = async () => [
      (await store.read(source, 0))?.lowWater,
      (await store.read(source, 0, origin(0)))?.lowWater,
      (await store.read(source, 0, origin(1)))?.lowWater,
      (await store.read(source, 0, { source: 'g/src@0', partition: 0 }))?.lowWater,
      (await store.read(source, 1, origin(0)))?.lowWater,
    ];
    expect(await lowWaters()).toEqual([3, 7, 0, MAX_TIMESTAMP, 0]);
    expect((await store.readAll()).map(({ origins: of }) => of)).toEqual([origins, undefined]);
    expect((await store.overview()).map(({ origins: of }) => of)).toEqual([origins, undefined]);
    const claims = await store.claim(source, [0, 1], 'b');
    expect(claims.map((claim) => claim.progress)).toEqual([progress, progressAt(3)]);
    // What has ended says nothing about the next run.
    await store.publish([publication(0, 2, { ...progress, finished: true })]);
    await store.claim(source, [0], 'c');
    expect((await store.overview())[0]?.origins).toBeUndefined();
  });

  test('a claim takes partitions, in the order asked, and a later one takes them over', async () => {
    const store = open();
    const source = 'clicks@1';
    expect(await store.claim(source, [2, 0], 'a')).toEqual([
      { source, partition: 2, generation: 1, progress: null },
      { source, partition: 0, generation: 1, progress: null },
    ]);
    expect(await store.read(source, 2)).toEqual(NOTHING_YET);
    expect(await store.claim(source, [0, 1], 'b')).toEqual([
      { source, partition: 0, generation: 2, progress: null },
      { source, partition: 1, generation: 1, progress: null },
    ]);
    expect(await store.readAll()).toEqual([
      { source, partition: 0, ...NOTHING_YET, continuedBy: null },
      { source, partition: 1, ...NOTHING_YET, continuedBy: null },
      { source, partition: 2, ...NOTHING_YET, continuedBy: null },
    ]);
    const { db } = at.database;
    const rows = await db.selectFrom('cep_progress').select(['partition', 'owner']).execute();
    expect(rows.sort((a, b) => a.partition - b.partition)).toEqual([
      { partition: 0, owner: 'b' },
      { partition: 1, owner: 'b' },
      { partition: 2, owner: 'a' },
    ]);
  });

  test('what is published is read, and found by the next claim', async () => {
    const store = open();
    const source = 'clicks@1';
    await store.claim(source, [0, 1, 2], 'a');
    const ends = progressAt(Number.MAX_SAFE_INTEGER, {
      watermark: MAX_TIMESTAMP,
      nextOffset: Number.MAX_SAFE_INTEGER,
      readTo: Number.MAX_SAFE_INTEGER,
      orderingWatermark: MAX_TIMESTAMP,
      quietSince: null,
    });
    const begins = progressAt(0, {
      watermark: MIN_TIMESTAMP,
      nextOffset: 0,
      readTo: 0,
      orderingWatermark: MIN_TIMESTAMP,
      quietSince: null,
    });
    const published = [progressAt(40), ends, begins];
    expect(await store.publish(published.map((p, i) => publication(i, 1, p)))).toEqual([]);
    expect(await store.read(source, 0)).toEqual({
      watermark: 1_040,
      lowWater: 40,
      finished: false,
      isLive: true,
    });
    expect(await store.claim(source, [0, 1, 2], 'b')).toEqual(
      published.map((progress, partition) => ({ source, partition, generation: 2, progress })),
    );
  });

  test('who was replaced is refused, the others are not', async () => {
    const store = open();
    await store.claim('clicks@1', [0, 1], 'a');
    await store.claim('clicks@1', [1], 'b');
    const [stale, unknown] = [publication(1, 1, progressAt(9)), publication(5, 1, progressAt(9))];
    const refused = await store.publish([stale, unknown, publication(0, 1, progressAt(3))]);
    expect(refused).toEqual([stale, unknown]);
    expect(await store.read('clicks@1', 0)).toEqual({
      watermark: 1_003,
      lowWater: 3,
      finished: false,
      isLive: true,
    });
    expect(await store.read('clicks@1', 1)).toEqual(NOTHING_YET);
    expect(await store.read('clicks@1', 5)).toBeNull();
    // Both of one partition, from before and after it came back.
    const current = publication(1, 2, progressAt(4));
    expect(await store.publish([stale, current])).toEqual([stale]);
  });

  test('a claim and a publication at once: whichever comes second knows of the first', async () => {
    const store = open();
    const partitions = Array.from({ length: 20 }, (_, i) => i);
    let claims = await store.claim('clicks@1', partitions, 'a', 'clicks');
    for (let round = 1; round <= 10; round++) {
      const publications = claims.map(({ partition, generation }) =>
        publication(partition, generation, progressAt(round)),
      );
      const [refused, next] = await Promise.all([
        store.publish(publications.reverse()),
        store.claim('clicks@1', partitions, 'b', 'clicks'),
      ]);
      const found = next[0]?.progress?.lowWater ?? 0;
      expect(next.map(({ progress }) => progress?.lowWater ?? 0)).toEqual(
        partitions.map(() => found),
      );
      expect(refused).toEqual(found === round ? [] : publications);
      claims = next;
    }
    expect(claims.map(({ generation }) => generation)).toEqual(partitions.map(() => 11));
  });

  test('nothing goes back', async () => {
    const store = open();
    await store.claim('clicks@1', [0, 1], 'a');
    await store.publish([publication(0, 1, progressAt(10))]);
    await store.publish([publication(0, 1, progressAt(10))]);
    const back = publication(0, 1, progressAt(10, { watermark: 1_009 }));
    await expect(store.publish([publication(1, 1, progressAt(1)), back])).rejects.toThrow(
      'broken invariant: a watermark never goes back (clicks@1, partition 0: 1009 after 1010)',
    );
    await expect(
      store.publish([publication(0, 1, progressAt(9, { watermark: 1_011 }))]),
    ).rejects.toThrow(
      'broken invariant: a low-water mark never goes back (clicks@1, partition 0: 9 after 10)',
    );
    expect(await store.readAll()).toEqual([
      {
        source: 'clicks@1',
        partition: 0,
        watermark: 1_010,
        lowWater: 10,
        finished: false,
        isLive: true,
        continuedBy: null,
      },
      { source: 'clicks@1', partition: 1, ...NOTHING_YET, continuedBy: null },
    ]);
  });

  test('a source that has ended begins anew', async () => {
    const store = open();
    await store.claim('clicks@1', [0, 1], 'a');
    const last = progressAt(10, { watermark: MAX_TIMESTAMP, finished: true });
    await store.publish([publication(0, 1, last), publication(1, 1, progressAt(5))]);
    expect(await store.read('clicks@1', 0)).toEqual({
      watermark: MAX_TIMESTAMP,
      lowWater: 10,
      finished: true,
      isLive: true,
    });
    expect(await store.claim('clicks@1', [0, 1], 'b')).toEqual([
      { source: 'clicks@1', partition: 0, generation: 2, progress: null },
      { source: 'clicks@1', partition: 1, generation: 2, progress: progressAt(5) },
    ]);
    expect(await store.read('clicks@1', 0)).toEqual(NOTHING_YET);
    await store.publish([publication(0, 2, progressAt(0))]);
  });

  test('a topic made anew continues the one before', async () => {
    const store = open();
    const continuedBy = async () =>
      (await store.readAll()).map((row) => [row.source, row.partition, row.continuedBy]);
    await store.claim('clicks@1', [0, 1], 'a', 'clicks');
    await store.claim('orders@1', [0], 'a', 'orders');
    await store.claim('file:clicks', [0], 'a');
    await store.claim('clicks@2', [0], 'a', 'clicks');
    expect(await continuedBy()).toEqual([
      ['clicks@1', 0, 'clicks@2'],
      ['clicks@1', 1, 'clicks@2'],
      ['clicks@2', 0, null],
      ['file:clicks', 0, null],
      ['orders@1', 0, null],
    ]);
    await store.claim('clicks@3', [0], 'a', 'clicks');
    await store.claim('clicks@3', [1], 'b', 'clicks');
    // A process that has not noticed yet: the chain gets no circle.
    await store.claim('clicks@1', [1], 'a', 'clicks');
    expect(await continuedBy()).toEqual([
      ['clicks@1', 0, null],
      ['clicks@1', 1, null],
      ['clicks@2', 0, 'clicks@1'],
      ['clicks@3', 0, 'clicks@1'],
      ['clicks@3', 1, 'clicks@1'],
      ['file:clicks', 0, null],
      ['orders@1', 0, null],
    ]);
  });

  test('claims of both incarnations at once end, one behind the other', async () => {
    const store = open();
    const partitions = Array.from({ length: 10 }, (_, i) => i);
    for (let round = 0; round < 5; round++) {
      await Promise.all([
        store.claim('clicks@1', partitions, 'a', 'clicks'),
        store.claim('clicks@2', [...partitions].reverse(), 'b', 'clicks'),
      ]);
    }
    const open1 = (await store.readAll()).filter(({ continuedBy }) => continuedBy === null);
    expect(new Set(open1.map(({ source }) => source)).size).toBe(1);
    expect(open1.map(({ partition }) => partition)).toEqual(partitions);
  });
});
