// RawRecord -> CepEvent. Whatever is wrong with a record is said in a DecodeError, for the dead letters.

import { DecodeError, messageOf } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import type { FieldType, JourneySet } from '../rules/journey.js';
import { eventTimeOf, formatTimestamp, minutes, type Timestamp } from '../time.js';
import type { RawRecord } from './record.js';

/** How far an event time may lie ahead of its record's own timestamp. */
const AHEAD_MAX_MS = minutes(5);
/** Longest record, in characters or bytes. A session's payload is limited to about 2 MB. */
export const RECORD_LENGTH_MAX = 1_000_000;

type Format = Pick<JourneySet, 'eventTime' | 'eventId' | 'fields'>;

/**
 * Makes an event of a record. The event time field becomes ms since the epoch; all others stay.
 *
 * @throws DecodeError the record's own fault, `RECORD_NOT_JSON`, `RECORD_TOO_LONG`, `RECORD_WITHOUT_TIME`, `RECORD_WRONG_TYPE`,
 *   `RECORD_TIME_AHEAD`
 */
export function decodeRecord(record: RawRecord, format: Format): CepEvent {
  const data = dataOf(record);
  const isText = typeof record.value === 'string';
  // Where the reader has taken the record apart, as of CSV, all values may be text.
  for (const [field, type] of typesOf(format.fields)) {
    const value = data[field];
    // The event time is read by its own rules, below.
    if (value === undefined || value === null || field === format.eventTime) continue;
    const typedValue = typed(field, value, type, !isText);
    // To write a field costs more than all else here.
    if (typedValue !== value) data[field] = typedValue;
  }
  const timestamp = timeOf(data, format.eventTime);
  checkNotAhead(timestamp, record);
  if (data[format.eventTime] !== timestamp) data[format.eventTime] = timestamp;
  const named =
    format.eventId === undefined ? undefined : idOf(data[format.eventId], format.eventId);
  const id = idOfChange(named ?? record.id, record.position);
  const { source, partition, offset } = record;
  return id === undefined
    ? { timestamp, source, partition, offset, data }
    : { timestamp, source, partition, offset, id, data };
}

/**
 * What a record holds: an object of one's own.
 *
 * @throws DecodeError `RECORD_NOT_JSON`, `RECORD_TOO_LONG`
 */
export function dataOf({ fault, value }: RawRecord): EventData {
  if (fault instanceof DecodeError) throw fault;
  if (fault !== undefined) throw new DecodeError('RECORD_NOT_JSON', fault);
  if (value === null) throw new DecodeError('RECORD_NOT_JSON', 'the record has no value');
  return typeof value === 'string' ? parse(value) : copy(value);
}

/** @throws DecodeError `RECORD_TIME_AHEAD` */
export function checkNotAhead(timestamp: Timestamp, { recordTime }: RawRecord): void {
  if (timestamp <= recordTime + AHEAD_MAX_MS) return;
  throw new DecodeError(
    'RECORD_TIME_AHEAD',
    `event time ${formatTimestamp(timestamp)} is more than 5 min ahead of the record's own ${formatTimestamp(recordTime)}: check the clock of the producer and the unit (ms)`,
    { details: { timestamp, recordTime } },
  );
}

const TYPES = new WeakMap<Format['fields'], [field: string, type: FieldType][]>();

/** The declared types as a list, which is made once. */
function typesOf(fields: Format['fields']): [field: string, type: FieldType][] {
  const known = TYPES.get(fields);
  if (known) return known;
  const types = Object.entries(fields);
  TYPES.set(fields, types);
  return types;
}

function parse(text: string): EventData {
  checkLength(text.length);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DecodeError('RECORD_NOT_JSON', `not JSON: ${messageOf(cause)}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? 'an array' : value === null ? 'null' : `a ${typeof value}`;
    throw new DecodeError('RECORD_NOT_JSON', `expected a JSON object with fields, found ${found}`);
  }
  return value as EventData;
}

function copy(value: EventData): EventData {
  // Cheap to say of most; JSON is the measure, because that is what a session is sent.
  let length = 0;
  for (const field of Object.values(value)) {
    length +=
      typeof field === 'string' ? field.length : typeof field === 'object' ? jsonLength(field) : 8;
  }
  checkLength(length);
  return { ...value };
}

function checkLength(length: number): void {
  if (length <= RECORD_LENGTH_MAX) return;
  throw new DecodeError(
    'RECORD_TOO_LONG',
    `the record has ${length} characters, more than ${RECORD_LENGTH_MAX}: leave out what no rule needs`,
  );
}

function jsonLength(value: unknown): number {
  try {
    return JSON.stringify(value)?.length ?? 0;
  } catch (cause) {
    throw new DecodeError('RECORD_NOT_JSON', `not to be written as JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Two records with one id are repeats, so an id must say something: '' and objects don't. */
function idOf(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new DecodeError(
    'RECORD_WRONG_TYPE',
    `field "${field}" should hold the record's id (text or a number), found ${JSON.stringify(value)?.slice(0, 80)}`,
    { details: { field } },
  );
}

/** Each update of a row is an event of its own, and the row's id alone would make repeats of them. */
function idOfChange(id: string | undefined, position: RawRecord['position']): string | undefined {
  if (position === undefined || id === undefined) return id;
  return position === null ? undefined : `${id}@${position}`;
}

/** The value in its declared type. Text is converted where all values are text, as in CSV. */
function typed(field: string, value: unknown, type: FieldType, convert: boolean): unknown {
  if (typeof value === type && !(type === 'number' && !Number.isFinite(value))) return value;
  if (convert && typeof value === 'string') {
    const text = value.trim();
    if (type === 'number' && text !== '' && Number.isFinite(Number(text))) return Number(text);
    if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  }
  // An id may be a number in one system and text in the next; the other way round nothing is sure.
  if (type === 'string' && typeof value === 'number') return String(value);
  throw new DecodeError(
    'RECORD_WRONG_TYPE',
    `field "${field}" should be a ${type}, found ${JSON.stringify(value)?.slice(0, 80)}`,
    { details: { field, expected: type } },
  );
}

function timeOf(data: EventData, field: string): Timestamp {
  const value = data[field];
  if (value !== undefined || !isChange(data)) return eventTimeOf(value, field);
  throw new DecodeError(
    'RECORD_WITHOUT_TIME',
    `there is no field "${field}" for the event time, but a change as Debezium writes it: read that with --format debezium`,
    { details: { field } },
  );
}

function isChange(data: EventData): boolean {
  return ('schema' in data && 'payload' in data) || ('op' in data && 'after' in data);
}
