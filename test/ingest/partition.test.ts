// A partition while it is read: when its stream is one of the present, how far silence moves it, and that
// who goes on from what is kept counts neither a record nor a quiet moment twice.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventOrder } from '../../src/ingest/order.js';
import { Partition } from '../../src/ingest/partition.js';
import type { StoredProgress } from '../../src/ingest/progress.js';
import type { Clock } from '../../src/ingest/record.js';
import { MIN_TIMESTAMP, minutes, type Timestamp } from '../../src/time.js';
import { manualClock } from './helpers.js';

const NOW = Date.UTC(2026, 0, 31, 12);
const DELAY = 2_000;
const GRACE = 10_000;

function partitionOf(clock: Clock, progress: StoredProgress | null = null) {
  const order = new EventOrder(DELAY);
  const claim = { source: 'test', partition: 0, generation: 1, progress };
  const partition = new Partition({ claim, order, clock, graceMs: GRACE });
  let offset = partition.from;
  return {
    order,
    partition,
    /** A record comes, and is settled at once unless it is to stay open. */
    record: (timestamp: Timestamp | null, isOpen = false) => {
      const { tracker } = partition;
      const tracked = tracker.read(offset, order.watermarkOf(partition));
      if (timestamp !== null) {
        tracker.timed(tracked, timestamp);
        order.push({ source: 'test', partition: 0, offset, timestamp, data: {} });
      }
      offset++;
      partition.heard(timestamp);
      if (!isOpen) tracker.settle(tracked);
    },
    /** A look at this moment finds nothing. */
    look: () => {
      const until = partition.quietUntil(clock.monotonic());
      if (until !== null) order.advance(partition, until);
      return until;
    },
    publish: () => partition.progress(partition.tracker.watermark(order.watermark)),
  };
}

const kept = (parts: Partial<StoredProgress>): StoredProgress => ({
  watermark: 0,
  lowWater: 0,
  finished: false,
  nextOffset: 0,
  readTo: 0,
  orderingWatermark: 0,
  quietSince: null,
  ...parts,
});

describe('a stream is live', () => {
  test.each([
    [0, true],
    [-minutes(5), true],
    [-minutes(5) - 1, false],
    [minutes(5), true],
    [-minutes(60 * 24), false],
  ])('when its record lies within five minutes of the clock: %i ms is %s', (distance, isLive) => {
    const { partition, record } = partitionOf(manualClock(NOW));
    expect(partition.isLive).toBeNull();
    record(NOW + distance);
    expect(partition.isLive).toBe(isLive);
  });

  test('from its first live record on, historic until then', () => {
    const { partition, record } = partitionOf(manualClock(NOW));
    record(NOW - minutes(20));
    record(NOW - minutes(10));
    expect(partition.isLive).toBe(false);
    record(NOW - minutes(4));
    expect(partition.isLive).toBe(true);
  });

  test('and stays so after an outage, through all that is caught up with', () => {
    const clock = manualClock(NOW);
    const { partition, record, look } = partitionOf(clock);
    record(NOW);
    clock.passes(minutes(60));
    for (let minute = 1; minute <= 30; minute++) {
      record(NOW + minutes(minute));
      expect([minute, partition.isLive]).toEqual([minute, true]);
    }
    clock.passes(GRACE + 500);
    expect(look()).toBe(NOW + minutes(30) - DELAY - 1 + 500);
  });

  test('also when the outage was that of a process, and the records not delivered are older than it', () => {
    const clock = manualClock(NOW);
    const first = partitionOf(clock);
    first.record(NOW - minutes(1));
    // One session does not take its event for half an hour.
    first.record(NOW, true);
    for (let minute = 1; minute <= 30; minute++) {
      clock.passes(minutes(1));
      first.record(NOW + minutes(minute));
    }
    const progress = first.publish();
    expect(progress).toMatchObject({ lowWater: 1, quietSince: NOW + minutes(30) });
    clock.passes(minutes(30));
    const second = partitionOf(clock, progress);
    expect(second.partition.isLive).toBe(true);
    for (let minute = 0; minute <= 30; minute++) second.record(NOW + minutes(minute));
    expect(second.partition.isLive).toBe(true);
  });

  test('no longer when it goes back to what is past', () => {
    const clock = manualClock(NOW);
    const { partition, record } = partitionOf(clock);
    record(NOW);
    record(NOW - minutes(10));
    expect(partition.isLive).toBe(false);
    record(NOW);
    expect(partition.isLive).toBe(true);
  });

  test('records without a time say nothing of that', () => {
    const clock = manualClock(NOW);
    const { partition, record } = partitionOf(clock);
    record(null);
    expect(partition.isLive).toBeNull();
    record(NOW);
    clock.passes(minutes(60));
    record(null);
    expect(partition.isLive).toBe(true);
  });
});

describe('silence', () => {
  test('moves a live partition by what the look proves, less the grace', () => {
    const clock = manualClock(NOW);
    const { partition, record } = partitionOf(clock);
    record(NOW);
    clock.passes(60_000);
    expect(partition.quietUntil(GRACE)).toBeNull();
    expect(partition.quietUntil(GRACE + 1)).toBe(NOW - DELAY);
    expect(partition.quietUntil(GRACE + 1.7)).toBe(NOW - DELAY);
    // The look counts, not the moment at which it is heard of.
    expect(partition.quietUntil(GRACE + 5_000)).toBe(NOW - DELAY - 1 + 5_000);
    expect(partition.quietUntil(-5_000)).toBeNull();
  });

  test('does not move a historic one, nor one that has said nothing', () => {
    const clock = manualClock(NOW);
    const { look, record } = partitionOf(clock);
    clock.passes(minutes(60));
    expect(look()).toBeNull();
    record(NOW - minutes(60 * 24));
    clock.passes(minutes(60));
    expect(look()).toBeNull();
  });

  test('begins anew with each record, from where it had led', () => {
    const clock = manualClock(NOW);
    const { order, look, record, partition } = partitionOf(clock);
    record(NOW);
    clock.passes(GRACE + 30_000);
    look();
    record(NOW + 20_000);
    expect(order.watermarkOf(partition)).toBe(NOW - DELAY - 1 + 30_000);
    clock.passes(GRACE + 1_000);
    expect(look()).toBe(NOW - DELAY - 1 + 31_000);
    record(null);
    clock.passes(GRACE);
    expect(look()).toBeNull();
  });

  test('is told by the grace too where it moves nothing', () => {
    const clock = manualClock(NOW);
    const { partition, record } = partitionOf(clock);
    expect([partition.isSilent(GRACE), partition.isSilent(GRACE + 1)]).toEqual([false, true]);
    clock.passes(5_000);
    record(1_000);
    expect([partition.isSilent(5_000 + GRACE), partition.isSilent(5_001 + GRACE)]).toEqual([
      false,
      true,
    ]);
  });
});

describe('what is kept', () => {
  test('of a live partition is the wall time at which its silence began; of a historic one none', () => {
    const clock = manualClock(NOW);
    const { publish, record, look } = partitionOf(clock);
    expect(publish()).toEqual(kept({ watermark: MIN_TIMESTAMP, orderingWatermark: MIN_TIMESTAMP }));
    record(NOW - minutes(60));
    expect(publish().quietSince).toBeNull();
    record(NOW);
    clock.passes(3_000);
    const watermark = NOW - DELAY - 1;
    expect(publish()).toEqual(
      kept({
        watermark,
        orderingWatermark: watermark,
        lowWater: 2,
        nextOffset: 2,
        readTo: 2,
        quietSince: NOW,
      }),
    );
    clock.passes(GRACE + 1_000);
    look();
    // 4 s of the silence are in the watermark.
    expect(publish()).toEqual(
      kept({
        watermark: watermark + 4_000,
        orderingWatermark: watermark + 4_000,
        lowWater: 2,
        nextOffset: 2,
        readTo: 2,
        quietSince: NOW + 4_000,
      }),
    );
  });

  test('comes back from what nobody has touched', () => {
    const progress = kept({
      watermark: 100,
      lowWater: 7,
      nextOffset: 9,
      readTo: 12,
      orderingWatermark: 40,
      quietSince: NOW - 5_000,
    });
    const { partition, publish } = partitionOf(manualClock(NOW), progress);
    expect(publish()).toEqual(progress);
    expect([partition.from, partition.committed, partition.published]).toEqual([7, 7, 100]);
  });

  test('records of those before are done with up to the watermark, as long as they are read again', () => {
    const progress = kept({
      watermark: 100,
      lowWater: 7,
      nextOffset: 9,
      readTo: 9,
      orderingWatermark: 40,
    });
    const { partition, record, publish } = partitionOf(manualClock(NOW), progress);
    expect([
      partition.isDone(8, 100),
      partition.isDone(8, 101),
      partition.isDone(9, 100),
      partitionOf(manualClock(NOW)).partition.isDone(0, MIN_TIMESTAMP),
    ]).toEqual([true, false, false, false]);
    record(60);
    expect(publish()).toEqual({ ...progress, lowWater: 8 });
    record(3_000);
    record(3_010);
    expect(publish()).toEqual(
      kept({
        watermark: 1_009,
        lowWater: 10,
        nextOffset: 10,
        readTo: 10,
        orderingWatermark: 1_009,
      }),
    );
  });

  test('what those before have not read comes too late for their watermark, and only that', () => {
    const progress = kept({ watermark: 100, lowWater: 7, nextOffset: 8, readTo: 9 });
    const { partition, record, publish } = partitionOf(manualClock(NOW), progress);
    const isPromised = (offset: number, timestamp: Timestamp) =>
      partition.isPromised(offset, timestamp);
    expect([isPromised(9, 100), isPromised(9, 101), isPromised(8, 100)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(partitionOf(manualClock(NOW)).partition.isPromised(0, MIN_TIMESTAMP)).toBe(false);
    // It stays so until all that they had read is read again.
    record(60);
    expect(publish()).toMatchObject({ lowWater: 8, readTo: 9 });
    record(70);
    record(80);
    expect(publish()).toMatchObject({ lowWater: 10, readTo: 10 });
    expect(isPromised(10, 100)).toBe(true);
  });

  test('never goes back by an older publication', () => {
    const { partition } = partitionOf(manualClock(NOW));
    partition.keep(kept({ lowWater: 5, watermark: 50 }));
    partition.keep(kept({ lowWater: 4, watermark: 60 }));
    partition.keep(kept({ lowWater: 3, watermark: 40 }));
    expect([partition.committed, partition.published]).toEqual([5, 60]);
  });

  test('a record that is still open: silence is counted from what lies before it, never too far', () => {
    const clock = manualClock(NOW);
    const { record, publish, look } = partitionOf(clock);
    record(NOW);
    record(NOW + 1_000, true);
    clock.passes(GRACE + 30_000);
    look();
    const progress = publish();
    expect(progress).toMatchObject({ lowWater: 1, orderingWatermark: NOW - DELAY - 1 });
    clock.passes(5_000);
    const uninterrupted = look() as number;
    expect(partitionOf(clock, progress).look()).toBeLessThanOrEqual(uninterrupted);
  });

  test('a clock that has gone back gives no quiet, and takes none', () => {
    const clock = manualClock(NOW);
    const { record, publish, look } = partitionOf(clock);
    record(NOW);
    clock.passes(GRACE + 5_000);
    look();
    const progress = publish();
    const back = manualClock(NOW - minutes(60));
    const second = partitionOf(back, progress);
    expect(second.look()).toBeNull();
    expect(second.publish().watermark).toBe(progress.watermark);
    back.passes(GRACE + 700);
    expect(second.look()).toBe(progress.watermark + 700);
  });

  test('random restarts: silence leads where it would have led without them', () => {
    // Parts of a millisecond that add up without rounding.
    const upTo = (ms: number) => fc.nat(ms * 8).map((eighths) => eighths / 8);
    const step = fc.oneof(
      // Time that somebody reads, with a look at its end.
      fc.record({ reads: upTo(40_000) }),
      // A restart, after time in which nobody read.
      fc.record({ restart: upTo(100_000) }),
      fc.record({ record: fc.integer({ min: -3_000, max: 1_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const clock = manualClock(NOW);
        const whole = partitionOf(clock);
        let broken = partitionOf(clock);
        const tell = (timestamp: Timestamp) => {
          whole.record(timestamp);
          broken.record(timestamp);
        };
        tell(NOW);
        let restarts = 0;
        for (const step of [...steps, { reads: 20_000 }]) {
          if ('reads' in step) {
            clock.passes(step.reads);
            whole.look();
            broken.look();
          } else if ('restart' in step) {
            const progress = broken.publish();
            clock.passes(step.restart);
            broken = partitionOf(clock, progress);
            restarts++;
          } else tell(Math.floor(clock.now()) + step.record);
          const [expected, found] = [whole, broken].map(({ order, partition }) =>
            order.watermarkOf(partition),
          ) as [number, number];
          // Never ahead; behind by what a restart rounds.
          expect(found).toBeLessThanOrEqual(expected);
          expect(expected - found).toBeLessThanOrEqual(restarts);
        }
      }),
      { numRuns: 500 },
    );
  });
});
