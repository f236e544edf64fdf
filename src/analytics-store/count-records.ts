// A stream of records into aggregates: gathered into batches, counted one after the other, again and again while the database is away.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { RawRecord, Read, SkippedChange } from '../ingest/record.js';
import type { Reject, RejectSink } from '../ingest/rejects.js';
import type { Logger } from '../log.js';
import { isDeadlock, isPassing } from '../store/sql-state.js';
import { type Millis, minutes, seconds } from '../time.js';
import type { AnalyticsStore, Batch, Range, Rejects, Tally } from './analytics-store.js';
import { Backlog } from './backlog.js';
import { type Prepared, prepare } from './prepare.js';

const RETRY_FIRST_MS: Millis = 100;
const RETRY_LONGEST_MS: Millis = seconds(5);
/** How often it is seen to days whose visitors need not be known any more. */
const FORGET_MS: Millis = minutes(10);
/** How long whoever is told to stop waits for late events and dead letters to be taken. */
const REJECTS_WITHIN_MS: Millis = seconds(5);
/** Batches that may wait while one is counted. */
const BATCHES_AHEAD = 2;

export interface CountOptions {
  readonly store: AnalyticsStore;
  /** Where no assignment says what is read, it is one partition from its beginning: what is counted of it is passed over. */
  readonly reads: AsyncIterable<Read>;
  /** Most records in a transaction. */
  readonly batch: number;
  readonly rejects: Rejects;
  readonly log: Logger;
  /** Ends it after what was read by then; while the database is away, or nobody takes the rejects, before. */
  readonly signal: AbortSignal;
  /** How long it then waits for those who take rejects. Default 5 s. */
  readonly rejectsWithinMs?: Millis;
  /** After each batch. */
  readonly onProgress?: (counts: AnalyticsCounts) => void;
  /** What was counted, by partition: the next offsets. */
  readonly onCounted?: (source: string, next: ReadonlyMap<number, number>) => void;
}

export interface AnalyticsCounts {
  /** Records, tombstones and repeats included. */
  read: number;
  /** Records that hold nothing, changes that are no events included. */
  passedOver: number;
  /** Those of them that are changes of rows, by what they are. */
  readonly changes: Partial<Record<SkippedChange, number>>;
  transactions: number;
  /** Transactions that were done again. */
  retries: number;
  /** Records that were read and not counted, because it was ended while the database, or who takes rejects, was away. */
  uncounted: number;
  /** By aggregate: each record that was not passed over is in one place of each. */
  readonly aggregates: Record<string, Tally>;
}

/** What is read of a record when it comes. */
interface Item {
  readonly record: RawRecord;
  readonly prepared: Prepared | null;
}

type Waiting = Item | { readonly starts: ReadonlyMap<number, number>; readonly source: string };

/**
 * Counts all that is read.
 *
 * @throws CepError `SETTING_INVALID` where the database can't go on; errors of the reader and of the sinks for rejects
 */
export async function countRecords(options: CountOptions): Promise<AnalyticsCounts> {
  return await new Counter(options).run();
}

/** Told to stop while the database, or who takes rejects, is away. */
class Stopped extends Error {}

class Counter {
  readonly #options: CountOptions;
  readonly #backlog: Backlog<Waiting>;
  readonly #counts: AnalyticsCounts;
  #source = '';
  /** The record that comes next, of each partition that has begun. */
  readonly #positions = new Map<number, number>();
  #counted = 0;
  #forgotAt = Number.NEGATIVE_INFINITY;

  constructor(options: CountOptions) {
    this.#options = options;
    this.#backlog = new Backlog(options.batch * BATCHES_AHEAD);
    this.#counts = {
      ...{ read: 0, passedOver: 0, changes: {}, transactions: 0, retries: 0, uncounted: 0 },
      aggregates: Object.fromEntries(
        options.store.aggregates.map(({ name }): [string, Tally] => [
          name,
          { counted: 0, late: 0, skipped: 0, repeats: 0, dead: {} },
        ]),
      ),
    };
  }

  async run(): Promise<AnalyticsCounts> {
    const reading = this.#read().then(
      () => this.#backlog.end(),
      (error) => this.#backlog.end({ error }),
    );
    try {
      for (;;) {
        const taken = await this.#backlog.take();
        if (taken.length === 0) break;
        await this.#count(taken);
        await this.#forget();
      }
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      this.#counts.uncounted = this.#counts.read - this.#counted;
      return this.#counts;
    } finally {
      this.#backlog.end();
    }
    await reading;
    return this.#counts;
  }

  /** Makes events of records while the database is at work. */
  async #read(): Promise<void> {
    const { reads, store, signal } = this.#options;
    let source: string | null = null;
    let counted = 0;
    for await (const read of reads) {
      if ('endOfLog' in read) continue;
      let item: Waiting;
      if ('assigned' in read) {
        const starts = read.assigned.map(
          ({ partition, progress }) => [partition, progress?.lowWater ?? 0] as const,
        );
        source = read.assigned[0]?.source ?? '';
        counted = 0;
        item = { source, starts: new Map(starts) };
      } else {
        if (source === null) {
          ({ source } = read);
          counted = await this.#countedOf(read);
          const starts = new Map([[read.partition, counted]]);
          this.#backlog.offer({ source, starts });
        }
        this.#counts.read++;
        if (read.offset < counted) {
          this.#passOver();
          continue;
        }
        const { skipped } = read;
        const { changes } = this.#counts;
        if (skipped !== undefined) changes[skipped] = (changes[skipped] ?? 0) + 1;
        item = { record: read, prepared: prepare(read, store.aggregates) };
      }
      while (!this.#backlog.offer(item)) if (!(await this.#backlog.room())) return;
      if (signal.aborted) return;
    }
  }

  /** Up to where all aggregates have counted a partition. */
  async #countedOf({ source, partition }: RawRecord): Promise<number> {
    const { store } = this.#options;
    const reached = await this.#untilItWorks(() => store.reached(source));
    const known = reached.get(partition);
    return known?.isComplete ? known.next : 0;
  }

  /** What was counted need not be read. */
  #passOver(): void {
    this.#counted++;
    for (const tally of Object.values(this.#counts.aggregates)) tally.repeats++;
  }

  /** In batches of one source each. */
  async #count(waiting: readonly Waiting[]): Promise<void> {
    const { batch } = this.#options;
    let items: Item[] = [];
    const flush = async () => {
      if (items.length > 0) await this.#countBatch(items);
      items = [];
    };
    for (const next of waiting) {
      if ('starts' in next) {
        await flush();
        this.#positions.clear();
        this.#source = next.source;
        await this.#begin(next.starts);
        continue;
      }
      items.push(next);
      if (items.length === batch) await flush();
    }
    await flush();
  }

  async #begin(starts: ReadonlyMap<number, number>): Promise<void> {
    const { store } = this.#options;
    if (starts.size > 0) await this.#untilItWorks(() => store.begin(this.#source, starts));
    for (const [partition, offset] of starts) this.#positions.set(partition, offset);
  }

  async #countBatch(items: readonly Item[]): Promise<void> {
    const { store, onProgress, onCounted } = this.#options;
    const ranges = new Map<number, Range>();
    for (const { record } of items) {
      const { partition, offset } = record;
      const from = ranges.get(partition)?.from ?? (this.#positions.get(partition) as number);
      ranges.set(partition, { from, next: offset + 1 });
    }
    const records = items.flatMap(({ prepared }) => (prepared === null ? [] : [prepared]));
    const batch: Batch = { source: this.#source, ranges, records };
    const counts = this.#counts;
    const over = new AbortController();
    const sinks = this.#sinks(over.signal);
    const counting = this.#untilItWorks(() => store.count(batch, sinks));
    const tallies = await counting.finally(() => over.abort());
    for (const [partition, { next }] of ranges) this.#positions.set(partition, next);
    counts.transactions++;
    counts.passedOver += items.length - records.length;
    this.#counted += items.length;
    for (const [name, tally] of tallies) add(counts.aggregates[name] as Tally, tally);
    onCounted?.(
      this.#source,
      new Map([...ranges].map(([partition, { next }]) => [partition, next])),
    );
    onProgress?.(counts);
  }

  /** @throws Stopped */
  async #untilItWorks<T>(act: () => Promise<T>): Promise<T> {
    const { log, signal, store } = this.#options;
    for (let pause = RETRY_FIRST_MS; ; pause = Math.min(2 * pause, RETRY_LONGEST_MS)) {
      try {
        return await act();
      } catch (error) {
        if (!isPassing(error)) throw error;
        this.#counts.retries++;
        const said = { database: store.database.name, error: messageOf(error) };
        if (isDeadlock(error)) log.debug('two transactions waited for each other', said);
        else log.warn('the database is away, or has no time: trying again', said);
        if (signal.aborted) throw new Stopped();
        // Those who stood in each other's way should not meet again.
        await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      }
    }
  }

  /** For one batch. Some time after the signal nothing waits for them any more: the transaction is undone, and the next run does it. */
  #sinks(over: AbortSignal): Rejects {
    const stopped = this.#stop(over);
    // Most batches have nothing to wait for.
    stopped.catch(() => {});
    const untilStopped = (sink: RejectSink): RejectSink => {
      const given = onceOnly(sink);
      return (reject) => Promise.race([given(reject), stopped]);
    };
    const { late, dead } = this.#options.rejects;
    return { late: untilStopped(late), dead: untilStopped(dead) };
  }

  /** @throws Stopped */
  async #stop(over: AbortSignal): Promise<never> {
    const { signal, rejectsWithinMs = REJECTS_WITHIN_MS } = this.#options;
    if (!signal.aborted) await once(signal, 'abort', { signal: over });
    await sleep(rejectsWithinMs, undefined, { signal: over });
    throw new Stopped();
  }

  async #forget(): Promise<void> {
    const { store, log } = this.#options;
    if (performance.now() - this.#forgotAt < FORGET_MS) return;
    this.#forgotAt = performance.now();
    try {
      const days = await store.forget();
      if (days > 0) log.info('visitors of days that are over are forgotten', { days });
    } catch (error) {
      log.warn('visitors of days that are over are not forgotten yet', { error: messageOf(error) });
    }
  }
}

/** For a transaction that may have to be done again. */
function onceOnly(sink: RejectSink): RejectSink {
  const given = new Set<string>();
  return async (reject: Reject) => {
    const id = `${reject.partition}/${reject.offset}/${reject.message}`;
    if (given.has(id)) return;
    await sink(reject);
    given.add(id);
  };
}

function add(sum: Tally, more: Tally): void {
  sum.counted += more.counted;
  sum.late += more.late;
  sum.skipped += more.skipped;
  sum.repeats += more.repeats;
  for (const [code, count] of Object.entries(more.dead)) {
    sum.dead[code] = (sum.dead[code] ?? 0) + count;
  }
}
