// `temporal-cep worker` in a process of its own, to be killed; and its alerts file, watched.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Alert } from '../../../src/rules/rule.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const JOURNEYS = fileURLToPath(new URL('journeys.ts', import.meta.url));

export interface WorkerProcess {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly readyAt: number;
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Starts it and waits until it says that it is ready. */
export async function startWorkerProcess(options: {
  address: string;
  database: string;
  taskQueue: string;
  alerts: string;
}): Promise<WorkerProcess> {
  const { address, database, taskQueue, alerts } = options;
  const args = ['worker', '--journeys', JOURNEYS, '--task-queue', taskQueue, '--alerts', alerts];
  return await startUntilReady([MAIN, ...args], {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_CEP_DATABASE: database,
  });
}

/** A program of Node's that says on standard error when its worker is ready. */
export async function startUntilReady(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<WorkerProcess> {
  const startedAt = Date.now();
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void exited.then(() => process.removeListener('exit', end));
  await ready(child);
  return {
    startedAt,
    readyAt: Date.now(),
    exited,
    kill: () => {
      end();
      return exited;
    },
  };
}

function ready(child: ChildProcess): Promise<void> {
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    child.once('exit', (code) =>
      reject(new Error(`the worker ended early (${code}):\n${said.join('\n')}`)),
    );
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      said.push(line);
      if (line.startsWith('Worker is ready')) resolve();
    });
  });
}

export interface AlertsFile {
  /** The alerts in the file, with when each was first seen, in ms since the epoch. */
  readonly seen: readonly { readonly alert: Alert; readonly seenAt: number }[];
  close(): void;
}

/** Reads the file every few milliseconds. @param onAlert - called at once with each new alert */
export function watchAlerts(path: string, onAlert?: (alert: Alert) => void): AlertsFile {
  const seen: { alert: Alert; seenAt: number }[] = [];
  const look = () => {
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
    for (const line of lines.slice(seen.length)) {
      const alert = JSON.parse(line) as Alert;
      seen.push({ alert, seenAt: Date.now() });
      onAlert?.(alert);
    }
  };
  const timer = setInterval(look, 5);
  return {
    get seen() {
      look();
      return seen;
    },
    close: () => clearInterval(timer),
  };
}

/** A way to the server on which what the client says takes `delayMs` longer. */
export async function slowPath(
  address: string,
  delayMs: number,
): Promise<{ address: string; close(): Promise<void> }> {
  const [host, port] = address.split(':');
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // A killed worker resets its connections.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (data) => {
      setTimeout(() => !upstream.destroyed && upstream.write(data), delayMs);
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return {
    address: `127.0.0.1:${bound.port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
