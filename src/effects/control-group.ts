// Who is never sent an effect, so that the others can be compared with them: a share of the users that the hash of their id decides,
// the same on every machine and for good. With a larger share those who were in it stay in it.

import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** As many bytes of the hash as a number holds exactly. */
const BYTES = 6;

/**
 * @param salt - what the group is for; groups of different salts are independent
 * @param percent - 0 to 100
 */
export function isInControlGroup(userId: string, salt: string, percent: number): boolean {
  if (percent <= 0) return false;
  const hash = sha256(utf8ToBytes(JSON.stringify([salt, userId]))).subarray(0, BYTES);
  const drawn = hash.reduce((number, byte) => number * 256 + byte, 0) / 256 ** BYTES;
  return drawn * 100 < percent;
}

/** The salt of the group who are sent nothing at all. */
export const SALT_OF_ALL = 'all';

/** The salt of an effect's group: each rule that sets it off has its own. */
export function saltOf(of: { journey: string; rule: string; effect: string }): string {
  return JSON.stringify([of.journey, of.rule, of.effect]);
}
