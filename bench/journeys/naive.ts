// The naive design: a signal per event, a timer made anew for each of them, an activity per alert, and no end.
// The automaton, the way events are encoded and the activity are those of the session workflow.

import {
  CancellationScope,
  condition,
  proxyActivities,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { SessionActivities } from '../../src/activities/index.js';
import type { PlannedAlert } from '../../src/rules/alert.js';
import type { CompiledJourneys } from '../../src/rules/compiled.js';
import { Session } from '../../src/rules/session.js';
import { minutes, type Timestamp } from '../../src/time.js';
import type { EventBatch, SessionRef } from '../../src/workflows/messages.js';
import { eventsSignal } from '../../src/workflows/session.js';

/** Where nothing is open the timer waits for the end of the visit. */
const VISIT_MS = minutes(30);

const { publishAlerts } = proxyActivities<SessionActivities>({
  startToCloseTimeout: '30 seconds',
});

/** The workflow function over the journeys of one bundle. */
export function createNaiveWorkflow(journeys: CompiledJourneys) {
  return async (ref: SessionRef): Promise<void> => {
    const journey = journeys.byId.get(ref.journey);
    if (!journey) throw new Error(`no journey ${ref.journey}`);
    const session = new Session(journey, ref.key);
    const inbox: EventBatch[] = [];
    let timer: CancellationScope | null = null;
    let due: Timestamp | null = null;
    setHandler(eventsSignal, (batch) => {
      inbox.push(batch);
    });

    const publish = (alerts: readonly PlannedAlert[]) => {
      for (const { alert } of alerts) void publishAlerts([alert]);
    };
    const armTimer = () => {
      timer?.cancel();
      const scope = new CancellationScope();
      timer = scope;
      const deadline = session.nextDeadline;
      const delayMs = deadline === null ? VISIT_MS : Math.max(1, deadline - Date.now());
      scope
        .run(() => sleep(delayMs))
        .then(
          () => {
            if (timer === scope) due = deadline ?? session.watermark;
          },
          () => {
            // Cancelled for the next event.
          },
        );
    };

    for (;;) {
      await condition(() => inbox.length > 0 || due !== null);
      for (const { source, partition, events } of inbox.splice(0)) {
        for (const event of events) {
          session.accept({ source, partition, ...event });
          publish(session.advance(event.timestamp));
          armTimer();
        }
      }
      if (due !== null) {
        publish(session.advance(due));
        due = null;
        if (session.nextDeadline !== null) armTimer();
      }
    }
  };
}
