import { NativeConnection } from '@temporalio/worker';
import { Command } from 'commander';
import { fileAlerts } from '../../activities/index.js';
import { createLogger } from '../../log.js';
import {
  connectionOptionsFromEnv,
  connectToServer,
  ensureSearchAttributes,
} from '../../servers/connection.js';
import { runWorker } from '../../temporal-runtime.js';
import { createWorker } from '../../worker.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { note, stopSignal, whenAborted } from '../terminal.js';

interface WorkerFlags {
  journeys: string;
  taskQueue: string;
  alerts?: string;
}

export function workerCommand(): Command {
  return new Command('worker')
    .description('run the sessions and activities of a journeys module')
    .requiredOption('--journeys <file>', 'the journeys module, JavaScript or TypeScript')
    .option('--task-queue <name>', 'task queue of sessions and activities', TASK_QUEUE)
    .option('--alerts <file>', 'append alerts to this NDJSON file (default: print them)')
    .addHelpText('after', '\nThe server is the one of TEMPORAL_ADDRESS (default localhost:7233).')
    .action(run);
}

async function run({ journeys, taskQueue, alerts }: WorkerFlags): Promise<void> {
  const signal = stopSignal();
  const settings = connectionOptionsFromEnv();
  const { namespace, connectionOptions } = settings;
  const client = await connectToServer(settings);
  try {
    await ensureSearchAttributes(client, namespace);
  } finally {
    await client.close();
  }
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    const sink = alerts === undefined ? undefined : fileAlerts(alerts);
    const worker = await createWorker({
      journeys,
      taskQueue,
      connection,
      namespace,
      log: createLogger('info'),
      ...(sink ? { alerts: sink } : {}),
    });
    const { ended, stop } = runWorker(worker);
    note(
      `Worker is ready on task queue ${taskQueue} at ${connectionOptions.address}; Ctrl-C stops it`,
    );
    await Promise.race([ended, whenAborted(signal)]);
    await stop();
    await sink?.close?.();
  } finally {
    await connection.close();
  }
}
