// Where rules are kept: PostgreSQL, MySQL, MariaDB, or the embedded database of one process.

import { type Kysely, sql, type Transaction } from 'kysely';
import { type Database, type DatabaseAddress, openDatabase } from '../store/database.js';
import { openMysql } from './mysql.js';
import type { RuleSchema } from './schema.js';

/** An open database with rules in it, or with tables of Flink's. */
export interface RuleDatabase {
  readonly db: Kysely<RuleSchema>;
  /** PGlite speaks PostgreSQL, MariaDB speaks MySQL. */
  readonly dialect: 'postgres' | 'mysql';
  /** Where it is, for messages: without a password. */
  readonly name: string;
  /** Waits for what is under way, then lets go of it. May be called twice. */
  close(): Promise<void>;
}

/**
 * Opens a database for rules, or uses one that is open: the embedded one belongs to one process, which has the store in it as well.
 *
 * @param at - `postgres://`, `mysql://` or `mariadb://user:password@host:port/database`, a folder or memory (PGlite), or an open
 *   database, whose end stays with whoever opened it
 * @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE`, `ALREADY_RUNNING`, as of `openDatabase`
 */
export async function openRuleDatabase(at: DatabaseAddress | Database): Promise<RuleDatabase> {
  if (typeof at === 'object' && 'db' in at) return { ...postgres(at), close: async () => {} };
  if (typeof at === 'string' && /^(mysql|mariadb):\/\//.test(at)) return await openMysql(at);
  return postgres(await openDatabase(at));
}

function postgres({ db, name, close }: Database): RuleDatabase {
  // The same database, of which other tables are of interest here.
  return { db: db as unknown as Kysely<RuleSchema>, dialect: 'postgres', name, close };
}

/**
 * Runs queries in a transaction that waits five seconds for a lock and no longer. For MySQL and MariaDB that is said once per
 * connection; for PostgreSQL here, because a pooler in between takes it nowhere else.
 */
export async function transact<T>(
  { db, dialect }: RuleDatabase,
  act: (transaction: Transaction<RuleSchema>) => Promise<T>,
): Promise<T> {
  return await db.transaction().execute(async (transaction) => {
    if (dialect === 'postgres') await sql`set local lock_timeout = '5s'`.execute(transaction);
    return await act(transaction);
  });
}

/** Reads, and waits no longer for a lock than {@link transact}. */
export async function read<T>(
  database: RuleDatabase,
  query: (db: Kysely<RuleSchema>) => Promise<T>,
): Promise<T> {
  return await (database.dialect === 'mysql' ? query(database.db) : transact(database, query));
}
