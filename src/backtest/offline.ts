// The same rules over the same records in process, without Temporal: what sessions must answer, and fast.

import { DecodeError } from '../errors.js';
import { type CepEvent, coordinates } from '../event.js';
import { decodeRecord } from '../ingest/decode.js';
import { EventOrder } from '../ingest/order.js';
import { patienceOf } from '../ingest/patience.js';
import type { RawRecord } from '../ingest/record.js';
import { routeEvent } from '../ingest/route.js';
import type { PlannedAlert } from '../rules/alert.js';
import type { CompiledJourney, CompiledJourneys } from '../rules/compiled.js';
import type { Alert } from '../rules/rule.js';
import { addCounts, type RuleCounts, type RuleView, Session } from '../rules/session.js';
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
  /** Gets the alerts of each step, in no order of time. By default the result has them. */
  readonly onAlert?: (alert: Alert) => void;
}

export interface OfflineOptions extends OfflineRunOptions {
  readonly records: Iterable<RawRecord>;
  /** The last watermark, as for ingest. The end of time by default, which ends every open window. */
  readonly endWatermark?: Timestamp | 'last-event';
}

export interface OfflineResult {
  /** In order of event time. */
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

interface RunningSession {
  readonly journey: CompiledJourney;
  readonly session: Session;
  readonly traffic: Traffic;
}

/** Journeys over records that come one by one. */
export class OfflineRun {
  readonly counts = { records: 0, events: 0, bad: 0 };
  /** Of event times. */
  readonly span = { from: MAX_TIMESTAMP, to: MIN_TIMESTAMP };
  readonly actions: ActionEstimate;
  readonly #options: OfflineRunOptions;
  readonly #order: EventOrder;
  readonly #sessions = new Map<string, RunningSession>();
  readonly #alerts: Alert[] = [];
  readonly #late: string[] = [];
  readonly #refused: CepEvent[] = [];

  constructor(options: OfflineRunOptions) {
    this.#options = options;
    this.actions = new ActionEstimate(patienceOf(options.journeys));
    this.#order = new EventOrder(options.outOfOrdernessMs ?? seconds(2));
    for (const partition of options.partitions ?? []) this.#order.add(partition);
  }

  push(record: RawRecord): void {
    this.counts.records++;
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
    const { watermark } = this.#order;
    for (const { session } of this.#sessions.values()) this.#publish(session.advance(watermark));
    this.#alerts.sort((a, b) => a.at - b.at);
    const open = [...this.#sessions].filter(([, { session }]) => !session.isIdle);
    return {
      alerts: this.#alerts,
      rules: sumCounts(this.#sessions.values()),
      sessions: this.#sessions.size,
      open: new Map(open.map(([id, { session }]) => [id, session.view()])),
      late: [...this.#late, ...this.#refused.map(coordinates)],
    };
  }

  /** Events taken, by `journey/key`. */
  *taken(): Generator<[session: string, events: number]> {
    for (const [id, { traffic }] of this.#sessions) yield [id, traffic.events];
  }

  #release(): void {
    const { journeys, owns } = this.#options;
    const order = this.#order;
    for (let event = order.release(); event; event = order.release()) {
      for (const { journey, key } of routeEvent(event, journeys).routes) {
        if (owns && !owns(key)) continue;
        const id = `${journey.journey.id}/${key}`;
        let known = this.#sessions.get(id);
        if (!known) {
          if (!journey.canBegin(event)) continue;
          known = { journey, session: new Session(journey, key), traffic: newTraffic() };
          this.#sessions.set(id, known);
        }
        const { session, traffic } = known;
        // What came before was processed; events of one time come together with the next advance.
        this.#publish(session.advance(event.timestamp - 1));
        this.actions.event(traffic, session, event.timestamp, journey.canComplete(event));
        session.accept(event, this.#refused);
      }
    }
  }

  #publish(planned: readonly PlannedAlert[]): void {
    if (planned.length > 0) this.actions.alerts();
    const { onAlert } = this.#options;
    for (const { alert } of planned) {
      if (onAlert) onAlert(alert);
      else this.#alerts.push(alert);
    }
  }
}

function sumCounts(sessions: Iterable<RunningSession>): Map<string, RuleCounts> {
  const sums = new Map<string, RuleCounts>();
  for (const { journey, session } of sessions) {
    for (const { rule, counts } of session.view(0)) {
      addCounts(sums, `${journey.journey.id}/${rule}`, counts);
    }
  }
  return sums;
}
