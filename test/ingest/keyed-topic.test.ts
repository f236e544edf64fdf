// E1 to E4: events into a topic in memory that is slow, fails, or refuses; and what is said there of the source.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CepError } from '../../src/errors.js';
import { Alignment } from '../../src/ingest/alignment.js';
import { KeyedTopic } from '../../src/ingest/keyed-topic.js';
import type { Published } from '../../src/ingest/outlet.js';
import { SourceWatermarks } from '../../src/ingest/source-watermarks.js';
import type { Outgoing, TopicWriter } from '../../src/kafka/topic-writer.js';
import type { CompiledJourney } from '../../src/rules/compiled.js';
import { journey, journeysOf, memoryLog, until } from './helpers.js';

const { byId } = journeysOf([journey(), journey({ id: 'other' })]);
const shop = byId.get('shop') as CompiledJourney;
const other = byId.get('other') as CompiledJourney;

/** A topic that does what `before` says: it may wait, or throw; then it takes everything. */
function fakeTopic() {
  const written: Outgoing[][] = [];
  const topic = {
    written,
    calls: 0,
    inFlight: 0,
    before: async (_: readonly Outgoing[]): Promise<void> => {},
  };
  const writer: TopicWriter = {
    async write(messages, onWritten) {
      topic.calls++;
      expect(++topic.inFlight).toBe(1);
      try {
        await topic.before(messages);
        written.push([...messages]);
        onWritten?.(messages.length);
      } finally {
        topic.inFlight--;
      }
    },
    close: async () => {},
  };
  return { topic, writer };
}

function setUp({ outputs = [0, 1, 2] }: { outputs?: number[] } = {}) {
  const { topic, writer } = fakeTopic();
  const marks = fakeTopic();
  const log = memoryLog();
  const counted = { source: 2, outputs };
  const watermarks = new SourceWatermarks({
    writer: marks.writer,
    sourcePartitions: async () => counted.source,
    outputPartitions: async () => counted.outputs,
    ...{ outputs, log },
  });
  const settled: number[] = [];
  const refused: [number, string][] = [];
  const failures: unknown[] = [];
  const alignment = new Alignment(3);
  const out = new KeyedTopic({
    ...{ writer, watermarks, alignment },
    deps: {
      log,
      refuse: async ({ offset }, code) => void refused.push([offset, code]),
      fail: (error) => void failures.push(error),
    },
  });
  const add = (offset: number, ...to: [CompiledJourney, string][]) => {
    const event = { source: 's', partition: 0, offset, timestamp: offset, data: { n: offset } };
    for (const [journey, key] of to.length > 0 ? to : [[shop, 'k'] as const]) {
      out.add(journey, key, { event, length: 1, settle: () => void settled.push(offset) });
    }
  };
  const offsets = () =>
    topic.written.map((some) => some.map((m) => Number(m.headers['cep-offset'])));
  return {
    topic,
    marks: marks.topic,
    log,
    counted,
    watermarks,
    settled,
    refused,
    failures,
    out,
    add,
    offsets,
    alignment,
  };
}

const tooLarge = () =>
  new CepError('BROKER_UNREACHABLE', 'not written', {
    cause: Object.assign(new Error('too large'), { type: 'MESSAGE_TOO_LARGE' }),
  });

describe('events', () => {
  test('E1 and E2: settled when acknowledged, one request at a time, in order', async () => {
    const { topic, out, add, settled, offsets, failures } = setUp();
    let acknowledge = () => {};
    topic.before = () =>
      new Promise((resolve) => {
        acknowledge = resolve;
      });
    add(0);
    add(1);
    await until(() => topic.calls === 1);
    add(2);
    add(3);
    await sleep(20);
    expect([topic.calls, settled, out.held]).toEqual([1, [], 4]);
    topic.before = async () => {};
    acknowledge();
    await out.drain();
    expect(offsets()).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(settled).toEqual([0, 1, 2, 3]);
    expect([out.held, out.counts.batches, failures]).toEqual([0, 4, []]);
  });

  test('E1: what fails is written again, before anything else', async () => {
    const { topic, out, add, settled, offsets, log } = setUp();
    let failures = 2;
    topic.before = async () => {
      if (failures-- > 0) throw new Error('away');
    };
    add(0);
    await until(() => topic.calls === 1);
    add(1);
    await out.drain();
    expect([offsets(), settled, topic.calls]).toEqual([[[0], [1]], [0, 1], 4]);
    expect(log.lines.filter(([level]) => level === 'warn')).toHaveLength(1);
  });

  test('E3: one record per event and key, for its journeys; settled once for each', async () => {
    const { topic, out, add, settled } = setUp();
    add(0, [shop, 'ann'], [other, 'ann']);
    add(1, [shop, 'ann'], [other, 'bob']);
    await out.drain();
    const found = topic.written
      .flat()
      .map(({ key, headers }) => [...[headers['cep-offset'], key, headers['cep-journeys']]]);
    expect(found).toEqual([
      ['0', 'ann', '["shop","other"]'],
      ['1', 'ann', '["shop"]'],
      ['1', 'bob', '["other"]'],
    ]);
    expect(settled).toEqual([0, 0, 1, 1]);
  });

  test("E4: where Kafka's own clients put the key", async () => {
    const { topic, out, add } = setUp({ outputs: [0, 1, 2, 3, 4] });
    // As of org.apache.kafka.common.utils.Utils.murmur2: positive hash modulo 5.
    for (const key of ['21', 'foobar', 'a-little-bit-long-string']) add(0, [shop, key]);
    await out.drain();
    const hashes: Record<string, number> = {
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
    };
    for (const { key, partition } of topic.written.flat()) {
      expect(partition).toBe(((hashes[key] as number) & 0x7fffffff) % 5);
    }
  });

  test('one that the topic does not take is a dead letter, and the others go out', async () => {
    const { topic, out, add, refused, settled, offsets } = setUp();
    topic.before = async (messages) => {
      if (messages.some(({ headers }) => headers['cep-offset'] === '1')) throw tooLarge();
    };
    add(1);
    add(2);
    await out.drain();
    expect([offsets(), refused, settled]).toEqual([[[2]], [[1, 'RECORD_TOO_LONG']], [1, 2]]);
  });

  test('what was abandoned is neither written nor settled', async () => {
    const { topic, out, add, settled, offsets } = setUp();
    let fail: (error: Error) => void = () => {};
    topic.before = () =>
      new Promise((_, reject) => {
        fail = reject;
      });
    add(0);
    await until(() => topic.calls === 1);
    add(1);
    out.abandon();
    topic.before = async () => {};
    fail(new Error('away'));
    await out.drain();
    add(5);
    await out.drain();
    expect([offsets(), settled, out.held]).toEqual([[[5]], [5], 0]);
  });

  test('after a stop nothing more goes out, and what waits stays unsettled', async () => {
    const { topic, out, add, settled } = setUp();
    out.stop();
    add(0);
    await sleep(20);
    expect([topic.calls, settled]).toEqual([0, []]);
  });

  test('a partition gives way when too much of it lies behind the others', async () => {
    const { out, add, alignment } = setUp();
    const standings = (watermark: number, lag = 1) => [
      { partition: 0, watermark: 0, lag: 5 },
      { partition: 1, watermark, lag },
    ];
    for (const offset of [1, 2, 3]) add(offset);
    alignment.look(standings(0));
    const isAhead = () => out.isAhead({ source: 's', partition: 0 });
    expect(isAhead()).toBe(false);
    add(4);
    expect(isAhead()).toBe(true);
    expect(out.isAhead({ source: 's', partition: 1 })).toBe(false);
    alignment.look(standings(1));
    expect(isAhead()).toBe(false);
    for (const offset of [5, 6, 7]) add(offset);
    expect(isAhead()).toBe(true);
    // The other has nothing to catch up with.
    alignment.look(standings(1, 0));
    expect(isAhead()).toBe(false);
    await out.drain();
  });
});

describe('watermarks', () => {
  const published = (partition: number, watermark: number, isSilent = false): Published => ({
    ...{ source: 's', partition, generation: 1, isSilent },
    progress: {
      ...{ watermark, lowWater: 3, finished: false, nextOffset: 9, readTo: 9 },
      ...{ orderingWatermark: 0, quietSince: null },
    },
  });
  const said = (messages: readonly Outgoing[]) =>
    messages.map(({ partition, value }) => {
      const { partition: of, partitions, watermark, isSilent } = JSON.parse(value);
      return [partition, of, partitions, watermark, isSilent];
    });

  test('of each source partition, in each partition of the topic', async () => {
    const { out, watermarks, marks } = setUp({ outputs: [0, 1] });
    out.published([published(0, 10), published(1, 20, true)]);
    await watermarks.settled();
    expect(marks.written.map(said)).toEqual([
      [
        [0, 0, 2, 10, false],
        [1, 0, 2, 10, false],
        [0, 1, 2, 20, true],
        [1, 1, 2, 20, true],
      ],
    ]);
  });

  test('the latest, when one could not be written or was slow', async () => {
    const { out, watermarks, marks, log } = setUp({ outputs: [0] });
    marks.before = async () => {
      throw new Error('away');
    };
    out.published([published(0, 10)]);
    await watermarks.settled();
    expect(log.lines.at(-1)?.slice(0, 2)).toEqual(['warn', 'watermarks not written']);
    let go = () => {};
    marks.before = () =>
      new Promise((resolve) => {
        go = resolve;
      });
    out.published([published(0, 20)]);
    await until(() => marks.calls === 2);
    out.published([published(0, 30)]);
    out.published([published(0, 40)]);
    marks.before = async () => {};
    go();
    await watermarks.settled();
    expect(marks.written.map(said)).toEqual([[[0, 0, 2, 20, false]], [[0, 0, 2, 40, false]]]);
  });

  test('partitions that were added to the source are counted, those of the topic are told too', async () => {
    const { out, watermarks, marks, counted, log, add, topic } = setUp({ outputs: [0] });
    counted.source = 3;
    counted.outputs = [0, 1];
    out.published([published(0, 10)]);
    await watermarks.settled();
    expect(marks.written.map(said)).toEqual([
      [
        [0, 0, 3, 10, false],
        [1, 0, 3, 10, false],
      ],
    ]);
    expect(log.lines.map(([, message]) => message)).toEqual([
      expect.stringContaining('more partitions'),
    ]);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) add(0, [shop, key]);
    await out.drain();
    expect(new Set(topic.written.flat().map(({ partition }) => partition))).toEqual(
      new Set([0, 1]),
    );
  });
});
