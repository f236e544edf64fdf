// R1 to R3: which events are new, how far event time is, and when a session may forget where its events
// came from. By hand, and held against a slow model under random calls.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MIN_TIMESTAMP } from '../../src/time.js';
import { Sources } from '../../src/workflows/sources.js';

const p0 = { source: 'clicks', partition: 0 };
const p1 = { source: 'clicks', partition: 1 };
const restored = (sources: Sources) => new Sources(JSON.parse(JSON.stringify(sources.snapshot())));

describe('R1', () => {
  test('an offset is new once, and never below the low-water mark', () => {
    const sources = new Sources();
    expect([5, 5, 3, 7].map((offset) => sources.take(p0, offset))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    // Another partition, and another source, have offsets of their own.
    expect(sources.take(p1, 5)).toBe(true);
    expect(sources.take({ source: 'orders', partition: 0 }, 5)).toBe(true);
    sources.promise(p0, { watermark: 1, lowWater: 6 });
    expect([4, 5, 6, 7, 8].map((offset) => sources.take(p0, offset))).toEqual([
      false,
      false,
      true,
      false,
      true,
    ]);
  });

  test('only offsets at or above the low-water mark are remembered', () => {
    const sources = new Sources();
    for (let offset = 0; offset < 10; offset++) sources.take(p0, offset);
    sources.promise(p0, { watermark: 1, lowWater: 8 });
    expect(sources.snapshot()).toEqual([
      { ...p0, watermark: 1, lowWater: 8, highest: 9, finished: false, seen: [8, 9] },
    ]);
  });
});

describe('R2', () => {
  test('event time is the minimum over the partitions that have not ended', () => {
    const sources = new Sources();
    expect(sources.watermark).toBe(MIN_TIMESTAMP);
    sources.promise(p0, { watermark: 10, lowWater: 0 });
    expect(sources.watermark).toBe(10);
    sources.take(p1, 0);
    expect(sources.watermark).toBe(MIN_TIMESTAMP);
    sources.promise(p1, { watermark: 5, lowWater: 0 });
    expect(sources.watermark).toBe(5);
    sources.promise(p1, { watermark: 3, lowWater: 0 });
    expect(sources.watermark).toBe(5);
    sources.promise(p1, { watermark: 6, lowWater: 0, finished: true });
    expect(sources.watermark).toBe(10);
    sources.promise(p0, { watermark: 8, lowWater: 0, finished: true });
    // All have ended: as far as any of them came.
    expect(sources.watermark).toBe(10);
  });
});

describe('R3', () => {
  test('forgets only when nothing it took can be delivered again', () => {
    const sources = new Sources();
    expect(sources.canForget).toBe(true);
    sources.take(p0, 4);
    expect(sources.canForget).toBe(false);
    sources.promise(p0, { watermark: 1, lowWater: 4 });
    expect(sources.canForget).toBe(false);
    sources.promise(p0, { watermark: 1, lowWater: 5 });
    expect(sources.canForget).toBe(true);
    sources.take(p1, 0);
    expect(sources.canForget).toBe(false);
    sources.promise(p1, { watermark: 1, lowWater: 0, finished: true });
    expect(sources.canForget).toBe(true);
  });
});

describe('R4', () => {
  const clicks = { source: 'g/clicks@1', partition: 0 };
  const orders = { source: 'g/clicks@1', partition: 1 };
  const q0 = (origin = clicks) => ({ source: 's/by-key@1', partition: 0, origin });
  const q1 = (origin = clicks) => ({ source: 's/by-key@1', partition: 1, origin });

  test('each origin has offsets and low-water mark of its own, the partition has the watermark', () => {
    const sources = new Sources();
    expect([sources.take(q0(), 5), sources.take(q0(orders), 5), sources.take(q0(), 5)]).toEqual([
      ...[true, true, false],
    ]);
    sources.promise(q0(), { watermark: 10, lowWater: 6 });
    sources.promise(q0(orders), { watermark: 30, lowWater: 5 });
    // Both are told of by one partition, and only the younger word counts.
    expect(sources.watermark).toBe(30);
    expect([sources.take(q0(), 4), sources.take(q0(orders), 4)]).toEqual([false, false]);
    expect(sources.canForget).toBe(false);
    sources.promise(q0(orders), { watermark: 30, lowWater: 6 });
    expect(sources.canForget).toBe(true);
    expect(sources.has('s/by-key@1', 0)).toBe(true);
  });

  test('event time is the minimum over the partitions, not over the origins', () => {
    const sources = new Sources();
    sources.promise(q0(), { watermark: 10, lowWater: 0 });
    sources.promise(q1(), { watermark: 4, lowWater: 0 });
    sources.promise(q0(orders), { watermark: 20, lowWater: 0 });
    expect(sources.watermark).toBe(4);
    sources.promise(q1(orders), { watermark: 25, lowWater: 0 });
    expect(sources.watermark).toBe(20);
  });

  test('what another partition has brought is a repeat; its low-water mark says nothing here', () => {
    let sources = new Sources();
    expect([sources.take(q0(), 7), sources.take(q1(), 7)]).toEqual([true, false]);
    sources.promise(q1(), { watermark: 1, lowWater: 100 });
    sources = restored(sources);
    // Written before the topic grew, and still on its way.
    expect([sources.take(q0(), 8), sources.take(q0(), 7)]).toEqual([true, false]);
  });

  test('is told of beside partitions without origins', () => {
    const sources = new Sources();
    sources.take({ source: 's/by-key@1', partition: 0 }, 3);
    sources.take(q0(), 3);
    expect(sources.unfinished().map(({ partition, origin }) => [partition, origin])).toEqual([
      [0, undefined],
      [0, clicks],
    ]);
  });
});

test('knows which partitions go on, and whether all have ended', () => {
  const sources = new Sources();
  expect([sources.allFinished, sources.has('clicks', 0)]).toEqual([false, false]);
  sources.promise(p0, { watermark: 1, lowWater: 0 });
  expect([sources.allFinished, sources.has('clicks', 0)]).toEqual([false, true]);
  expect(sources.unfinished().map(({ source, partition }) => [source, partition])).toEqual([
    ['clicks', 0],
  ]);
  sources.promise(p0, { watermark: 1, lowWater: 0, finished: true });
  // An end is for good.
  sources.promise(p0, { watermark: 2, lowWater: 0, finished: false });
  expect([sources.allFinished, sources.has('clicks', 0)]).toEqual([true, false]);
  expect(sources.unfinished()).toEqual([]);
  sources.clear();
  expect([sources.allFinished, sources.snapshot()]).toEqual([false, []]);
});

type Call =
  | { type: 'take'; partition: number; offset: number }
  | { type: 'promise'; partition: number; watermark: number; lowWater: number; finished: boolean };

/** The rules said again, with everything remembered. */
class Model {
  readonly taken = new Map<number, Set<number>>();
  readonly promises: (Call & { type: 'promise' })[] = [];

  lowWater(partition: number): number {
    const marks = this.promises.filter((p) => p.partition === partition).map((p) => p.lowWater);
    return Math.max(0, ...marks);
  }
  hasEnded(partition: number): boolean {
    return this.promises.some((p) => p.partition === partition && p.finished);
  }
  watermarkOf(partition: number): number {
    const marks = this.promises.filter((p) => p.partition === partition).map((p) => p.watermark);
    return Math.max(MIN_TIMESTAMP, ...marks);
  }
  partitions(): number[] {
    return [...new Set([...this.taken.keys(), ...this.promises.map((p) => p.partition)])];
  }
  take(partition: number, offset: number): boolean {
    const taken = this.taken.get(partition) ?? new Set();
    this.taken.set(partition, taken);
    if (offset < this.lowWater(partition) || taken.has(offset)) return false;
    taken.add(offset);
    return true;
  }
  get watermark(): number {
    const all = this.partitions();
    const open = all.filter((partition) => !this.hasEnded(partition));
    const marks = (open.length > 0 ? open : all).map((partition) => this.watermarkOf(partition));
    if (marks.length === 0) return MIN_TIMESTAMP;
    return open.length > 0 ? Math.min(...marks) : Math.max(...marks);
  }
  get canForget(): boolean {
    return this.partitions().every(
      (partition) =>
        this.hasEnded(partition) ||
        [...(this.taken.get(partition) ?? [])].every((offset) => offset < this.lowWater(partition)),
    );
  }
}

test('R1 to R3 under random calls, with snapshots in between', () => {
  const partition = fc.nat({ max: 2 });
  const small = fc.nat({ max: 8 });
  const call: fc.Arbitrary<Call> = fc.oneof(
    fc.record({ type: fc.constant('take' as const), partition, offset: small }),
    fc.record({
      type: fc.constant('promise' as const),
      partition,
      watermark: small,
      lowWater: small,
      finished: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(call, fc.boolean()), { maxLength: 30 }), (calls) => {
      let sources = new Sources();
      const model = new Model();
      for (const [step, isRestored] of calls) {
        const of = { source: 'clicks', partition: step.partition };
        if (step.type === 'take') {
          expect(sources.take(of, step.offset)).toBe(model.take(step.partition, step.offset));
        } else {
          sources.promise(of, step);
          model.promises.push(step);
        }
        if (isRestored) sources = restored(sources);
        expect(sources.watermark).toBe(model.watermark);
        expect(sources.canForget).toBe(model.canForget);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('channels: each partition once, whatever origins it brings, without those that have ended', () => {
  const sources = new Sources();
  const origin = (partition: number) => ({ source: 'raw', partition });
  sources.take({ ...p0, origin: origin(0) }, 1);
  sources.take({ ...p0, origin: origin(1) }, 1);
  sources.take(p1, 1);
  expect(sources.channels()).toEqual([p0, p1]);
  sources.promise(p1, { watermark: 1, lowWater: 2, finished: true });
  expect(sources.channels()).toEqual([p0]);
});
