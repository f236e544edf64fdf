import { type AddressInfo, connect, createServer } from 'node:net';
import { CepError, messageOf } from '../errors.js';
import type { Millis } from '../time.js';

const LOOPBACK = '127.0.0.1';

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
