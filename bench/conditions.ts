// What a condition costs in CEL and in TypeScript: in plain Node, and in the sandbox that Temporal's worker runs
// workflows in, with a V8 context shared by all (as createWorker has it) and with one of its own. No server: the
// worker replays the history of a workflow that starts and ends, and what it measures comes out by a sink. A worker
// that replays has the sandbox in its main thread; one that serves has the same in a thread of its own.
//
// The time of a condition includes the loop around it and, where it looks back, the view of the match, as in the
// automaton; the first row, a condition that is always true, says what the loop alone takes.
//
//   npm run bench:conditions

import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type InjectedSinks, Worker } from '@temporalio/worker';
import { assert } from '../src/assert.js';
import { quietLogger, quietTemporal } from '../src/temporal-runtime.js';
import { EVENTS, measure, PAIRS, type PairCost } from './conditions-measured.js';
import type { BenchSinks } from './conditions-workflow.js';
import { median, report, rounded, show } from './support.js';

const ROUNDS = 5;

/** Of a run of the workflow `conditions` from its start to its end, in one task; types are Temporal's numbers. */
const HISTORY = {
  events: [
    {
      eventType: 1,
      workflowExecutionStartedEventAttributes: {
        workflowType: { name: 'conditions' },
        taskQueue: { name: 'bench' },
        originalExecutionRunId: 'run',
        workflowTaskTimeout: { seconds: 10 },
      },
    },
    { eventType: 5, workflowTaskScheduledEventAttributes: { taskQueue: { name: 'bench' } } },
    { eventType: 6, workflowTaskStartedEventAttributes: { scheduledEventId: 2 } },
    {
      eventType: 7,
      workflowTaskCompletedEventAttributes: { scheduledEventId: 2, startedEventId: 3 },
    },
    {
      eventType: 2,
      workflowExecutionCompletedEventAttributes: { workflowTaskCompletedEventId: 4 },
    },
  ].map((event, i) => ({ eventId: i + 1, eventTime: { seconds: 1_577_836_800 }, ...event })),
};

const ours = (file: string) => fileURLToPath(new URL(file, import.meta.url));

quietTemporal();
const workflowBundle = await bundleWorkflowCode({
  workflowsPath: ours('./conditions-workflow.js'),
  // As the worker does with the user's journeys: evaluated once, and frozen.
  preloadModules: [ours('./conditions-measured.js')],
  logger: quietLogger,
});

async function inSandbox(reuseV8Context: boolean): Promise<PairCost[]> {
  let costs: readonly PairCost[] = [];
  const sinks: InjectedSinks<BenchSinks> = {
    bench: {
      measured: {
        fn: (_info, measured) => {
          costs = measured;
        },
        callDuringReplay: true,
      },
    },
  };
  await Worker.runReplayHistory({ workflowBundle, reuseV8Context, sinks }, HISTORY);
  return [...costs];
}

const PLACES = {
  node: async () => measure(() => performance.now()),
  sandbox: () => inSandbox(true),
  'own context': () => inSandbox(false),
};
type Place = keyof typeof PLACES;
const names = Object.keys(PLACES) as Place[];

const rounds: Record<Place, PairCost[][]> = { node: [], sandbox: [], 'own context': [] };
for (let round = 0; round < ROUNDS; round++) {
  for (const place of names) rounds[place].push(await PLACES[place]());
}

const rows = PAIRS.map(({ name, text }, i) => {
  const all = names.flatMap((place) => rounds[place].map((costs) => costs[i] as PairCost));
  const { trues } = (all[0] as PairCost).ts;
  assert(
    all.every(({ ts, cel }) => ts.trues === trues && cel.trues === trues),
    `both languages answer alike: ${name}`,
  );
  const ns = (place: Place, language: keyof PairCost) =>
    rounded(median(rounds[place].map((costs) => (costs[i] as PairCost)[language].ns)));
  const places = names.map((place) => {
    const both = { ts: ns(place, 'ts'), cel: ns(place, 'cel') };
    return [place, { ...both, 'cel/ts': rounded(both.cel / both.ts) }] as const;
  });
  return { condition: name, text, trues, ns: Object.fromEntries(places) };
});
show(
  `ns per condition, ${EVENTS} events over and over; "nothing" is the loop around it`,
  rows.map(({ condition, trues, ns }) => {
    const cells = Object.entries(ns).flatMap(([place, costs]) =>
      Object.entries(costs).map(([column, value]) => [`${place} ${column}`, value]),
    );
    return { condition, holds: trues, ...Object.fromEntries(cells) };
  }),
);
report('conditions', { unit: 'ns per evaluation, median', events: EVENTS, rows });
