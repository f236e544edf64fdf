// The server of a command: the one that the environment names, made ready for sessions.

import type { Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import {
  connectionOptionsFromEnv,
  connectToServer,
  ensureSearchAttributes,
} from '../servers/connection.js';
import { seconds } from '../time.js';
import { progress } from './terminal.js';

export const SERVER_HELP = `
The server is the one of TEMPORAL_ADDRESS (default localhost:7233), and the rest of Temporal's own
environment configuration: TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*, TEMPORAL_PROFILE.`;

/** How long a server may take to answer. */
const ANSWER_MS = seconds(10);

/**
 * Connects as a client. The caller closes it.
 *
 * @throws CepError `SERVER_UNREACHABLE`, `SETTING_INVALID`
 */
export async function connectClient(): Promise<{
  connection: Connection;
  namespace: string;
  address: string;
}> {
  const settings = connectionOptionsFromEnv();
  const { namespace, connectionOptions } = settings;
  const { address } = connectionOptions;
  const waiting = setTimeout(() => progress(`Waiting for the server at ${address}`), seconds(1));
  try {
    return { connection: await connectToServer(settings, ANSWER_MS), namespace, address };
  } finally {
    clearTimeout(waiting);
  }
}

/**
 * Makes sure that the server can be used, and connects as worker and ingestor do. The caller closes it.
 *
 * @throws CepError `SERVER_UNREACHABLE`, `SETTING_INVALID`
 */
export async function connectNative(): Promise<{
  connection: NativeConnection;
  namespace: string;
  address: string;
}> {
  const { connection: client, namespace, address } = await connectClient();
  try {
    await ensureSearchAttributes(client, namespace);
  } finally {
    await client.close();
  }
  return { connection: await connectAgain(), namespace, address };
}

/** One connection more to the same server, which is there. The caller closes it. */
export async function connectAgain(): Promise<NativeConnection> {
  // Native code, which commands that only ask a server do without.
  const { NativeConnection } = await import('@temporalio/worker');
  const { quietTemporal } = await import('../temporal-runtime.js');
  quietTemporal();
  return await NativeConnection.connect(connectionOptionsFromEnv().connectionOptions);
}
