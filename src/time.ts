import { CepError, DecodeError } from './errors.js';

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]?: Name };

/** A point in event time: milliseconds since the epoch. */
export type Timestamp = Brand<number, 'Timestamp'>;
/** A length of time in milliseconds. */
export type Millis = Brand<number, 'Millis'>;

/** Before every event: the watermark of a source that has not spoken yet. JSON-safe. */
export const MIN_TIMESTAMP: Timestamp = Number.MIN_SAFE_INTEGER;
/** After every event: the watermark of a source that has ended. JSON-safe. */
export const MAX_TIMESTAMP: Timestamp = Number.MAX_SAFE_INTEGER;

/** The last time that a JavaScript date can hold. */
export const DATE_MAX: Timestamp = 8.64e15;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const milliseconds = (n: number): Millis => n;
export const seconds = (n: number): Millis => n * UNITS.s;
export const minutes = (n: number): Millis => n * UNITS.m;
export const hours = (n: number): Millis => n * UNITS.h;
export const days = (n: number): Millis => n * UNITS.d;

/** The units of Flink's pattern documents, in milliseconds. */
export const UNIT_MILLIS = {
  MILLISECONDS: UNITS.ms,
  SECONDS: UNITS.s,
  MINUTES: UNITS.m,
  HOURS: UNITS.h,
  DAYS: UNITS.d,
} as const;
export type TimeUnit = keyof typeof UNIT_MILLIS;

/**
 * Reads a duration as people write it: `500ms`, `2s`, `15m`, `12h`, `7d`, or a bare number of ms.
 *
 * @throws CepError `SETTING_INVALID` for anything else, negative lengths included
 */
export function parseDuration(text: string): Millis {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim());
  if (!found) {
    throw new CepError(
      'SETTING_INVALID',
      `"${text}" is no duration: write a number and a unit, such as 500ms, 2s, 15m, 12h or 7d`,
    );
  }
  return Number(found[1]) * UNITS[(found[2] ?? 'ms') as keyof typeof UNITS];
}

/** A duration in words, largest unit first and at most two of them: `7 d`, `1 h 30 min`, `2 s`. */
export function formatDuration(ms: Millis): string {
  const parts: string[] = [];
  let rest = Math.round(Math.abs(ms));
  for (const [name, size] of [
    ['d', UNITS.d],
    ['h', UNITS.h],
    ['min', UNITS.m],
    ['s', UNITS.s],
    ['ms', UNITS.ms],
  ] as const) {
    const count = Math.floor(rest / size);
    if (count > 0 && parts.length < 2) parts.push(`${count} ${name}`);
    rest -= count * size;
  }
  return `${ms < 0 ? '-' : ''}${parts.join(' ') || '0 s'}`;
}

/** An event time in ISO 8601, UTC, or a word for the two ends of time. */
export function formatTimestamp(timestamp: Timestamp): string {
  if (timestamp > DATE_MAX) return 'the end of the stream';
  if (timestamp < -DATE_MAX) return 'before the first event';
  return new Date(timestamp).toISOString();
}

/** The same to the second, for people: `2026-01-31 12:00:00 UTC`. */
export function readableTimestamp(timestamp: Timestamp): string {
  const text = formatTimestamp(timestamp);
  return text.endsWith('Z') ? `${text.slice(0, 19).replace('T', ' ')} UTC` : text;
}

/** From 1970, because a negative time is Kafka's way of saying none, to the last year that JSON dates can hold. */
const READ_MIN: Timestamp = 0;
const READ_MAX: Timestamp = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const NUMBER = /^[+-]?\d+(\.\d+)?$/;
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(Z|UTC|[+-]\d{2}:?\d{2})?$/;

/**
 * The time that a field of a record says: ms since the epoch as a number or text, or a date and time of day.
 *
 * @param instantOf - when a clock shows what the text says, if that names no zone; as a clock of UTC by default
 * @throws DecodeError `RECORD_WITHOUT_TIME` for anything else, and for times before 1970 or after 9999
 */
export function eventTimeOf(
  value: unknown,
  field: string,
  instantOf?: (shown: Timestamp) => Timestamp,
): Timestamp {
  let timestamp = Number.NaN;
  if (typeof value === 'number') timestamp = value;
  else if (typeof value === 'string') {
    const text = value.trim();
    const [, date, time, zone] = DATE_TIME.exec(text) ?? [];
    if (NUMBER.test(text)) timestamp = Number(text);
    else if (date !== undefined && isDate(date)) {
      timestamp = Date.parse(`${date}T${time}${zone === undefined || zone === 'UTC' ? 'Z' : zone}`);
      if (zone === undefined && instantOf) timestamp = instantOf(timestamp);
    }
  }
  if (timestamp >= READ_MIN && timestamp <= READ_MAX) return Math.trunc(timestamp);
  throw new DecodeError(
    'RECORD_WITHOUT_TIME',
    `field "${field}" should hold the event time (ms since the epoch, or such as 2026-01-31T12:00:00Z; from 1970 on), found ${JSON.stringify(value)?.slice(0, 80) ?? 'nothing'}`,
    { details: { field } },
  );
}

/** Whether the calendar has the day, written `2026-01-31`: `Date.parse` makes the first of March of a 30th of February. */
export function isDate(text: string): boolean {
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}
