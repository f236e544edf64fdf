// Sources: what a session knows of the partitions that feed it.
//
//   R1. An event is new when its offset is neither below the partition's low-water mark nor already seen.
//   R2. The session's event time is the minimum over the partitions that have not ended.
//   R3. The session may forget a partition (end) only when nothing it took can be delivered again: the
//       partition has ended, or its low-water mark lies above every offset taken.

import { MIN_TIMESTAMP, type Timestamp } from '../time.js';
import type { EventBatch, PartitionProgress } from './messages.js';

interface Partition {
  readonly source: string;
  readonly partition: number;
  watermark: Timestamp;
  lowWater: number;
  /** Largest offset taken; -1 before the first. */
  highest: number;
  finished: boolean;
  /** Offsets taken at or above the low-water mark. */
  readonly seen: Set<number>;
}

/** A partition as JSON. */
export type PartitionSnapshot = Omit<Partition, 'seen'> & { readonly seen: readonly number[] };

export class Sources {
  readonly #partitions = new Map<string, Partition>();

  constructor(snapshot: readonly PartitionSnapshot[] = []) {
    for (const partition of snapshot) {
      const { source, partition: number } = partition;
      this.#partitions.set(keyOf(source, number), { ...partition, seen: new Set(partition.seen) });
    }
  }

  /** Whether every known partition has ended; a stream from an unknown one then begins anew. */
  get allFinished(): boolean {
    return this.#partitions.size > 0 && this.unfinished().length === 0;
  }

  has(source: string, partition: number): boolean {
    const known = this.#partitions.get(keyOf(source, partition));
    return known !== undefined && !known.finished;
  }

  /** Forgets the partitions, so that those of another stream can take their place. */
  clear(): void {
    this.#partitions.clear();
  }

  /** Keeps the offset in mind. @returns whether it is new (R1) */
  take(batch: Pick<EventBatch, 'source' | 'partition'>, offset: number): boolean {
    const partition = this.#get(batch);
    if (offset < partition.lowWater || partition.seen.has(offset)) return false;
    partition.seen.add(offset);
    if (offset > partition.highest) partition.highest = offset;
    return true;
  }

  /** Takes promises in; one that says less than an earlier one changes nothing. */
  promise(
    of: Pick<EventBatch, 'source' | 'partition'>,
    progress: Omit<PartitionProgress, 'finished'> & { finished?: boolean },
  ): void {
    const partition = this.#get(of);
    partition.watermark = Math.max(partition.watermark, progress.watermark);
    partition.finished ||= progress.finished ?? false;
    if (progress.lowWater <= partition.lowWater) return;
    partition.lowWater = progress.lowWater;
    for (const offset of partition.seen) {
      if (offset < progress.lowWater) partition.seen.delete(offset);
    }
  }

  /** R2. When all have ended, the farthest any of them came. */
  get watermark(): Timestamp {
    const open = this.unfinished();
    if (open.length > 0) return Math.min(...open.map(({ watermark }) => watermark));
    return Math.max(MIN_TIMESTAMP, ...[...this.#partitions.values()].map((p) => p.watermark));
  }

  /** R3. */
  get canForget(): boolean {
    return this.unfinished().every(({ lowWater, highest }) => lowWater > highest);
  }

  /** The partitions whose progress is worth asking for. */
  unfinished(): {
    source: string;
    partition: number;
    watermark: Timestamp;
    lowWater: number;
    highest: number;
  }[] {
    return [...this.#partitions.values()].filter(({ finished }) => !finished);
  }

  snapshot(): PartitionSnapshot[] {
    return [...this.#partitions.values()].map((p) => ({ ...p, seen: [...p.seen] }));
  }

  #get({ source, partition }: Pick<EventBatch, 'source' | 'partition'>): Partition {
    const key = keyOf(source, partition);
    let known = this.#partitions.get(key);
    if (!known) {
      known = {
        source,
        partition,
        watermark: MIN_TIMESTAMP,
        lowWater: 0,
        highest: -1,
        finished: false,
        seen: new Set(),
      };
      this.#partitions.set(key, known);
    }
    return known;
  }
}

function keyOf(source: string, partition: number): string {
  return `${partition} ${source}`;
}
