// The same rules over the same records in process, without Temporal: what sessions must answer, and fast.

import { SizedEvent } from '../automaton/limits.js';
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

/** What is known of a key in one journey, whether it has something open or not. */
interface Known {
  readonly journey: CompiledJourney;
  readonly key: string;
  /** Whence its latest event was. */
  last: SourcePartition;
  /** Null while nothing is open and nothing waits. */
  session: Session | null;
  readonly traffic: Traffic;
}

/** An event that waits for its sessions, and the one before it. */
interface Waiting {
  readonly event: CepEvent;
  /** A bit for each of the journeys that take it. */
  readonly journeys: number;
  readonly before: Waiting | null;
}

/** A key that an event has begun something at, in some of the journeys that share the key's field. */
interface Begun {
  /** In the order of the journeys; null where nothing has begun. */
  readonly known: (Known | null)[];
  /** A bit for each journey where something has. */
  journeys: number;
  /** The last of its events that wait, in order of event time. */
  waiting: Waiting | null;
}

/** Journeys that take their keys from one field, or one that finds them in a way of its own; and the keys where something has begun. */
interface Keys {
  readonly key: Journey['key'];
  readonly journeys: readonly CompiledJourney[];
  readonly byKey: Map<string, Begun>;
}

/** Of those that share a look-up: as many as a number has bits. */
const JOURNEYS_MAX = 31;

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
  #busy: Begun[] = [];
  #waiting = 0;
  readonly #alerts: Alert[] = [];
  readonly #late: string[] = [];
  readonly #refused: CepEvent[] = [];
  readonly #sums = new Map<string, RuleCounts>();
  /** Sessions that are there, and how many may be before they are looked through. */
  #sessions = 0;
  #sessionsMax = SESSIONS_MIN;
  readonly #tell: Tell;
  /** Whence the latest event was. */
  #latest: SourcePartition | null = null;
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
    this.#keys = [...keys].flatMap((key) => {
      const sharing = all.filter(({ journey }) => journey.key === key);
      return chunks(sharing, JOURNEYS_MAX).map(
        (journeys): Keys => ({ key, journeys, byKey: new Map() }),
      );
    });
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
    this.#give((known, event) => {
      known.session ??= new Session(known.journey, known.key);
      known.session.accept(event, this.#refused);
    });
    const open: OpenSession[] = [];
    for (const known of this.#each()) {
      const { journey, key, session, last } = known;
      if (session === null) continue;
      this.#advance(known, session, watermarkOf(last));
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
    // Made where somebody takes the event, and while it is at hand.
    let sized: SizedEvent | null = null;
    for (const keys of this.#keys) {
      const key = keyOrNone(event, keys.key);
      if (key === null || (owns !== undefined && !owns(key))) continue;
      const { journeys: all } = keys;
      let begun = keys.byKey.get(key);
      let journeys = 0;
      for (let i = 0; i < all.length; i++) {
        const journey = all[i] as CompiledJourney;
        if (!isAccepted(event, journey)) continue;
        const bit = 1 << i;
        if (begun === undefined || (begun.journeys & bit) === 0) {
          if (!journey.canBegin(event)) continue;
          begun ??= addTo(keys, key);
          begun.known[i] = this.#begin(journey, key, this.#partitionOf(event));
          begun.journeys |= bit;
        }
        journeys |= bit;
      }
      if (begun === undefined || journeys === 0) continue;
      sized ??= new SizedEvent(event);
      this.#take(begun, sized, journeys);
    }
  }

  #begin(journey: CompiledJourney, key: string, last: SourcePartition): Known {
    const known: Known = { journey, key, last, session: null, traffic: newTraffic() };
    this.#known.get(journey)?.push(known);
    return known;
  }

  #take(begun: Begun, event: CepEvent, journeys: number): void {
    const before = begun.waiting;
    if (before === null) this.#busy.push(begun);
    begun.waiting = { event, journeys, before };
    this.#waiting++;
  }

  #feed(): void {
    this.#give((known, event) => this.#accept(known, event));
  }

  /** Gives away the events that wait: a key's all at once, each to its journeys while it is in the processor's caches. */
  #give(to: (known: Known, event: CepEvent) => void): void {
    for (const begun of this.#busy) {
      for (const { event, journeys } of inOrder(begun.waiting)) {
        const last = this.#partitionOf(event);
        for (let i = 0; journeys >> i !== 0; i++) {
          if (((journeys >> i) & 1) === 0) continue;
          const known = begun.known[i] as Known;
          known.last = last;
          to(known, event);
        }
      }
      begun.waiting = null;
    }
    this.#busy = [];
    this.#waiting = 0;
  }

  /** One for many events, which would be kept for it else. */
  #partitionOf({ source, partition }: SourcePartition): SourcePartition {
    const latest = this.#latest;
    if (latest?.partition === partition && latest.source === source) return latest;
    this.#latest = { source, partition };
    return this.#latest;
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

function chunks<T>(all: readonly T[], max: number): T[][] {
  const count = Math.ceil(all.length / max);
  return Array.from({ length: count }, (_, i) => all.slice(i * max, (i + 1) * max));
}

function addTo({ byKey, journeys }: Keys, key: string): Begun {
  const begun: Begun = { known: journeys.map(() => null), journeys: 0, waiting: null };
  byKey.set(key, begun);
  return begun;
}

function inOrder(last: Waiting | null): Waiting[] {
  const events: Waiting[] = [];
  for (let waiting = last; waiting !== null; waiting = waiting.before) events.push(waiting);
  return events.reverse();
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
