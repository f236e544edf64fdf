// Hand-overs from a backtest: who stands still for one, and with which offsets its rules begin.
// A migration never changes once it was released; it names no constant of the program, which may.

import { type Kysely, type Migration, sql } from 'kysely';

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
    table: sql`engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin`,
  },
} as const;

function up(dialect: keyof typeof WORDS) {
  const { text, time, now, table } = WORDS[dialect];
  return async (db: Kysely<unknown>): Promise<void> => {
    // MySQL undoes no half migration: what may be there already comes last, and is there in one step.
    await db.schema
      .createTable('cep_hand_overs')
      .ifNotExists()
      .addColumn('id', 'varchar(64)', (column) => column.notNull().primaryKey())
      .addColumn('source', 'varchar(255)', (column) => column.notNull())
      .addColumn('state', 'varchar(16)', (column) => column.notNull())
      .addColumn('beat', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('author', 'varchar(255)', (column) => column.notNull())
      .addColumn('created_at', time, (column) => column.notNull().defaultTo(now))
      .addCheckConstraint(
        'cep_hand_overs_state',
        sql`state in ('under-way', 'done', 'in-force', 'given-up')`,
      )
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_hand_over_pauses')
      .ifNotExists()
      .addColumn('hand_over', 'varchar(64)', (column) => column.notNull())
      .addColumn('source_partition', 'integer', (column) => column.notNull())
      .addColumn('owner', 'varchar(255)', (column) => column.notNull())
      .addPrimaryKeyConstraint('cep_hand_over_pauses_key', ['hand_over', 'source_partition'])
      .modifyEnd(table)
      .execute();

    await db.schema.alterTable('cep_rules').addColumn('start', text).execute();
  };
}

export const handOvers = (dialect: 'postgres' | 'mysql'): Migration => ({ up: up(dialect) });
