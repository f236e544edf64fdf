// What else is kept, parked sessions and what is known of sources; and the store as a whole.

import { describe, expect, test } from 'vitest';
import { sqlParkedSessions } from '../../src/store/parked.js';
import { sqlSources } from '../../src/store/sources.js';
import { openStore } from '../../src/store/store.js';
import { MIN_TIMESTAMP } from '../../src/time.js';
import { ENGINES, useDatabase } from './support/database.js';

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);

  test('parked sessions, the first parked first', async () => {
    const parked = sqlParkedSessions(at.database);
    expect(await parked.list()).toEqual([]);
    const long = 'k'.repeat(100_000);
    await parked.park({ journey: 'churn', key: 'u2' }, 'too large');
    await parked.park({ journey: 'churn', key: long }, 'signal limit');
    await parked.park({ journey: 'abandonment', key: 'u\0' }, 'too\0large');
    const before = await parked.list();
    await parked.park({ journey: 'churn', key: 'u2' }, 'signal limit');
    const parkedAt = expect.any(Number);
    expect(before).toEqual([
      { journey: 'churn', key: 'u2', reason: 'too large', parkedAt },
      { journey: 'churn', key: long, reason: 'signal limit', parkedAt },
      { journey: 'abandonment', key: 'u\ufffd', reason: 'too\ufffdlarge', parkedAt },
    ]);
    expect(await parked.list()).toEqual([
      { ...before[0], reason: 'signal limit' },
      ...before.slice(1),
    ]);
    expect(Math.abs((before[0]?.parkedAt ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  test('how many partitions a topic had at first, whoever asks and whatever else is kept', async () => {
    const sources = sqlSources(at.database);
    await sources.setKeyed('views@1', 'views', true);
    const asked = ['views@1', 'carts@1'].flatMap((source) =>
      [3, 5, 4].map((now) => () => sources.firstPartitions(source, 'any', now)),
    );
    const found: number[] = [];
    for (const ask of asked) found.push(await ask());
    expect(found).toEqual([3, 3, 3, 3, 3, 3]);
    await sources.setKeyed('carts@1', 'carts', false);
    expect(await sources.firstPartitions('carts@1', 'carts', 9)).toBe(3);
    expect([await sources.keyedOf('views@1'), await sources.keyedOf('carts@1')]).toEqual([
      ...[true, false],
    ]);
  });

  test('whether a source is keyed', async () => {
    const sources = sqlSources(at.database);
    expect(await sources.keyedOf('clicks@1')).toBeNull();
    await sources.setKeyed('clicks@1', 'clicks', false);
    await sources.setKeyed('orders@1', 'orders', false);
    expect(await sources.keyedOf('clicks@1')).toBe(false);
    await sources.setKeyed('clicks@1', 'clicks', true);
    expect(await sources.keyedOf('clicks@1')).toBe(true);
    expect(await sources.keyedOf('orders@1')).toBe(false);
  });
});

test('a store that is not set up is refused, or set up', async () => {
  await expect(openStore({ memory: true }, { migrate: false })).rejects.toThrow(
    'the database in memory has not been set up: run temporal-cep setup',
  );
  const store = await openStore({ memory: true }, { migrate: true });
  try {
    const source = 'clicks@1';
    await store.progress.claim(source, [0], 'a');
    // From a copy: the claim of the other partition is not seen yet.
    const nothingYet = { watermark: MIN_TIMESTAMP, lowWater: 0, finished: false };
    expect(await store.progress.read(source, 0)).toEqual(nothingYet);
    await store.progress.claim(source, [1], 'a');
    expect(await store.progress.read(source, 1)).toBeNull();
    expect(await store.progress.readAll()).toEqual([
      { source, partition: 0, ...nothingYet, continuedBy: null },
      { source, partition: 1, ...nothingYet, continuedBy: null },
    ]);
  } finally {
    await store.close();
    await store.close();
  }
});
