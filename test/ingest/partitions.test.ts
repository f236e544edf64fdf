// Partitions that a reader assigns: read in one order where sessions span them, taken away by another
// ingestor, held up by sinks that are slow; and the sessions that are parked for good.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { SessionRefused } from '../../src/ingest/gateway.js';
import type { IngestOptions } from '../../src/ingest/ingest.js';
import type { ParkedSession } from '../../src/ingest/parked.js';
import type { Publication, StoredProgress } from '../../src/ingest/progress.js';
import type { Flow, RawRecord, Read } from '../../src/ingest/record.js';
import type { CompiledJourney } from '../../src/rules/compiled.js';
import { Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, minutes, type Timestamp } from '../../src/time.js';
import type { SourcePartition } from '../../src/workflows/messages.js';
import {
  FakeGateway,
  type Item,
  journeysOf,
  manualClock,
  pushable,
  RecordingStore,
  record,
  run,
  until,
} from './helpers.js';

const a = (t: number, key = 'k'): Item => ({ t, key, type: 'a' });
const part = (partition: number): SourcePartition => ({ source: 'test', partition });

type SetUpOptions = Partial<Omit<IngestOptions, 'store'>> & {
  readonly isKeyed?: boolean;
  readonly store?: RecordingStore;
};

/** An ingest of partitions that are assigned by hand; it goes on from what the store has of them. */
async function setUp(partitions: number, options: SetUpOptions = {}) {
  const { isKeyed = false, store = new RecordingStore(), ...rest } = options;
  const gateway = new FakeGateway();
  const reads = pushable<Read>();
  const offsets: number[] = Array.from({ length: partitions }, () => 0);
  let flow: Flow = { isAhead: () => false };
  const published: Publication[] = [];
  const parts = run({
    gateway,
    store,
    publishMs: 1,
    outOfOrdernessMs: 10,
    records: (given) => {
      flow = given;
      return reads;
    },
    onPublished: async (some) => void published.push(...some),
    ...rest,
    dispatch: { lingerMs: 0, patienceMs: 0, ...rest.dispatch },
  });
  const assign = async () => {
    const assigned = await store.claim('test', [...offsets.keys()]);
    for (const { partition, progress } of assigned) offsets[partition] = progress?.lowWater ?? 0;
    reads.push({ assigned, isKeyed });
  };
  await assign();
  // From now on time passes for them.
  await until(() => published.length > 0);
  const at = options.clock ? options.clock.now() + minutes(1) : undefined;
  return {
    ...parts,
    // A spread of `run` would give those that it made for itself.
    store,
    gateway,
    reads,
    published,
    assign,
    isAhead: (partition: number) => flow.isAhead(part(partition)),
    push: (partition: number, ...values: RawRecord['value'][]) => {
      for (const value of values) {
        const offset = offsets[partition] as number;
        offsets[partition] = offset + 1;
        reads.push({ ...record(offset, value, at), partition });
      }
    },
    look: (partition: number, lookedAt: number) =>
      reads.push({ ...part(partition), endOfLog: true, lookedAt }),
    kept: (partition: number) => store.read('test', partition) as Promise<StoredProgress | null>,
    /** Waits until this is what is kept of the partitions. */
    watermarksAre: async (...watermarks: Timestamp[]) => {
      let found: (Timestamp | undefined)[] = [];
      for (let tries = 0; tries < 500; tries++) {
        found = await Promise.all(
          watermarks.map(async (_, p) => (await store.read('test', p))?.watermark),
        );
        if (found.join() === watermarks.join()) return;
        await sleep(2);
      }
      expect(found).toEqual(watermarks);
    },
  };
}

describe('partitions that share sessions', () => {
  test('give a session its events in order of time, though one is far ahead', async () => {
    const { done, gateway, reads, push } = await setUp(2, { dispatch: { batchEventsMax: 2 } });
    push(0, a(100), a(200), a(300), a(400), a(5_000));
    await sleep(20);
    expect(gateway.calls).toBe(0);
    push(1, a(150), a(250), a(350), a(5_000));
    reads.end();
    const counts = await done;
    const signals = gateway.accepted.map(({ batches }) =>
      batches
        .flatMap(({ events }) => events.map(({ timestamp }) => timestamp))
        .toSorted((x, y) => x - y),
    );
    expect(signals.flat()).toEqual([100, 150, 200, 250, 300, 350, 400, 5_000, 5_000]);
    // No batch promises more than what follows in another partition.
    let promised = MIN_TIMESTAMP as number;
    for (const { batches } of gateway.accepted) {
      for (const { events } of batches) {
        for (const { timestamp } of events) expect(timestamp).toBeGreaterThan(promised);
      }
      promised = Math.max(promised, ...batches.map(({ watermark }) => watermark));
    }
    expect(counts).toMatchObject({ read: 9, events: 9, late: 0 });
  });

  test('promise the least of what each could, until the end', async () => {
    const { done, reads, push, watermarksAre, published, kept } = await setUp(3);
    push(0, a(1_000));
    push(1, a(500));
    await sleep(20);
    expect(published.every(({ progress }) => progress.watermark === MIN_TIMESTAMP)).toBe(true);
    push(2, a(2_000));
    await watermarksAre(489, 489, 489);
    expect(await Promise.all([0, 1, 2].map(kept))).toMatchObject([
      { lowWater: 0, nextOffset: 1, orderingWatermark: MIN_TIMESTAMP },
      { lowWater: 0, nextOffset: 1, orderingWatermark: MIN_TIMESTAMP },
      { lowWater: 0, nextOffset: 1, orderingWatermark: MIN_TIMESTAMP },
    ]);
    push(1, a(1_500));
    await watermarksAre(989, 989, 989);
    expect(await kept(1)).toMatchObject({ lowWater: 1, nextOffset: 2, orderingWatermark: 489 });
    reads.end();
    await done;
    await watermarksAre(MAX_TIMESTAMP, MAX_TIMESTAMP, MAX_TIMESTAMP);
  });

  test('hold each other back while the server has not accepted an event of one', async () => {
    const gateway = new FakeGateway();
    let isUp = false;
    gateway.before = ({ session }) => {
      if (!isUp && session === 'shop/slow') throw new Error('UNAVAILABLE');
    };
    const { done, reads, push, watermarksAre } = await setUp(2, { gateway });
    push(0, a(100, 'slow'), a(1_000, 'x'));
    push(1, a(200, 'y'), a(900, 'y'));
    await watermarksAre(99, 99);
    isUp = true;
    await watermarksAre(889, 889);
    reads.end();
    await done;
  });

  test('keyed ones go on by themselves', async () => {
    const { done, reads, push, watermarksAre } = await setUp(2, { isKeyed: true });
    push(0, a(100, 'x'), a(1_000, 'x'));
    push(1, a(200, 'y'));
    await watermarksAre(989, 189);
    reads.end();
    await done;
  });

  test('an empty one of a live topic holds the others back no longer than the grace', async () => {
    const NOW = Date.UTC(2026, 0, 31, 12);
    const clock = manualClock(NOW);
    const { done, reads, push, look, watermarksAre, gateway } = await setUp(2, {
      clock,
      graceMs: 1_000,
    });
    push(0, a(NOW));
    look(1, clock.monotonic());
    await sleep(20);
    await watermarksAre(MIN_TIMESTAMP, MIN_TIMESTAMP);
    clock.passes(1_500);
    push(0, a(NOW + 1_500));
    look(1, clock.monotonic());
    // Before it stands what may still be under way to the empty one.
    await watermarksAre(NOW + 489, NOW + 489);
    await until(() => gateway.offsets('shop/k').length === 1);
    // It counts when the look began, not when it is heard of.
    clock.passes(60_000);
    look(1, clock.monotonic() - 60_000 + 500);
    look(0, clock.monotonic());
    await watermarksAre(NOW + 989, NOW + 989);
    reads.end();
    expect(await done).toMatchObject({ partitions: [{ isLive: true }, { isLive: false }] });
  });

  test('one of a live topic whose last record is old does not either', async () => {
    const NOW = Date.UTC(2026, 0, 31, 12);
    const clock = manualClock(NOW);
    const { done, reads, push, look, watermarksAre, gateway } = await setUp(2, {
      clock,
      graceMs: 1_000,
    });
    push(1, a(NOW - minutes(6)));
    push(0, a(NOW));
    await watermarksAre(NOW - minutes(6) - 11, NOW - minutes(6) - 11);
    clock.passes(1_000);
    look(1, clock.monotonic());
    await sleep(20);
    await watermarksAre(NOW - minutes(6) - 11, NOW - minutes(6) - 11);
    clock.passes(59_000);
    look(0, clock.monotonic());
    look(1, clock.monotonic());
    await watermarksAre(NOW + 58_989, NOW + 58_989);
    await until(() => gateway.offsets('shop/k').length === 2);
    reads.end();
    expect(await done).toMatchObject({ partitions: [{ isLive: true }, { isLive: false }] });
  });

  test('an empty one of a historic topic does not move', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 31, 12));
    const { done, reads, push, look, kept } = await setUp(2, { clock, graceMs: 1_000 });
    push(0, a(1_000), a(2_000));
    clock.passes(60_000);
    look(1, clock.monotonic());
    look(0, clock.monotonic());
    await sleep(20);
    expect(await kept(0)).toMatchObject({ watermark: MIN_TIMESTAMP });
    reads.end();
    await done;
  });

  test('one that is ahead gives way when too much waits for the last', async () => {
    const { done, reads, push, isAhead } = await setUp(3, { heldMax: 2 });
    push(1, a(50));
    push(2, a(60));
    push(0, a(1_000), a(1_001));
    await sleep(5);
    expect([0, 1, 2, 7].map(isAhead)).toEqual([true, false, true, false]);
    push(2, a(5_000));
    push(1, a(2_000));
    await until(() => !isAhead(0));
    expect([0, 1, 2].map(isAhead)).toEqual([false, true, true]);
    reads.end();
    await done;
  });

  test('a silent one of a historic topic is waited for until too much waits', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 31, 12));
    const { done, reads, push, look, watermarksAre, log, kept } = await setUp(2, {
      clock,
      graceMs: 1_000,
      heldMax: 2,
    });
    push(0, a(1_000), a(1_100));
    clock.passes(1_001);
    look(1, clock.monotonic());
    await sleep(20);
    expect(await kept(0)).toMatchObject({ watermark: MIN_TIMESTAMP });
    push(0, a(1_200));
    // A look that began before the grace was over proves nothing.
    look(1, 1_000);
    await sleep(20);
    expect(await kept(0)).toMatchObject({ watermark: MIN_TIMESTAMP });
    look(1, clock.monotonic());
    await watermarksAre(1_189, 1_189);
    expect(log.lines).toEqual([
      ['warn', expect.stringContaining('no longer waits for a silent partition'), part(1)],
    ]);
    push(1, a(1_189), a(1_190));
    reads.end();
    expect(await done).toMatchObject({ events: 4, late: 1 });
  });
});

describe('a partition that another ingestor has claimed', () => {
  test('ends the ingest, and nothing of it is kept any more', async () => {
    const { done, reads, push, store, kept, watermarksAre } = await setUp(1);
    push(0, a(100));
    await watermarksAre(89);
    const [claim] = await store.claim('test', [0]);
    await expect(done).rejects.toMatchObject({
      code: 'ALREADY_RUNNING',
      details: { source: 'test' },
      message: expect.stringContaining('another process has begun to ingest test'),
    });
    reads.end();
    expect(await kept(0)).toEqual(claim?.progress);
  });

  test('is dropped where the reader is told of it; the others go on', async () => {
    const fenced: SourcePartition[] = [];
    const { done, reads, push, store, watermarksAre, assign } = await setUp(2, {
      isKeyed: true,
      onFenced: (some) => void fenced.push(...some),
    });
    push(0, a(100, 'x'));
    push(1, a(100, 'y'));
    await watermarksAre(89, 89);
    await store.claim('test', [1]);
    await until(() => fenced.length > 0);
    push(0, a(500, 'x'));
    await watermarksAre(489, 89);
    expect(fenced).toMatchObject([{ ...part(1), generation: 1 }]);
    // The reader has it once more.
    await assign();
    await sleep(20);
    reads.end();
    const counts = await done;
    expect(fenced).toHaveLength(1);
    expect(counts.partitions.map(({ partition }) => partition)).toEqual([0, 1]);
  });

  test('is not claimed again by the records of it that are still at hand', async () => {
    const fenced: SourcePartition[] = [];
    const { done, reads, push, store, watermarksAre, kept, gateway } = await setUp(1, {
      onFenced: (some) => void fenced.push(...some),
    });
    push(0, a(100), a(200));
    await watermarksAre(189);
    const [other] = await store.claim('test', [0]);
    await until(() => fenced.length > 0);
    // Those between are read by the other one.
    reads.push(record(6, a(1_000)), record(7, a(2_000)));
    await sleep(20);
    const progress = { ...(await kept(0)), lowWater: 2 } as StoredProgress;
    expect(await store.publish([{ ...part(0), generation: 2, progress }])).toEqual([]);
    reads.end();
    expect(await done).toMatchObject({ read: 2, partitions: [] });
    expect([other?.generation, await kept(0)]).toEqual([2, progress]);
    expect(gateway.offsets('shop/k')).toEqual([0]);
  });

  test('is not one that was assigned to us anew while we were publishing', async () => {
    const { done, reads, push, store, watermarksAre, assign, kept } = await setUp(1);
    push(0, a(100));
    await watermarksAre(89);
    const publish = store.publish.bind(store);
    let release = () => {};
    let isHeld = false;
    store.publish = async (some) => {
      isHeld = true;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return await publish(some);
    };
    await until(() => isHeld);
    await assign();
    await sleep(10);
    store.publish = publish;
    release();
    push(0, a(100), a(500));
    await watermarksAre(489);
    reads.end();
    await done;
    expect(await kept(0)).toMatchObject({ lowWater: 2, finished: true });
  });

  test('what is under way for it still settles nothing that was assigned anew', async () => {
    const gateway = new FakeGateway();
    const releases: (() => void)[] = [];
    gateway.before = () => new Promise((resolve) => releases.push(resolve));
    const { done, reads, push, store, assign, kept } = await setUp(1, { gateway });
    push(0, a(100), a(1_000));
    await until(() => releases.length === 1);
    await assign();
    await until(() => store.published.length > 2);
    reads.push({ ...record(0, a(100)), partition: 0 });
    await sleep(10);
    gateway.before = () => {};
    releases[0]?.();
    // Accepted, but not by the events that were read since.
    await until(() => gateway.accepted.length === 1);
    await sleep(20);
    expect(await kept(0)).toMatchObject({ lowWater: 0 });
    reads.push({ ...record(1, a(1_000)), partition: 0 });
    reads.end();
    await done;
    expect(
      gateway.batches('shop/k').map(({ events }) => events.map(({ offset }) => offset)),
    ).toEqual([[0], [0, 1], []]);
    expect(await kept(0)).toMatchObject({ lowWater: 2, finished: true });
  });
});

describe('sinks that take their time', () => {
  test.each([
    ['late', a(1)],
    ['deadLetters', 'nonsense'],
    ['deadLetters', { t: 5_000, type: 'a' }],
  ] as const)('%s: nothing is settled before they have it', async (sink, value) => {
    const releases: (() => void)[] = [];
    const slow = () => new Promise<void>((resolve) => releases.push(resolve));
    const { done, reads, push, kept, store } = await setUp(1, { [sink]: slow });
    push(0, a(1_000), a(2_000), value, a(6_000), a(7_000));
    await until(() => releases.length === 1);
    await sleep(20);
    const isHeld = typeof value === 'object' && value.t === 5_000;
    // What has a time holds back the watermark; a late one lies behind it anyhow.
    expect(await kept(0)).toMatchObject(
      isHeld
        ? { lowWater: 2, watermark: 4_999, nextOffset: 5 }
        : { lowWater: 2, orderingWatermark: 1_989 },
    );
    releases[0]?.();
    await until(() => store.last?.lowWater === 4);
    expect(await kept(0)).toMatchObject({ watermark: 6_989, nextOffset: 5 });
    reads.end();
    await done;
  });

  test('a late event whose output is pending is not done with, whatever is promised', async () => {
    const releases: (() => void)[] = [];
    const late = () => new Promise<void>((resolve) => releases.push(resolve));
    const { done, reads, push, kept, watermarksAre } = await setUp(1, { late });
    push(0, a(1_000));
    await watermarksAre(989);
    push(0, a(1), a(2_000));
    await until(() => releases.length === 1);
    await sleep(20);
    expect(await kept(0)).toEqual({
      watermark: 989,
      lowWater: 1,
      finished: false,
      nextOffset: 1,
      readTo: 3,
      orderingWatermark: 989,
      quietSince: null,
    });
    releases[0]?.();
    await watermarksAre(1_989);
    reads.end();
    await done;
  });

  test('reading pauses while too many are under way, and the end waits for them', async () => {
    const releases: (() => void)[] = [];
    const deadLetters = () => new Promise<void>((resolve) => releases.push(resolve));
    let read = 0;
    async function* records(): AsyncGenerator<Read> {
      for (; read < 1_500; ) yield record(read++, 'nonsense');
    }
    const { done, store } = run({ records: records(), deadLetters });
    await until(() => releases.length > 1_000);
    await sleep(20);
    expect([read, releases.length]).toEqual([1_001, 1_001]);
    releases.shift()?.();
    await until(() => read === 1_002);
    let isOver = false;
    done.then(
      () => {
        isOver = true;
      },
      () => {},
    );
    while (read < 1_500 || releases.length > 1) {
      releases.shift()?.();
      await sleep(0);
    }
    await sleep(20);
    expect(isOver).toBe(false);
    releases.shift()?.();
    expect(await done).toMatchObject({ read: 1_500, dead: { RECORD_NOT_JSON: 1_500 } });
    expect(store.last).toEqual({ watermark: MAX_TIMESTAMP, lowWater: 1_500, finished: true });
  });

  test('a stop while reading is paused for them', async () => {
    const stop = new AbortController();
    let read = 0;
    async function* records(): AsyncGenerator<Read> {
      for (; read < 5_000; ) yield record(read++, 'nonsense');
    }
    const { done, store } = run({
      records: records(),
      deadLetters: () => new Promise(() => {}),
      signal: stop.signal,
    });
    await until(() => read > 1_000);
    stop.abort();
    expect(await done).toMatchObject({ read: 1_001 });
    expect(store.last).toMatchObject({ lowWater: 0, finished: false });
  });
});

describe('sessions that are parked', () => {
  const memoryParked = (list: ParkedSession[] = []) => ({
    list: async () => list,
    park: async (session: { journey: string; key: string }, reason: string) =>
      void list.push({ ...session, reason, parkedAt: 1 }),
    keep: async () => true,
  });
  const refuseBad = (gateway: FakeGateway) => {
    gateway.before = ({ session }) => {
      if (session === 'shop/bad') throw new SessionRefused('signal limit');
    };
  };

  test('are remembered, before their events count as settled', async () => {
    const gateway = new FakeGateway();
    refuseBad(gateway);
    let kept = () => {};
    const list: ParkedSession[] = [];
    const parked = memoryParked(list);
    const slow = {
      ...parked,
      park: async (session: { journey: string; key: string }, reason: string) => {
        await new Promise<void>((resolve) => {
          kept = resolve;
        });
        await parked.park(session, reason);
      },
    };
    const { done, reads, push, dead, watermarksAre } = await setUp(1, { gateway, parked: slow });
    push(0, a(100, 'bad'), a(1_000, 'good'), a(2_000, 'good'));
    await until(() => gateway.accepted.length === 1);
    await sleep(20);
    await watermarksAre(99);
    expect(dead).toEqual([]);
    kept();
    await watermarksAre(1_989);
    expect(list).toEqual([{ journey: 'shop', key: 'bad', reason: 'signal limit', parkedAt: 1 }]);
    reads.end();
    expect(await done).toMatchObject({ parked: 1, dead: { SESSION_REFUSED: 1 } });
  });

  test('stay so after a restart: what comes for them goes to the dead letters', async () => {
    const list = [
      { journey: 'shop', key: 'bad', reason: 'signal limit', parkedAt: 1 },
      { journey: 'shop', key: 'bad', reason: 'too large', parkedAt: 2 },
      { journey: 'gone', key: 'bad', reason: 'signal limit', parkedAt: 1 },
    ];
    const { done, reads, push, dead, gateway } = await setUp(1, { parked: memoryParked(list) });
    push(0, a(100, 'bad'), a(200, 'good'), a(300, 'bad'));
    reads.end();
    const counts = await done;
    expect(dead).toMatchObject([
      { offset: 0, reason: 'SESSION_REFUSED', message: 'session shop/bad: the session is parked' },
      { offset: 2, reason: 'SESSION_REFUSED' },
    ]);
    expect(gateway.accepted.map(({ session }) => session)).toEqual(['shop/good', 'shop/good']);
    expect(counts).toMatchObject({ parked: 1, dead: { SESSION_REFUSED: 2 } });
  });

  test('while that can not be kept their events stay unsettled, and it is tried again', async () => {
    const gateway = new FakeGateway();
    refuseBad(gateway);
    const list: ParkedSession[] = [];
    const { list: listed, park, keep } = memoryParked(list);
    let failures = 1;
    const parked = {
      list: listed,
      keep,
      park: async (session: { journey: string; key: string }, reason: string) => {
        if (failures-- > 0) throw new Error('no database');
        await park(session, reason);
      },
    };
    const { done, push, reads, dead, kept, log, watermarksAre } = await setUp(1, {
      gateway,
      parked,
    });
    push(0, a(100, 'bad'), a(1_000, 'good'), a(2_000, 'good'));
    await until(() => failures === 0 && gateway.accepted.length === 1);
    await sleep(20);
    expect([dead, list]).toEqual([[], []]);
    expect(await kept(0)).toMatchObject({ lowWater: 0, watermark: 99 });
    await until(() => list.length === 1);
    await watermarksAre(1_989);
    expect(dead).toMatchObject([{ offset: 0, reason: 'SESSION_REFUSED' }]);
    expect(log.lines).toContainEqual([
      'warn',
      'parked session not kept, trying again',
      { journey: 'shop', key: 'bad', error: 'no database' },
    ]);
    reads.end();
    expect(await done).toMatchObject({ parked: 1, dead: { SESSION_REFUSED: 1 } });
  });
});

describe('what batches say', () => {
  test('the low-water mark that is kept, not the one that is known', async () => {
    const store = new RecordingStore();
    let isAway = false;
    store.check = () => {
      if (isAway) throw new Error('no database');
    };
    const reads = pushable<Read>();
    const { done, gateway } = run({ records: reads, store, publishMs: 1 });
    reads.push(record(0, a(1_000)), record(1, a(9_000)));
    await until(() => store.last?.lowWater === 1);
    isAway = true;
    reads.push(record(2, a(19_000)));
    await until(() => gateway.offsets('shop/k').length === 2);
    reads.push(record(3, a(29_000)));
    await until(() => gateway.offsets('shop/k').length === 3);
    expect(gateway.batches('shop/k').map(({ lowWater }) => lowWater)).toEqual([0, 1, 1]);
    isAway = false;
    await until(() => store.last?.lowWater === 3);
    reads.push(record(4, a(39_000)));
    await until(() => gateway.offsets('shop/k').length === 4);
    expect(gateway.batches('shop/k').at(-1)?.lowWater).toBe(3);
    reads.end();
    await done;
  });

  test("the event's id, by its record's key", async () => {
    const reads = pushable<Read>();
    const { done, gateway } = run({ records: reads });
    reads.push({ ...record(0, a(1)), id: '7' }, record(1, a(2)));
    reads.end();
    await done;
    expect(gateway.batches('shop/k')[0]?.events).toEqual([
      { offset: 0, timestamp: 1, id: '7', data: a(1) },
      { offset: 1, timestamp: 2, data: a(2) },
    ]);
  });
});

describe('after a crash in a silence', () => {
  const NOW = Date.UTC(2026, 0, 31, 12);
  const pending = () => new Promise<void>(() => {});

  /** An ingest until its crash, and the one that goes on from there. */
  function setUpTwo() {
    const clock = manualClock(NOW);
    const store = new RecordingStore();
    const crash = new AbortController();
    const common = { clock, store, graceMs: 1_000 };
    return {
      clock,
      first: (partitions: number, options: SetUpOptions = {}) =>
        setUp(partitions, { ...common, signal: crash.signal, stopMs: 1, ...options }),
      second: (partitions: number, options: SetUpOptions = {}) =>
        setUp(partitions, { ...common, ...options }),
      crash: () => crash.abort(),
    };
  }

  test('a record that comes only now, for a time that was promised, is late', async () => {
    const { clock, first, second, crash } = setUpTwo();
    const one = await first(1, { deadLetters: pending });
    one.push(0, a(NOW), 'nonsense');
    await one.watermarksAre(NOW - 11);
    await sleep(10);
    clock.passes(61_000);
    one.look(0, clock.monotonic());
    await one.watermarksAre(NOW + 59_989);
    crash();
    await one.done;
    expect(await one.kept(0)).toMatchObject({
      lowWater: 1,
      nextOffset: 2,
      readTo: 2,
      orderingWatermark: NOW - 11,
    });
    const two = await second(1);
    two.push(0, 'nonsense', a(NOW + 59_989), a(NOW + 59_990));
    two.reads.end();
    expect(await two.done).toMatchObject({ read: 3, repeats: 0, events: 1, late: 1 });
    expect(two.late).toMatchObject([
      { offset: 2, message: expect.stringContaining(String(NOW + 59_989)) },
    ]);
    expect(two.gateway.offsets('shop/k')).toEqual([3]);
  });

  test('so is one of a partition that the others no longer waited for', async () => {
    const { clock, first, second, crash } = setUpTwo();
    const one = await first(2, { heldMax: 1 });
    one.push(1, a(100));
    one.push(0, a(1_000), a(2_000), a(3_000));
    await one.watermarksAre(89, 89);
    clock.passes(2_000);
    one.look(1, clock.monotonic());
    await one.watermarksAre(2_989, 2_989);
    await until(() => one.store.published.at(-1)?.lowWater === 1);
    crash();
    await one.done;
    const two = await second(2, { heldMax: 1 });
    two.push(1, a(500));
    two.push(0, a(3_000));
    two.reads.end();
    expect(await two.done).toMatchObject({ events: 1, late: 1 });
    expect(two.late).toMatchObject([{ partition: 1, offset: 1 }]);
    expect(two.gateway.offsets('shop/k')).toEqual([2]);
  });

  test('records that are done with still move the order: what was late behind them stays so', async () => {
    const { clock, first, second, crash } = setUpTwo();
    const one = await first(1, { deadLetters: pending, late: pending });
    one.push(0, 'nonsense', a(NOW));
    await one.watermarksAre(NOW - 11);
    clock.passes(6_000);
    one.look(0, clock.monotonic());
    await one.watermarksAre(NOW + 4_989);
    one.push(0, a(NOW - 11));
    await until(() => one.store.published.at(-1)?.readTo === 3);
    crash();
    await one.done;
    expect(await one.kept(0)).toMatchObject({
      watermark: NOW + 4_989,
      lowWater: 0,
      nextOffset: 2,
      orderingWatermark: MIN_TIMESTAMP,
    });
    const two = await second(1, { endWatermark: 'none' });
    two.push(0, 'nonsense', a(NOW));
    await until(() => two.store.published.at(-1)?.lowWater === 2);
    expect(await two.kept(0)).toMatchObject({
      watermark: NOW + 4_989,
      orderingWatermark: NOW - 11,
    });
    two.push(0, a(NOW - 11));
    two.reads.end();
    expect(await two.done).toMatchObject({ repeats: 1, events: 0, late: 1 });
    expect(two.gateway.calls).toBe(0);
  });

  test('an event late by the clock alone, not promised, goes to its session: that calls it late', async () => {
    const gateway = new FakeGateway();
    gateway.before = ({ session }) => (session === 'shop/deaf' ? pending() : undefined);
    const { clock, first, second, crash } = setUpTwo();
    const one = await first(1, { gateway });
    one.push(0, a(NOW, 'deaf'), a(NOW + 1));
    await one.watermarksAre(NOW - 10);
    clock.passes(61_000);
    one.look(0, clock.monotonic());
    await until(() => gateway.accepted.length === 1);
    one.push(0, a(NOW + 10_000));
    await until(() => one.late.length === 1);
    await one.watermarksAre(NOW - 1);
    crash();
    await one.done;
    const two = await second(1);
    two.push(0, a(NOW, 'deaf'), a(NOW + 1), a(NOW + 10_000));
    two.reads.end();
    expect(await two.done).toMatchObject({ repeats: 0, events: 3, late: 0 });
    const session = new Session(journeysOf().byId.get('shop') as CompiledJourney, 'k');
    const verdicts = [...gateway.batches('shop/k'), ...two.gateway.batches('shop/k')].map(
      ({ events, watermark }) => {
        const accepted = events.map((event) => [
          event.offset,
          session.accept({ ...part(0), ...event }),
        ]);
        session.advance(watermark);
        return accepted;
      },
    );
    // The repeat of 1 a session knows by its offset, before it is asked.
    expect(verdicts).toEqual([
      [[1, 'TAKEN']],
      [
        [1, 'LATE'],
        [2, 'LATE'],
      ],
      [],
    ]);
  });
});

describe('records that were settled before', () => {
  test('are counted as repeats, and go nowhere', async () => {
    const store = new RecordingStore();
    const first = run({
      store,
      endWatermark: 'none',
      records: (async function* (): AsyncGenerator<Read> {
        yield record(0, a(10_000));
        yield record(1, a(1));
        yield record(2, 'nonsense');
        yield record(3, null);
      })(),
    });
    await first.done;
    const second = run({
      store,
      records: (async function* (): AsyncGenerator<Read> {
        yield record(0, a(10_000));
        yield record(1, a(1));
        yield record(2, 'nonsense');
        yield record(3, null);
        yield record(4, a(10_000));
        yield record(5, a(10_001));
      })(),
    });
    const counts = await second.done;
    expect(counts).toMatchObject({
      read: 2,
      repeats: 4,
      events: 1,
      late: 1,
      dead: {},
      tombstones: 0,
    });
    expect(second.gateway.offsets('shop/k')).toEqual([5]);
    expect(second.late).toMatchObject([{ offset: 4 }]);
  });
});
