// One session of the server: questions to it, and updates of it.

import {
  isGrpcServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { CepError, messageOf } from '../errors.js';
import { seconds } from '../time.js';
import type { SessionRef } from '../workflows/messages.js';
import { sessionWorkflowId } from '../workflows/session-id.js';
import { type DataConverterFlags, dataConverterOf, keySecret, openClient } from './client.js';
import { connectClient } from './server.js';

/** How long a worker may take to answer for a session. */
const ANSWER_MS = seconds(10);

/** What is known of an open session by the ones who work on it. */
export interface SessionHandle {
  query<T>(name: string): Promise<T>;
  update<T>(name: string, request: object): Promise<T>;
}

/**
 * Connects, and does something with a session that is open.
 *
 * @throws CepError `SERVER_UNREACHABLE` when no server, or no worker, answers; `INPUT_MISSING` when the session is not
 *   open; `SETTING_INVALID` when it refuses the update
 */
export async function withSession<T>(
  ref: SessionRef & DataConverterFlags,
  act: (session: SessionHandle) => Promise<T>,
): Promise<T> {
  const workflowId = sessionWorkflowId(ref, keySecret());
  const dataConverter = await dataConverterOf(ref);
  const { connection, namespace } = await connectClient();
  const client = openClient({ connection, namespace }, dataConverter);
  const handle = client.workflow.getHandle(workflowId);
  const asking = async <A>(ask: () => Promise<A>): Promise<A> => {
    try {
      if ((await handle.describe()).status.name !== 'RUNNING') throw notOpen(ref);
      return await client.withDeadline(Date.now() + ANSWER_MS, ask);
    } catch (cause) {
      throw failureOf(cause, ref, workflowId);
    }
  };
  try {
    return await act({
      query: (name) => asking(() => handle.query(name)),
      update: (name, request) => asking(() => handle.executeUpdate(name, { args: [request] })),
    });
  } finally {
    await connection.close();
  }
}

function failureOf(cause: unknown, ref: SessionRef, workflowId: string): unknown {
  if (cause instanceof WorkflowNotFoundError) return notOpen(ref);
  if (cause instanceof WorkflowUpdateFailedError) {
    const said = messageOf(cause.cause ?? cause);
    return new CepError('SETTING_INVALID', `session ${workflowId} refuses it: ${said}`, { cause });
  }
  const grpc = isGrpcServiceError(cause) ? cause : (cause as { cause?: unknown }).cause;
  const isTimeout = cause instanceof WorkflowUpdateRPCTimeoutOrCancelledError;
  if (!isTimeout && !isGrpcServiceError(grpc)) return cause;
  const said = isGrpcServiceError(grpc) ? grpc.details || messageOf(grpc) : messageOf(cause);
  return new CepError(
    'SERVER_UNREACHABLE',
    `no worker answers for session ${workflowId} (${said}): start one with temporal-cep worker, on the session's task queue. An update may still be done when one comes`,
    { details: { workflowId }, cause },
  );
}

function notOpen({ journey, key }: SessionRef): CepError {
  return new CepError(
    'INPUT_MISSING',
    `no session of journey "${journey}" is open for the key "${key}": a session ends when nothing is open for its key; temporal-cep find lists those that are`,
  );
}
