// Micro-batches per session, on their way to Temporal.
//
//   D1. One batch per session is in flight: signals sent in parallel could arrive in any order.
//   D2. A batch's watermark is true for its session: what the session still waits for lies behind it.
//       Events of one time that are split over two batches put the first one's watermark before them.
//   D3. A batch is acknowledged, or its events go to the dead letters; never neither.
//   D4. One session that is refused or slow holds back no other for longer than its retry budget.
//   D5. A session that stays hot gets fewer, larger batches.

import { PriorityQueue } from '../automaton/priority-queue.js';
import { messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { Logger } from '../log.js';
import type { CompiledJourney } from '../rules/compiled.js';
import type { Millis, Timestamp } from '../time.js';
import type { EventBatch, SessionRef } from '../workflows/messages.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import type { Clock } from './record.js';

/** How batches are made. */
export interface DispatchSettings {
  /** How long an event waits for company. */
  readonly lingerMs: Millis;
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
  batchEventsMax: 500,
  batchLengthMax: 512_000,
  hotGapMs: 200,
  hotGapMaxMs: 2_000,
  callsMax: 16,
  retryBudgetMs: 60_000,
};

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;

/** An event on its way to one session. */
export interface Outgoing {
  readonly event: CepEvent;
  /** Length of its record as JSON, in characters. */
  readonly length: number;
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
  /** The promises of a partition at this moment. */
  promises(source: string, partition: number): Promises;
  /** Takes events that the server refuses for good. */
  refuse(session: SessionRef, events: readonly CepEvent[], reason: string): void;
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
  scheduled: boolean;
  dueAt: number;
  sentAt: number;
  gapMs: Millis;
  parked: boolean;
}

export class Dispatcher {
  readonly counts: DispatchCounts = { batches: 0, skipped: 0, parked: 0 };
  readonly #deps: DispatchDeps;
  readonly #settings: DispatchSettings;
  readonly #queues = new Map<string, Queue>();
  readonly #due = new PriorityQueue<Queue>((a, b) => a.dueAt - b.dueAt);
  #calls = 0;
  #held = 0;
  #lastSuccess: number;
  #timer: NodeJS.Timeout | null = null;
  #waiters: (() => void)[] = [];
  #flushing = false;

  constructor(deps: DispatchDeps, settings: DispatchSettings = DISPATCH_DEFAULTS) {
    this.#deps = deps;
    this.#settings = settings;
    this.#lastSuccess = deps.clock.monotonic();
  }

  /** Events taken in and not yet settled. */
  get held(): number {
    return this.#held;
  }

  /** Puts an event into its session's queue. */
  add(journey: CompiledJourney, key: string, outgoing: Outgoing): void {
    const id = `${journey.journey.id}/${key}`;
    let queue = this.#queues.get(id);
    if (!queue) {
      queue = {
        ref: { journey: journey.journey.id, key },
        journey,
        waiting: [],
        inFlight: false,
        scheduled: false,
        dueAt: 0,
        sentAt: Number.NEGATIVE_INFINITY,
        gapMs: this.#settings.hotGapMs,
        parked: false,
      };
      this.#queues.set(id, queue);
    }
    if (queue.parked) {
      this.#deps.refuse(queue.ref, [outgoing.event], 'the session is parked');
      outgoing.settle();
      return;
    }
    queue.waiting.push(outgoing);
    this.#held++;
    this.#schedule(queue);
  }

  /** Resolves once no more than `max` events are held. */
  async room(max: number): Promise<void> {
    while (this.#held > max) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Sends everything without lingering. Resolves when all is settled. */
  async drain(): Promise<void> {
    this.#flushing = true;
    for (const queue of this.#due.items) queue.dueAt = 0;
    this.#pump();
    await this.room(0);
    this.#flushing = false;
  }

  /** Stops sending; what waits stays unsettled. */
  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#due.removeIf(() => true);
  }

  // ---- when to send

  #schedule(queue: Queue): void {
    if (queue.inFlight || queue.scheduled || queue.waiting.length === 0) return;
    const now = this.#deps.clock.monotonic();
    const isFull = queue.waiting.length >= this.#settings.batchEventsMax;
    const linger = this.#flushing || isFull ? 0 : this.#settings.lingerMs;
    queue.dueAt = Math.max(now + linger, this.#flushing ? 0 : queue.sentAt + queue.gapMs);
    queue.scheduled = true;
    this.#due.offer(queue);
    this.#arm();
  }

  #arm(): void {
    const first = this.#due.peek();
    if (this.#timer || !first || this.#calls >= this.#settings.callsMax) return;
    const delay = Math.max(0, first.dueAt - this.#deps.clock.monotonic());
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#pump();
      },
      Math.min(delay, this.#settings.lingerMs),
    );
  }

  #pump(): void {
    const now = this.#deps.clock.monotonic();
    while (this.#calls < this.#settings.callsMax) {
      const first = this.#due.peek();
      if (!first || first.dueAt > now) break;
      this.#due.poll();
      first.scheduled = false;
      void this.#send(first);
    }
    this.#arm();
  }

  // ---- one batch

  async #send(queue: Queue): Promise<void> {
    const { clock } = this.#deps;
    queue.inFlight = true;
    this.#calls++;
    const { batch, sent } = this.#cut(queue);
    const now = clock.monotonic();
    // D5: hot is who has a batch ready as soon as it may send one.
    const isHot = now - queue.sentAt < 2 * queue.gapMs;
    queue.gapMs = isHot
      ? Math.min(queue.gapMs * 2, this.#settings.hotGapMaxMs)
      : this.#settings.hotGapMs;
    queue.sentAt = now;
    const isBeginning = sent.some(({ event }) => queue.journey.canBegin(event));
    try {
      const answer = await this.#deliver(queue.ref, batch, isBeginning);
      if (answer === 'not-found') this.counts.skipped += sent.length;
      else this.counts.batches++;
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      this.#park(queue, sent, messageOf(error));
    }
    this.#calls--;
    queue.inFlight = false;
    this.#settle(sent);
    if (queue.waiting.length > 0) this.#schedule(queue);
    else if (!queue.parked) this.#forgetWhenCold(queue);
    this.#pump();
  }

  /** D2. */
  #cut(queue: Queue): { batch: EventBatch; sent: Outgoing[] } {
    const { waiting } = queue;
    const { source, partition } = (waiting[0] as Outgoing).event;
    let count = 0;
    let length = 0;
    // A batch is about one partition; with one source per ingestor that is always all of them.
    for (const { event, length: own } of waiting) {
      if (event.source !== source || event.partition !== partition) break;
      if (count >= this.#settings.batchEventsMax) break;
      if (count > 0 && length + own > this.#settings.batchLengthMax) break;
      count++;
      length += own;
    }
    const sent = waiting.splice(0, count);
    const promised = this.#deps.promises(source, partition);
    const next = waiting.find(
      ({ event }) => event.source === source && event.partition === partition,
    );
    const watermark = next
      ? Math.min(promised.watermark, next.event.timestamp - 1)
      : promised.watermark;
    const events = sent.map(({ event: { offset, timestamp, id, data } }) =>
      id === undefined ? { offset, timestamp, data } : { offset, timestamp, id, data },
    );
    return { batch: { source, partition, events, watermark, lowWater: promised.lowWater }, sent };
  }

  /** D4: tries again until it is accepted, refused, or the budget is used up while others get through. */
  async #deliver(
    ref: SessionRef,
    batch: EventBatch,
    isBeginning: boolean,
  ): Promise<'accepted' | 'not-found'> {
    const { gateway, clock, log } = this.#deps;
    const begunAt = clock.monotonic();
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = isBeginning
          ? (await gateway.signalWithStart(ref, batch), 'accepted' as const)
          : await gateway.signal(ref, batch);
        this.#lastSuccess = clock.monotonic();
        return answer;
      } catch (error) {
        if (error instanceof SessionRefused) throw error;
        const now = clock.monotonic();
        const { retryBudgetMs } = this.#settings;
        const othersGetThrough = now - this.#lastSuccess < retryBudgetMs / 2;
        if (now - begunAt > retryBudgetMs && othersGetThrough) {
          throw new SessionRefused(
            `not accepted within ${retryBudgetMs} ms while others were: ${messageOf(error)}`,
          );
        }
        const backoff = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt, 10));
        if (backoff >= RETRY_MAX_MS || attempt === 0) {
          log.warn('signal not accepted, trying again', {
            ...ref,
            attempt,
            error: messageOf(error),
          });
        }
        await sleep(backoff * (0.75 + Math.random() / 2));
      }
    }
  }

  /** D3. The session gets nothing more: what came later must not be matched without what is missing. */
  #park(queue: Queue, sent: readonly Outgoing[], reason: string): void {
    queue.parked = true;
    this.counts.parked++;
    const rest = queue.waiting.splice(0);
    this.#deps.refuse(
      queue.ref,
      [...sent, ...rest].map(({ event }) => event),
      reason,
    );
    this.#deps.log.error('session parked: its events go to the dead letters', {
      ...queue.ref,
      reason,
    });
    this.#settle(rest);
  }

  #settle(outgoing: readonly Outgoing[]): void {
    this.#held -= outgoing.length;
    for (const { settle } of outgoing) settle();
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** A quiet session needs no queue; its next event makes another. */
  #forgetWhenCold(queue: Queue): void {
    const { journey, key } = queue.ref;
    const id = `${journey}/${key}`;
    setTimeout(() => {
      const isCold = !queue.inFlight && !queue.scheduled && queue.waiting.length === 0;
      if (isCold && this.#queues.get(id) === queue) this.#queues.delete(id);
    }, this.#settings.hotGapMaxMs).unref();
  }
}

function sleep(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
