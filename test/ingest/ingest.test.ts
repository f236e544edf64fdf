// The whole pipeline over a server in memory: what becomes of each record, what is promised and when,
// how it ends, how it stops, and what silence proves.

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CepError } from '../../src/errors.js';
import { SessionRefused } from '../../src/ingest/gateway.js';
import { IngestPause } from '../../src/ingest/pause.js';
import type { StoredProgress } from '../../src/ingest/progress.js';
import type { Read } from '../../src/ingest/record.js';
import { formatTimestamp, MAX_TIMESTAMP } from '../../src/time.js';
import {
  FakeGateway,
  type Item,
  journey,
  journeysOf,
  manualClock,
  memoryLog,
  pushable,
  RecordingStore,
  record,
  recordsOf,
  run,
  until,
} from './helpers.js';

const a = (t: number, key = 'k'): Item => ({ t, key, type: 'a' });

describe('each record has one end', () => {
  test('accepted, skipped, unrouted, late, a dead letter or a tombstone; all are counted and settled', async () => {
    const journeys = journeysOf([journey({ accepts: (e) => e.type !== 'z' })], {
      fields: { n: 'number' },
    });
    const values = [
      { t: 10_000, key: 'k', type: 'a' },
      { t: 10_001, key: 'nobody', type: 'b' },
      { t: 10_002, type: 'z' },
      { t: 7_999, key: 'k', type: 'a' },
      { t: 10_003, type: 'a' },
      'nonsense',
      { t: 10_004, key: 'k', type: 'a', n: 'x' },
      { key: 'k' },
      { t: 1e12, key: 'k', type: 'a' },
      { t: 10_005, key: 'k', type: 'b' },
    ];
    async function* records(): AsyncGenerator<Read> {
      for (const [offset, value] of values.entries()) yield record(offset, value, 20_000);
      yield { ...record(10, 'x,y', 20_000), fault: 'two columns too few' };
      yield record(11, null, 20_000);
    }
    const { done, gateway, store, late, dead } = run({ journeys, records: records() });
    const counts = await done;
    expect(counts).toEqual({
      read: 12,
      events: 5,
      late: 1,
      dead: {
        RECORD_WITHOUT_KEY: 1,
        RECORD_NOT_JSON: 2,
        RECORD_WRONG_TYPE: 1,
        RECORD_WITHOUT_TIME: 1,
        RECORD_TIME_AHEAD: 1,
      },
      unrouted: 1,
      skipped: 1,
      batches: 1,
      sessions: 1,
      parked: 0,
      repeats: 0,
      tombstones: 1,
      changes: {},
      watermark: MAX_TIMESTAMP,
      partitions: [
        { source: 'test', partition: 0, watermark: MAX_TIMESTAMP, lowWater: 12, isLive: false },
      ],
      undelivered: 0,
    });
    expect(gateway.offsets('shop/k')).toEqual([0, 9]);
    expect(late).toMatchObject([{ offset: 3, reason: 'LATE', record: values[3] }]);
    expect(dead.map(({ offset, reason }) => [offset, reason])).toEqual([
      [5, 'RECORD_NOT_JSON'],
      [6, 'RECORD_WRONG_TYPE'],
      [7, 'RECORD_WITHOUT_TIME'],
      [8, 'RECORD_TIME_AHEAD'],
      [10, 'RECORD_NOT_JSON'],
      [4, 'RECORD_WITHOUT_KEY'],
    ]);
    expect(dead[0]).toMatchObject({ source: 'test', partition: 0, record: 'nonsense' });
    expect(store.last).toEqual({ watermark: MAX_TIMESTAMP, lowWater: 12, finished: true });
    // What the command line prints at the end.
    expect(formatTimestamp(counts.watermark)).toBe('the end of the stream');
  });

  test('without sinks late events and dead letters are in the log, with coordinates', async () => {
    const log = memoryLog();
    async function* records(): AsyncGenerator<Read> {
      yield record(0, a(10_000));
      yield record(1, a(1));
      yield record(2, 'nonsense');
    }
    const gateway = new FakeGateway();
    const { ingest } = await import('../../src/ingest/ingest.js');
    await ingest({
      journeys: journeysOf(),
      gateway,
      store: new RecordingStore(),
      records: records(),
      log,
    });
    expect(
      log.lines.map(([level, message, { offset, reason }]) => [level, message, offset, reason]),
    ).toEqual([
      ['warn', 'late event', 1, 'LATE'],
      ['warn', 'dead letter', 2, 'RECORD_NOT_JSON'],
    ]);
  });

  test('an event for several journeys counts when each has it', async () => {
    const journeys = journeysOf([journey({ id: 'one' }), journey({ id: 'two', key: 'n' })]);
    const gateway = new FakeGateway();
    let release = () => {};
    gateway.before = ({ session }) =>
      session === 'two/1'
        ? new Promise<void>((resolve) => {
            release = resolve;
          })
        : undefined;
    const records = pushable<Read>();
    const { done, store } = run({ journeys, gateway, records, publishMs: 1 });
    records.push(record(0, { ...a(1_000), n: 1 }), record(1, { ...a(9_000), n: 2 }));
    await until(() => gateway.accepted.length === 1 && gateway.calls === 2);
    await sleep(20);
    expect(store.last).toEqual({ watermark: 999, lowWater: 0, finished: false });
    release();
    await until(() => store.last?.watermark === 6_999);
    expect(store.last).toEqual({ watermark: 6_999, lowWater: 1, finished: false });
    records.end();
    gateway.before = () => {};
    await done;
  });

  test('a journey that can not be told the key does not keep the event from the others', async () => {
    const journeys = journeysOf([journey({ id: 'one' }), journey({ id: 'two', key: 'n' })]);
    const { done, gateway, dead } = run({ journeys, records: recordsOf([a(1)]) });
    await done;
    expect(gateway.offsets('one/k')).toEqual([0]);
    expect(dead).toMatchObject([{ offset: 0, reason: 'RECORD_WITHOUT_KEY', journey: 'two' }]);
  });

  test('one that comes again for the journey that it did not reach is for that alone', async () => {
    const journeys = journeysOf([journey({ id: 'one' }), journey({ id: 'two', key: 'n' })]);
    async function* records(): AsyncGenerator<Read> {
      yield { ...record(0, { ...a(1), n: 7 }), journey: 'two' };
      yield { ...record(1, { ...a(2), n: 7 }), journey: 'gone' };
    }
    const { done, gateway, dead } = run({ journeys, records: records() });
    expect(await done).toMatchObject({ events: 2, dead: { RECORD_WRONG_TYPE: 1 }, unrouted: 0 });
    expect(gateway.offsets('two/7')).toEqual([0]);
    expect(gateway.offsets('one/k')).toEqual([]);
    expect(dead).toMatchObject([{ offset: 1, reason: 'RECORD_WRONG_TYPE', journey: 'gone' }]);
  });
});

describe('the promise', () => {
  test('events far ahead of the clock never move the watermark', async () => {
    const records = pushable<Read>();
    const { done, store } = run({ records, publishMs: 1 });
    records.push(record(0, a(10_000), 20_000), record(1, a(20_000 + 300_001), 20_000));
    await until(() => store.last?.lowWater === 0 && store.last.watermark === 7_999);
    await sleep(20);
    expect(store.last?.watermark).toBe(7_999);
    records.end();
    await done;
  });

  test('holds at every moment, whatever the server does', async () => {
    const item = fc.record({
      t: fc.integer({ min: 1, max: 12_000 }),
      key: fc.constantFrom('x', 'y', 'z'),
      type: fc.constantFrom('a', 'b', 'nonsense'),
    });
    const plan = fc.record({
      items: fc.array(item, { minLength: 1, maxLength: 60 }),
      waits: fc.array(fc.nat(12), { minLength: 1 }),
      pauses: fc.array(fc.nat(4), { minLength: 1 }),
      bad: fc.constantFrom('x', 'nobody'),
      batchEventsMax: fc.integer({ min: 1, max: 5 }),
    });
    let publications = 0;
    await fc.assert(
      fc.asyncProperty(plan, async ({ items, waits, pauses, bad, batchEventsMax }) => {
        const gateway = new FakeGateway();
        const store = new RecordingStore();
        const rejected = new Set<number>();
        const read = new Set<number>();
        const skipped = new Set<number>();
        gateway.before = async ({ session, batches: [batch] }) => {
          await sleep(waits[gateway.calls % waits.length] as number);
          if (session === `shop/${bad}`) throw new SessionRefused('too large');
          if (
            !gateway.running.has(session) &&
            (batch?.events ?? []).every((e) => e.data.type !== 'a')
          ) {
            for (const { offset } of batch?.events ?? []) skipped.add(offset);
          }
        };
        async function* records(): AsyncGenerator<Read> {
          for (const [offset, value] of items.entries()) {
            const pause = pauses[offset % pauses.length] as number;
            if (pause > 2) await sleep(pause);
            read.add(offset);
            yield record(offset, value.type === 'nonsense' ? 'nonsense' : value);
          }
        }
        let last = Number.NEGATIVE_INFINITY;
        store.check = ({ watermark, lowWater }) => {
          publications++;
          expect(watermark).toBeGreaterThanOrEqual(last);
          last = watermark;
          const accepted = new Set(
            gateway.accepted.flatMap(({ batches: [batch] }) =>
              (batch?.events ?? []).map(({ offset }) => offset),
            ),
          );
          for (const offset of read) {
            const isDone = accepted.has(offset) || rejected.has(offset) || skipped.has(offset);
            const { t, type } = items[offset] as Item;
            if (!isDone && type !== 'nonsense') expect(t).toBeGreaterThan(watermark);
            if (!isDone) expect(offset).toBeGreaterThanOrEqual(lowWater);
          }
        };
        const note = ({ offset }: { offset: number }) => void rejected.add(offset);
        await run({
          records: records(),
          gateway,
          store,
          late: note,
          deadLetters: note,
          publishMs: 1,
          dispatch: { lingerMs: 1, batchEventsMax },
        }).done;
        expect(store.last).toEqual({
          watermark: MAX_TIMESTAMP,
          lowWater: items.length,
          finished: true,
        });
        // Nothing lost, nothing twice.
        const accepted = gateway.accepted.flatMap(({ batches: [batch] }) =>
          (batch?.events ?? []).map((e) => e.offset),
        );
        const all = [...accepted, ...rejected, ...skipped].toSorted((x, y) => x - y);
        expect(all).toEqual(items.map((_, offset) => offset));
      }),
      { numRuns: 60 },
    );
    expect(publications).toBeGreaterThan(200);
  }, 60_000);

  test('each session gets its events in order of time, ties in order of arrival', async () => {
    const times = [5_000, 4_000, 5_000, 9_000, 8_000, 9_000, 20_000];
    const { done, gateway } = run({
      records: recordsOf(times.map((t) => a(t))),
      dispatch: { batchEventsMax: 2 },
    });
    await done;
    expect(gateway.offsets('shop/k')).toEqual([1, 0, 2, 4, 3, 5, 6]);
  });
});

describe('silence', () => {
  const NOW = Date.UTC(2026, 0, 31, 12);
  const setUp = () => {
    const clock = manualClock(NOW);
    const records = pushable<Read>();
    const parts = run({ clock, records, publishMs: 1, dispatch: { lingerMs: 0 } });
    let offset = 0;
    return {
      ...parts,
      clock,
      records,
      event: (value: Item | string) => records.push(record(offset++, value, clock.now())),
      look: (lookedAt = clock.monotonic()) =>
        records.push({ endOfLog: true, source: 'test', partition: 0, lookedAt }),
      watermarkIs: (watermark: number) => until(() => parts.store.last?.watermark === watermark),
    };
  };

  test('moves the watermark of a live stream by the time that is proven quiet, less the grace', async () => {
    const { done, records, clock, event, look, gateway, watermarkIs, store } = setUp();
    event(a(NOW));
    await watermarkIs(NOW - 2_001);
    clock.passes(10_000);
    look();
    await sleep(20);
    expect(store.last?.watermark).toBe(NOW - 2_001);
    clock.passes(2_500);
    look();
    await watermarkIs(NOW + 499);
    // The event itself was only released by that.
    await until(() => gateway.offsets('shop/k').length === 1);
    expect(gateway.batches('shop/k')[0]?.watermark).toBe(NOW + 499);
    // Evidence counts to the beginning of the look, not to when it is heard of.
    clock.passes(60_000);
    look(clock.monotonic() - 50_000);
    await watermarkIs(NOW + 10_499);
    // An older proof takes nothing back.
    look(0);
    await sleep(20);
    expect(store.last?.watermark).toBe(NOW + 10_499);
    // What comes now counts from where silence had led.
    event(a(NOW + 10_000));
    await until(() => store.last?.lowWater === 2);
    records.end();
    expect((await done).late).toBe(1);
  });

  test('does not move a historic stream, nor one that has not begun', async () => {
    const { done, records, clock, event, look, store } = setUp();
    clock.passes(1e6);
    look();
    event(a(NOW - 10 * 86_400_000));
    clock.passes(1e6);
    look();
    await until(() => store.last !== undefined);
    await sleep(20);
    expect(store.last?.watermark).toBe(NOW - 10 * 86_400_000 - 2_001);
    records.end();
    await done;
  });

  test('records that can not be used are no silence', async () => {
    const { done, records, clock, event, look, store, watermarkIs } = setUp();
    event(a(NOW));
    await watermarkIs(NOW - 2_001);
    for (let n = 0; n < 10; n++) {
      clock.passes(5_000);
      event('nonsense');
      await until(() => store.last?.lowWater === 0);
      await sleep(2);
      look();
    }
    await sleep(20);
    expect(store.last?.watermark).toBe(NOW - 2_001);
    records.end();
    await done;
  });

  test('does not pass an event that the server has not accepted', async () => {
    const { done, records, clock, event, look, gateway, store } = setUp();
    let isUp = false;
    gateway.before = () => {
      if (!isUp) throw new Error('UNAVAILABLE');
    };
    event(a(NOW));
    await sleep(20);
    clock.passes(100_000);
    look();
    await until(() => gateway.calls > 0);
    await sleep(20);
    expect(store.last?.watermark).toBe(NOW - 1);
    isUp = true;
    await until(() => store.last?.watermark === NOW - 2_001 + 90_000);
    records.end();
    await done;
  });
});

describe('the end of the input', () => {
  test('is told to every session that may be open, by plain signal', async () => {
    const gateway = new FakeGateway();
    const items: Item[] = [a(1, 'x'), a(2, 'y'), { t: 3, key: 'z', type: 'b' }];
    const { done } = run({ records: recordsOf(items), gateway });
    const counts = await done;
    const ends = gateway.accepted.filter(({ batches: [batch] }) => batch?.finished);
    expect(ends.map(({ session, how }) => [session, how]).toSorted()).toEqual([
      ['shop/x', 'signal'],
      ['shop/y', 'signal'],
    ]);
    for (const {
      batches: [batch],
    } of ends) {
      expect(batch).toMatchObject({ events: [], watermark: MAX_TIMESTAMP, finished: true });
    }
    expect([counts.batches, counts.sessions, counts.skipped]).toEqual([2, 2, 1]);
  });

  test('a session that was gone in between is not told', async () => {
    const gateway = new FakeGateway();
    const records = pushable<Read>();
    const { done } = run({ records, gateway });
    records.push(record(0, a(1_000)), record(1, { t: 9_000, key: 'q' }));
    await until(() => gateway.accepted.length === 1);
    gateway.running.clear();
    records.push(record(2, { t: 9_001, key: 'k', type: 'b' }));
    records.end();
    const counts = await done;
    expect(gateway.accepted.filter(({ batches: [batch] }) => batch?.finished)).toEqual([]);
    expect(counts).toMatchObject({ skipped: 2, sessions: 1 });
  });

  test.each([
    ['no option: the end of time', undefined, MAX_TIMESTAMP],
    ['a time', 50_000, 50_000],
    ['the last event', 'last-event' as const, 9_000],
  ])('%s', async (_, endWatermark, expected) => {
    const { done, gateway, store } = run({
      records: recordsOf([a(1_000), a(9_000)]),
      ...(endWatermark === undefined ? {} : { endWatermark }),
    });
    await done;
    expect(gateway.batches('shop/k').at(-1)).toMatchObject({
      events: [],
      watermark: expected,
      finished: true,
    });
    expect(store.last).toEqual({ watermark: expected, lowWater: 2, finished: true });
  });

  test('none: everything is delivered, nothing is ended', async () => {
    const { done, gateway, store } = run({
      records: recordsOf([a(1_000), a(9_000)]),
      endWatermark: 'none',
    });
    await done;
    expect(gateway.offsets('shop/k')).toEqual([0, 1]);
    expect(gateway.accepted.some(({ batches: [batch] }) => batch?.finished)).toBe(false);
    expect(store.last).toEqual({ watermark: 9_000, lowWater: 2, finished: false });
  });

  test('comes only after everything was accepted, and survives a server that is away', async () => {
    const gateway = new FakeGateway();
    let failures = 3;
    gateway.before = ({ batches: [batch] }) => {
      if (batch?.finished && failures-- > 0) throw new Error('UNAVAILABLE');
    };
    const { done, store } = run({
      gateway,
      records: recordsOf([a(1)]),
      dispatch: { retryBudgetMs: 1 },
    });
    await done;
    expect(gateway.batches('shop/k').map(({ finished }) => finished)).toEqual([undefined, true]);
    expect(store.last?.finished).toBe(true);
  });

  test('no input at all', async () => {
    const { done, gateway } = run({ records: recordsOf([]) });
    expect(await done).toMatchObject({ read: 0, batches: 0 });
    expect(gateway.calls).toBe(0);
  });
});

describe('a stop', () => {
  test('delivers what was read and released, without an end', async () => {
    const stop = new AbortController();
    const records = pushable<Read>();
    const { done, gateway, store } = run({
      records,
      signal: stop.signal,
      dispatch: { lingerMs: 10_000 },
    });
    records.push(record(0, a(1_000)), record(1, a(9_000)));
    await sleep(20);
    expect(gateway.calls).toBe(0);
    const begunAt = performance.now();
    stop.abort();
    const counts = await done;
    expect(performance.now() - begunAt).toBeLessThan(1_000);
    expect(counts).toMatchObject({ read: 2, events: 2, batches: 1 });
    expect(gateway.offsets('shop/k')).toEqual([0]);
    // The second was not released: its offset is not committed, its time is not promised.
    expect(store.last).toEqual({ watermark: 6_999, lowWater: 1, finished: false });
  });

  test('does not wait for a source that never speaks again', async () => {
    const stop = new AbortController();
    const records = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<Read>>(() => {}) }),
    };
    const { done } = run({ records, signal: stop.signal });
    stop.abort();
    expect(await done).toMatchObject({ read: 0 });
  });

  test('works while reading is paused', async () => {
    const stop = new AbortController();
    const gateway = new FakeGateway();
    const releases: (() => void)[] = [];
    gateway.before = () => new Promise((resolve) => releases.push(resolve));
    const items = Array.from({ length: 100 }, (_, n) => a(n * 10_000, `k${n}`));
    const { done } = run({ records: recordsOf(items), gateway, heldMax: 3, signal: stop.signal });
    await until(() => releases.length > 0);
    stop.abort();
    gateway.before = () => {};
    for (const release of releases) release();
    expect((await done).read).toBeLessThan(10);
  });

  test('works while the end is being delivered to a server that is away', async () => {
    const stop = new AbortController();
    const gateway = new FakeGateway();
    gateway.before = () => {
      throw new Error('UNAVAILABLE');
    };
    const { done, store, log } = run({
      records: recordsOf([a(1)]),
      gateway,
      signal: stop.signal,
      stopMs: 100,
    });
    await until(() => gateway.calls > 1);
    stop.abort();
    await done;
    expect(store.last).toEqual({ watermark: 0, lowWater: 0, finished: false });
    expect(log.lines.map(([, message]) => message)).toContain(
      'stopped before everything was delivered',
    );
    const { calls } = gateway;
    await sleep(400);
    expect(gateway.calls).toBe(calls);
  });

  test('before the first record', async () => {
    const { done } = run({ records: recordsOf([a(1)]), signal: AbortSignal.abort() });
    expect(await done).toMatchObject({ read: 0, batches: 0 });
  });
});

describe('what fails', () => {
  test('because of another: it ends, and takes nothing back from that one', async () => {
    const store = new RecordingStore();
    let read = 0;
    async function* records(): AsyncGenerator<Read> {
      for (;;) {
        yield record(read, a(read++ * 10_000));
        await sleep(2);
      }
    }
    const { done } = run({ records: records(), store, publishMs: 1 });
    await until(() => (store.last?.lowWater ?? 0) > 2);
    const [other] = await store.claim('test', [0]);
    await expect(done).rejects.toMatchObject({ code: 'ALREADY_RUNNING' });
    const readAtEnd = read;
    await sleep(30);
    expect(read - readAtEnd).toBeLessThanOrEqual(1);
    const progress = other?.progress as StoredProgress;
    const publication = { source: 'test', partition: 0, generation: 2, progress };
    expect(await store.publish([publication])).toEqual([]);
  });

  test('a source: what was read is delivered, then the error comes through', async () => {
    async function* records(): AsyncGenerator<Read> {
      yield record(0, a(1_000));
      yield record(1, a(9_000));
      throw new CepError('INPUT_MISSING', 'the file is gone');
    }
    const { done, gateway, store } = run({ records: records(), dispatch: { lingerMs: 10_000 } });
    await expect(done).rejects.toThrow('the file is gone');
    expect(gateway.offsets('shop/k')).toEqual([0]);
    expect(store.last).toMatchObject({ lowWater: 1, finished: false });
  });

  test.each(['late', 'deadLetters'] as const)('the sink of %s: the ingest ends', async (sink) => {
    const fail = () => {
      throw new Error('disk full');
    };
    async function* records(): AsyncGenerator<Read> {
      yield record(0, a(10_000));
      yield record(1, sink === 'late' ? a(1) : 'nonsense');
      await sleep(10_000);
    }
    await expect(run({ records: records(), [sink]: fail }).done).rejects.toThrow('disk full');
  });

  test('the sink, when a session is refused', async () => {
    const gateway = new FakeGateway();
    gateway.before = () => {
      throw new SessionRefused('too large');
    };
    const records = pushable<Read>();
    const { done } = run({
      records,
      gateway,
      deadLetters: () => {
        throw new Error('disk full');
      },
    });
    records.push(record(0, a(1)), record(1, a(9_000)));
    await expect(done).rejects.toThrow('disk full');
  });

  test('the store: it is said, and tried again', async () => {
    const store = new RecordingStore();
    let failures = 2;
    store.check = () => {
      if (failures-- > 0) throw new Error('no database');
    };
    const records = pushable<Read>();
    const { done, log } = run({ records, store, publishMs: 1 });
    records.push(record(0, a(1)));
    await until(() => failures < 0);
    records.end();
    await done;
    expect(store.last?.finished).toBe(true);
    expect(log.lines.filter(([, message]) => message === 'progress not published')).toHaveLength(2);
  });
});

test('a session refused for good: dead letters with its name, the others go on', async () => {
  const gateway = new FakeGateway();
  gateway.before = ({ session }) => {
    if (session === 'shop/bad') throw new SessionRefused('signal limit');
  };
  const { done, dead } = run({
    gateway,
    records: recordsOf([a(1, 'bad'), a(2, 'good'), a(9_000, 'bad'), a(9_001, 'good')]),
  });
  const counts = await done;
  expect(gateway.offsets('shop/good')).toEqual([1, 3]);
  expect(dead.map(({ offset, reason }) => [offset, reason])).toEqual([
    [0, 'SESSION_REFUSED'],
    [2, 'SESSION_REFUSED'],
  ]);
  expect(dead[0]).toMatchObject({
    message: expect.stringMatching(/shop\/bad.*signal limit/),
    record: a(1, 'bad'),
  });
  expect(counts).toMatchObject({ dead: { SESSION_REFUSED: 2 }, parked: 1, sessions: 1 });
});

test('back-pressure: reading pauses while too much is on its way', async () => {
  const gateway = new FakeGateway();
  let isOpen = false;
  gateway.before = async () => {
    while (!isOpen) await sleep(2);
  };
  let read = 0;
  async function* records(): AsyncGenerator<Read> {
    for (; read < 5_000; ) yield record(read, a(read++ * 10_000, `k${read % 50}`));
  }
  const { done } = run({ records: records(), gateway, heldMax: 100 });
  await sleep(150);
  expect(read).toBeLessThan(105);
  isOpen = true;
  expect(await done).toMatchObject({ read: 5_000, events: 5_000 });
});

test('while it is paused no record is taken and event time stands; then it goes on', async () => {
  const records = pushable<Read>();
  const pause = new IngestPause();
  const { done, gateway, store } = run({ records, pause, publishMs: 1 });
  records.push(record(0, a(1)), record(1, a(10_000)));
  while ((await store.read('test', 0))?.watermark !== 7_999) await sleep(2);
  pause.pause();
  const before = await store.read('test', 0);
  records.push(record(2, a(20_000)));
  await sleep(50);
  expect(gateway.offsets('shop/k')).toEqual([0]);
  expect(await store.read('test', 0)).toEqual(before);
  pause.resume();
  records.end();
  expect(await done).toMatchObject({ read: 3, events: 3 });
  expect(gateway.offsets('shop/k')).toEqual([0, 1, 2]);
});

test('a source that has everything at hand lets timers run', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const unrouted = journeysOf([journey({ accepts: () => false })]);
  const items = Array.from({ length: 50_000 }, (_, t) => a(t));
  await run({ records: recordsOf(items), journeys: unrouted }).done;
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
});

test('progress is told while it goes, and at the end', async () => {
  const seen: number[] = [];
  const records = pushable<Read>();
  const { done } = run({ records, publishMs: 1, onProgress: ({ read }) => seen.push(read) });
  records.push(record(0, a(1)));
  await until(() => seen.at(-1) === 1);
  records.push(record(1, a(2)));
  records.end();
  await done;
  expect(seen.at(-1)).toBe(2);
});
