// Whether a topic is keyed by the journeys' key: then all events of a session lie in one partition, and
// partitions can be read independently of each other, by as many ingestors as there are.

import { DecodeError } from '../errors.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { isPacked } from './connect-values.js';
import { decodeRecord } from './decode.js';
import { parseExact } from './exact-json.js';
import type { RawRecord } from './record.js';
import { routeEvent } from './route.js';

/** What a sample of records says, with an example for people where they are not keyed. */
export type KeyedVerdict =
  | { readonly isKeyed: true }
  | { readonly isKeyed: false; readonly example: string };

/**
 * Looks whether each record's key is the key of every journey that accepts its event. As text, as JSON
 * text, or as a JSON object of that one field.
 *
 * @returns null when no journey accepts any of them: then nothing can be said
 */
export function keyedVerdict(
  records: Iterable<RawRecord>,
  journeys: CompiledJourneys,
): KeyedVerdict | null {
  let isAnyRouted = false;
  for (const record of records) {
    // A repartition keys its records, and says who each is for.
    if (record.headers !== undefined) return { isKeyed: true };
    for (const { journey, key, field } of routesOf(record, journeys)) {
      isAnyRouted = true;
      if (isKeyOf(record.key ?? null, key, field)) continue;
      const by = field === null ? 'a function of the event' : `"${field}"`;
      const example = `the record at ${record.partition}:${record.offset} has the key ${record.key ?? 'null'}, and journey "${journey}" goes by ${by}, there ${key}`;
      return { isKeyed: false, example };
    }
  }
  return isAnyRouted ? { isKeyed: true } : null;
}

function routesOf(record: RawRecord, journeys: CompiledJourneys) {
  if (record.value === null) return [];
  try {
    return routeEvent(decodeRecord(record, journeys.set), journeys).routes.map(
      ({ journey: { journey }, key }) => ({
        journey: journey.id,
        key,
        field: typeof journey.key === 'string' ? journey.key : null,
      }),
    );
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

function isKeyOf(recordKey: string | null, key: string, field: string | null): boolean {
  if (recordKey === null) return false;
  if (recordKey === key) return true;
  const fields = keyFields(recordKey);
  if (fields === null) return false;
  const names = Object.keys(fields);
  const isOther = field !== null && names[0] !== field && names[0] !== '';
  if (names.length !== 1 || isOther) return false;
  return String(fields[names[0] as string]) === key;
}

/** A record's key as an object: `{"id": 7}`, or `"a"` as `{"": "a"}`, with or without a schema; null where it is no JSON. */
function keyFields(key: string): Record<string, unknown> | null {
  try {
    const parsed = parseExact(key);
    const value = isPacked(parsed) ? parsed.payload : parsed;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    return { '': value };
  } catch {
    return null;
  }
}

/**
 * The id that a record's key gives its event, as upsert-kafka and Debezium write it: `{"id": 7}`. Records of
 * one id are repeats of one event.
 *
 * @param isRow - whether the record is of a database's row: several fields are then its primary key, and name it together
 * @returns undefined where the key names no record: no object with the one field `id`
 */
export function idOfKey(key: string | null | undefined, isRow = false): string | undefined {
  if (key === null || key === undefined || !key.startsWith('{')) return undefined;
  const fields = keyFields(key);
  if (fields === null) return undefined;
  const names = Object.keys(fields);
  if (names.length > 1) return isRow ? idOfColumns(fields, names.sort()) : undefined;
  const { id } = fields;
  // '' says nothing: all events of that id would be repeats of one.
  return (typeof id === 'string' && id !== '') || typeof id === 'number' ? String(id) : undefined;
}

function idOfColumns(
  columns: Readonly<Record<string, unknown>>,
  names: readonly string[],
): string | undefined {
  const isNamed = names.every((name) =>
    ['string', 'number', 'boolean'].includes(typeof columns[name]),
  );
  return isNamed ? JSON.stringify(names.map((name) => [name, columns[name]])) : undefined;
}

/** Remembers of sources what ingestors have to know before they have seen a record. */
export interface KeyedSources {
  /** Null when nobody has found out. */
  keyedOf(source: string): Promise<boolean | null>;
  /**
   * How many partitions the topic had when it was first read: those from there on were added later.
   *
   * @param partitions - how many it has now
   */
  firstPartitions(source: string, topic: string, partitions: number): Promise<number>;
  setKeyed(source: string, topic: string, isKeyed: boolean): Promise<void>;
}
