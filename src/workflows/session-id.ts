import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { SessionRef } from './messages.js';

/** Longest key that stands in a workflow id as it is, in bytes of UTF-8. */
const KEY_BYTES_MAX = 200;

/**
 * The workflow id of a session: `<journey>/<key>`, or the key's SHA-256 where the key is too long.
 *
 * @param secret - names the session without telling its key
 */
export function sessionWorkflowId({ journey, key }: SessionRef, secret?: string): string {
  const name = keyName(key, secret);
  const bytes = utf8ToBytes(name);
  return `${journey}/${bytes.length > KEY_BYTES_MAX ? bytesToHex(sha256(bytes)) : name}`;
}

/**
 * What stands for a key where Temporal encodes nothing, in workflow ids and search attributes: the key itself, or its
 * HMAC-SHA-256 under a secret.
 */
export function keyName(key: string, secret?: string): string {
  if (secret === undefined) return key;
  return bytesToHex(hmac(sha256, utf8ToBytes(secret), utf8ToBytes(key)));
}
