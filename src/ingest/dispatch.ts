// Micro-batches per session, on their way to Temporal.
//
//   D1. One batch per session is in flight: signals sent in parallel could arrive in any order.
//   D2. A batch's watermark is true for its session: what the session still waits for lies behind it.
//       Events of one time that are split over two signals put the first one's watermark before them.
//       A signal holds a batch for each partition that its events come from, and each origin behind it.
//   D3. A batch is acknowledged, or its events go to the dead letters; never neither, unless we stop:
//       then its events stay unsettled, and are read again.
//   D4. A session that fails takes no other's place while it waits for the next try, and is given up after
//       its retry budget. Only time in which others get through counts: when the server is away
//       altogether nobody is given up.
//   D5. A session that stays hot gets fewer, larger batches; one that fills them is not held back further.
//       Now and then it gets nothing until it is done with all: in that moment a full run of it can end, because
//       the server refuses to end one that has a signal to see.
//   D6. An event that can complete no match waits longer for company: all but the last signal of a session are
//       about such events. It goes with the first that can, when the batch is full, or when room is wanted; and shortly
//       after the rules of its journey have changed, so that sessions hear of that.
//   D7. What comes for a parked session is kept one batch after the other, and each time it is asked whether it is parked
//       still: if not, this batch is the next to be sent to it, and nothing overtakes it.

import { PriorityQueue } from '../automaton/priority-queue.js';
import { messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import { failpoint } from '../failpoints.js';
import type { Logger } from '../log.js';
import type { CompiledJourney } from '../rules/compiled.js';
import type { Millis, Timestamp } from '../time.js';
import type { EventBatch, SessionRef, SourcePartition } from '../workflows/messages.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import type { Clock } from './record.js';

/** How batches are made. */
export interface DispatchSettings {
  /** How long an event waits for company. */
  readonly lingerMs: Millis;
  /**
   * How long one waits that can complete no match, where that is longer. It holds the watermark back, and so every
   * timeout. For ingest() a hundredth of the journeys' shortest window, and 30 s at most.
   */
  readonly patienceMs: Millis;
  readonly batchEventsMax: number;
  /** Length of a batch's events as JSON, in characters. */
  readonly batchLengthMax: number;
  /** Shortest time between two batches of a session; doubles while it stays hot. */
  readonly hotGapMs: Millis;
  readonly hotGapMaxMs: Millis;
  /** Calls in flight over all sessions. */
  readonly callsMax: number;
  /** How long one batch is tried again while others get through. */
  readonly retryBudgetMs: Millis;
}

export const DISPATCH_DEFAULTS: DispatchSettings = {
  lingerMs: 100,
  patienceMs: 0,
  batchEventsMax: 500,
  batchLengthMax: 512_000,
  hotGapMs: 200,
  hotGapMaxMs: 2_000,
  callsMax: 16,
  retryBudgetMs: 60_000,
};

/** Whoever got a batch so shortly before may get the next one as soon. */
const FOLLOWED_MS: Millis = 1_000;
/** What a hot session gets between two rests, in signals and characters: far less than a run can take. */
const REST_SIGNALS = 200;
const REST_LENGTH = 1_000_000;
/** How often a resting session is asked, and for how long. */
const REST_ASK_MS: Millis = 100;
const REST_MAX_MS: Millis = 10_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** So many failures without a success between them, and the server counts as away. */
const AWAY_FAILURES = 50;
/** While the server is away: how often the log says so, and one more session is tried. */
const AWAY_MS: Millis = 5_000;

/** An event on its way to one session. */
export interface Outgoing {
  readonly event: CepEvent;
  /** Length of its record as JSON, in characters. */
  readonly length: number;
  /** The partition of a repartitioned topic that it was read from; the event names the one of its source. */
  readonly via?: SourcePartition;
  /** Called once, when the session has it or nobody ever will. */
  settle(): void;
}

/** What a batch says of its partition at the moment it is cut. */
export interface Promises {
  readonly watermark: Timestamp;
  readonly lowWater: number;
}

export interface DispatchDeps {
  readonly gateway: SessionGateway;
  readonly clock: Clock;
  readonly log: Logger;
  /** The revision of a journey's rules at this moment, where they come from a table. */
  revision?(journey: string): number | undefined;
  /** The promises of a partition at this moment; with an origin the low-water mark is that of the origin. */
  promises(of: SourcePartition, origin?: SourcePartition): Promises;
  /**
   * Keeps a batch for a parked session. Answers false when that is parked no longer. By default nothing is kept, and
   * a session stays parked.
   */
  keep?(session: SessionRef, batches: readonly EventBatch[], begins: boolean): Promise<boolean>;
  /** Takes events that the server refuses for good; resolves when they are where refused events go. */
  refuse(session: SessionRef, events: readonly CepEvent[], reason: string): Promise<void>;
  /** Told of a session that gets nothing more. */
  parked?(session: SessionRef, reason: string): Promise<void>;
  /** Told of what must not happen, such as dead letters that can't be written. */
  fail(error: unknown): void;
}

/** Counts of what was dispatched. */
export interface DispatchCounts {
  batches: number;
  /** Events that could begin nothing, for a session that did not run. */
  skipped: number;
  /** Sessions that refuse signals. */
  parked: number;
}

interface Queue {
  readonly ref: SessionRef;
  readonly journey: CompiledJourney;
  readonly waiting: Outgoing[];
  inFlight: boolean;
  /** Its place among those that are due; an earlier one may take over. */
  due: Due | null;
  /** Of what waits, as JSON in characters. */
  length: number;
  /** Whether some event of those that wait can complete a match, or was left by a full batch. */
  isUrgent: boolean;
  sentAt: number;
  gapMs: Millis;
  /** Sent since the session last had time to see all: signals, and characters. */
  sentSignals: number;
  sentLength: number;
  /** Tells one time of being parked from another; 0 while it is not. */
  parked: number;
}

/** When a queue is due. */
interface Due {
  readonly queue: Queue;
  at: number;
}

export class Dispatcher {
  readonly counts: DispatchCounts = { batches: 0, skipped: 0, parked: 0 };
  readonly #deps: DispatchDeps;
  readonly #settings: DispatchSettings;
  readonly #queues = new Map<string, Queue>();
  /** The last revision of each journey's rules that was seen, and since when. */
  readonly #revisions = new Map<string, { revision: number; since: number }>();
  readonly #due = new PriorityQueue<Due>((a, b) => a.at - b.at);
  #calls = 0;
  #held = 0;
  #parkings = 0;
  #lastSuccess = Number.NEGATIVE_INFINITY;
  #failuresInRow = 0;
  #probeAt = Number.NEGATIVE_INFINITY;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #timer: { at: number; id: NodeJS.Timeout } | null = null;
  #waiters: (() => void)[] = [];
  /** How many wait for room. */
  #wantsRoom = 0;
  /** Second and later tries that wait for their turn, ahead of the queues. */
  #retries: (() => void)[] = [];
  readonly #sleepers = new Set<() => void>();
  #flushing = false;
  #stopped = false;

  constructor(deps: DispatchDeps, settings: DispatchSettings = DISPATCH_DEFAULTS) {
    this.#deps = deps;
    this.#settings = settings;
  }

  /** Events taken in and not yet settled. */
  get held(): number {
    return this.#held;
  }

  /** Puts an event into its session's queue. */
  add(journey: CompiledJourney, key: string, outgoing: Outgoing): void {
    const id = `${journey.journey.id}/${key}`;
    const queue = this.#queues.get(id) ?? this.#newQueue(journey, key);
    this.#held++;
    queue.waiting.push(outgoing);
    queue.length += outgoing.length;
    queue.isUrgent ||= journey.canComplete(outgoing.event) || this.#isNewsFor(queue.ref.journey);
    if (queue.parked > 0) this.#refuseWaiting(queue);
    else this.#schedule(queue);
  }

  /** D6. */
  #isNewsFor(journey: string): boolean {
    const revision = this.#deps.revision?.(journey);
    if (revision === undefined) return false;
    const now = this.#deps.clock.monotonic();
    const known = this.#revisions.get(journey);
    // The first one is news for nobody: sessions begin with it.
    const since = known ? now : Number.NEGATIVE_INFINITY;
    const current = known?.revision === revision ? known : { revision, since };
    this.#revisions.set(journey, current);
    return now - current.since < this.#settings.patienceMs;
  }

  /** Sessions that were parked before this process began. */
  park(refs: readonly SessionRef[], journeys: ReadonlyMap<string, CompiledJourney>): void {
    for (const ref of refs) {
      const journey = journeys.get(ref.journey);
      if (!journey) continue;
      const queue =
        this.#queues.get(`${ref.journey}/${ref.key}`) ?? this.#newQueue(journey, ref.key);
      if (queue.parked === 0) this.#markParked(queue);
    }
  }

  /** The sessions that are parked, as far as is known here; for {@link unpark}. */
  parked(): { ref: SessionRef; since: number }[] {
    return [...this.#queues.values()]
      .filter(({ parked }) => parked > 0)
      .map(({ ref, parked }) => ({ ref, since: parked }));
  }

  /** Sends to a session again that was found not to be parked any longer. */
  unpark({ journey, key }: SessionRef, since: number): void {
    const queue = this.#queues.get(`${journey}/${key}`);
    // One that has something to keep is about to find out by itself.
    if (queue?.parked !== since || queue.inFlight) return;
    this.#markUnparked(queue);
    this.#forgetWhenCold(queue);
  }

  #markParked(queue: Queue): void {
    queue.parked = ++this.#parkings;
    this.counts.parked++;
  }

  #markUnparked(queue: Queue): void {
    queue.parked = 0;
    this.counts.parked--;
    this.#deps.log.info('session is parked no longer', { ...queue.ref });
  }

  /**
   * Forgets what waits to be sent: another ingestor, or this one once more, reads it again. What is under
   * way stays so.
   */
  abandon(): void {
    for (const queue of this.#queues.values()) {
      this.#held -= queue.waiting.splice(0).length;
      queue.length = 0;
      queue.isUrgent = false;
      queue.due = null;
      if (queue.parked === 0) this.#forgetWhenCold(queue);
    }
    this.#wake();
  }

  /** Resolves once no more than `max` events are held. */
  async room(max: number): Promise<void> {
    if (this.#held <= max) return;
    this.#wantsRoom++;
    this.#hurry();
    while (this.#held > max) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    this.#wantsRoom--;
  }

  /** Sends everything without lingering. Resolves when all is settled. */
  async drain(): Promise<void> {
    this.#flushing = true;
    await this.room(0);
    this.#flushing = false;
  }

  /**
   * Delivers a batch that is no queue's, with the same patience.
   *
   * @throws SessionRefused
   */
  async tell(ref: SessionRef, batch: EventBatch): Promise<void> {
    await this.#place();
    if (!this.#stopped) await this.#deliver(ref, [batch], false);
  }

  /** Stops sending; what waits stays unsettled. A call under way still settles its events. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer.id);
    this.#timer = null;
    this.#due.removeIf(() => true);
    for (const wake of [...this.#sleepers, ...this.#retries.splice(0)]) wake();
  }

  #newQueue(journey: CompiledJourney, key: string): Queue {
    const queue: Queue = {
      ref: { journey: journey.journey.id, key },
      journey,
      waiting: [],
      inFlight: false,
      due: null,
      length: 0,
      isUrgent: false,
      sentAt: Number.NEGATIVE_INFINITY,
      gapMs: this.#settings.hotGapMs,
      sentSignals: 0,
      sentLength: 0,
      parked: 0,
    };
    this.#queues.set(`${queue.ref.journey}/${key}`, queue);
    return queue;
  }

  // ---- when to send

  #schedule(queue: Queue): void {
    if (this.#stopped || queue.inFlight) return;
    const now = this.#deps.clock.monotonic();
    const at = Math.max(now + this.#lingerOf(queue), this.#gapEndsAt(queue));
    // The place it had stays behind, and nobody comes to it.
    if (queue.due && queue.due.at <= at) return;
    queue.due = { queue, at };
    this.#due.offer(queue.due);
    this.#arm();
  }

  /** D6. */
  #lingerOf({ waiting, length, isUrgent }: Queue): Millis {
    const { batchEventsMax, batchLengthMax, lingerMs, patienceMs } = this.#settings;
    if (this.#flushing || waiting.length >= batchEventsMax || length >= batchLengthMax) return 0;
    return isUrgent || this.#wantsRoom > 0 ? lingerMs : Math.max(lingerMs, patienceMs);
  }

  /** D5. */
  #gapEndsAt({ sentAt, gapMs }: Queue): number {
    return sentAt + (this.#flushing ? this.#settings.hotGapMs : gapMs);
  }

  /** Somebody waits for room: nobody else waits for company. */
  #hurry(): void {
    const waiting = this.#due.items.filter((due) => due.queue.due === due);
    this.#due.removeIf(() => true);
    const now = this.#deps.clock.monotonic();
    for (const due of waiting) {
      due.at = Math.min(due.at, Math.max(now, this.#gapEndsAt(due.queue)));
      this.#due.offer(due);
    }
    this.#pump();
  }

  #arm(): void {
    const first = this.#nextDue();
    if (this.#stopped || !first || this.#calls >= this.#settings.callsMax) return;
    const at = this.#isAway() ? Math.max(first.at, this.#probeAt) : first.at;
    if (this.#timer) {
      if (this.#timer.at <= at) return;
      clearTimeout(this.#timer.id);
    }
    const delay = Math.max(0, Math.ceil(at - this.#deps.clock.monotonic()));
    const id = setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, delay);
    this.#timer = { at, id };
  }

  #pump(): void {
    const now = this.#deps.clock.monotonic();
    while (this.#calls < this.#settings.callsMax) {
      const retry = this.#retries.shift();
      if (retry) {
        this.#calls++;
        retry();
        continue;
      }
      const first = this.#nextDue();
      if (!first || first.at > now) break;
      if (this.#isAway()) {
        if (now < this.#probeAt) break;
        this.#probeAt = now + AWAY_MS;
      }
      this.#due.poll();
      first.queue.due = null;
      this.#calls++;
      this.#send(first.queue).catch((error) => this.#deps.fail(error));
    }
    this.#arm();
  }

  #nextDue(): Due | undefined {
    for (let first = this.#due.peek(); first; first = this.#due.peek()) {
      if (first.queue.due === first) return first;
      this.#due.poll();
    }
    return undefined;
  }

  /** Resolves when a call may be made. */
  async #place(): Promise<void> {
    if (this.#stopped) return;
    if (this.#calls < this.#settings.callsMax) this.#calls++;
    else await new Promise<void>((resolve) => this.#retries.push(resolve));
  }

  /** Nobody has got through for a while: more sessions would only be more of the same. */
  #isAway(): boolean {
    return this.#failuresInRow >= AWAY_FAILURES;
  }

  // ---- one batch

  async #send(queue: Queue): Promise<void> {
    const { clock } = this.#deps;
    const { hotGapMs, hotGapMaxMs } = this.#settings;
    // Abandoned or parked since it was scheduled.
    if (queue.waiting.length === 0 || queue.parked > 0 || queue.inFlight) {
      this.#calls--;
      this.#forgetWhenCold(queue);
      return;
    }
    queue.inFlight = true;
    const { batches, sent } = this.#cut(queue);
    const now = clock.monotonic();
    // D5: hot is who has a batch ready as soon as it may send one; a batch that left something is full.
    const isHot = now - queue.sentAt < 2 * queue.gapMs;
    const isFull = queue.waiting.length > 0;
    const isFollowed = isFull || isHot || now - queue.sentAt < FOLLOWED_MS;
    queue.gapMs = isHot && !isFull ? Math.min(queue.gapMs * 2, hotGapMaxMs) : hotGapMs;
    queue.sentAt = now;
    const rests = isFollowed && isTimeToRest(queue, sent);
    if (rests || !isFollowed) {
      queue.sentSignals = 0;
      queue.sentLength = 0;
    }
    // What a full batch has left has waited long enough.
    queue.isUrgent = queue.waiting.length > 0;
    const isBeginning = sent.some(({ event }) => queue.journey.canBegin(event));
    try {
      const told =
        isFollowed && !rests ? batches.map((b) => ({ ...b, more: true as const })) : batches;
      const answer = await this.#deliver(queue.ref, told, isBeginning);
      if (answer === 'stopped') return;
      failpoint('signal-accepted');
      if (answer === 'not-found') this.counts.skipped += sent.length;
      else this.counts.batches++;
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      await this.#park(queue, sent, messageOf(error));
      this.#arm();
      return;
    }
    this.#settle(sent);
    if (rests) await this.#rest(queue.ref);
    queue.inFlight = false;
    if (queue.waiting.length === 0) this.#forgetWhenCold(queue);
    else if (queue.parked > 0) this.#refuseWaiting(queue);
    else this.#schedule(queue);
    this.#arm();
  }

  /** D2. */
  #cut(queue: Queue): { batches: EventBatch[]; sent: Outgoing[] } {
    const { waiting } = queue;
    let count = 0;
    let length = 0;
    for (const { length: own } of waiting) {
      if (count >= this.#settings.batchEventsMax) break;
      if (count > 0 && length + own > this.#settings.batchLengthMax) break;
      count++;
      length += own;
    }
    const sent = waiting.splice(0, count);
    queue.length -= length;
    const groups = new Map<string, Outgoing[]>();
    for (const outgoing of sent) {
      const { event, via = event } = outgoing;
      const name = [via.partition, via.source, event.partition, event.source].join(' ');
      const group = groups.get(name);
      if (group) group.push(outgoing);
      else groups.set(name, [outgoing]);
    }
    const revision = this.#deps.revision?.(queue.ref.journey);
    const batches = [...groups.values()].map((group) => ({
      ...this.#batchOf(group, waiting),
      ...(revision !== undefined && { revision }),
    }));
    // Always in the same order, so that the session orders events of one time as they were ordered here.
    batches.sort(
      (a, b) => compare(a, b) || (a.origin && b.origin ? compare(a.origin, b.origin) : 0),
    );
    return { batches, sent };
  }

  #batchOf(group: readonly Outgoing[], waiting: readonly Outgoing[]): EventBatch {
    const first = group[0] as Outgoing;
    const { source, partition } = first.via ?? first.event;
    const origin = first.via
      ? { source: first.event.source, partition: first.event.partition }
      : undefined;
    const { watermark, lowWater } = this.#deps.promises({ source, partition }, origin);
    // The first that waits, of whatever partition: where partitions share an order all lie behind it.
    const next = waiting.find(
      ({ event, via = event }) => via.source === source && via.partition === partition,
    );
    const before = Math.min(
      waiting[0]?.event.timestamp ?? watermark + 1,
      next?.event.timestamp ?? watermark + 1,
    );
    return {
      source,
      partition,
      ...(origin ? { origin } : {}),
      events: group.map(({ event: { offset, timestamp, id, data } }) =>
        id === undefined ? { offset, timestamp, data } : { offset, timestamp, id, data },
      ),
      watermark: Math.min(watermark, before - 1),
      lowWater,
    };
  }

  /** D4. Begins with a place among the calls, and gives it back after each try. */
  async #deliver(
    ref: SessionRef,
    batches: readonly EventBatch[],
    isBeginning: boolean,
  ): Promise<'accepted' | 'not-found' | 'stopped'> {
    const { gateway, clock } = this.#deps;
    const { retryBudgetMs } = this.#settings;
    let failedAt = Number.POSITIVE_INFINITY;
    let spentMs = 0;
    for (let attempt = 0; !this.#stopped; attempt++) {
      try {
        let answer: 'accepted' | 'not-found' = 'accepted';
        if (isBeginning) await gateway.signalWithStart(ref, ...batches);
        else answer = await gateway.signal(ref, ...batches);
        this.#succeeded();
        return answer;
      } catch (error) {
        if (error instanceof SessionRefused) throw error;
        const now = clock.monotonic();
        if (this.#lastSuccess > failedAt) spentMs += now - failedAt;
        failedAt = now;
        if (spentMs > retryBudgetMs) {
          throw new SessionRefused(
            `not accepted within ${retryBudgetMs} ms in which others were: ${messageOf(error)}`,
          );
        }
        this.#failed(ref, error, now);
      } finally {
        this.#calls--;
        // Not at once: under a gateway that fails at once each call would make the next.
        queueMicrotask(() => this.#pump());
      }
      const backoff = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt, 10));
      await this.#sleep(backoff * (0.75 + Math.random() / 2));
      await this.#place();
    }
    return 'stopped';
  }

  /** D5: resolves when the session is done with all that it got, or does not get to it. */
  async #rest(ref: SessionRef): Promise<void> {
    const { gateway, clock } = this.#deps;
    const endsAt = clock.monotonic() + REST_MAX_MS;
    let isBusy = true;
    while (isBusy && !this.#stopped && clock.monotonic() < endsAt) {
      await this.#sleep(REST_ASK_MS);
      // Who can't be asked gets the next signal, and its retries.
      isBusy = await gateway.isBusy(ref).catch(() => false);
    }
  }

  #succeeded(): void {
    this.#lastSuccess = this.#deps.clock.monotonic();
    if (this.#isAway()) this.#deps.log.info('signals are accepted again');
    this.#failuresInRow = 0;
  }

  #failed(ref: SessionRef, error: unknown, now: number): void {
    this.#failuresInRow++;
    if (now - this.#loggedAt < AWAY_MS) return;
    this.#loggedAt = now;
    this.#deps.log.warn('signals not accepted, trying again', {
      ...ref,
      failuresInRow: this.#failuresInRow,
      error: messageOf(error),
    });
  }

  /** Ends early when we stop. */
  #sleep(ms: Millis): Promise<void> {
    if (this.#stopped || ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#sleepers.add(wake);
    });
  }

  #putBack(queue: Queue, sent: readonly Outgoing[]): void {
    queue.waiting.unshift(...sent);
    for (const { length } of sent) queue.length += length;
  }

  /** D3. The session gets nothing more: what came later must not be matched without what is missing. */
  async #park(queue: Queue, sent: readonly Outgoing[], reason: string): Promise<void> {
    if (queue.parked === 0) this.#markParked(queue);
    this.#deps.log.error('session parked: its events go to the dead letters', {
      ...queue.ref,
      reason,
    });
    this.#putBack(queue, sent);
    // First of all: were it forgotten, a restart would deliver what comes later.
    await this.#deps.parked?.(queue.ref, reason);
    queue.inFlight = false;
    this.#refuseWaiting(queue, reason, 0);
  }

  /** By default they wait for company, so that who retries is faster than what comes. */
  #refuseWaiting(
    queue: Queue,
    reason = 'the session is parked',
    lingerMs = Math.max(this.#settings.lingerMs, this.#settings.hotGapMs),
  ): void {
    if (queue.inFlight) return;
    queue.inFlight = true;
    const isFull = queue.waiting.length >= this.#settings.batchEventsMax;
    this.#sleep(this.#flushing || isFull ? 0 : lingerMs)
      .then(() => this.#refuseBatch(queue, reason))
      .finally(() => {
        queue.inFlight = false;
      })
      .then(() => {
        if (this.#stopped || queue.waiting.length === 0) return;
        if (queue.parked === 0) this.#schedule(queue);
        else this.#refuseWaiting(queue);
      })
      .catch((error) => this.#deps.fail(error));
  }

  /** D7. */
  async #refuseBatch(queue: Queue, reason: string): Promise<void> {
    if (this.#stopped || queue.waiting.length === 0) return;
    const { keep, refuse } = this.#deps;
    const { batches, sent } = this.#cut(queue);
    const begins = sent.some(({ event }) => queue.journey.canBegin(event));
    if (keep && !(await keep(queue.ref, batches, begins))) {
      this.#putBack(queue, sent);
      this.#markUnparked(queue);
      return;
    }
    const events = sent.map(({ event }) => event);
    await refuse(queue.ref, events, reason);
    this.#settle(sent);
  }

  #settle(outgoing: readonly Outgoing[]): void {
    this.#held -= outgoing.length;
    for (const { settle } of outgoing) settle();
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** A quiet session needs no queue; its next event makes another. */
  #forgetWhenCold(queue: Queue): void {
    const { journey, key } = queue.ref;
    const id = `${journey}/${key}`;
    setTimeout(() => {
      const isCold =
        queue.parked === 0 && !queue.inFlight && queue.due === null && queue.waiting.length === 0;
      if (isCold && this.#queues.get(id) === queue) this.#queues.delete(id);
    }, this.#settings.hotGapMaxMs).unref();
  }
}

/** Counts what is sent. */
function isTimeToRest(queue: Queue, sent: readonly Outgoing[]): boolean {
  queue.sentSignals++;
  for (const { length } of sent) queue.sentLength += length;
  return queue.sentSignals >= REST_SIGNALS || queue.sentLength >= REST_LENGTH;
}

function compare(a: SourcePartition, b: SourcePartition): number {
  return a.source === b.source ? a.partition - b.partition : a.source < b.source ? -1 : 1;
}
