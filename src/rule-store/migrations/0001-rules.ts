// Rules, revisions, faults.
// A migration never changes once it was released; it names no constant of the program, which may.

import { type Kysely, type Migration, sql } from 'kysely';

/** What is called differently. */
const WORDS = {
  postgres: {
    text: sql`text`,
    time: sql`timestamptz(3)`,
    now: sql`current_timestamp(3)`,
    table: sql``,
  },
  mysql: {
    text: sql`mediumtext`,
    time: sql`timestamp(3)`,
    now: sql`current_timestamp(3)`,
    // "A" and "a" are two ids, as in PostgreSQL.
    table: sql`engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin`,
  },
} as const;

/** Rows may be written by hand: what can have a default has one. */
function up(dialect: keyof typeof WORDS) {
  const { text, time, now, table } = WORDS[dialect];
  return async (db: Kysely<unknown>): Promise<void> => {
    // MySQL undoes no half migration, so that a second try finds some of it there.
    await db.schema
      .createTable('cep_rules')
      .ifNotExists()
      .addColumn('id', 'varchar(64)', (column) => column.notNull())
      .addColumn('change', 'integer', (column) => column.notNull().defaultTo(1))
      .addColumn('version', 'integer', (column) => column.notNull().defaultTo(1))
      .addColumn('journey', 'varchar(255)', (column) => column.notNull())
      .addColumn('key', 'varchar(255)')
      .addColumn('state', 'varchar(16)', (column) => column.notNull().defaultTo('draft'))
      .addColumn('pattern', text, (column) => column.notNull())
      .addColumn('function', 'varchar(512)')
      .addColumn('on_change', 'varchar(16)', (column) => column.notNull().defaultTo('finish'))
      .addColumn('on_match', text)
      .addColumn('on_timeout', text)
      .addColumn('description', text)
      .addColumn('author', 'varchar(255)', (column) => column.notNull().defaultTo(''))
      .addColumn('note', text)
      .addColumn('hash', 'varchar(64)')
      .addColumn('changed_at', time, (column) => column.notNull().defaultTo(now))
      .addPrimaryKeyConstraint('cep_rules_key', ['id', 'change'])
      .addCheckConstraint('cep_rules_state', sql`state in ('draft', 'shadow', 'on', 'off')`)
      .addCheckConstraint('cep_rules_on_change', sql`on_change in ('finish', 'reset')`)
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_rule_revisions')
      .ifNotExists()
      .addColumn('revision', 'integer', (column) => column.notNull().primaryKey())
      .addColumn('hash', 'varchar(64)', (column) => column.notNull())
      .addColumn('rules', dialect === 'mysql' ? sql`longtext` : text, (column) => column.notNull())
      .addColumn('created_at', time, (column) => column.notNull().defaultTo(now))
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_rule_faults')
      .ifNotExists()
      .addColumn('table_name', 'varchar(255)', (column) => column.notNull())
      .addColumn('id', 'varchar(255)', (column) => column.notNull())
      .addColumn('version', 'integer')
      .addColumn('code', 'varchar(64)', (column) => column.notNull())
      .addColumn('path', text)
      .addColumn('message', text, (column) => column.notNull())
      .addColumn('since', time, (column) => column.notNull().defaultTo(now))
      .addPrimaryKeyConstraint('cep_rule_faults_key', ['table_name', 'id'])
      .modifyEnd(table)
      .execute();
  };
}

/** The first tables. */
export const rules = (dialect: 'postgres' | 'mysql'): Migration => ({ up: up(dialect) });
