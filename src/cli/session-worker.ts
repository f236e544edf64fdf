// The worker of a command: alone, or in the process of an ingestor.

import type { DataConverter } from '@temporalio/common';
import type { NativeConnection, WorkerDeploymentOptions } from '@temporalio/worker';
import type { Registry } from 'prom-client';
import { type AlertSink, type LateSink, loggedLate, type RuleReader } from '../activities/index.js';
import type { Logger } from '../log.js';
import { workerMetrics } from '../metrics.js';
import type { Store } from '../store/store.js';
import { runWorker } from '../temporal-runtime.js';
import { createWorker } from '../worker.js';

export interface SessionWorkerOptions {
  readonly journeys: string;
  readonly taskQueue: string;
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly store: Store;
  /** Where rules come from a table; null where none does. */
  readonly rules: RuleReader | null;
  /** That of Temporal where there is none. */
  readonly dataConverter: DataConverter | null;
  /** Printed where there is none. */
  readonly alerts: AlertSink | null;
  /** The log where there is none. */
  readonly late: LateSink | null;
  /** Its version, where it takes part in worker versioning. */
  readonly workerDeploymentOptions?: WorkerDeploymentOptions;
  /** Gets the worker's counters. */
  readonly registry: Registry;
  readonly log: Logger;
}

/** Starts a worker. @returns the end of its run, and a function that stops it */
export async function startSessionWorker(
  options: SessionWorkerOptions,
): Promise<{ ended: Promise<void>; stop(): Promise<void> }> {
  const { alerts, registry, dataConverter, rules, ...rest } = options;
  const late = options.late ?? loggedLate(options.log);
  const metrics = workerMetrics(registry);
  const worker = await createWorker({
    ...rest,
    ...(alerts ? { alerts } : {}),
    ...(dataConverter ? { dataConverter } : {}),
    ...(rules ? { rules } : {}),
    late: {
      publish: async (session, events, reason) => {
        await late.publish(session, events, reason);
        metrics.notTaken(reason, events.length);
      },
    },
    onPublished: metrics.published,
    onDropped: metrics.dropped,
  });
  return runWorker(worker);
}
