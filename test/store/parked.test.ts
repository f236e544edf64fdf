// Parked sessions in SQL: what is refused is kept in order, and a session stops being parked only when nothing is kept,
// also while an ingestor keeps and somebody retries at the same time.

import { describe, expect, test } from 'vitest';
import type { RefusedSignal } from '../../src/ingest/parked.js';
import { sqlParkedSessions } from '../../src/store/parked.js';
import { ENGINES, useDatabase } from './support/database.js';

const REF = { journey: 'shop', key: 'ann' };
const OTHER = { journey: 'shop', key: `${'k'.repeat(300)}` };

function signal(offset: number, text = ''): RefusedSignal {
  const events = [{ offset, timestamp: offset, data: { text } }];
  return {
    batches: [{ source: 's', partition: 0, events, watermark: offset, lowWater: 0 }],
    begins: offset === 0,
  };
}

describe.each(ENGINES)('%s', (engine) => {
  const db = useDatabase(engine);

  test('signals are kept in order while their session is parked, and not else', async () => {
    const parked = sqlParkedSessions(db.database);
    expect(await parked.keep(REF, signal(0))).toBe(false);
    await parked.park(REF, 'too large');
    await parked.park(OTHER, 'signal limit');
    expect(await parked.keep(REF, signal(0, 'a\u0000\ud800'))).toBe(true);
    expect(await parked.keep(OTHER, signal(7))).toBe(true);
    expect(await parked.keep(REF, signal(1))).toBe(true);
    expect((await parked.counts()).toSorted((a, b) => b.signals - a.signals)).toEqual([
      { ...REF, signals: 2 },
      { ...OTHER, signals: 1 },
    ]);
    const first = await parked.first(REF);
    expect(first).toEqual({ ...signal(0, 'a\u0000\ud800'), number: expect.any(Number) });
    expect(await parked.unpark(REF)).toBe(false);
    const behind = await parked.first(REF, first?.number);
    await parked.sent(REF, first?.number ?? -1);
    const second = await parked.first(REF);
    expect(behind).toEqual(second);
    expect(await parked.first(REF, second?.number)).toBeNull();
    expect(second).toEqual({ ...signal(1), number: expect.any(Number) });
    await parked.sent(REF, second?.number ?? -1);
    expect(await parked.first(REF)).toBeNull();
    expect(await parked.unpark(REF)).toBe(true);
    expect((await parked.list()).map(({ key }) => key)).toEqual([OTHER.key]);
    expect(await parked.keep(REF, signal(2))).toBe(false);
    expect(await parked.first(OTHER)).toMatchObject(signal(7));
  });

  test('who keeps and who retries see one order: nothing is left behind', async () => {
    const [keeper, retrier] = [db.database, await db.another()].map(sqlParkedSessions);
    for (let round = 0; round < 20; round++) {
      await keeper?.park(REF, 'signal limit');
      const [isKept, isUnparked] = await Promise.all([
        keeper?.keep(REF, signal(round)),
        retrier?.unpark(REF),
      ]);
      // Either it was kept and the session is parked still, or it has to be sent.
      expect(isKept).toBe(!isUnparked);
      const kept = await retrier?.first(REF);
      expect(kept !== null).toBe(isKept);
      if (kept) await retrier?.sent(REF, kept.number);
      expect(await retrier?.unpark(REF)).toBe(true);
    }
  });
});
