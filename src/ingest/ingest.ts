// The ingestor: record -> event -> event-time order -> sessions -> batches -> signals.
//
// Every record ends in exactly one of these ways: accepted by all its sessions, skipped (it could begin
// nothing and no session ran), unrouted (no journey accepts it), late, a dead letter, a tombstone, a change that is no event, or
// a repeat of one that had ended so before a restart.

import { CepError, DecodeError, messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import { failpoint } from '../failpoints.js';
import { createLogger, type Logger } from '../log.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Millis, seconds, type Timestamp } from '../time.js';
import type { EventBatch, SessionRef, SourcePartition } from '../workflows/messages.js';
import { decodeRecord } from './decode.js';
import { DISPATCH_DEFAULTS, Dispatcher, type DispatchSettings } from './dispatch.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import type { GoalWatch } from './goals.js';
import { EventOrder } from './order.js';
import type { Outlet, OutletDeps } from './outlet.js';
import type { ParkedSessions, RefusedSignal } from './parked.js';
import { type Held, Partition } from './partition.js';
import { patienceOf } from './patience.js';
import type { IngestPause } from './pause.js';
import type { Claim, ProgressStore, Publication } from './progress.js';
import {
  type Assignment,
  type Clock,
  type EndOfLog,
  type Flow,
  type RawRecord,
  type Read,
  type SkippedChange,
  systemClock,
} from './record.js';
import { loggedRejects, type RejectSink } from './rejects.js';
import { decodeRepartitioned } from './repartition-format.js';
import { routeEvent, routeNamed } from './route.js';

/** Rejects under way, above which reading pauses. */
const REJECTING_MAX = 1_000;
/** Records read while goals wait to be told, above which reading pauses: none of them is forgotten before the goals are told. */
const BEHIND_GOALS_MAX = 10_000;
const PARK_AGAIN_MS: Millis = seconds(1);
/** How often it is looked whether parked sessions are so still. */
const PARKED_LOOK_MS: Millis = seconds(5);
/** Records taken before other work, such as timers and answers, gets its turn. */
const RECORDS_PER_TURN = 1_000;

export interface IngestOptions {
  /** Where rules come from a table `LiveJourneys`, which change while it runs. */
  readonly journeys: CompiledJourneys;
  /** The reader, or a function that makes it. */
  readonly records: AsyncIterable<Read> | ((flow: Flow) => AsyncIterable<Read>);
  readonly gateway: SessionGateway;
  readonly store: ProgressStore;
  /** Sessions that refuse signals, remembered across restarts; only for this run by default. */
  readonly parked?: ParkedSessions;
  /** Who we are, for those who look at the progress that is kept. Default `ingest`. */
  readonly owner?: string;
  /** How far event times may lag behind the largest one seen. Default 2 s. */
  readonly outOfOrdernessMs?: Millis;
  /** How long a quiet live stream is not believed to be quiet. Default 10 s. */
  readonly graceMs?: Millis;
  /** Events on their way to sessions, above which reading pauses. Default 50,000. */
  readonly heldMax?: number;
  readonly dispatch?: Partial<DispatchSettings>;
  /** How often progress is published. Default 100 ms. */
  readonly publishMs?: Millis;
  /** Told of what was published; a reader may commit its offsets then. Must not throw. */
  readonly onPublished?: (publications: readonly Publication[]) => Promise<void>;
  /** Told of partitions that somebody else has claimed since. By default the ingest fails. */
  readonly onFenced?: (lost: readonly Publication[]) => void;
  /**
   * What follows the last record: a final watermark that ends every open window (default), one at this
   * time, one at the last event, or none: then the source counts as one that goes on later.
   */
  readonly endWatermark?: Timestamp | 'last-event' | 'none';
  /** Late events; the log by default. */
  readonly late?: RejectSink;
  /** Records that could not be used; the log by default. */
  readonly deadLetters?: RejectSink;
  /** Told of the events that may be goals, late ones too. */
  readonly goals?: GoalWatch;
  /** Lets it stand still. */
  readonly pause?: IngestPause;
  /** Ends the ingest gracefully: what was read is delivered, no final watermark follows. */
  readonly signal?: AbortSignal;
  /** How long a graceful stop may take to deliver what is under way. Default 10 s. */
  readonly stopMs?: Millis;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Whether any partition of the source is a stream of the present, as those who read the others say. */
  readonly isLiveElsewhere?: (source: string) => boolean;
  /** Called after each publication. */
  readonly onProgress?: (counts: IngestCounts) => void;
}

/** How far a partition is. */
export interface PartitionState extends SourcePartition {
  readonly watermark: Timestamp;
  readonly lowWater: number;
  /** Whether it is a stream of the present, which moves with the clock when it is quiet. */
  readonly isLive: boolean;
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
  /** Records that were done with before a restart, and are read again. */
  repeats: number;
  /** Records that say a key is gone. */
  tombstones: number;
  /** Changes of rows that are no events, by what they are. */
  changes: Partial<Record<SkippedChange, number>>;
  /** Signals accepted. */
  batches: number;
  /** Different sessions that accepted events; only counted where the input ends. */
  sessions: number;
  /** Sessions that refuse signals. */
  parked: number;
  /** Event time reached. */
  watermark: Timestamp;
  /** The partitions read at this moment. */
  partitions: readonly PartitionState[];
  /** Events on their way to sessions. At the end: what was not delivered, and is read again next time. */
  undelivered: number;
}

/**
 * Feeds sessions from a stream of records until it ends or `signal` is aborted.
 *
 * @returns what became of the records
 * @throws CepError `ALREADY_RUNNING` when somebody else begins to read the same source
 */
export function ingest(options: IngestOptions): Promise<IngestCounts> {
  return new Ingestor(options).run();
}

/** Everything between a reader and an {@link Outlet}; sessions are the outlet by default. */
export class Ingestor {
  readonly #options: IngestOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #late: RejectSink;
  readonly #deadLetters: RejectSink;
  readonly #outlet: Outlet;
  /** Null where the outlet is no sessions. */
  readonly #dispatcher: Dispatcher | null;
  readonly #dispatch: DispatchSettings;
  readonly #partitions = new Map<string, Partition>();
  /** Where events in an order were read. */
  readonly #readFrom = new WeakMap<CepEvent, Partition>();
  /** Whether the reader says which partitions are ours. */
  #isAssigned = false;
  #isFailed = false;
  #isOver = false;
  /** Rejects that are not yet where they go. */
  #rejecting = 0;
  /** Events that have reached goals of which not all who wait have been told. */
  #reaching = 0;
  /** Records read since there was none of those. */
  #behindGoals = 0;
  /** Wakes who waits for rejects or goals. */
  #wake: () => void = () => {};
  #publishing: Promise<void> | null = null;
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
    repeats: 0,
    tombstones: 0,
    changes: {},
    batches: 0,
    sessions: 0,
    parked: 0,
    watermark: MIN_TIMESTAMP,
    partitions: [],
    undelivered: 0,
  };

  constructor(options: IngestOptions, outlet?: (deps: OutletDeps) => Outlet) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? createLogger();
    this.#late = options.late ?? loggedRejects(this.#log, 'late event');
    this.#deadLetters = options.deadLetters ?? loggedRejects(this.#log, 'dead letter');
    const { journeys } = options;
    this.#dispatch = {
      ...DISPATCH_DEFAULTS,
      // Asked anew each time: windows may change.
      get patienceMs() {
        return patienceOf(journeys);
      },
      ...options.dispatch,
    };
    this.#stopped = aborted(options.signal);
    this.#failed = new Promise((_, reject) => {
      this.#fail = (error) => {
        this.#isFailed = true;
        reject(error);
      };
    });
    // It is only ever raced.
    this.#failed.catch(() => {});
    this.#dispatcher = outlet ? null : this.#newDispatcher();
    this.#outlet = this.#dispatcher ?? (outlet as NonNullable<typeof outlet>)(this.#outletDeps());
  }

  #outletDeps(): OutletDeps {
    return {
      log: this.#log,
      refuse: (event, code, reason) => this.#dead(code, reason, event, event.data),
      fail: (error) => this.#fail(error),
    };
  }

  #newDispatcher(): Dispatcher {
    const { gateway, parked, journeys } = this.#options;
    return new Dispatcher(
      {
        gateway: this.#tellsTheEnd ? this.#remembering(gateway) : gateway,
        clock: this.#clock,
        log: this.#log,
        promises: (of, origin) => {
          const known = this.#partitionOf(of);
          // Events of a partition that was taken from us may still be under way.
          if (!known) return { watermark: MIN_TIMESTAMP, lowWater: 0 };
          const lowWater = origin ? known.committedOf(origin) : known.committed;
          return { watermark: known.order.watermark, lowWater };
        },
        revision: (journey) => journeys.revisionOf?.(journey),
        refuse: async (ref, events, reason) => {
          const message = `session ${ref.journey}/${ref.key}: ${reason}`;
          await Promise.all(
            events.map((event) =>
              this.#dead('SESSION_REFUSED', message, event, event.data, ref.journey),
            ),
          );
        },
        parked: (ref, reason) => this.#park(ref, reason),
        ...(parked && {
          keep: (ref, batches, begins) => this.#keep(ref, { batches, begins }),
        }),
        fail: (error) => this.#fail(error),
      },
      this.#dispatch,
    );
  }

  async run(): Promise<IngestCounts> {
    const { publishMs = 100, onProgress, parked, journeys } = this.#options;
    if (parked) this.#dispatcher?.park(await parked.list(), journeys.byId);
    const publishing = setInterval(() => {
      this.#publish().catch((error) => this.#fail(error));
      onProgress?.(this.#snapshot());
    }, publishMs);
    const looking = setInterval(() => void this.#lookAtParked(), PARKED_LOOK_MS);
    try {
      await Promise.race([this.#run(), this.#failed]);
    } finally {
      clearInterval(publishing);
      clearInterval(looking);
      this.#isOver = true;
      this.#outlet.stop();
      await this.#publishAll().catch(() => {
        // It has been said before; what was published stands.
      });
    }
    const counts = this.#snapshot();
    onProgress?.(counts);
    return counts;
  }

  async #run(): Promise<void> {
    const { records } = this.#options;
    const isAhead = (partition: SourcePartition) => this.#isAhead(partition);
    const iterable = typeof records === 'function' ? records({ isAhead }) : records;
    const iterator = iterable[Symbol.asyncIterator]();
    const reading = this.#readAll(iterator);
    // Not every source hears of the stop: what it would still give is left behind.
    const failure = await Promise.race([
      reading,
      this.#stopped,
      this.#failed.catch(() => undefined),
    ]);
    if (this.#isStopped) iterator.return?.().catch(() => {});
    if (this.#isFailed) return;
    if (!this.#isStopped && !failure) await Promise.race([this.#end(), this.#stopped]);
    if (failure || this.#isStopped) await this.#stop();
    if (failure) throw failure.error;
  }

  get #tellsTheEnd(): boolean {
    return this.#options.endWatermark !== 'none';
  }

  get #isStopped(): boolean {
    return this.#isFailed || (this.#options.signal?.aborted ?? false);
  }

  /** @returns what the source failed with, if it did */
  async #readAll(iterator: AsyncIterator<Read>): Promise<{ error: unknown } | undefined> {
    const heldMax = this.#heldMax;
    const { pause } = this.#options;
    for (let taken = 1; ; taken++) {
      let next: IteratorResult<Read>;
      try {
        next = await iterator.next();
      } catch (error) {
        return { error };
      }
      if (this.#isStopped || next.done) return undefined;
      if (pause?.isPaused && !('assigned' in next.value)) {
        await Promise.race([pause.resumed, this.#stopped]);
        if (this.#isStopped) return undefined;
      }
      if ('assigned' in next.value) {
        await this.#learnParked();
        this.#assign(next.value);
      } else if ('endOfLog' in next.value) this.#silence(next.value);
      else {
        const partition = this.#partitionOf(next.value) ?? (await this.#claim(next.value));
        if (partition) this.#take(next.value, partition);
        if (this.#reaching > 0) this.#behindGoals++;
      }
      if (this.#outlet.held > heldMax) await this.#outlet.room(heldMax);
      while (
        (this.#rejecting > REJECTING_MAX || this.#behindGoals > BEHIND_GOALS_MAX) &&
        !this.#isStopped
      ) {
        await Promise.race([
          this.#stopped,
          new Promise<void>((resolve) => {
            this.#wake = resolve;
          }),
        ]);
      }
      // A source that has everything at hand would let nobody else in.
      if (taken % RECORDS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      if (this.#isStopped) return undefined;
    }
  }

  get #outOfOrdernessMs(): Millis {
    return this.#options.outOfOrdernessMs ?? seconds(2);
  }

  get #heldMax(): number {
    return this.#options.heldMax ?? 50_000;
  }

  // ---- partitions

  #partitionOf(partition: SourcePartition): Partition | undefined {
    return this.#partitions.get(nameOf(partition));
  }

  /** From now on these, and as somebody left them: what was under way is read again. */
  #assign({ assigned, isKeyed }: Assignment): void {
    this.#isAssigned = true;
    this.#outlet.abandon();
    this.#partitions.clear();
    const shared = isKeyed ? null : this.#newOrder();
    for (const claim of assigned) this.#add(claim, shared ?? this.#newOrder());
  }

  /** For a reader that assigns nothing: each of its partitions is keyed. */
  async #claim({ source, partition }: SourcePartition): Promise<Partition | null> {
    // A partition that was taken from us: whoever has it reads the record again.
    if (this.#isAssigned) return null;
    const { store, owner = 'ingest' } = this.#options;
    const [claim] = await store.claim(source, [partition], owner);
    return this.#add(claim as Claim, this.#newOrder());
  }

  #add(claim: Claim, order: EventOrder): Partition {
    const graceMs = this.#options.graceMs ?? seconds(10);
    const partition = new Partition({ claim, order, clock: this.#clock, graceMs });
    this.#partitions.set(nameOf(claim), partition);
    return partition;
  }

  #newOrder(): EventOrder {
    return new EventOrder(this.#outOfOrdernessMs);
  }

  #isAhead(of: SourcePartition): boolean {
    const partition = this.#partitionOf(of);
    // What a repartitioned partition waits for lies further on in it.
    if (!partition || partition.origins) return false;
    if (this.#outlet.isAhead?.(of)) return true;
    const { order } = partition;
    return order.size > this.#heldMax && !order.isLast(partition);
  }

  // ---- one record

  #take(record: RawRecord, partition: Partition): void {
    if (record.headers || partition.origins) {
      this.#takeRepartitioned(record, partition);
      return;
    }
    const { order, tracker, held } = partition;
    if (record.offset < partition.from) {
      this.#counts.repeats++;
      if (this.#tellsTheEnd) this.#recall(record);
      return;
    }
    this.#counts.read++;
    const tracking = tracker.read(record.offset, order.watermarkOf(partition));
    if (record.value === null) {
      const { changes } = this.#counts;
      if (record.skipped === undefined) this.#counts.tombstones++;
      else changes[record.skipped] = (changes[record.skipped] ?? 0) + 1;
      tracker.settle(tracking);
      partition.heard(null);
      return;
    }
    let event: CepEvent;
    try {
      event = decodeRecord(record, this.#options.journeys.set);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#dead(error.code, messageOf(error), record, record.envelope ?? record.value)
        .then(() => tracker.settle(tracking))
        .catch((failure) => this.#fail(failure));
      partition.heard(null);
      return;
    }
    const { timestamp } = event;
    if (partition.isDone(record.offset, timestamp)) {
      this.#counts.repeats++;
      order.advance(partition, timestamp - this.#outOfOrdernessMs - 1);
      tracker.settle(tracking);
    } else {
      // Before the order is told: its watermark must never pass an event that nobody tracks.
      tracker.timed(tracking, timestamp);
      if (!partition.isPromised(record.offset, timestamp) && order.push(event)) {
        this.#counts.events++;
        const length =
          typeof record.value === 'string' ? record.value.length : jsonLength(event.data);
        const { journey } = record;
        held.set(event, {
          record: tracking,
          length,
          ...(journey === undefined ? {} : { journey }),
        });
        this.#readFrom.set(event, partition);
      } else {
        this.#counts.late++;
        // Also of one that only a promise makes late, as if the order had called it so.
        order.advance(partition, timestamp - this.#outOfOrdernessMs - 1);
        const watermark = Math.max(order.watermarkOf(partition), partition.published);
        const message = `event time ${timestamp} is not after the watermark ${watermark}`;
        this.#rejectLate(message, event, () => tracker.settle(tracking));
      }
    }
    partition.heard(timestamp);
    this.#release(order);
  }

  /** One that a repartition has written: an event of its source, or how far a partition of the source is. */
  #takeRepartitioned(record: RawRecord, partition: Partition): void {
    if (record.offset < partition.from) {
      this.#counts.repeats++;
      return;
    }
    const { tracker, held } = partition;
    const origins = partition.origins ?? this.#turn(partition);
    const { order } = origins;
    const tracking = tracker.read(record.offset, order.watermark, origins.state);
    let event: CepEvent;
    let route: NonNullable<Held['route']>;
    let found: ReturnType<typeof origins.judge>;
    try {
      const read = decodeRepartitioned(record);
      if (!('event' in read)) {
        origins.promise(read);
        tracker.settle(tracking);
        this.#release(order);
        return;
      }
      ({ event } = read);
      route = read;
      found = origins.judge(event);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#counts.read++;
      this.#dead(error.code, messageOf(error), record, record.value)
        .then(() => tracker.settle(tracking))
        .catch((failure) => this.#fail(failure));
      return;
    }
    this.#counts.read++;
    const { timestamp } = event;
    if (found === 'repeat' || partition.isDone(record.offset, timestamp)) {
      this.#counts.repeats++;
      tracker.settle(tracking);
      return;
    }
    tracker.timed(tracking, timestamp);
    const isInTime = found === 'new' && !partition.isPromised(record.offset, timestamp);
    if (isInTime && order.push(event)) {
      this.#counts.events++;
      const length = typeof record.value === 'string' ? record.value.length : 0;
      held.set(event, { record: tracking, length, route });
      this.#readFrom.set(event, partition);
      if (order.size > this.#heldMax) this.#passSilent(partition);
      return;
    }
    this.#counts.late++;
    const message = `event time ${timestamp} is not after the watermark ${Math.max(order.watermark, partition.published)} of the repartitioned topic: its source partition, or its topic, is a later one`;
    this.#rejectLate(message, event, () => tracker.settle(tracking));
  }

  /** What comes too late for patterns is done all the same. */
  #rejectLate(message: string, event: CepEvent, settle: () => void): void {
    Promise.all([
      this.#reject(this.#late, 'LATE', message, event, event.data),
      this.#reached(event),
    ])
      .then(settle)
      .catch((failure) => this.#fail(failure));
  }

  /** What stood in the topic before the first record of a repartition is as in any other topic. */
  #turn(partition: Partition): NonNullable<Partition['origins']> {
    partition.order.end();
    this.#release(partition.order);
    return partition.isRepartitioned();
  }

  #passSilent(partition: Partition): void {
    const { source, partition: number, origins } = partition;
    const passed = origins?.passSilent() ?? [];
    if (passed.length === 0) return;
    this.#log.warn('the watermark no longer waits for silent partitions of a historic source', {
      ...{ source, partition: number },
      sourcePartitions: passed,
    });
    this.#release(partition.order);
  }

  /** Sessions that were fed before a restart must hear of the end too. */
  #recall(record: RawRecord): void {
    const { journeys } = this.#options;
    try {
      for (const { journey, key } of routeEvent(decodeRecord(record, journeys.set), journeys)
        .routes) {
        const ref = { journey: journey.journey.id, key };
        this.#fed.set(`${ref.journey}/${key}`, ref);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }

  /** Hands on the events that the watermark has reached. */
  #release(order: EventOrder): void {
    for (let event = order.release(); event; event = order.release()) {
      const partition = this.#readFrom.get(event) as Partition;
      // Taken from us: whoever has it now reads the event again.
      if (this.#partitionOf(partition) !== partition) continue;
      const { tracker, held } = partition;
      const { record, length, route, journey: only } = held.get(event) as Held;
      held.delete(event);
      const { journeys } = this.#options;
      const { routes, errors } = route
        ? routeNamed(route, journeys)
        : routeEvent(event, journeys, only);
      const { source, partition: number } = partition;
      const via = route ? { via: { source, partition: number } } : {};
      for (const error of errors) {
        tracker.awaits(record);
        this.#dead(error.code, messageOf(error), event, event.data, journeyOf(error))
          .then(() => tracker.settle(record))
          .catch((failure) => this.#fail(failure));
      }
      const goals = this.#reached(event);
      if (goals) {
        tracker.awaits(record);
        goals.then(() => tracker.settle(record)).catch((failure) => this.#fail(failure));
      }
      if (routes.length === 0 && errors.length === 0) this.#counts.unrouted++;
      for (const { journey, key } of routes) {
        tracker.awaits(record);
        const settle = () => tracker.settle(record);
        this.#outlet.add(journey, key, { event, length, settle, ...via });
      }
      tracker.settle(record);
    }
  }

  /** Resolves when the goals that the event has reached are told; null where it has reached none. */
  #reached(event: CepEvent): Promise<void> | null {
    const told = this.#options.goals?.reached(event) ?? null;
    if (told === null) return null;
    this.#reaching++;
    return told.then(() => {
      this.#reaching--;
      if (this.#reaching > 0) return;
      this.#behindGoals = 0;
      this.#wake();
    });
  }

  #silence(look: EndOfLog): void {
    const partition = this.#partitionOf(look);
    // How quiet the source of a repartitioned topic is, its watermarks say.
    if (!partition || partition.origins) return;
    const { order } = partition;
    const until = partition.quietUntil(look.lookedAt) ?? this.#amongLive(partition, look);
    partition.isSilentHistory = until === null && partition.isSilent(look.lookedAt);
    if (until !== null) order.advance(partition, until);
    else if (order.size > this.#heldMax && partition.isSilent(look.lookedAt)) {
      // Others fill the memory while they wait for one that has nothing more to say.
      if (order.isLast(partition)) {
        const { source, partition: number } = partition;
        this.#log.warn('the watermark no longer waits for a silent partition of a historic topic', {
          source,
          partition: number,
        });
      }
      order.idle(partition);
    }
    this.#release(order);
  }

  /**
   * A partition whose own records do not show that it is live, or that has none, of a topic whose other
   * partitions are: once it is silent it moves with the clock.
   */
  #amongLive(partition: Partition, { lookedAt }: EndOfLog): Timestamp | null {
    if (partition.isLive === true || !partition.isSilent(lookedAt)) return null;
    const others = [...this.#partitions.values()].filter(({ order }) => order === partition.order);
    const isAnyLive =
      others.some(({ isLive }) => isLive) || this.#options.isLiveElsewhere?.(partition.source);
    if (!isAnyLive) return null;
    const { graceMs = seconds(10) } = this.#options;
    const lookedWall = this.#clock.now() - (this.#clock.monotonic() - lookedAt);
    return Math.floor(lookedWall) - graceMs - this.#outOfOrdernessMs - 1;
  }

  // ---- the end

  /** The input has ended: everything is delivered, then the sessions hear of the end. */
  async #end(): Promise<void> {
    const { endWatermark = MAX_TIMESTAMP } = this.#options;
    for (const { order } of this.#partitions.values()) {
      order.end(typeof endWatermark === 'number' ? endWatermark : undefined);
      this.#release(order);
    }
    await this.#outlet.drain();
    while (this.#rejecting > 0 || this.#reaching > 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (endWatermark === 'none') return;
    for (const partition of this.#partitions.values()) partition.finished = true;
    await this.#publishAll();
    await this.#tellTheEnd();
  }

  async #stop(): Promise<void> {
    const { stopMs = seconds(10) } = this.#options;
    this.#log.info('stopping: delivering what was read', { held: this.#outlet.held });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, stopMs);
    });
    await Promise.race([this.#outlet.drain(), timeout]);
    clearTimeout(timer);
    if (this.#outlet.held > 0) {
      this.#log.warn('stopped before everything was delivered', { held: this.#outlet.held });
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
      await this.#dispatcher?.tell(ref, batch);
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      this.#log.error('session not told that its source has ended', {
        ...ref,
        error: messageOf(error),
      });
    }
  }

  // ---- bookkeeping

  /** Not while a publication is under way: a slow store gets one at a time. */
  #publish(): Promise<void> {
    this.#publishing ??= this.#publishNow().finally(() => {
      this.#publishing = null;
    });
    return this.#publishing;
  }

  /** Publishes all that holds at this moment. */
  async #publishAll(): Promise<void> {
    await this.#publishing?.catch(() => {});
    await this.#publish();
  }

  async #publishNow(): Promise<void> {
    const partitions = [...this.#partitions.values()];
    if (partitions.length === 0) return;
    const promised = new Map<EventOrder, Timestamp>();
    for (const { order, tracker } of partitions) {
      const watermark = tracker.watermark(order.watermark);
      promised.set(order, Math.min(watermark, promised.get(order) ?? watermark));
    }
    const publications = partitions.map((partition) => {
      const { source, partition: number, generation, order } = partition;
      const watermark = Math.max(partition.published, promised.get(order) as Timestamp);
      const progress = partition.progress(watermark);
      return { source, partition: number, generation, progress };
    });
    if (
      publications.some(
        ({ progress }, i) => progress.lowWater > (partitions[i] as Partition).committed,
      )
    ) {
      failpoint('acknowledged');
    }
    let refused: Publication[];
    try {
      refused = await this.#options.store.publish(publications);
    } catch (error) {
      // What was published stands; the next publication says more.
      this.#log.warn('progress not published', { error: messageOf(error) });
      return;
    }
    const taken = publications.filter((publication) => !refused.includes(publication));
    for (const { source, partition, generation, progress } of taken) {
      const known = this.#partitionOf({ source, partition });
      if (known?.generation === generation) known.keep(progress);
      if (progress.watermark > this.#counts.watermark) this.#counts.watermark = progress.watermark;
    }
    failpoint('progress-published');
    this.#outlet.published?.(
      taken.map((publication) => ({
        ...publication,
        isSilent: this.#partitionOf(publication)?.isSilentHistory ?? false,
      })),
    );
    await this.#options.onPublished?.(taken);
    if (refused.length > 0) this.#fenced(refused);
  }

  #fenced(refused: readonly Publication[]): void {
    // Others may have been assigned to us anew meanwhile.
    const lost = refused.filter((of) => this.#partitionOf(of)?.generation === of.generation);
    if (lost.length === 0) return;
    for (const partition of lost) this.#partitions.delete(nameOf(partition));
    const { onFenced } = this.#options;
    if (onFenced) {
      onFenced(lost);
      return;
    }
    const { source } = lost[0] as Publication;
    throw new CepError(
      'ALREADY_RUNNING',
      `another process has begun to ingest ${source}: let one of them run, or name another --source`,
      { details: { source } },
    );
  }

  #remembering(gateway: SessionGateway): SessionGateway {
    const keyOf = ({ journey, key }: SessionRef) => `${journey}/${key}`;
    return {
      signalWithStart: async (ref, ...batches) => {
        await gateway.signalWithStart(ref, ...batches);
        this.#remember(keyOf(ref), ref);
      },
      signal: async (ref, ...batches) => {
        const answer = await gateway.signal(ref, ...batches);
        if (answer === 'accepted') this.#remember(keyOf(ref), ref);
        else this.#fed.delete(keyOf(ref));
        return answer;
      },
      isBusy: (ref) => gateway.isBusy(ref),
    };
  }

  #remember(id: string, ref: SessionRef): void {
    if (!this.#everFed.has(id)) {
      this.#everFed.add(id);
      this.#counts.sessions++;
    }
    this.#fed.set(id, ref);
  }

  #park(ref: SessionRef, reason: string): Promise<void> {
    return this.#persist('parked session not kept, trying again', ref, async () => {
      await this.#options.parked?.park(ref, reason);
    });
  }

  /** While the store is away its events stay unsettled. */
  async #persist<T>(failed: string, ref: SessionRef, act: () => Promise<T>): Promise<T> {
    while (!this.#isOver) {
      try {
        return await act();
      } catch (error) {
        this.#log.warn(failed, { ...ref, error: messageOf(error) });
        await new Promise((resolve) => setTimeout(resolve, PARK_AGAIN_MS).unref());
      }
    }
    throw new CepError(
      'DATABASE_UNREACHABLE',
      `stopped before it was kept that session ${ref.journey}/${ref.key} is parked: the database was away; its events are read again`,
    );
  }

  #keep(ref: SessionRef, signal: RefusedSignal): Promise<boolean> {
    return this.#persist('refused events not kept, trying again', ref, async () => {
      const { parked } = this.#options;
      return (await parked?.keep(ref, signal)) ?? true;
    });
  }

  /** Somebody else may have parked what is ours from now on. While the store is away nothing begins. */
  async #learnParked(): Promise<void> {
    const { parked, journeys } = this.#options;
    while (parked && this.#dispatcher && !this.#isStopped) {
      try {
        this.#dispatcher.park(await parked.list(), journeys.byId);
        return;
      } catch (error) {
        this.#log.warn('parked sessions not known, trying again', { error: messageOf(error) });
        await new Promise((resolve) => setTimeout(resolve, PARK_AGAIN_MS).unref());
      }
    }
  }

  /** For those who count them: a session that gets events finds out at once. */
  async #lookAtParked(): Promise<void> {
    const { parked } = this.#options;
    const dispatcher = this.#dispatcher;
    const known = dispatcher?.parked() ?? [];
    if (!parked || known.length === 0) return;
    try {
      const listed = new Set((await parked.list()).map(({ journey, key }) => `${journey}/${key}`));
      for (const { ref, since } of known) {
        if (!listed.has(`${ref.journey}/${ref.key}`)) dispatcher?.unpark(ref, since);
      }
    } catch (error) {
      this.#log.warn('parked sessions not known, trying again', { error: messageOf(error) });
    }
  }

  #dead(
    reason: string,
    message: string,
    of: SourcePartition & { readonly offset: number },
    record: unknown,
    journey?: string,
  ): Promise<void> {
    this.#counts.dead[reason] = (this.#counts.dead[reason] ?? 0) + 1;
    return this.#reject(this.#deadLetters, reason, message, of, record, journey);
  }

  /** Resolves when the sink has it: what it is about must not count as settled before. */
  async #reject(
    sink: RejectSink,
    reason: string,
    message: string,
    { source, partition, offset }: SourcePartition & { readonly offset: number },
    record: unknown,
    journey?: string,
  ): Promise<void> {
    this.#rejecting++;
    const reject = { source, partition, offset, reason, message, record };
    await sink(journey === undefined ? reject : { ...reject, journey });
    this.#rejecting--;
    this.#wake();
  }

  #snapshot(): IngestCounts {
    const { batches, skipped, parked } = this.#outlet.counts;
    const partitions = [...this.#partitions.values()].map((known) => ({
      source: known.source,
      partition: known.partition,
      watermark: known.published,
      lowWater: known.committed,
      isLive: known.isLive ?? false,
    }));
    return {
      ...this.#counts,
      dead: { ...this.#counts.dead },
      changes: { ...this.#counts.changes },
      batches,
      skipped,
      parked,
      partitions,
      undelivered: this.#outlet.held,
    };
  }
}

function nameOf({ source, partition }: SourcePartition): string {
  return `${partition} ${source}`;
}

/** Of what a route was refused for. */
function journeyOf({ details }: DecodeError): string | undefined {
  return typeof details.journey === 'string' ? details.journey : undefined;
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
