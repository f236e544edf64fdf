// The same rules over the same records in process, without Temporal: what sessions must answer, and fast.

import { DecodeError } from '../errors.js';
import { type CepEvent, coordinates } from '../event.js';
import { decodeRecord } from '../ingest/decode.js';
import { EventOrder } from '../ingest/order.js';
import { patienceOf } from '../ingest/patience.js';
import type { RawRecord } from '../ingest/record.js';
import { accepts, keyOf } from '../ingest/route.js';
import { announce, type PlannedAlert, planAlert } from '../rules/alert.js';
import type { CompiledJourney, CompiledJourneys } from '../rules/compiled.js';
import type { Journey } from '../rules/journey.js';
import type { Alert } from '../rules/rule.js';
import { addCounts, type RuleCounts, type RuleView, Session, type Tell } from '../rules/session.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Millis, seconds, type Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import { ActionEstimate, newTraffic, type Traffic } from './actions.js';

export interface OfflineRunOptions {
  readonly journeys: CompiledJourneys;
  /** The partitions that records are from, where there are several: they share one order. */
  readonly partitions?: readonly SourcePartition[];
  /** As for ingest. Default 2 s. */
  readonly outOfOrdernessMs?: Millis;
  /** Events from this time on, and before the other; all by default. Those outside are as if they had not been. */
  readonly from?: Timestamp | undefined;
  readonly to?: Timestamp | undefined;
  /** Which keys are run; all by default. What is late is so for all. */
  readonly owns?: (key: string) => boolean;
  /** Told of each alert, in no order of time. */
  readonly onAlert?: (type: string, at: Timestamp) => void;
  /** Whether the result has the alerts; to make them is dear. Default true. */
  readonly keepsAlerts?: boolean;
  /** Told of each alert that is kept and sets something off, in no order of time. */
  readonly onSetOff?: (alert: PlannedAlert) => void;
  /** Told of each event that is not late, in order of time, of whatever key. */
  readonly onEvent?: (event: CepEvent) => void;
}

export interface OfflineOptions extends OfflineRunOptions {
  readonly records: Iterable<RawRecord>;
  /** The last watermark, as for ingest. The end of time by default, which ends every open window. */
  readonly endWatermark?: Timestamp | 'last-event';
}

export interface OfflineResult {
  /** In order of event time; empty where they are not kept. */
  readonly alerts: readonly Alert[];
  /** Matches and timeouts by `journey/rule`. */
  readonly rules: ReadonlyMap<string, RuleCounts>;
  /** Keys for which an event could begin something. */
  readonly sessions: number;
  /** What is open at the end, by `journey/key`. */
  readonly open: ReadonlyMap<string, readonly RuleView[]>;
  /** Coordinates of the events that were late, and of those that found no room in their session. */
  readonly late: readonly string[];
}

/** Runs journeys over records. Bad records and tombstones are passed over. */
export function runOffline({ records, endWatermark, ...options }: OfflineOptions): OfflineResult {
  const run = new OfflineRun(options);
  for (const record of records) run.push(record);
  return run.end(endWatermark);
}

/** A session that a run leaves open. */
export interface OpenSession {
  readonly journey: string;
  readonly key: string;
  readonly session: Session;
}

/** What is known of a key, whether it has something open or not. */
interface Known {
  readonly journey: CompiledJourney;
  readonly key: string;
  /** The first of its events that wait, in order of event time. */
  waiting: Waiting | null;
  /** The last of those, or the latest that did. */
  last: Waiting;
  /** Null while nothing is open and nothing waits. */
  session: Session | null;
  readonly traffic: Traffic;
}

/** An event that waits for its session, and the next one. */
interface Waiting {
  readonly event: CepEvent;
  next: Waiting | null;
}

/** What is known of the keys of journeys that take them from one field, or of a journey that finds them in a way of its own. */
interface Keys {
  readonly key: Journey['key'];
  readonly journeys: readonly CompiledJourney[];
  /** In the order of the journeys; null where nothing has begun. */
  readonly byKey: Map<string, (Known | null)[]>;
}

/**
 * Events that are gathered before sessions get them, each all of its own at once: a session is then in the processor's caches,
 * and much of what it makes is gone again before the collector of garbage comes by.
 */
const GATHERED = 100_000;
/** Sessions are looked through for idle ones when there are twice as many as were left, and no fewer. */
const SESSIONS_MIN = 4_000;
/** Events in order of time, above which a partition that is ahead gives way to others. */
const HELD_MAX = 50_000;
/** A session that has begun: nothing is open in it. */
const IDLE = { isIdle: true };

/**
 * Journeys over records that come one by one.
 *
 * All partitions share one order, also those of a topic keyed by the journeys' key: what is late follows from the partition alone
 * (T2), and a session takes the same events in the same order whether its partition waits for others or not. So nothing here depends
 * on how a topic is keyed, and a key that moved to another partition when the topic grew has its events in order all the same.
 */
export class OfflineRun {
  readonly counts = { records: 0, events: 0, bad: 0, changes: 0 };
  /** Of event times. */
  readonly span = { from: MAX_TIMESTAMP, to: MIN_TIMESTAMP };
  readonly actions: ActionEstimate;
  readonly #options: OfflineRunOptions;
  readonly #order: EventOrder;
  readonly #keys: readonly Keys[];
  /** In the order in which they came. */
  readonly #known = new Map<CompiledJourney, Known[]>();
  /** Those with events that wait, and how many events. */
  #busy: Known[] = [];
  #waiting = 0;
  readonly #alerts: Alert[] = [];
  readonly #late: string[] = [];
  readonly #refused: CepEvent[] = [];
  readonly #sums = new Map<string, RuleCounts>();
  /** Sessions that are there, and how many may be before they are looked through. */
  #sessions = 0;
  #sessionsMax = SESSIONS_MIN;
  readonly #tell: Tell;
  /** Of the session that tells. */
  #traffic = newTraffic();

  constructor(options: OfflineRunOptions) {
    this.#options = options;
    this.#tell = this.#teller();
    this.actions = new ActionEstimate(patienceOf(options.journeys));
    this.#order = new EventOrder(options.outOfOrdernessMs ?? seconds(2));
    for (const partition of options.partitions ?? []) this.add(partition);
    const all = [...options.journeys.byId.values()];
    for (const journey of all) this.#known.set(journey, []);
    const keys = new Set(all.map(({ journey }) => journey.key));
    this.#keys = [...keys].map((key) => ({
      key,
      journeys: all.filter(({ journey }) => journey.key === key),
      byKey: new Map(),
    }));
  }

  /** Takes a partition in, before its first record; the others wait for it until it has ended. */
  add(partition: SourcePartition): void {
    this.#order.add(partition);
  }

  /** Nothing more comes of this partition. */
  ended(partition: SourcePartition): void {
    this.#order.idle(partition);
    this.#release();
  }

  /** Whether more of this partition would only wait for others. */
  isAhead(partition: SourcePartition): boolean {
    return this.#order.size > HELD_MAX && !this.#order.isLast(partition);
  }

  push(record: RawRecord): void {
    this.counts.records++;
    if (record.skipped !== undefined) {
      this.counts.changes++;
      return;
    }
    try {
      const { from = MIN_TIMESTAMP, to = MAX_TIMESTAMP, journeys } = this.#options;
      const event = decodeRecord(record, journeys.set);
      if (event.timestamp < from || event.timestamp >= to) return;
      this.counts.events++;
      if (event.timestamp < this.span.from) this.span.from = event.timestamp;
      if (event.timestamp > this.span.to) this.span.to = event.timestamp;
      if (!this.#order.push(event)) this.#late.push(coordinates(event));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.counts.bad++;
    }
    this.#release();
  }

  /** @param endWatermark - the last watermark; the end of time by default, which ends every open window */
  end(endWatermark: Timestamp | 'last-event' = MAX_TIMESTAMP): OfflineResult {
    this.#order.end(endWatermark === 'last-event' ? undefined : endWatermark);
    this.#release();
    this.#feed();
    const open = new Map<string, readonly RuleView[]>();
    let sessions = 0;
    for (const known of this.#each()) {
      sessions++;
      const { session } = known;
      if (session === null) continue;
      this.#advance(known, session, this.#order.watermark);
      this.#sum(known, session);
      if (!session.isIdle) open.set(nameOf(known), session.view());
      known.session = null;
    }
    this.#alerts.sort((a, b) => a.at - b.at);
    return {
      alerts: this.#alerts,
      rules: this.#sums,
      sessions,
      open,
      late: [...this.#late, ...this.#refused.map(coordinates)],
    };
  }

  get watermark(): Timestamp {
    return this.#order.watermark;
  }

  watermarkOf(partition: SourcePartition): Timestamp {
    return this.#order.watermarkOf(partition);
  }

  /** Event time of a partition has come so far, without an event. */
  promise(partition: SourcePartition, watermark: Timestamp): void {
    this.#order.advance(partition, watermark);
    this.#release();
  }

  /**
   * Ends the run where a hand-over begins: what the watermark has not reached waits in the sessions.
   *
   * @param watermarkOf - how far event time has come for the sessions of a partition
   * @returns the sessions of which something is open, and what was found
   */
  handOver(
    watermarkOf: (partition: SourcePartition) => Timestamp,
  ): Pick<OfflineResult, 'alerts' | 'rules'> & { readonly open: readonly OpenSession[] } {
    this.#feed();
    for (const event of this.#order.drain()) this.#route(event);
    const open: OpenSession[] = [];
    for (const known of this.#each()) {
      const { journey, key, waiting, last } = known;
      if (known.session === null && waiting === null) continue;
      const session = known.session ?? new Session(journey, key);
      for (let next = waiting; next !== null; next = next.next) {
        session.accept(next.event, this.#refused);
      }
      this.#advance(known, session, watermarkOf(last.event));
      this.#sum(known, session);
      if (!session.isIdle) open.push({ journey: journey.journey.id, key, session });
    }
    this.#alerts.sort((a, b) => a.at - b.at);
    return { open, alerts: this.#alerts, rules: this.#sums };
  }

  /** Events taken, by `journey/key`. */
  *taken(): Generator<[session: string, events: number]> {
    for (const known of this.#each()) yield [nameOf(known), known.traffic.events];
  }

  *#each(): Generator<Known> {
    for (const known of this.#known.values()) yield* known;
  }

  #release(): void {
    const order = this.#order;
    for (let event = order.release(); event; event = order.release()) this.#route(event);
    if (this.#waiting < GATHERED) return;
    this.#feed();
    if (this.#sessions > this.#sessionsMax) this.#endIdle();
  }

  #route(event: CepEvent): void {
    const { owns, onEvent } = this.#options;
    onEvent?.(event);
    for (const { key: from, journeys, byKey } of this.#keys) {
      const key = keyOrNone(event, from);
      if (key === null || (owns !== undefined && !owns(key))) continue;
      const known = byKey.get(key);
      for (let i = 0; i < journeys.length; i++) {
        const journey = journeys[i] as CompiledJourney;
        if (!isAccepted(event, journey)) continue;
        const one = known?.[i] ?? this.#begin(event, key, journey, byKey, i);
        if (one !== null) this.#take(one, event);
      }
    }
  }

  /** Null where the event can begin nothing. */
  #begin(
    event: CepEvent,
    key: string,
    journey: CompiledJourney,
    byKey: Keys['byKey'],
    at: number,
  ): Known | null {
    if (!journey.canBegin(event)) return null;
    const last: Waiting = { event, next: null };
    const traffic = newTraffic();
    const known: Known = { journey, key, waiting: null, last, session: null, traffic };
    let all = byKey.get(key);
    if (all === undefined) {
      all = [];
      byKey.set(key, all);
    }
    while (all.length <= at) all.push(null);
    all[at] = known;
    this.#known.get(journey)?.push(known);
    return known;
  }

  #take(known: Known, event: CepEvent): void {
    const waiting: Waiting = { event, next: null };
    if (known.waiting === null) {
      this.#busy.push(known);
      known.waiting = waiting;
    } else {
      known.last.next = waiting;
    }
    known.last = waiting;
    this.#waiting++;
  }

  #feed(): void {
    for (const known of this.#busy) {
      for (let next = known.waiting; next !== null; next = next.next) {
        this.#accept(known, next.event);
      }
      known.waiting = null;
    }
    this.#busy = [];
    this.#waiting = 0;
  }

  #accept(known: Known, event: CepEvent): void {
    const { journey, key, traffic } = known;
    const { timestamp } = event;
    // What came before was processed; events of one time come together with the next advance.
    if (known.session !== null) this.#advance(known, known.session, timestamp - 1);
    this.actions.event(traffic, known.session ?? IDLE, timestamp, journey.canComplete(event));
    if (known.session === null) {
      known.session = new Session(journey, key);
      this.#sessions++;
    }
    known.session.accept(event, this.#refused);
  }

  #advance({ traffic }: Known, session: Session, watermark: Timestamp): void {
    this.#traffic = traffic;
    session.advanceTelling(watermark, this.#tell);
  }

  /** Who is told of the sessions' matches and timeouts. */
  #teller(): Tell {
    const { onAlert, onSetOff, keepsAlerts = true } = this.#options;
    return (origin, found, ordinal) => {
      const planned = keepsAlerts ? planAlert(origin, found, ordinal) : null;
      const type = keepsAlerts ? planned?.alert.type : announce(origin.rule, found)?.outcome.alert;
      if (type === undefined) return;
      if (planned) {
        this.#alerts.push(planned.alert);
        if (planned.effects.length > 0) onSetOff?.(planned);
      }
      this.actions.alert(this.#traffic, found.at);
      onAlert?.(type, found.at);
    };
  }

  /**
   * Gives up the sessions in which nothing is open any longer: most keys come once, and what is kept of them costs the collector
   * of garbage more than all else. Every event until the watermark is with its session, so S3 holds, but where timers are those of Flink.
   */
  #endIdle(): void {
    this.#sessions = 0;
    for (const known of this.#each()) {
      const { journey, session } = known;
      if (session === null) continue;
      const isFlink = journey.rules.some(({ rule }) => rule.timers === 'flink');
      if (!isFlink) this.#advance(known, session, this.#order.watermark);
      if (isFlink || !session.isIdle) {
        this.#sessions++;
        continue;
      }
      this.#sum(known, session);
      known.session = null;
    }
    this.#sessionsMax = Math.max(SESSIONS_MIN, 2 * this.#sessions);
  }

  #sum({ journey }: Known, session: Session): void {
    for (const { rule, counts } of session.counts()) {
      addCounts(this.#sums, `${journey.journey.id}/${rule}`, counts);
    }
  }
}

/** Null where an ingestor would have no session for the event either. */
function keyOrNone(event: CepEvent, key: Journey['key']): string | null {
  try {
    return keyOf(event, key);
  } catch {
    return null;
  }
}

function isAccepted(event: CepEvent, { journey }: CompiledJourney): boolean {
  try {
    return accepts(event, journey);
  } catch {
    return false;
  }
}

function nameOf({ journey, key }: Known): string {
  return `${journey.journey.id}/${key}`;
}
