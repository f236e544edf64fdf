// G1 to G4: what may be promised of a partition, what is kept of it for the next to go on from, and who may
// say so. By hand, and against a slow model under random calls.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Claim,
  MemoryProgressStore,
  PartitionTracker,
  type StoredProgress,
  type Tracked,
} from '../../src/ingest/progress.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';

function readAt(tracker: PartitionTracker, offset: number, timestamp: number): Tracked {
  const tracked = tracker.read(offset);
  tracker.timed(tracked, timestamp);
  return tracked;
}

test('the watermark stops before the earliest event that is not settled', () => {
  const tracker = new PartitionTracker();
  const late = readAt(tracker, 0, 50);
  const early = readAt(tracker, 1, 40);
  expect(tracker.watermark(100)).toBe(39);
  tracker.settle(early);
  expect(tracker.watermark(100)).toBe(49);
  tracker.settle(late);
  expect(tracker.watermark(100)).toBe(100);
});

test('with nothing unsettled it is the ordering watermark, up to the end of time', () => {
  const tracker = new PartitionTracker();
  expect(tracker.watermark(MIN_TIMESTAMP)).toBe(MIN_TIMESTAMP);
  expect(tracker.watermark(MAX_TIMESTAMP)).toBe(MAX_TIMESTAMP);
});

test('it never goes back', () => {
  const tracker = new PartitionTracker();
  expect(tracker.watermark(100)).toBe(100);
  readAt(tracker, 0, 50);
  expect(tracker.watermark(100)).toBe(100);
});

test('an event for two sessions is settled when both have it', () => {
  const tracker = new PartitionTracker();
  const record = readAt(tracker, 0, 50);
  tracker.awaits(record);
  tracker.awaits(record);
  tracker.settle(record);
  tracker.settle(record);
  expect([tracker.watermark(100), tracker.lowWater]).toEqual([49, 0]);
  tracker.settle(record);
  expect([tracker.watermark(100), tracker.lowWater]).toEqual([100, 1]);
});

test('the low-water mark is the lowest offset not settled; gaps are allowed', () => {
  const tracker = new PartitionTracker();
  expect(tracker.lowWater).toBe(0);
  const records = [3, 4, 9].map((offset) => tracker.read(offset));
  expect(tracker.lowWater).toBe(3);
  tracker.settle(records[1] as Tracked);
  expect(tracker.lowWater).toBe(3);
  tracker.settle(records[0] as Tracked);
  expect(tracker.lowWater).toBe(9);
  tracker.settle(records[2] as Tracked);
  expect(tracker.lowWater).toBe(10);
});

test('offsets that do not rise are refused: their record would be lost below the low-water mark', () => {
  const tracker = new PartitionTracker();
  tracker.read(5);
  expect(() => tracker.read(5)).toThrow('offset');
  expect(() => tracker.read(4)).toThrow('offset');
});

test('a million settled records leave nothing behind', () => {
  const tracker = new PartitionTracker();
  const before = process.memoryUsage().heapUsed;
  for (let offset = 0; offset < 1_000_000; offset++)
    tracker.settle(readAt(tracker, offset, offset));
  expect(tracker.lowWater).toBe(1_000_000);
  expect((process.memoryUsage().heapUsed - before) / 1e6).toBeLessThan(60);
});

test('random reads and settlements', () => {
  const step = fc.oneof(
    fc.record({ read: fc.nat(50), ordering: fc.nat(50) }),
    fc.record({ settle: fc.nat(30), ordering: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const tracker = new PartitionTracker();
      const open: { tracked: Tracked; offset: number; time: number }[] = [];
      let read = 0;
      let published: number = MIN_TIMESTAMP;
      for (const step of steps) {
        if ('read' in step) {
          open.push({ tracked: readAt(tracker, read, step.read), offset: read, time: step.read });
          read++;
        } else if (open.length > 0) {
          const [settled] = open.splice(step.settle % open.length, 1);
          tracker.settle((settled as (typeof open)[number]).tracked);
        }
        const promised = Math.min(step.ordering, ...open.map(({ time }) => time - 1));
        published = Math.max(published, promised);
        expect(tracker.watermark(step.ordering)).toBe(published);
        expect(tracker.lowWater).toBe(Math.min(read, ...open.map(({ offset }) => offset)));
      }
    }),
  );
});

describe('G4: what the next one goes on from', () => {
  test('the ordering watermark is the one before the record at the low-water mark', () => {
    const tracker = new PartitionTracker();
    expect(tracker.orderingAtLowWater(5)).toBe(5);
    const records = [10, 20, 30].map((before, offset) => tracker.read(offset, before));
    expect([tracker.lowWater, tracker.orderingAtLowWater(40)]).toEqual([0, 10]);
    tracker.settle(records[1] as Tracked);
    expect([tracker.lowWater, tracker.orderingAtLowWater(40)]).toEqual([0, 10]);
    tracker.settle(records[0] as Tracked);
    expect([tracker.lowWater, tracker.orderingAtLowWater(40)]).toEqual([2, 30]);
    tracker.settle(records[2] as Tracked);
    expect([tracker.lowWater, tracker.orderingAtLowWater(40)]).toEqual([3, 40]);
  });

  test('what was read is done with up to the watermark', () => {
    const tracker = new PartitionTracker();
    const records = [50, 40, 60].map((time, offset) => readAt(tracker, offset, time));
    expect([tracker.watermark(100), tracker.doneBelow(39)]).toEqual([39, 3]);
    tracker.settle(records[1] as Tracked);
    expect([tracker.watermark(100), tracker.doneBelow(49)]).toEqual([49, 3]);
  });

  test('but for a late event whose output is pending', () => {
    const tracker = new PartitionTracker();
    const first = readAt(tracker, 0, 200);
    readAt(tracker, 1, 210);
    const late = readAt(tracker, 2, 50);
    const after = readAt(tracker, 3, 220);
    const malformed = tracker.read(4);
    tracker.settle(first);
    tracker.settle(after);
    // Of what comes after it nothing is known: it is read again, as a repeat.
    expect([tracker.doneBelow(205), tracker.doneBelow(49)]).toEqual([2, 5]);
    tracker.settle(late);
    expect([tracker.doneBelow(205), tracker.lowWater]).toEqual([5, 1]);
    // It has no time, and lies above the low-water mark: that is enough to read it again.
    tracker.settle(malformed);
    expect(tracker.doneBelow(205)).toBe(5);
  });

  test('goes on from the low-water mark, with the watermark that was published', () => {
    const tracker = new PartitionTracker({ lowWater: 7, watermark: 100 });
    expect([tracker.next, tracker.lowWater, tracker.watermark(MIN_TIMESTAMP)]).toEqual([7, 7, 100]);
    expect([tracker.doneBelow(100), tracker.orderingAtLowWater(60)]).toEqual([7, 60]);
    expect(() => tracker.read(6)).toThrow('offset');
    readAt(tracker, 7, 90);
    expect(tracker.watermark(200)).toBe(100);
    expect(tracker.doneBelow(100)).toBe(7);
  });

  test('random crashes: each record is decided as the first time, and nothing that is open counts as done', () => {
    const step = fc.oneof(
      { weight: 2, arbitrary: fc.record({ read: fc.nat(50) }) },
      { weight: 2, arbitrary: fc.record({ settle: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ crash: fc.constant(true) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const times: number[] = [];
        /** The ordering watermark before each record when it was first read. */
        const befores: number[] = [];
        const settled = new Set<number>();
        let kept: StoredProgress = {
          watermark: MIN_TIMESTAMP,
          lowWater: 0,
          finished: false,
          nextOffset: 0,
          readTo: 0,
          orderingWatermark: MIN_TIMESTAMP,
          quietSince: null,
        };
        let tracker = new PartitionTracker(kept);
        let ordering = kept.orderingWatermark as number;
        let open: { tracked: Tracked; offset: number }[] = [];
        const read = (offset: number) => {
          const time = times[offset] as number;
          const tracked = tracker.read(offset, ordering);
          befores[offset] ??= ordering;
          expect(ordering).toBe(befores[offset]);
          tracker.timed(tracked, time);
          if (time > ordering) ordering = Math.max(ordering, time - 5);
          if (offset < kept.nextOffset && time <= kept.watermark) {
            expect(settled).toContain(offset);
            tracker.settle(tracked);
          } else open.push({ tracked, offset });
        };
        for (const step of steps) {
          if ('read' in step) {
            times.push(step.read);
            read(times.length - 1);
          } else if ('settle' in step && open.length > 0) {
            const [one] = open.splice(step.settle % open.length, 1) as [(typeof open)[number]];
            settled.add(one.offset);
            tracker.settle(one.tracked);
          } else if ('crash' in step) {
            const watermark = tracker.watermark(ordering);
            kept = {
              ...kept,
              watermark,
              lowWater: tracker.lowWater,
              nextOffset: tracker.doneBelow(watermark),
              readTo: tracker.next,
              orderingWatermark: tracker.orderingAtLowWater(ordering),
            };
            for (let offset = 0; offset < kept.lowWater; offset++)
              expect(settled).toContain(offset);
            tracker = new PartitionTracker(kept);
            ordering = kept.orderingWatermark;
            open = [];
            for (let offset = kept.lowWater; offset < times.length; offset++) read(offset);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('progress in memory', () => {
  const progress = (lowWater: number, finished = false): StoredProgress => ({
    watermark: lowWater * 10,
    lowWater,
    finished,
    nextOffset: lowWater,
    readTo: lowWater,
    orderingWatermark: lowWater * 10,
    quietSince: null,
  });
  const claimOf = async (store: MemoryProgressStore, partition = 0): Promise<Claim> =>
    (await store.claim('test', [partition]))[0] as Claim;

  test('each claim is later than the one before, and is given what was kept', async () => {
    const store = new MemoryProgressStore();
    expect(await store.claim('test', [0, 2])).toEqual([
      { source: 'test', partition: 0, generation: 1, progress: null },
      { source: 'test', partition: 2, generation: 1, progress: null },
    ]);
    const publication = { source: 'test', partition: 2, generation: 1, progress: progress(5) };
    expect(await store.publish([publication])).toEqual([]);
    expect(await store.claim('test', [2])).toEqual([{ ...publication, generation: 2 }]);
    expect(await store.claim('other', [2])).toEqual([
      { source: 'other', partition: 2, generation: 1, progress: null },
    ]);
    expect(await store.read('test', 2)).toEqual(progress(5));
    expect([await store.read('test', 0), await store.read('test', 1)]).toEqual([null, null]);
  });

  test('what an older claim says is refused, the rest of the publication is taken', async () => {
    const store = new MemoryProgressStore();
    const old = await claimOf(store);
    const other = await claimOf(store, 1);
    await store.publish([{ ...old, progress: progress(1) }]);
    const latest = await claimOf(store);
    const refused = { ...old, progress: progress(9) };
    expect(await store.publish([refused, { ...other, progress: progress(3) }])).toEqual([refused]);
    expect([await store.read('test', 0), await store.read('test', 1)]).toEqual([
      progress(1),
      progress(3),
    ]);
    expect(await store.publish([{ ...latest, progress: progress(2) }])).toEqual([]);
    expect(await store.read('test', 0)).toEqual(progress(2));
  });

  test('nothing is taken of what nobody has claimed', async () => {
    const store = new MemoryProgressStore();
    const publication = { source: 'test', partition: 0, generation: 1, progress: progress(1) };
    expect(await store.publish([publication])).toEqual([publication]);
    expect(await store.read('test', 0)).toBeNull();
  });

  test('a source that has ended begins anew; until then it can be read as ended', async () => {
    const store = new MemoryProgressStore();
    await store.publish([{ ...(await claimOf(store)), progress: progress(7, true) }]);
    expect(await store.read('test', 0)).toEqual(progress(7, true));
    expect(await claimOf(store)).toEqual({
      source: 'test',
      partition: 0,
      generation: 2,
      progress: null,
    });
    expect(await store.read('test', 0)).toBeNull();
  });
});
