// The suppression list: users and addresses that are sent nothing, over a channel or at all. What was taken off it stays in the
// table, with who and why.

import type { Kysely } from 'kysely';
import type { Handling } from '../effects/ledger.js';
import { addressOf } from '../effects/mail-address.js';
import type { PlannedEffect } from '../effects/record.js';
import type { Timestamp } from '../time.js';
import type { Database } from './database.js';
import type { Schema } from './schema.js';
import { storableText } from './text.js';
import { userKey } from './user-key.js';

/** The channel that stands for all. */
const ALL_CHANNELS = '';

export interface Suppression {
  /** An id or an address; of one that is too long for a key, its SHA-256. */
  readonly user: string;
  /** Null for all. */
  readonly channel: string | null;
  readonly author: string;
  readonly reason: string;
  readonly addedAt: Timestamp;
  /** When it was taken off the list; null while it is on it. */
  readonly removedAt: Timestamp | null;
  readonly removedBy: string | null;
  readonly removedWhy: string | null;
}

/** Puts a user or an address on the list. @returns false where it is there already, and stays as it is */
export async function addSuppression(
  { db }: Pick<Database, 'db'>,
  user: string,
  channel: string | null,
  { author, reason }: Handling,
): Promise<boolean> {
  const entry = {
    reason: storableText(reason ?? ''),
    author: storableText(author),
    added_at: new Date(),
  };
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('cep_suppressions')
    .values({
      user_id: suppressionKey(user),
      channel: channel === null ? ALL_CHANNELS : storableText(channel),
      ...entry,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['user_id', 'channel'])
        .doUpdateSet({ ...entry, removed_at: null, removed_by: null, removed_why: null })
        .where('cep_suppressions.removed_at', 'is not', null),
    )
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows > 0n;
}

/** Takes it off the list. @returns whether it was on it */
export async function removeSuppression(
  { db }: Pick<Database, 'db'>,
  user: string,
  channel: string | null,
  { author, reason }: Handling,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('cep_suppressions')
    .set({
      removed_at: new Date(),
      removed_by: storableText(author),
      removed_why: reason && storableText(reason),
    })
    .where('user_id', '=', suppressionKey(user))
    .where('channel', '=', channel === null ? ALL_CHANNELS : storableText(channel))
    .where('removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

export interface SuppressionsWanted {
  readonly user?: string | undefined;
  /** What holds for this channel, that for all included. */
  readonly channel?: string | undefined;
  /** Also what was taken off the list. */
  readonly isRemovedToo?: boolean | undefined;
  readonly limit: number;
}

/** What is on the list, the newest first. */
export async function listSuppressions(
  { db }: Pick<Database, 'db'>,
  { user, channel, isRemovedToo = false, limit }: SuppressionsWanted,
): Promise<Suppression[]> {
  const rows = await db
    .selectFrom('cep_suppressions')
    .selectAll()
    .$if(user !== undefined, (query) => query.where('user_id', '=', suppressionKey(user as string)))
    .$if(channel !== undefined, (query) =>
      query.where('channel', 'in', [ALL_CHANNELS, storableText(channel as string)]),
    )
    .$if(!isRemovedToo, (query) => query.where('removed_at', 'is', null))
    .orderBy('added_at', 'desc')
    .orderBy('user_id')
    .orderBy('channel')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    user: row.user_id,
    channel: row.channel === ALL_CHANNELS ? null : row.channel,
    author: row.author,
    reason: row.reason,
    addedAt: row.added_at.getTime(),
    removedAt: row.removed_at?.getTime() ?? null,
    removedBy: row.removed_by,
    removedWhy: row.removed_why,
  }));
}

/** Whether the user of an effect is sent nothing over its channel: by id, or by address. */
export async function isSuppressed(
  db: Kysely<Schema>,
  { user, channel }: Pick<PlannedEffect, 'user' | 'channel'>,
): Promise<boolean> {
  const keys = [user.id, user.email].filter((each) => each !== null).map(suppressionKey);
  if (keys.length === 0) return false;
  const row = await db
    .selectFrom('cep_suppressions')
    .select('user_id')
    .where('user_id', 'in', keys)
    .where('channel', 'in', [ALL_CHANNELS, storableText(channel)])
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** An address is known by what a mail is sent to, and nobody tells upper and lower case apart there. */
function suppressionKey(user: string): string {
  const address = addressOf(user)?.address ?? user;
  return userKey(address.includes('@') ? address.toLowerCase() : user);
}
