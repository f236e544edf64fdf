// T1 to T3: what is late, and the order in which events leave. Held against what Flink called late, and
// against a slow model under random streams.

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
