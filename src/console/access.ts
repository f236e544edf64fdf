// Who may look. On the loopback interface whoever is on this machine; from elsewhere who knows the token.
//
//   A1. The cookie holds no token: it is an end, and a keyed hash of it under the token. A new token ends all of them.
//   A2. On loopback the Host header has to name loopback where there is no token: else a page of somebody else's, whose name was
//       made to lead here, could read ours. It knows no token, and a browser brings the cookie to the name alone that set it.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { CepError } from '../errors.js';
import { hours, type Timestamp } from '../time.js';

export const TOKEN_VARIABLE = 'TEMPORAL_CEP_CONSOLE_TOKEN';
const TOKEN_LENGTH_MIN = 16;

const COOKIE = 'temporal_cep_console';
const COOKIE_MS = hours(12);

const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '::1'];

export interface AccessOptions {
  /** Where the server listens. */
  readonly host: string;
  /** Needed where that is no loopback address. */
  readonly token?: string | undefined;
}

export interface Access {
  /** A2. */
  isForUs(request: IncomingMessage): boolean;
  /** Whether it brings the token, or a cookie made of it; always where there is none. */
  isAllowed(request: IncomingMessage): boolean;
  /** Whether there is a token at all. */
  readonly isClosed: boolean;
  /** The cookie for who has said this token; null for a wrong one. */
  logIn(token: string, request: IncomingMessage): string | null;
}

/** @throws CepError `SETTING_INVALID` for a token that is missing or too short */
export function consoleAccess({ host, token }: AccessOptions): Access {
  const isLoopback = LOOPBACK_HOSTS.includes(host);
  if (token === undefined && !isLoopback) {
    throw new CepError(
      'SETTING_INVALID',
      `--host ${host} shows the console to other machines: set ${TOKEN_VARIABLE} to a token of ${TOKEN_LENGTH_MIN} characters or more, such as openssl rand -hex 32 makes`,
    );
  }
  if (token !== undefined && token.length < TOKEN_LENGTH_MIN) {
    throw new CepError(
      'SETTING_INVALID',
      `${TOKEN_VARIABLE} must have at least ${TOKEN_LENGTH_MIN} characters: make one with openssl rand -hex 32`,
    );
  }
  const sign = (end: string) =>
    createHmac('sha256', token ?? '')
      .update(`console ${end}`)
      .digest('base64url');
  const isValid = (cookie: string, now: Timestamp) => {
    const [end = '', signature = ''] = cookie.split('.');
    return isSame(signature, sign(end)) && Number(end) > now;
  };
  return {
    isClosed: token !== undefined,
    isForUs: ({ headers }) =>
      token !== undefined || !isLoopback || LOOPBACK_HOSTS.includes(nameOf(headers.host ?? '')),
    isAllowed: ({ headers }) => {
      if (token === undefined) return true;
      const [, bearer] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
      if (bearer !== undefined) return isSame(bearer, token);
      return cookiesOf(headers.cookie).some((cookie) => isValid(cookie, Date.now()));
    },
    logIn: (said, { headers }) => {
      if (token === undefined || !isSame(said, token)) return null;
      const end = `${Date.now() + COOKIE_MS}`;
      // Known only where something in front of us ends TLS.
      const secure = headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
      return `${COOKIE}=${end}.${sign(end)}; Path=/; Max-Age=${COOKIE_MS / 1_000}; HttpOnly; SameSite=Strict${secure}`;
    },
  };
}

/** Of hashes, so that neither time nor length tells anything. */
function isSame(one: string, other: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}

/** The name in a Host header, without the port. */
function nameOf(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host) ?? [];
  return (bracketed ?? plain ?? '').toLowerCase();
}

/** Ours: a browser may send several of the name, for other paths or domains. */
function cookiesOf(header = ''): string[] {
  return header
    .split(';')
    .map((cookie) => cookie.trim().split('='))
    .flatMap(([name, value]) => (name === COOKIE && value !== undefined ? [value] : []));
}
