// How a command that failed is told of: in one line that says what to do.

import { CepError, messageOf } from '../errors.js';

/** @returns for a fault of ours its stack, which is the best there is */
export async function failureText(error: unknown): Promise<string> {
  if (error instanceof CepError) return messageOf(error);
  // Temporal's client takes half of the time that a command without it does.
  const { isGrpcServiceError } = await import('@temporalio/client');
  const { ENCODED, isEncoded } = await import('./client.js');
  if (isEncoded(error)) return ENCODED;
  const grpc = isGrpcServiceError(error) ? error : (error as { cause?: unknown })?.cause;
  if (isGrpcServiceError(grpc)) {
    const said = grpc.details || messageOf(grpc);
    return `the Temporal server did not do what was asked of it: ${said}`;
  }
  if (!(error instanceof Error)) return String(error);
  const { isPassing } = await import('../store/sql-state.js');
  // It answered when the command began.
  if (isPassing(error)) {
    return `the database went away: ${error.message}; start the command again when it is back`;
  }
  return error.stack ?? String(error);
}
