import type { KeyedSources } from '../ingest/keyed.js';
import type { Database } from './database.js';

/** Keeps in the table `cep_sources` which topics are keyed by their journeys' key. */
export function sqlSources({ db }: Pick<Database, 'db'>): KeyedSources {
  return {
    keyedOf: async (source) => {
      const row = await db
        .selectFrom('cep_sources')
        .select('keyed')
        .where('source', '=', source)
        .executeTakeFirst();
      return row?.keyed ?? null;
    },
    firstPartitions: async (source, topic, partitions) => {
      const row = await db
        .insertInto('cep_sources')
        .values({ source, topic, keyed: null, first_partitions: partitions })
        .onConflict((conflict) =>
          conflict.column('source').doUpdateSet((eb) => ({
            first_partitions: eb.fn.coalesce(
              'cep_sources.first_partitions',
              'excluded.first_partitions',
            ),
          })),
        )
        .returning('first_partitions')
        .executeTakeFirstOrThrow();
      return row.first_partitions ?? partitions;
    },
    setKeyed: async (source, topic, isKeyed) => {
      await db
        .insertInto('cep_sources')
        .values({ source, topic, keyed: isKeyed, first_partitions: null })
        .onConflict((conflict) => conflict.column('source').doUpdateSet({ topic, keyed: isKeyed }))
        .execute();
    },
  };
}
