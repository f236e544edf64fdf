// O1 to O4: how a partition of a repartitioned topic follows its source, by hand and from any point of its log on.

import { describe, expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import { Origins, originLowWater } from '../../src/ingest/origins.js';
import type { SourceWatermark } from '../../src/ingest/repartition-format.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';

const source = 'g/clicks@1';
const event = (partition: number, offset: number, timestamp: number, of = source): CepEvent => ({
  ...{ source: of, partition, offset, timestamp, data: {} },
});
const mark = (
  partition: number,
  watermark: number,
  rest: Partial<SourceWatermark> = {},
): SourceWatermark => ({
  ...{ source, partition, partitions: 2, watermark, lowWater: 0, isSilent: false, ...rest },
});
const released = ({ order }: Origins) => {
  const times: number[] = [];
  for (let each = order.release(); each; each = order.release()) times.push(each.timestamp);
  return times;
};

describe('the least of all source partitions', () => {
  test('nothing moves before each of them has spoken, and events alone move nothing', () => {
    const origins = new Origins();
    expect(origins.order.push(event(0, 0, 100))).toBe(true);
    expect(origins.order.push(event(0, 1, 9_000))).toBe(true);
    expect(origins.order.watermark).toBe(MIN_TIMESTAMP);
    origins.promise(mark(0, 8_000));
    expect(origins.order.watermark).toBe(MIN_TIMESTAMP);
    origins.promise(mark(1, 150));
    expect([origins.order.watermark, origins.state.watermark]).toEqual([150, 150]);
    expect(released(origins)).toEqual([100]);
    origins.promise(mark(1, 9_500));
    expect(origins.order.watermark).toBe(8_000);
    // Said less by one that was replaced.
    origins.promise(mark(0, 5, { lowWater: 1 }));
    expect(origins.order.watermark).toBe(8_000);
  });

  test('waits for a partition that was added, from the first watermark on that counts it', () => {
    const origins = new Origins();
    for (const partition of [0, 1]) origins.promise(mark(partition, 100));
    origins.promise(mark(0, 200, { partitions: 3 }));
    origins.promise(mark(1, 200, { partitions: 2 }));
    expect(origins.order.watermark).toBe(100);
    expect(origins.order.push(event(2, 0, 150))).toBe(true);
    // An event of it that the others have passed already is late.
    expect(origins.order.push(event(2, 1, 90))).toBe(false);
    origins.promise(mark(2, 180, { partitions: 3 }));
    expect(origins.order.watermark).toBe(180);
    expect(released(origins)).toEqual([150]);
  });

  test('a silent historic partition is passed only when asked, and waited for again', () => {
    const origins = new Origins();
    origins.promise(mark(0, 500));
    origins.promise(mark(1, MIN_TIMESTAMP, { isSilent: true }));
    expect(origins.order.watermark).toBe(MIN_TIMESTAMP);
    expect(origins.passSilent()).toEqual([1]);
    expect(origins.order.watermark).toBe(500);
    origins.promise(mark(1, 400, { isSilent: false }));
    origins.promise(mark(0, 900));
    expect(origins.order.watermark).toBe(500);
    expect(origins.passSilent()).toEqual([]);
  });
});

describe('repeats', () => {
  test('what a watermark or a low-water mark has passed', () => {
    const origins = new Origins();
    expect(origins.judge(event(0, 7, 100))).toBe('new');
    origins.promise(mark(0, 100, { lowWater: 5 }));
    expect(origins.judge(event(0, 7, 100))).toBe('repeat');
    expect(origins.judge(event(0, 4, 101))).toBe('repeat');
    expect(origins.judge(event(0, 5, 101))).toBe('new');
    expect(origins.judge(event(1, 4, 50))).toBe('new');
  });

  test('are the same again for whoever goes on from the state', () => {
    const origins = new Origins();
    origins.promise(mark(0, 100, { lowWater: 5 }));
    origins.promise(mark(1, 300));
    origins.promise(mark(0, 200, { partitions: 3 }));
    const again = new Origins(JSON.parse(JSON.stringify(origins.state)));
    expect(again.state).toEqual(origins.state);
    expect(again.order.watermark).toBe(100);
    for (const each of [event(0, 6, 200), event(0, 4, 900), event(1, 9, 301), event(2, 0, 1)]) {
      expect(again.judge(each)).toBe(origins.judge(each));
    }
    // It does not fall behind what was promised, though a partition counts that has said nothing yet.
    expect(again.order.push(event(2, 0, 100))).toBe(false);
    expect(again.order.push(event(2, 1, 101))).toBe(true);
  });
});

describe('sources', () => {
  test('a topic made anew takes the place of the one before', () => {
    const origins = new Origins();
    for (const partition of [0, 1]) origins.promise(mark(partition, 100));
    const anew = 'g/clicks@2';
    expect(origins.judge(event(0, 0, 150, anew))).toBe('new');
    expect(origins.order.push(event(0, 0, 150, anew))).toBe(true);
    origins.promise(mark(0, 200, { source: anew, partitions: 1 }));
    expect(origins.order.watermark).toBe(200);
    // What its last owner still writes.
    origins.promise(mark(0, 9_000));
    expect(origins.order.watermark).toBe(200);
    expect(origins.judge(event(0, 99, 9_000))).toBe('late');
    expect(originLowWater(origins.state, { source, partition: 0 })).toBe(MAX_TIMESTAMP);
  });

  test('another one is refused', () => {
    const origins = new Origins();
    origins.promise(mark(0, 100));
    const wrong = expect.objectContaining({
      code: 'RECORD_WRONG_TYPE',
      message: expect.stringContaining('g/orders'),
    });
    expect(() => origins.promise(mark(0, 1, { source: 'g/orders@1' }))).toThrow(wrong);
    expect(() => origins.judge(event(0, 0, 500, 'g/orders@1'))).toThrow(wrong);
  });

  test('low-water marks of partitions that have not spoken', () => {
    const origins = new Origins();
    expect(originLowWater(undefined, { source, partition: 0 })).toBe(0);
    origins.promise(mark(1, 1, { lowWater: 8 }));
    expect(originLowWater(origins.state, { source, partition: 0 })).toBe(0);
    expect(originLowWater(origins.state, { source, partition: 1 })).toBe(8);
    expect(originLowWater(origins.state, { source, partition: 7 })).toBe(0);
  });
});
