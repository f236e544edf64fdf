// Progress of one partition: which records are settled, and what may therefore be promised.
//
//   G1. The published watermark W is a promise: every event with time <= W was accepted by Temporal for
//       each of its journeys, or is in the late or dead-letter output.
//       So W = min(ordering watermark, earliest event read and not settled - 1).
//   G2. W never goes back.
//   G3. Every offset below the low-water mark is settled.
//   G4. Who goes on from what was kept decides of each record read again as was decided the first time: the
//       ordering watermark is kept as it was before the record at the low-water mark, and a record that
//       had been read with time <= W is done with (G1). (Of a record that was late only because of the
//       clock, in a silence, and whose output was not yet written, it may be decided anew.)

import type { ProgressReader } from '../activities/index.js';
import { assert } from '../assert.js';
import { PriorityQueue } from '../automaton/priority-queue.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import type { PartitionProgress, SourcePartition } from '../workflows/messages.js';
import { type OriginsState, originLowWater } from './origins.js';

/** What is kept of a partition, so that anybody can go on from there. */
export interface StoredProgress extends PartitionProgress {
  /** Records below this offset with time <= watermark are done with. */
  readonly nextOffset: number;
  /** Records below this offset have been read; any other with time <= watermark is late (G1). */
  readonly readTo: number;
  /** The partition's ordering watermark before the record at `lowWater` was read. */
  readonly orderingWatermark: Timestamp;
  /**
   * Of a live stream: the time on the wall clock from which on the ordering watermark would have moved with
   * the clock, had there been silence. Null for a historic stream.
   */
  readonly quietSince: Timestamp | null;
  /** Of a repartitioned topic: what was known of its source before the record at `lowWater` was read. */
  readonly origins?: OriginsState;
}

/** A partition that somebody has taken over. */
export interface Claim extends SourcePartition {
  /** Higher than that of every claim before. */
  readonly generation: number;
  /** Null when nothing was ever published, or the last run of the source has ended. */
  readonly progress: StoredProgress | null;
}

/** What the holder of a claim says of its partition. */
export interface Publication extends SourcePartition {
  readonly generation: number;
  readonly progress: StoredProgress;
}

/** Where progress is kept: the truth about how far ingestors are. */
export interface ProgressStore extends ProgressReader {
  /**
   * Takes partitions of one source over from whoever had them.
   *
   * @param owner - for people: process and host
   * @param topic - the source's name without what tells its incarnations apart; what was known of other
   *   incarnations is continued by this one
   */
  claim(
    source: string,
    partitions: readonly number[],
    owner: string,
    topic?: string,
  ): Promise<Claim[]>;
  /** @returns the publications refused, because a later claim was made */
  publish(publications: readonly Publication[]): Promise<Publication[]>;
}

/** Keeps progress as long as the process lives. */
export class MemoryProgressStore implements ProgressStore {
  readonly #known = new Map<string, { generation: number; progress: StoredProgress | null }>();

  async claim(source: string, partitions: readonly number[]): Promise<Claim[]> {
    return partitions.map((partition) => {
      const name = `${partition} ${source}`;
      const before = this.#known.get(name);
      const progress = before?.progress?.finished ? null : (before?.progress ?? null);
      const generation = (before?.generation ?? 0) + 1;
      this.#known.set(name, { generation, progress });
      return { source, partition, generation, progress };
    });
  }

  async publish(publications: readonly Publication[]): Promise<Publication[]> {
    const refused: Publication[] = [];
    for (const publication of publications) {
      const { source, partition, generation, progress } = publication;
      const known = this.#known.get(`${partition} ${source}`);
      if (known?.generation === generation) known.progress = progress;
      else refused.push(publication);
    }
    return refused;
  }

  async read(
    source: string,
    partition: number,
    origin?: SourcePartition,
  ): Promise<PartitionProgress | null> {
    const progress = this.#known.get(`${partition} ${source}`)?.progress ?? null;
    if (progress === null || origin === undefined) return progress;
    return { ...progress, lowWater: originLowWater(progress.origins, origin) };
  }
}

/** A record that was read, until everything that it is for has been done. */
export interface Tracked {
  readonly offset: number;
  /** The partition's ordering watermark before it was read (G4). */
  readonly before: Timestamp;
  /** Of a repartitioned topic: what was known of its source before. */
  readonly origins: OriginsState | undefined;
  /** MAX_TIMESTAMP until the event time is known; then it never changes. */
  timestamp: Timestamp;
  /** What is still to be done: 1 for being decided upon, and 1 per session that must accept it. */
  open: number;
}

export class PartitionTracker {
  /** In order of offset; the first `#settled` of them are settled. */
  #records: Tracked[] = [];
  #settled = 0;
  #next: number;
  readonly #byTime = new PriorityQueue<Tracked>((a, b) => a.timestamp - b.timestamp);
  #published: Timestamp;

  /** @param from - where the one before us came to */
  constructor(from: Pick<StoredProgress, 'lowWater' | 'watermark'> | null = null) {
    this.#next = from?.lowWater ?? 0;
    this.#published = from?.watermark ?? MIN_TIMESTAMP;
  }

  /** The offset after the last record read. */
  get next(): number {
    return this.#next;
  }

  /** A record was read. Offsets must rise. @param before - the ordering watermark before it was read */
  read(offset: number, before: Timestamp = MIN_TIMESTAMP, origins?: OriginsState): Tracked {
    // Else the low-water mark would say of it that it is settled.
    assert(
      offset >= this.#next,
      `the offsets of a partition rise (${offset} after ${this.#next - 1})`,
    );
    const record = { offset, before, origins, timestamp: MAX_TIMESTAMP, open: 1 };
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

  /** The offset below which every record with time <= `watermark` is settled. */
  doneBelow(watermark: Timestamp): number {
    this.#forgetSettled();
    const earliest = this.#byTime.peek();
    if (!earliest || earliest.timestamp > watermark) return this.#next;
    // A late event whose output is slow: the watermark had passed it before it came.
    const open = this.#records.find(
      (r, i) => i >= this.#settled && r.open > 0 && r.timestamp <= watermark,
    );
    return open?.offset ?? this.#next;
  }

  /** G4. @param ordering - the partition's ordering watermark now */
  orderingAtLowWater(ordering: Timestamp): Timestamp {
    return this.#records[this.#settled]?.before ?? ordering;
  }

  /** G4. @param origins - what is known of the source now */
  originsAtLowWater(origins: OriginsState | undefined): OriginsState | undefined {
    const record = this.#records[this.#settled];
    return record ? record.origins : origins;
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
