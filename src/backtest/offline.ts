// The same rules over the same records in process, without Temporal: what sessions must answer, and fast.

import { DecodeError } from '../errors.js';
import { type CepEvent, coordinates } from '../event.js';
import { decodeRecord } from '../ingest/decode.js';
import { EventOrder } from '../ingest/order.js';
import type { RawRecord } from '../ingest/record.js';
import { routeEvent } from '../ingest/route.js';
import type { PlannedAlert } from '../rules/alert.js';
import type { CompiledJourney, CompiledJourneys } from '../rules/compiled.js';
import type { Alert } from '../rules/rule.js';
import { addCounts, type RuleCounts, type RuleView, Session } from '../rules/session.js';
import { MAX_TIMESTAMP, type Millis, seconds, type Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';

export interface OfflineOptions {
  readonly journeys: CompiledJourneys;
  readonly records: Iterable<RawRecord>;
  /** The partitions they are from, where there are several: they share one order. */
  readonly partitions?: readonly SourcePartition[];
  /** As for ingest. Default 2 s. */
  readonly outOfOrdernessMs?: Millis;
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
export function runOffline(options: OfflineOptions): OfflineResult {
  const { journeys, records, outOfOrdernessMs = seconds(2) } = options;
  const order = new EventOrder(outOfOrdernessMs);
  for (const partition of options.partitions ?? []) order.add(partition);
  const late: string[] = [];
  const refused: CepEvent[] = [];
  const sessions = new Map<string, { journey: CompiledJourney; session: Session }>();
  const alerts: Alert[] = [];
  const publish = (planned: readonly PlannedAlert[]) => {
    for (const { alert } of planned) alerts.push(alert);
  };
  const release = () => {
    for (let event = order.release(); event; event = order.release()) {
      for (const { journey, key } of routeEvent(event, journeys).routes) {
        const id = `${journey.journey.id}/${key}`;
        let known = sessions.get(id);
        if (!known) {
          if (!journey.canBegin(event)) continue;
          known = { journey, session: new Session(journey, key) };
          sessions.set(id, known);
        }
        // What came before was processed; events of one time come together with the next advance.
        publish(known.session.advance(event.timestamp - 1));
        known.session.accept(event, refused);
      }
    }
  };
  for (const record of records) {
    try {
      const event = decodeRecord(record, journeys.set);
      if (!order.push(event)) late.push(coordinates(event));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
    release();
  }
  const { endWatermark = MAX_TIMESTAMP } = options;
  order.end(endWatermark === 'last-event' ? undefined : endWatermark);
  release();
  for (const { session } of sessions.values()) publish(session.advance(order.watermark));
  alerts.sort((a, b) => a.at - b.at);
  const open = [...sessions].filter(([, { session }]) => !session.isIdle);
  return {
    alerts,
    rules: sumCounts(sessions.values()),
    sessions: sessions.size,
    open: new Map(open.map(([id, { session }]) => [id, session.view()])),
    late: [...late, ...refused.map(coordinates)],
  };
}

function sumCounts(
  sessions: Iterable<{ journey: CompiledJourney; session: Session }>,
): Map<string, RuleCounts> {
  const sums = new Map<string, RuleCounts>();
  for (const { journey, session } of sessions) {
    for (const { rule, counts } of session.view(0)) {
      addCounts(sums, `${journey.journey.id}/${rule}`, counts);
    }
  }
  return sums;
}
