// How far each aggregate is, and what its sums are made of. The tables that people read are made apart: by names of theirs.
// A migration never changes once it was released; it names no constant of the program, which may.

import { type Kysely, type Migration, sql } from 'kysely';

const WORDS = {
  postgres: { time: sql`timestamptz(3)`, table: sql`` },
  mysql: {
    time: sql`timestamp(3)`,
    // "A" and "a" are two visitors, as in PostgreSQL.
    table: sql`engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin`,
  },
} as const;

function up(dialect: keyof typeof WORDS) {
  const { time, table } = WORDS[dialect];
  const now = sql`current_timestamp(3)`;
  return async (db: Kysely<unknown>): Promise<void> => {
    // MySQL undoes no half migration, so that a second try finds some of it there.
    await db.schema
      .createTable('cep_aggregate_sources')
      .ifNotExists()
      .addColumn('source', 'varchar(255)', (column) => column.notNull().primaryKey())
      .addColumn('first_partitions', 'integer', (column) => column.notNull())
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_aggregate_offsets')
      .ifNotExists()
      .addColumn('aggregate', 'varchar(64)', (column) => column.notNull())
      .addColumn('source', 'varchar(255)', (column) => column.notNull())
      .addColumn('source_partition', 'integer', (column) => column.notNull())
      .addColumn('next_offset', 'bigint', (column) => column.notNull())
      .addColumn('largest_time', 'bigint')
      .addColumn('updated_at', time, (column) => column.notNull().defaultTo(now))
      .addPrimaryKeyConstraint('cep_aggregate_offsets_key', [
        'aggregate',
        'source',
        'source_partition',
      ])
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_recharge_days')
      .ifNotExists()
      .addColumn('aggregate', 'varchar(64)', (column) => column.notNull())
      .addColumn('appkey', 'varchar(64)', (column) => column.notNull())
      .addColumn('day', 'varchar(10)', (column) => column.notNull())
      .addColumn('amount', 'decimal(20, 4)', (column) => column.notNull())
      .addColumn('last_time', 'bigint', (column) => column.notNull())
      .addColumn('serverid', 'varchar(64)', (column) => column.notNull())
      .addColumn('servertime', 'varchar(32)', (column) => column.notNull())
      .addColumn('roleid', 'varchar(64)', (column) => column.notNull())
      .addPrimaryKeyConstraint('cep_recharge_days_key', ['aggregate', 'appkey', 'day'])
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_visit_days')
      .ifNotExists()
      .addColumn('aggregate', 'varchar(64)', (column) => column.notNull())
      .addColumn('day', 'varchar(10)', (column) => column.notNull())
      .addColumn('pv', 'bigint', (column) => column.notNull())
      .addColumn('uv', 'bigint', (column) => column.notNull())
      .addColumn('last_time', 'bigint', (column) => column.notNull())
      .addColumn('closed', 'integer', (column) => column.notNull())
      .addColumn('updated_at', time, (column) => column.notNull().defaultTo(now))
      .addPrimaryKeyConstraint('cep_visit_days_key', ['aggregate', 'day'])
      .modifyEnd(table)
      .execute();

    await db.schema
      .createTable('cep_visitors')
      .ifNotExists()
      .addColumn('aggregate', 'varchar(64)', (column) => column.notNull())
      .addColumn('day', 'varchar(10)', (column) => column.notNull())
      .addColumn('visitor', 'varchar(255)', (column) => column.notNull())
      .addPrimaryKeyConstraint('cep_visitors_key', ['aggregate', 'day', 'visitor'])
      .modifyEnd(table)
      .execute();
  };
}

export const aggregates = (dialect: 'postgres' | 'mysql'): Migration => ({ up: up(dialect) });
