// Runs vectors through the session workflow on the time-skipping server. A case is moved so that its
// first event lies in the server's present; its watermarks come with the batches, and the last one is
// read by the workflow itself, through its activity, when its timer fires.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { memoryLedger, type ProgressReader } from '../activities/index.js';
import type { EventData, MatchedEvents } from '../event.js';
import { createLogger } from '../log.js';
import { parseDocument } from '../rules/document.js';
import type { Alert } from '../rules/rule.js';
import { runWorker } from '../temporal-runtime.js';
import { MAX_TIMESTAMP, type Timestamp } from '../time.js';
import { createWorker } from '../worker.js';
import {
  type BatchedEvent,
  EVENTS_SIGNAL,
  type EventBatch,
  SESSION_WORKFLOW,
  STATE_QUERY,
} from '../workflows/messages.js';
import type { SessionInput, SessionState } from '../workflows/session.js';
import { vectorJourneyId } from './vector-journeys.js';
import { stepsOf, type VectorCase, type VectorDriver, type VectorOutcome } from './vectors.js';

const TASK_QUEUE = 'vectors';
const SOURCE = 'vector';
const INDEX_FIELD = '$index';

/**
 * Starts a worker for the cases on a time-skipping server.
 *
 * @param env - a server that runs nothing else meanwhile
 * @param cases - all that the driver will be asked to run; none whose pattern is refused
 */
export async function startSessionDriver(
  env: TestWorkflowEnvironment,
  cases: readonly VectorCase[],
): Promise<{ driver: VectorDriver; stop(): Promise<void> }> {
  const alerts: Alert[] = [];
  const late: { journey: string; offset: number }[] = [];
  /** Null while events are still on their way to the session. */
  let lastWatermark: Timestamp | null = null;

  const progress: ProgressReader = {
    read: async () =>
      lastWatermark === null
        ? null
        : { watermark: lastWatermark, lowWater: Number.MAX_SAFE_INTEGER, finished: false },
  };
  const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-vectors-'));
  const module = join(folder, 'journeys.mjs');
  const compiled = cases.map(({ name, pattern }) => ({ name, document: parseDocument(pattern) }));
  writeFileSync(
    module,
    `import { vectorJourneys } from ${JSON.stringify(fileURLToPath(new URL('./vector-journeys.js', import.meta.url)))};
export default vectorJourneys(JSON.parse(${JSON.stringify(JSON.stringify(compiled))}));
`,
  );
  const worker = await createWorker({
    journeys: module,
    taskQueue: TASK_QUEUE,
    connection: env.nativeConnection,
    log: createLogger('error'),
    store: { progress, ledger: memoryLedger() },
    progressWaitMs: 0,
    alerts: { publish: async (published) => void alerts.push(...published) },
    late: {
      publish: async ({ journey }, events) =>
        void late.push(...events.map(({ offset }) => ({ journey, offset }))),
    },
  });
  const running = runWorker(worker);

  const driver: VectorDriver = async (vector) => {
    // Without an event nobody starts a session.
    if (vector.events.length === 0) return { matches: [], timeouts: [], late: [] };
    const first = vector.events[0]?.timestamp ?? 0;
    const shift = (await env.currentTimeMs()) - first;
    const { client } = env;
    const journey = vectorJourneyId(vector.name);
    const workflowId = `${journey}/key`;
    const input: SessionInput = {
      journey,
      key: 'key',
      settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0, sparesTasks: false },
    };
    const last = vector.endWatermark ?? MAX_TIMESTAMP;
    const end = last < MAX_TIMESTAMP ? last + shift : last;
    lastWatermark = null;
    for (const batch of batchesOf(vector, shift)) {
      await client.workflow.signalWithStart(SESSION_WORKFLOW, {
        workflowId,
        taskQueue: TASK_QUEUE,
        args: [input],
        signal: EVENTS_SIGNAL,
        signalArgs: [batch],
      });
    }
    lastWatermark = end;
    const handle = client.workflow.getHandle(workflowId);
    for (;;) {
      const { nextDeadline, publishing, rules } = await handle.query<SessionState>(STATE_QUERY);
      const failed = rules[0]?.counts.failures ?? 0;
      const isDue = nextDeadline !== null && nextDeadline <= end && failed === 0;
      if (!isDue && publishing === 0) {
        const outcome = outcomeOf(
          alerts.filter((alert) => alert.journey === journey),
          late.filter((event) => event.journey === journey).map(({ offset }) => offset),
          shift,
        );
        if (failed > 0) outcome.runtimeError = rules[0]?.lastError ?? 'failed';
        await terminate(handle);
        return outcome;
      }
      if (isDue) {
        const now = await env.currentTimeMs();
        await env.sleep(Math.max(1_000, nextDeadline - now + 1_000));
      } else {
        // Alerts are published in the task at hand, and the server skips no time meanwhile.
        await sleep(10);
      }
    }
  };
  return {
    driver,
    stop: async () => {
      await running.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One that is terminated in the middle of a task keeps the server from skipping time ever after. */
async function terminate(handle: WorkflowHandle): Promise<void> {
  for (;;) {
    const { raw, status } = await handle.describe();
    if (status.name !== 'RUNNING') return;
    if (!raw.pendingWorkflowTask && !raw.pendingActivities?.length) break;
    await sleep(5);
  }
  await handle.terminate().catch(() => {
    // It had come to its own end.
  });
}

/** The case's steps as batches, without the last watermark. */
function* batchesOf(vector: VectorCase, shift: number): Generator<EventBatch> {
  const steps = [...stepsOf(vector)];
  let events: BatchedEvent[] = [];
  for (const step of steps.slice(0, -1)) {
    if ('event' in step) {
      const data = vector.events[step.event] as VectorCase['events'][number];
      const timestamp = data.timestamp + shift;
      events.push({
        offset: step.event,
        timestamp,
        data: { ...data, timestamp, [INDEX_FIELD]: step.event },
      });
    } else {
      const watermark = step.watermark + shift;
      yield { source: SOURCE, partition: 0, lowWater: 0, watermark, events };
      events = [];
    }
  }
  if (events.length > 0) {
    const watermark = (events[0] as BatchedEvent).timestamp - 1;
    yield { source: SOURCE, partition: 0, lowWater: 0, watermark, events };
  }
}

function outcomeOf(alerts: readonly Alert[], late: number[], shift: number): VectorOutcome {
  const outcome: VectorOutcome = { matches: [], timeouts: [], late: [...late] };
  for (const { type, match, at } of alerts) {
    const indices = indicesOf(match);
    if (type === 'match') outcome.matches.push({ match: indices });
    else outcome.timeouts.push({ match: indices, timeout: at - shift });
  }
  return outcome;
}

function indicesOf(match: MatchedEvents): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(match).map(([stage, events]) => [
      stage,
      events.map((event) => Number((event as EventData)[INDEX_FIELD])),
    ]),
  );
}
