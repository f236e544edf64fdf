// What is known of the source behind one partition of a repartitioned topic: how far each partition of the source
// is, as the watermarks among the records have said so far.
//
//   O1. A source partition moves by its watermarks alone: out-of-orderness and silence are in them already.
//   O2. The order is as far as the least of all source partitions, and nowhere before each of them has spoken. So
//       it waits for one that was added later from the first watermark on that counts it.
//   O3. An event at or behind its source partition's watermark, or below its low-water mark, is a repeat: whoever
//       wrote the watermark had seen to it that the event stood before. So what becomes of a record follows from the
//       log before it, and `state` as of a record lets anybody go on from there.
//   O4. Of two incarnations of the source's topic the one that spoke up later counts; the other has nothing more
//       to say.

import { DecodeError } from '../errors.js';
import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import { EventOrder } from './order.js';
import { type SourceWatermark, topicOf } from './repartition-format.js';

/** One partition of the source. */
export interface OriginState {
  readonly watermark: Timestamp;
  readonly lowWater: number;
  readonly isSilent: boolean;
}

/** As JSON; never changed, but replaced. */
export interface OriginsState {
  /** Null before its first watermark. */
  readonly source: string | null;
  /** By partition; null for one that has not spoken. */
  readonly partitions: readonly (OriginState | null)[];
  /** How far the order had come. */
  readonly watermark: Timestamp;
  /** Incarnations of the source's topic that were there before. */
  readonly retired: readonly string[];
}

const NOTHING: OriginsState = {
  source: null,
  partitions: [],
  watermark: MIN_TIMESTAMP,
  retired: [],
};

export class Origins {
  readonly order: EventOrder;
  #state: OriginsState;

  constructor(state: OriginsState = NOTHING) {
    this.#state = state;
    this.order = new EventOrder(Number.POSITIVE_INFINITY, state.watermark);
    this.#addInputs();
  }

  /** After the records so far. */
  get state(): OriginsState {
    return this.#state;
  }

  /**
   * What an event is here. A late one is of a topic that is gone.
   *
   * @throws DecodeError `RECORD_WRONG_TYPE` where it is of another source
   */
  judge({ source, partition, offset, timestamp }: CepEvent): 'new' | 'repeat' | 'late' {
    this.#require(source);
    const { retired, partitions } = this.#state;
    if (retired.includes(source)) return 'late';
    const known = source === this.#state.source ? partitions[partition] : null;
    if (!known) return 'new';
    return timestamp <= known.watermark || offset < known.lowWater ? 'repeat' : 'new';
  }

  /**
   * Takes a watermark in; one that says less than an earlier one changes nothing.
   *
   * @throws DecodeError `RECORD_WRONG_TYPE` where it is of another source
   */
  promise({ source, partition, partitions, ...said }: SourceWatermark): void {
    this.#require(source);
    if (this.#state.retired.includes(source)) return;
    if (source !== this.#state.source) this.#begin(source);
    const known = [...this.#state.partitions];
    while (known.length < partitions) known.push(null);
    const before = known[partition];
    const { isSilent } = said;
    const watermark = Math.max(said.watermark, before?.watermark ?? MIN_TIMESTAMP);
    const lowWater = Math.max(said.lowWater, before?.lowWater ?? 0);
    known[partition] = { watermark, lowWater, isSilent };
    this.#state = { ...this.#state, partitions: known };
    // All of them, before one moves: the least of some is not the least.
    this.#addInputs();
    const input = { source, partition };
    if (!isSilent) this.order.wake(input);
    this.order.advance(input, watermark);
    this.#state = { ...this.#state, watermark: this.order.watermark };
  }

  /** No longer waits for historic partitions that are silent: others fill the memory meanwhile. */
  passSilent(): number[] {
    const { source, partitions } = this.#state;
    if (source === null) return [];
    const passed = partitions.flatMap((known, partition) =>
      known?.isSilent && this.order.isLast({ source, partition }) ? [partition] : [],
    );
    for (const partition of passed) this.order.idle({ source, partition });
    return passed;
  }

  #require(source: string): void {
    const { source: known } = this.#state;
    if (known === null || topicOf(known) === topicOf(source)) return;
    throw new DecodeError(
      'RECORD_WRONG_TYPE',
      `the topic holds the events of ${topicOf(known)}, this record is of ${topicOf(source)}: give each repartition a topic of its own`,
      { details: { source } },
    );
  }

  /** O4. */
  #begin(source: string): void {
    const { source: before, retired } = this.#state;
    this.order.keepOnly(source);
    this.#state = {
      ...this.#state,
      ...{ source, partitions: [] },
      retired: before === null ? retired : [...retired, before],
    };
  }

  #addInputs(): void {
    const { source, partitions } = this.#state;
    if (source === null) return;
    partitions.forEach((known, partition) => {
      const input = { source, partition };
      if (!this.order.has(input)) this.order.add(input, known?.watermark);
    });
  }
}

/** Offsets of a source partition below it are never delivered again by the partition that `state` is of. */
export function originLowWater(
  state: OriginsState | undefined,
  { source, partition }: SourcePartition,
): number {
  if (state?.retired.includes(source)) return MAX_TIMESTAMP;
  return state?.source === source ? (state.partitions[partition]?.lowWater ?? 0) : 0;
}
