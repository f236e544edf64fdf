// Event-time order for one partition, with Flink's bounded-out-of-orderness watermark.
//
//   T1. Watermark = largest event time seen - out-of-orderness - 1 ms, and never goes back.
//   T2. An event at or behind the watermark when it arrives is late.
//   T3. Events leave in order of time, then of arrival, once the watermark has reached them.

import { PriorityQueue } from '../automaton/priority-queue.js';
import type { CepEvent } from '../event.js';
import { MIN_TIMESTAMP, type Millis, type Timestamp } from '../time.js';

interface Waiting {
  readonly event: CepEvent;
  readonly arrival: number;
}

export class EventOrder {
  readonly #outOfOrdernessMs: Millis;
  #watermark: Timestamp = MIN_TIMESTAMP;
  #largest: Timestamp = MIN_TIMESTAMP;
  #arrivals = 0;
  readonly #waiting = new PriorityQueue<Waiting>(
    (a, b) => a.event.timestamp - b.event.timestamp || a.arrival - b.arrival,
  );

  constructor(outOfOrdernessMs: Millis) {
    this.#outOfOrdernessMs = outOfOrdernessMs;
  }

  get watermark(): Timestamp {
    return this.#watermark;
  }

  /** Events that the watermark has not reached. */
  get size(): number {
    return this.#waiting.items.length;
  }

  /** @returns false when the event is late */
  push(event: CepEvent): boolean {
    if (event.timestamp <= this.#watermark) return false;
    this.#waiting.offer({ event, arrival: this.#arrivals++ });
    this.#largest = Math.max(this.#largest, event.timestamp);
    this.advance(event.timestamp - this.#outOfOrdernessMs - 1);
    return true;
  }

  /** Moves the watermark on for another reason than an event. */
  advance(watermark: Timestamp): void {
    this.#watermark = Math.max(this.#watermark, watermark);
  }

  /** Nothing more will come: the watermark moves to the last event, or beyond it. */
  end(watermark: Timestamp = MIN_TIMESTAMP): void {
    this.advance(Math.max(watermark, this.#largest));
  }

  /** The next event that the watermark has reached. */
  release(): CepEvent | undefined {
    const first = this.#waiting.peek();
    if (first === undefined || first.event.timestamp > this.#watermark) return undefined;
    return this.#waiting.poll()?.event;
  }
}
