// The databases that every test of aggregates runs against.

import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { AnalyticsDatabase, AnalyticsSchema } from '../../../src/analytics-store/schema.js';
import { type Database, openDatabase } from '../../../src/store/database.js';
import { openSqlDatabase } from '../../../src/store/sql-database.js';
import { startMariadb } from '../../support/mariadb.js';
import { startPostgres } from '../../support/postgres.js';

export const SERVERS = ['PostgreSQL', 'MariaDB'] as const;
export const ENGINES = ['PGlite', ...SERVERS] as const;
export type Engine = (typeof ENGINES)[number];

interface TestServer {
  readonly url: string;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestDatabase {
  /** What to open: an address, or PGlite, which has the one user only. */
  readonly at: string | Database;
  /** Bare before each test. */
  readonly database: AnalyticsDatabase;
  /** Of MariaDB and PostgreSQL. */
  readonly server: TestServer;
}

/** Registers the hooks that start a database for the tests of a block and end it behind them. */
export function useDatabase(engine: Engine): TestDatabase {
  const cleanUp: (() => Promise<void>)[] = [];
  let server: TestServer | null = null;
  let at: string | Database;
  let database: AnalyticsDatabase;

  beforeAll(async () => {
    if (engine !== 'PGlite') {
      server = await (engine === 'MariaDB' ? startMariadb() : startPostgres());
      cleanUp.unshift(server.stop);
    }
    at = server?.url ?? (await openDatabase({ memory: true }));
    if (typeof at === 'object') cleanUp.unshift(at.close);
    database = await openSqlDatabase<AnalyticsSchema>(at);
    cleanUp.unshift(() => database.close());
  });
  beforeEach(async () => {
    for (const table of await tables(database)) {
      await sql`drop table ${sql.id(table)}`.execute(database.db);
    }
  });
  afterAll(async () => {
    for (const close of cleanUp) await close();
  });

  return {
    get at() {
      return at;
    },
    get database() {
      return database;
    },
    get server() {
      if (server === null) throw new Error('PGlite has no server');
      return server;
    },
  };
}

async function tables({ db, dialect }: AnalyticsDatabase): Promise<string[]> {
  const own = dialect === 'mysql' ? sql`database()` : sql`current_schema()`;
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = ${own}
  `.execute(db);
  return rows.map(({ name }) => name);
}
