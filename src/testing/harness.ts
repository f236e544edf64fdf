// A user's journeys on the time-skipping server: send events, let days go by in milliseconds, look at the
// alerts. Ingest is played by the harness, everything behind it is real: workflow, timers, activities.

import { WorkflowNotFoundError } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { memoryLedger, type ProgressReader } from '../activities/index.js';
import { goalsOf } from '../effects/goals.js';
import type { EffectRecord } from '../effects/ledger.js';
import { loadEffects } from '../effects-module.js';
import { CepError } from '../errors.js';
import type { EventData } from '../event.js';
import { GoalWatch } from '../ingest/goals.js';
import { temporalGoals } from '../ingest/temporal-gateway.js';
import { loadJourneys } from '../journeys-module.js';
import { createLogger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { startTimeSkipping } from '../servers/test-server.js';
import { openStore } from '../store/store.js';
import { quietTemporal, runWorker } from '../temporal-runtime.js';
import type { Millis, Timestamp } from '../time.js';
import { type CreateWorkerOptions, createWorker, type Effect } from '../worker.js';
import {
  EFFECTS_QUERY,
  type EffectProgress,
  effectWorkflowId,
  isOver,
} from '../workflows/effect-messages.js';
import {
  type BatchedEvent,
  EVENTS_SIGNAL,
  SESSION_WORKFLOW,
  type SessionRef,
  STATE_QUERY,
  TASK_QUEUE,
} from '../workflows/messages.js';
import type { SessionInput, SessionState } from '../workflows/session.js';
import { sessionWorkflowId } from '../workflows/session-id.js';

const SOURCE = 'test';

export interface JourneyTestOptions {
  /** The journeys module: a path relative to the working directory, or a file URL. */
  readonly journeys: string | URL;
  /** The one journey to run. The server's clock serves one workflow at a time. */
  readonly journey: string;
  /** As for `createWorker`. */
  readonly effects?: CreateWorkerOptions['effects'];
  readonly activities?: Readonly<Record<string, Effect>>;
  readonly users?: CreateWorkerOptions['users'];
  /** As for `createWorker`. */
  readonly dataConverter?: DataConverter;
}

/** A journey under test. */
export interface JourneyTest {
  /** Alerts published so far, in order. */
  readonly alerts: readonly Alert[];
  /** The server's present: ms since the epoch. */
  now(): Promise<Timestamp>;
  /**
   * Sends events, in order, and waits until their session has dealt with them. One that has no event
   * time gets the present; one that the journey does not accept is passed over, as by the ingestor.
   *
   * @throws CepError `RECORD_WITHOUT_KEY`, `RECORD_WITHOUT_TIME` for a time behind an earlier event's
   */
  send(...events: EventData[]): Promise<void>;
  /** Lets time go by: durable timers fire, windows end. @param ms - how long; `days(7)` is fine */
  skip(ms: Millis): Promise<void>;
  /** What the ledger has of an alert's effects, and of those that followed on them, in the order in which they were planned. */
  effects(alert: Alert): Promise<readonly EffectRecord[]>;
  /** What the session of a key holds at this moment; null when it has ended or never began. */
  state(key: string): Promise<SessionState | null>;
  /** Ends worker and server. */
  stop(): Promise<void>;
}

/**
 * Starts a journey on a time-skipping test server, found or fetched.
 *
 * @throws CepError `JOURNEYS_INVALID`, `SERVER_NOT_FOUND`
 * @example
 * const test = await startJourneyTest({ journeys: './journeys.js', journey: 'loyalty' });
 * await test.send({ eventType: 'view', userId: 'ann' });
 * await test.skip(days(7));
 * expect(test.alerts).toHaveLength(1);
 * await test.stop();
 */
export async function startJourneyTest(options: JourneyTestOptions): Promise<JourneyTest> {
  const { set, byId } = (await loadJourneys(options.journeys)).journeys;
  const compiled = byId.get(options.journey);
  if (!compiled) {
    throw new CepError(
      'JOURNEYS_INVALID',
      `the module has no journey "${options.journey}": it has ${[...byId.keys()].join(', ')}`,
    );
  }
  const { journey } = compiled;
  quietTemporal();
  const { dataConverter } = options;
  const log = createLogger('warn');
  const declaration = await loadEffects(options.effects);
  const goals = goalsOf(declaration);
  const env = await startTimeSkipping(dataConverter ? { client: { dataConverter } } : {});
  const hasEffects =
    Object.keys(declaration.effects).length > 0 || Object.keys(options.activities ?? {}).length > 0;
  const store = hasEffects ? await openStore({ memory: true }, { migrate: true }) : null;
  const alerts: Alert[] = [];
  const published = new Set<string>();
  const sent = new Map<string, SessionRef>();
  let offset = 0;
  let lastTime: Timestamp = Number.MIN_SAFE_INTEGER;
  // Every event sent has been accepted before anyone can ask, so the present is a true watermark.
  const progress: ProgressReader = {
    read: async () => {
      lastTime = Math.max(lastTime, await env.currentTimeMs());
      return { watermark: lastTime, lowWater: offset, finished: false };
    },
  };
  const worker = await createWorker({
    journeys: options.journeys,
    store: { progress, ledger: memoryLedger(), ...(store ? { effects: store.effects } : {}) },
    ...(options.effects ? { effects: options.effects } : {}),
    ...(options.users ? { users: options.users } : {}),
    progressWaitMs: 0,
    connection: env.nativeConnection,
    log,
    ...(dataConverter ? { dataConverter } : {}),
    ...(options.activities ? { activities: options.activities } : {}),
    alerts: {
      publish: async (step) => {
        alerts.push(...step.filter(({ id }) => !published.has(id)));
        for (const { id } of step) published.add(id);
      },
    },
  });
  const running = runWorker(worker);

  const deliver = async (ref: SessionRef, events: BatchedEvent[], watermark: Timestamp) => {
    const input: SessionInput = {
      ...ref,
      settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0 },
    };
    const batch = { source: SOURCE, partition: 0, events, watermark, lowWater: offset };
    const workflowId = sessionWorkflowId(ref);
    await env.client.workflow.signalWithStart(SESSION_WORKFLOW, {
      workflowId,
      taskQueue: TASK_QUEUE,
      args: [input],
      signal: EVENTS_SIGNAL,
      signalArgs: [batch],
    });
  };

  const state = async (ref: SessionRef): Promise<SessionState | null> => {
    const handle = env.client.workflow.getHandle(sessionWorkflowId(ref));
    const { status } = await handle.describe();
    return status.name === 'RUNNING' ? handle.query<SessionState>(STATE_QUERY) : null;
  };

  /** Told to effects as by an ingestor. */
  const watch = store
    ? new GoalWatch({
        ...{ goals, ledger: store.effects, tell: temporalGoals(env.client), log },
      })
    : null;

  /** Whether an alert's effects have anything to do before time goes on. */
  const isBusy = async ({ id }: Alert): Promise<boolean> => {
    try {
      const handle = env.client.workflow.getHandle(effectWorkflowId(id));
      if ((await handle.describe()).status.name !== 'RUNNING') return false;
      const present = await env.currentTimeMs();
      const effects = await handle.query<EffectProgress[]>(EFFECTS_QUERY);
      const open = effects.filter(({ state }) => !isOver(state));
      return open.length === 0 || open.some(({ until }) => until === null || until <= present);
    } catch (error) {
      // Its rule names none.
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };

  /** Waits until no session and no effect has anything to do before time goes on. */
  const settle = async () => {
    await settleSessions();
    if (!store) return;
    for (const alert of alerts) while (await isBusy(alert)) await env.sleep(1);
  };

  const settleSessions = async () => {
    for (const ref of sent.values()) {
      for (;;) {
        const present = await env.currentTimeMs();
        const session = await state(ref);
        if (session === null) break;
        const { nextDeadline, publishing } = session;
        if (publishing === 0 && (nextDeadline === null || nextDeadline > present)) break;
        await env.sleep(1);
      }
    }
  };

  return {
    alerts,
    now: () => env.currentTimeMs(),
    state: async (key) => {
      const ref = sent.get(key);
      return ref ? state(ref) : null;
    },
    effects: async ({ id }) => (await store?.effects.ofAlert(id)) ?? [],
    send: async (...events) => {
      for (const event of events) {
        const given = event[set.eventTime];
        const timestamp =
          given === undefined ? Math.max(await env.currentTimeMs(), lastTime + 1) : Number(given);
        if (!(timestamp > lastTime)) {
          throw new CepError(
            'RECORD_WITHOUT_TIME',
            `the event time ${String(given)} is not after ${lastTime}, the event time reached: send events in order, with times in ms since the epoch`,
          );
        }
        const data = { ...event, [set.eventTime]: timestamp };
        await watch?.reached({ source: SOURCE, partition: 0, offset, timestamp, data });
        if (journey.accepts && !journey.accepts(data)) continue;
        const key = typeof journey.key === 'string' ? data[journey.key] : journey.key(data);
        if (key === undefined || key === null || key === '') {
          throw new CepError(
            'RECORD_WITHOUT_KEY',
            `the event has no key for journey "${journey.id}"`,
          );
        }
        const ref = { journey: journey.id, key: String(key) };
        const batched = { offset, timestamp, data };
        const isBeginning = compiled.canBegin({ source: SOURCE, partition: 0, ...batched });
        lastTime = timestamp;
        if (!isBeginning && !(sent.has(ref.key) && (await state(ref)))) continue;
        await deliver(ref, [batched], timestamp);
        offset++;
        sent.set(ref.key, ref);
      }
      await settle();
    },
    skip: async (ms) => {
      await env.sleep(ms);
      await settle();
    },
    stop: async () => {
      await running.stop();
      await env.teardown();
      await store?.close();
    },
  };
}
