// A range of a topic, for those who read it and are nobody's ingestor.
//
// Fetches go to the leaders themselves, without a consumer group: nothing waits for a group to form, no offset is committed, and
// nothing stays behind at the brokers.
//
//   R1. Records are those that the live reader makes: without aborted transactions and their marks, and with the same coordinates.
//   R2. A range ends also where its last offsets hold no record, as compaction and the marks of transactions leave it. That an
//       answer holds nothing says so only where nothing else was asked for: a broker fills its answer up to a size.
//   R3. What was measured is what is read: records that expired since, or another topic of the same name, are an error.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Kafka } from 'kafkajs';
import Batch, { type FetchedPartition } from 'kafkajs/src/consumer/batch.js';
import { CepError } from '../errors.js';
import { requireTopic } from '../kafka/admin.js';
import { clusterOf } from '../kafka/cluster.js';
import { notRead, rootFailure, topicFailure } from '../kafka/failure.js';
import { topicIdentity } from '../kafka/topic-id.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { type Millis, seconds } from '../time.js';
import type { ChangeOptions } from './debezium.js';
import { recordOf, topicSource, withId } from './kafka-record.js';
import { type KeyedVerdict, keyedVerdict } from './keyed.js';
import type { RawRecord } from './record.js';

const FETCH_WAIT_MS: Millis = 200;
const PARTITION_BYTES = 1 << 20;
const FETCH_BYTES = 10 << 20;
/** More than any one record: what answers with nothing to that holds nothing (R2). */
const ALONE_BYTES = 64 << 20;
/** How long a partition may bring nothing before its end. */
const STALLED_MS: Millis = seconds(30);
const AGAIN_MS: Millis = 500;
/** Records of a partition from which it is told whether the topic is keyed. */
const SAMPLE_MAX = 100;

/** Offsets of a partition. */
export interface PartitionRange {
  readonly partition: number;
  readonly from: number;
  /** Exclusive. */
  readonly end: number;
}

/** All that a topic holds at one moment. */
export interface TopicEnd {
  readonly topic: string;
  /** As an ingestor of the group names it. */
  readonly source: string;
  readonly partitions: readonly PartitionRange[];
}

/**
 * Measures a topic.
 *
 * @param groupId - of the ingestors whose source is meant: alerts' ids follow from it
 * @throws CepError `INPUT_MISSING` when it is not there, `SETTING_INVALID` when it may not be read
 */
export async function topicEnd(of: {
  kafka: Kafka;
  topic: string;
  groupId: string;
}): Promise<TopicEnd> {
  const { kafka, topic, groupId } = of;
  const admin = kafka.admin();
  const cluster = clusterOf(kafka);
  try {
    await admin.connect();
    const partitions = await requireTopic(admin, topic);
    const identity = await topicIdentity(cluster, topic);
    const source = topicSource(groupId, topic, identity?.id ?? null);
    return { topic, source, partitions: await rangesOf(cluster, topic, partitions) };
  } catch (error) {
    throw error instanceof CepError ? error : (topicFailure(topic, 'read', error) ?? error);
  } finally {
    await Promise.allSettled([admin.disconnect(), cluster.disconnect()]);
  }
}

/** The cluster's ends lie before a transaction that is still open; those that an admin is told do not. */
async function rangesOf(
  cluster: Cluster,
  topic: string,
  ids: readonly number[],
): Promise<PartitionRange[]> {
  await cluster.addTargetTopic(topic);
  const partitions = ids.map((partition) => ({ partition }));
  const offsets = async (fromBeginning: boolean) => {
    const [found] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]);
    return new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  };
  const ends = await offsets(false);
  const begins = await offsets(true);
  return ids.map((partition) => {
    const end = ends.get(partition) ?? 0;
    return { partition, from: Math.min(begins.get(partition) ?? 0, end), end };
  });
}

export interface ReadTopicOptions extends TopicEnd {
  readonly kafka: Kafka;
  /** Whether all events of a session have one record key: then the key names no event. Default false. */
  readonly isKeyed?: boolean;
  /** Where values are what Debezium writes, rather than events. */
  readonly changes?: ChangeOptions | undefined;
  /** Whether more of this partition would only wait for others: then those are read first. */
  readonly isAhead?: (partition: number) => boolean;
  /** Told of each partition when its last record has been taken; of an empty one at once. */
  readonly onEnd?: (partition: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Reads each partition up to its end, in turn with the others; a batch is records of one partition. A batch without any says that
 * all partitions give way.
 *
 * @throws CepError `INPUT_MISSING` when records have expired since they were measured, or the topic was deleted;
 *   `BROKER_UNREACHABLE`
 */
export async function* readTopicRange(options: ReadTopicOptions): AsyncGenerator<RawRecord[]> {
  const reader = new RangeReader(options);
  try {
    yield* reader.records();
  } finally {
    await reader.close();
  }
}

/** Whether a topic is keyed by the journeys' key, by its first records; null when they say nothing. */
export async function sampleKeyed(
  options: Pick<ReadTopicOptions, keyof TopicEnd | 'kafka' | 'changes'>,
  journeys: CompiledJourneys,
): Promise<KeyedVerdict | null> {
  const partitions = options.partitions.map((range) => ({
    ...range,
    end: Math.min(range.end, range.from + SAMPLE_MAX),
  }));
  const sample: RawRecord[] = [];
  for await (const records of readTopicRange({ ...options, partitions })) sample.push(...records);
  return keyedVerdict(sample, journeys);
}

/**
 * What a repartition wrote has the coordinates, and the lateness, of its source.
 *
 * @throws CepError `SETTING_INVALID` for a record of such a topic
 */
export function requireOwn(record: RawRecord, topic: string): RawRecord {
  if (record.headers === undefined) return record;
  throw new CepError(
    'SETTING_INVALID',
    `${topic} is written by temporal-cep repartition: name the topic that it is made from instead`,
    { details: { topic } },
  );
}

/** A partition on the way. */
interface Lane {
  readonly partition: number;
  readonly end: number;
  position: number;
  /** When it was last known to move, on the monotonic clock. */
  movedAt: number;
}

/** What a fetch has brought of a partition. */
interface Fetched {
  readonly lane: Lane;
  readonly records: readonly RawRecord[];
  /** Where the next fetch begins; where it was when nothing came. */
  readonly next: number;
  /** Up to where there is anything to fetch. */
  readonly stable: number;
}

class RangeReader {
  readonly #options: ReadTopicOptions;
  readonly #cluster: Cluster;
  #lanes: Lane[];

  constructor(options: ReadTopicOptions) {
    this.#options = options;
    this.#cluster = clusterOf(options.kafka);
    const movedAt = performance.now();
    this.#lanes = options.partitions.map(({ partition, from, end }) => ({
      ...{ partition, end, position: from, movedAt },
    }));
  }

  async *records(): AsyncGenerator<RawRecord[]> {
    const { topic, isKeyed = false, isAhead = () => false, onEnd, signal } = this.#options;
    await this.#trying(async () => {
      await this.#cluster.connect();
      await this.#cluster.addTargetTopic(topic);
      await this.#checkIsSame();
    });
    for (;;) {
      for (const lane of this.#lanes.filter(isOver)) onEnd?.(lane.partition);
      this.#lanes = this.#lanes.filter((lane) => !isOver(lane));
      if (this.#lanes.length === 0 || signal?.aborted) break;
      const wanted = this.#lanes.filter(({ partition }) => !isAhead(partition));
      if (wanted.length === 0) yield [];
      for (const fetched of await this.#fetch(wanted)) {
        const records = fetched.records.map((record) => withId(record, isKeyed));
        if (records.length > 0) yield records;
        this.#move(fetched);
      }
    }
    // R3: also of a topic that took the other's place while it was read.
    if (!signal?.aborted) await this.#trying(() => this.#checkIsSame());
  }

  #move({ lane, next }: Fetched): void {
    if (next > lane.position) {
      lane.position = next;
      lane.movedAt = performance.now();
    } else if (performance.now() - lane.movedAt > STALLED_MS) {
      const { partition, position, end } = lane;
      const what = `partition ${partition} brings nothing from offset ${position} on, and ended at ${end}`;
      throw notRead(this.#options.topic, new Error(what));
    }
  }

  /** Of all leaders at once. */
  async #fetch(lanes: readonly Lane[]): Promise<Fetched[]> {
    return await this.#trying(async () => {
      const byLeader = this.#cluster.findLeaderForPartitions(
        this.#options.topic,
        lanes.map(({ partition }) => partition),
      );
      const found = await Promise.all(
        Object.entries(byLeader).map(([leader, partitions]) =>
          this.#fetchFrom(
            leader,
            lanes.filter(({ partition }) => partitions.includes(partition)),
          ),
        ),
      );
      const fetched = found.flat();
      if (fetched.length < lanes.length) throw new Error('not all partitions have a leader');
      return fetched;
    });
  }

  /** R2. */
  async #fetchFrom(leader: string, lanes: readonly Lane[]): Promise<Fetched[]> {
    const fetched = await this.#ask(leader, lanes, PARTITION_BYTES);
    if (fetched.some(({ lane, next }) => next > lane.position)) return fetched;
    const alone: Fetched[] = [];
    for (const lane of lanes) {
      for (const found of await this.#ask(leader, [lane], ALONE_BYTES)) {
        const isEmpty = found.next === lane.position && found.stable >= lane.end;
        alone.push(isEmpty ? { ...found, next: lane.end } : found);
      }
    }
    return alone;
  }

  async #ask(leader: string, lanes: readonly Lane[], maxBytes: number): Promise<Fetched[]> {
    const { topic } = this.#options;
    const broker = await this.#cluster.findBroker({ nodeId: leader });
    const readAt = Date.now();
    const { responses } = (await broker.fetch({
      maxWaitTime: FETCH_WAIT_MS,
      maxBytes: Math.max(FETCH_BYTES, maxBytes),
      topics: [
        {
          topic,
          partitions: lanes.map(({ partition, position }) => ({
            ...{ partition, fetchOffset: String(position), maxBytes },
          })),
        },
      ],
    })) as { responses: { partitions: FetchedPartition[] }[] };
    return responses
      .flatMap(({ partitions }) => partitions)
      .map((partition) => this.#fetched(lanes, partition, readAt));
  }

  #fetched(lanes: readonly Lane[], of: FetchedPartition, readAt: number): Fetched {
    const { topic, source, changes } = this.#options;
    const { partition, highWatermark, lastStableOffset = highWatermark, messages } = of;
    const lane = lanes.find((each) => each.partition === partition) as Lane;
    const batch = new Batch(topic, String(lane.position), of);
    const records = batch.messages
      .filter(({ offset }) => Number(offset) < lane.end)
      .map((message) => recordOf({ source, partition, readAt, changes }, message));
    const next = messages.length === 0 ? lane.position : Number(batch.lastOffset()) + 1;
    return { lane, records, next, stable: Number(lastStableOffset) };
  }

  /** R3. */
  async #checkIsSame(): Promise<void> {
    const { topic, source } = this.#options;
    const id = (await topicIdentity(this.#cluster, topic))?.id ?? null;
    if (id === null || source.endsWith(`@${id}`)) return;
    throw new CepError(
      'INPUT_MISSING',
      `the topic ${topic} was deleted and made anew while it was read: start again`,
      { details: { topic, source } },
    );
  }

  /** Tries again where a leader has moved or a broker is away for a moment. */
  async #trying<T>(act: () => Promise<T>): Promise<T> {
    const began = performance.now();
    for (;;) {
      try {
        return await act();
      } catch (error) {
        const failure = this.#failureOf(error);
        if (failure) throw failure;
        if (performance.now() - began > STALLED_MS) throw notRead(this.#options.topic, error);
      }
      await sleep(AGAIN_MS);
      await this.#cluster.refreshMetadata().catch(() => {
        // The next try says what is wrong.
      });
    }
  }

  /** What no further try would mend. */
  #failureOf(error: unknown): CepError | null {
    const { topic } = this.#options;
    if (error instanceof CepError) return error;
    if (rootFailure(error).type !== 'OFFSET_OUT_OF_RANGE')
      return topicFailure(topic, 'read', error);
    return new CepError(
      'INPUT_MISSING',
      `records of ${topic} expired while it was read: start again, or let its retention.ms be longer`,
      { details: { topic }, cause: error },
    );
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect().catch(() => {});
  }
}

function isOver({ position, end }: Lane): boolean {
  return position >= end;
}
