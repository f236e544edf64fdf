// The client of a command, which reads and writes as the user's data converter says, and knows sessions by names that
// do not tell the key, where that is asked for.

import type { Connection } from '@temporalio/client';
import { Client } from '@temporalio/client';
import { type DataConverter, ValueError } from '@temporalio/common';
import type { NativeConnection } from '@temporalio/worker';
import type { Command } from 'commander';
import { loadDataConverter } from '../data-converter.js';
import { CepError } from '../errors.js';

const CONVERTER_VARIABLE = 'TEMPORAL_CEP_DATA_CONVERTER';
const SECRET_VARIABLE = 'TEMPORAL_CEP_KEY_SECRET';
/** Shorter ones can be guessed, and with them the keys. */
const SECRET_LENGTH_MIN = 16;

export const PRIVACY_HELP = `
What Temporal keeps is encoded as the module of --data-converter or ${CONVERTER_VARIABLE} says; all commands need
the same one. With ${SECRET_VARIABLE} in the environment of all but the worker, workflow ids and CepKey show a
keyed hash in the place of the key.`;

export interface DataConverterFlags {
  readonly dataConverter?: string;
}

export function addDataConverterOption(command: Command): Command {
  return command.option(
    '--data-converter <module>',
    'exports a data converter, such as one that encrypts (default: the environment)',
  );
}

/**
 * The data converter that a flag names, or else the environment; null for that of Temporal.
 *
 * @throws CepError `SETTING_INVALID`
 */
export async function dataConverterOf(
  flags: DataConverterFlags = {},
): Promise<DataConverter | null> {
  const module = flags.dataConverter || process.env[CONVERTER_VARIABLE];
  return module ? loadDataConverter(module) : null;
}

/** A client with a data converter, or with that of Temporal. */
export function openClient(
  server: { connection: Connection | NativeConnection; namespace: string },
  dataConverter: DataConverter | null,
): Client {
  const { connection, namespace } = server;
  return new Client({ connection, namespace, ...(dataConverter ? { dataConverter } : {}) });
}

/**
 * The secret under which sessions are named; undefined where their keys may be read.
 *
 * @throws CepError `SETTING_INVALID`
 */
export function keySecret(): string | undefined {
  const secret = process.env[SECRET_VARIABLE];
  if (!secret) return undefined;
  if (secret.length >= SECRET_LENGTH_MIN) return secret;
  throw new CepError(
    'SETTING_INVALID',
    `${SECRET_VARIABLE} must have at least ${SECRET_LENGTH_MIN} characters: make one with openssl rand -hex 32`,
  );
}

/** What the SDK throws where it meets an encoding of somebody's codec. */
export function isEncoded(error: unknown): boolean {
  return error instanceof ValueError && error.message.startsWith('Unknown encoding');
}

export const ENCODED = `what Temporal keeps of the sessions is encoded: name the module that encodes it by --data-converter or ${CONVERTER_VARIABLE}`;
