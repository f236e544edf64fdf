// The two databases that every test of the store runs against.

import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Database, openDatabase } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { startPostgres } from '../../support/postgres.js';

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
  const cleanUp: (() => Promise<void>)[] = [];
  let database: Database;
  let address: string | null = null;

  beforeAll(async () => {
    if (engine === 'PostgreSQL') {
      const server = await startPostgres();
      cleanUp.unshift(() => server.stop());
      address = server.url;
    }
    database = await openDatabase(address ?? { memory: true });
    cleanUp.unshift(() => database.close());
  });
  beforeEach(async () => {
    await sql`drop schema public cascade`.execute(database.db);
    await sql`create schema public`.execute(database.db);
    if (!options.isBare) await migrate(database);
  });
  afterAll(async () => {
    for (const close of cleanUp) await close();
  });

  return {
    get database() {
      return database;
    },
    another: async () => {
      if (address === null) return database;
      const other = await openDatabase(address);
      cleanUp.unshift(() => other.close());
      return other;
    },
  };
}
