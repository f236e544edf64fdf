// The SQL databases that tests run against: each opened for the tests of a block, and closed behind them.

import { sql } from 'kysely';
import { afterAll, beforeAll } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.js';
import type { SqlDatabase } from '../../src/store/sql-database.js';
import { startMariadb } from './mariadb.js';
import { startPostgres } from './postgres.js';

export const SERVERS = ['PostgreSQL', 'MariaDB'] as const;
export const ENGINES = ['PGlite', ...SERVERS] as const;
export type Engine = (typeof ENGINES)[number];

export interface TestServer {
  readonly url: string;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestEngine {
  /** What to open: an address, or PGlite, which has the one user only. */
  readonly at: string | Database;
  /** Of MariaDB and PostgreSQL. */
  readonly server: TestServer;
  /** Closes something when the tests are over, before what was opened earlier. */
  closes(opened: { close(): Promise<unknown> }): void;
}

/** Registers the hooks that start a database for the tests of a block and end it behind them. */
export function useEngine(engine: Engine): TestEngine {
  const cleanUp: (() => Promise<unknown>)[] = [];
  let server: TestServer | null = null;
  let at: string | Database;

  beforeAll(async () => {
    if (engine === 'PGlite') {
      const embedded = await openDatabase({ memory: true });
      cleanUp.unshift(() => embedded.close());
      at = embedded;
      return;
    }
    const started = await (engine === 'MariaDB' ? startMariadb() : startPostgres());
    cleanUp.unshift(() => started.stop());
    server = started;
    at = started.url;
  });
  afterAll(async () => {
    for (const close of cleanUp) await close();
  });

  return {
    get at() {
      return at;
    },
    get server() {
      if (server === null) throw new Error('PGlite has no server');
      return server;
    },
    closes: (opened) => {
      cleanUp.unshift(() => opened.close());
    },
  };
}

/** The tables of the database that is open. */
export async function tablesOf<S>({ db, dialect }: SqlDatabase<S>): Promise<string[]> {
  const own = dialect === 'mysql' ? sql`database()` : sql`current_schema()`;
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = ${own}
  `.execute(db);
  return rows.map(({ name }) => name);
}
