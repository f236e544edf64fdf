// An ingestor's part in hand-overs: it stands still for those of its topic, says so, and goes on afterwards.

import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Millis, seconds } from '../time.js';
import { type HandOver, type HandOvers, handOversOf } from './hand-overs.js';
import type { RuleStore } from './rule-store.js';

/** H2. */
const SILENT_MS: Millis = seconds(15);
/** So long after its end the rules are waited for. */
const IN_FORCE_MS: Millis = seconds(30);

export interface HandOverWatchOptions {
  readonly store: RuleStore;
  /** The topic that is read, as the group's sources are named, without its id. */
  readonly source: string;
  /** Who reads it. */
  readonly owner: string;
  /** Its `IngestPause`. */
  readonly pause: { readonly isPaused: boolean; pause(): void; resume(): void };
  /** Whether the rules by which this process routes begin with a hand-over. */
  isInForce(handOver: string): boolean;
  /** The partitions that are read at this moment. */
  partitions(): readonly { readonly source: string; readonly partition: number }[];
  readonly log: Logger;
  /** Between two looks; default 500. */
  readonly pollMs?: Millis;
  /** H2: without a beat for so long one is given up; default 15 s. */
  readonly silentMs?: Millis;
}

/** What was seen of a hand-over, by the monotonic clock. */
interface Seen {
  beat: number;
  since: Millis;
}

export class HandOverWatch {
  readonly #options: HandOverWatchOptions;
  readonly #handOvers: HandOvers;
  readonly #stopped = new AbortController();
  readonly #seen = new Map<string, Seen>();
  readonly #done = new Map<string, Millis>();
  /** What it stands still for. */
  #holding: readonly string[] = [];
  #running: Promise<void> | null = null;

  constructor(options: HandOverWatchOptions) {
    this.#options = options;
    this.#handOvers = handOversOf(options.store);
  }

  /** Looks, and goes on looking: before the first record is taken it is known whether to stand still. */
  async start(): Promise<void> {
    await this.#look();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const { pollMs = 500, log } = this.#options;
    let isAway = false;
    for (;;) {
      await sleep(pollMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#look();
        isAway = false;
      } catch (error) {
        // A hand-over may end meanwhile: who stands still goes on standing.
        if (!isAway) log.warn('hand-overs are not known', { error: messageOf(error) });
        isAway = true;
      }
    }
  }

  async #look(): Promise<void> {
    const { pause, source, log } = this.#options;
    const open = (await this.#handOvers.open()).filter((handOver) =>
      `${handOver.source}@`.startsWith(`${source}@`),
    );
    // Somebody else may have seen to the end of one before this process has its rules.
    const ended = this.#holding.filter((id) => !open.some((handOver) => handOver.id === id));
    const all = [...open, ...(await Promise.all(ended.map((id) => this.#handOvers.find(id))))];
    const holding: HandOver[] = [];
    for (const each of all) if (each && (await this.#holds(each))) holding.push(each);
    this.#holding = holding.map(({ id }) => id);
    if (holding.length > 0 && !pause.isPaused) {
      log.info('standing still for a hand-over', { source, author: holding[0]?.author });
      pause.pause();
      // Whoever asks for it has to know that no record was taken since.
      return this.#look();
    }
    if (holding.length === 0 && pause.isPaused) {
      log.info('going on after a hand-over', { source });
      pause.resume();
    }
  }

  async #holds(handOver: HandOver): Promise<boolean> {
    if (handOver.state === 'given-up') return false;
    const isUnderWay = handOver.state === 'under-way';
    return isUnderWay ? await this.#stands(handOver) : await this.#waits(handOver);
  }

  async #stands({ id, beat, source }: HandOver): Promise<boolean> {
    const { pause, owner, partitions, log, silentMs = SILENT_MS } = this.#options;
    const now = performance.now();
    const seen = this.#seen.get(id);
    if (seen === undefined || seen.beat !== beat) this.#seen.set(id, { beat, since: now });
    else if (now - seen.since > silentMs) {
      log.warn('a hand-over is given up: nothing was heard of it', { handOver: id });
      // It may have come to its end just now: the next look tells.
      await this.#handOvers.giveUp(id, beat);
      return true;
    }
    if (pause.isPaused) {
      const own = partitions().filter((each) => each.source === source);
      const numbers = own.map(({ partition }) => partition);
      await this.#handOvers.pause(id, numbers, owner);
    }
    return true;
  }

  /** H3. */
  async #waits({ id }: HandOver): Promise<boolean> {
    const { isInForce, log } = this.#options;
    const now = performance.now();
    const since = this.#done.get(id) ?? now;
    this.#done.set(id, since);
    const isKnown = isInForce(id);
    if (!isKnown && now - since < IN_FORCE_MS) return true;
    if (!isKnown) {
      log.error('the rules of a hand-over are not in force, and their matches are lost', {
        handOver: id,
        remedy: 'temporal-cep rules list tells why; then hand over again',
      });
    }
    await this.#handOvers.inForce(id);
    return false;
  }
}
