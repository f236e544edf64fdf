// Alerts of rules in the shadow: recorded like the others, and published nowhere.
// A migration never changes once it was released; it names no constant of the program, which may.

import type { Kysely, Migration } from 'kysely';

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('cep_alerts')
    .addColumn('shadow', 'boolean', (column) => column.notNull().defaultTo(false))
    .execute();
}

export const shadowAlerts: Migration = { up };
