// The ingestor: record -> event -> event-time order -> sessions -> batches -> signals.
//
// Every record ends in exactly one of these ways: accepted by all its sessions, skipped (it could begin
// nothing and no session ran), unrouted (no journey accepts it), late, or a dead letter.

import { DecodeError, messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import { createLogger, type Logger } from '../log.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { MAX_TIMESTAMP, type Millis, minutes, seconds, type Timestamp } from '../time.js';
import type { EventBatch, PartitionProgress, SessionRef } from '../workflows/messages.js';
import { decodeRecord } from './decode.js';
import { DISPATCH_DEFAULTS, Dispatcher, type DispatchSettings } from './dispatch.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import { EventOrder } from './order.js';
import { PartitionTracker, type ProgressStore, type Tracked } from './progress.js';
import { type Clock, type EndOfLog, type RawRecord, type Read, systemClock } from './record.js';
import { loggedRejects, type RejectSink } from './rejects.js';
import { routeEvent } from './route.js';

/** A stream is live while its last record's event time lies this close to the clock. */
const LIVE_WITHIN_MS = minutes(5);
/** Records taken before other work, such as timers and answers, gets its turn. */
const RECORDS_PER_TURN = 1_000;

export interface IngestOptions {
  readonly journeys: CompiledJourneys;
  readonly records: AsyncIterable<Read>;
  readonly gateway: SessionGateway;
  readonly store: ProgressStore;
  /** How far event times may lag behind the largest one seen. Default 2 s. */
  readonly outOfOrdernessMs?: Millis;
  /** How long a quiet live stream is not believed to be quiet. Default 10 s. */
  readonly graceMs?: Millis;
  /** Events on their way to sessions, above which reading pauses. Default 50,000. */
  readonly heldMax?: number;
  readonly dispatch?: Partial<DispatchSettings>;
  /** How often progress is published. Default 100 ms. */
  readonly publishMs?: Millis;
  /**
   * What follows the last record: a final watermark that ends every open window (default), one at this
   * time, one at the last event, or none: then the source counts as one that goes on later.
   */
  readonly endWatermark?: Timestamp | 'last-event' | 'none';
  /** Late events; the log by default. */
  readonly late?: RejectSink;
  /** Records that could not be used; the log by default. */
  readonly deadLetters?: RejectSink;
  /** Ends the ingest gracefully: what was read is delivered, no final watermark follows. */
  readonly signal?: AbortSignal;
  /** How long a graceful stop may take to deliver what is under way. Default 10 s. */
  readonly stopMs?: Millis;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Called after each publication. */
  readonly onProgress?: (counts: IngestCounts) => void;
}

/** What became of the records. */
export interface IngestCounts {
  /** Records read. */
  read: number;
  /** Records that became events in time. */
  events: number;
  late: number;
  /** Dead letters by code. */
  dead: Record<string, number>;
  /** Events that no journey accepts. */
  unrouted: number;
  /** Deliveries of events that could begin nothing, to sessions that did not run. */
  skipped: number;
  /** Signals accepted. */
  batches: number;
  /** Different sessions that accepted events; only counted where the input ends. */
  sessions: number;
  /** Sessions that refuse signals. */
  parked: number;
  /** Event time reached. */
  watermark: Timestamp;
}

interface Partition {
  readonly source: string;
  readonly partition: number;
  readonly order: EventOrder;
  readonly tracker: PartitionTracker;
  /** Of each event in the order. */
  readonly tracked: Map<CepEvent, { record: Tracked; length: number }>;
  /** Of the last record, for silence: ordering watermark, arrival and whether it was live. */
  last: { watermark: Timestamp; arrivedAt: number; isLive: boolean } | null;
  finished: boolean;
}

/**
 * Feeds sessions from a stream of records until it ends or `signal` is aborted.
 *
 * @returns what became of the records
 */
export function ingest(options: IngestOptions): Promise<IngestCounts> {
  return new Ingestor(options).run();
}

class Ingestor {
  readonly #options: IngestOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #late: RejectSink;
  readonly #deadLetters: RejectSink;
  readonly #dispatcher: Dispatcher;
  readonly #dispatch: DispatchSettings;
  readonly #partitions = new Map<string, Partition>();
  /** Sessions that must hear of the end. */
  readonly #fed = new Map<string, SessionRef>();
  readonly #everFed = new Set<string>();
  readonly #stopped: Promise<void>;
  readonly #failed: Promise<never>;
  #fail: (error: unknown) => void = () => {};
  readonly #counts: IngestCounts = {
    read: 0,
    events: 0,
    late: 0,
    dead: {},
    unrouted: 0,
    skipped: 0,
    batches: 0,
    sessions: 0,
    parked: 0,
    watermark: Number.MIN_SAFE_INTEGER,
  };

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? createLogger();
    this.#late = options.late ?? loggedRejects(this.#log, 'late event');
    this.#deadLetters = options.deadLetters ?? loggedRejects(this.#log, 'dead letter');
    this.#dispatch = { ...DISPATCH_DEFAULTS, ...options.dispatch };
    this.#stopped = aborted(options.signal);
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It is only ever raced.
    this.#failed.catch(() => {});
    const { gateway, endWatermark } = options;
    const remembersSessions = endWatermark !== 'none';
    this.#dispatcher = new Dispatcher(
      {
        gateway: remembersSessions ? this.#remembering(gateway) : gateway,
        clock: this.#clock,
        log: this.#log,
        promises: (source, partition) => {
          const { order, tracker } = this.#partition(source, partition);
          return { watermark: order.watermark, lowWater: tracker.lowWater };
        },
        refuse: (ref, events, reason) => {
          for (const event of events) {
            this.#reject(
              'SESSION_REFUSED',
              `session ${ref.journey}/${ref.key}: ${reason}`,
              event,
              event.data,
            );
          }
        },
        fail: (error) => this.#fail(error),
      },
      this.#dispatch,
    );
  }

  async run(): Promise<IngestCounts> {
    const { publishMs = 100, onProgress } = this.#options;
    const publishing = setInterval(() => {
      this.#publish();
      onProgress?.(this.#snapshot());
    }, publishMs);
    try {
      await Promise.race([this.#run(), this.#failed]);
    } finally {
      clearInterval(publishing);
      this.#dispatcher.stop();
      await this.#publish();
    }
    const counts = this.#snapshot();
    onProgress?.(counts);
    return counts;
  }

  async #run(): Promise<void> {
    const iterator = this.#options.records[Symbol.asyncIterator]();
    const reading = this.#readAll(iterator);
    // Not every source hears of the stop: what it would still give is left behind.
    const failure = await Promise.race([reading, this.#stopped]);
    if (this.#isStopped) iterator.return?.().catch(() => {});
    else if (!failure) await Promise.race([this.#end(), this.#stopped]);
    if (failure || this.#isStopped) await this.#stop();
    if (failure) throw failure.error;
  }

  get #isStopped(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  /** @returns what the source failed with, if it did */
  async #readAll(iterator: AsyncIterator<Read>): Promise<{ error: unknown } | undefined> {
    const { heldMax = 50_000 } = this.#options;
    for (let taken = 1; ; taken++) {
      let next: IteratorResult<Read>;
      try {
        next = await iterator.next();
      } catch (error) {
        return { error };
      }
      if (this.#isStopped || next.done) return undefined;
      if ('endOfLog' in next.value) this.#silence(next.value);
      else this.#take(next.value);
      if (this.#dispatcher.held > heldMax) await this.#dispatcher.room(heldMax);
      // A source that has everything at hand would let nobody else in.
      if (taken % RECORDS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      if (this.#isStopped) return undefined;
    }
  }

  // ---- one record

  #take(record: RawRecord): void {
    const partition = this.#partition(record.source, record.partition);
    const { order, tracker, tracked } = partition;
    this.#counts.read++;
    const tracking = tracker.read(record.offset);
    let event: CepEvent;
    try {
      event = decodeRecord(record, this.#options.journeys.set);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#reject(error.code, messageOf(error), record, record.value);
      tracker.settle(tracking);
      // No event, but no silence either.
      if (partition.last) this.#heardOf(partition, partition.last.isLive);
      return;
    }
    // Before the order is told: its watermark must never pass an event that nobody tracks.
    tracker.timed(tracking, event.timestamp);
    if (order.push(event)) {
      this.#counts.events++;
      const length =
        typeof record.value === 'string' ? record.value.length : jsonLength(event.data);
      tracked.set(event, { record: tracking, length });
    } else {
      this.#counts.late++;
      const { source, partition: number, offset } = event;
      const message = `event time ${event.timestamp} is not after the watermark ${order.watermark}`;
      const coordinates = { source, partition: number, offset };
      this.#late({ ...coordinates, reason: 'LATE', message, record: event.data });
      tracker.settle(tracking);
    }
    this.#heardOf(partition, Math.abs(this.#clock.now() - event.timestamp) <= LIVE_WITHIN_MS);
    this.#release(partition);
  }

  #heardOf(partition: Partition, isLive: boolean): void {
    const { watermark } = partition.order;
    partition.last = { watermark, arrivedAt: this.#clock.monotonic(), isLive };
  }

  /** Hands on the events that the watermark has reached. */
  #release({ order, tracker, tracked }: Partition): void {
    for (let event = order.release(); event; event = order.release()) {
      const { record, length } = tracked.get(event) as { record: Tracked; length: number };
      tracked.delete(event);
      const { routes, errors } = routeEvent(event, this.#options.journeys);
      for (const error of errors) this.#reject(error.code, messageOf(error), event, event.data);
      if (routes.length === 0 && errors.length === 0) this.#counts.unrouted++;
      for (const { journey, key } of routes) {
        tracker.awaits(record);
        const settle = () => tracker.settle(record);
        this.#dispatcher.add(journey, key, { event, length, settle });
      }
      tracker.settle(record);
    }
  }

  /**
   * A live stream that is quiet moves on with the clock: from its last watermark by the time that has
   * passed since its last record, up to the look that found nothing, less the grace.
   */
  #silence({ source, partition, lookedAt }: EndOfLog): void {
    const known = this.#partition(source, partition);
    if (!known.last?.isLive) return;
    const quietMs = lookedAt - known.last.arrivedAt - (this.#options.graceMs ?? seconds(10));
    if (quietMs <= 0) return;
    known.order.advance(known.last.watermark + Math.floor(quietMs));
    this.#release(known);
  }

  // ---- the end

  /** The input has ended: everything is delivered, then the sessions hear of the end. */
  async #end(): Promise<void> {
    const { endWatermark = MAX_TIMESTAMP } = this.#options;
    for (const partition of this.#partitions.values()) {
      partition.order.end(typeof endWatermark === 'number' ? endWatermark : undefined);
      this.#release(partition);
    }
    await this.#dispatcher.drain();
    if (endWatermark === 'none') return;
    for (const partition of this.#partitions.values()) partition.finished = true;
    await this.#publish();
    await this.#tellTheEnd();
  }

  async #stop(): Promise<void> {
    const { stopMs = seconds(10) } = this.#options;
    this.#log.info('stopping: delivering what was read', { held: this.#dispatcher.held });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, stopMs);
    });
    await Promise.race([this.#dispatcher.drain(), timeout]);
    clearTimeout(timer);
    if (this.#dispatcher.held > 0) {
      this.#log.warn('stopped before everything was delivered', { held: this.#dispatcher.held });
    }
  }

  /** An empty batch with the last watermark to every session that may still be open. */
  async #tellTheEnd(): Promise<void> {
    const sessions = [...this.#fed.values()];
    const end = { events: [], lowWater: Number.MAX_SAFE_INTEGER, finished: true as const };
    const tellNext = async (): Promise<void> => {
      for (let ref = sessions.pop(); ref && !this.#isStopped; ref = sessions.pop()) {
        for (const { source, partition, order } of this.#partitions.values()) {
          const batch = { ...end, source, partition, watermark: order.watermark };
          await this.#tell(ref, batch);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#dispatch.callsMax }, tellNext));
  }

  async #tell(ref: SessionRef, batch: EventBatch): Promise<void> {
    try {
      await this.#dispatcher.tell(ref, batch);
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      this.#log.error('session not told that its source has ended', {
        ...ref,
        error: messageOf(error),
      });
    }
  }

  // ---- bookkeeping

  #partition(source: string, partition: number): Partition {
    const key = `${partition} ${source}`;
    let known = this.#partitions.get(key);
    if (!known) {
      known = {
        source,
        partition,
        order: new EventOrder(this.#options.outOfOrdernessMs ?? seconds(2)),
        tracker: new PartitionTracker(),
        tracked: new Map(),
        last: null,
        finished: false,
      };
      this.#partitions.set(key, known);
    }
    return known;
  }

  async #publish(): Promise<void> {
    const { store } = this.#options;
    try {
      for (const { source, partition, order, tracker, finished } of this.#partitions.values()) {
        const watermark = tracker.watermark(order.watermark);
        if (watermark > this.#counts.watermark) this.#counts.watermark = watermark;
        const progress: PartitionProgress = { watermark, lowWater: tracker.lowWater, finished };
        await store.publish(source, partition, progress);
      }
    } catch (error) {
      // What was published stands; the next publication says more.
      this.#log.warn('progress not published', { error: messageOf(error) });
    }
  }

  #remembering(gateway: SessionGateway): SessionGateway {
    const keyOf = ({ journey, key }: SessionRef) => `${journey}/${key}`;
    return {
      signalWithStart: async (ref, batch) => {
        await gateway.signalWithStart(ref, batch);
        this.#remember(keyOf(ref), ref);
      },
      signal: async (ref, batch) => {
        const answer = await gateway.signal(ref, batch);
        if (answer === 'accepted') this.#remember(keyOf(ref), ref);
        else this.#fed.delete(keyOf(ref));
        return answer;
      },
    };
  }

  #remember(id: string, ref: SessionRef): void {
    if (!this.#everFed.has(id)) {
      this.#everFed.add(id);
      this.#counts.sessions++;
    }
    this.#fed.set(id, ref);
  }

  #reject(
    reason: string,
    message: string,
    { source, partition, offset }: Pick<CepEvent, 'source' | 'partition' | 'offset'>,
    record: unknown,
  ): void {
    this.#counts.dead[reason] = (this.#counts.dead[reason] ?? 0) + 1;
    this.#deadLetters({ source, partition, offset, reason, message, record });
  }

  #snapshot(): IngestCounts {
    const { batches, skipped, parked } = this.#dispatcher.counts;
    return { ...this.#counts, dead: { ...this.#counts.dead }, batches, skipped, parked };
  }
}

function jsonLength(data: unknown): number {
  return JSON.stringify(data).length;
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    else signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}
