// Event-time order over the partitions that share sessions, with Flink's bounded-out-of-orderness
// watermark for each. A topic keyed by the journeys' key has an order per partition; in any other topic a
// session's events lie in all partitions, which then share one order.
//
//   T1. Watermark of a partition = largest event time seen in it - out-of-orderness - 1 ms; it never goes back.
//   T2. An event at or behind its partition's watermark when it arrives is late. So what is late follows
//       from the partition alone, however reading the partitions interleaves.
//   T3. The order's watermark is the least of its partitions'. Events leave once it has reached them, in
//       order of time, then of partition, then of offset: the same order each time they are read.

import { PriorityQueue } from '../automaton/priority-queue.js';
import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Millis, type Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';

interface Input extends SourcePartition {
  watermark: Timestamp;
  largest: Timestamp;
  /** Has had nothing for so long that the others need not wait for it. */
  isIdle: boolean;
}

export class EventOrder {
  readonly #outOfOrdernessMs: Millis;
  readonly #inputs = new Map<string, Input>();
  /** The same as a list: it is gone through with every event. */
  #all: readonly Input[] = [];
  /** The one asked for last: most events come after one of their own partition. */
  #latest: Input | null = null;
  #watermark: Timestamp;
  readonly #waiting = new PriorityQueue<CepEvent>(
    (a, b) =>
      a.timestamp - b.timestamp ||
      compare(a.source, b.source) ||
      a.partition - b.partition ||
      a.offset - b.offset,
  );

  /**
   * @param outOfOrdernessMs - infinite where partitions move by `advance` alone
   * @param watermark - how far it had come before
   */
  constructor(outOfOrdernessMs: Millis, watermark: Timestamp = MIN_TIMESTAMP) {
    this.#outOfOrdernessMs = outOfOrdernessMs;
    this.#watermark = watermark;
  }

  /** T3. */
  get watermark(): Timestamp {
    return this.#watermark;
  }

  /** Events that the watermark has not reached. */
  get size(): number {
    return this.#waiting.items.length;
  }

  /** Takes a partition in, before its first event; the others wait for it. */
  add(partition: SourcePartition, watermark: Timestamp = MIN_TIMESTAMP): void {
    const largest = MIN_TIMESTAMP;
    // The order's own stays where it is: the next partition to be added may be further back.
    this.#latest = null;
    this.#inputs.set(nameOf(partition), {
      source: partition.source,
      partition: partition.partition,
      watermark,
      largest,
      isIdle: false,
    });
    this.#all = [...this.#inputs.values()];
  }

  has(partition: SourcePartition): boolean {
    return this.#inputs.has(nameOf(partition));
  }

  /** Nothing more comes of any other source. Events of theirs that wait stay. */
  keepOnly(source: string): void {
    this.#latest = null;
    for (const [name, input] of this.#inputs) {
      if (input.source !== source) this.#inputs.delete(name);
    }
    this.#all = [...this.#inputs.values()];
    this.#recompute();
  }

  /** T1. */
  watermarkOf(partition: SourcePartition): Timestamp {
    return this.#inputs.get(nameOf(partition))?.watermark ?? MIN_TIMESTAMP;
  }

  /** @returns false when the event is late (T2) */
  push(event: CepEvent): boolean {
    const input = this.#input(event);
    input.isIdle = false;
    if (event.timestamp <= input.watermark) return false;
    // Behind the others after all: an idle partition spoke up again.
    if (event.timestamp <= this.#watermark) return false;
    this.#waiting.offer(event);
    input.largest = Math.max(input.largest, event.timestamp);
    this.#advance(input, event.timestamp - this.#outOfOrdernessMs - 1);
    return true;
  }

  /** Moves a partition's watermark on, for another reason than an event too. */
  advance(partition: SourcePartition, watermark: Timestamp): void {
    this.#advance(this.#input(partition), watermark);
  }

  #advance(input: Input, watermark: Timestamp): void {
    input.watermark = Math.max(input.watermark, watermark);
    this.#recompute();
  }

  /** The others no longer wait for this partition, until it has an event again. */
  idle(partition: SourcePartition): void {
    this.#input(partition).isIdle = true;
    this.#recompute();
  }

  /** The others wait for it again. */
  wake(partition: SourcePartition): void {
    this.#input(partition).isIdle = false;
  }

  /** Whether the others have to wait for this one. */
  isLast(partition: SourcePartition): boolean {
    return this.#input(partition).watermark <= this.#watermark;
  }

  /** Nothing more will come: the watermark moves to the last event, or beyond it. */
  end(watermark: Timestamp = MIN_TIMESTAMP): void {
    const last = Math.max(watermark, ...[...this.#inputs.values()].map(({ largest }) => largest));
    for (const input of this.#inputs.values()) {
      input.watermark = Math.max(input.watermark, last);
      // Where all are idle the order would stand still.
      input.isIdle = false;
    }
    this.#recompute();
  }

  /** The next event that the watermark has reached. */
  release(): CepEvent | undefined {
    const first = this.#waiting.peek();
    if (first === undefined || first.timestamp > this.#watermark) return undefined;
    return this.#waiting.poll();
  }

  /** Takes out the events that the watermark has not reached, in order. */
  drain(): CepEvent[] {
    const events: CepEvent[] = [];
    for (let event = this.#waiting.poll(); event; event = this.#waiting.poll()) events.push(event);
    return events;
  }

  #input(partition: SourcePartition): Input {
    const latest = this.#latest;
    if (latest?.partition === partition.partition && latest.source === partition.source) {
      return latest;
    }
    if (!this.has(partition)) this.add(partition);
    this.#latest = this.#inputs.get(nameOf(partition)) as Input;
    return this.#latest;
  }

  #recompute(): void {
    let least: Timestamp = MAX_TIMESTAMP;
    let gates = 0;
    for (const { watermark, isIdle } of this.#all) {
      if (isIdle) continue;
      gates++;
      if (watermark < least) least = watermark;
    }
    if (gates > 0 && least > this.#watermark) this.#watermark = least;
  }
}

function nameOf({ source, partition }: SourcePartition): string {
  return `${partition} ${source}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
