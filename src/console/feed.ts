// What the page is told. Sources are read while somebody listens, and listeners hear of what has changed.
//
//   F1. A source is read once for all listeners, and not at all where there are none.
//   F2. Each panel has one value, the newest, and the number of its last change. A listener that is told of all panels with a greater
//       number than it has heard of is up to date, however many changes lie between: nothing is queued for those who are slow.
//   F3. A source that fails takes its own panels with it and no others: they keep what they had, and say since when.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Millis, seconds, type Timestamp } from '../time.js';

const POLL_MS: Millis = seconds(1);
/** Without an answer for so long, a database counts as away. */
const ANSWER_MS: Millis = seconds(5);
/** How soon is looked again for what is not there. */
const ABSENT_MS: Millis = seconds(15);

/** What belongs together: it is read in one go. */
export interface Source<Panel extends string = string> {
  /** For the log. */
  readonly name: string;
  readonly panels: readonly Panel[];
  /**
   * JSON for each panel.
   *
   * @throws Absent
   */
  read(): Promise<Readonly<Record<Panel, unknown>>>;
}

/** What a source reads is not there, and need not be. The message says how to get it. */
export class Absent extends Error {}

/** What a panel shows. */
export type PanelState =
  | { readonly state: 'ok'; readonly data: unknown }
  | { readonly state: 'absent'; readonly remedy: string }
  /** The database does not answer since then; `data` is what it said before, null for nothing. */
  | { readonly state: 'away'; readonly since: Timestamp; readonly data: unknown };

/** A panel as it is now. */
export interface Change {
  readonly panel: string;
  /** Greater than that of every change before. */
  readonly number: number;
  /** A {@link PanelState}. */
  readonly json: string;
}

export interface FeedOptions {
  readonly sources: readonly Source[];
  readonly log: Logger;
  readonly pollMs?: Millis;
  readonly answerMs?: Millis;
  readonly absentMs?: Millis;
}

export class Feed {
  /** Tells the numbers of this feed from those of another one. */
  readonly id = randomUUID().slice(0, 8);
  readonly #options: Required<FeedOptions>;
  readonly #listeners = new Set<() => void>();
  readonly #panels = new Map<string, Change & { readonly state: PanelState }>();
  readonly #stop = new AbortController();
  readonly #loops: readonly Promise<void>[];
  #wake = gate();
  #number = 0;

  constructor(options: FeedOptions) {
    this.#options = { pollMs: POLL_MS, answerMs: ANSWER_MS, absentMs: ABSENT_MS, ...options };
    this.#loops = this.#options.sources.map((source) => this.#run(source));
  }

  /** Calls back after changes, until what it returns is called. */
  listen(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    this.#wake.open();
    return () => {
      // A second gate in place of the first would keep those who wait at that one for ever.
      if (!this.#listeners.delete(onChange)) return;
      if (this.#listeners.size === 0) this.#wake = gate();
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** F2. Panels that have changed since, in the order of their numbers. */
  since(number: number): Change[] {
    return [...this.#panels.values()]
      .filter((panel) => panel.number > number)
      .sort((a, b) => a.number - b.number);
  }

  /** Ends it, when what is being read has been read. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.open();
    await Promise.all(this.#loops);
  }

  async #run(source: Source): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await this.#wake.opened;
      if (signal.aborted) return;
      const begun = performance.now();
      const isThere = await this.#poll(source);
      // A database that is slow is left alone at least half of the time.
      const pause = Math.max(this.#options.pollMs, performance.now() - begun);
      const pauseMs = isThere ? pause : this.#options.absentMs;
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  /** @returns whether there is something to look at */
  async #poll(source: Source): Promise<boolean> {
    const { log, answerMs } = this.#options;
    const late = setTimeout(() => this.#setAway(source, 'no answer'), answerMs);
    try {
      const data = await source.read();
      for (const panel of source.panels) this.#set(panel, { state: 'ok', data: data[panel] });
      return true;
    } catch (error) {
      if (error instanceof Absent) {
        for (const panel of source.panels) {
          this.#set(panel, { state: 'absent', remedy: error.message });
        }
        return false;
      }
      this.#setAway(source, messageOf(error));
      log.debug('a source of the console failed', {
        source: source.name,
        error: error instanceof Error ? error.stack : error,
      });
      return true;
    } finally {
      clearTimeout(late);
      for (const tell of this.#listeners) tell();
    }
  }

  /** F3. Why stands in the log: it may name users and machines. */
  #setAway(source: Source, why: string): void {
    const since = Date.now();
    let isNew = false;
    for (const panel of source.panels) {
      const before = this.#panels.get(panel)?.state;
      if (before?.state === 'away') continue;
      isNew = true;
      this.#set(panel, { state: 'away', since, data: before?.state === 'ok' ? before.data : null });
    }
    if (isNew) {
      this.#options.log.warn('database cannot be read', { source: source.name, error: why });
      for (const tell of this.#listeners) tell();
    }
  }

  #set(panel: string, state: PanelState): void {
    const json = JSON.stringify(state);
    if (this.#panels.get(panel)?.json === json) return;
    this.#number += 1;
    this.#panels.set(panel, { panel, number: this.#number, json, state });
  }
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
