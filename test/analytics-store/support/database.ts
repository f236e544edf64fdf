// The database of a test of aggregates.

import { sql } from 'kysely';
import { beforeAll, beforeEach } from 'vitest';
import type { AnalyticsDatabase, AnalyticsSchema } from '../../../src/analytics-store/schema.js';
import { openSqlDatabase } from '../../../src/store/sql-database.js';
import { type Engine, type TestEngine, tablesOf, useEngine } from '../../support/engines.js';

export interface TestDatabase extends Pick<TestEngine, 'at' | 'server'> {
  /** Bare before each test. */
  readonly database: AnalyticsDatabase;
}

/** Registers the hooks that open a database for the tests of a block and close it behind them. */
export function useDatabase(engine: Engine): TestDatabase {
  const opened = useEngine(engine);
  let database: AnalyticsDatabase;

  beforeAll(async () => {
    database = await openSqlDatabase<AnalyticsSchema>(opened.at);
    opened.closes(database);
  });
  beforeEach(async () => {
    for (const table of await tablesOf(database)) {
      await sql`drop table ${sql.id(table)}`.execute(database.db);
    }
  });

  return {
    get at() {
      return opened.at;
    },
    get server() {
      return opened.server;
    },
    get database() {
      return database;
    },
  };
}
