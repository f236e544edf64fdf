// Effects that were given up, for those who see to them.

import type { EffectRecord } from '../effects/ledger.js';
import type { Reason } from '../effects/record.js';
import type { Timestamp } from '../time.js';
import type { Database } from './database.js';
import { recordOf } from './effect-ledger.js';
import { storableText } from './text.js';

export interface DeadWanted {
  readonly rule?: string | undefined;
  readonly effect?: string | undefined;
  readonly channel?: string | undefined;
  readonly reason?: string | undefined;
  /** Dead since then, or later. */
  readonly since?: Timestamp | undefined;
  readonly limit: number;
}

/** Those that nobody has discarded, the first that died first. */
export async function deadEffects(
  { db }: Pick<Database, 'db'>,
  { rule, effect, channel, reason, since, limit }: DeadWanted,
): Promise<EffectRecord[]> {
  let query = db
    .selectFrom('cep_effects')
    .selectAll()
    .where('state', '=', 'dead')
    .where('discarded', '=', false);
  if (rule !== undefined) query = query.where('rule', '=', storableText(rule));
  if (effect !== undefined) query = query.where('effect', '=', storableText(effect));
  if (channel !== undefined) query = query.where('channel', '=', storableText(channel));
  if (reason !== undefined) query = query.where('reason', '=', reason as Reason);
  if (since !== undefined) query = query.where('ended_at', '>=', since);
  const rows = await query
    .orderBy('ended_at')
    .orderBy('alert_id')
    .orderBy('effect')
    .limit(limit)
    .execute();
  return rows.map(recordOf);
}

/** How many there are that nobody has discarded. */
export async function countDeadEffects({ db }: Pick<Database, 'db'>): Promise<number> {
  const { count } = await db
    .selectFrom('cep_effects')
    .select(({ fn }) => fn.countAll<number | string>().as('count'))
    .where('state', '=', 'dead')
    .where('discarded', '=', false)
    .executeTakeFirstOrThrow();
  return Number(count);
}
