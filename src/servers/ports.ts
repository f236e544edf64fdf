import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CepError, messageOf } from '../errors.js';
import type { Millis } from '../time.js';

/** Where the servers listen that we start: they have neither passwords nor TLS. */
export const LOOPBACK = '127.0.0.1';

/** Null when something accepts connections there, or else why not. */
export function probe(host: string, port: number, timeoutMs: Millis): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (result: string | null) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => end('no answer'));
    socket.once('connect', () => end(null));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? messageOf(error)));
  });
}

/**
 * Waits until something accepts connections on a port of the loopback interface. A look at the socket
 * costs next to nothing, while a failed gRPC connect backs off for a second.
 *
 * @param signal - ends the waiting, with an AbortError
 * @throws CepError `SERVER_UNREACHABLE` after `timeoutMs`
 */
export async function waitForPort(
  port: number,
  { timeoutMs, signal }: { readonly timeoutMs: Millis; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while ((await probe(LOOPBACK, port, 1_000)) !== null) {
    if (performance.now() > deadline) {
      throw new CepError(
        'SERVER_UNREACHABLE',
        `the server that was started did not answer on port ${port} within ${timeoutMs / 1000} s`,
        { details: { port } },
      );
    }
    await sleep(50, undefined, { signal });
  }
}

/** A port of the loopback interface that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  return await listenBriefly(0);
}

/** The wanted port when it is free, or else any free one. */
export async function preferPort(port: number | undefined): Promise<number> {
  if (port !== undefined && (await isFree(port))) return port;
  return await freePort();
}

/**
 * Makes sure that nobody listens on a port that was asked for by number.
 *
 * @throws CepError `PORT_OCCUPIED` when somebody does
 */
export async function requirePort(port: number, setting: string): Promise<number> {
  if (await isFree(port)) return port;
  throw new CepError(
    'PORT_OCCUPIED',
    `port ${port} (${setting}) is already in use on this machine: stop the program that listens on it, or choose another port, or none to have a free one chosen`,
    { details: { port, setting } },
  );
}

async function isFree(port: number): Promise<boolean> {
  // Some systems let us listen on 127.0.0.1 beside a program that listens on every address.
  if ((await probe(LOOPBACK, port, 1_000)) === null) return false;
  try {
    await listenBriefly(port);
    return true;
  } catch {
    return false;
  }
}

function listenBriefly(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: LOOPBACK, port }, () => {
      const { port: actual } = server.address() as AddressInfo;
      server.close(() => resolve(actual));
    });
  });
}
