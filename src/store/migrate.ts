// Whether the tables are those of this version, and how they become so.

import { type Kysely, type MigrationProvider, Migrator } from 'kysely';
import { CepError, messageOf } from '../errors.js';
import type { Database } from './database.js';
import { migrations } from './migrations/index.js';
import type { Schema } from './schema.js';
import { sqlStateOf } from './sql-state.js';

/** Not Kysely's own names, which another program in the same database may use. */
const DONE_TABLE = 'cep_migrations';
const LOCK_TABLE = 'cep_migrations_lock';

/**
 * Brings the tables to this version. Nothing happens when they are there already; of several processes
 * that begin at once, one works (Kysely's migrator holds an advisory lock) and the others wait.
 *
 * @param provider - those of this version by default; others in tests
 * @throws CepError `SETTING_INVALID` when the database belongs to a newer version, or its user may not
 *   create tables
 */
export async function migrate(
  database: Database,
  provider: MigrationProvider = migrations,
): Promise<void> {
  const { db, name } = database;
  if ((await stateOf(database, provider)) === 'newer') throw newerThanThis(name);
  const migrator = new Migrator({
    db,
    provider,
    migrationTableName: DONE_TABLE,
    migrationLockTableName: LOCK_TABLE,
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (sqlStateOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
  throw new CepError(
    'SETTING_INVALID',
    `the database ${name} can't be set up (${messageOf(error)}): run temporal-cep setup as a user who may create tables`,
    { details: { database: name }, cause: error },
  );
}

/**
 * Makes sure that the tables are those of this version.
 *
 * @param provider - as of {@link migrate}
 * @throws CepError `SETTING_INVALID` when they are not, with the remedy
 */
export async function checkMigrated(
  database: Database,
  provider: MigrationProvider = migrations,
): Promise<void> {
  const { name } = database;
  switch (await stateOf(database, provider)) {
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

const UNDEFINED_TABLE = '42P01';
const INSUFFICIENT_PRIVILEGE = '42501';

async function stateOf(
  { db }: Database,
  provider: MigrationProvider,
): Promise<'none' | 'older' | 'current' | 'newer'> {
  const known = new Set(Object.keys(await provider.getMigrations()));
  const done = await migrationsDone(db);
  if (done.length === 0) return 'none';
  if (done.some((name) => !known.has(name))) return 'newer';
  return done.length < known.size ? 'older' : 'current';
}

async function migrationsDone(db: Kysely<Schema>): Promise<string[]> {
  try {
    const rows = await db
      .withTables<{ [DONE_TABLE]: { name: string } }>()
      .selectFrom(DONE_TABLE)
      .select('name')
      .execute();
    return rows.map(({ name }) => name);
  } catch (error) {
    if (sqlStateOf(error) === UNDEFINED_TABLE) return [];
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
