// Why there is no connection, in words for people who have to do something about it.

import { messageOf } from '../../errors.js';

const OF_CERTIFICATES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired: it needs a new one',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: look at both clocks',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: name it in ca if it is meant',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate is self-signed, or from an authority unknown here: name that in ca if it is meant',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate is from an authority unknown here: name that in ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is from an authority unknown here: name that in ca, or let the server send the whole chain',
  CERT_REVOKED: 'its certificate was revoked: it needs a new one',
};

/** @returns null for an error that is not about a certificate */
export function certificateFault(error: unknown): string | null {
  // Nodemailer puts a code of its own in place of the first one.
  const { code, originalCode = code } = error as { code?: string; originalCode?: string };
  if (originalCode === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for another host (${messageOf(error)}): correct the address`;
  }
  return OF_CERTIFICATES[originalCode ?? ''] ?? null;
}

export function connectionFault(error: unknown): string {
  // Of a host with several addresses Node reports all attempts as one error without a message.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return certificateFault(first) ?? messageOf(first);
}
