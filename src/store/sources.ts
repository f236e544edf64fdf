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
    setKeyed: async (source, topic, isKeyed) => {
      await db
        .insertInto('cep_sources')
        .values({ source, topic, keyed: isKeyed })
        .onConflict((conflict) => conflict.column('source').doUpdateSet({ topic, keyed: isKeyed }))
        .execute();
    },
  };
}
