// G1 to G3: what may be promised of a partition. By hand, and against a slow model under random calls.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PartitionTracker, type Tracked } from '../../src/ingest/progress.js';
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
