// Progress of the ingestors, the ledger of alerts and effects, parked sessions, sources.
// A migration never changes once it was released; it names no constant of the program, which may.

import { type Kysely, type Migration, sql } from 'kysely';

const MIN_TIMESTAMP = -9_007_199_254_740_991;
const now = sql`current_timestamp`;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('cep_progress')
    .addColumn('source', 'text', (column) => column.notNull())
    .addColumn('partition', 'integer', (column) => column.notNull())
    .addColumn('topic', 'text')
    .addColumn('generation', 'bigint', (column) => column.notNull())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('watermark', 'bigint', (column) => column.notNull().defaultTo(MIN_TIMESTAMP))
    .addColumn('low_water', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('next_offset', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('read_to', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('ordering_watermark', 'bigint', (column) =>
      column.notNull().defaultTo(MIN_TIMESTAMP),
    )
    .addColumn('quiet_since', 'bigint')
    .addColumn('finished', 'boolean', (column) => column.notNull().defaultTo(false))
    .addColumn('continued_by', 'text')
    .addColumn('updated_at', 'timestamptz')
    .addPrimaryKeyConstraint('cep_progress_key', ['source', 'partition'])
    .execute();

  await db.schema
    .createTable('cep_alerts')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('journey', 'text', (column) => column.notNull())
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text')
    .addColumn('user_session', 'text')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('match', 'jsonb', (column) => column.notNull())
    .addColumn('recorded_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('published_at', 'timestamptz')
    .execute();
  // A B-tree takes no value over 2.7 kB, and a key is what users make it: one long key would have its
  // alerts refused for ever. A key has few journeys, so that it does without them.
  await db.schema
    .createIndex('cep_alerts_by_key')
    .on('cep_alerts')
    .using('hash')
    .column('key')
    .execute();
  await db.schema.createIndex('cep_alerts_by_time').on('cep_alerts').column('at').execute();

  await db.schema
    .createTable('cep_effects')
    .addColumn('alert_id', 'text', (column) => column.notNull())
    .addColumn('effect', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull().defaultTo(1))
    .addColumn('begun_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('done_at', 'timestamptz')
    .addPrimaryKeyConstraint('cep_effects_key', ['alert_id', 'effect'])
    .execute();

  await db.schema
    .createTable('cep_parked')
    .addColumn('session', 'text', (column) => column.primaryKey())
    .addColumn('journey', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('parked_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .execute();

  await db.schema
    .createTable('cep_sources')
    .addColumn('source', 'text', (column) => column.primaryKey())
    .addColumn('topic', 'text')
    .addColumn('keyed', 'boolean')
    .execute();
}

/** The first tables. */
export const progressAndLedger: Migration = { up };
