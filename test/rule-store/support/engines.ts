// The databases that every test of rules runs against.

import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { openRuleStore, type RuleStore } from '../../../src/rule-store/rule-store.js';
import type { RuleDatabase, RuleSchema } from '../../../src/rule-store/schema.js';
import { openDatabase } from '../../../src/store/database.js';
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

export interface TestRules {
  /** Empty before each test but for the tables. */
  readonly store: RuleStore;
  /** As another process would have it; PGlite has the one user only. */
  another(): Promise<RuleStore>;
  /** Of MariaDB and PostgreSQL. */
  readonly server: TestServer;
  /** Runs a statement as users write them: with a word in backticks where MySQL has it reserved. */
  run(statement: string): Promise<void>;
}

/** Registers the hooks that open a database for the tests of a block and close it behind them. */
export function useRules(engine: Engine): TestRules {
  const cleanUp: (() => Promise<void>)[] = [];
  let server: TestServer | null = null;
  let database: RuleDatabase;
  let store: RuleStore;

  beforeAll(async () => {
    if (engine !== 'PGlite') {
      server = await (engine === 'MariaDB' ? startMariadb() : startPostgres());
      cleanUp.unshift(() => (server as TestServer).stop());
    }
    const at = server?.url ?? (await openDatabase({ memory: true }));
    if (typeof at === 'object') cleanUp.unshift(() => at.close());
    store = await openRuleStore(at, { migrate: true });
    database = await openSqlDatabase<RuleSchema>(at);
    cleanUp.unshift(
      () => store.close(),
      () => database.close(),
    );
  });
  beforeEach(async () => {
    for (const table of await tables(database)) {
      if (table.startsWith('cep_rule_migrations')) continue;
      const isOurs = table.startsWith('cep_');
      const statement = isOurs
        ? sql`delete from ${sql.id(table)}`
        : sql`drop table ${sql.id(table)}`;
      await statement.execute(database.db);
    }
  });
  afterAll(async () => {
    for (const close of cleanUp) await close();
  });

  return {
    get store() {
      return store;
    },
    get server() {
      if (server === null) throw new Error('PGlite has no server');
      return server;
    },
    another: async () => {
      if (server === null) return store;
      const other = await openRuleStore(server.url);
      cleanUp.unshift(() => other.close());
      return other;
    },
    run: async (statement) => {
      const text = engine === 'MariaDB' ? statement : statement.replaceAll('`', '"');
      await sql.raw(text).execute(database.db);
    },
  };
}

async function tables({ db, dialect }: RuleDatabase): Promise<string[]> {
  const own = dialect === 'mysql' ? sql`database()` : sql`current_schema()`;
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = ${own}
  `.execute(db);
  return rows.map(({ name }) => name);
}
