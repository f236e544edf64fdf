import type { CepEvent } from '../event.js';
import type { Alert } from '../rules/rule.js';
import type { PartitionProgress, SessionRef } from '../workflows/messages.js';
import type { AlertSink, LateSink } from './sinks.js';

/** What sessions ask of the outside world. `readProgress` is answered by the ingestor of the source. */
export interface SessionActivities {
  /** Publishes the alerts of one step. A repetition with the same ids changes nothing. */
  publishAlerts(alerts: readonly Alert[]): Promise<void>;
  /** Puts events that came too late for the session into the late output. */
  publishLate(session: SessionRef, events: readonly CepEvent[]): Promise<void>;
  /** How far a source partition is; null where the one who answers does not know it. */
  readProgress(source: string, partition: number): Promise<PartitionProgress | null>;
}

/** The activities a worker runs for its sessions. */
export function createActivities(deps: {
  alerts: AlertSink;
  late: LateSink;
}): Omit<SessionActivities, 'readProgress'> {
  return {
    publishAlerts: (alerts) => deps.alerts.publish(alerts),
    publishLate: (session, events) => deps.late.publish(session, events),
  };
}

export { type AlertSink, consoleAlerts, fileAlerts, type LateSink, loggedLate } from './sinks.js';
