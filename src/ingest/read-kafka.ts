// A topic's partitions as reads, in a consumer group.
//
//   K1. SQL says where to begin, Kafka's committed offsets only where SQL knows nothing: progress and
//       watermark are kept together, and Kafka's offset follows them.
//   K2. kafkajs rebalances eagerly: with each assignment everything begins anew from what is kept, and what
//       was under way is abandoned, not awaited. Sessions drop what they have seen.
//   K3. Nothing is read before its partition is claimed: fetching is paused from the moment that the group
//       has assigned it until its claim stands and its offset is set.
//   K4. A fetch that does not begin where the one before ended is not taken: it belongs to another
//       assignment, or records have expired. Nor is one taken before the broker it came from has said,
//       after it, that the topic still has the id it had: offsets of a topic that was deleted and made anew
//       look like those of the topic before.
//   K5. That a partition is quiet is said of the moment at which the broker was asked for its end, never of
//       the moment at which its answer was read.
//   K6. A partition that was added after the topic was first read is read from its beginning: it was empty then.

import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Admin,
  Batch,
  Cluster,
  Consumer,
  ConsumerCrashEvent,
  EachBatchPayload,
  Kafka,
} from 'kafkajs';
import { CepError, messageOf } from '../errors.js';
import { requireTopic } from '../kafka/admin.js';
import { groupAssigner, inUse, requireGroup } from '../kafka/consumer-group.js';
import { readingRefused } from '../kafka/failure.js';
import { topicIdentity } from '../kafka/topic-id.js';
import type { Logger } from '../log.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { MIN_TIMESTAMP, type Millis, seconds } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import type { ChangeOptions } from './debezium.js';
import { isRepartitioned, recordOf, topicSource, withId } from './kafka-record.js';
import { type KeyedSources, keyedVerdict } from './keyed.js';
import { Lanes } from './lanes.js';
import type { Claim, ProgressStore, Publication, StoredProgress } from './progress.js';
import {
  type Assignment,
  type Clock,
  type EndOfLog,
  type Flow,
  type RawRecord,
  type Read,
  systemClock,
} from './record.js';

const SESSION_TIMEOUT_MS: Millis = seconds(30);
/** Records from which it is told whether a topic is keyed. */
const SAMPLE_MAX = 100;
/** How often the brokers are asked for the ends of the partitions. */
const LOOK_MS: Millis = 1_000;
/** Between two tries to claim partitions while the database is away. */
const RECLAIM_MS: Millis = 1_000;
/** Between two looks whether an assignment can be handed on: for a first record, or for all partitions. */
const UNKNOWN_MS: Millis = 500;
const GREW =
  'the topic has more partitions than before: the new ones are read from their beginning, and a key may have moved to one of them';
/** Longest wait of a fetch for a record: also how long a rebalance and a stop may wait for it. */
const FETCH_WAIT_MS: Millis = 200;

export interface ReadKafkaOptions {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly groupId: string;
  /** To see whether the topic is keyed by their key. */
  readonly journeys?: CompiledJourneys;
  readonly progress: Pick<ProgressStore, 'claim'>;
  readonly keyed: KeyedSources;
  /** Says that all events of a session lie in one partition, or that they do not; found out by default. */
  readonly isKeyed?: boolean;
  /** Where values are what Debezium writes, rather than events. */
  readonly changes?: ChangeOptions | undefined;
  /** Reads for a repartition: then several share a topic that is not keyed. */
  readonly repartitions?: boolean;
  /**
   * Reads for whom each partition stands for itself, keyed or not, and SQL alone says where to begin, whatever the group has committed.
   * Says what is counted, and where: members of a group have that in common, since each of them has a part of the partitions.
   */
  readonly countsAlone?: string;
  /** Where to begin when neither SQL nor the group knows: at the topic's begin (default) or its end. */
  readonly from?: 'earliest' | 'latest';
  /** How long a member of the group may be silent before its partitions go to others. Default 30 s. */
  readonly sessionTimeoutMs?: Millis;
  /** Who we are, for people. */
  readonly owner: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** How far behind the end of its partition an ingestor is. */
export interface Lag extends SourcePartition {
  /** Records from the low-water mark to the end. */
  readonly records: number;
}

/** Partitions of a topic. */
export interface PartitionCount {
  readonly source: string;
  readonly now: number;
  /** Since the topic was first read. */
  readonly added: number;
}

export interface KafkaReader {
  /** `<group>/<topic>@<topic id>`. */
  readonly source: string;
  records(flow: Flow): AsyncIterable<Read>;
  /** For `onPublished` of the ingest: commits offsets to Kafka, for those who look there. Never throws. */
  commit(publications: readonly Publication[]): Promise<void>;
  /** For `onFenced` of the ingest: claims what the group still says is ours. */
  fenced(lost: readonly Publication[]): void;
  lags(): Lag[];
  /** Ends of all partitions, as far as is known. */
  ends(): ReadonlyMap<number, number>;
  /** How many partitions the topic has, and how many were added since it was first read. */
  partitions(): PartitionCount;
  /** Asks the brokers how many it has. */
  countPartitions(): Promise<number>;
  /** Leaves the group. */
  close(): Promise<void>;
}

/**
 * Looks at topic and group, and makes a reader of them; it joins the group when its records are asked for.
 *
 * @throws CepError `INPUT_MISSING` without the topic, `SETTING_INVALID` when the group is in use by something
 *   else, `TOPIC_NOT_KEYED` when another ingestor reads a topic that only one can read
 */
export async function openKafkaReader(options: ReadKafkaOptions): Promise<KafkaReader> {
  const reader = new Reader(options);
  try {
    await reader.open();
  } catch (error) {
    await reader.close();
    throw error instanceof CepError ? error : (readingRefused(options, error) ?? error);
  }
  return reader;
}

class Reader implements KafkaReader {
  source = '';
  readonly #options: ReadKafkaOptions;
  readonly #clock: Clock;
  readonly #admin: Admin;
  readonly #consumer: Consumer;
  readonly #lanes: Lanes;
  #cluster: Cluster | null = null;
  #allPartitions: number[] = [];
  /** How many there were when the topic was first read; later ones are read from their beginning. */
  #firstPartitions = 0;
  #flow: Flow = { isAhead: () => false };
  /** Of the group's assignments; what belongs to an older one is not taken. */
  #epoch = 0;
  #assigned: number[] = [];
  /** An assignment that is not yet handed on. */
  #claims: readonly Claim[] | null = null;
  #isKeyed: boolean | null = null;
  /** The next offset expected of each partition that is read. */
  readonly #positions = new Map<number, number>();
  /** Of our last claims. */
  readonly #generations = new Map<number, number>();
  readonly #ends = new Map<number, number>();
  #latestBounds: ReadonlyMap<number, { readonly high: number }> = new Map();
  readonly #committed = new Map<number, number>();
  #commit: Promise<void> | null = null;
  #isFenced = false;
  #failure: unknown = null;
  #isClosed = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: ReadKafkaOptions) {
    this.#options = options;
    const { kafka, groupId, clock = systemClock, sessionTimeoutMs = SESSION_TIMEOUT_MS } = options;
    this.#clock = clock;
    this.#admin = kafka.admin();
    this.#consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.min(seconds(3), Math.floor(sessionTimeoutMs / 5)),
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        groupAssigner((cluster) => {
          this.#cluster = cluster;
        }, this.#protocol),
      ],
    });
    this.#lanes = new Lanes({
      pause: (partition) => this.#pause([partition]),
      resume: (partition) => this.#resume([partition]),
      isAhead: (partition) => this.#flow.isAhead({ source: this.source, partition }),
    });
  }

  /** Those who count the same are a group of their own: in one with others each would lack what the others have read. */
  get #protocol(): string {
    const { countsAlone } = this.#options;
    return countsAlone ? `temporal-cep-analytics of ${countsAlone}` : 'temporal-cep';
  }

  /** Who counts counts each record once, in whatever group; ingestors of another group know nothing of it. */
  #sourceOf(id: string | null): string {
    const { topic, groupId, countsAlone } = this.#options;
    return countsAlone ? topicSource(null, topic, id) : topicSource(groupId, topic, id);
  }

  // ---- start

  async open(): Promise<void> {
    const { topic, groupId, keyed, countsAlone, log } = this.#options;
    const isKeyed = countsAlone ? true : this.#options.isKeyed;
    await this.#admin.connect();
    this.#allPartitions = await requireTopic(this.#admin, topic);
    let members = await requireGroup(this.#admin, groupId, topic, this.#protocol);
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic, fromBeginning: true });
    await this.#identify();
    await this.#countFirst(this.source, this.#allPartitions.length);
    this.#isKeyed = isKeyed ?? (await keyed.keyedOf(this.source));
    this.#sayKeyed(isKeyed === undefined ? 'found' : 'told');
    const isAlone = this.#isKeyed === false && !this.#options.repartitions;
    if (isAlone && members > 0 && this.#allPartitions.length > 1) {
      members = await this.#untilAlone();
    }
    log.info('reads a topic', {
      topic,
      source: this.source,
      partitions: this.#allPartitions.length,
      group: groupId,
      otherMembers: members,
    });
  }

  /**
   * An ingestor that was killed stays a member until its session times out, and its successor must not be
   * refused for that.
   */
  async #untilAlone(): Promise<number> {
    const { topic, groupId, log, signal, sessionTimeoutMs = SESSION_TIMEOUT_MS } = this.#options;
    const until = this.#clock.monotonic() + sessionTimeoutMs + seconds(5);
    log.warn(
      'waits for another member to leave the group: one ingestor reads a topic that is not keyed',
      {
        topic,
        group: groupId,
        atMostMs: sessionTimeoutMs + seconds(5),
      },
    );
    for (;;) {
      const members = await requireGroup(this.#admin, groupId, topic, this.#protocol);
      if (members === 0 || signal.aborted) return members;
      if (this.#clock.monotonic() > until) throw this.#notKeyed();
      await sleep(seconds(1));
    }
  }

  async #identify(): Promise<void> {
    const { topic, log } = this.#options;
    const identity = await topicIdentity(this.#cluster as Cluster, topic);
    if (identity === null) {
      log.warn(
        'the brokers tell no topic ids: a topic that is deleted and made again is not noticed',
        { topic },
      );
    }
    this.source = this.#sourceOf(identity?.id ?? null);
  }

  /** K6. */
  async #countFirst(source: string, partitions: number): Promise<void> {
    const { topic, keyed, log } = this.#options;
    this.#firstPartitions = await keyed.firstPartitions(source, topic, partitions);
    if (partitions > this.#firstPartitions) {
      log.warn(GREW, { topic, before: this.#firstPartitions, partitions });
    }
  }

  #sayKeyed(how: 'found' | 'told', example?: string): void {
    const { log, topic, repartitions, countsAlone } = this.#options;
    if (countsAlone) return;
    if (repartitions) {
      if (this.#isKeyed) {
        log.warn("the topic is keyed by the journeys' key already: ingest can read it as it is", {
          topic,
        });
      }
    } else if (this.#isKeyed === null) {
      log.info("whether the topic is keyed by the journeys' key will be seen from its records", {
        topic,
      });
    } else if (this.#isKeyed) {
      log.info("the topic is keyed by the journeys' key: several ingestors may share it", {
        topic,
        how,
      });
    } else {
      log.info(
        "the topic is not keyed by the journeys' key: one ingestor reads all partitions in one order",
        { topic, how, ...(example === undefined ? {} : { example }) },
      );
    }
  }

  #notKeyed(): CepError {
    const { topic, groupId } = this.#options;
    return new CepError(
      'TOPIC_NOT_KEYED',
      `${topic} is not keyed by the journeys' key, so the events of a session lie in several partitions, and another ingestor of group ${groupId} reads it already: run one, or put temporal-cep repartition in front of it (--keyed says that the topic is keyed)`,
      { details: { topic, groupId } },
    );
  }

  // ---- reading

  async *records(flow: Flow): AsyncGenerator<Read> {
    this.#flow = flow;
    const { signal } = this.#options;
    const wake = () => this.#lanes.wake();
    signal.addEventListener('abort', wake);
    this.#listen();
    this.#looking = this.#look();
    try {
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async (payload) => this.#fetched(payload),
      });
      while (!this.#isOver()) {
        const assignment = await this.#handOn();
        if (assignment) yield assignment;
        if (this.#claims !== null && !this.#canHandOn()) {
          await sleep(UNKNOWN_MS);
          continue;
        }
        const next = await this.#lanes.next(() => this.#claims !== null || this.#isOver());
        if (next) yield this.#withId(next);
      }
      if (this.#failure !== null) throw this.#failure;
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #isOver(): boolean {
    return this.#options.signal.aborted || this.#isClosed || this.#failure !== null;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#lanes.wake();
  }

  #listen(): void {
    const { GROUP_JOIN, HEARTBEAT, CRASH, END_BATCH_PROCESS } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      const partitions = payload.memberAssignment[this.#options.topic] ?? [];
      this.#joined([...partitions]);
    });
    this.#consumer.on(HEARTBEAT, () => {
      // The group says that we are still a member: then what somebody else has claimed is ours.
      if (!this.#isFenced) return;
      this.#isFenced = false;
      this.#joined(this.#assigned);
    });
    this.#consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      // Of a fetch without a record for us, such as of a transaction's marks, nobody else hears.
      const { partition, firstOffset, lastOffset, batchSize } = payload;
      if (batchSize > 0 || Number(firstOffset) !== this.#positions.get(partition)) return;
      this.#positions.set(partition, Number(lastOffset) + 1);
    });
    this.#consumer.on(CRASH, ({ payload }) => this.#crashed(payload));
  }

  #crashed({ error, restart }: ConsumerCrashEvent['payload']): void {
    const { log, topic, groupId } = this.#options;
    this.#epoch++;
    this.#claims = null;
    this.#positions.clear();
    this.#lanes.reset([]);
    if (restart) {
      log.warn('the consumer lost its brokers and begins anew', { error: error.message });
    } else if (/INCONSISTENT_GROUP_PROTOCOL/.test(typeOf(error))) {
      this.#fail(inUse(groupId, 'its members have another protocol'));
    } else {
      this.#fail(readingRefused({ topic, groupId }, error) ?? error);
    }
  }

  /** K2 and K3. Called by kafkajs before it fetches anything of the new assignment. */
  #joined(partitions: number[]): void {
    const epoch = ++this.#epoch;
    this.#assigned = partitions;
    this.#claims = null;
    this.#isFenced = false;
    this.#positions.clear();
    this.#committed.clear();
    this.#lanes.reset([]);
    this.#pause(partitions);
    this.#begin(epoch, partitions).catch((error) => this.#fail(error));
  }

  async #begin(epoch: number, partitions: readonly number[]): Promise<void> {
    const { log } = this.#options;
    for (let isFirst = true; epoch === this.#epoch && !this.#isOver(); isFirst = false) {
      try {
        if (!(await this.#isSameTopic())) return;
        const claims = await this.#claim(partitions);
        const bounds = await this.#bounds();
        // Offsets of a topic say nothing of another one.
        if (!(await this.#isSameTopic())) return;
        const offsets = await this.#offsetsOf(claims, bounds);
        if (epoch !== this.#epoch || this.#isOver()) return;
        this.#start(claims, offsets);
        return;
      } catch (error) {
        if (isFirst) log.warn('partitions not claimed, trying again', { error: messageOf(error) });
        await sleep(RECLAIM_MS);
      }
    }
  }

  #claim(partitions: readonly number[]): Promise<Claim[]> {
    const { progress, owner, topic, groupId } = this.#options;
    if (partitions.length === 0) return Promise.resolve([]);
    return progress.claim(this.source, partitions, owner, `${groupId}/${topic}`);
  }

  /** K1. */
  async #offsetsOf(
    claims: readonly Claim[],
    bounds: ReadonlyMap<number, { low: number; high: number }>,
  ): Promise<Map<number, number>> {
    const { topic, groupId, from = 'earliest', countsAlone } = this.#options;
    const known = await this.#admin.fetchOffsets({ groupId, topics: [topic] });
    const committed = new Map(
      known.flatMap(({ partitions }) => partitions.map((p) => [p.partition, Number(p.offset)])),
    );
    return new Map(
      claims.map(({ partition, progress }) => {
        const { low, high } = bounds.get(partition) ?? { low: 0, high: 0 };
        const inGroup = countsAlone ? -1 : (committed.get(partition) ?? -1);
        // K6.
        const isFromLow = from === 'earliest' || partition >= this.#firstPartitions;
        const otherwise = inGroup >= 0 ? inGroup : isFromLow ? low : high;
        const wanted = progress?.lowWater ?? Math.min(Math.max(otherwise, low), high);
        return [partition, this.#within(partition, wanted, low, high)];
      }),
    );
  }

  #within(partition: number, wanted: number, low: number, high: number): number {
    const { topic, log } = this.#options;
    if (wanted > high) {
      // Of those who count, SQL knows how far they are, whatever the group.
      const remedy = this.#options.countsAlone
        ? `to count what comes from its end on, run this in the database of the sums: update cep_aggregate_offsets set next_offset = ${high} where source = '${this.source}' and source_partition = ${partition} and next_offset > ${high}`
        : 'name another --group to read it from its beginning';
      this.#fail(
        new CepError(
          'INPUT_MISSING',
          `partition ${partition} of ${topic} ends at offset ${high}, but it was read up to ${wanted} before: the topic lost its records; ${remedy}`,
          { details: { topic, partition, end: high, readTo: wanted } },
        ),
      );
    }
    if (wanted >= low) return wanted;
    this.#sayExpired(partition, wanted, low);
    log.debug('begins at the first record that is left', { topic, partition, low });
    return low;
  }

  #sayExpired(partition: number, from: number, to: number): void {
    const { topic, log } = this.#options;
    log.error(
      "records expired before they were read: the topic's retention is shorter than our outage",
      {
        topic,
        partition,
        firstOffset: from,
        lastOffset: to - 1,
      },
    );
  }

  #start(claims: readonly Claim[], offsets: ReadonlyMap<number, number>): void {
    const { topic } = this.#options;
    for (const [partition, offset] of offsets) {
      this.#positions.set(partition, offset);
      this.#consumer.seek({ topic, partition, offset: String(offset) });
    }
    this.#lanes.reset([...offsets.keys()]);
    this.#generations.clear();
    for (const { partition, generation } of claims) this.#generations.set(partition, generation);
    this.#claims = claims.map((claim) => beginning(claim, offsets.get(claim.partition) ?? 0));
    this.#resume([...offsets.keys()]);
    this.#lanes.wake();
  }

  // ---- what is handed on

  /** The assignment, as soon as it is known whether its partitions belong together. */
  async #handOn(): Promise<Assignment | null> {
    if (this.#claims === null) return null;
    const claims = this.#claims;
    if (this.#isKeyed === null) await this.#findKeyed();
    if (claims !== this.#claims || !this.#canHandOn()) return null;
    this.#claims = null;
    return { assigned: claims, isKeyed: this.#options.repartitions ?? this.#isKeyed ?? false };
  }

  /** A topic that is not keyed is read when one ingestor has all of it. */
  #canHandOn(): boolean {
    if (this.#isKeyed === true || this.#assigned.length === 0) return true;
    if (this.#options.repartitions) return this.#isKeyed !== null || this.#isSampled;
    if (this.#assigned.length === this.#allPartitions.length)
      return this.#isKeyed === false || this.#isSampled;
    if (this.#isKeyed === null) return false;
    // One of them stays, and it is always the same one.
    if (!this.#assigned.includes(Math.min(...this.#allPartitions))) this.#fail(this.#notKeyed());
    return false;
  }

  #isSampled = false;

  async #findKeyed(): Promise<void> {
    const { journeys, keyed, topic, log } = this.#options;
    const sample = [...this.#lanes.sample(SAMPLE_MAX)];
    const verdict = journeys ? keyedVerdict(sample, journeys) : null;
    this.#isSampled = sample.length > 0;
    try {
      this.#isKeyed = verdict?.isKeyed ?? (await keyed.keyedOf(this.source));
      if (verdict) await keyed.setKeyed(this.source, topic, verdict.isKeyed);
    } catch (error) {
      log.warn('whether the topic is keyed is not kept', { error: messageOf(error) });
    }
    if (this.#isKeyed === null) return;
    this.#sayKeyed('found', verdict && !verdict.isKeyed ? verdict.example : undefined);
  }

  /** K4. */
  async #fetched({ batch, resolveOffset }: EachBatchPayload): Promise<void> {
    const { topic, changes, log } = this.#options;
    const { partition } = batch;
    const epoch = this.#epoch;
    const readAt = this.#clock.now();
    try {
      if (!(await this.#isSameTopic(partition))) return;
    } catch (error) {
      log.warn('whether the topic is still the same is not known: fetching again', {
        topic,
        partition,
        error: messageOf(error),
      });
      await sleep(UNKNOWN_MS);
      return;
    }
    const expected = this.#positions.get(partition);
    if (epoch !== this.#epoch || expected === undefined) return;
    const fetched = Number((batch as Batch & { fetchedOffset: string }).fetchedOffset);
    if (fetched !== expected) {
      this.#jumped(partition, expected, fetched);
      return;
    }
    this.#lanes.push(
      partition,
      batch.messages.map((message) =>
        recordOf({ source: this.source, partition, readAt, changes }, message),
      ),
    );
    this.#positions.set(partition, Number(batch.lastOffset()) + 1);
    resolveOffset(batch.lastOffset());
    if (this.#isKeyed === false && batch.messages.some(isRepartitioned)) this.#notSplit();
  }

  #notSplit(): void {
    const { topic } = this.#options;
    this.#fail(
      new CepError(
        'SETTING_INVALID',
        `${topic} is written by temporal-cep repartition, which keys it: leave out --no-keyed, or name another --group where it was read before that`,
        { details: { topic } },
      ),
    );
  }

  /** kafkajs goes to the beginning of a partition that lacks the offset it asked for. */
  #jumped(partition: number, expected: number, fetched: number): void {
    if (fetched > expected) {
      this.#sayExpired(partition, expected, fetched);
      this.#positions.set(partition, fetched);
    }
    // Also where it is a fetch of an older assignment: the next one begins where it should.
    const offset = String(Math.max(expected, fetched));
    this.#consumer.seek({ topic: this.#options.topic, partition, offset });
  }

  /**
   * Whether the topic is still the one that is read; if not, everything begins anew with the other one.
   *
   * @param partition - asks the leader of this partition, whose records are never newer than what it says
   */
  async #isSameTopic(partition?: number): Promise<boolean> {
    const { topic, log } = this.#options;
    const isKeyed = this.#options.countsAlone ? true : (this.#options.isKeyed ?? null);
    const epoch = this.#epoch;
    const identity = await topicIdentity(this.#cluster as Cluster, topic, partition);
    const source = this.#sourceOf(identity?.id ?? null);
    if (source === this.source) return true;
    const partitions = await requireTopic(this.#admin, topic);
    if (epoch !== this.#epoch) return false;
    log.warn('the topic was deleted and made anew: reading the new one from its beginning', {
      topic,
      source,
    });
    if (partitions.length !== this.#allPartitions.length) {
      this.#fail(
        new CepError(
          'INPUT_MISSING',
          `${topic} was deleted and made anew with ${partitions.length} partitions instead of ${this.#allPartitions.length}: start the ingestors of this group again`,
          { details: { topic, partitions: partitions.length } },
        ),
      );
      return false;
    }
    await this.#countFirst(source, partitions.length);
    if (epoch !== this.#epoch) return false;
    this.source = source;
    this.#isKeyed = isKeyed;
    this.#isSampled = false;
    this.#ends.clear();
    this.#joined(this.#assigned);
    return false;
  }

  #withId(read: RawRecord | EndOfLog): Read {
    return 'endOfLog' in read ? read : withId(read, this.#isKeyed === true);
  }

  // ---- ends, offsets

  /** K5. */
  async #look(): Promise<void> {
    const { log, signal } = this.#options;
    while (!this.#isOver()) {
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
      if (this.#isOver()) continue;
      const lookedAt = this.#clock.monotonic();
      const epoch = this.#epoch;
      try {
        // Also of one that has none: it may be the one that assigns them.
        if (this.#positions.size > 0) {
          const bounds = await this.#bounds();
          if (!(await this.#isSameTopic())) continue;
          if (epoch === this.#epoch) this.#saw(bounds, lookedAt);
        }
        await this.#lookForMore();
      } catch (error) {
        log.debug('the ends of the partitions are not known', { error: messageOf(error) });
      }
    }
  }

  /** K6. kafkajs itself looks every five minutes. */
  async #lookForMore(): Promise<void> {
    const { topic, log } = this.#options;
    const before = this.#allPartitions.length;
    if ((await this.countPartitions()) <= before) return;
    const partitions = await requireTopic(this.#admin, topic);
    // The broker that was asked may know less than the one before.
    if (partitions.length <= before) return;
    this.#allPartitions = partitions;
    log.warn(GREW, { topic, before, partitions: partitions.length });
    // With the next fetch the group sees that there is more to assign.
    await this.#cluster?.refreshMetadata();
  }

  #saw(bounds: ReadonlyMap<number, { high: number }>, lookedAt: number): void {
    this.#latestBounds = bounds;
    for (const [partition, position] of this.#positions) {
      const end = bounds.get(partition)?.high;
      if (end === undefined) continue;
      this.#ends.set(partition, end);
      if (position < end) continue;
      const found: EndOfLog = { endOfLog: true, source: this.source, partition, lookedAt };
      this.#lanes.pushEnd(partition, found);
    }
  }

  async #bounds(): Promise<Map<number, { low: number; high: number }>> {
    const offsets = await this.#admin.fetchTopicOffsets(this.#options.topic);
    return new Map(
      offsets.map(({ partition, low, high }) => [
        partition,
        { low: Number(low), high: Number(high) },
      ]),
    );
  }

  lags(): Lag[] {
    return [...this.#ends].map(([partition, end]) => ({
      source: this.source,
      partition,
      records: Math.max(0, end - (this.#committed.get(partition) ?? end)),
    }));
  }

  ends(): ReadonlyMap<number, number> {
    return new Map([...this.#latestBounds].map(([partition, { high }]) => [partition, high]));
  }

  partitions(): PartitionCount {
    const now = this.#allPartitions.length;
    return { source: this.source, now, added: Math.max(0, now - this.#firstPartitions) };
  }

  async countPartitions(): Promise<number> {
    const { topic } = this.#options;
    const identity = await topicIdentity(this.#cluster as Cluster, topic);
    return identity?.partitions ?? (await requireTopic(this.#admin, topic)).length;
  }

  commit(publications: readonly Publication[]): Promise<void> {
    // One at a time, and nobody waits for it: SQL says where to go on.
    this.#commit ??= this.#commitNow(publications).finally(() => {
      this.#commit = null;
    });
    return Promise.resolve();
  }

  async #commitNow(publications: readonly Publication[]): Promise<void> {
    const { topic, log } = this.#options;
    const news = publications.filter(
      ({ source, partition, progress: { lowWater } }) =>
        source === this.source &&
        this.#positions.has(partition) &&
        lowWater !== this.#committed.get(partition),
    );
    if (news.length === 0) return;
    try {
      await this.#consumer.commitOffsets(
        news.map(({ partition, progress: { lowWater } }) => ({
          topic,
          partition,
          offset: String(lowWater),
        })),
      );
      for (const { partition, progress } of news) this.#committed.set(partition, progress.lowWater);
    } catch (error) {
      log.debug('offsets not committed to Kafka', { error: messageOf(error) });
    }
  }

  fenced(lost: readonly Publication[]): void {
    const { log, topic } = this.#options;
    // What was claimed since is not what was lost.
    const isNews = lost.some(
      ({ source, partition, generation }) =>
        source === this.source && generation === this.#generations.get(partition),
    );
    if (!isNews) return;
    log.warn('somebody else has claimed partitions; waiting for what the consumer group says', {
      topic,
    });
    this.#isFenced = true;
  }

  #pause(partitions: readonly number[]): void {
    this.#tell('pause', partitions);
  }

  #resume(partitions: readonly number[]): void {
    this.#tell('resume', partitions);
  }

  #tell(what: 'pause' | 'resume', partitions: readonly number[]): void {
    if (partitions.length === 0) return;
    try {
      this.#consumer[what]([{ topic: this.#options.topic, partitions: [...partitions] }]);
    } catch (error) {
      // While it begins anew after a crash it has no partitions; all are told again when they are assigned.
      this.#options.log.debug('the consumer has no partitions', { error: messageOf(error) });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#lanes.wake();
    await this.#commit?.catch(() => {});
    await Promise.allSettled([this.#consumer.disconnect(), this.#looking]);
    await this.#admin.disconnect().catch(() => {});
  }
}

/** Of a partition of which nothing is kept it has to be known where it begins: else that would be offset 0. */
function beginning(claim: Claim, offset: number): Claim {
  if (claim.progress !== null) return claim;
  const progress: StoredProgress = {
    watermark: MIN_TIMESTAMP,
    orderingWatermark: MIN_TIMESTAMP,
    lowWater: offset,
    nextOffset: offset,
    readTo: offset,
    quietSince: null,
    finished: false,
  };
  return { ...claim, progress };
}

/** The protocol's name of an error, through the errors that kafkajs wraps around it. */
function typeOf(error: Error): string {
  const { type, cause } = error as Error & { type?: string; cause?: unknown };
  return `${type ?? ''} ${cause instanceof Error ? typeOf(cause) : ''}`;
}
