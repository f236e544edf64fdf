// What stands for a user in keys of tables.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { sql } from 'kysely';
import { storableText } from './text.js';

/** Longest user id that stands as it is in a key, in bytes of UTF-8: a B-tree takes 2.7 kB. */
const BYTES_MAX = 200;

/** Never empty: an empty one stands for all users. */
export function userKey(id: string): string {
  const text = storableText(id);
  const bytes = utf8ToBytes(text);
  return bytes.length === 0 || bytes.length > BYTES_MAX ? bytesToHex(sha256(bytes)) : text;
}

/** The same of `cep_effects.user_id`, in SQL. */
export const USER_KEY = sql<string>`case
  when octet_length(cep_effects.user_id) between 1 and ${sql.lit(BYTES_MAX)} then cep_effects.user_id
  else encode(sha256(convert_to(cep_effects.user_id, 'UTF8')), 'hex') end`;
