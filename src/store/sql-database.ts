// PostgreSQL, MySQL, MariaDB, or the embedded database of one process: for tables that any of them can hold.

import { type IsolationLevel, type Kysely, sql, type Transaction } from 'kysely';
import { type Database, type DatabaseAddress, openDatabase } from './database.js';
import { openMysql } from './mysql.js';

/** An open database that has tables of this schema in it. */
export interface SqlDatabase<Schema> {
  readonly db: Kysely<Schema>;
  /** PGlite speaks PostgreSQL, MariaDB speaks MySQL. */
  readonly dialect: 'postgres' | 'mysql';
  /** Where it is, for messages: without a password. */
  readonly name: string;
  /** Waits for what is under way, then lets go of it. May be called twice. */
  close(): Promise<void>;
}

/**
 * Opens a database, or uses one that is open: the embedded one belongs to one process, which has the store in it as well.
 *
 * @param at - `postgres://`, `mysql://` or `mariadb://user:password@host:port/database`, a folder or memory (PGlite), or an open
 *   database, whose end stays with whoever opened it
 * @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE`, `ALREADY_RUNNING`, as of `openDatabase`
 */
export async function openSqlDatabase<Schema>(
  at: DatabaseAddress | Database,
): Promise<SqlDatabase<Schema>> {
  if (typeof at === 'object' && 'db' in at)
    return { ...postgres<Schema>(at), close: async () => {} };
  if (typeof at === 'string' && /^(mysql|mariadb):\/\//.test(at)) return await openMysql(at);
  return postgres(await openDatabase(at));
}

function postgres<Schema>({ db, name, close }: Database): SqlDatabase<Schema> {
  // The same database, of which other tables are of interest here.
  return { db: db as unknown as Kysely<Schema>, dialect: 'postgres', name, close };
}

/**
 * Runs queries in a transaction that waits five seconds for a lock and no longer. For MySQL and MariaDB that is said once per
 * connection; for PostgreSQL here, because a pooler in between takes it nowhere else.
 *
 * @param isolation - the database's own by default
 */
export async function transact<Schema, T>(
  { db, dialect }: SqlDatabase<Schema>,
  act: (transaction: Transaction<Schema>) => Promise<T>,
  isolation?: IsolationLevel,
): Promise<T> {
  const begin = db.transaction();
  const isolated = isolation === undefined ? begin : begin.setIsolationLevel(isolation);
  return await isolated.execute(async (transaction) => {
    if (dialect === 'postgres') await sql`set local lock_timeout = '5s'`.execute(transaction);
    return await act(transaction);
  });
}

/** Reads, and waits no longer for a lock than {@link transact}. */
export async function read<Schema, T>(
  database: SqlDatabase<Schema>,
  query: (db: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  return await (database.dialect === 'mysql' ? query(database.db) : transact(database, query));
}

/** Reads in a transaction that can change nothing, all of it as of one moment. */
export async function readOnly<Schema, T>(
  { db, dialect }: Pick<SqlDatabase<Schema>, 'db' | 'dialect'>,
  query: (db: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (transaction) => {
      if (dialect === 'postgres') await sql`set local lock_timeout = '5s'`.execute(transaction);
      return await query(transaction);
    });
}
