import type { KeptSignals, ParkedSession, ParkedSessions } from '../ingest/parked.js';
import type { EventBatch, SessionRef } from '../workflows/messages.js';
import { sessionWorkflowId } from '../workflows/session-id.js';
import type { Database } from './database.js';
import { storableText } from './text.js';

/**
 * Keeps parked sessions in the table `cep_parked` and what was refused for them in `cep_refused`, for every ingestor. Of
 * one that is parked already only the reason changes; the list has those first that were parked first.
 */
export function sqlParkedSessions({ db }: Pick<Database, 'db'>): ParkedSessions & KeptSignals {
  return {
    park: async ({ journey, key }, text) => {
      const reason = storableText(text);
      await db
        .insertInto('cep_parked')
        .values({
          session: idOf({ journey, key }),
          journey: storableText(journey),
          key: storableText(key),
          reason,
        })
        .onConflict((conflict) => conflict.column('session').doUpdateSet({ reason }))
        .execute();
    },
    keep: (ref, { batches, begins }) =>
      db.transaction().execute(async (transaction) => {
        const session = idOf(ref);
        // Q1: a row that is being deleted is waited for, and one that is read so is not deleted meanwhile.
        const parked = await transaction
          .selectFrom('cep_parked')
          .select('session')
          .where('session', '=', session)
          .forShare()
          .executeTakeFirst();
        if (!parked) return false;
        await transaction
          .insertInto('cep_refused')
          // Text, because jsonb takes no \u0000.
          .values({ session, begins, batches: JSON.stringify(batches) })
          .execute();
        return true;
      }),
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
    first: async (ref, behind = -1) => {
      const row = await db
        .selectFrom('cep_refused')
        .select(['number', 'begins', 'batches'])
        .where('session', '=', idOf(ref))
        .where('number', '>', behind)
        .orderBy('number')
        .limit(1)
        .executeTakeFirst();
      if (!row) return null;
      return { ...row, batches: JSON.parse(row.batches) as EventBatch[] };
    },
    sent: async (ref, number) => {
      await db
        .deleteFrom('cep_refused')
        .where('session', '=', idOf(ref))
        .where('number', '=', number)
        .execute();
    },
    unpark: (ref) =>
      db.transaction().execute(async (transaction) => {
        const session = idOf(ref);
        await transaction
          .selectFrom('cep_parked')
          .select('session')
          .where('session', '=', session)
          .forUpdate()
          .execute();
        const kept = await transaction
          .selectFrom('cep_refused')
          .select('number')
          .where('session', '=', session)
          .limit(1)
          .executeTakeFirst();
        if (kept) return false;
        await transaction.deleteFrom('cep_parked').where('session', '=', session).execute();
        return true;
      }),
    counts: async () => {
      const rows = await db
        .selectFrom('cep_refused')
        .innerJoin('cep_parked', 'cep_parked.session', 'cep_refused.session')
        .select(({ fn }) => ['journey', 'key', fn.countAll<number | string>().as('signals')])
        .groupBy(['journey', 'key'])
        .execute();
      return rows.map((row) => ({ ...row, signals: Number(row.signals) }));
    },
  };
}

/** A parked session, and what waits for it. */
export interface ParkedOverview extends ParkedSession {
  /** How many signals are kept for it. */
  readonly signals: number;
}

/** Those parked, longest first. */
export async function parkedOverview(
  parked: Pick<ParkedSessions & KeptSignals, 'list' | 'counts'>,
): Promise<ParkedOverview[]> {
  const nameOf = ({ journey, key }: SessionRef) => JSON.stringify([journey, key]);
  const counts = new Map((await parked.counts()).map((each) => [nameOf(each), each.signals]));
  const sessions = await parked.list();
  return sessions.map((each) => ({ ...each, signals: counts.get(nameOf(each)) ?? 0 }));
}

function idOf(ref: SessionRef): string {
  return storableText(sessionWorkflowId(ref));
}
