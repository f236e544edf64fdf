// T1 to T3: what is late, and the order in which events leave, of one partition and of several that share an
// order. Held against what Flink called late, and against a slow model under random streams.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import { EventOrder } from '../../src/ingest/order.js';
import type { VectorFile } from '../../src/testing/vectors.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';

const event = (offset: number, timestamp: number): CepEvent => ({
  source: 'test',
  partition: 0,
  offset,
  timestamp,
  data: {},
});

/** Pushes the times one by one. */
function feed(order: EventOrder, times: readonly number[]) {
  const late: number[] = [];
  const released: number[] = [];
  const take = () => {
    for (let next = order.release(); next; next = order.release()) released.push(next.offset);
  };
  times.forEach((time, offset) => {
    if (!order.push(event(offset, time))) late.push(offset);
    take();
  });
  return { late, released, take };
}

const file = JSON.parse(
  readFileSync(new URL('../vectors/out-of-order.json', import.meta.url), 'utf8'),
) as VectorFile;

describe("Flink's late events", () => {
  test.each(file.cases.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const times = vector.events.map(({ timestamp }) => timestamp);
    const { late } = feed(new EventOrder(2_000), times);
    expect(late).toEqual(vector.expected.late);
  });

  test('some of the cases have late events', () => {
    expect(file.cases.some(({ expected }) => (expected.late ?? []).length > 0)).toBe(true);
  });
});

test('T1: the watermark trails the largest time by the delay and one millisecond', () => {
  const order = new EventOrder(2_000);
  expect(order.watermark).toBe(MIN_TIMESTAMP);
  feed(order, [10_000, 9_000]);
  expect(order.watermark).toBe(7_999);
});

test('T2: an event at the watermark is late, one behind it by a millisecond is not', () => {
  const { late } = feed(new EventOrder(2_000), [10_000, 7_999, 8_000]);
  expect(late).toEqual([1]);
});

test('T3: equal times leave in order of arrival, and only once the watermark is there', () => {
  const order = new EventOrder(10);
  const { released, take } = feed(order, [100, 105, 100, 111]);
  expect(released).toEqual([0, 2]);
  order.advance({ source: 'test', partition: 0 }, 105);
  take();
  expect(released).toEqual([0, 2, 1]);
  order.end();
  take();
  expect(released).toEqual([0, 2, 1, 3]);
  expect([order.watermark, order.size]).toEqual([111, 0]);
  order.end(MAX_TIMESTAMP);
  expect(order.watermark).toBe(MAX_TIMESTAMP);
});

test('an end before the last event does not cut it off', () => {
  const order = new EventOrder(10);
  const { released, take } = feed(order, [100]);
  order.end(50);
  take();
  expect([released, order.watermark]).toEqual([[0], 100]);
});

test('random streams: sorted, complete, and late by the rule alone', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60)), fc.nat(20), (times, delay) => {
      const order = new EventOrder(delay);
      const { late, released, take } = feed(order, times);
      order.end();
      take();
      let watermark = Number.NEGATIVE_INFINITY;
      const expectedLate = times.flatMap((time, i) => {
        const isLate = time <= watermark;
        watermark = Math.max(watermark, time - delay - 1);
        return isLate ? [i] : [];
      });
      expect(late).toEqual(expectedLate);
      const inTime = times.map((_, i) => i).filter((i) => !late.includes(i));
      const timeOf = (i: number) => times[i] as number;
      expect(released).toEqual(inTime.sort((a, b) => timeOf(a) - timeOf(b) || a - b));
    }),
  );
});

describe('partitions that share an order', () => {
  const part = (partition: number, source = 'test') => ({ source, partition });
  const at = (partition: number, offset: number, timestamp: number, source = 'test'): CepEvent => ({
    ...event(offset, timestamp),
    ...part(partition, source),
  });
  const releasedOf = (order: EventOrder) => {
    const released: string[] = [];
    for (let next = order.release(); next; next = order.release()) {
      released.push(`${next.partition}:${next.offset}`);
    }
    return released;
  };
  const setUp = (partitions: number, delay = 10) => {
    const order = new EventOrder(delay);
    for (let partition = 0; partition < partitions; partition++) order.add(part(partition));
    return order;
  };

  test('T3: its watermark is the least of theirs, so one that has said nothing holds all back', () => {
    const order = setUp(3);
    order.push(at(0, 0, 100));
    order.push(at(1, 0, 50));
    expect([order.watermark, releasedOf(order), order.size]).toEqual([MIN_TIMESTAMP, [], 2]);
    order.push(at(2, 0, 200));
    expect(order.watermark).toBe(39);
    order.push(at(1, 1, 300));
    expect([order.watermark, releasedOf(order), order.size]).toEqual([89, ['1:0'], 3]);
    expect([0, 1, 2].map((partition) => order.watermarkOf(part(partition)))).toEqual([
      89, 289, 189,
    ]);
    expect([0, 1, 2].map((partition) => order.isLast(part(partition)))).toEqual([
      true,
      false,
      false,
    ]);
    order.advance(part(0), 1_000);
    expect([order.watermark, releasedOf(order)]).toEqual([189, ['0:0']]);
  });

  test('T2: late is what lies behind its own partition, not what lies behind the others', () => {
    const order = setUp(2);
    expect(order.push(at(0, 0, 1_000))).toBe(true);
    expect(order.push(at(1, 0, 5))).toBe(true);
    expect(order.push(at(0, 1, 989))).toBe(false);
    expect(order.push(at(0, 2, 990))).toBe(true);
    expect(order.push(at(1, 1, 6))).toBe(true);
  });

  test('T3: ties leave by source, then partition, then offset', () => {
    const order = new EventOrder(5);
    const all = [at(1, 3, 7), at(0, 4, 7), at(1, 2, 7), at(0, 9, 7, 'a'), at(0, 1, 6)];
    const partitions = [part(0), part(1), part(0, 'a')];
    for (const partition of partitions) order.add(partition);
    for (const each of all) expect(order.push(each)).toBe(true);
    order.end();
    const left: CepEvent[] = [];
    for (let next = order.release(); next; next = order.release()) left.push(next);
    expect(left.map(({ source, partition, offset }) => [source, partition, offset])).toEqual([
      ['test', 0, 1],
      ['a', 0, 9],
      ['test', 0, 4],
      ['test', 1, 2],
      ['test', 1, 3],
    ]);
  });

  test('an idle one holds nobody back; what it then brings from behind the order is late', () => {
    const order = setUp(2);
    order.push(at(1, 0, 20));
    order.push(at(0, 0, 100));
    order.push(at(0, 1, 200));
    expect(order.watermark).toBe(9);
    order.idle(part(1));
    expect([order.watermark, releasedOf(order)]).toEqual([189, ['1:0', '0:0']]);
    // In time for its partition, behind what the others were told.
    expect(order.push(at(1, 1, 189))).toBe(false);
    expect(order.push(at(1, 2, 190))).toBe(true);
  });

  test('an idle one that speaks holds the others back again', () => {
    const order = setUp(2);
    order.push(at(0, 0, 100));
    order.idle(part(1));
    expect(order.watermark).toBe(89);
    expect(order.push(at(1, 0, 95))).toBe(true);
    order.push(at(0, 1, 300));
    expect([order.watermark, releasedOf(order)]).toEqual([89, []]);
    expect([order.isLast(part(0)), order.isLast(part(1))]).toEqual([false, true]);
    order.push(at(1, 1, 400));
    expect([order.watermark, releasedOf(order)]).toEqual([289, ['1:0', '0:0']]);
  });

  test('a late event too says that its partition is not idle', () => {
    const order = setUp(2);
    order.push(at(0, 0, 100));
    order.idle(part(1));
    expect(order.push(at(1, 0, 50))).toBe(false);
    order.push(at(0, 1, 300));
    expect(order.watermark).toBe(89);
  });

  test('when all are idle, what still waits leaves with the end', () => {
    const order = setUp(2);
    const held = at(0, 0, 9_000);
    order.push(held);
    for (const partition of [0, 1]) order.idle(part(partition));
    expect(order.release()).toBeUndefined();
    order.end();
    expect(order.release()).toBe(held);
    expect(order.watermark).toBe(9_000);
  });

  test('when all are idle it stays where it is', () => {
    const order = setUp(2);
    order.push(at(0, 0, 100));
    order.push(at(1, 0, 50));
    order.idle(part(0));
    order.idle(part(1));
    expect(order.watermark).toBe(39);
  });

  test('the end moves all of them to the last event of any', () => {
    const order = setUp(3);
    order.push(at(0, 0, 100));
    order.push(at(1, 0, 50));
    order.end();
    expect([order.watermark, releasedOf(order)]).toEqual([100, ['1:0', '0:0']]);
  });

  test('restored, it is as far as the one that is least far, in whatever order they are added', () => {
    for (const watermarks of [
      [100, 500, 300],
      [500, 100, 300],
      [300, 500, 100],
    ]) {
      const order = new EventOrder(10);
      for (const [partition, watermark] of watermarks.entries())
        order.add(part(partition), watermark);
      const behind = watermarks.indexOf(100);
      expect(order.push(at(behind, 7, 100))).toBe(false);
      expect(order.push(at(behind, 8, 101))).toBe(true);
      expect([order.watermark, releasedOf(order)]).toEqual([100, []]);
      const far = watermarks.indexOf(500);
      expect(order.push(at(far, 7, 500))).toBe(false);
      expect(order.push(at(far, 8, 501))).toBe(true);
      order.advance(part(behind), 1_000);
      expect([order.watermark, releasedOf(order)]).toEqual([300, [`${behind}:8`]]);
    }
  });

  test('however the reading interleaves: the same is late, the rest leaves in the same order', () => {
    const streams = fc.array(fc.array(fc.nat(60), { maxLength: 25 }), {
      minLength: 1,
      maxLength: 4,
    });
    const turns = fc.array(fc.nat(100), { minLength: 1, maxLength: 60 });
    const readBy = (times: readonly number[][], delay: number, picks: readonly number[]) => {
      const order = setUp(times.length, delay);
      const next = times.map(() => 0);
      const late: string[] = [];
      const released: string[] = [];
      let before: number = MIN_TIMESTAMP;
      for (let turn = 0; ; turn++) {
        const open = times.flatMap((own, p) => ((next[p] as number) < own.length ? [p] : []));
        if (open.length === 0) break;
        const p = open[(picks[turn % picks.length] as number) % open.length] as number;
        const offset = next[p] as number;
        next[p] = offset + 1;
        if (!order.push(at(p, offset, times[p]?.[offset] as number))) late.push(`${p}:${offset}`);
        // What it promised stays true: nothing that leaves lies at or behind where it was.
        for (let one = order.release(); one; one = order.release()) {
          expect(one.timestamp).toBeGreaterThan(before);
          expect(one.timestamp).toBeLessThanOrEqual(order.watermark);
          released.push(`${one.partition}:${one.offset}`);
        }
        before = order.watermark;
      }
      order.end();
      released.push(...releasedOf(order));
      return { late: late.toSorted(), released };
    };
    fc.assert(
      fc.property(streams, fc.nat(20), turns, turns, (times, delay, some, others) => {
        const { late, released } = readBy(times, delay, some);
        expect(readBy(times, delay, others)).toEqual({ late, released });
        const timeOf = (name: string) => {
          const [p, offset] = name.split(':').map(Number) as [number, number];
          return [times[p]?.[offset] as number, p, offset] as const;
        };
        const sorted = released.toSorted((x, y) => {
          const [a, b] = [timeOf(x), timeOf(y)];
          return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
        });
        expect(released).toEqual(sorted);
        expect(late.length + released.length).toBe(times.flat().length);
      }),
      { numRuns: 300 },
    );
  });
});
