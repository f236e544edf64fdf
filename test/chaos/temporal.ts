// A Temporal dev server that can be killed. What it has acknowledged stands in its SQLite file: a killed
// process loses nothing that it has written, and every transaction is written before it is acknowledged.
// A write-ahead log is what makes this fast enough.

import { join } from 'node:path';
import { connectToServer, searchAttributeFlags } from '../../src/servers/connection.js';
import { findTemporalCli } from '../../src/servers/dev-server.js';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import { type GuardedProcess, startGuarded } from '../../src/servers/process.js';
import { type Millis, minutes, seconds } from '../../src/time.js';
import type { KillableServer } from './world.js';

/** Sessions continue as new after a dozen signals. */
const HISTORY_SUGGESTED = 50;

export interface KillableTemporal extends KillableServer {
  readonly address: string;
  answers(): Promise<boolean>;
}

/** @param folder - gets its database file */
export async function startTemporal(folder: string): Promise<KillableTemporal> {
  const { TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, ...env } = process.env;
  const executable = await findTemporalCli({ env });
  const port = await freePort();
  const args = [
    ...['server', 'start-dev', '--headless', '--ip', LOOPBACK, '--port', `${port}`],
    ...['--db-filename', join(folder, 'temporal.db'), '--log-level', 'error'],
    ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'],
    ...searchAttributeFlags().flatMap((flag) => ['--search-attribute', flag]),
    ...[
      'matching.numTaskqueueReadPartitions=1',
      'matching.numTaskqueueWritePartitions=1',
      `limit.historyCount.suggestContinueAsNew=${HISTORY_SUGGESTED}`,
    ].flatMap((value) => ['--dynamic-config-value', value]),
  ];
  const address = `${LOOPBACK}:${port}`;
  let server: GuardedProcess | null = null;
  const signal = (name: NodeJS.Signals) => {
    if (server?.pid === undefined) return;
    try {
      process.kill(-server.pid, name);
    } catch (error) {
      // On a machine that is too busy it ends by itself, and is brought back after the next kill.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const connects = async (timeoutMs: Millis) => {
    const settings = { namespace: 'default', connectionOptions: { address } };
    await (await connectToServer(settings, timeoutMs)).close();
  };
  const start = async () => {
    const started = startGuarded(executable, args, { env });
    server = started;
    const ended = started.exited.then(() => {
      throw new Error(`the Temporal server ended early:\n${started.tail()}`);
    });
    ended.catch(() => {});
    await Promise.race([connects(minutes(1)), ended]);
  };
  await start();
  return {
    address,
    start,
    answers: () =>
      connects(seconds(20)).then(
        () => true,
        () => false,
      ),
    kill: async () => {
      signal('SIGKILL');
      await server?.exited;
      server = null;
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    stop: async () => {
      signal('SIGCONT');
      await server?.stop(seconds(5));
    },
  };
}
