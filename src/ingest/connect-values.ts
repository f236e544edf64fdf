// Values as Kafka Connect's JSON converter writes them, by the schema beside them: its own types, and those that Debezium adds.

import { DecodeError, messageOf } from '../errors.js';
import { parseExact } from './exact-json.js';

/** Makes of a value as it is written one as it is meant; never asked of null. */
export type Convert = (value: unknown) => unknown;
export type Fields = Readonly<Record<string, unknown>>;

/** More digits behind the point than any database knows. */
const SCALE_MAX = 20_000;
const DAY_MS = 86_400_000;
const SHOWN_LENGTH_MAX = 80;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const WHOLE_NUMBER = /^-?\d+$/;
const MOMENT = /^[+-]?\d{4,}-\d{2}-\d{2}T\d{2}:\d{2}/;

/** How values of a type are made, by the path of their field and their schema. */
type Maker = (path: string, schema: Fields) => Convert | null;

/** Types by the name of their schema. What is not here goes by what it is made of. */
const NAMED: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ['org.apache.kafka.connect.data.Decimal', decimal],
  ['io.debezium.data.VariableScaleDecimal', variableDecimal],
  ['org.apache.kafka.connect.data.Timestamp', moment(1)],
  ['io.debezium.time.Timestamp', moment(1)],
  ['io.debezium.time.MicroTimestamp', moment(1_000)],
  ['io.debezium.time.NanoTimestamp', moment(1_000_000)],
  ['io.debezium.time.ZonedTimestamp', momentOfText],
  ['io.debezium.time.IsoTimestamp', momentOfText],
  ['org.apache.kafka.connect.data.Date', date],
  ['io.debezium.time.Date', date],
  ['io.debezium.time.IsoDate', dateOfText],
  ['org.apache.kafka.connect.data.Time', timeOfDay(3)],
  ['io.debezium.time.Time', timeOfDay(3)],
  ['io.debezium.time.MicroTime', timeOfDay(6)],
  ['io.debezium.time.NanoTime', timeOfDay(9)],
  ['io.debezium.data.Json', json],
  ['io.debezium.data.Bits', bits],
]);

const WHOLE = ['int8', 'int16', 'int32', 'int64'];
const FLOATING = ['float', 'double', 'float32', 'float64'];
const AS_WRITTEN = ['boolean', 'string', 'bytes'];

/**
 * What makes values of a schema, parsed by `parseMarked`.
 *
 * @param path - of the field they are in, for messages; '' for a record's own
 * @returns null where they stay as they are
 * @throws DecodeError `RECORD_NOT_A_CHANGE` for a type that Connect does not have; what it returns throws `RECORD_WRONG_TYPE`
 */
export function converterOf(schema: unknown, path: string): Convert | null {
  if (!isFields(schema)) throw unreadable(path, `a schema, found ${shown(schema)}`);
  const { type, name, items, keys, values } = schema;
  const maker = typeof name === 'string' ? NAMED.get(name) : undefined;
  if (maker) return maker(path, schema);
  if (typeof type !== 'string') throw unreadable(path, `a type, found ${shown(type)}`);
  if (WHOLE.includes(type)) return whole;
  if (FLOATING.includes(type)) return floating;
  if (AS_WRITTEN.includes(type)) return null;
  if (type === 'struct') return struct(path, schema);
  if (type === 'array') return array(path, items);
  if (type === 'map') return map(path, keys, values);
  throw unreadable(path, `a type of Kafka Connect, found ${shown(type)}`);
}

/** The fields of a struct's schema. */
export function fieldsOf(schema: Fields, path: string): readonly Fields[] {
  const { type, fields } = schema;
  if (type === 'struct' && Array.isArray(fields) && fields.every(isFields)) return fields;
  throw unreadable(path, `a struct with fields, found ${shown(schema)}`);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it is a value beside its schema, as Kafka Connect's JSON converter writes it. */
export function isPacked(value: unknown): value is { schema: unknown; payload: unknown } {
  if (!isFields(value) || !('schema' in value) || !('payload' in value)) return false;
  return Object.keys(value).length === 2 && (value.schema === null || isFields(value.schema));
}

/** The beginning of a value, for messages. */
export function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, SHOWN_LENGTH_MAX) ?? 'nothing';
}

function unreadable(path: string, what: string): DecodeError {
  const of = path === '' ? 'the record' : `field "${path}"`;
  return new DecodeError('RECORD_NOT_A_CHANGE', `the schema of ${of} should have ${what}`);
}

function wrong(path: string, expected: string, value: unknown): DecodeError {
  const of = path === '' ? 'the record' : `field "${path}"`;
  return new DecodeError(
    'RECORD_WRONG_TYPE',
    `${of} should be ${expected} by its schema, found ${shown(value)}`,
    { details: { field: path } },
  );
}

// ---- made of others

function struct(path: string, schema: Fields): Convert | null {
  const converts: [field: string, convert: Convert][] = [];
  for (const each of fieldsOf(schema, path)) {
    const field = String(each.field);
    const convert = converterOf(each, path === '' ? field : `${path}.${field}`);
    if (convert) converts.push([field, convert]);
  }
  if (converts.length === 0) return null;
  return (value) => {
    if (!isFields(value)) throw wrong(path, 'an object', value);
    const made: Record<string, unknown> = { ...value };
    for (const [field, convert] of converts) {
      const each = value[field];
      if (each !== null && each !== undefined) made[field] = convert(each);
    }
    return made;
  };
}

function array(path: string, items: unknown): Convert | null {
  const convert = converterOf(items, `${path}[]`);
  if (convert === null) return null;
  return (value) => {
    if (!Array.isArray(value)) throw wrong(path, 'an array', value);
    return value.map((each) => (each === null ? null : convert(each)));
  };
}

/** An object where the keys are text, else an array of pairs. */
function map(path: string, keys: unknown, values: unknown): Convert | null {
  const ofKey = converterOf(keys, `${path}{key}`);
  const ofValue = converterOf(values, `${path}{}`);
  if (ofKey === null && ofValue === null) return null;
  const made = (convert: Convert | null, value: unknown) =>
    convert === null || value === null ? value : convert(value);
  return (value) => {
    if (isFields(value)) {
      const entries = Object.entries(value).map(([key, each]) => [key, made(ofValue, each)]);
      return Object.fromEntries(entries);
    }
    if (!Array.isArray(value) || !value.every(Array.isArray)) throw wrong(path, 'a map', value);
    return value.map(([key, each]) => [made(ofKey, key), made(ofValue, each)]);
  };
}

// ---- numbers

/** The digits of a number that no double may hold, as `parseMarked` leaves it. */
function marked(value: unknown): string | undefined {
  return typeof value === 'string' && value.startsWith('#') ? value.slice(1) : undefined;
}

function whole(value: unknown): unknown {
  return marked(value) ?? value;
}

function floating(value: unknown): unknown {
  const digits = marked(value);
  return digits === undefined ? value : Number(digits);
}

/** Base64 of the digits as an integer; the converter's decimal.format=NUMERIC has a number. */
function decimal(path: string, { parameters }: Fields): Convert {
  const scale = Number(isFields(parameters) ? parameters.scale : undefined);
  if (!isScale(scale)) throw unreadable(path, `a "scale", found ${shown(parameters)}`);
  return (value) => {
    const digits = marked(value) ?? (typeof value === 'number' ? String(value) : undefined);
    if (digits === undefined) return decimalText(integerOf(path, value), scale);
    const text = scaled(digits, scale);
    if (text === undefined) throw wrong(path, 'a decimal number', value);
    return text;
  };
}

function variableDecimal(path: string): Convert {
  return (value) => {
    const { scale, value: digits } = isFields(value) ? value : {};
    if (!isScale(scale)) throw wrong(path, 'a decimal number with a scale', value);
    return decimalText(integerOf(path, digits), scale);
  };
}

function isScale(scale: unknown): scale is number {
  return Number.isInteger(scale) && Math.abs(scale as number) <= SCALE_MAX;
}

/** A big-endian two's complement in base64. */
function integerOf(path: string, value: unknown): bigint {
  const bytes = bytesOf(path, 'a decimal number', value);
  if (bytes.length === 0) throw wrong(path, 'a decimal number (base64)', value);
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}

function bytesOf(path: string, what: string, value: unknown): Buffer {
  if (typeof value === 'string' && BASE64.test(value)) return Buffer.from(value, 'base64');
  throw wrong(path, `${what} (base64)`, value);
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale));
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** A written number with the digits that its scale asks for. */
function scaled(text: string, scale: number): string | undefined {
  const [, sign, whole, fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const own = fraction.length - Number(exponent);
  if (!isScale(own)) return undefined;
  const unscaled = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n);
  // Zeros behind the point are not written where it is a double.
  const more = Math.max(0, scale - own);
  return decimalText(unscaled * 10n ** BigInt(more), own + more);
}

/** The bits of a column, the last ones first, as a number; text where that is not a safe one. */
function bits(path: string): Convert {
  return (value) => {
    const bytes = bytesOf(path, 'bits', value);
    const number = BigInt(`0x0${bytes.reverse().toString('hex')}`);
    return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : String(number);
  };
}

// ---- time

/** Ms since the epoch; what is finer is left out. */
function moment(unitsPerMs: number): Maker {
  return (path) => (value) => {
    const digits = marked(value);
    if (digits !== undefined && WHOLE_NUMBER.test(digits)) {
      const units = BigInt(digits);
      const rest = units % BigInt(unitsPerMs);
      return Number((units - rest) / BigInt(unitsPerMs)) - (rest < 0n ? 1 : 0);
    }
    if (!Number.isInteger(value)) throw wrong(path, 'a time since the epoch', value);
    const units = value as number;
    // A quotient could be rounded up to the next ms.
    const rest = units % unitsPerMs;
    return (units - rest) / unitsPerMs - (rest < 0 ? 1 : 0);
  };
}

/** Such as 2026-01-31T12:00:00.5Z. What lies beyond all dates, as PostgreSQL's infinity, stays as it is. */
function momentOfText(path: string): Convert {
  return (value) => {
    if (typeof value !== 'string' || !MOMENT.test(value)) {
      throw wrong(path, 'a time such as 2026-01-31T12:00:00Z', value);
    }
    const at = Date.parse(value);
    return Number.isNaN(at) ? value : Math.floor(at);
  };
}

/** Days since the epoch. What lies beyond all dates stays as it is. */
function date(path: string): Convert {
  return (value) => {
    if (!Number.isInteger(value)) throw wrong(path, 'a number of days', value);
    const at = new Date((value as number) * DAY_MS);
    return Number.isNaN(at.getTime()) ? value : at.toISOString().split('T')[0];
  };
}

function dateOfText(path: string): Convert {
  return (value) => {
    if (typeof value !== 'string') throw wrong(path, 'a date', value);
    const [, day] = /^(\d{4}-\d{2}-\d{2})(?:Z|[+-]\d{2}:\d{2})?$/.exec(value) ?? [];
    return day ?? value;
  };
}

/**
 * Such as 12:00:00, with a fraction where there is one. MySQL's TIME may be negative, or longer than a day.
 *
 * @param digits - of the fraction
 */
function timeOfDay(digits: number): Maker {
  const perSecond = 10 ** digits;
  return (path) => (value) => {
    if (!Number.isSafeInteger(value)) throw wrong(path, 'a time of day', value);
    const units = Math.abs(value as number);
    const rest = units % perSecond;
    const seconds = (units - rest) / perSecond;
    const two = (part: number) => String(part).padStart(2, '0');
    const hours = Math.floor(seconds / 3_600);
    const clock = [hours, Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
    const fraction = rest === 0 ? '' : `.${String(rest).padStart(digits, '0')}`;
    return `${(value as number) < 0 ? '-' : ''}${clock}${fraction}`;
  };
}

// ---- others

function json(path: string): Convert {
  return (value) => {
    if (typeof value !== 'string') throw wrong(path, 'JSON as text', value);
    try {
      return parseExact(value);
    } catch (cause) {
      throw wrong(path, `JSON (${messageOf(cause)})`, value);
    }
  };
}
