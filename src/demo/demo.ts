// The demo: everything in one process. A dev server with its UI, a worker, ten days of a shop's clicks that
// end in the present, then live clicks and one cart whose window ends by its durable timer.

import { fileURLToPath } from 'node:url';
import { Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { SessionActivities } from '../activities/index.js';
import { runOffline } from '../backtest/offline.js';
import { CepError } from '../errors.js';
import { type IngestCounts, ingest } from '../ingest/ingest.js';
import { patienceOf } from '../ingest/patience.js';
import type { RawRecord, Read } from '../ingest/record.js';
import { temporalGateway } from '../ingest/temporal-gateway.js';
import { loadJourneys } from '../journeys-module.js';
import { createLogger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { addCounts, type RuleCounts } from '../rules/session.js';
import {
  type DevServerOptions,
  type RunningServer,
  startDevServer,
} from '../servers/dev-server.js';
import type { Report } from '../servers/process.js';
import { memoryStore } from '../store/memory-store.js';
import { quietTemporal, runWorker } from '../temporal-runtime.js';
import { type Millis, seconds, type Timestamp } from '../time.js';
import { createWorker } from '../worker.js';
import { SESSION_WORKFLOW, STATE_QUERY } from '../workflows/messages.js';
import type { SessionResult, SessionState } from '../workflows/session.js';
import { sessionWorkflowId } from '../workflows/session-id.js';
import { type Click, demoCart, generateClickstream, liveTail } from './clickstream.js';

const SOURCE = 'demo';
const JOURNEYS = new URL('../../examples/demo-journeys.ts', import.meta.url);
const LIVE_JOURNEY = 'live-cart';
const OUT_OF_ORDERNESS_MS: Millis = seconds(2);
/** The live cart's window, out-of-orderness and publication, and as much again for a slow machine. */
const LIVE_MAX_MS: Millis = seconds(75);
/** How long the last alerts may take once the stream has ended. */
const SETTLE_MS: Millis = seconds(60);
/** Calls in flight when the sessions are asked what they did. */
const CALLS_MAX = 16;

export interface DemoOptions {
  readonly seed: number;
  /** Events of the made-up past, at least 1,000. */
  readonly events: number;
  readonly server?: DevServerOptions;
  readonly report: Report;
  /** Called with each alert as it comes. */
  readonly onAlert: (alert: Alert) => void;
  readonly onProgress?: (counts: IngestCounts, phase: 'history' | 'live') => void;
  readonly signal?: AbortSignal;
}

/** What the demo did. */
export interface DemoResult {
  readonly ingest: IngestCounts;
  readonly alerts: Readonly<Record<string, number>>;
  readonly rules: ReadonlyMap<string, RuleCounts>;
  /** Alerts that the same rules give offline on the same events, and how the two sets differ. */
  readonly offline: {
    readonly alerts: number;
    readonly missing: string[];
    readonly surplus: string[];
  };
  /** The live cart's session, and whether its history has the timer before the alert. */
  readonly liveCart: { readonly workflowId: string; readonly timerFiredBeforeAlert: boolean };
  /** Milliseconds from start to: server ready, past delivered, live cart's alert, everything done. */
  readonly times: { server: Millis; history: Millis; live: Millis; total: Millis };
}

/** A demo that has run; its server is still there to be looked at. */
export interface Demo {
  readonly result: DemoResult;
  readonly server: RunningServer;
  stop(): Promise<void>;
}

/**
 * Runs the demo.
 *
 * @throws CepError `SERVER_NOT_FOUND`, `SERVER_UNREACHABLE`, `PORT_OCCUPIED`
 */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { report, onAlert, signal } = options;
  quietTemporal();
  const begunAt = performance.now();
  const elapsed = () => Math.round(performance.now() - begunAt);
  const { path, journeys } = await loadJourneys(JOURNEYS);
  const server = await startDevServer({
    preferredPort: 7233,
    preferredUiPort: 8233,
    ...options.server,
    report,
  });
  const cleanUp: (() => Promise<unknown>)[] = [() => server.stop()];
  const stop = async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  };
  const times = { server: elapsed(), history: 0, live: 0, total: 0 };
  try {
    report(
      `Temporal is ready at ${server.address}${server.uiUrl ? `, its UI at ${server.uiUrl}` : ''}`,
    );
    const connection = await NativeConnection.connect(server.connectionOptions);
    cleanUp.push(() => connection.close());
    const { namespace } = server;
    const alerts = new Map<string, Alert>();
    const store = memoryStore();
    const worker = await createWorker({
      journeys: fileURLToPath(JOURNEYS),
      connection,
      namespace,
      log: createLogger('error'),
      store,
      alerts: {
        publish: async (published) => {
          for (const alert of published) {
            if (alerts.has(alert.id)) continue;
            alerts.set(alert.id, alert);
            onAlert(alert);
          }
        },
      },
    });
    cleanUp.push(runWorker(worker).stop);
    report(`Worker is ready with the journeys of ${path}`);

    const client = new Client({ connection, namespace });
    const read: RawRecord[] = [];
    const startsAt = Date.now();
    let phase: 'history' | 'live' = 'history';
    let cart: Click | undefined;
    const clicks = recordsOf({
      ...options,
      startsAt,
      // The last two seconds wait in event-time order for what may still come.
      isDelivered: async () => {
        const progress = await store.progress.read(SOURCE, 0);
        return (progress?.watermark ?? 0) >= startsAt - OUT_OF_ORDERNESS_MS - 1;
      },
      isDone: () => [...alerts.values()].some(({ journey }) => journey === LIVE_JOURNEY),
      onLive: (click) => {
        cart = click;
        phase = 'live';
        times.history = elapsed();
        report(
          'The past is told. Now the present: a cart that nobody will buy, for thirty seconds',
        );
      },
    });
    const counts = await ingest({
      journeys,
      records: remember(clicks, read),
      gateway: temporalGateway({
        journeys,
        client,
        settings: {
          outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
          publicationIntervalMs: seconds(1),
          patienceMs: patienceOf(journeys),
        },
      }),
      store: store.progress,
      outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
      // What is open when the demo ends stays open, as it would tomorrow.
      endWatermark: 'last-event',
      log: createLogger('error'),
      ...(signal ? { signal } : {}),
      onProgress: (now) => options.onProgress?.(now, phase),
    });
    times.live = elapsed();
    if (signal?.aborted) throw new CepError('SERVER_UNREACHABLE', 'stopped');
    const offline = runOffline({ journeys, records: read, endWatermark: 'last-event' });
    await waitFor(() => alerts.size >= offline.alerts.length, SETTLE_MS, signal);
    const workflowId = sessionWorkflowId({ journey: LIVE_JOURNEY, key: cart?.userSession ?? '' });
    times.total = elapsed();
    const expected = new Set(offline.alerts.map(({ id }) => id));
    return {
      server,
      stop,
      result: {
        ingest: counts,
        alerts: countByType(alerts.values()),
        rules: await sumRules(client),
        offline: {
          alerts: expected.size,
          missing: [...expected].filter((id) => !alerts.has(id)),
          surplus: [...alerts.keys()].filter((id) => !expected.has(id)),
        },
        liveCart: {
          workflowId,
          timerFiredBeforeAlert: await timerFiredBeforeAlert(client, workflowId),
        },
        times,
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The past at once, then the present at its own pace until the live cart's alert is there. */
async function* recordsOf(options: {
  seed: number;
  events: number;
  startsAt: Timestamp;
  signal?: AbortSignal;
  isDelivered(): Promise<boolean>;
  isDone(): boolean;
  onLive(cart: Click): void;
}): AsyncGenerator<RawRecord> {
  const { seed, events, startsAt, signal } = options;
  let offset = 0;
  const record = (click: Click): RawRecord => ({
    source: SOURCE,
    partition: 0,
    offset: offset++,
    recordTime: Date.now(),
    value: click,
  });
  for (const click of generateClickstream({ seed, events, endsAt: startsAt })) yield record(click);
  // As long as the past is under way, the watermark stands there, and no live window could end.
  await waitFor(options.isDelivered, SETTLE_MS, signal);

  const liveAt = Date.now();
  const cart = demoCart(liveAt + seconds(2));
  options.onLive(cart);
  let isCartSent = false;
  for (const click of liveTail({ seed, startsAt: liveAt })) {
    if (options.isDone() || signal?.aborted || click.eventTime > liveAt + LIVE_MAX_MS) break;
    if (!isCartSent && click.eventTime >= cart.eventTime) {
      isCartSent = true;
      yield record(cart);
    }
    await waitFor(() => false, click.eventTime - Date.now(), signal);
    yield record(click);
  }
}

async function* remember(
  records: AsyncIterable<RawRecord>,
  read: RawRecord[],
): AsyncGenerator<Read> {
  for await (const record of records) {
    read.push(record);
    yield record;
  }
}

/** Looks every 50 ms, at most for so long. */
async function waitFor(
  isTrue: () => boolean | Promise<boolean>,
  maxMs: Millis,
  signal?: AbortSignal,
): Promise<void> {
  const until = performance.now() + maxMs;
  while (performance.now() < until && !signal?.aborted && !(await isTrue())) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(50, until - performance.now())));
  }
}

function countByType(alerts: Iterable<Alert>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of alerts) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** What the sessions themselves say: those that have ended by their result, the others by query. */
async function sumRules(client: Client): Promise<Map<string, RuleCounts>> {
  const sums = new Map<string, RuleCounts>();
  const add = (journey: string, rule: string, counts: RuleCounts) =>
    addCounts(sums, `${journey}/${rule}`, counts);
  const runs = client.workflow
    .list({ query: `WorkflowType = '${SESSION_WORKFLOW}'` })
    [Symbol.asyncIterator]();
  await Promise.all(
    Array.from({ length: CALLS_MAX }, async () => {
      for (let next = await runs.next(); !next.done; next = await runs.next()) {
        const { workflowId, runId, status } = next.value as WorkflowExecutionInfo;
        const handle = client.workflow.getHandle(workflowId, runId, { followRuns: false });
        const journey = workflowId.slice(0, workflowId.indexOf('/'));
        if (status.name === 'COMPLETED') {
          const { rules } = (await handle.result()) as SessionResult;
          for (const [rule, counts] of Object.entries(rules)) add(journey, rule, counts);
        } else if (status.name === 'RUNNING') {
          const { rules } = await handle.query<SessionState>(STATE_QUERY);
          for (const { rule, counts } of rules) add(journey, rule, counts);
        }
      }
    }),
  );
  return sums;
}

/** What the SDK calls the result of a local activity, as which alerts are published where that works at once. */
const LOCAL_ACTIVITY = 'core_local_activity';
const PUBLISHING: keyof SessionActivities = 'publishAlerts';

async function timerFiredBeforeAlert(client: Client, workflowId: string): Promise<boolean> {
  const look = async () => {
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    const list = events ?? [];
    return {
      fired: list.findIndex((event) => event.timerFiredEventAttributes),
      alerted: list.findIndex(
        ({ markerRecordedEventAttributes: marker, activityTaskScheduledEventAttributes: task }) =>
          marker?.markerName === LOCAL_ACTIVITY || task?.activityType?.name === PUBLISHING,
      ),
    };
  };
  // The alert is out before the task that has published it is done.
  await waitFor(async () => (await look()).alerted >= 0, seconds(10));
  const { fired, alerted } = await look();
  return fired >= 0 && alerted > fired;
}
