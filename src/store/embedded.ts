// PGlite, PostgreSQL inside this process: for one machine, tests and the demo.
//
//   E1. One connection, one user at a time: between BEGIN and COMMIT nobody else gets a turn.
//   E2. A folder belongs to one process. A second would destroy it, so it is turned away.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PGlite } from '@electric-sql/pglite';
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import { CepError, messageOf } from '../errors.js';
import { type HeldLock, holdLock } from '../held-lock.js';
import type { Database } from './database.js';
import type { Schema } from './schema.js';

/** @throws CepError `ALREADY_RUNNING`, `SETTING_INVALID` */
export async function openEmbedded(
  address: { readonly folder: string } | { readonly memory: true },
): Promise<Database> {
  if ('memory' in address) return serve(await load(), 'in memory');
  const { folder } = address;
  const held = await holdFolder(folder);
  try {
    return serve(await load(join(folder, 'postgres')), folder, held);
  } catch (error) {
    await held.release();
    throw folderUnusable(folder, error);
  }
}

/** Loaded only by who uses it: some 10 MB, and two seconds. */
async function load(folder?: string): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite');
  return await PGlite.create(folder);
}

function serve(pglite: PGlite, name: string, held?: HeldFolder): Database {
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: poolOf(pglite, held) }) });
  let closing: Promise<void> | undefined;
  const close = async () => {
    await db.destroy();
    // To shut down is to write, and a folder that was lost is another's.
    if (!held?.isLost) await pglite.close();
    await held?.release();
  };
  return {
    db,
    name,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** E1, as a pool of one connection. */
function poolOf(pglite: PGlite, held?: HeldFolder): PostgresPool {
  let last: Promise<void> = Promise.resolve();
  const query = async (text: string, parameters: unknown[]): Promise<unknown> => {
    held?.check();
    return await pglite.query(text, parameters);
  };
  return {
    connect: async () => {
      const before = last;
      let release = () => {};
      last = new Promise((resolve) => {
        release = resolve;
      });
      await before;
      return { query: query as PostgresPoolClient['query'], release };
    },
    // Whoever has a turn finishes; the next would find it closed.
    end: () => last,
  };
}

interface HeldFolder extends Pick<HeldLock, 'isLost' | 'release'> {
  /** @throws CepError `ALREADY_RUNNING` when another process has taken the folder meanwhile */
  check(): void;
}

/** E2. @throws CepError `ALREADY_RUNNING`, `SETTING_INVALID` */
async function holdFolder(folder: string): Promise<HeldFolder> {
  let held: HeldLock | null;
  try {
    await mkdir(folder, { recursive: true });
    held = await holdLock(join(folder, 'lock'));
  } catch (error) {
    throw folderUnusable(folder, error);
  }
  if (held === null) throw folderTaken(folder);
  const lock = held;
  return {
    get isLost() {
      return lock.isLost;
    },
    check: () => {
      if (lock.isLost) throw folderTaken(folder);
    },
    release: lock.release,
  };
}

function folderTaken(folder: string): CepError {
  return new CepError(
    'ALREADY_RUNNING',
    `another process uses the database in ${folder}, which can have one user only: stop it, or give all processes the address of a PostgreSQL server`,
    { details: { folder } },
  );
}

function folderUnusable(folder: string, cause: unknown): CepError {
  return new CepError(
    'SETTING_INVALID',
    `the database folder ${folder} can't be used (${messageOf(cause)}): name a folder that this process may write`,
    { details: { folder }, cause },
  );
}
