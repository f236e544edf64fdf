// What the processes of the benchmark say to each other: calls with one answer, and news without.

import { type ChildProcess, fork } from 'node:child_process';
import { messageOf } from '../../src/errors.js';
import type { Publication } from '../../src/ingest/progress.js';

/** A function a child offers to its parent; argument and answer are JSON. */
// biome-ignore lint/suspicious/noExplicitAny: each call has its own
export type Calls = Record<string, (argument: any) => unknown>;

interface Call {
  readonly id: number;
  readonly call: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** What an ingestor has published, on its way to the worker. */
export interface News {
  readonly publications: readonly Publication[];
}

/** In the child: answers its parent's calls until the parent is gone. */
export function answer(calls: Calls, onNews: (news: News) => void = () => {}): void {
  process.on('message', (message: Call | News) => {
    if ('publications' in message) {
      onNews(message);
      return;
    }
    const { id, call, argument } = message;
    Promise.resolve()
      .then(() => calls[call]?.(argument))
      .then((value) => process.send?.({ id, value } satisfies Answer))
      .catch((error) => process.send?.({ id, error: messageOf(error) } satisfies Answer));
  });
  process.on('disconnect', () => process.exit());
}

/** In the child: sends news to the parent. */
export function tell(news: News): void {
  process.send?.(news);
}

/** In the parent: a child, and the way to call it. */
export class Child {
  readonly #process: ChildProcess;
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(e: Error): void }>();
  #last = 0;

  /** @param module - URL of the child's module; @param flags - of node */
  constructor(module: URL, flags: readonly string[], onNews: (news: News) => void = () => {}) {
    this.#process = fork(module, { execArgv: [...flags] });
    this.#process.on('message', (message: Answer | News) => {
      if ('publications' in message) {
        onNews(message);
        return;
      }
      const call = this.#open.get(message.id);
      this.#open.delete(message.id);
      if (message.error === undefined) call?.resolve(message.value);
      else call?.reject(new Error(message.error));
    });
    this.#process.on('exit', (code, signal) => {
      for (const { reject } of this.#open.values()) {
        reject(new Error(`${module.pathname} ended early (${signal ?? code})`));
      }
      this.#open.clear();
    });
  }

  call<T = void>(call: string, argument: unknown = null): Promise<T> {
    const id = ++this.#last;
    return new Promise<T>((resolve, reject) => {
      this.#open.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#process.send({ id, call, argument } satisfies Call);
    });
  }

  tell(news: News): void {
    this.#process.send(news);
  }

  /** Ends the child, however busy it is. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await gone;
  }
}
