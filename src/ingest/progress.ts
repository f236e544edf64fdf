// Progress of one partition: which records are settled, and what may therefore be promised.
//
//   G1. The published watermark W is a promise: every event with time <= W was accepted by Temporal for
//       each of its journeys, or is in the late or dead-letter output.
//       So W = min(ordering watermark, earliest event read and not settled - 1).
//   G2. W never goes back.
//   G3. Every offset below the low-water mark is settled.

import { assert } from '../assert.js';
import { PriorityQueue } from '../automaton/priority-queue.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import type { PartitionProgress } from '../workflows/messages.js';

/** Where watermarks are kept. In memory now; a table when ingestors and workers share a database. */
export interface ProgressStore {
  publish(source: string, partition: number, progress: PartitionProgress): void | Promise<void>;
  /** Null for a partition it does not know. */
  read(source: string, partition: number): Promise<PartitionProgress | null>;
}

/** Keeps progress as long as the process lives. */
export class MemoryProgressStore implements ProgressStore {
  readonly #known = new Map<string, PartitionProgress>();

  publish(source: string, partition: number, progress: PartitionProgress): void {
    this.#known.set(`${partition} ${source}`, progress);
  }

  async read(source: string, partition: number): Promise<PartitionProgress | null> {
    return this.#known.get(`${partition} ${source}`) ?? null;
  }
}

/** A record that was read, until everything that it is for has been done. */
export interface Tracked {
  readonly offset: number;
  /** MAX_TIMESTAMP until the event time is known; then it never changes. */
  timestamp: Timestamp;
  /** What is still to be done: 1 for being decided upon, and 1 per session that must accept it. */
  open: number;
}

export class PartitionTracker {
  /** In order of offset; the first `#settled` of them are settled. */
  #records: Tracked[] = [];
  #settled = 0;
  #next = 0;
  readonly #byTime = new PriorityQueue<Tracked>((a, b) => a.timestamp - b.timestamp);
  #published: Timestamp = MIN_TIMESTAMP;

  /** A record was read. Offsets must rise. */
  read(offset: number): Tracked {
    // Else the low-water mark would say of it that it is settled.
    assert(
      offset >= this.#next,
      `the offsets of a partition rise (${offset} after ${this.#next - 1})`,
    );
    const record = { offset, timestamp: MAX_TIMESTAMP, open: 1 };
    this.#records.push(record);
    this.#next = offset + 1;
    return record;
  }

  /** The record's event time is known; from now on it holds back the watermark. */
  timed(record: Tracked, timestamp: Timestamp): void {
    record.timestamp = timestamp;
    this.#byTime.offer(record);
  }

  /** One more session must accept it. */
  awaits(record: Tracked): void {
    record.open++;
  }

  /** One thing less is to be done. */
  settle(record: Tracked): void {
    record.open--;
    this.#forgetSettled();
    while (this.#settled < this.#records.length && this.#records[this.#settled]?.open === 0) {
      this.#settled++;
    }
    if (this.#settled > 1_000 && this.#settled * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#settled);
      this.#settled = 0;
    }
  }

  /** G3. */
  get lowWater(): number {
    return this.#records[this.#settled]?.offset ?? this.#next;
  }

  /** G1 and G2. @param ordering - the watermark of the event-time order */
  watermark(ordering: Timestamp): Timestamp {
    this.#forgetSettled();
    const earliest = this.#byTime.peek();
    const promised = earliest ? Math.min(ordering, earliest.timestamp - 1) : ordering;
    this.#published = Math.max(this.#published, promised);
    return this.#published;
  }

  #forgetSettled(): void {
    while (this.#byTime.peek()?.open === 0) this.#byTime.poll();
  }
}
