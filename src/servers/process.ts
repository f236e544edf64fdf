// Child processes that cannot outlive us.
//
//   P1. A child dies when its parent does, however the parent ends: its guard waits on a pipe that
//       the kernel closes with the parent, SIGKILL included. No signal handler is needed for it, so
//       the program keeps its own.
//   P2. A child leads a process group of its own: Ctrl-C in a terminal reaches the parent alone, which
//       can then drain its workers before it stops the server; and what the child started (a
//       compiler, say) is ended with it.
//
// Windows has neither groups nor a shell to rely on: there only the exit of the parent is covered.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { messageOf } from '../errors.js';
import type { Millis } from '../time.js';

/** Where progress goes, a line at a time. */
export type Report = (line: string) => void;
/** The variables a process sees, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The default {@link Report}: standard error, so that standard output stays for results. */
export const reportToStderr: Report = (line) => {
  process.stderr.write(`${line}\n`);
};

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not even be started. */
  readonly error?: string;
}

/** A child process that ends with its parent. */
export interface GuardedProcess {
  /** Of the process, and of its group; undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Resolves, never rejects, when the process is gone. */
  readonly exited: Promise<Exit>;
  /** The last lines of its two outputs, oldest first. */
  tail(): string;
  /** Sends SIGTERM, after `graceMs` (5 s by default) SIGKILL, and waits for the exit. */
  stop(graceMs?: Millis): Promise<void>;
}

/** What a child is started with. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Environment;
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

const WINDOWS = process.platform === 'win32';
const TAIL_LINES = 30;
const GRACE_MS = 5_000;

// `$$` is the child: the shell becomes it by `exec`, while the guard in the background waits for the
// end of the pipe. The guard ignores the signal that it sends to its own group. Only builtins before
// `sleep`, because the child's PATH may hold nothing.
const GUARD = `
exec 3<&0 </dev/null
(
  trap '' TERM INT HUP
  while read -r _ <&3; do :; done
  kill -TERM -$$
  kill -0 $$ || exit
  PATH=/bin:/usr/bin sleep 5
  kill -KILL -$$
) >/dev/null 2>&1 &
exec 3<&-
exec "$@"`;

const live = new Set<ChildProcess>();
let cleanupRegistered = false;

/** Starts a child process that ends with its parent. */
export function startGuarded(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): GuardedProcess {
  const spawnOptions = {
    stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'],
    detached: !WINDOWS,
    windowsHide: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  };
  const child = WINDOWS
    ? spawn(command, args, spawnOptions)
    : spawn('/bin/sh', ['-c', GUARD, 'sh', command, ...args], spawnOptions);
  track(child);
  // The child may be gone before Node closes its end of the pipe.
  child.stdin.on('error', () => {});

  const lines: string[] = [];
  for (const stream of ['stdout', 'stderr'] as const) {
    createInterface({ input: child[stream] }).on('line', (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      options.onLine?.(line, stream);
    });
  }

  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error: messageOf(error) }));
    // 'close' comes after the last line of output, but a grandchild that keeps the output open would
    // hold it back: then the exit itself has to do.
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('exit', (code, signal) => {
      setTimeout(() => resolve({ code, signal }), 500).unref();
    });
  });

  return {
    pid: child.pid,
    exited,
    tail: () => lines.join('\n'),
    async stop(graceMs = GRACE_MS) {
      signalGroup(child, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** How a command went: its exit and the last lines of its output. */
export interface Outcome extends Exit {
  readonly output: string;
  readonly timedOut: boolean;
}

/** Runs a command to its end, or stops it after `timeoutMs`. Never rejects. */
export async function run(
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly timeoutMs: Millis },
): Promise<Outcome> {
  const child = startGuarded(command, args, options);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    void child.stop();
  }, options.timeoutMs);
  const exit = await child.exited;
  clearTimeout(timer);
  return { ...exit, output: child.tail(), timedOut };
}

/** Says in words how a command failed: its last lines of output, or else its exit code. */
export function describeFailure(outcome: Outcome, lines = 3): string {
  if (outcome.error !== undefined) return outcome.error;
  const said = outcome.output.trim().split('\n').slice(-lines).join(' | ');
  const how = outcome.timedOut ? 'it took too long and was stopped' : describeExit(outcome);
  return said === '' ? how : `${how}: ${said}`;
}

/** Says in words how a process ended. */
export function describeExit(exit: Exit): string {
  if (exit.error !== undefined) return exit.error;
  return exit.signal === null ? `exit code ${exit.code}` : `ended by ${exit.signal}`;
}

/** The path of an executable that is on PATH, or null. */
export function findOnPath(name: string, env: Environment): string | null {
  const suffixes = WINDOWS ? (env.PATHEXT ?? '.EXE').split(';') : [''];
  for (const folder of (env.PATH ?? env.Path ?? '').split(delimiter)) {
    // An empty entry means the current folder, from which nothing should be run by chance.
    if (folder === '') continue;
    for (const suffix of suffixes) {
      const path = join(folder, name + suffix);
      if (isExecutable(path)) return path;
    }
  }
  return null;
}

/** Whether the path is a file that we may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Runs `work`, with a line of progress every `everyMs` (15 s by default) until it is done. */
export async function withProgress<T>(
  report: Report,
  line: (elapsedS: number) => string,
  work: () => Promise<T>,
  everyMs: Millis = 15_000,
): Promise<T> {
  const start = performance.now();
  const timer = setInterval(() => {
    report(line(Math.round((performance.now() - start) / 1000)));
  }, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function track(child: ChildProcess): void {
  live.add(child);
  child.once('exit', () => live.delete(child));
  child.once('error', () => live.delete(child));
  if (cleanupRegistered) return;
  cleanupRegistered = true;
  // The guards would do it as well (P1), except on Windows.
  process.once('exit', () => {
    for (const each of live) signalGroup(each, 'SIGTERM');
  });
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (WINDOWS) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It ended between the check and the signal.
  }
}
