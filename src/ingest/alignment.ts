// Keeps the partitions of a source together in event time: whoever reads the repartitioned topic has to hold what
// one partition is ahead of the others.
//
//   A1. A partition is ahead when more than so many of its events lie behind the least watermark of the others.
//   A2. Nobody waits for a partition of which everything is read: it has nothing to catch up with.

import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, type Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';

/** Events of one partition that those who read them may have to hold. */
const AHEAD_MAX = 50_000;

/** How far a partition of the source is, whoever reads it. */
export interface Standing {
  readonly partition: number;
  readonly watermark: Timestamp;
  /** Records that nobody has read. */
  readonly lag: number;
}

interface Written {
  /** Event times, ascending, as they leave the partition's order; the first `passed` no longer count. */
  times: Timestamp[];
  passed: number;
}

export class Alignment {
  readonly #aheadMax: number;
  readonly #written = new Map<number, Written>();

  constructor(aheadMax: number = AHEAD_MAX) {
    this.#aheadMax = aheadMax;
  }

  /** An event has left its partition's order. */
  left({ partition, timestamp }: CepEvent): void {
    const written = this.#written.get(partition) ?? { times: [], passed: 0 };
    this.#written.set(partition, written);
    written.times.push(timestamp);
  }

  /** Partitions were assigned anew. */
  reset(): void {
    this.#written.clear();
  }

  /** How far all partitions of the source are. */
  look(standings: readonly Standing[]): void {
    for (const [partition, written] of this.#written) {
      const others = standings.filter((each) => each.partition !== partition && each.lag > 0);
      const least = Math.min(MAX_TIMESTAMP, ...others.map(({ watermark }) => watermark));
      const { times } = written;
      while (written.passed < times.length && (times[written.passed] as number) <= least) {
        written.passed++;
      }
      if (written.passed * 2 > times.length) {
        written.times = times.slice(written.passed);
        written.passed = 0;
      }
    }
  }

  /** A1. */
  isAhead({ partition }: SourcePartition): boolean {
    const written = this.#written.get(partition);
    return written !== undefined && written.times.length - written.passed > this.#aheadMax;
  }
}
