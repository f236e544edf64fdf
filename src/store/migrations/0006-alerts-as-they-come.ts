// Whether an alert tells of a match or of a timeout, and the newest ones first, for those who watch.
// A migration never changes once it was released; it names no constant of the program, which may.

import type { Kysely, Migration } from 'kysely';

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('cep_alerts')
    .addColumn('timed_out', 'boolean', (column) => column.notNull().defaultTo(false))
    .execute();
  await db.schema
    .createIndex('cep_alerts_by_recorded')
    .on('cep_alerts')
    .columns(['recorded_at', 'id'])
    .execute();
}

export const alertsAsTheyCome: Migration = { up };
