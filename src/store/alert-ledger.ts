// The ledger of alerts in SQL: what was found and published, for every process and for good.
//
// Each statement stands by itself. Recording and publishing may be repeated at will, so what
// half of a call has done is simply found done by the next.

import { sql } from 'kysely';
import type { AlertLedger } from '../activities/ledger.js';
import type { Alert } from '../rules/rule.js';
import type { Database } from './database.js';
import { storableJson, storableText } from './text.js';

/** PostgreSQL takes 65,535 parameters in a statement; an alert has a dozen. */
const ROWS_MAX = 1_000;

/** Keeps the ledger in the table `cep_alerts`. Many processes may use it at once. */
export function sqlAlertLedger({ db }: Pick<Database, 'db'>): AlertLedger {
  /** Of these ids, the ones in the ledger that have not reached the sink. */
  const unpublished = async (ids: readonly string[]): Promise<string[]> => {
    if (ids.length === 0) return [];
    const rows = await db
      .selectFrom('cep_alerts')
      .select('id')
      .where('id', 'in', ids)
      .where('published_at', 'is', null)
      .execute();
    return rows.map(({ id }) => id);
  };

  return {
    record: async (alerts) => {
      const rows = new Map(alerts.map((alert) => [storableText(alert.id), alert]));
      // In the order of ids, so that two who record the same alerts don't wait for each other in a circle.
      const ids = [...rows.keys()].sort();
      const open = new Set<string>();
      for (const some of chunks(ids, ROWS_MAX)) {
        const added = await db
          .insertInto('cep_alerts')
          .values(some.map((id) => rowOf(id, rows.get(id) as Alert)))
          .onConflict((conflict) => conflict.column('id').doNothing())
          .returning('id')
          .execute();
        for (const { id } of added) open.add(id);
        for (const id of await unpublished(some.filter((id) => !open.has(id)))) open.add(id);
      }
      return [...rows].flatMap(([id, alert]) => (open.has(id) ? [alert] : []));
    },

    published: async (ids) => {
      for (const some of chunks([...ids].map(storableText).sort(), ROWS_MAX)) {
        await db
          .updateTable('cep_alerts')
          .set({ published_at: sql`current_timestamp` })
          .where('id', 'in', some)
          .where('published_at', 'is', null)
          .execute();
      }
    },
  };
}

function rowOf(id: string, alert: Alert) {
  return {
    id,
    journey: storableText(alert.journey),
    rule: storableText(alert.rule),
    rule_version: alert.ruleVersion,
    key: storableText(alert.key),
    type: storableText(alert.type),
    message: storableText(alert.message),
    user_id: alert.userId === null ? null : storableText(alert.userId),
    user_session: alert.userSession === null ? null : storableText(alert.userSession),
    at: alert.at,
    match: storableJson(alert.match),
    shadow: alert.shadow ?? false,
    timed_out: alert.timedOut ?? false,
  };
}

function* chunks<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
