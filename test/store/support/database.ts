// The database of a test of the store.

import { sql } from 'kysely';
import { beforeAll, beforeEach } from 'vitest';
import { type Database, openDatabase } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { useEngine } from '../../support/engines.js';

/** Those that the store can be in. */
export const ENGINES = ['PGlite', 'PostgreSQL'] as const;
export type Engine = (typeof ENGINES)[number];

export interface TestDatabase {
  /** Empty before each test but for the tables; those not either with `isBare`. */
  readonly database: Database;
  /** As another process would have it; PGlite has the one user only. */
  another(): Promise<Database>;
}

/** Registers the hooks that open a database for the tests of a block and close it behind them. */
export function useDatabase(engine: Engine, options: { isBare?: boolean } = {}): TestDatabase {
  const opened = useEngine(engine);
  let database: Database;
  const another = async () => {
    if (typeof opened.at === 'object') return opened.at;
    const other = await openDatabase(opened.at);
    opened.closes(other);
    return other;
  };

  beforeAll(async () => {
    database = await another();
  });
  beforeEach(async () => {
    await sql`drop schema public cascade`.execute(database.db);
    await sql`create schema public`.execute(database.db);
    if (!options.isBare) await migrate(database);
  });

  return {
    get database() {
      return database;
    },
    another,
  };
}
