// The workers of a command: in a process of their own, or in that of an ingestor.

import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { DataConverter } from '@temporalio/common';
import type { NativeConnection, Worker, WorkerDeploymentOptions } from '@temporalio/worker';
import type { Registry } from 'prom-client';
import { type AlertSink, type LateSink, loggedLate, type RuleReader } from '../activities/index.js';
import type { Logger } from '../log.js';
import { workerMetrics } from '../metrics.js';
import type { Store } from '../store/store.js';
import { runWorker } from '../temporal-runtime.js';
import { bundleJourneys, type CreateWorkerOptions, createWorker } from '../worker.js';
import { connectAgain } from './server.js';

/** Of the option that names the declaration. */
export const EFFECTS_HELP =
  'what alerts set off, and the goals of users: a JSON document, or a module';

export interface SessionWorkerOptions {
  readonly journeys: string;
  readonly taskQueue: string;
  readonly connection: NativeConnection;
  /** How many, each with a connection of its own; 1 by default. */
  readonly workers?: number;
  readonly namespace: string;
  readonly store: Store;
  /** Path of the declaration of effects; undefined where there is none. */
  readonly effects?: string | undefined;
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

/** Starts the workers. @returns the end of their run, and a function that stops them */
export async function startSessionWorkers(
  options: SessionWorkerOptions,
): Promise<{ ended: Promise<void>; stop(): Promise<void> }> {
  const {
    alerts,
    registry,
    dataConverter,
    rules,
    connection,
    effects,
    workers: count = 1,
    ...rest
  } = options;
  const late = options.late ?? loggedLate(options.log);
  const metrics = workerMetrics(registry);
  const workerOptions: Omit<CreateWorkerOptions, 'connection'> = {
    ...rest,
    bundle: await bundleJourneys(rest.journeys, undefined, dataConverter ?? undefined),
    ...(effects === undefined ? {} : { effects }),
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
  };
  const connections = [connection];
  const workers: Worker[] = [];
  for (let number = 1; number <= count; number++) {
    // Workers of one connection and task queue are refused by the SDK.
    const own = connections[number - 1] ?? (await connectAgain());
    connections[number - 1] = own;
    const identity = count === 1 ? {} : { identity: `${pid}@${hostname()}#${number}` };
    workers.push(await createWorker({ ...workerOptions, ...identity, connection: own }));
  }
  const runs = workers.map(runWorker);
  return {
    ended: Promise.all(runs.map(({ ended }) => ended)).then(() => {}),
    stop: async () => {
      await Promise.all(runs.map(({ stop }) => stop()));
      for (const own of connections.slice(1)) await own.close();
    },
  };
}
