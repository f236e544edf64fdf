// The ingestor's answer to the sessions' question "how far are you?": an activity on a task queue of its
// own, so that a worker in another process can ask without a shared database. While the ingestor is
// down the question waits, and with it the session: nothing times out that was not proven to.

import { type NativeConnection, Worker } from '@temporalio/worker';
import type { SessionActivities } from '../activities/index.js';
import { runWorker } from '../temporal-runtime.js';
import { progressTaskQueue, TASK_QUEUE } from '../workflows/messages.js';
import type { ProgressStore } from './progress.js';

/**
 * Starts to answer for one source.
 *
 * @returns a function that stops it
 */
export async function serveProgress(options: {
  connection: NativeConnection;
  namespace?: string;
  taskQueue?: string;
  source: string;
  store: ProgressStore;
}): Promise<() => Promise<void>> {
  const { connection, namespace = 'default', taskQueue = TASK_QUEUE, source, store } = options;
  const activities: Pick<SessionActivities, 'readProgress'> = {
    readProgress: (asked, partition) => store.read(asked, partition),
  };
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: progressTaskQueue(taskQueue, source),
    activities,
  });
  return runWorker(worker).stop;
}
