// What was refused for parked sessions, to be sent again in order.

import { type Kysely, type Migration, sql } from 'kysely';

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('cep_refused')
    .addColumn('number', 'bigserial', (column) => column.primaryKey())
    .addColumn('session', 'text', (column) => column.notNull())
    .addColumn('begins', 'boolean', (column) => column.notNull())
    .addColumn('batches', 'text', (column) => column.notNull())
    .addColumn('refused_at', 'timestamptz', (column) =>
      column.notNull().defaultTo(sql`current_timestamp`),
    )
    .execute();
  // A workflow id is short: of a long key it holds the hash.
  await db.schema
    .createIndex('cep_refused_by_session')
    .on('cep_refused')
    .columns(['session', 'number'])
    .execute();
}

/** Refused signals. */
export const refusedSignals: Migration = { up };
