// One source partition while this process reads it: its place in the event-time order, what is settled,
// when it last spoke, and what may be published of it.

import type { CepEvent } from '../event.js';
import { MIN_TIMESTAMP, type Millis, minutes, type Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import type { EventOrder } from './order.js';
import { Origins, type OriginsState, originLowWater } from './origins.js';
import { type Claim, PartitionTracker, type StoredProgress, type Tracked } from './progress.js';
import type { Clock } from './record.js';
import type { RepartitionedEvent } from './repartition-format.js';

/** A stream is live while its last record's event time lies this close to the clock. */
const LIVE_WITHIN_MS = minutes(5);

/** What an event in the order belongs to. */
export interface Held {
  readonly record: Tracked;
  /** Of its record, as JSON in characters. */
  readonly length: number;
  /** Where a repartition has routed it already. */
  readonly route?: Pick<RepartitionedEvent, 'journeys' | 'key'>;
  /** The one journey that it is for; all by default. */
  readonly journey?: string;
}

/** The last record: for silence. */
interface Heard {
  /** The partition's ordering watermark since then. */
  readonly watermark: Timestamp;
  /** On the monotonic clock. */
  readonly arrivedAt: number;
  readonly isLive: boolean;
}

export interface PartitionOptions {
  readonly claim: Claim;
  /** The order that the partition shares with those whose sessions it shares. */
  readonly order: EventOrder;
  readonly clock: Clock;
  readonly graceMs: Millis;
}

export class Partition {
  readonly source: string;
  readonly partition: number;
  readonly generation: number;
  #order: EventOrder;
  #origins: Origins | null = null;
  readonly tracker: PartitionTracker;
  /** Events in the order. */
  readonly held = new Map<CepEvent, Held>();
  finished = false;
  /** Of a historic stream: a look found nothing more, and nothing has come for longer than the grace. */
  isSilentHistory = false;
  #committed: number;
  #published: Timestamp;
  #keptOrigins: OriginsState | undefined;
  readonly #clock: Clock;
  readonly #graceMs: Millis;
  readonly #restored: StoredProgress | null;
  /** When this process began to read it, on the monotonic clock. */
  readonly #since: number;
  #heard: Heard | null = null;

  constructor({ claim, order, clock, graceMs }: PartitionOptions) {
    const { source, partition, generation, progress } = claim;
    this.source = source;
    this.partition = partition;
    this.generation = generation;
    this.#order = order;
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#restored = progress;
    this.#since = clock.monotonic();
    this.#committed = progress?.lowWater ?? 0;
    this.#published = progress?.watermark ?? MIN_TIMESTAMP;
    this.tracker = new PartitionTracker(progress);
    this.#keptOrigins = progress?.origins;
    if (progress?.origins) {
      this.isRepartitioned(progress.origins);
      return;
    }
    order.add(this, progress?.orderingWatermark);
    if (progress?.quietSince != null) {
      // The quiet that went by while nobody read; should the clock have gone back, there was none.
      const quietMs = Math.max(0, clock.now() - progress.quietSince);
      const arrivedAt = this.#since - quietMs;
      this.#heard = { watermark: progress.orderingWatermark, arrivedAt, isLive: true };
    }
  }

  /** The event-time order that its events wait in. */
  get order(): EventOrder {
    return this.#order;
  }

  /** What is known of the source behind it; null for a topic that was not repartitioned. */
  get origins(): Origins | null {
    return this.#origins;
  }

  /** From now on the order is that of a source's partitions, which its watermarks move. */
  isRepartitioned(state?: OriginsState): Origins {
    this.#origins = new Origins(state);
    this.#order = this.#origins.order;
    return this.#origins;
  }

  /** Offsets of the source below it are kept as settled: nobody will ever read them again from here. */
  committedOf(origin: SourcePartition): number {
    return originLowWater(this.#keptOrigins, origin);
  }

  /** Offsets below it are kept as settled: nobody will ever read them again. */
  get committed(): number {
    return this.#committed;
  }

  /** The first offset that is news to us; what lies below was settled by those before. */
  get from(): number {
    return this.#restored?.lowWater ?? 0;
  }

  /** The watermark that is kept. */
  get published(): Timestamp {
    return this.#published;
  }

  /** This is now what is kept of it. */
  keep({ lowWater, watermark, origins }: StoredProgress): void {
    this.#keptOrigins = origins;
    this.#committed = Math.max(this.#committed, lowWater);
    this.#published = Math.max(this.#published, watermark);
  }

  /** Whether the one before us is done with this event; see `StoredProgress.nextOffset`. */
  isDone(offset: number, timestamp: Timestamp): boolean {
    const restored = this.#restored;
    return restored !== null && offset < restored.nextOffset && timestamp <= restored.watermark;
  }

  /** Whether the one before us has promised that nothing new of this time would come. */
  isPromised(offset: number, timestamp: Timestamp): boolean {
    const restored = this.#restored;
    return restored !== null && offset >= restored.readTo && timestamp <= restored.watermark;
  }

  /**
   * A record has come, so there is no silence. A live stream stays live while it goes on from where it was,
   * however late its records are read: an outage of ours does not make it a historic one.
   *
   * @param timestamp - its event time; null for a record without one
   */
  heard(timestamp: Timestamp | null): void {
    this.isSilentHistory = false;
    const before = this.#heard;
    const now = this.#clock.monotonic();
    let isLive = before?.isLive ?? false;
    if (timestamp !== null) {
      // In event time: while we catch up, records that arrive together lie far behind the clock.
      const goesOn = before !== null && isLive && timestamp >= before.watermark - LIVE_WITHIN_MS;
      isLive = goesOn || Math.abs(this.#clock.now() - timestamp) <= LIVE_WITHIN_MS;
    } else if (!before) return;
    this.#heard = { watermark: this.order.watermarkOf(this), arrivedAt: now, isLive };
  }

  /** Whether its stream is one of the present; null before its first record. */
  get isLive(): boolean | null {
    return this.#heard?.isLive ?? null;
  }

  /**
   * A look that began at `lookedAt` (monotonic) found nothing more. A live partition moves on with the
   * clock: from its watermark at its last record by the time since then, up to the look, less the grace.
   *
   * @returns how far it may move; null where it may not
   */
  quietUntil(lookedAt: number): Timestamp | null {
    const heard = this.#heard;
    if (!heard?.isLive) return null;
    const quietMs = lookedAt - heard.arrivedAt - this.#graceMs;
    return quietMs > 0 ? heard.watermark + Math.floor(quietMs) : null;
  }

  /** Whether a look found nothing, and nothing has come for longer than the grace. */
  isSilent(lookedAt: number): boolean {
    return lookedAt - (this.#heard?.arrivedAt ?? this.#since) > this.#graceMs;
  }

  /** @param watermark - what is promised; the partitions of one order promise the least of theirs */
  progress(watermark: Timestamp): StoredProgress {
    const { tracker } = this;
    const restored = this.#restored;
    const ordering = this.order.watermarkOf(this);
    const origins = tracker.originsAtLowWater(this.#origins?.state);
    const isAsRestored = watermark === restored?.watermark && tracker.next < restored.nextOffset;
    return {
      watermark,
      lowWater: tracker.lowWater,
      finished: this.finished,
      readTo: Math.max(tracker.next, restored?.readTo ?? 0),
      nextOffset: isAsRestored ? restored.nextOffset : tracker.doneBelow(watermark),
      orderingWatermark: tracker.orderingAtLowWater(ordering),
      quietSince: this.#quietSince(ordering),
      ...(origins === undefined ? {} : { origins }),
    };
  }

  #quietSince(ordering: Timestamp): Timestamp | null {
    const heard = this.#heard;
    if (!heard?.isLive || this.finished) return null;
    const arrivedAt = this.#clock.now() - (this.#clock.monotonic() - heard.arrivedAt);
    // What the watermark has moved by the clock must not be counted again.
    return Math.ceil(arrivedAt) + Math.max(0, ordering - heard.watermark);
  }
}
