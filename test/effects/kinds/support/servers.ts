// Servers on loopback that end with their test.

import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { LOOPBACK } from '../../../../src/servers/ports.js';
import type { Certificate } from './certificates.js';

/** A request as it came in. */
export interface Received {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse, received: Received) => void;

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** An HTTP receiver that keeps what it was sent. */
export async function receiver(answer: Answer, tls?: Certificate) {
  const received: Received[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      return;
    }
    const got = { url: request.url ?? '', headers: request.headers, body };
    received.push(got);
    answer(response, got);
  };
  const server = tls ? createHttps(tls, take) : createHttp(take);
  // A handshake that a client breaks off is no failure of the test.
  server.on('tlsClientError', () => {});
  const port = await listening(server as Server);
  return { url: `http${tls ? 's' : ''}://${LOOPBACK}:${port}`, port, received };
}

/** A server that speaks no HTTP. */
export async function rawServer(
  take: (socket: Socket) => void,
): Promise<{ port: number; url: string }> {
  const port = await listening(createTcp(take));
  return { port, url: `http://${LOOPBACK}:${port}` };
}
