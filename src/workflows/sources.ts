// Sources: what a session knows of the partitions that feed it.
//
//   R1. An event is new when its offset is neither below the partition's low-water mark nor already seen.
//   R2. The session's event time is the minimum over the partitions that have not ended.
//   R3. The session may forget a partition (end) only when nothing it took can be delivered again: the
//       partition has ended, or its low-water mark lies above every offset taken.
//   R4. Of a repartitioned topic the partition is a channel: it has the watermark, and each origin within it has
//       offsets and low-water mark of its own. An offset of an origin is also not new where another channel has
//       brought it: a topic that grows sends keys another way.

import { MIN_TIMESTAMP, type Timestamp } from '../time.js';
import type { EventBatch, PartitionProgress, ReadPartition, SourcePartition } from './messages.js';

interface Partition {
  readonly source: string;
  readonly partition: number;
  readonly origin?: SourcePartition;
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
      this.#partitions.set(keyOf(partition), { ...partition, seen: new Set(partition.seen) });
    }
  }

  /** Whether every known partition has ended; a stream from an unknown one then begins anew. */
  get allFinished(): boolean {
    return this.#partitions.size > 0 && this.unfinished().length === 0;
  }

  has(source: string, partition: number): boolean {
    return this.unfinished().some(
      (known) => known.source === source && known.partition === partition,
    );
  }

  /** Forgets the partitions, so that those of another stream can take their place. */
  clear(): void {
    this.#partitions.clear();
  }

  /** Keeps the offset in mind. @returns whether it is new (R1) */
  take(batch: Pick<EventBatch, keyof ReadPartition>, offset: number): boolean {
    const partition = this.#get(batch);
    if (offset < partition.lowWater || this.#hasSeen(partition, offset)) return false;
    partition.seen.add(offset);
    if (offset > partition.highest) partition.highest = offset;
    return true;
  }

  /** Takes promises in; one that says less than an earlier one changes nothing. */
  promise(
    of: ReadPartition,
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
    if (open.length > 0) return Math.min(...channels(open).values());
    return Math.max(MIN_TIMESTAMP, ...[...this.#partitions.values()].map((p) => p.watermark));
  }

  /** R3. */
  get canForget(): boolean {
    return this.unfinished().every(({ lowWater, highest }) => lowWater > highest);
  }

  /** The partitions whose progress is worth asking for. */
  unfinished(): (ReadPartition & Pick<Partition, 'watermark' | 'lowWater' | 'highest'>)[] {
    return [...this.#partitions.values()].filter(({ finished }) => !finished);
  }

  /** Those of them that have a watermark of their own. */
  channels(): SourcePartition[] {
    const known = this.unfinished().map(({ source, partition }) => ({ source, partition }));
    return [...new Map(known.map((channel) => [keyOf(channel), channel])).values()];
  }

  snapshot(): PartitionSnapshot[] {
    return [...this.#partitions.values()].map((p) => ({ ...p, seen: [...p.seen] }));
  }

  /** R4. */
  #hasSeen({ seen, origin }: Partition, offset: number): boolean {
    if (origin === undefined || seen.has(offset)) return seen.has(offset);
    for (const other of this.#partitions.values()) {
      const isSame =
        other.origin?.source === origin.source && other.origin.partition === origin.partition;
      if (isSame && other.seen.has(offset)) return true;
    }
    return false;
  }

  #get({ source, partition, origin }: ReadPartition): Partition {
    const of = { source, partition, ...(origin ? { origin } : {}) };
    const key = keyOf(of);
    let known = this.#partitions.get(key);
    if (!known) {
      known = {
        ...of,
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

/** R4: whoever has been told less knows from the others how far the partition is. */
function channels(
  partitions: readonly Pick<Partition, 'source' | 'partition' | 'watermark'>[],
): Map<string, Timestamp> {
  const watermarks = new Map<string, Timestamp>();
  for (const { source, partition, watermark } of partitions) {
    const key = keyOf({ source, partition });
    watermarks.set(key, Math.max(watermark, watermarks.get(key) ?? MIN_TIMESTAMP));
  }
  return watermarks;
}

function keyOf({ source, partition, origin }: ReadPartition): string {
  const channel = `${partition} ${source}`;
  return origin ? `${channel} ${origin.partition} ${origin.source}` : channel;
}
