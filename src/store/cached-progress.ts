// What workers know of the ingestors: the whole table, read at most once a second per process, whatever
// the number of sessions that ask.
//
//   K1. No answer comes from a query that began more than `everyMs` before the question.
//   K2. A watermark of a successor holds for the source it continues: nothing of the old topic can still
//       come, so only the order among sources is kept.

import type { ProgressReader } from '../activities/index.js';
import { originLowWater } from '../ingest/origins.js';
import { MAX_TIMESTAMP, type Millis, seconds } from '../time.js';
import type { PartitionProgress, SourcePartition } from '../workflows/messages.js';
import type { ProgressRow } from './progress-store.js';

type Snapshot = ReadonlyMap<string, readonly ProgressRow[]>;

/**
 * Answers from one copy of the whole table, which is read when somebody asks and the last one is too old.
 * Questions that come meanwhile share its query; when that fails, all of them do, and the next question
 * tries again.
 *
 * @param everyMs - how old a copy may be, from the beginning of its query; default 1 s
 * @param now - a monotonic clock, in ms
 */
export function cachedProgressReader(
  source: { readAll(): Promise<readonly ProgressRow[]> },
  everyMs: Millis = seconds(1),
  now: () => Millis = () => performance.now(),
): ProgressReader {
  let latest: { readonly began: Millis; readonly snapshot: Promise<Snapshot> } | null = null;

  // The promise is the query under way and, later, its result.
  const snapshot = (): Promise<Snapshot> => {
    const asked = now();
    if (latest !== null && asked - latest.began <= everyMs) return latest.snapshot;
    const query = { began: asked, snapshot: source.readAll().then(bySource) };
    latest = query;
    query.snapshot.catch(() => {
      if (latest === query) latest = null;
    });
    return query.snapshot;
  };

  return {
    read: async (name, partition, origin) => answer(await snapshot(), name, partition, origin),
  };
}

function bySource(rows: readonly ProgressRow[]): Snapshot {
  const sources = new Map<string, ProgressRow[]>();
  for (const row of rows) {
    const known = sources.get(row.source);
    if (known) known.push(row);
    else sources.set(row.source, [row]);
  }
  return sources;
}

function answer(
  snapshot: Snapshot,
  source: string,
  partition: number,
  origin: SourcePartition | undefined,
): PartitionProgress | null {
  const row = snapshot.get(source)?.find((each) => each.partition === partition);
  if (row === undefined) return null;
  const successor = lastSuccessor(snapshot, row);
  if (successor.length === 0) {
    const lowWater = origin ? originLowWater(row.origins, origin) : row.lowWater;
    const { watermark, finished, isLive } = row;
    return { watermark, lowWater, finished, ...(isLive && { isLive }) };
  }
  // K2.
  const reached = Math.min(...successor.map(({ watermark }) => watermark));
  return {
    watermark: Math.max(row.watermark, reached),
    lowWater: MAX_TIMESTAMP,
    finished: successor.every(({ finished }) => finished),
    ...(successor.some(({ isLive }) => isLive) && { isLive: true }),
  };
}

/** The rows of the source at the end of the chain; none when nobody continues this one. */
function lastSuccessor(snapshot: Snapshot, row: ProgressRow): readonly ProgressRow[] {
  let rows: readonly ProgressRow[] = [];
  // The store makes no circles; a hand at the table could.
  const seen = new Set([row.source]);
  for (let next = row.continuedBy; next !== null && !seen.has(next); ) {
    seen.add(next);
    rows = snapshot.get(next) ?? [];
    next = rows.find(({ continuedBy }) => continuedBy !== null)?.continuedBy ?? null;
  }
  return rows;
}
