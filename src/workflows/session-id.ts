import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { SessionRef } from './messages.js';

/** Longest key that stands in a workflow id as it is, in bytes of UTF-8. */
const KEY_BYTES_MAX = 200;

/** The workflow id of a session: `<journey>/<key>`, or the key's SHA-256 where the key is too long. */
export function sessionWorkflowId({ journey, key }: SessionRef): string {
  const bytes = utf8ToBytes(key);
  return `${journey}/${bytes.length > KEY_BYTES_MAX ? bytesToHex(sha256(bytes)) : key}`;
}
