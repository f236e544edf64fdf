// Records into aggregates, in process.

import { readFileSync } from 'node:fs';
import { aggregatesOf } from '../../../src/analytics/aggregate.js';
import { readAnalytics } from '../../../src/analytics/declaration.js';
import {
  type AnalyticsStore,
  openAnalyticsStore,
} from '../../../src/analytics-store/analytics-store.js';
import { type AnalyticsCounts, countRecords } from '../../../src/analytics-store/count-records.js';
import type { AnalyticsDatabase } from '../../../src/analytics-store/schema.js';
import type { RawRecord, Read } from '../../../src/ingest/record.js';
import type { Reject } from '../../../src/ingest/rejects.js';
import { createLogger } from '../../../src/log.js';
import type { Database } from '../../../src/store/database.js';

export const SAMPLES = new URL('../../../examples/', import.meta.url);

/** Lines of a file of the examples. */
export function sample(name: string): string[] {
  return readFileSync(new URL(`data/${name}`, SAMPLES), 'utf8')
    .trim()
    .split('\n');
}

/** Values as records of partition 0 of a source. */
export function recordsOf(
  values: readonly (string | Record<string, unknown> | null)[],
  source = 'file:test',
): RawRecord[] {
  return values.map((value, offset) => ({
    ...{ source, partition: 0, offset, recordTime: Date.now(), value },
  }));
}

export interface Counted extends AnalyticsCounts {
  readonly rejected: { readonly late: Reject[]; readonly dead: Reject[] };
}

/** Opens a store, counts the records, and closes it. */
export async function count(
  at: string | Database,
  declaration: unknown,
  records: Iterable<Read>,
  options: { batch?: number; signal?: AbortSignal; onProgress?: () => void } = {},
): Promise<Counted> {
  const store = await openAnalyticsStore(at, aggregatesOf(readAnalytics(declaration)));
  try {
    return await countInto(store, records, options);
  } finally {
    await store.close();
  }
}

export async function countInto(
  store: AnalyticsStore,
  records: Iterable<Read> | AsyncIterable<Read>,
  options: { batch?: number; signal?: AbortSignal; onProgress?: () => void } = {},
): Promise<Counted> {
  const { batch = 1_000, signal = new AbortController().signal, onProgress } = options;
  const rejected = { late: [] as Reject[], dead: [] as Reject[] };
  const counts = await countRecords({
    ...{ store, batch, signal, log: createLogger('error') },
    reads: (async function* () {
      yield* records;
    })(),
    rejects: {
      late: (reject) => void rejected.late.push(reject),
      dead: (reject) => void rejected.dead.push(reject),
    },
    ...(onProgress ? { onProgress } : {}),
  });
  return { ...counts, rejected };
}

/** What people see. */
export async function consume({ db }: AnalyticsDatabase, table = 'consume') {
  const rows = await db
    .selectFrom(table as 'consume')
    .selectAll()
    .orderBy('appkey')
    .orderBy('dt')
    .execute();
  return rows;
}

export async function summary(
  { db }: AnalyticsDatabase,
  table = 'result_cps_total_summary_pvuv_min',
) {
  return await db
    .selectFrom(table as 'result_cps_total_summary_pvuv_min')
    .select(['summary_date', 'summary_min', 'pv', 'uv'])
    .orderBy('summary_date')
    .orderBy('summary_min')
    .execute();
}
