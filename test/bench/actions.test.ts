// Temporal Cloud's Actions, counted from histories: each rule on a history that has just it, and a recorded session,
// whose events are counted here by their names.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  type Actions,
  actionsOf,
  type HistoryEvent,
  kindsOf,
  sumOf,
} from '../../bench/journeys/actions.js';

/** Those of these kinds; attributes where they matter. */
const history = (...kinds: readonly (string | [kind: string, attributes: object])[]) =>
  kinds.map((each): HistoryEvent => {
    const [kind, attributes] = typeof each === 'string' ? [each, {}] : each;
    return { eventId: 1, [`${kind}EventAttributes`]: attributes };
  });

/** What is more than nothing. */
const counted = (events: readonly HistoryEvent[]) =>
  Object.fromEntries(Object.entries(actionsOf(events)).filter(([, count]) => count > 0));

const TASK = ['workflowTaskScheduled', 'workflowTaskStarted', 'workflowTaskCompleted'];

test('a start is one, a signal-with-start is one altogether, and so is a continued run', () => {
  const continued: [string, object] = [
    'workflowExecutionStarted',
    { continuedExecutionRunId: 'a' },
  ];
  expect(counted(history('workflowExecutionStarted', ...TASK))).toEqual({ starts: 1 });
  expect(counted(history('workflowExecutionStarted', 'workflowExecutionSignaled'))).toEqual({
    signals: 1,
  });
  expect(counted(history(continued, ...TASK))).toEqual({ starts: 1 });
  // That signal came by itself.
  expect(counted(history(continued, 'workflowExecutionSignaled'))).toEqual({
    starts: 1,
    signals: 1,
  });
  expect(counted(history('workflowExecutionContinuedAsNew'))).toEqual({});
});

test('timers are paid for when they start, activities also when they are tried again', () => {
  expect(counted(history('timerStarted', 'timerCanceled', 'timerStarted', 'timerFired'))).toEqual({
    timers: 2,
  });
  const third: [string, object] = ['activityTaskStarted', { attempt: 3 }];
  expect(counted(history('activityTaskScheduled', third, 'activityTaskCompleted'))).toEqual({
    activities: 1,
    retries: 2,
  });
});

test('the markers of one task are one, an upsert is one, a child is two', () => {
  const marker = (task: number): [string, object] => [
    'markerRecorded',
    { workflowTaskCompletedEventId: task },
  ];
  expect(
    counted(
      history(
        marker(4),
        marker(4),
        marker(9),
        'upsertWorkflowSearchAttributes',
        'startChildWorkflowExecutionInitiated',
        'workflowExecutionUpdateAccepted',
      ),
    ),
  ).toEqual({ markers: 2, upserts: 1, children: 2, updates: 1 });
});

test('tasks, memos and the end are free; an attribute that is null is none', () => {
  const end = history(...TASK, 'workflowPropertiesModified', 'workflowExecutionCompleted');
  expect(counted(end)).toEqual({});
  expect(counted([{ timerStartedEventAttributes: null, ...history(...TASK)[0] }])).toEqual({});
});

test.each(['match', 'timeout', 'continued-from', 'continued-to'])(
  'a recorded session (%s) costs what its events say',
  (name) => {
    const { events } = JSON.parse(readFileSync(`test/replay/0.1.0/${name}.json`, 'utf8')) as {
      events: (HistoryEvent & { eventType: string })[];
    };
    const count = (type: string) =>
      events.filter(({ eventType }) => eventType.endsWith(type)).length;
    const actions: Actions = {
      signals: count('EXECUTION_SIGNALED'),
      starts: name === 'continued-to' ? 1 : 0,
      timers: count('TIMER_STARTED'),
      activities: count('ACTIVITY_TASK_SCHEDULED'),
      retries: 0,
      markers: count('MARKER_RECORDED'),
      upserts: count('UPSERT_WORKFLOW_SEARCH_ATTRIBUTES'),
      children: 0,
      updates: 0,
    };
    expect(actionsOf(events)).toEqual(actions);
    const { signals, starts, timers, activities, markers, upserts } = actions;
    expect(sumOf(actions)).toBe(signals + starts + timers + activities + markers + upserts);
    expect([...kindsOf(events).values()].reduce((sum, n) => sum + n, 0)).toBe(events.length);
    expect(kindsOf(events).has('unknown')).toBe(false);
  },
);
