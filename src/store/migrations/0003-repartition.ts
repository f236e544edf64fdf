// Repartitioned topics, and topics that get more partitions.
// A migration never changes once it was released; it names no constant of the program, which may.

import type { Kysely, Migration } from 'kysely';

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('cep_progress').addColumn('origins', 'jsonb').execute();
  await db.schema.alterTable('cep_sources').addColumn('first_partitions', 'integer').execute();
}

/** What is known of the source of a repartitioned topic, and how many partitions a topic had at first. */
export const repartition: Migration = { up };
