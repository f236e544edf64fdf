// What the database servers that tests start have in common.

import { chownSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  describeExit,
  describeFailure,
  findOnPath,
  type GuardedProcess,
  run,
  startGuarded,
} from '../../src/servers/process.js';
import { type Millis, minutes, seconds } from '../../src/time.js';
import { descendantsOf } from '../e2e/support/cli.js';

const START_TIMEOUT_MS: Millis = seconds(60);

/** Starts a server. @returns it when it has said that it is ready */
export async function started(
  command: string,
  args: string[],
  cwd: string,
  { name, ready: word }: { readonly name: string; readonly ready: string },
): Promise<GuardedProcess> {
  const { promise: ready, resolve, reject } = withResolvers();
  const server = startGuarded(command, args, {
    cwd,
    onLine: (line) => {
      if (line.includes(word)) resolve();
    },
  });
  const fail = (how: string) => reject(new Error(`${name}: ${how}\n${server.tail()}`));
  const timer = setTimeout(() => fail('no sign of life'), START_TIMEOUT_MS);
  void server.exited.then((exit) => fail(describeExit(exit)));
  try {
    await ready;
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function withResolvers() {
  let resolve = () => {};
  let reject = (_: Error) => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Sends a signal to a server and all its processes, each of which may lead a group of its own. */
export function signalTree(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  // One that it forks behind the look at its processes would outlive it, maybe for ever: it may wait for a lock of the dead.
  if (name === 'SIGKILL') signal(pid, 'SIGSTOP');
  for (const each of [pid, ...descendantsOf(pid)]) signal(each, name);
}

/** SIGSTOP. A thread that is at work when the signal is sent may answer a last question: returns when none is, where /proc tells. */
export function freezeTree(pid: number | undefined): void {
  if (pid === undefined) return;
  signalTree(pid, 'SIGSTOP');
  const all = [pid, ...descendantsOf(pid)];
  const giveUpAt = performance.now() + seconds(5);
  while (all.some(isAtWork) && performance.now() < giveUpAt) pause();
}

function isAtWork(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      // The state stands behind the name, which is in parentheses and may have some.
      return stat[stat.lastIndexOf(')') + 2] !== 'T';
    });
  } catch {
    return false;
  }
}

/** A millisecond in which nothing else happens in this thread. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

/**
 * Servers refuse to be run by root. Gives the folder to the account that Debian's package has for them, or else to nobody.
 *
 * @returns what makes of a program one that runs as that account; as it is for others than root
 */
export function asAccount(
  name: string,
  folder: string,
): (path: string, ...args: string[]) => [command: string, args: string[]] {
  if (process.getuid?.() !== 0) return (path, ...args) => [path, args];
  const { uid, gid } = accountOf([name, 'nobody']);
  chownSync(folder, uid, gid);
  const ids = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return (path, ...args) => ['setpriv', [...ids, path, ...args]];
}

function accountOf(names: readonly string[]): { uid: number; gid: number } {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = names
    .map((name) => accounts.find((account) => account[0] === name))
    .find((account) => account !== undefined);
  if (!found) throw new Error(`the server does not run as root: make a user ${names.join(' or ')}`);
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/** Installs packages where we may; else says what is missing, and the remedy. */
export async function installFromDebian(
  packages: readonly string[],
  { missing, remedy, before }: { missing: string; remedy: string; before?: () => void },
): Promise<void> {
  if (process.getuid?.() !== 0 || findOnPath('apt-get', process.env) === null) {
    throw new Error(`${missing}: ${remedy}`);
  }
  before?.();
  for (const args of [['update'], ['install', '-y', ...packages]]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options = ['-o', 'Dpkg::Options::=--force-confold', ...args];
    // Test files run side by side, and apt-get gives up where another one is at work.
    const one = [join(tmpdir(), 'temporal-cep-apt-get'), 'apt-get', ...options];
    const outcome = await run('flock', one, { env, timeoutMs: minutes(10) });
    if (outcome.code !== 0) {
      throw new Error(`apt-get ${args.join(' ')}: ${describeFailure(outcome)}; ${remedy}`);
    }
  }
}
