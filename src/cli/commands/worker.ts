import { Command } from 'commander';
import { fileAlerts } from '../../activities/index.js';
import { loadJourneys } from '../../journeys-module.js';
import { createLogger } from '../../log.js';
import { runWorker } from '../../temporal-runtime.js';
import { createWorker } from '../../worker.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { connectNative, SERVER_HELP } from '../server.js';
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
    .addHelpText(
      'after',
      `${SERVER_HELP}

Runs until Ctrl-C or SIGTERM: it then finishes the activities under way and exits with 0. Sessions go
on with the next worker. Rules with effects of their own need a worker of their own: createWorker() of
temporal-cep/worker.`,
    )
    .action(run);
}

async function run({ journeys, taskQueue, alerts }: WorkerFlags): Promise<void> {
  const signal = stopSignal();
  // What is wrong here is known at once; a server that does not answer takes its time.
  await loadJourneys(journeys);
  const sink = alerts === undefined ? undefined : fileAlerts(alerts);
  const { connection, namespace, address } = await connectNative();
  try {
    const worker = await createWorker({
      journeys,
      taskQueue,
      connection,
      namespace,
      log: createLogger('info'),
      ...(sink ? { alerts: sink } : {}),
    });
    const { ended, stop } = runWorker(worker);
    note(`Worker is ready on task queue ${taskQueue} at ${address}; Ctrl-C stops it`);
    await Promise.race([ended, whenAborted(signal)]);
    await stop();
  } finally {
    await sink?.close?.();
    await connection.close();
  }
}
