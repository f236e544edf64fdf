// The worker: bundles a journeys module into the session workflow and runs sessions and activities.

import type { DataConverter } from '@temporalio/common';
import {
  type InjectedSinks,
  type Logger as TemporalLogger,
  Worker,
  type WorkerDeploymentOptions,
  type WorkerOptions,
  type WorkerPlugin,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import {
  type AlertLedger,
  type AlertSink,
  consoleAlerts,
  createActivities,
  createEffectActivities,
  fileAlerts,
  type LateSink,
  loggedLate,
  type ProgressReader,
  type RuleReader,
  type UserDirectory,
} from './activities/index.js';
import { type EffectsDocument, requireDeclared, withFunctions } from './effects/declaration.js';
import type { Effect } from './effects/kinds/function.js';
import { sendersOf } from './effects/kinds/index.js';
import type { Sender } from './effects/kinds/kind.js';
import type { EffectLedger } from './effects/ledger.js';
import { loadEffects } from './effects-module.js';
import { CepError, messageOf } from './errors.js';
import { failpointSinks, isAnyFailpointArmed } from './failpoints.js';
import { loadJourneys } from './journeys-module.js';
import { createLogger, type Logger } from './log.js';
import { warningsOf } from './pattern/warnings.js';
import type { Alert } from './rules/rule.js';
import { quietLogger } from './temporal-runtime.js';
import { type Millis, seconds } from './time.js';
import { bundleWorkflows } from './workflow-bundle.js';
import { type NotTakenReason, type SessionSinks, TASK_QUEUE } from './workflows/messages.js';

export interface CreateWorkerOptions
  extends Omit<WorkerOptions, 'workflowsPath' | 'workflowBundle' | 'activities' | 'taskQueue'> {
  /** The journeys module: a path relative to the working directory, or a file URL. */
  readonly journeys: string | URL;
  /**
   * What the worker shares with its ingestors: how far they are, and which alerts were sent. The database
   * of `openStore()`, or `memoryStore()` where one process is all of it.
   */
  readonly store: {
    readonly progress: ProgressReader;
    readonly ledger: AlertLedger;
    /** Where rules name effects. */
    readonly effects?: EffectLedger;
  };
  /** Where the rules of journeys come from a table: their revisions. */
  readonly rules?: RuleReader;
  /** Default `temporal-cep`. */
  readonly taskQueue?: string;
  /** What alerts set off, as for `defineEffects()`; or the path of a module or JSON document with it. None by default. */
  readonly effects?: EffectsDocument | string | URL;
  /**
   * Functions of the user's own by name, for effects of the kind `function`. One that no effect is declared for is an effect
   * by its own name.
   */
  readonly activities?: Readonly<Record<string, Effect>>;
  /** What is known of users beside what matches say: addresses and zones. */
  readonly users?: UserDirectory;
  /** An NDJSON file, or a sink of one's own. Standard output by default. */
  readonly alerts?: string | AlertSink;
  /** Events that their session did not take, most of them too late; the log by default. */
  readonly late?: LateSink;
  readonly log?: Logger;
  /** Called with the alerts that the sink has just taken. */
  readonly onPublished?: (alerts: readonly Alert[]) => void;
  /** Called when a session has dropped partial matches: at a limit of a rule, or because it changed or went. */
  readonly onDropped?: (journey: string, rule: string, partialMatches: number) => void;
  /**
   * How long a session's question how far its ingestors are may wait for the answer that it hopes for. Default 3 s; 0 where time
   * is skipped, since it stands while an activity runs.
   */
  readonly progressWaitMs?: Millis;
  /** Made before by {@link bundleJourneys}, to start faster; with the same data converter. */
  readonly bundle?: WorkflowBundleWithSourceMap;
}

/** To record how a try has ended. */
const LEDGER_MS: Millis = seconds(5);

/**
 * Makes a worker for the sessions of a journeys module. Start it with `worker.run()`.
 *
 * @throws CepError `JOURNEYS_INVALID` when the module can't be used, or a rule names an effect that is not registered,
 *   `EFFECTS_INVALID`, and `SETTING_INVALID` for what effects need and there is not
 * @example
 * const store = await openStore('postgres://localhost/cep');
 * const worker = await createWorker({ journeys: './journeys.js', store, activities: { sendCoupon } });
 * await worker.run();
 */
export async function createWorker(options: CreateWorkerOptions): Promise<Worker> {
  const {
    journeys: module,
    taskQueue = TASK_QUEUE,
    activities = {},
    effects: declared,
    users,
    alerts = consoleAlerts(),
    log = createLogger(),
    late = loggedLate(log),
    store,
    rules,
    onPublished,
    onDropped,
    progressWaitMs,
    bundle,
    workerDeploymentOptions,
    ...workerOptions
  } = options;
  const { path, journeys } = await loadJourneys(module);
  const sink = typeof alerts === 'string' ? fileAlerts(alerts) : alerts;
  if (!store) {
    throw new CepError(
      'SETTING_INVALID',
      'createWorker() needs a store, where ingestors say how far they are: pass { store: await openStore(address) } of temporal-cep/store, or memoryStore() where one process is all of it',
    );
  }
  const { progress, ledger } = store;
  const own = createActivities({
    progress,
    ledger,
    alerts: sink,
    late,
    ...(rules ? { rules } : {}),
    ...(progressWaitMs === undefined ? {} : { progressWaitMs }),
    ...(onPublished ? { onPublished } : {}),
  });
  const declaration = withFunctions(await loadEffects(declared), Object.keys(activities));
  requireDeclared(
    journeys,
    declaration,
    (effect) =>
      `declare it under effects, or pass it to createWorker({ activities: { ${effect} } })`,
  );
  for (const { journey } of journeys.byId.values()) {
    for (const { id, pattern } of journey.rules) {
      for (const { message } of warningsOf(pattern)) {
        log.warn('pattern may explode', { journey: journey.id, rule: id, reason: message });
      }
    }
  }
  const isInForce = async ({ id, journey, rule }: Alert): Promise<boolean> => {
    const isOwn = journeys.byId.get(journey)?.journey.rules.some((own) => own.id === rule);
    const revision = rules && !isOwn ? await rules.newest(journey) : null;
    if (!revision || revision.rules.some((r) => r.row.id === rule && r.mode === 'on')) return true;
    log.info('effect not set off: its rule is no longer on', { journey, rule, alertId: id });
    return false;
  };
  const hasEffects = Object.keys(declaration.effects).length > 0;
  if (hasEffects && !store.effects) {
    throw new CepError(
      'SETTING_INVALID',
      'effects need a database, where it stands what was sent: pass { store: await openStore(address) } of temporal-cep/store; { memory: true } is an address for tests',
    );
  }
  const senders = sendersOf(declaration, process.env, activities);
  const effectActivities = store.effects && {
    ...createEffectActivities({
      declaration,
      senders,
      ledger: store.effects,
      users,
      isInForce,
      log,
    }),
  };
  // A try that is cut short may have arrived, and a mail is not sent again for that.
  const longestTry = Math.max(0, ...Object.values(declaration.effects).map((each) => each.timeout));
  const sinks: InjectedSinks<SessionSinks> = {
    session: {
      dropped: {
        fn: (_, journey, rule, partialMatches) => onDropped?.(journey, rule, partialMatches),
      },
    },
  };
  return Worker.create({
    // Sessions share one V8 context: a fifth of the memory (the default, but relied upon here).
    reuseV8Context: true,
    // Most of them wait for a watermark.
    maxConcurrentActivityTaskExecutions: 1_000,
    // One thread runs them. What a worker has taken and not come to gathers no more signals: each of those needs a task of its own then.
    maxConcurrentWorkflowTaskExecutions: 10,
    ...(hasEffects ? { shutdownGraceTime: longestTry + LEDGER_MS } : {}),
    ...workerOptions,
    ...(hasEffects ? { plugins: [...(workerOptions.plugins ?? []), closing(senders, log)] } : {}),
    ...deploymentOf(workerDeploymentOptions),
    taskQueue,
    activities: { ...own, ...effectActivities },
    workflowBundle: bundle ?? (await bundleJourneys(path, quietLogger, options.dataConverter)),
    sinks: {
      ...workerOptions.sinks,
      ...sinks,
      ...(isAnyFailpointArmed ? failpointSinks : {}),
    },
  });
}

/**
 * Bundles a journeys module and the session workflow; takes some seconds.
 *
 * @param module - path relative to the working directory, or a file URL
 * @param logger - gets the bundler's messages; by default only warnings and errors are shown
 * @param dataConverter - that of the worker: its converters run in the workflow, its codecs do not
 */
export async function bundleJourneys(
  module: string | URL,
  logger?: TemporalLogger,
  dataConverter?: DataConverter,
): Promise<WorkflowBundleWithSourceMap> {
  const { path } = await loadJourneys(module);
  return bundleWorkflows({ journeys: path, logger, dataConverter });
}

/** Closes what senders hold open once the worker has ended: it would keep the process alive. */
function closing(senders: ReadonlyMap<string, Sender>, log: Logger): WorkerPlugin {
  const close = async ([effect, sender]: [string, Sender]) => {
    try {
      await sender.close?.();
    } catch (error) {
      log.warn('what an effect is sent over was not closed', { effect, reason: messageOf(error) });
    }
  };
  return {
    name: 'temporal-cep',
    runWorker: async (worker, run) => {
      try {
        await run(worker);
      } finally {
        // Not waited for: a database that stands still may hold a connection for long.
        for (const each of senders) void close(each);
      }
    },
  };
}

/** A session takes a worker that says the name of its deployment for a versioned one. */
function deploymentOf(options: WorkerDeploymentOptions | undefined): Partial<WorkerOptions> {
  if (!options) return {};
  if (options.useWorkerVersioning) return { workerDeploymentOptions: options };
  return { buildId: options.version.buildId };
}

export { loadDataConverter } from './data-converter.js';
export { defineEffects, type EffectsDocument } from './effects/declaration.js';
export type { Effect };
export {
  type Alert,
  type AlertSink,
  consoleAlerts,
  fileAlerts,
  type LateSink,
  type NotTakenReason,
};
