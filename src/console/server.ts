// The page over HTTP: some files, and what they show as server-sent events. It changes nothing anywhere.
//
//   H1. Only GET and HEAD, but for the form that takes the token.
//   H2. What a listener has not read yet is one batch of changes at most. It is told of the next when it has, or ends when it
//       takes nothing for too long.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CepError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Millis, seconds } from '../time.js';
import { type Access, TOKEN_VARIABLE } from './access.js';
import type { Feed } from './feed.js';

const HEARTBEAT_MS: Millis = seconds(15);
/** How long a listener may take nothing of what it is sent. */
const STALL_MS: Millis = seconds(30);
/** Of one console: a page has one, and a browser no more than six to a host. */
const LISTENERS_MAX = 100;
const FORM_LENGTH_MAX = 4_096;

/** Nothing of others, nothing inline. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');
const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Not to others, but to us: else the form would say that it comes from nowhere.
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const PAGE = [
  'index.html',
  'login.html',
  'page.css',
  'page.js',
  'charts.js',
  'dom.js',
  'format.js',
  'panels.js',
  'icon.svg',
];
/** What who has not said the token may have. */
const FOR_ALL = ['/login', '/page.css', '/icon.svg'];

export interface ConsoleOptions {
  readonly feed: Feed;
  readonly access: Access;
  readonly log: Logger;
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  readonly heartbeatMs?: Millis;
  readonly stallMs?: Millis;
}

export interface RunningConsole {
  /** Where to look. */
  readonly url: string;
  readonly port: number;
  /** Ends the connections of all who listen. */
  close(): Promise<void>;
}

/**
 * Serves the page.
 *
 * @throws CepError `PORT_OCCUPIED`, `SETTING_INVALID` for an address that is not this machine's
 */
export async function serveConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const { feed, access, log, host, port } = options;
  const { heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS } = options;
  const files = readFiles();
  const listeners = new Set<Listener>();
  let isClosing = false;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', headers } = request;
    const path = (request.url ?? '/').split('?')[0] as string;
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (!access.isForUs(request)) {
      return say(
        response,
        403,
        `this address is not one of the console: ask for localhost, or set ${TOKEN_VARIABLE} where something in front of it asks by another name`,
      );
    }
    // A page of somebody else's may lead here, and fetch nothing.
    if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate') {
      return say(response, 403, 'the console answers its own page only');
    }
    if (path === '/login' && method === 'POST') return await logIn(request, response);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return say(response, 405, 'the console only shows: use GET');
    }
    if (path === '/login' && (!access.isClosed || access.isAllowed(request))) {
      return redirect(response, '/');
    }
    if (!FOR_ALL.includes(path) && !access.isAllowed(request)) {
      // Who types the address is asked for the token; a script is told.
      if (path === '/' && headers.authorization === undefined) return redirect(response, '/login');
      response.setHeader('www-authenticate', 'Bearer');
      return say(
        response,
        401,
        'the console wants its token: Authorization: Bearer ..., or /login',
      );
    }
    if (path === '/events') return listen(request, response);
    const file = files.get(path);
    if (!file) return say(response, 404, 'there is no such page: see /');
    response.setHeader('cache-control', 'no-cache');
    response.setHeader('etag', file.etag);
    if (headers['if-none-match'] === file.etag) {
      response.writeHead(304).end();
      return;
    }
    send(response, 200, file.type, file.body);
  };

  const logIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = await readForm(request);
    const token = form?.get('token');
    if (!token || !isOwnForm(request)) {
      return say(response, 400, 'send the token by the form at /login');
    }
    const cookie = access.logIn(token.trim(), request);
    if (cookie === null) {
      response.setHeader('cache-control', 'no-store');
      return redirect(response, '/login#wrong');
    }
    response.setHeader('set-cookie', cookie);
    redirect(response, '/');
  };

  const listen = (request: IncomingMessage, response: ServerResponse): void => {
    if (isClosing || listeners.size >= LISTENERS_MAX) {
      say(response, 503, 'too many pages listen: close some');
      return;
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // A proxy in between must not wait for more.
      'x-accel-buffering': 'no',
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const [epoch, number] = `${request.headers['last-event-id'] ?? ''}`.split('-');
    const heard = epoch === feed.id && /^\d+$/.test(number ?? '') ? Number(number) : 0;
    const listener = new Listener(response, feed, heard);
    listeners.add(listener);
    response.once('close', () => {
      listener.end();
      listeners.delete(listener);
    });
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      log.error('request failed', { path: request.url, error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else say(response, 500, 'something went wrong here: the log of the console says what');
    });
  });
  const heartbeat = setInterval(() => {
    for (const listener of listeners) listener.beat(stallMs);
  }, heartbeatMs);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(cannotListen(cause, options)));
      server.listen({ host, port }, resolve);
    });
  } catch (error) {
    clearInterval(heartbeat);
    throw error;
  }
  const { port: actual } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}/`,
    port: actual,
    close: async () => {
      isClosing = true;
      clearInterval(heartbeat);
      for (const listener of listeners) listener.end();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        // Kept alive, and idle; or one that takes nothing.
        server.closeAllConnections();
      });
    },
  };
}

/** H2. */
class Listener {
  readonly #response: ServerResponse;
  readonly #feed: Feed;
  readonly #stopListening: () => void;
  #heard: number;
  #stalledAt: number | null = null;

  constructor(response: ServerResponse, feed: Feed, heard: number) {
    this.#response = response;
    this.#feed = feed;
    this.#heard = heard;
    response.on('drain', () => {
      this.#stalledAt = null;
      this.#tell();
    });
    // How soon the page comes again where the connection ends.
    this.#write('retry: 2000\n\n');
    this.#stopListening = feed.listen(() => this.#tell());
    this.#tell();
  }

  beat(stallMs: Millis): void {
    if (this.#stalledAt === null) this.#write(': still here\n\n');
    else if (performance.now() - this.#stalledAt > stallMs) this.#response.destroy();
  }

  end(): void {
    this.#stopListening();
    this.#response.end();
  }

  #tell(): void {
    if (this.#stalledAt !== null) return;
    const changes = this.#feed.since(this.#heard);
    if (changes.length === 0) return;
    this.#heard = (changes.at(-1) as { number: number }).number;
    const { id } = this.#feed;
    this.#write(
      changes
        .map(({ panel, number, json }) => `id: ${id}-${number}\nevent: ${panel}\ndata: ${json}\n\n`)
        .join(''),
    );
  }

  #write(text: string): void {
    if (!this.#response.writableEnded && !this.#response.write(text)) {
      this.#stalledAt ??= performance.now();
    }
  }
}

interface StaticFile {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** All of them, by their paths. */
function readFiles(): Map<string, StaticFile> {
  const folder = fileURLToPath(new URL('page/', import.meta.url));
  const charts = dirname(createRequire(import.meta.url).resolve('chart.js'));
  const places = new Map(PAGE.map((name) => [`/${name}`, join(folder, name)]));
  places.set('/', join(folder, 'index.html'));
  places.set('/login', join(folder, 'login.html'));
  places.set('/chart.js', join(charts, 'chart.umd.min.js'));
  const files = new Map<string, StaticFile>();
  for (const [path, place] of places) {
    const body = readFileSync(place);
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    files.set(path, { type: TYPES[extname(place)] as string, body, etag });
  }
  return files;
}

/** A proxy may ask by a name of its own; then the browser still says whose page sends the form. */
function isOwnForm({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  if (headers['sec-fetch-site'] === 'same-origin') return true;
  return origin === undefined || origin.replace(/^https?:\/\//, '') === host;
}

/** Null for one that is no form, or too long. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | null> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > FORM_LENGTH_MAX) return null;
  }
  const type = request.headers['content-type']?.split(';')[0];
  return type === 'application/x-www-form-urlencoded' ? new URLSearchParams(text) : null;
}

function say(response: ServerResponse, status: number, line: string): void {
  response.setHeader('cache-control', 'no-store');
  send(response, status, 'text/plain; charset=utf-8', Buffer.from(`${line}\n`));
}

function redirect(response: ServerResponse, to: string): void {
  response.writeHead(303, { location: to, 'cache-control': 'no-store' }).end();
}

function send(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  // To HEAD, Node sends the head alone.
  response.end(body);
}

function cannotListen(
  cause: NodeJS.ErrnoException,
  { host, port }: Pick<ConsoleOptions, 'host' | 'port'>,
): CepError {
  const isHost = cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND';
  return new CepError(
    isHost ? 'SETTING_INVALID' : 'PORT_OCCUPIED',
    `the console cannot be served at ${host}, port ${port} (${messageOf(cause)}): name another ${isHost ? '--host' : '--port'}`,
    { details: { host, port }, cause },
  );
}
