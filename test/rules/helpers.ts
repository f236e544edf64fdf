import type { CepEvent, EventData } from '../../src/event.js';
import type { PlannedAlert } from '../../src/rules/alert.js';
import { type CompiledJourney, compileJourneys } from '../../src/rules/compiled.js';
import type { Rule } from '../../src/rules/rule.js';
import type { Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';

/** A compiled journey `test` with these rules. */
export function journeyOf(...rules: Rule[]): CompiledJourney {
  const set = { eventTime: 'timestamp', fields: {}, journeys: [{ id: 'test', key: 'key', rules }] };
  return compileJourneys(set).byId.get('test') as CompiledJourney;
}

/** An event whose offset is its time unless told. */
export function eventAt(timestamp: Timestamp, data: EventData, offset = timestamp): CepEvent {
  return { timestamp, source: 'test', partition: 0, offset, data };
}

/** Runs events in time order through a session, with a watermark at each, up to `end`. */
export function play(
  session: Session,
  events: readonly CepEvent[],
  end: Timestamp = MAX_TIMESTAMP,
): PlannedAlert[] {
  const alerts: PlannedAlert[] = [];
  for (const event of events) {
    alerts.push(...session.advance(event.timestamp - 1));
    session.accept(event);
  }
  return [...alerts, ...session.advance(end)];
}
