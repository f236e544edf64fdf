import {
  DefaultLogger,
  type LogEntry,
  makeTelemetryFilterString,
  Runtime,
  type Worker,
} from '@temporalio/worker';

/** Said of every worker that runs activities alone, as an ingestor's does on purpose. */
const EXPECTED = /^No workflows registered/;

/** Temporal's log with only what needs attention, on standard error. */
export const quietLogger = new DefaultLogger('WARN', ({ level, message, meta }: LogEntry) => {
  if (EXPECTED.test(message)) return;
  const attributes = meta && Object.keys(meta).length > 0 ? ` ${JSON.stringify(meta)}` : '';
  process.stderr.write(`temporal ${level.toLowerCase()}: ${message}${attributes}\n`);
});

/**
 * Runs a worker.
 *
 * @returns the end of its run, and a function that stops it if it runs and waits for that end
 */
export function runWorker(worker: Worker): { ended: Promise<void>; stop(): Promise<void> } {
  const ended = worker.run();
  return {
    ended,
    stop: () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return ended;
    },
  };
}

let isInstalled = false;

/**
 * Makes Temporal's SDK say only what needs attention; it logs every step of a worker otherwise. Has no
 * effect once the SDK runs in this process.
 */
export function quietTemporal(): void {
  if (isInstalled) return;
  isInstalled = true;
  try {
    Runtime.install({
      logger: quietLogger,
      // Who starts workers also stops them, in the right order; the SDK would stop all at once.
      shutdownSignals: [],
      telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
    });
  } catch {
    // The application has made its own choice before.
  }
}
