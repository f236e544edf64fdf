// D1 to D5: batches on their way to a server in memory that is slow, fails, refuses, or knows no session.

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import { DISPATCH_DEFAULTS, Dispatcher, type DispatchSettings } from '../../src/ingest/dispatch.js';
import { SessionRefused } from '../../src/ingest/gateway.js';
import { systemClock } from '../../src/ingest/record.js';
import type { CompiledJourney } from '../../src/rules/compiled.js';
import { FakeGateway, journeysOf, memoryLog, until } from './helpers.js';

const shop = journeysOf().byId.get('shop') as CompiledJourney;

function setUp(settings: Partial<DispatchSettings> = {}) {
  const gateway = new FakeGateway();
  const promised = { watermark: 1_000, lowWater: 0 };
  /** Of the journey's rules; they come from no table by default. */
  const rules: { revision?: number } = {};
  const refused: number[] = [];
  const settled: number[] = [];
  const failures: unknown[] = [];
  const log = memoryLog();
  const dispatcher = new Dispatcher(
    {
      gateway,
      clock: systemClock,
      log,
      promises: () => ({ ...promised }),
      revision: () => rules.revision,
      refuse: async (_, events) => void refused.push(...events.map(({ offset }) => offset)),
      fail: (error) => void failures.push(error),
    },
    { ...DISPATCH_DEFAULTS, lingerMs: 5, hotGapMs: 0, ...settings },
  );
  const add = (key: string, offset: number, timestamp = offset, type = 'a', partition = 0) => {
    const event: CepEvent = { source: 'test', partition, offset, timestamp, data: { type } };
    const settle = () => void settled.push(offset);
    dispatcher.add(shop, key, { event, length: 100, settle });
  };
  return { gateway, promised, rules, refused, settled, failures, log, dispatcher, add };
}

afterEach(() => vi.useRealTimers());

test('D1: one batch of a session is in flight; what comes meanwhile goes together', async () => {
  const { gateway, add, dispatcher } = setUp();
  const held: (() => void)[] = [];
  gateway.before = () => new Promise<void>((resolve) => held.push(resolve));
  add('k', 0);
  await until(() => gateway.calls === 1);
  add('k', 1);
  add('k', 2);
  add('other', 3);
  await until(() => gateway.calls === 2);
  await sleep(30);
  expect([...gateway.inFlight]).toEqual(['shop/k', 'shop/other']);
  gateway.before = () => {};
  for (const release of held) release();
  await until(() => gateway.batches('shop/k').length === 2);
  expect(gateway.batches('shop/k').map(({ events }) => events.map((e) => e.offset))).toEqual([
    [0],
    [1, 2],
  ]);
  dispatcher.stop();
});

describe('D2: what a batch promises', () => {
  test('is what the partition promises when nothing of the session waits', async () => {
    const { gateway, promised, add, dispatcher } = setUp();
    promised.lowWater = 7;
    add('k', 8, 20);
    await dispatcher.drain();
    expect(gateway.batches('shop/k')).toMatchObject([{ watermark: 1_000, lowWater: 7 }]);
  });

  test('lies before what waits, also for events of one time in two batches', async () => {
    const { gateway, add, dispatcher } = setUp({ batchEventsMax: 2 });
    for (const [offset, time] of [10, 20, 20, 20, 20, 30].entries()) add('k', offset, time);
    await dispatcher.drain();
    const batches = gateway.batches('shop/k');
    expect(batches.map(({ events }) => events.map((e) => e.timestamp))).toEqual([
      [10, 20],
      [20, 20],
      [20, 30],
    ]);
    expect(batches.map(({ watermark }) => watermark)).toEqual([19, 19, 1_000]);
  });

  const told = (gateway: FakeGateway) =>
    gateway.accepted.map(({ batches }) =>
      batches.map(({ partition, watermark, events }) => ({
        partition,
        watermark,
        offsets: events.map(({ offset }) => offset),
      })),
    );

  test('is about one partition; a signal holds a batch for each, always in the same order', async () => {
    const { gateway, add, dispatcher } = setUp();
    add('k', 0, 10, 'a', 1);
    add('k', 1, 10, 'a', 0);
    add('k', 2, 11, 'a', 1);
    await dispatcher.drain();
    expect(told(gateway)).toEqual([
      [
        { partition: 0, watermark: 1_000, offsets: [1] },
        { partition: 1, watermark: 1_000, offsets: [0, 2] },
      ],
    ]);
  });

  test('of a repartitioned topic is a batch for each origin, with the watermark of the partition', async () => {
    const { gateway, dispatcher, settled } = setUp({ batchEventsMax: 2 });
    const via = { source: 'by-key', partition: 3 };
    for (const [partition, offset, timestamp] of [
      [1, 0, 10],
      [0, 5, 10],
      [1, 1, 30],
    ] as const) {
      const event: CepEvent = { source: 'src', partition, offset, timestamp, data: { type: 'a' } };
      dispatcher.add(shop, 'k', { event, via, length: 1, settle: () => void settled.push(offset) });
    }
    await dispatcher.drain();
    const told = gateway.batches('shop/k').map(({ events, more: _, ...batch }) => ({
      ...batch,
      offsets: events.map(({ offset }) => offset),
    }));
    const of = (partition: number) => ({ ...via, origin: { source: 'src', partition } });
    expect(told).toEqual([
      { ...of(0), watermark: 29, lowWater: 0, offsets: [5] },
      { ...of(1), watermark: 29, lowWater: 0, offsets: [0] },
      { ...of(1), watermark: 1_000, lowWater: 0, offsets: [1] },
    ]);
    expect(settled.sort()).toEqual([0, 1, 5]);
  });

  test('lies before what waits of other partitions too', async () => {
    const { gateway, add, dispatcher } = setUp({ batchEventsMax: 2 });
    add('k', 0, 10, 'a', 0);
    add('k', 0, 20, 'a', 1);
    add('k', 1, 20, 'a', 0);
    add('k', 2, 40, 'a', 0);
    add('k', 3, 50, 'a', 0);
    await dispatcher.drain();
    expect(told(gateway)).toEqual([
      [
        { partition: 0, watermark: 19, offsets: [0] },
        { partition: 1, watermark: 19, offsets: [0] },
      ],
      [{ partition: 0, watermark: 49, offsets: [1, 2] }],
      [{ partition: 0, watermark: 1_000, offsets: [3] }],
    ]);
  });

  test('where partitions have orders of their own, each lies before what waits of its own', async () => {
    const { gateway, add, dispatcher } = setUp({ batchEventsMax: 2 });
    // Partition 1 is far behind partition 0, as where an ingestor was told that a topic is keyed.
    add('k', 0, 500, 'a', 0);
    add('k', 0, 10, 'a', 1);
    add('k', 1, 600, 'a', 0);
    add('k', 1, 20, 'a', 1);
    await dispatcher.drain();
    expect(told(gateway)).toEqual([
      [
        { partition: 0, watermark: 599, offsets: [0] },
        { partition: 1, watermark: 19, offsets: [0] },
      ],
      [
        { partition: 0, watermark: 1_000, offsets: [1] },
        { partition: 1, watermark: 1_000, offsets: [1] },
      ],
    ]);
  });
});

test('a batch holds no more than its length allows, but at least one event', async () => {
  const { gateway, add, dispatcher } = setUp({ batchLengthMax: 250 });
  for (let offset = 0; offset < 5; offset++) add('k', offset);
  await dispatcher.drain();
  expect(gateway.batches('shop/k').map(({ events }) => events.length)).toEqual([2, 2, 1]);
  const tight = setUp({ batchLengthMax: 10 });
  tight.add('k', 0);
  await tight.dispatcher.drain();
  expect(tight.gateway.offsets('shop/k')).toEqual([0]);
});

describe('sessions that do not run', () => {
  test('are started by an event that can begin something, in whatever place of the batch', async () => {
    const { gateway, add, dispatcher } = setUp();
    add('k', 0, 0, 'b');
    add('k', 1, 1, 'a');
    await dispatcher.drain();
    expect(gateway.accepted).toMatchObject([{ how: 'start', session: 'shop/k' }]);
    add('k', 2, 2, 'b');
    await dispatcher.drain();
    expect(gateway.accepted[1]).toMatchObject({ how: 'signal' });
    expect(dispatcher.counts).toEqual({ batches: 2, skipped: 0, parked: 0 });
  });

  test('are not started by others: these count as skipped, and are settled', async () => {
    const { gateway, add, dispatcher, settled } = setUp();
    add('k', 0, 0, 'b');
    add('k', 1, 1, 'c');
    await dispatcher.drain();
    expect(gateway.accepted).toEqual([]);
    expect(dispatcher.counts).toEqual({ batches: 0, skipped: 2, parked: 0 });
    expect(settled).toEqual([0, 1]);
  });
});

describe('D3 and D4: sessions that make trouble', () => {
  const refuseBad = ({ session }: { session: string }) => {
    if (session === 'shop/bad') throw new SessionRefused('too large');
  };

  test('a refused session is parked: its events go to the dead letters, the others go on', async () => {
    const { gateway, add, dispatcher, refused, settled, log } = setUp({ batchEventsMax: 1 });
    gateway.before = refuseBad;
    add('bad', 0);
    add('bad', 1);
    add('good', 2);
    await dispatcher.drain();
    gateway.before = () => {};
    add('bad', 3);
    add('good', 4);
    await dispatcher.drain();
    expect(gateway.offsets('shop/good')).toEqual([2, 4]);
    expect(gateway.offsets('shop/bad')).toEqual([]);
    expect(refused).toEqual([0, 1, 3]);
    expect(settled.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(dispatcher.counts.parked).toBe(1);
    expect(log.lines.filter(([level]) => level === 'error')).toMatchObject([
      ['error', expect.stringContaining('parked'), { key: 'bad', reason: 'too large' }],
    ]);
  });

  test('a failure that passes is tried again, with the same events in the same order', async () => {
    const { gateway, add, dispatcher, settled } = setUp();
    let failures = 2;
    gateway.before = () => {
      if (failures-- > 0) throw new Error('UNAVAILABLE');
    };
    add('k', 0);
    add('k', 1);
    await dispatcher.drain();
    expect([gateway.offsets('shop/k'), settled, gateway.calls]).toEqual([[0, 1], [0, 1], 3]);
  });

  test('a session that fails while others get through is parked after its budget', async () => {
    const { gateway, add, dispatcher, refused } = setUp({ retryBudgetMs: 400 });
    gateway.before = ({ session }) => {
      if (session === 'shop/bad') throw new Error('ABORTED');
    };
    add('bad', 0);
    for (let offset = 1; dispatcher.counts.parked === 0 && offset < 500; offset++) {
      add('good', offset);
      await sleep(10);
    }
    expect(refused).toEqual([0]);
    await dispatcher.drain();
  });

  test('a server that is away altogether parks nobody, however long it is', async () => {
    const { gateway, add, dispatcher, refused } = setUp({ retryBudgetMs: 50 });
    let isUp = false;
    gateway.before = () => {
      if (!isUp) throw new Error('UNAVAILABLE');
    };
    for (let key = 0; key < 40; key++) add(`k${key}`, key);
    await sleep(600);
    isUp = true;
    await dispatcher.drain();
    expect([refused, dispatcher.counts.parked, gateway.accepted.length]).toEqual([[], 0, 40]);
  });

  test('sessions that are tried again take nobody else a place', async () => {
    const { gateway, add, dispatcher, refused } = setUp({ callsMax: 2, retryBudgetMs: 300 });
    gateway.before = ({ session }) => {
      if (session.startsWith('shop/bad')) throw new Error('ABORTED');
    };
    for (let key = 0; key < 5; key++) add(`bad${key}`, key);
    await sleep(20);
    for (let offset = 5; offset < 20; offset++) add(`good${offset}`, offset);
    await until(() => gateway.accepted.length === 15);
    // They are given up as well, as long as somebody gets through.
    for (let offset = 20; refused.length < 5 && offset < 500; offset++) {
      add('good', offset);
      await sleep(10);
    }
    expect(refused.toSorted()).toEqual([0, 1, 2, 3, 4]);
    await dispatcher.drain();
  });

  test('what goes wrong on our side is reported, not left to crash the process', async () => {
    const { add, dispatcher, failures, gateway, refused } = setUp();
    gateway.before = refuseBad;
    const broken = new Error('disk full');
    refused.push = () => {
      throw broken;
    };
    add('bad', 0);
    await until(() => failures.length > 0);
    expect(failures).toEqual([broken]);
    dispatcher.stop();
  });
});

test('no more calls at once than allowed', async () => {
  const { gateway, add, dispatcher } = setUp({ callsMax: 4 });
  gateway.before = () => sleep(5);
  for (let key = 0; key < 40; key++) add(`k${key}`, key);
  await dispatcher.drain();
  expect([gateway.inFlightMax, gateway.accepted.length]).toEqual([4, 40]);
});

test('stopped: nothing more is sent, what was not sent is not settled', async () => {
  const { gateway, add, dispatcher, settled } = setUp({ batchEventsMax: 1 });
  gateway.before = () => {
    throw new Error('UNAVAILABLE');
  };
  for (let offset = 0; offset < 5; offset++) add('k', offset);
  await until(() => gateway.calls > 0);
  dispatcher.stop();
  await sleep(50);
  gateway.before = () => {};
  await sleep(400);
  expect([gateway.accepted, settled, dispatcher.held]).toEqual([[], [], 5]);
});

describe('abandoned', () => {
  test('what waits is forgotten and not settled; what is under way still is, and new events come after it', async () => {
    const { gateway, add, dispatcher, settled } = setUp({ batchEventsMax: 1 });
    const releases: (() => void)[] = [];
    gateway.before = () => new Promise<void>((resolve) => releases.push(resolve));
    for (let offset = 0; offset < 3; offset++) add('k', offset);
    await until(() => releases.length === 1);
    const room = dispatcher.room(1);
    dispatcher.abandon();
    await room;
    expect(dispatcher.held).toBe(1);
    add('k', 0);
    await sleep(20);
    expect(gateway.calls).toBe(1);
    gateway.before = () => {};
    releases[0]?.();
    await dispatcher.drain();
    expect([gateway.offsets('shop/k'), settled, dispatcher.held]).toEqual([[0, 0], [0, 0], 0]);
  });

  test('a queue that was due is sent nothing, and takes nobody a place', async () => {
    const { gateway, add, dispatcher } = setUp({ callsMax: 1 });
    for (let key = 0; key < 5; key++) add(`k${key}`, key);
    dispatcher.abandon();
    await sleep(20);
    expect([gateway.calls, dispatcher.held]).toEqual([0, 0]);
    add('k0', 9);
    await dispatcher.drain();
    expect(gateway.offsets('shop/k0')).toEqual([9]);
  });
});

test('a session that is parked from the begin gets nothing', async () => {
  const { gateway, add, dispatcher, refused } = setUp();
  const known = new Map([['shop', shop]]);
  dispatcher.park(
    [
      { journey: 'shop', key: 'bad' },
      { journey: 'gone', key: 'k' },
    ],
    known,
  );
  dispatcher.park([{ journey: 'shop', key: 'bad' }], known);
  add('bad', 0);
  add('good', 1);
  await dispatcher.drain();
  expect([refused, gateway.offsets('shop/good'), gateway.calls]).toEqual([[0], [1], 1]);
  expect(dispatcher.counts).toEqual({ batches: 1, skipped: 0, parked: 1 });
});

describe('D5: a hot session', () => {
  test('gets at most one batch per gap, and the gap grows up to its limit', async () => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher } = setUp({
      lingerMs: 100,
      hotGapMs: 200,
      hotGapMaxMs: 2_000,
    });
    const times: number[] = [];
    const begin = performance.now();
    gateway.before = () => void times.push(performance.now() - begin);
    for (let offset = 0; offset < 1_000; offset++) {
      add('k', offset);
      await vi.advanceTimersByTimeAsync(10);
    }
    const gaps = times.slice(1).map((time, i) => time - (times[i] as number));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(200);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2_100);
    expect(gaps.at(-1)).toBeGreaterThanOrEqual(1_900);
    expect(times.length).toBeLessThan(12);
    const draining = dispatcher.drain();
    await vi.runAllTimersAsync();
    await draining;
    expect(gateway.offsets('shop/k')).toHaveLength(1_000);
  });

  test('that fills its batches keeps the short gap, so that it can be caught up with', async () => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher } = setUp({ hotGapMs: 200, hotGapMaxMs: 2_000 });
    for (let offset = 0; offset < 5_000; offset++) add('k', offset);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(gateway.offsets('shop/k')).toHaveLength(5_000);
    dispatcher.stop();
  });

  describe('that gets more and more rests now and then', () => {
    // A batch of 500 events has 50,000 characters here: every 20th one makes a million.
    const followed = (gateway: FakeGateway) =>
      gateway.batches('shop/k').map(({ more = false }) => more);

    test('until it has seen all, and only then the next signal may come at any time', async () => {
      vi.useFakeTimers();
      const { gateway, add, dispatcher } = setUp({ hotGapMs: 200 });
      for (let offset = 0; offset < 25 * 500; offset++) add('k', offset);
      gateway.busy.add('shop/k');
      await vi.advanceTimersByTimeAsync(9_000);
      expect(followed(gateway)).toEqual([...Array(19).fill(true), false]);
      gateway.busy.delete('shop/k');
      await vi.advanceTimersByTimeAsync(2_000);
      // The last one leaves nothing, but comes soon after the one before.
      expect(followed(gateway)).toEqual([...Array(19).fill(true), false, ...Array(5).fill(true)]);
      dispatcher.stop();
    });

    test('ten seconds at most: without a worker it sees nothing', async () => {
      vi.useFakeTimers();
      const { gateway, add, dispatcher } = setUp({ hotGapMs: 200 });
      for (let offset = 0; offset < 25 * 500; offset++) add('k', offset);
      gateway.busy.add('shop/k');
      await vi.advanceTimersByTimeAsync(4_000 + 10_000 + 2_000);
      expect(followed(gateway)).toHaveLength(25);
      dispatcher.stop();
    });

    test('not a session that is left in peace anyway', async () => {
      vi.useFakeTimers();
      const { gateway, add, dispatcher } = setUp({ hotGapMs: 200, batchLengthMax: 10 });
      gateway.busy.add('shop/k');
      for (let offset = 0; offset < 300; offset++) {
        add('k', offset);
        await vi.advanceTimersByTimeAsync(1_000);
      }
      expect(followed(gateway)).toEqual(Array(300).fill(false));
      dispatcher.stop();
    });
  });
});

describe('D6: an event that can complete no match', () => {
  const PATIENT = { lingerMs: 100, patienceMs: 6_000, hotGapMs: 0 };
  // Every event of type "b" completes a match of the journey.
  const sentAt = async (run: (add: ReturnType<typeof setUp>['add']) => Promise<void> | void) => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher } = setUp(PATIENT);
    const begin = performance.now();
    const times: number[] = [];
    gateway.before = () => void times.push(performance.now() - begin);
    await run(add);
    await vi.advanceTimersByTimeAsync(20_000);
    dispatcher.stop();
    return { times, offsets: gateway.batches('shop/k').map((b) => b.events.map((e) => e.offset)) };
  };

  test('waits for company', async () => {
    const { times, offsets } = await sentAt(async (add) => {
      add('k', 0);
      await vi.advanceTimersByTimeAsync(3_000);
      add('k', 1);
    });
    expect(times).toEqual([6_000]);
    expect(offsets).toEqual([[0, 1]]);
  });

  test('goes with the first that can', async () => {
    const { times, offsets } = await sentAt(async (add) => {
      add('k', 0);
      await vi.advanceTimersByTimeAsync(3_000);
      add('k', 1, 1, 'b');
      add('k', 2);
      await vi.advanceTimersByTimeAsync(3_000);
      add('k', 3);
    });
    expect(times).toEqual([3_100, 12_000]);
    expect(offsets).toEqual([[0, 1, 2], [3]]);
  });

  test('goes shortly after the rules have changed, and says so', async () => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher, rules } = setUp(PATIENT);
    const begin = performance.now();
    const times: number[] = [];
    gateway.before = () => void times.push(performance.now() - begin);
    rules.revision = 1;
    add('k', 0);
    await vi.advanceTimersByTimeAsync(10_000);
    rules.revision = 2;
    add('k', 1);
    await vi.advanceTimersByTimeAsync(5_000);
    add('k', 2);
    await vi.advanceTimersByTimeAsync(5_000);
    add('k', 3);
    await vi.advanceTimersByTimeAsync(10_000);
    dispatcher.stop();
    expect(times).toEqual([6_000, 10_100, 15_100, 26_000]);
    expect(gateway.batches('shop/k').map(({ revision }) => revision)).toEqual([1, 2, 2, 2]);
  });

  test('goes when the batch is full', async () => {
    const { times } = await sentAt((add) => {
      for (let offset = 0; offset < 500; offset++) add('k', offset);
    });
    expect(times).toEqual([0]);
  });

  test('goes when the batch is full by its length, and what that leaves follows', async () => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher } = setUp({ ...PATIENT, batchLengthMax: 1_000 });
    const begin = performance.now();
    const times: number[] = [];
    gateway.before = () => void times.push(performance.now() - begin);
    // Of 100 characters each.
    for (let offset = 0; offset < 15; offset++) add('k', offset);
    await vi.advanceTimersByTimeAsync(20_000);
    dispatcher.stop();
    expect(gateway.batches('shop/k').map(({ events }) => events.length)).toEqual([10, 5]);
    expect(times).toEqual([0, 100]);
  });

  test('that was abandoned while it waited is not sent when its time comes', async () => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher } = setUp(PATIENT);
    add('k', 0);
    await vi.advanceTimersByTimeAsync(3_000);
    dispatcher.abandon();
    add('k', 1);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(gateway.calls).toBe(0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(gateway.offsets('shop/k')).toEqual([1]);
    dispatcher.stop();
  });

  test('goes when somebody waits for room, and at a drain', async () => {
    vi.useFakeTimers();
    const { gateway, add, dispatcher } = setUp(PATIENT);
    for (const [offset, key] of ['k', 'l', 'm'].entries()) add(key, offset);
    await vi.advanceTimersByTimeAsync(50);
    expect(gateway.calls).toBe(0);
    const room = dispatcher.room(2);
    await vi.advanceTimersByTimeAsync(1);
    await room;
    expect(gateway.calls).toBe(3);
    add('n', 3);
    const drained = dispatcher.drain();
    await vi.advanceTimersByTimeAsync(1);
    await drained;
    expect(gateway.calls).toBe(4);
    expect(dispatcher.held).toBe(0);
  });
});

test('random interleavings: each session gets its events once, in order, one batch at a time', async () => {
  const events = fc.array(fc.record({ key: fc.constantFrom('x', 'y', 'z'), waits: fc.boolean() }), {
    minLength: 1,
    maxLength: 40,
  });
  const delays = fc.array(fc.nat(3), { minLength: 1 });
  const fails = fc.array(fc.boolean(), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(events, delays, fails, fc.integer({ min: 1, max: 4 }), async (...drawn) => {
      const [list, waits, failing, batchEventsMax] = drawn;
      const { gateway, add, dispatcher, refused, settled, promised } = setUp({
        lingerMs: 1,
        batchEventsMax,
      });
      let call = 0;
      gateway.before = async () => {
        const mine = call++;
        await sleep(waits[mine % waits.length] as number);
        // Seldom, because a failure costs a tenth of a second.
        if (mine < 3 && failing[mine]) throw new Error('UNAVAILABLE');
      };
      for (const [offset, { key, waits: pause }] of list.entries()) {
        promised.watermark = offset;
        add(key, offset);
        if (pause) await sleep(1);
      }
      await dispatcher.drain();
      for (const key of ['x', 'y', 'z']) {
        const own = list.flatMap((event, offset) => (event.key === key ? [offset] : []));
        expect(gateway.offsets(`shop/${key}`)).toEqual(own);
        // D2: what a batch promises is in it or in an earlier one.
        const seen = new Set<number>();
        for (const { events: sent, watermark } of gateway.batches(`shop/${key}`)) {
          for (const { offset } of sent) seen.add(offset);
          expect(own.filter((offset) => offset <= watermark && !seen.has(offset))).toEqual([]);
        }
      }
      // Two calls at once for a session would have been refused.
      expect(refused).toEqual([]);
      expect(settled).toHaveLength(list.length);
    }),
    { numRuns: 40 },
  );
}, 60_000);
