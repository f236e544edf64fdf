// Dead letters as records once more: a source that begins and ends with them.

import { type ChangeOptions, readChange } from '../ingest/debezium.js';
import { decodeRecord } from '../ingest/decode.js';
import type { IngestCounts } from '../ingest/ingest.js';
import type { ProgressStore } from '../ingest/progress.js';
import type { RawRecord } from '../ingest/record.js';
import { fileRejects, type Reject } from '../ingest/rejects.js';
import { loadJourneys } from '../journeys-module.js';
import { MAX_TIMESTAMP, type Timestamp } from '../time.js';
import { beginRetry, diedAgain, endRetry, type Retry, recordsOf } from './dead-letters.js';
import { type IngestProcess, runIngest } from './ingest-process.js';

/** What became of letters that were tried again. */
export interface Retried {
  readonly source: string;
  readonly tried: number;
  /** Taken by the sessions of their journeys; a session may yet find one late. */
  readonly taken: number;
  /** Of those that were read: events behind what their own partition has promised. */
  readonly behind: number;
  readonly late: number;
  /** Dead again, by code: these stay in the file. */
  readonly dead: Readonly<Record<string, number>>;
  /** Events that no journey accepts. */
  readonly unrouted: number;
  /** Tombstones, and changes of rows that are no events. */
  readonly notEvents: number;
  /** Settled by an earlier retry that was interrupted. */
  readonly repeats: number;
  /** Whether all of them are settled; if not, the same retry goes on the next time. */
  readonly isDone: boolean;
}

export interface RetryOptions extends Omit<IngestProcess, 'open' | 'deadLetters'> {
  readonly path: string;
  readonly changes: ChangeOptions | undefined;
}

/** Begins a retry of letters, in the order of their events' times: none is late for the others. */
export async function beginRetryOf(
  letters: readonly Reject[],
  { path, changes, flags }: RetryOptions,
): Promise<Retry> {
  const { set } = (await loadJourneys(flags.journeys)).journeys;
  const at = timesOf({ source: '', letters }, changes, set);
  const inOrder = letters.map((letter, i) => ({ letter, at: at[i] ?? Number.NEGATIVE_INFINITY }));
  inOrder.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return beginRetry(
    path,
    inOrder.map(({ letter }) => letter),
  );
}

/** Sees a retry to its end: whoever goes on with it makes of each letter what would have become of it. */
export async function runRetry(retry: Retry, options: RetryOptions): Promise<Retried> {
  const { path, changes, ...process } = options;
  const again = fileRejects(path);
  // With a journey they were events; others were none.
  const deadEvents = new Set<number>();
  let behind = 0;
  const counts = await runIngest({
    ...process,
    deadLetters: (reject) => {
      if (reject.journey !== undefined) deadEvents.add(reject.offset);
      return again(diedAgain(retry, reject));
    },
    open: async ({ store, journeys }) => {
      const promised = await promisedOf(retry, store.progress);
      const times = timesOf(retry, changes, journeys.set);
      behind = times.filter((at, i) => {
        const open = promised.get(partitionOf(retry.letters[i] as Reject));
        return at !== null && open !== undefined && at <= open;
      }).length;
      return {
        records: changed(recordsOf(retry, Date.now()), changes),
        endWatermark: Math.min(MAX_TIMESTAMP, ...promised.values()),
        dispatch: { hotGapMs: 0 },
      };
    },
  });
  const isDone = counts.undelivered === 0 && !process.signal.aborted;
  if (isDone) endRetry(path, retry);
  return retriedBy(counts, { retry, deadEvents: deadEvents.size, behind, isDone });
}

function retriedBy(
  counts: IngestCounts,
  about: { retry: Retry; deadEvents: number; behind: number; isDone: boolean },
): Retried {
  const { events, late, dead, unrouted, repeats, tombstones, changes, undelivered } = counts;
  const { retry, deadEvents, behind, isDone } = about;
  const notEvents = Object.values(changes).reduce((sum, each) => sum + each, tombstones);
  const taken = events - deadEvents - unrouted - undelivered;
  return {
    ...{ source: retry.source, tried: retry.letters.length, taken, behind },
    ...{ late, dead, unrouted, notEvents, repeats, isDone },
  };
}

export function retriedText(retried: Retried): string {
  const { source, tried, taken, behind, late, dead, unrouted, notEvents, repeats } = retried;
  const codes = Object.entries(dead).map(([code, count]) => `${count} ${code}`);
  const others = [
    ...(unrouted > 0 ? [`${unrouted} for no journey`] : []),
    ...(notEvents > 0 ? [`${notEvents} no events`] : []),
    ...(repeats > 0 ? [`${repeats} settled before`] : []),
  ];
  const lines = [
    [
      ...[`${source}: ${tried} tried`, `${taken} taken`, `${late} late`],
      ...[`${codes.join(', ') || '0'} dead again`, ...others],
    ].join(', '),
  ];
  if (behind > 0) {
    lines.push(
      `${behind} are behind what their partition has promised: a session that knows that puts them into the worker's late output (LATE_FOR_SESSION)`,
    );
  }
  return lines.join('\n');
}

/** Event times by position; null for a record that is none. */
function timesOf(
  retry: Retry,
  changes: ChangeOptions | undefined,
  format: Parameters<typeof decodeRecord>[1],
): (Timestamp | null)[] {
  return [...recordsOf(retry, Date.now())].map((record) => {
    try {
      return decodeRecord(readChange(record, changes), format).timestamp;
    } catch {
      // What is wrong with it is said when it is read.
      return null;
    }
  });
}

/** How far the partitions are that the letters came from, of those that go on. */
async function promisedOf(
  { letters }: Retry,
  progress: Pick<ProgressStore, 'read'>,
): Promise<Map<string, Timestamp>> {
  const promised = new Map<string, Timestamp>();
  const partitions = new Map(letters.map((letter) => [partitionOf(letter), letter]));
  for (const [name, { source, partition }] of partitions) {
    const known = await progress.read(source, partition);
    if (known && !known.finished) promised.set(name, known.watermark);
  }
  return promised;
}

async function* changed(
  records: Iterable<RawRecord>,
  changes: ChangeOptions | undefined,
): AsyncGenerator<RawRecord> {
  for (const record of records) yield readChange(record, changes);
}

function partitionOf({ source, partition }: Reject): string {
  return `${partition} ${source}`;
}
