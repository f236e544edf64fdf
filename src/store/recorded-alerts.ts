// What the ledger has recorded, for those who want to look at it.

import type { Selectable } from 'kysely';
import type { Alert } from '../rules/rule.js';
import type { Timestamp } from '../time.js';
import type { Database } from './database.js';
import type { AlertsTable } from './schema.js';
import { storableText } from './text.js';

/**
 * The alerts of a rule, those in the shadow too, in the order of their times.
 *
 * @param of.since - event time of the first one
 */
export async function recordedAlerts(
  { db }: Pick<Database, 'db'>,
  of: { readonly rule: string; readonly since: Timestamp },
): Promise<Alert[]> {
  const rows = await db
    .selectFrom('cep_alerts')
    .selectAll()
    .where('rule', '=', storableText(of.rule))
    .where('at', '>=', of.since)
    .orderBy('at')
    .orderBy('id')
    .execute();
  return rows.map(alertOf);
}

/** Null where there is none of this id. */
export async function recordedAlert(
  { db }: Pick<Database, 'db'>,
  id: string,
): Promise<Alert | null> {
  const row = await db
    .selectFrom('cep_alerts')
    .selectAll()
    .where('id', '=', storableText(id))
    .executeTakeFirst();
  return row ? alertOf(row) : null;
}

function alertOf(row: Selectable<AlertsTable>): Alert {
  return {
    id: row.id,
    journey: row.journey,
    rule: row.rule,
    ruleVersion: row.rule_version,
    key: row.key,
    userId: row.user_id,
    userSession: row.user_session,
    type: row.type,
    message: row.message,
    at: row.at,
    match: row.match,
    ...(row.shadow && { shadow: true as const }),
  };
}
