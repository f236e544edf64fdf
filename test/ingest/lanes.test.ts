// What was fetched and not yet taken: the order in which it is handed on, when fetching pauses, and who
// gives way.

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Lanes } from '../../src/ingest/lanes.js';
import type { EndOfLog, RawRecord } from '../../src/ingest/record.js';

function setUp(partitions: readonly number[] = [0, 1, 2]) {
  const flow: string[] = [];
  const ahead = new Set<number>();
  const lanes = new Lanes({
    pause: (partition) => void flow.push(`pause ${partition}`),
    resume: (partition) => void flow.push(`resume ${partition}`),
    isAhead: (partition) => ahead.has(partition),
  });
  lanes.reset(partitions);
  const next = async () => nameOf(await lanes.next(() => false));
  const take = async (count: number) => {
    const taken: string[] = [];
    for (let n = 0; n < count; n++) taken.push(await next());
    return taken;
  };
  return { lanes, flow, ahead, next, take };
}

const records = (partition: number, from: number, count: number, value = '{}'): RawRecord[] =>
  Array.from({ length: count }, (_, n) => ({
    source: 'test',
    partition,
    offset: from + n,
    recordTime: 0,
    value,
  }));

const end = (partition: number, lookedAt: number): EndOfLog => ({
  endOfLog: true,
  source: 'test',
  partition,
  lookedAt,
});

function nameOf(item: RawRecord | EndOfLog | undefined): string {
  if (item === undefined) return 'over';
  if ('endOfLog' in item) return `${item.partition}:end@${item.lookedAt}`;
  return `${item.partition}:${item.offset}`;
}

test('partitions have their turns, each in the order in which it was fetched', async () => {
  const { lanes, take } = setUp();
  lanes.push(0, records(0, 0, 4));
  lanes.push(1, records(1, 7, 1));
  lanes.push(2, records(2, 0, 1));
  lanes.push(2, records(2, 5, 1));
  expect(await take(7)).toEqual(['0:0', '1:7', '2:0', '0:1', '2:5', '0:2', '0:3']);
});

test('random fetches: everything once, in order, and nobody waits for two turns of another', async () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(2), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ take: fc.integer({ min: 1, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { lanes, next } = setUp();
      const pushed = [0, 0, 0];
      const taken = [0, 0, 0];
      const waited = [0, 0, 0];
      const takeOne = async () => {
        const [partition, offset] = (await next()).split(':').map(Number) as [number, number];
        expect(offset).toBe(taken[partition]);
        taken[partition] = offset + 1;
        waited.forEach((turns, other) => {
          const isWaiting = (pushed[other] as number) > (taken[other] as number);
          waited[other] = other === partition || !isWaiting ? 0 : turns + 1;
        });
        expect(Math.max(...waited)).toBeLessThanOrEqual(2);
      };
      const left = () => pushed.reduce((sum, count, p) => sum + count - (taken[p] as number), 0);
      for (const step of steps) {
        if ('push' in step) {
          lanes.push(step.push, records(step.push, pushed[step.push] as number, step.count));
          pushed[step.push] = (pushed[step.push] as number) + step.count;
        } else for (let n = 0; n < step.take && left() > 0; n++) await takeOne();
      }
      while (left() > 0) await takeOne();
      expect(taken).toEqual(pushed);
    }),
  );
});

describe('a full lane', () => {
  test('pauses its partition above 5,000 records, and resumes it below half of that', async () => {
    const { lanes, flow, take } = setUp();
    lanes.push(1, records(1, 0, 5_000));
    expect(flow).toEqual([]);
    lanes.push(1, records(1, 5_000, 1));
    lanes.push(1, records(1, 5_001, 99));
    expect(flow).toEqual(['pause 1']);
    await take(2_600);
    expect(flow).toEqual(['pause 1']);
    expect(await take(1)).toEqual(['1:2600']);
    expect(flow).toEqual(['pause 1', 'resume 1']);
    lanes.push(1, records(1, 5_100, 2_502));
    expect(flow).toEqual(['pause 1', 'resume 1', 'pause 1']);
    expect((await take(5_001)).at(-1)).toBe('1:7601');
    expect(flow).toEqual(['pause 1', 'resume 1', 'pause 1', 'resume 1']);
  });

  test('pauses it above 16 million characters', async () => {
    const { lanes, flow, take } = setUp();
    lanes.push(0, records(0, 0, 16, 'x'.repeat(1_000_000)));
    expect(flow).toEqual([]);
    lanes.push(0, records(0, 16, 1, 'x'));
    expect(flow).toEqual(['pause 0']);
    await take(8);
    expect(flow).toEqual(['pause 0']);
    await take(1);
    expect(flow).toEqual(['pause 0', 'resume 0']);
  });

  test('does not keep the others from being fetched', async () => {
    const { lanes, flow, take } = setUp();
    lanes.push(0, records(0, 0, 6_000));
    lanes.push(1, records(1, 0, 1));
    expect(flow).toEqual(['pause 0']);
    expect(await take(2)).toEqual(['0:0', '1:0']);
  });
});

describe('a reset', () => {
  test('forgets what lies there, of partitions that stay as well', async () => {
    const { lanes, take } = setUp();
    lanes.push(0, records(0, 0, 3));
    lanes.pushEnd(1, end(1, 5));
    lanes.reset([0, 3]);
    // Of a partition that is no longer ours.
    lanes.push(1, records(1, 0, 1));
    lanes.pushEnd(1, end(1, 6));
    lanes.push(0, records(0, 9, 1));
    lanes.push(3, records(3, 1, 1));
    expect(await take(2)).toEqual(['0:9', '3:1']);
    expect([...lanes.sample(10)]).toEqual([]);
  });

  test('begins with empty lanes that are not paused', async () => {
    const { lanes, flow } = setUp();
    lanes.push(0, records(0, 0, 6_000));
    lanes.reset([0]);
    lanes.push(0, records(0, 0, 5_000));
    expect(flow).toEqual(['pause 0']);
    lanes.push(0, records(0, 5_000, 1));
    expect(flow).toEqual(['pause 0', 'pause 0']);
  });
});

describe('the end of the log', () => {
  test('comes after what was fetched before; only the latest look counts', async () => {
    const { lanes, take } = setUp();
    lanes.push(0, records(0, 0, 2));
    lanes.pushEnd(0, end(0, 10));
    lanes.pushEnd(0, end(0, 20));
    lanes.push(0, records(0, 2, 1));
    lanes.pushEnd(0, end(0, 30));
    expect(await take(5)).toEqual(['0:0', '0:1', '0:end@20', '0:2', '0:end@30']);
  });

  test('is found again after it was taken', async () => {
    const { lanes, next } = setUp();
    lanes.pushEnd(0, end(0, 10));
    expect(await next()).toBe('0:end@10');
    lanes.pushEnd(0, end(0, 20));
    expect(await next()).toBe('0:end@20');
  });
});

describe('a partition that is ahead', () => {
  test('gives way as long as it is, to those who have something', async () => {
    const { lanes, ahead, take, next } = setUp();
    lanes.push(0, records(0, 0, 2));
    lanes.push(1, records(1, 0, 3));
    ahead.add(0);
    expect(await take(2)).toEqual(['1:0', '1:1']);
    ahead.clear();
    ahead.add(1);
    expect(await next()).toBe('0:0');
    ahead.clear();
    expect((await take(2)).toSorted()).toEqual(['0:1', '1:2']);
  });

  test('is looked at again by itself when nobody else has anything', async () => {
    const { lanes, ahead, next } = setUp();
    lanes.push(0, records(0, 0, 1));
    ahead.add(0);
    const taken = next();
    await sleep(50);
    ahead.clear();
    expect(await taken).toBe('0:0');
  });

  test('does not delay what comes meanwhile', async () => {
    const { lanes, ahead, next } = setUp();
    lanes.push(0, records(0, 0, 1));
    ahead.add(0);
    const taken = next();
    await Promise.resolve();
    lanes.pushEnd(2, end(2, 1));
    expect(await taken).toBe('2:end@1');
  });
});

describe('waiting', () => {
  test('ends with what comes', async () => {
    const { lanes, next } = setUp();
    const taken = next();
    await sleep(5);
    lanes.push(2, records(2, 4, 1));
    expect(await taken).toBe('2:4');
  });

  test('ends when it is over, after a wake-up', async () => {
    const { lanes } = setUp();
    let isOver = false;
    const taken = lanes.next(() => isOver);
    lanes.wake();
    await sleep(5);
    isOver = true;
    lanes.wake();
    expect(await taken).toBeUndefined();
    lanes.push(0, records(0, 0, 1));
    expect(await lanes.next(() => true)).toBeUndefined();
  });

  test('a reset wakes it up', async () => {
    const { lanes } = setUp();
    let isOver = false;
    const taken = lanes.next(() => isOver);
    await sleep(1);
    isOver = true;
    lanes.reset([]);
    expect(await taken).toBeUndefined();
  });
});

test('a sample is what lies there, without ends, and is not taken by that', async () => {
  const { lanes, take, next } = setUp();
  lanes.push(0, records(0, 0, 5));
  lanes.push(1, records(1, 0, 1));
  lanes.pushEnd(1, end(1, 1));
  expect(await next()).toBe('0:0');
  expect([...lanes.sample(3)].map(nameOf)).toEqual(['1:0', '0:1', '0:2', '0:3']);
  expect(await take(3)).toEqual(['1:0', '0:1', '1:end@1']);
});
