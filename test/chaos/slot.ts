// A place for one process of the command line, which is started again whenever it ends, as an orchestrator
// would. Each start may be armed with a failpoint. A process that ends by a SIGKILL which nobody here has
// sent has hit it.

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FAILPOINT_VARIABLE } from '../../src/failpoints.js';
import {
  describeExit,
  type Exit,
  type GuardedProcess,
  startGuarded,
} from '../../src/servers/process.js';
import type { Millis } from '../../src/time.js';
import { CLI } from '../e2e/support/cli.js';
import type { Armings } from './armings.js';
import type { Arming, Process, Role } from './schedule.js';
import { Uptime } from './uptime.js';

const RESTART_MS: Millis = 500;
const LAST_WORDS_MAX = 300;
/** Kept of what a process says, in characters. */
const SAID_MAX = 100_000;

export interface SlotOptions {
  readonly name: Process;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Of its logs, one for each start. */
  readonly folder: string;
  /** What it is told to say once it works. */
  readonly ready: RegExp;
  readonly role: Role;
  /** Shared with the other processes. */
  readonly armings: Armings;
  readonly report: (line: string) => void;
}

export class Slot {
  readonly uptime = new Uptime();
  /** Last words of processes that ended by themselves, such as one that found a server away at its start. */
  readonly endedAlone: string[] = [];
  starts = 0;
  readonly #options: SlotOptions;
  #child: GuardedProcess | null = null;
  #isOurs = false;
  #isStopped = false;
  #notBefore = 0;
  #said = '';
  #supervising: Promise<void> | null = null;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  start(): void {
    this.#supervising ??= this.#supervise();
  }

  /** What the present process has said that matches. */
  get ready(): RegExpExecArray | null {
    return this.#options.ready.exec(this.#said);
  }

  /** SIGKILL. It is not started again for that long. */
  async kill(forMs: Millis): Promise<void> {
    this.#hold(forMs);
    this.#isOurs = true;
    signal(this.#child, 'SIGKILL');
    await sleep(forMs);
  }

  /** SIGSTOP, and SIGCONT after that long. */
  async pause(forMs: Millis): Promise<void> {
    this.#hold(forMs);
    const child = this.#child;
    if (child !== null) this.uptime.set(false);
    signal(child, 'SIGSTOP');
    await sleep(forMs);
    if (child === null || child !== this.#child) return;
    this.uptime.set(true);
    signal(child, 'SIGCONT');
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#isOurs = true;
    signal(this.#child, 'SIGKILL');
    await this.#supervising;
  }

  #hold(forMs: Millis): void {
    this.#notBefore = Math.max(this.#notBefore, Date.now() + forMs);
  }

  async #supervise(): Promise<void> {
    const { name, role, armings, report } = this.#options;
    while (!this.#isStopped) {
      const holdMs = this.#notBefore - Date.now();
      if (holdMs > 0) {
        // In steps: it may be held longer meanwhile, or the run be over.
        await sleep(Math.min(holdMs, 200));
        continue;
      }
      const arming = armings.take(role);
      this.#isOurs = false;
      const exit = await this.#runOnce(arming);
      if (this.#isStopped) return;
      if (arming && exit.signal === 'SIGKILL' && !this.#isOurs) {
        report(`${name} ended at ${arming.failpoint}, time ${arming.nth}`);
        armings.hit(arming);
      } else {
        if (arming) armings.giveBack(role, arming);
        if (!this.#isOurs) this.#endedAlone(exit);
      }
      await sleep(RESTART_MS);
    }
  }

  async #runOnce(arming: Arming | undefined): Promise<Exit> {
    const { name, args, env, folder } = this.#options;
    this.starts++;
    this.#said = '';
    this.uptime.set(true);
    const file = createWriteStream(join(folder, `${name}-${this.starts}.log`));
    const armed = arming ? { [FAILPOINT_VARIABLE]: `${arming.failpoint}:${arming.nth}` } : {};
    this.#child = startGuarded(process.execPath, [CLI, ...args], {
      env: { ...env, ...armed },
      onLine: (line) => {
        this.#said = `${this.#said}${line}\n`.slice(-SAID_MAX);
        file.write(`${line}\n`);
      },
    });
    const exit = await this.#child.exited;
    this.#child = null;
    this.uptime.set(false);
    file.end();
    return exit;
  }

  #endedAlone(exit: Exit): void {
    const { name, report } = this.#options;
    const words = this.#said.trim().split('\n').at(-1)?.slice(0, LAST_WORDS_MAX);
    const line = `${name} ended by itself (${describeExit(exit)}): ${words}`;
    this.endedAlone.push(line);
    report(line);
  }
}

function signal(child: GuardedProcess | null, name: NodeJS.Signals): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
