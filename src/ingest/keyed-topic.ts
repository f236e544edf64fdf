// Events on their way into a topic keyed by their journeys' keys, instead of to sessions.
//
//   E1. A record is settled when Kafka has acknowledged it; until then it is written again without end.
//   E2. One request is under way; what comes meanwhile goes with the next. So the records of a source partition
//       stand in the order in which they left its event-time order.
//   E3. One record per event and key, with the journeys it is for.
//   E4. The partition follows from the key and from how many there are, as Kafka's own clients have it.

import { setTimeout as sleep } from 'node:timers/promises';
import { Partitioners, type PartitionMetadata } from 'kafkajs';
import { type CepError, messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import { isTooLarge } from '../kafka/failure.js';
import type { TopicWriter } from '../kafka/topic-writer.js';
import type { CompiledJourney } from '../rules/compiled.js';
import type { Millis } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import type { Alignment } from './alignment.js';
import type { DispatchCounts, Outgoing } from './dispatch.js';
import type { Outlet, OutletDeps, Published } from './outlet.js';
import { encodeEvent } from './repartition-format.js';
import type { SourceWatermarks } from './source-watermarks.js';

/** Records of one write; the writer makes requests of them. */
const RECORDS_MAX = 5_000;
const PAUSE_MS: Millis = 500;
const WARN_EVERY_MS: Millis = 5_000;

/** A record that waits, for all deliveries of its event that have the same key. */
interface Waiting {
  readonly event: CepEvent;
  readonly key: string;
  readonly journeys: string[];
  readonly settles: (() => void)[];
}

export interface KeyedTopicOptions {
  readonly writer: TopicWriter;
  readonly watermarks: SourceWatermarks;
  readonly alignment: Alignment;
  readonly deps: OutletDeps;
}

export class KeyedTopic implements Outlet {
  /** `batches` counts the records written. */
  readonly counts: DispatchCounts = { batches: 0, skipped: 0, parked: 0 };
  readonly #options: KeyedTopicOptions;
  readonly #partitioner = Partitioners.DefaultPartitioner();
  #waiting: Waiting[] = [];
  #held = 0;
  /** Of assignments: what was under way in an older one is not tried again. */
  #epoch = 0;
  #writing: Promise<void> | null = null;
  #waiters: (() => void)[] = [];
  readonly #stopped = new AbortController();
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: KeyedTopicOptions) {
    this.#options = options;
  }

  get held(): number {
    return this.#held;
  }

  add({ journey }: CompiledJourney, key: string, { event, settle }: Outgoing): void {
    this.#held++;
    const known = this.#sameRecord(event, key);
    if (known) {
      known.journeys.push(journey.id);
      known.settles.push(settle);
      return;
    }
    this.#waiting.push({ event, key, journeys: [journey.id], settles: [settle] });
    this.#options.alignment.left(event);
    this.#write();
  }

  abandon(): void {
    this.#epoch++;
    for (const { settles } of this.#waiting.splice(0)) this.#held -= settles.length;
    this.#options.alignment.reset();
    this.#wake();
  }

  async room(max: number): Promise<void> {
    while (this.#held > max) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  drain(): Promise<void> {
    return this.room(0);
  }

  stop(): void {
    this.#stopped.abort();
    this.#options.watermarks.stop();
  }

  isAhead(partition: SourcePartition): boolean {
    return this.#options.alignment.isAhead(partition);
  }

  published(publications: readonly Published[]): void {
    this.#options.watermarks.tell(publications);
  }

  /** E3: an event's deliveries are added one after the other. */
  #sameRecord(event: CepEvent, key: string): Waiting | undefined {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const each = this.#waiting[i] as Waiting;
      if (each.event !== event) return undefined;
      if (each.key === key) return each;
    }
    return undefined;
  }

  /** E2. */
  #write(): void {
    if (this.#writing || this.#stopped.signal.aborted) return;
    this.#writing = this.#writeAll()
      .catch((error) => this.#options.deps.fail(error))
      .finally(() => {
        this.#writing = null;
        if (this.#waiting.length > 0) this.#write();
      });
  }

  async #writeAll(): Promise<void> {
    // So that what is added in the same turn goes together.
    await sleep(0);
    while (this.#waiting.length > 0 && !this.#stopped.signal.aborted) {
      await this.#deliver(this.#waiting.splice(0, RECORDS_MAX));
    }
  }

  /** E1. */
  async #deliver(records: readonly Waiting[]): Promise<void> {
    const epoch = this.#epoch;
    let written = 0;
    while (written < records.length) {
      if (epoch !== this.#epoch || this.#stopped.signal.aborted) break;
      try {
        await this.#options.writer.write(
          records.slice(written).map((record) => this.#encode(record)),
          (count) => {
            this.counts.batches += count;
            this.#settle(records.slice(written, written + count));
            written += count;
          },
        );
      } catch (error) {
        const first = records[written] as Waiting;
        if (isTooLarge(error) && (await this.#isItself(first))) {
          await this.#refuse(first, error as CepError);
          written++;
        } else await this.#pause(error);
      }
    }
    for (const { settles } of records.slice(written)) this.#held -= settles.length;
    this.#wake();
  }

  /** Whether it is the record that the topic does not take, or another of its request. */
  async #isItself(record: Waiting): Promise<boolean> {
    try {
      // Where it is another, this one is written twice: readers drop repeats.
      await this.#options.writer.write([this.#encode(record)]);
      return false;
    } catch (error) {
      return isTooLarge(error);
    }
  }

  async #refuse(record: Waiting, error: CepError): Promise<void> {
    const reason = `the topic does not take a record of this size: raise its max.message.bytes (${messageOf(error)})`;
    await this.#options.deps.refuse(record.event, 'RECORD_TOO_LONG', reason);
    this.#settle([record]);
  }

  async #pause(error: unknown): Promise<void> {
    const now = performance.now();
    if (now - this.#warnedAt > WARN_EVERY_MS) {
      this.#warnedAt = now;
      const { log } = this.#options.deps;
      log.warn('events not written, trying again', { held: this.#held, error: messageOf(error) });
    }
    await sleep(PAUSE_MS, undefined, { signal: this.#stopped.signal }).catch(() => {});
  }

  #encode(record: Waiting) {
    return { ...encodeEvent(record), partition: this.#partitionOf(record.key) };
  }

  /** E4. */
  #partitionOf(key: string): number {
    const { length } = this.#options.watermarks.outputs;
    const partitionMetadata = Array.from({ length }, () => ANY_PARTITION);
    return this.#partitioner({ topic: '', partitionMetadata, message: { key, value: null } });
  }

  #settle(records: readonly Waiting[]): void {
    for (const { settles } of records) {
      this.#held -= settles.length;
      for (const settle of settles) settle();
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

/** Only how many there are counts for a record with a key. */
const ANY_PARTITION: PartitionMetadata = {
  partitionErrorCode: 0,
  partitionId: 0,
  leader: 0,
  replicas: [],
  isr: [],
};
