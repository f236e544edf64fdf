// The rule store of a test.

import { sql } from 'kysely';
import { beforeAll, beforeEach } from 'vitest';
import { openRuleStore, type RuleStore } from '../../../src/rule-store/rule-store.js';
import type { RuleDatabase, RuleSchema } from '../../../src/rule-store/schema.js';
import { openSqlDatabase } from '../../../src/store/sql-database.js';
import { type Engine, type TestEngine, tablesOf, useEngine } from '../../support/engines.js';

export interface TestRules extends Pick<TestEngine, 'server'> {
  /** Empty before each test but for the tables. */
  readonly store: RuleStore;
  /** As another process would have it; PGlite has the one user only. */
  another(): Promise<RuleStore>;
  /** Runs a statement as users write them: with a word in backticks where MySQL has it reserved. */
  run(statement: string): Promise<void>;
}

/** Registers the hooks that open a database for the tests of a block and close it behind them. */
export function useRules(engine: Engine): TestRules {
  const opened = useEngine(engine);
  let database: RuleDatabase;
  let store: RuleStore;

  beforeAll(async () => {
    store = await openRuleStore(opened.at, { migrate: true });
    opened.closes(store);
    database = await openSqlDatabase<RuleSchema>(opened.at);
    opened.closes(database);
  });
  beforeEach(async () => {
    for (const table of await tablesOf(database)) {
      if (table.startsWith('cep_rule_migrations')) continue;
      const isOurs = table.startsWith('cep_');
      const statement = isOurs
        ? sql`delete from ${sql.id(table)}`
        : sql`drop table ${sql.id(table)}`;
      await statement.execute(database.db);
    }
  });

  return {
    get store() {
      return store;
    },
    get server() {
      return opened.server;
    },
    another: async () => {
      if (engine === 'PGlite') return store;
      const other = await openRuleStore(opened.at);
      opened.closes(other);
      return other;
    },
    run: async (statement) => {
      const text = engine === 'MariaDB' ? statement : statement.replaceAll('`', '"');
      await sql.raw(text).execute(database.db);
    },
  };
}
