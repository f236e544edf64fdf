// Receivers of effects on loopback that fail: an HTTP server and a mail server, whose faults are drawn from a seed, the message and
// the try. So a seed fails each message in the same way, whatever else happens at the same time.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { LOOPBACK } from '../../../src/servers/ports.js';

export interface FaultsOptions {
  readonly seed: number;
  /** Share of the tries that fail. */
  readonly share: number;
  /** Longer than senders wait. */
  readonly lateMs: number;
}

/** What a receiver has done, in order; for one that knows keys, without repetitions. */
export interface Taken {
  readonly id: string;
  readonly body: string;
}

export interface FaultyReceiver {
  /** Where it is. */
  readonly address: string;
  readonly taken: readonly Taken[];
  /** Whom it has refused for good: effects over HTTP, addresses of mails. */
  readonly refused: ReadonlySet<string>;
  /** How often each fault was played. */
  readonly played: Readonly<Record<string, number>>;
  /** How many tries are still being dealt with. */
  readonly busy: () => number;
  stop(): Promise<void>;
}

/** 0 to 1, the same for the same arguments. */
export function drawn(...of: readonly (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(of)).digest().readUInt32BE() / 2 ** 32;
}

/** Null for none. */
function faultOf<F extends string>(
  { seed, share }: FaultsOptions,
  faults: readonly F[],
  ...message: readonly (string | number)[]
): F | null {
  if (drawn(seed, 'whether', ...message) >= share) return null;
  return faults[Math.floor(drawn(seed, 'which', ...message) * faults.length)] as F;
}

const HTTP_FAULTS = [
  'dropped before the body',
  'dropped in the body',
  'dropped after the body',
  'done, and dropped',
  'late',
  'done, and late',
  '500',
  'done, and 500',
  '503',
  '429',
  'two answers',
  'cut in the head',
  'cut in the middle',
] as const;

/**
 * An HTTP receiver.
 *
 * @param knowsKeys - whether it does what it is told under one idempotency key once
 * @param refuses - which messages it refuses for good
 */
export async function faultyHttp(
  options: FaultsOptions & { knowsKeys: boolean; refuses?: (id: string) => boolean },
): Promise<FaultyReceiver> {
  const { lateMs, knowsKeys, refuses = () => false } = options;
  const taken: Taken[] = [];
  const refused = new Set<string>();
  const known = new Set<string>();
  const played: Record<string, number> = {};
  let busy = 0;

  const take = (id: string, body: string) => {
    if (knowsKeys && known.has(id)) return;
    known.add(id);
    taken.push({ id, body });
  };

  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const { socket, headers } = request;
    const id = String(headers['idempotency-key']);
    const fault = faultOf(options, HTTP_FAULTS, id, Number(headers['webhook-attempt']));
    const name = fault ?? 'none';
    played[name] = (played[name] ?? 0) + 1;
    if (fault === 'dropped before the body') return void socket.destroy();
    let body = '';
    for await (const chunk of request) {
      if (fault === 'dropped in the body') return void socket.destroy();
      body += chunk;
    }
    if (fault === 'dropped after the body') return void socket.destroy();
    if (fault === '503' || fault === '500') return void response.writeHead(Number(fault)).end();
    if (fault === '429') return void response.writeHead(429, { 'retry-after': '1' }).end();
    if (refuses(id)) {
      refused.add(id);
      return void response.writeHead(422).end('no');
    }
    if (fault === 'late') await sleep(lateMs);
    take(id, body);
    if (fault === 'done, and late') await sleep(lateMs);
    if (fault === 'done, and dropped') return void socket.destroy();
    if (fault === 'done, and 500') return void response.writeHead(500).end();
    const answer = `HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone`;
    if (fault === 'two answers') return void socket.end(answer + answer);
    if (fault === 'cut in the head') return void socket.end(answer.slice(0, 20));
    if (fault === 'cut in the middle') return void socket.end(answer.slice(0, -2));
    response.end('done');
  };

  const server = createServer((request, response) => {
    busy++;
    receive(request, response)
      // Who asked is gone.
      .catch(() => {})
      .finally(() => busy--);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return {
    address: `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`,
    taken,
    refused,
    played,
    busy: () => busy,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const MAIL_FAULTS = [
  'refused for now',
  'dropped at the address',
  'late at the address',
  'dropped in the text',
  'text refused for now',
  'done, and dropped',
  'late',
  'done, and late',
  'two replies',
] as const;

/** A mail server. It knows no repetitions. @param refuses - which addresses it refuses for good */
export async function faultyMail(
  options: FaultsOptions & { refuses?: (address: string) => boolean },
): Promise<FaultyReceiver> {
  const { lateMs, refuses = () => false } = options;
  const taken: Taken[] = [];
  const refused = new Set<string>();
  const played: Record<string, number> = {};
  const tries = new Map<string, number>();
  const faults = new WeakMap<SMTPServerSession, (typeof MAIL_FAULTS)[number] | null>();
  let connections = 0;
  let busy = 0;

  const dealing = (deal: () => Promise<void>, done: (error?: Error | null) => void) => {
    busy++;
    deal()
      .then(() => done(), done)
      .finally(() => busy--);
  };
  const reply = (responseCode: number, message: string) =>
    Object.assign(new Error(message), { responseCode });

  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 100,
    onConnect: (session, done) => {
      const fault = faultOf(
        options,
        ['dropped at once', 'turned away'],
        'connection',
        ++connections,
      );
      if (fault === null || connections % 3 > 0) return done();
      played[fault] = (played[fault] ?? 0) + 1;
      if (fault === 'turned away') return done(reply(421, 'too busy'));
      socketOf(session).destroy();
    },
    onRcptTo: ({ address }, session, done) =>
      dealing(async () => {
        const nth = (tries.get(address) ?? 0) + 1;
        tries.set(address, nth);
        const fault = faultOf(options, MAIL_FAULTS, address, nth);
        faults.set(session, fault);
        const name = fault ?? 'none';
        played[name] = (played[name] ?? 0) + 1;
        if (fault === 'refused for now') throw reply(451, 'later, please');
        if (fault === 'dropped at the address') socketOf(session).destroy();
        if (fault === 'late at the address') await sleep(lateMs);
        if (refuses(address)) {
          refused.add(address);
          throw reply(550, 'nobody here');
        }
      }, done),
    onData: (stream, session, done) =>
      dealing(async () => {
        const fault = faults.get(session) ?? null;
        let body = '';
        let isWhole = false;
        stream.on('end', () => {
          isWhole = true;
        });
        try {
          for await (const chunk of stream) {
            if (fault === 'dropped in the text') socketOf(session).destroy();
            body += chunk;
          }
        } catch {
          return;
        }
        if (!isWhole || fault === 'dropped in the text') return;
        if (fault === 'text refused for now') throw reply(451, 'later, please');
        if (fault === 'late') await sleep(lateMs);
        const [, id = ''] = /^X-Effect-Id: (\S+)\r?$/im.exec(body) ?? [];
        taken.push({ id, body });
        if (fault === 'done, and late') await sleep(lateMs);
        if (fault === 'done, and dropped') socketOf(session).destroy();
        if (fault === 'two replies') socketOf(session).write('250 OK\r\n');
      }, done),
  });
  const socketOf = (session: SMTPServerSession): Socket => {
    const { connections } = server as unknown as {
      connections: Set<{ session: SMTPServerSession; _socket: Socket }>;
    };
    for (const { session: own, _socket } of connections) if (own.id === session.id) return _socket;
    throw new Error('the connection is gone');
  };
  // Clients that go away in the middle.
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  return {
    address: `smtp://${LOOPBACK}:${(server.server.address() as AddressInfo).port}`,
    taken,
    refused,
    played,
    busy: () => busy,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
