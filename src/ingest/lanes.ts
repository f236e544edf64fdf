// What was fetched and not yet taken, in a lane per partition. Fetching pauses for a lane that is full, and
// a partition that would only wait for others gives way to them.

import type { EndOfLog, RawRecord } from './record.js';

/** Records and characters in a lane, above which its partition is paused; resumed at half of it. */
const RECORDS_MAX = 5_000;
const LENGTH_MAX = 16_000_000;
/** How often a lane that had to give way is looked at again. */
const GIVE_WAY_MS = 20;

interface Lane {
  readonly partition: number;
  readonly items: (RawRecord | EndOfLog)[];
  taken: number;
  length: number;
  isPaused: boolean;
}

export interface LanesOptions {
  pause(partition: number): void;
  resume(partition: number): void;
  isAhead(partition: number): boolean;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<number, Lane>();
  #wake: () => void = () => {};

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Begins anew with these partitions; what was in the lanes is forgotten. */
  reset(partitions: readonly number[]): void {
    this.#lanes.clear();
    for (const partition of partitions) {
      this.#lanes.set(partition, { partition, items: [], taken: 0, length: 0, isPaused: false });
    }
    this.#wake();
  }

  push(partition: number, records: readonly RawRecord[]): void {
    const lane = this.#lanes.get(partition);
    if (!lane) return;
    for (const record of records) {
      lane.items.push(record);
      lane.length += lengthOf(record);
    }
    if (!lane.isPaused && this.#fill(lane) > 1) {
      lane.isPaused = true;
      this.#options.pause(partition);
    }
    this.#wake();
  }

  /** After all that is in the lane; the latest look is the one that counts. */
  pushEnd(partition: number, end: EndOfLog): void {
    const lane = this.#lanes.get(partition);
    if (!lane) return;
    const last = lane.items.at(-1);
    if (last && 'endOfLog' in last && lane.items.length > lane.taken) lane.items.pop();
    lane.items.push(end);
    this.#wake();
  }

  /** What lies in the lanes, up to so many records of each. */
  *sample(max: number): Generator<RawRecord> {
    for (const { items, taken } of this.#lanes.values()) {
      for (const item of items.slice(taken, taken + max)) if (!('endOfLog' in item)) yield item;
    }
  }

  /** The next of one of the lanes, in turn; undefined when `isOver` says so after a wake-up. */
  async next(isOver: () => boolean): Promise<RawRecord | EndOfLog | undefined> {
    for (;;) {
      if (isOver()) return undefined;
      let isGivingWay = false;
      for (const lane of this.#lanes.values()) {
        if (lane.taken === lane.items.length) continue;
        if (this.#options.isAhead(lane.partition)) {
          isGivingWay = true;
          continue;
        }
        return this.#take(lane);
      }
      await new Promise<void>((resolve) => {
        const timer = isGivingWay ? setTimeout(resolve, GIVE_WAY_MS) : undefined;
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Makes {@link next} look again. */
  wake(): void {
    this.#wake();
  }

  #take(lane: Lane): RawRecord | EndOfLog {
    const item = lane.items[lane.taken++] as RawRecord | EndOfLog;
    if (!('endOfLog' in item)) lane.length -= lengthOf(item);
    if (lane.taken === lane.items.length || lane.taken > RECORDS_MAX) {
      lane.items.splice(0, lane.taken);
      lane.taken = 0;
    }
    if (lane.isPaused && this.#fill(lane) < 0.5) {
      lane.isPaused = false;
      this.#options.resume(lane.partition);
    }
    // The others have their turn before this one comes again.
    this.#lanes.delete(lane.partition);
    this.#lanes.set(lane.partition, lane);
    return item;
  }

  #fill({ items, taken, length }: Lane): number {
    return Math.max((items.length - taken) / RECORDS_MAX, length / LENGTH_MAX);
  }
}

function lengthOf({ value, envelope }: RawRecord): number {
  const text = envelope ?? value;
  return typeof text === 'string' ? text.length : 0;
}
