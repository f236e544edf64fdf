// The command line as a user has it: dist in a process of its own.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { describeExit } from '../../../src/servers/process.js';
import { until } from '../../support/until.js';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const CLI = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** The environment without anything that names a Temporal server, and what is added to it. */
export function environment(added: Record<string, string> = {}): Record<string, string> {
  // Only what names the server is left out; what was fetched or compiled before may be used.
  const caches = ['TEMPORAL_CEP_TEST_SERVER', 'TEMPORAL_CEP_BUNDLE_CACHE'];
  const kept = Object.entries(process.env).filter(
    ([name, value]) =>
      value !== undefined && (caches.includes(name) || !name.startsWith('TEMPORAL_')),
  ) as [string, string][];
  return {
    ...Object.fromEntries(kept),
    NO_COLOR: '1',
    ...added,
  };
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Whether whoever starts it, in a hook, also sees to its end. */
  readonly outlives?: boolean;
  /** Standard input; closed at once by default, left open by null. */
  readonly input?: string | null;
}

/** How a process ended and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<Ended>;
  /** Waits until standard error says something. */
  says(what: RegExp, timeoutMs?: number): Promise<void>;
}

/** Starts a command, which ends with the test at the latest. */
export function startCommand(
  command: string,
  args: readonly string[],
  { env = environment(), cwd = ROOT, input = '', outlives = false }: StartOptions = {},
): Running {
  const child = spawn(command, args, { env, cwd });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A process that ends at once may be gone before its input is written.
  child.stdin.on('error', () => {});
  if (input !== null) child.stdin.end(input);
  // A test that fails must not leave it behind.
  if (!outlives) onTestFinished(() => void child.kill('SIGKILL'));
  const began = performance.now();
  /** How it ended, where it has. */
  let over: string | null = null;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', (error) => {
      over = String(error);
      reject(error);
    });
    child.once('close', (code, signal) => {
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      over ??= `${describeExit({ code, signal })} after ${seconds} s`;
      resolve({ code, stdout, stderr });
    });
  });
  return {
    child,
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    says: async (what, timeoutMs = 60_000) => {
      await until(
        `${what} of ${args.join(' ')}`,
        () => over !== null || what.test(stderr),
        timeoutMs,
      );
      if (!what.test(stderr)) {
        throw new Error(
          `process ${child.pid}: ${over}, without saying ${what}: ${stdout}${stderr}`,
        );
      }
    },
  };
}

/** Starts temporal-cep. */
export function start(args: readonly string[], options?: StartOptions): Running {
  return startCommand(process.execPath, [CLI, ...args], options);
}

/** Runs temporal-cep to its end. */
export function run(args: readonly string[], options?: StartOptions): Promise<Ended> {
  return start(args, options).ended;
}

/** Ids of the processes that a process has started, and those have started. */
export function descendantsOf(pid: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='])
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found: number[] = [];
  const add = (parent: number) => {
    for (const [child, itsParent] of table) {
      if (itsParent !== parent) continue;
      found.push(child);
      add(child);
    }
  };
  add(pid);
  return found;
}
