// Both sides of a repartition in memory: source partitions into a keyed topic, that topic into sessions, and either side
// ended and begun anew at any moment, with what it had published and not a record more.

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import { Alignment } from '../../src/ingest/alignment.js';
import { type IngestOptions, Ingestor } from '../../src/ingest/ingest.js';
import { KeyedTopic } from '../../src/ingest/keyed-topic.js';
import { MemoryProgressStore } from '../../src/ingest/progress.js';
import type { RawRecord, Read } from '../../src/ingest/record.js';
import {
  type EncodedRecord,
  encodeEvent,
  encodeWatermark,
} from '../../src/ingest/repartition-format.js';
import { SourceWatermarks } from '../../src/ingest/source-watermarks.js';
import type { Outgoing, TopicWriter } from '../../src/kafka/topic-writer.js';
import { MIN_TIMESTAMP } from '../../src/time.js';
import type { EventBatch } from '../../src/workflows/messages.js';
import { Sources } from '../../src/workflows/sources.js';
import {
  FakeGateway,
  type Item,
  journeysOf,
  memoryLog,
  pushable,
  record,
  run,
  until,
} from './helpers.js';

const SOURCE = 'g/clicks@1';
const TOPIC = 's/by-key@1';
/** The watermark behind the last event of each source partition. */
const LAST = 8_989;
const journeys = journeysOf();

/** The log of one partition. */
class Log {
  readonly records: RawRecord[] = [];
  readonly #source: string;
  readonly #partition: number;

  constructor(source: string, partition: number) {
    this.#source = source;
    this.#partition = partition;
  }

  /** The latest of a source partition. */
  watermarkOf(partition: number): number | undefined {
    for (let i = this.records.length - 1; i >= 0; i--) {
      const { headers, value } = this.records[i] as RawRecord;
      if (headers?.['cep-type'] !== 'watermark') continue;
      const mark = JSON.parse(String(value));
      if (mark.partition === partition) return mark.watermark;
    }
    return undefined;
  }

  append({ key, headers, value }: EncodedRecord): void {
    const of = { source: this.#source, partition: this.#partition };
    this.records.push({
      ...of,
      offset: this.records.length,
      recordTime: 1e12,
      key,
      headers,
      value,
    });
  }
}

const event = (partition: number, offset: number, t: number, key = 'k'): CepEvent => ({
  ...{ source: SOURCE, partition, offset, timestamp: t },
  data: { t, key, type: 'a' },
});
const encoded = (of: CepEvent, journeys = ['shop']) =>
  encodeEvent({ event: of, key: String(of.data.key), journeys });
const mark = (partition: number, watermark: number, lowWater = 0, partitions = 2) =>
  encodeWatermark({
    ...{ source: SOURCE, partition, partitions },
    ...{ watermark, lowWater, isSilent: false },
  });

/** An ingestor of one partition of the topic, fed by hand from what the store has of it. */
async function reader(log: Log, store: MemoryProgressStore, options: Partial<IngestOptions> = {}) {
  const reads = pushable<Read>();
  const controller = new AbortController();
  const parts = run({
    ...{ records: reads, store: store as never, publishMs: 2, endWatermark: 'none' },
    ...{ signal: controller.signal, outOfOrdernessMs: 10, ...options },
    dispatch: { lingerMs: 0, ...options.dispatch },
  });
  const assigned = await store.claim(TOPIC, [0]);
  let next = assigned[0]?.progress?.lowWater ?? 0;
  reads.push({ assigned, isKeyed: true });
  return {
    ...parts,
    feed: (to = log.records.length) => {
      reads.push(...log.records.slice(next, to));
      next = Math.max(next, to);
    },
    kept: () => store.read(TOPIC, 0),
    stop: () => {
      controller.abort();
      return parts.done;
    },
  };
}

describe('what a reader makes of the topic', () => {
  test('events in the order of the source, with its coordinates, as far as all partitions are', async () => {
    const log = new Log(TOPIC, 0);
    const store = new MemoryProgressStore();
    for (const each of [event(0, 0, 100), event(0, 1, 130), event(1, 5, 120), event(1, 6, 130)]) {
      log.append(encoded(each));
    }
    log.append(mark(0, 500, 2));
    const { gateway, feed, kept, stop } = await reader(log, store);
    feed();
    await until(() => true);
    await sleep(30);
    expect([gateway.calls, (await kept())?.watermark]).toEqual([0, MIN_TIMESTAMP]);
    log.append(mark(1, 125, 6));
    feed();
    await until(() => gateway.accepted.length > 0);
    expect(gateway.accepted.map(({ batches }) => batches)).toEqual([
      [
        {
          ...{ source: TOPIC, partition: 0, origin: { source: SOURCE, partition: 0 } },
          events: [{ offset: 0, timestamp: 100, data: { t: 100, key: 'k', type: 'a' } }],
          ...{ watermark: 125, lowWater: 0 },
        },
        {
          ...{ source: TOPIC, partition: 0, origin: { source: SOURCE, partition: 1 } },
          events: [{ offset: 5, timestamp: 120, data: { t: 120, key: 'k', type: 'a' } }],
          ...{ watermark: 125, lowWater: 0 },
        },
      ],
    ]);
    log.append(mark(1, 600, 7));
    feed();
    await until(() => gateway.offsets('shop/k').length === 4);
    // In event-time order, of one time in the order of partitions.
    expect(gateway.offsets('shop/k')).toEqual([0, 5, 1, 6]);
    // The marks lie below what is kept, so sessions may know of them.
    for (let kept_ = await kept(); kept_?.lowWater !== log.records.length; kept_ = await kept()) {
      await sleep(2);
    }
    expect(await store.read(TOPIC, 0, { source: SOURCE, partition: 1 })).toMatchObject({
      ...{ watermark: 500, lowWater: 7 },
    });
    log.append(encoded(event(0, 2, 700)));
    log.append(mark(0, 800, 3));
    log.append(mark(1, 800, 7));
    feed();
    await until(() => gateway.offsets('shop/k').length === 5);
    expect(gateway.batches('shop/k').at(-1)).toMatchObject({ lowWater: 2, watermark: 800 });
    const counts = await stop();
    expect(counts).toMatchObject({ read: 5, events: 5, repeats: 0, late: 0, tombstones: 0 });
  });

  test('repeats, records of others and of unknown journeys, and what is no such record', async () => {
    const log = new Log(TOPIC, 0);
    log.append(encoded(event(0, 0, 100)));
    log.append(mark(0, 100, 1));
    log.append(mark(1, 100, 1));
    log.append(encoded(event(0, 0, 100)));
    log.append(encoded(event(1, 0, 900)));
    log.append(encoded(event(0, 1, 110), ['gone']));
    log.append(encoded({ ...event(0, 2, 110), source: 'g/orders@1' }));
    log.append({ key: 'k', headers: {}, value: '{"t": 5, "key": "k"}' });
    log.append(mark(0, 200, 3));
    log.append(mark(1, 200, 3));
    const { gateway, feed, stop, dead } = await reader(log, new MemoryProgressStore());
    feed();
    await until(() => dead.length === 3);
    expect(
      dead.map(({ reason, source, offset, message }) => [reason, source, offset, message]),
    ).toEqual([
      ['RECORD_WRONG_TYPE', TOPIC, 6, expect.stringContaining('g/orders')],
      ['RECORD_WRONG_TYPE', TOPIC, 7, expect.stringContaining('cep-format')],
      ['RECORD_WRONG_TYPE', SOURCE, 1, expect.stringContaining('journey "gone"')],
    ]);
    await until(() => gateway.offsets('shop/k').length === 1);
    expect(await stop()).toMatchObject({ repeats: 2, events: 2, dead: { RECORD_WRONG_TYPE: 3 } });
  });

  test('an event of a partition added later, behind what was promised, is late', async () => {
    const log = new Log(TOPIC, 0);
    log.append(mark(0, 500, 0));
    log.append(mark(1, 500, 0));
    log.append(encoded(event(2, 0, 400)));
    log.append(encoded(event(2, 1, 501)));
    for (const partition of [0, 1, 2]) log.append(mark(partition, 600, 9, 3));
    const { gateway, feed, late, stop } = await reader(log, new MemoryProgressStore());
    feed();
    await until(() => gateway.offsets('shop/k').length === 1);
    expect(
      late.map(({ reason, source, partition, offset }) => [reason, source, partition, offset]),
    ).toEqual([['LATE', SOURCE, 2, 0]]);
    expect(await stop()).toMatchObject({ events: 1, late: 1 });
  });

  test('what stood in the topic before is read as in any other', async () => {
    const log = new Log(TOPIC, 0);
    const plain: Item = { t: 50, key: 'k', type: 'a' };
    const { headers: _, ...first } = { ...record(0, plain), source: TOPIC, headers: {} };
    log.records.push(first);
    log.append(encoded(event(0, 0, 100)));
    log.append(mark(0, 200, 1, 1));
    const { gateway, feed, stop } = await reader(log, new MemoryProgressStore());
    feed();
    await until(() => gateway.offsets('shop/k').length === 2);
    expect(
      gateway.batches('shop/k').map(({ origin, events }) => [origin?.source, events.length]),
    ).toEqual([
      [undefined, 1],
      [SOURCE, 1],
    ]);
    await stop();
  });
});

// ---- both sides, with crashes

/** What a session makes of its batches. */
class FakeSession {
  readonly taken: string[] = [];
  readonly late: string[] = [];
  #sources = new Sources();
  #watermark = MIN_TIMESTAMP;

  take(batches: readonly EventBatch[]): void {
    for (const batch of batches) {
      for (const { offset, timestamp } of batch.events) {
        if (!this.#sources.take(batch, offset)) continue;
        const at = `${batch.origin?.partition}/${offset}`;
        if (timestamp <= this.#watermark) this.late.push(at);
        else this.taken.push(at);
      }
      this.#sources.promise(batch, batch);
    }
    this.#watermark = Math.max(this.#watermark, this.#sources.watermark);
    this.#sources = new Sources(JSON.parse(JSON.stringify(this.#sources.snapshot())));
  }
}

/** A store that can be cut off: nothing more of this process is taken. */
function cut(store: MemoryProgressStore) {
  const state = { isCut: false };
  const proxy = Object.create(store) as MemoryProgressStore;
  proxy.claim = (...of) => store.claim(...of);
  proxy.read = (...of) => store.read(...of);
  proxy.publish = async (publications) => {
    if (state.isCut) throw new Error('this process has ended');
    return store.publish(publications);
  };
  return {
    proxy,
    end: () => {
      state.isCut = true;
    },
  };
}

/** Longest wait of the last lives, however busy the machine is. */
const PATIENCE_MS = 20_000;

async function whenOr(isDone: () => Promise<boolean>, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end && !(await isDone())) await sleep(2);
}

interface Life {
  /** How many records of each partition it gets to read. */
  readonly reads: number;
  readonly ms: number;
}

/** Runs a repartition of the source's partitions for a while, and ends it without a word. */
async function repartitionFor(
  { reads, ms }: Life,
  world: { source: RawRecord[][]; logs: Log[]; store: MemoryProgressStore },
) {
  const { proxy, end } = cut(world.store);
  let isOver = false;
  const writer: TopicWriter = {
    write: async (messages, onWritten) => {
      await sleep(0);
      if (isOver) throw new Error('this process has ended');
      for (const { partition = 0, ...message } of messages as readonly Outgoing[]) {
        (world.logs[partition] as Log).append(message);
      }
      onWritten?.(messages.length);
    },
    close: async () => {},
  };
  const log = memoryLog();
  const outputs = [...world.logs.keys()];
  const watermarks = new SourceWatermarks({
    ...{ writer, outputs, log },
    sourcePartitions: async () => world.source.length,
    outputPartitions: async () => outputs,
  });
  const feed = pushable<Read>();
  const controller = new AbortController();
  const late: string[] = [];
  const ingestor = new Ingestor(
    {
      ...{ journeys, records: feed, store: proxy, endWatermark: 'none', publishMs: 1, log },
      ...{ outOfOrdernessMs: 10, signal: controller.signal, stopMs: 0 },
      gateway: new FakeGateway(),
      late: ({ partition, offset }) => void late.push(`${partition}/${offset}`),
    },
    (deps) => new KeyedTopic({ writer, watermarks, alignment: new Alignment(), deps }),
  );
  const running = ingestor.run();
  const assigned = await proxy.claim(SOURCE, [...world.source.keys()]);
  feed.push({ assigned, isKeyed: true });
  const rest = assigned.map(({ partition, progress }) =>
    (world.source[partition] as RawRecord[]).slice(progress?.lowWater ?? 0).slice(0, reads),
  );
  for (let i = 0; rest.some((records) => i < records.length); i++) {
    for (const records of rest) if (records[i]) feed.push(records[i] as RawRecord);
  }
  // What each partition of the topic is told at last.
  const isTold = async () =>
    world.logs.every((log) =>
      [...world.source.keys()].every((partition) => log.watermarkOf(partition) === LAST),
    );
  await (ms === Number.POSITIVE_INFINITY ? whenOr(isTold, PATIENCE_MS) : sleep(ms));
  isOver = true;
  end();
  controller.abort();
  await running;
  return late;
}

async function readFor(
  { reads, ms }: Life,
  log: Log,
  store: MemoryProgressStore,
  sessions: Map<string, FakeSession>,
) {
  const { proxy, end } = cut(store);
  const gateway = new FakeGateway();
  const of = { source: TOPIC, partition: log.records[0]?.partition ?? 0 };
  const feed = pushable<Read>();
  const controller = new AbortController();
  const late: string[] = [];
  let applied = 0;
  const apply = () => {
    for (; applied < gateway.accepted.length; applied++) {
      const { session, batches } = gateway.accepted[applied] as (typeof gateway.accepted)[0];
      const known = sessions.get(session) ?? new FakeSession();
      sessions.set(session, known);
      known.take(batches);
    }
  };
  const { done } = run({
    ...{ records: feed, store: proxy as never, endWatermark: 'none', publishMs: 1 },
    ...{ outOfOrdernessMs: 10, signal: controller.signal, stopMs: 0, gateway },
    late: ({ partition, offset }) => void late.push(`${partition}/${offset}`),
    dispatch: { lingerMs: 0 },
  });
  const assigned = await proxy.claim(TOPIC, [of.partition]);
  feed.push({ assigned, isKeyed: true });
  const low = assigned[0]?.progress?.lowWater ?? 0;
  feed.push(...log.records.slice(low, low + reads));
  const isRead = async () => (await proxy.read(TOPIC, of.partition))?.watermark === LAST;
  await (ms === Number.POSITIVE_INFINITY ? whenOr(isRead, PATIENCE_MS) : sleep(ms));
  end();
  controller.abort();
  await done;
  apply();
  return late;
}

const life = fc.record({
  reads: fc.integer({ min: 1, max: 25 }),
  ms: fc.integer({ min: 3, max: 15 }),
});
const item = fc.record({
  step: fc.integer({ min: -14, max: 12 }),
  key: fc.constantFrom('a', 'b', 'c'),
});

test('each event reaches its session once and in time, whoever dies when', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(item, { minLength: 1, maxLength: 20 }), { minLength: 2, maxLength: 3 }),
      fc.array(fc.record({ writer: life, reader: life }), { maxLength: 4 }),
      async (partitions, lives) => {
        const source = partitions.map((items, partition) => {
          let t = 1_000;
          const records = items.map(({ step, key }, offset) => {
            t += step;
            const value = { t, key, type: 'a' };
            return { ...record(offset, value), source: SOURCE, partition };
          });
          // Behind all others, so that the watermark passes them.
          const value = { t: LAST + 11, key: 'end', type: 'a' };
          return [...records, { ...record(records.length, value), source: SOURCE, partition }];
        });
        const logs = [new Log(TOPIC, 0), new Log(TOPIC, 1)];
        const world = { source, logs, store: new MemoryProgressStore() };
        const sessions = new Map<string, FakeSession>();
        const late = new Set<string>();
        const lateThere: string[] = [];
        const whole = { reads: 1e9, ms: Number.POSITIVE_INFINITY };
        for (const { writer, reader } of [...lives, { writer: whole, reader: whole }]) {
          for (const at of await repartitionFor(writer, world)) late.add(at);
          for (const log of logs)
            lateThere.push(...(await readFor(reader, log, world.store, sessions)));
        }
        const expected = { taken: [] as string[], late: [] as string[] };
        for (const [partition, records] of source.entries()) {
          let watermark = MIN_TIMESTAMP;
          for (const { offset, value } of records.slice(0, -1)) {
            const { t } = value as Item;
            expected[t <= watermark ? 'late' : 'taken'].push(`${partition}/${offset}`);
            watermark = Math.max(watermark, t - 11);
          }
        }
        const all = [...sessions].filter(([name]) => name !== 'shop/end').map(([, each]) => each);
        expect(all.flatMap(({ taken }) => taken).sort()).toEqual(expected.taken.sort());
        expect(all.flatMap(({ late }) => late)).toEqual([]);
        expect([...late].sort()).toEqual(expected.late.sort());
        expect(lateThere).toEqual([]);
      },
    ),
    { numRuns: 25 },
  );
}, 120_000);
