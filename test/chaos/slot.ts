// A place for one process of the command line, which is started again whenever it ends, as an orchestrator
// would. Each start may be armed with a failpoint. A process that ends by a SIGKILL which nobody here has
// sent has hit it.

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FAILPOINT_VARIABLE, type Failpoint } from '../../src/failpoints.js';
import type { Millis } from '../../src/time.js';
import { CLI } from '../e2e/support/cli.js';
import type { Arming, Process } from './schedule.js';
import { Uptime } from './uptime.js';

const RESTART_MS: Millis = 500;
const LAST_WORDS_MAX = 300;

export interface SlotOptions {
  readonly name: Process;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Of its logs, one for each start. */
  readonly folder: string;
  /** What it is told to say once it works. */
  readonly ready: RegExp;
  /** Failpoints to be hit, shared with the others of its role: taken from the front. */
  readonly armings: Arming[];
  readonly onHit: (failpoint: Failpoint) => void;
  readonly report: (line: string) => void;
}

export class Slot {
  readonly uptime = new Uptime();
  /** Last words of processes that ended by themselves, such as one that found a server away at its start. */
  readonly endedAlone: string[] = [];
  starts = 0;
  readonly #options: SlotOptions;
  #child: ChildProcess | null = null;
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
    this.#child?.kill('SIGKILL');
    await sleep(forMs);
  }

  /** SIGSTOP, and SIGCONT after that long. */
  async pause(forMs: Millis): Promise<void> {
    this.#hold(forMs);
    const child = this.#child;
    if (child?.kill('SIGSTOP')) this.uptime.set(false);
    await sleep(forMs);
    if (child === null || child !== this.#child) return;
    this.uptime.set(true);
    child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#isOurs = true;
    this.#child?.kill('SIGKILL');
    await this.#supervising;
  }

  #hold(forMs: Millis): void {
    this.#notBefore = Math.max(this.#notBefore, Date.now() + forMs);
  }

  async #supervise(): Promise<void> {
    const { name, armings, onHit, report } = this.#options;
    while (!this.#isStopped) {
      const holdMs = this.#notBefore - Date.now();
      if (holdMs > 0) {
        // In steps: it may be held longer meanwhile, or the run be over.
        await sleep(Math.min(holdMs, 200));
        continue;
      }
      const arming = armings.shift();
      this.#isOurs = false;
      const { code, signal } = await this.#runOnce(arming);
      if (this.#isStopped) return;
      if (arming && signal === 'SIGKILL' && !this.#isOurs) {
        report(`${name} ended at ${arming.failpoint}, time ${arming.nth}`);
        onHit(arming.failpoint);
      } else {
        if (arming) armings.unshift(arming);
        if (!this.#isOurs) this.#endedAlone(code, signal);
      }
      await sleep(RESTART_MS);
    }
  }

  async #runOnce(arming: Arming | undefined) {
    const { name, args, env, folder } = this.#options;
    this.starts++;
    const armed = arming ? { [FAILPOINT_VARIABLE]: `${arming.failpoint}:${arming.nth}` } : {};
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...env, ...armed },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#said = '';
    this.uptime.set(true);
    const file = createWriteStream(join(folder, `${name}-${this.starts}.log`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-100_000);
        file.write(text);
      });
    }
    // It must not outlive us.
    const end = () => void child.kill('SIGKILL');
    process.once('exit', end);
    const ended = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
      (resolve) => child.once('close', (code, signal) => resolve({ code, signal })),
    );
    process.removeListener('exit', end);
    file.end();
    this.#child = null;
    this.uptime.set(false);
    return ended;
  }

  #endedAlone(code: number | null, signal: NodeJS.Signals | null): void {
    const { name, report } = this.#options;
    const words = this.#said.trim().split('\n').at(-1)?.slice(0, LAST_WORDS_MAX);
    const line = `${name} ended by itself (${signal ?? `code ${code}`}): ${words}`;
    this.endedAlone.push(line);
    report(line);
  }
}
