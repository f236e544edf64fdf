import type { ParkedSessions } from '../ingest/parked.js';
import { sessionWorkflowId } from '../workflows/session-id.js';
import type { Database } from './database.js';
import { storableText } from './text.js';

/**
 * Keeps parked sessions in the table `cep_parked`, for every ingestor. Of one that is parked already only
 * the reason changes; the list has those first that were parked first.
 */
export function sqlParkedSessions({ db }: Pick<Database, 'db'>): ParkedSessions {
  return {
    park: async ({ journey, key }, text) => {
      const reason = storableText(text);
      await db
        .insertInto('cep_parked')
        .values({
          session: storableText(sessionWorkflowId({ journey, key })),
          journey: storableText(journey),
          key: storableText(key),
          reason,
        })
        .onConflict((conflict) => conflict.column('session').doUpdateSet({ reason }))
        .execute();
    },
    list: async () => {
      const rows = await db
        .selectFrom('cep_parked')
        .select(['journey', 'key', 'reason', 'parked_at'])
        .orderBy('parked_at')
        .orderBy('session')
        .execute();
      return rows.map(({ parked_at, ...session }) => ({
        ...session,
        parkedAt: parked_at.getTime(),
      }));
    },
  };
}
