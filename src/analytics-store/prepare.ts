// Records as they wait to be counted: read once, however often their transaction has to be done.

import type { Aggregate, Counted } from '../analytics/aggregate.js';
import { DecodeError } from '../errors.js';
import type { EventData } from '../event.js';
import { checkNotAhead, dataOf } from '../ingest/decode.js';
import type { RawRecord } from '../ingest/record.js';

/** A record and what each aggregate makes of it, in the order of the aggregates. */
export interface Prepared {
  readonly record: RawRecord;
  readonly readings: readonly Reading[];
}

/** An event; why it is none; or null where it is not meant. */
export type Reading = { readonly event: Counted } | { readonly fault: DecodeError } | null;

/** @returns null for a tombstone */
export function prepare(record: RawRecord, aggregates: readonly Aggregate[]): Prepared | null {
  if (record.value === null && record.fault === undefined) return null;
  const data = attempt(() => dataOf(record));
  if ('fault' in data) return { record, readings: aggregates.map(() => data) };
  return {
    record,
    readings: aggregates.map((aggregate) => readingOf(aggregate, data.is, record)),
  };
}

function readingOf(aggregate: Aggregate, data: EventData, record: RawRecord): Reading {
  if (!aggregate.means(data)) return null;
  const read = attempt(() => {
    const event = aggregate.read(data);
    checkNotAhead(event.time, record);
    return event;
  });
  return 'fault' in read ? read : { event: read.is };
}

function attempt<T>(act: () => T): { readonly is: T } | { readonly fault: DecodeError } {
  try {
    return { is: act() };
  } catch (error) {
    if (error instanceof DecodeError) return { fault: error };
    throw error;
  }
}
