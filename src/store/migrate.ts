// Whether the tables are those of this version, and how they become so.

import { type Kysely, type MigrationProvider, Migrator } from 'kysely';
import { CepError, messageOf } from '../errors.js';
import { migrations } from './migrations/index.js';
import { isForbidden, isMissingTable } from './sql-state.js';

/** A database whose tables are made by migrations. */
export interface Migrated {
  // biome-ignore lint/suspicious/noExplicitAny: whatever tables it has
  readonly db: Kysely<any>;
  /** Where it is, for messages: without a password. */
  readonly name: string;
}

/** Migrations, and the table that says which of them were run. */
export interface MigrationSet {
  readonly provider: MigrationProvider;
  /** Not Kysely's own name, which another program in the same database may use. Its lock has `_lock` behind it. */
  readonly doneIn: string;
}

/** Those of the store. */
export const STORE_MIGRATIONS: MigrationSet = { provider: migrations, doneIn: 'cep_migrations' };

/**
 * Brings the tables to this version. Nothing happens when they are there already; of several processes
 * that begin at once, one works (Kysely's migrator holds an advisory lock) and the others wait.
 *
 * @param set - those of the store by default
 * @throws CepError `SETTING_INVALID` when the database belongs to a newer version, or its user may not
 *   create tables
 */
export async function migrate(
  database: Migrated,
  set: MigrationSet = STORE_MIGRATIONS,
): Promise<void> {
  const { db, name } = database;
  if ((await stateOf(database, set)) === 'newer') throw newerThanThis(name);
  const migrator = new Migrator({
    db,
    provider: set.provider,
    migrationTableName: set.doneIn,
    migrationLockTableName: `${set.doneIn}_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (!isForbidden(error)) throw error;
  throw new CepError(
    'SETTING_INVALID',
    `the database ${name} can't be set up (${messageOf(error)}): run temporal-cep setup as a user who may create tables`,
    { details: { database: name }, cause: error },
  );
}

/**
 * Makes sure that the tables are those of this version.
 *
 * @param set - as of {@link migrate}
 * @throws CepError `SETTING_INVALID` when they are not, with the remedy
 */
export async function checkMigrated(
  database: Migrated,
  set: MigrationSet = STORE_MIGRATIONS,
): Promise<void> {
  const { name } = database;
  switch (await stateOf(database, set)) {
    case 'current':
      return;
    case 'newer':
      throw newerThanThis(name);
    case 'older':
      throw notReady(name, 'is older than this version');
    case 'none':
      throw notReady(name, 'has not been set up');
  }
}

async function stateOf(
  { db }: Migrated,
  { provider, doneIn }: MigrationSet,
): Promise<'none' | 'older' | 'current' | 'newer'> {
  const known = new Set(Object.keys(await provider.getMigrations()));
  const done = await migrationsDone(db, doneIn);
  if (done.length === 0) return 'none';
  if (done.some((name) => !known.has(name))) return 'newer';
  return done.length < known.size ? 'older' : 'current';
}

async function migrationsDone(db: Migrated['db'], doneIn: string): Promise<string[]> {
  try {
    const rows: { name: string }[] = await db.selectFrom(doneIn).select('name').execute();
    return rows.map(({ name }) => name);
  } catch (error) {
    if (isMissingTable(error)) return [];
    throw error;
  }
}

function notReady(name: string, what: string): CepError {
  return new CepError('SETTING_INVALID', `the database ${name} ${what}: run temporal-cep setup`, {
    details: { database: name },
  });
}

function newerThanThis(name: string): CepError {
  return new CepError(
    'SETTING_INVALID',
    `the database ${name} is newer than this version of temporal-cep: update temporal-cep`,
    { details: { database: name } },
  );
}
