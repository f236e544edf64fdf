// The workers' process: sessions of either design, their activities, and the sink.

import { fileURLToPath } from 'node:url';
import { NativeConnection } from '@temporalio/worker';
import { memoryLedger } from '../../src/activities/index.js';
import { messageOf } from '../../src/errors.js';
import type { Alert } from '../../src/rules/rule.js';
import { quietTemporal } from '../../src/temporal-runtime.js';
import { createWorker } from '../../src/worker.js';
import { bundleWorkflows } from '../../src/workflow-bundle.js';
import type { PartitionProgress } from '../../src/workflows/messages.js';
import { answer } from './calls.js';
import { collect, ownUsage } from './usage.js';

export interface WorkerStart {
  readonly address: string;
  /** URL of the journeys module. */
  readonly journeys: string;
  readonly workers: number;
  /** Of all of them. */
  readonly maxCachedWorkflows: number;
}

/** An alert in the sink, by how long after its event time it came there. */
export interface Published {
  readonly type: string;
  readonly latencyMs: number;
}

const progress = new Map<string, PartitionProgress>();
let published: Published[] = [];

async function start(options: WorkerStart): Promise<void> {
  const { address, journeys, workers, maxCachedWorkflows } = options;
  quietTemporal();
  const ledger = memoryLedger();
  const bundle = await bundleWorkflows({
    journeys: fileURLToPath(journeys),
    workflows: fileURLToPath(new URL('./workflows.js', import.meta.url)),
  });
  for (let started = 0; started < workers; started++) {
    const worker = await createWorker({
      journeys: new URL(journeys),
      connection: await NativeConnection.connect({ address }),
      bundle,
      maxCachedWorkflows: Math.ceil(maxCachedWorkflows / workers),
      store: {
        progress: {
          read: async (source, partition) => progress.get(`${partition} ${source}`) ?? null,
        },
        ledger,
      },
      alerts: { publish: async (alerts) => alerts.forEach(note) },
    });
    worker.run().catch((error) => {
      process.stderr.write(`worker: ${messageOf(error)}\n`);
      process.exit(1);
    });
  }
}

function note({ type, at }: Alert): void {
  published.push({ type, latencyMs: Date.now() - at });
}

answer(
  {
    start,
    usage: ownUsage,
    collect,
    alertCount: () => published.length,
    alerts: () => published,
    forget: () => {
      published = [];
    },
  },
  ({ publications }) => {
    for (const { source, partition, progress: of } of publications) {
      progress.set(`${partition} ${source}`, of);
    }
  },
);
