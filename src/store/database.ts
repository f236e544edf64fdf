import type { Kysely } from 'kysely';
import { CepError } from '../errors.js';
import { withoutPassword } from './address.js';
import { openEmbedded } from './embedded.js';
import { openPostgres } from './postgres.js';
import type { Schema } from './schema.js';

/**
 * Where a database is: `postgres://user:password@host:5432/database`, a folder for the embedded one, or
 * the memory of this process, for tests and the demo.
 */
export type DatabaseAddress = string | { readonly folder: string } | { readonly memory: true };

/** An open database. */
export interface Database {
  readonly db: Kysely<Schema>;
  /** Where it is, for messages: without a password. */
  readonly name: string;
  /** Waits for what is under way, then lets go of it. May be called twice. */
  close(): Promise<void>;
}

/**
 * Opens a database. A server gets about ten seconds to answer; later on, connections that are lost are
 * made anew by themselves.
 *
 * @throws CepError `SETTING_INVALID` for an address, password, database or folder that can't be used;
 *   `DATABASE_UNREACHABLE` when nothing answers; `ALREADY_RUNNING` when another process has the folder
 */
export async function openDatabase(address: DatabaseAddress): Promise<Database> {
  if (typeof address !== 'string') return await openEmbedded(address);
  if (/^postgres(ql)?:\/\//.test(address)) return await openPostgres(address);
  const name = withoutPassword(address);
  throw new CepError(
    'SETTING_INVALID',
    `"${name}" is no database address: write postgres://user:password@host:5432/database`,
    { details: { database: name } },
  );
}
