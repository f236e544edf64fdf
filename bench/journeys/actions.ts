// Temporal Cloud's Actions, counted from histories. The rules, after docs.temporal.io/evaluate/cloud/actions:
//
//   what                                    Actions  in the history
//   signal, by client or workflow           1        WorkflowExecutionSignaled
//   signal-with-start                       1        Started, then Signaled: whether it starts a workflow or not
//   start without a signal                  1        WorkflowExecutionStarted
//   continue-as-new                         1        WorkflowExecutionStarted of the next run
//   timer, implicit ones too                1        TimerStarted; to cancel it costs nothing
//   activity                                1        ActivityTaskScheduled
//   each retry of it                        1        ActivityTaskStarted, attempt - 1
//   local activities and other markers      1        MarkerRecorded: all of one workflow task together
//   upsert of search attributes             1        UpsertWorkflowSearchAttributes; those given at the start are free
//   child workflow                          2        StartChildWorkflowExecutionInitiated
//   update accepted                         1        WorkflowExecutionUpdateAccepted
//
// Workflow tasks, memos and current details are free. Queries, heartbeats of activities and updates that were rejected
// cost an Action each and leave no event, so they are not in these figures; sessions by themselves make none of them.

/** An event of a history, as the client fetches it or as JSON: only which attributes it has is looked at. */
export type HistoryEvent = Readonly<Record<string, unknown>>;

export type ActionKind =
  | 'signals'
  | 'starts'
  | 'timers'
  | 'activities'
  | 'retries'
  | 'markers'
  | 'upserts'
  | 'children'
  | 'updates';

export type Actions = Record<ActionKind, number>;

const ATTRIBUTES = 'EventAttributes';

/** The Actions of one run. @param events - its history, whole */
export function actionsOf(events: readonly HistoryEvent[]): Actions {
  const actions: Actions = {
    signals: 0,
    starts: 0,
    timers: 0,
    activities: 0,
    retries: 0,
    markers: 0,
    upserts: 0,
    children: 0,
    updates: 0,
  };
  const markedTasks = new Set<string>();
  events.forEach((event, i) => {
    const { kind, attributes } = kindOf(event);
    switch (kind) {
      case 'workflowExecutionSignaled':
        actions.signals++;
        break;
      case 'workflowExecutionStarted':
        if (attributes.continuedExecutionRunId || !isSignal(events[i + 1])) actions.starts++;
        break;
      case 'timerStarted':
        actions.timers++;
        break;
      case 'activityTaskScheduled':
        actions.activities++;
        break;
      case 'activityTaskStarted':
        actions.retries += Math.max(0, Number(attributes.attempt ?? 1) - 1);
        break;
      case 'markerRecorded':
        markedTasks.add(`${attributes.workflowTaskCompletedEventId}`);
        break;
      case 'upsertWorkflowSearchAttributes':
        actions.upserts++;
        break;
      case 'startChildWorkflowExecutionInitiated':
        actions.children += 2;
        break;
      case 'workflowExecutionUpdateAccepted':
        actions.updates++;
        break;
    }
  });
  actions.markers = markedTasks.size;
  return actions;
}

/** All of them. */
export function sumOf(actions: Actions): number {
  return Object.values(actions).reduce((sum, count) => sum + count, 0);
}

/** How many events of each kind there are, such as `timerStarted`. */
export function kindsOf(events: readonly HistoryEvent[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const event of events) {
    const { kind } = kindOf(event);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function isSignal(event: HistoryEvent | undefined): boolean {
  return event !== undefined && kindOf(event).kind === 'workflowExecutionSignaled';
}

function kindOf(event: HistoryEvent): { kind: string; attributes: Record<string, unknown> } {
  for (const [name, value] of Object.entries(event)) {
    if (!name.endsWith(ATTRIBUTES) || value === null || value === undefined) continue;
    const attributes = value as Record<string, unknown>;
    return { kind: name.slice(0, -ATTRIBUTES.length), attributes };
  }
  return { kind: 'unknown', attributes: {} };
}
