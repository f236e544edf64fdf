// What Debezium says of a row that has changed -> the row, as any other record. Also what its transform ExtractNewRecordState leaves
// of that, and both with or without the schema that Kafka Connect's JSON converter writes beside each value.
//
//   V1. With a schema each value becomes what it is in the database: decimals their exact text, moments ms since the epoch, dates
//       and times of day text. Without one nothing is known, and values stay as they are written.
//   V2. What a schema says is worked out once for all records that have it.
//   V3. A whole number that is not safe becomes the text of its digits.

import { DecodeError, messageOf } from '../errors.js';
import {
  type Convert,
  converterOf,
  type Fields,
  fieldsOf,
  isFields,
  isPacked,
  shown,
} from './connect-values.js';
import { parseExact, parseMarked } from './exact-json.js';
import type { RawRecord, SkippedChange } from './record.js';

/** Which changes are events beside those that bring a row: plain data. */
export interface ChangeOptions {
  /** Whether the new state of a row that was changed is an event too. Default false. */
  readonly updates?: boolean;
}

/** What a schema says of the values that have it. */
interface Plan {
  /** Whether they are changes, rather than rows; null where there is no schema to say so. */
  readonly isChange: boolean | null;
  /** Null where a row stays as it is. */
  readonly row: Convert | null;
}

const NO_SCHEMA: Plan = { isChange: null, row: null };
/** Schemas in use at once, more than which only somebody has who makes one for each record. */
const PLANS_MAX = 1_000;
const PLANS = new Map<string, Plan>();

const SKIPPED: ReadonlyMap<string, SkippedChange> = new Map([
  ['u', 'update'],
  ['d', 'delete'],
  ['t', 'truncate'],
  ['m', 'message'],
]);

/**
 * Makes the row of a change the record's value. A change that is no event has none, and says what it was as `skipped`; a tombstone
 * stays one, and so does what `repartition` has written.
 *
 * @throws DecodeError `RECORD_NOT_JSON`, `RECORD_NOT_A_CHANGE`, `RECORD_WRONG_TYPE`
 */
export function decodeChange(
  record: RawRecord,
  { updates = false }: ChangeOptions = {},
): RawRecord {
  const { value, fault, headers } = record;
  if (value === null || fault !== undefined || headers !== undefined) return record;
  const { plan, payload } = typeof value === 'string' ? opened(value) : unpacked(value);
  if (payload === null) return { ...record, value: null };
  if (!isFields(payload)) throw noChange(`expected an object with fields, found ${shown(payload)}`);
  const isChange = plan.isChange ?? isEnvelope(payload);
  const op = isChange ? payload.op : opOfRow(payload);
  if (typeof op !== 'string') throw noChange(`it says no "op", but ${shown(op)}`);
  if (op !== 'c' && op !== 'r' && !(op === 'u' && updates)) {
    return { ...record, value: null, skipped: SKIPPED.get(op) ?? 'other' };
  }
  const row = isChange ? payload.after : payload;
  if (!isFields(row)) throw noChange(`its op is "${op}", and "after" is no row: ${shown(row)}`);
  const change = {
    ...record,
    value: (plan.row === null ? row : plan.row(row)) as Fields,
    envelope: typeof value === 'string' ? value : JSON.stringify(value),
  };
  return op === 'u' ? { ...change, position: positionOf(payload.source) } : change;
}

/** The same for readers: what is wrong becomes the record's fault. Without options, records stay as they are. */
export function readChange(record: RawRecord, options: ChangeOptions | undefined): RawRecord {
  if (options === undefined) return record;
  try {
    return decodeChange(record, options);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { ...record, fault: error };
  }
}

// ---- the envelope

function isEnvelope(payload: Fields): boolean {
  const has = (name: string) => Object.hasOwn(payload, name);
  const isOfRow = has('after') || has('before');
  return has('op') ? isOfRow || isFields(payload.source) : isOfRow && isFields(payload.source);
}

/** What ExtractNewRecordState may add to a row; one that says nothing is there. */
function opOfRow({ __op, __deleted }: Fields): unknown {
  if (__deleted === 'true' || __deleted === true) return 'd';
  return __op ?? 'c';
}

/**
 * Where in the database's log a change stands, which tells the changes of a row apart. A change that is delivered again says the same.
 *
 * @returns null where the source doesn't say
 */
function positionOf(source: unknown): string | null {
  if (!isFields(source)) return null;
  const { file, pos, row, lsn, change_lsn, event_serial_no } = source;
  const parts =
    file !== undefined
      ? [file, pos, row]
      : lsn !== undefined
        ? [lsn]
        : [change_lsn, event_serial_no];
  const texts = parts.map((part) =>
    typeof part === 'number' || typeof part === 'string' ? String(part) : '',
  );
  return texts.includes('') ? null : texts.join(':');
}

// ---- with a schema or without

interface Opened {
  readonly plan: Plan;
  readonly payload: unknown;
}

const BEGIN = '{"schema":';
const BETWEEN = ',"payload":';

function opened(text: string): Opened {
  const known = parts(text);
  try {
    if (known !== null) return { plan: known.plan, payload: parseMarked(known.payload) };
    const whole = parseExact(text);
    // Rare: a converter that writes the two in another way.
    return isPacked(whole) && isFields(whole.schema)
      ? unpacked(parseMarked(text))
      : unpacked(whole);
  } catch (cause) {
    if (cause instanceof DecodeError) throw cause;
    throw new DecodeError('RECORD_NOT_JSON', `not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** V2: a text as the converter writes it is cut in two, and its schema, which is the longer part, is looked up. */
function parts(text: string): { plan: Plan; payload: string } | null {
  if (!text.startsWith('{"schema":{') || !text.endsWith('}')) return null;
  // Not the last one that could be: what is before it has to be a whole schema.
  for (
    let at = text.indexOf(BETWEEN);
    at >= 0 && text[at - 1] === '}';
    at = text.indexOf(BETWEEN, at + 1)
  ) {
    const schema = text.slice(BEGIN.length, at);
    let plan = PLANS.get(schema);
    if (plan === undefined) {
      const parsed = parsedOf(schema);
      if (parsed === undefined) continue;
      plan = planOf(parsed);
      if (PLANS.size >= PLANS_MAX) PLANS.clear();
      PLANS.set(schema, plan);
    }
    return { plan, payload: text.slice(at + BETWEEN.length, -1) };
  }
  return null;
}

function parsedOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unpacked(value: unknown): Opened {
  if (!isPacked(value)) return { plan: NO_SCHEMA, payload: value };
  const { schema, payload } = value;
  return { plan: schema === null ? NO_SCHEMA : planOf(schema), payload };
}

function planOf(schema: unknown): Plan {
  if (!isFields(schema)) throw noChange(`its schema is ${shown(schema)}`);
  const fields = fieldsOf(schema, '');
  const after = fields.find(({ field }) => field === 'after');
  const isChange =
    /\.Envelope$/.test(String(schema.name)) ||
    (after !== undefined && fields.some(({ field }) => field === 'op'));
  if (!isChange) return { isChange, row: converterOf(schema, '') };
  return { isChange, row: after === undefined ? null : converterOf(after, '') };
}

function noChange(what: string): DecodeError {
  return new DecodeError('RECORD_NOT_A_CHANGE', `not as Debezium writes changes or rows: ${what}`);
}
