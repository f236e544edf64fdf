// A real Temporal dev server for one test file, whatever the environment names.

import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { type DevServerOptions, startDevServer } from '../../../src/servers/dev-server.js';
import { quietTemporal } from './built.js';

export interface Dev {
  readonly address: string;
  readonly connection: NativeConnection;
  readonly client: Client;
  /** Runs before the server is stopped, last one first. */
  onStop(step: () => Promise<unknown>): void;
  stop(): Promise<void>;
}

export async function startDev(
  options: Pick<DevServerOptions, 'dynamicConfig'> = {},
): Promise<Dev> {
  quietTemporal();
  const { TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, ...env } = process.env;
  const server = await startDevServer({ ...options, ui: false, env });
  const steps: (() => Promise<unknown>)[] = [() => server.stop()];
  const connection = await NativeConnection.connect(server.connectionOptions);
  steps.push(() => connection.close());
  return {
    address: server.address,
    connection,
    client: new Client({ connection, namespace: server.namespace }),
    onStop: (step) => void steps.push(step),
    stop: async () => {
      // Each of them, whatever became of the one before: no server stays behind.
      const failures: unknown[] = [];
      for (const step of steps.splice(0).reverse()) {
        await step().catch((error) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
