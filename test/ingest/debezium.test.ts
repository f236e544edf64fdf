// What Debezium says, decoded: records as version 3.5 wrote them of a MariaDB (debezium-3.5.ndjson), each type of value by a schema,
// every way to be bad, and the ids that changes have.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/errors.js';
import { type ChangeOptions, decodeChange } from '../../src/ingest/debezium.js';
import { decodeRecord } from '../../src/ingest/decode.js';
import { recordOf, withId } from '../../src/ingest/kafka-record.js';
import { readFileRecords } from '../../src/ingest/read-file.js';
import type { RawRecord } from '../../src/ingest/record.js';
import type { FieldType } from '../../src/rules/journey.js';
import { record, run, temporaryFolder } from './helpers.js';

interface Written {
  readonly key: string | null;
  readonly value: string | null;
}

const NAMES = ['read', 'created', 'updated', 'deleted', 'tombstone', 'kinds'] as const;
const lines = readFileSync(new URL('./debezium-3.5.ndjson', import.meta.url), 'utf8').trim();
const recorded = Object.fromEntries(
  lines.split('\n').map((line, i) => [NAMES[i], JSON.parse(line) as Written]),
) as Record<(typeof NAMES)[number], Written>;

/** As the readers of Kafka make it. */
function read({ key, value }: Written, changes: ChangeOptions = {}, isKeyed = false): RawRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  const message = {
    ...{ key: bytes(key), value: bytes(value), offset: '7', timestamp: '1800000000000' },
    attributes: 0,
    headers: {},
  };
  const from = { source: 'test', partition: 0, readAt: Date.UTC(2100, 0), changes };
  return withId(recordOf(from, message), isKeyed);
}

const format = {
  eventTime: 'eventTime',
  fields: { price: 'number', userId: 'string' } as Record<string, FieldType>,
};

describe('records as Debezium 3.5 wrote them', () => {
  const row = {
    ...{ id: 1, eventTime: 1_577_836_860_000, eventType: 'view', productId: 'p', categoryId: 'c' },
    ...{ categoryCode: 'cc', brand: 'b', price: 1130.02, userId: 'u', userSession: 's' },
  };

  test('a row of a snapshot, and one that was inserted', () => {
    const { id, timestamp, data } = decodeRecord(read(recorded.read), format);
    expect({ id, timestamp, data }).toEqual({ id: '1', timestamp: row.eventTime, data: row });
    const created = decodeRecord(read(recorded.created), format);
    expect([created.id, created.data]).toEqual(['2', { ...row, id: 2 }]);
  });

  test('an update: skipped, or the new row where updates are events, by its place in the binlog', () => {
    expect(read(recorded.updated)).toMatchObject({ value: null, skipped: 'update' });
    const { id, data } = decodeRecord(read(recorded.updated, { updates: true }), format);
    expect([id, data]).toEqual(['1@binlog.000001:3827:0', { ...row, price: 5 }]);
  });

  test('a delete is skipped whatever is asked for; a tombstone is one still', () => {
    for (const updates of [false, true]) {
      expect(read(recorded.deleted, { updates })).toMatchObject({ value: null, skipped: 'delete' });
      expect(read(recorded.tombstone, { updates })).toEqual(
        expect.not.objectContaining({ skipped: expect.anything() }),
      );
      expect(read(recorded.tombstone, { updates }).value).toBe(null);
    }
  });

  test('each type of column', () => {
    const { value, id } = read(recorded.kinds);
    expect(id).toBe('[["id1",1],["id2","b"]]');
    expect(value).toEqual({
      a: 1,
      b: 1,
      // A bigint unsigned, which the connector's bigint.unsigned.handling.mode=long takes for a signed one.
      c: -1,
      d: '-12345678901234567890.0123456789',
      e: 1.5,
      f: 0.1,
      g: '2020-02-29',
      h: '-10:00:00',
      i: '25:00:00.250000',
      j: 1_577_836_800_000,
      k: 1_577_836_800_123,
      l: 1_577_836_800_123,
      m: 1_577_836_800_123,
      n: 2020,
      o: true,
      p: 0b101010101010,
      q: 'x',
      r: 'x,y',
      // MariaDB's json is a text.
      s: '{"a": 12345678901234567890}',
      t: Buffer.from('blob').toString('base64'),
      u: Buffer.from('abc').toString('base64'),
      v: 'text',
      w: '12345678901234567890',
      x: '9223372036854775807',
      y: { x: 1, y: 2, wkb: 'AQEAAAAAAAAAAADwPwAAAAAAAABA', srid: null },
      z: '-0.05',
      id1: 1,
      id2: 'b',
    });
  });

  test('what it had said stays with the record, for dead letters', () => {
    expect(read(recorded.created).envelope).toBe(recorded.created.value);
    const faulty = recorded.created.value?.replace('"Ablq"', '"?"') as string;
    const { fault, value } = read({ key: null, value: faulty });
    expect(fault).toBeInstanceOf(DecodeError);
    expect(value).toBe(faulty);
  });
});

type Schema = Readonly<Record<string, unknown>>;

/** A value of a column with this schema, as it becomes in an event. */
function columnOf(schema: Schema | string, value: unknown): unknown {
  const of = typeof schema === 'string' ? { type: schema } : schema;
  const json = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return (decode(packed(of, json)) as { x: unknown }).x;
}

/** A row with one column `x`, with its schema. */
function packed(schema: Schema, json: string): string {
  const row = { type: 'struct', name: 'v.Value', fields: [{ ...schema, field: 'x' }] };
  return `{"schema":${JSON.stringify(row)},"payload":{"x":${json}}}`;
}

const decode = (value: RawRecord['value'], options?: ChangeOptions) =>
  decodeChange(record(0, value), options).value;

function faultOf(value: RawRecord['value'], options?: ChangeOptions): string {
  try {
    decode(value, options);
  } catch (error) {
    if (error instanceof DecodeError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'fine';
}

const named = (name: string, type = 'int64', parameters?: Schema) => ({ type, name, parameters });
const connect = (name: string) => `org.apache.kafka.connect.data.${name}`;
const decimalOf = (scale: number) => named(connect('Decimal'), 'bytes', { scale: String(scale) });

describe('values by their schema', () => {
  test.each<[string, Schema | string, unknown, unknown]>([
    ['whole numbers', 'int32', 7, 7],
    ['the largest safe one', 'int64', 9_007_199_254_740_991n, 9_007_199_254_740_991],
    ['one that is not', 'int64', 9_007_199_254_740_993n, '9007199254740993'],
    ['the least', 'int64', -9_223_372_036_854_775_808n, '-9223372036854775808'],
    ['text that looks like one', 'string', '9223372036854775807', '9223372036854775807'],
    ['text that looks like what stands for one', 'string', '#12', '#12'],
    ['a double', 'double', 0.1234567890123456, 0.1234567890123456],
    ['a large one', 'double', 1.5e300, 1.5e300],
    ['a float', 'float', 1.5, 1.5],
    ['nothing', decimalOf(2), null, null],
    ['booleans', 'boolean', true, true],
    ['connect Timestamp', named(connect('Timestamp')), 1_577_836_860_123, 1_577_836_860_123],
    ['Timestamp', named('io.debezium.time.Timestamp'), 1_577_836_860_123, 1_577_836_860_123],
    [
      'MicroTimestamp',
      named('io.debezium.time.MicroTimestamp'),
      1_577_836_860_123_999,
      1_577_836_860_123,
    ],
    ['a negative one', named('io.debezium.time.MicroTimestamp'), -1, -1],
    [
      'an infinite one',
      named('io.debezium.time.MicroTimestamp'),
      9_223_372_036_825_200_000n,
      9_223_372_036_825_200,
    ],
    [
      'NanoTimestamp',
      named('io.debezium.time.NanoTimestamp'),
      1_577_836_860_123_999_999n,
      1_577_836_860_123,
    ],
    [
      'its next ms',
      named('io.debezium.time.NanoTimestamp'),
      1_577_836_860_124_000_000n,
      1_577_836_860_124,
    ],
    [
      'before 1970',
      named('io.debezium.time.NanoTimestamp'),
      -1_577_836_860_123_999_999n,
      -1_577_836_860_124,
    ],
    ['a small one', named('io.debezium.time.NanoTimestamp'), 9_007_199_254_740_991, 9_007_199_254],
    [
      'ZonedTimestamp',
      named('io.debezium.time.ZonedTimestamp', 'string'),
      '2020-01-01T02:01:00.123456+02:00',
      1_577_836_860_123,
    ],
    [
      'infinity',
      named('io.debezium.time.ZonedTimestamp', 'string'),
      '+294247-01-10T04:00:25.2Z',
      '+294247-01-10T04:00:25.2Z',
    ],
    [
      'IsoTimestamp',
      named('io.debezium.time.IsoTimestamp', 'string'),
      '2020-01-01T00:01:00Z',
      1_577_836_860_000,
    ],
    ['connect Date', named(connect('Date'), 'int32'), 18_262, '2020-01-01'],
    ['Date', named('io.debezium.time.Date', 'int32'), -1, '1969-12-31'],
    ['infinity as a date', named('io.debezium.time.Date', 'int32'), 2_147_483_647, 2_147_483_647],
    ['IsoDate', named('io.debezium.time.IsoDate', 'string'), '2020-01-01Z', '2020-01-01'],
    ['connect Time', named(connect('Time'), 'int32'), 43_200_250, '12:00:00.250'],
    ['Time', named('io.debezium.time.Time', 'int32'), 43_200_000, '12:00:00'],
    ['MicroTime', named('io.debezium.time.MicroTime'), 3_661_000_001, '01:01:01.000001'],
    ['NanoTime', named('io.debezium.time.NanoTime'), 86_399_999_999_999, '23:59:59.999999999'],
    ['838 hours before', named('io.debezium.time.MicroTime'), -3_020_399_000_000, '-838:59:59'],
    ['ZonedTime', named('io.debezium.time.ZonedTime', 'string'), '12:00:00Z', '12:00:00Z'],
    ['Year', named('io.debezium.time.Year', 'int32'), 2020, 2020],
    ['Decimal, base64', decimalOf(2), 'Ablq', '1130.02'],
    ['Decimal, a number', decimalOf(2), 1130.1, '1130.10'],
    [
      'Decimal, a number with more digits than a double',
      decimalOf(4),
      12_345_678_901_234_567_890n,
      '12345678901234567890.0000',
    ],
    ['a scale below nothing', decimalOf(-2), 'Ag==', '200'],
    [
      'VariableScaleDecimal',
      { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal', fields: [] },
      { scale: 3, value: '/w==' },
      '-0.001',
    ],
    [
      'Json',
      named('io.debezium.data.Json', 'string'),
      '{"a":[12345678901234567890,1]}',
      { a: ['12345678901234567890', 1] },
    ],
    [
      'Bits, the last ones first',
      named('io.debezium.data.Bits', 'bytes', { length: '12' }),
      'qgo=',
      0xaaa,
    ],
    [
      '64 Bits',
      named('io.debezium.data.Bits', 'bytes', { length: '64' }),
      '//////////8=',
      '18446744073709551615',
    ],
    ['Enum', named('io.debezium.data.Enum', 'string', { allowed: 'a,b' }), 'a', 'a'],
    ['Uuid', named('io.debezium.data.Uuid', 'string'), 'c0ffee', 'c0ffee'],
    ['a list', { type: 'array', items: decimalOf(1) }, ['Cg==', null], ['1.0', null]],
    ['a list of what stays', { type: 'array', items: { type: 'string' } }, ['a'], ['a']],
    [
      'a map by text',
      { type: 'map', keys: { type: 'string' }, values: decimalOf(1) },
      { a: 'Cg==', b: null },
      { a: '1.0', b: null },
    ],
    [
      'a map by others',
      { type: 'map', keys: decimalOf(1), values: { type: 'string' } },
      [['Cg==', 'a']],
      [['1.0', 'a']],
    ],
    [
      'a struct',
      { type: 'struct', fields: [{ ...decimalOf(1), field: 'a' }] },
      { a: 'Cg==' },
      { a: '1.0' },
    ],
  ])('%s', (_, schema, value, expected) => {
    expect(columnOf(schema, value)).toEqual(expected);
  });

  test('a Decimal as a number, to the last digit', () => {
    const of = (scale: number, json: string) =>
      (decode(packed(decimalOf(scale), json)) as { x: unknown }).x;
    expect(of(10, '-12345678901234567890.0123456789')).toBe('-12345678901234567890.0123456789');
    expect(of(7, '1E-7')).toBe('0.0000001');
    expect(of(0, '1.5E+3')).toBe('1500');
    expect(of(2, '0.10')).toBe('0.10');
  });

  test('any Decimal, in base64 and as a number, is its text', () => {
    const digits = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
    fc.assert(
      fc.property(digits, fc.nat(45), (unscaled, scale) => {
        const text = String(columnOf(decimalOf(scale), twosComplement(unscaled)));
        // Said in another way: without its point it is the number, and what is behind the point has as many digits.
        expect(BigInt(text.replace('.', ''))).toBe(unscaled);
        expect(text.split('.')[1]?.length ?? 0).toBe(scale);
        expect(text).toMatch(/^-?(0|[1-9]\d*)(\.\d+)?$/);
        const asNumber = decode(packed(decimalOf(scale), text)) as { x: unknown };
        expect(asNumber.x).toBe(text === '-0' ? '0' : text);
      }),
    );
  });

  test('any time in ns is that many ms', () => {
    const NANO = named('io.debezium.time.NanoTimestamp');
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (nanos) => {
        const ms = BigInt(columnOf(NANO, nanos) as number);
        expect(ms * 1_000_000n <= nanos && nanos < (ms + 1n) * 1_000_000n).toBe(true);
      }),
    );
  });

  test('a price that a journey declares as a number', () => {
    const of = { eventTime: 'at', fields: { price: 'number' } as Record<string, FieldType> };
    const fields = [
      { ...named('io.debezium.time.NanoTimestamp'), field: 'at' },
      { ...decimalOf(2), field: 'price' },
    ];
    const row = { type: 'struct', fields };
    const text = `{"schema":${JSON.stringify(row)},"payload":{"at":1577836860123456789,"price":"Ablq"}}`;
    const { data, timestamp } = decodeRecord(decodeChange(record(0, text, 2e12)), of);
    expect([timestamp, data]).toEqual([
      1_577_836_860_123,
      { at: 1_577_836_860_123, price: 1130.02 },
    ]);
  });
});

/** The shortest one, as Java's BigInteger writes it, or one byte longer than that. */
function twosComplement(value: bigint): string {
  let bytes = 1;
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++;
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0');
  return Buffer.from(hex, 'hex').toString('base64');
}

describe('envelopes', () => {
  const source = { file: 'b.1', pos: 4, row: 0 };
  const after = { id: 1, price: '1.5' };

  test('without a schema values stay as they are', () => {
    const bare = { before: null, after, source, op: 'c', ts_ms: 1 };
    expect(decode(JSON.stringify(bare))).toEqual(after);
    expect(decode(JSON.stringify({ schema: null, payload: bare }))).toEqual(after);
    expect(
      decode('{"before":null,"after":{"id":9007199254740993,"x":0.1234567890123456},"op":"c"}'),
    ).toEqual({
      id: '9007199254740993',
      x: 0.1234567890123456,
    });
  });

  test('one that is parsed already', () => {
    expect(decode({ before: null, after, source, op: 'r' })).toEqual(after);
  });

  test('with a schema that is written another way: spaces, the payload first', () => {
    const { schema, payload } = JSON.parse(recorded.created.value as string);
    const expected = decode(recorded.created.value);
    expect(decode(JSON.stringify({ schema, payload }, null, 1))).toEqual(expected);
    expect(decode(JSON.stringify({ payload, schema }))).toEqual(expected);
    expect(decode({ schema, payload })).toEqual(expected);
    const twice = { ...schema, doc: '},"payload":{' };
    expect(decode(JSON.stringify({ schema: twice, payload }))).toEqual(expected);
  });

  test.each([
    ['u', 'update'],
    ['d', 'delete'],
    ['t', 'truncate'],
    ['m', 'message'],
    ['x', 'other'],
    ['constructor', 'other'],
  ])('op %s is no event', (op, skipped) => {
    const text = JSON.stringify({ before: null, after: op === 'u' ? after : null, source, op });
    expect(decodeChange(record(0, text))).toMatchObject({ value: null, skipped });
  });

  test.each([
    ['a row alone', { id: 1, x: 'a' }],
    ['a row with a column op', { id: 1, op: 'c', source: 'shop' }],
    ['what says that it is new', { id: 1, __op: 'c', __deleted: 'false' }],
    ['of a snapshot', { id: 1, __op: 'r' }],
  ])('unwrapped by ExtractNewRecordState: %s', (_, row) => {
    expect(decode(JSON.stringify(row))).toEqual(row);
    const fields = Object.keys(row).map((field) => ({ type: 'string', field }));
    const schema = { type: 'struct', name: 'cdc.shop.t.Value', fields };
    expect(decode(JSON.stringify({ schema, payload: row }))).toEqual(row);
  });

  test('unwrapped, and no event', () => {
    const of = (row: object, options?: ChangeOptions) =>
      decodeChange(record(0, JSON.stringify(row)), options);
    expect(of({ id: 1, __deleted: 'true' })).toMatchObject({ value: null, skipped: 'delete' });
    expect(of({ id: 1, __op: 'd' })).toMatchObject({ value: null, skipped: 'delete' });
    expect(of({ id: 1, __op: 'u' })).toMatchObject({ value: null, skipped: 'update' });
    expect(of({ id: 1, __op: 'u' }, { updates: true })).toMatchObject({ position: null });
  });

  test('a tombstone in an envelope of Connect', () => {
    expect(decodeChange(record(0, '{"schema":null,"payload":null}'))).toEqual(record(0, null));
  });

  test('what a reader found faulty, and what repartition wrote, stay as they are', () => {
    const faulty = { ...record(0, 'x'), fault: 'not UTF-8' };
    expect(decodeChange(faulty)).toBe(faulty);
    const own = { ...record(0, 'x'), headers: { a: 'b' } };
    expect(decodeChange(own)).toBe(own);
  });

  test.each<[string, string, RegExp]>([
    ['no JSON', '{"before":', /^RECORD_NOT_JSON not JSON: /],
    [
      'no JSON behind a schema',
      '{"schema":{"type":"struct","fields":[]},"payload":{x}}',
      /^RECORD_NOT_JSON /,
    ],
    ['quotes without end', `{"schema":{},"payload":"${'\\"'.repeat(200_000)}`, /^RECORD_NOT_JSON /],
    ['no object', '[1]', /^RECORD_NOT_A_CHANGE .*expected an object with fields, found \[1\]$/],
    ['text', '"c"', /^RECORD_NOT_A_CHANGE /],
    [
      'no op',
      '{"before":null,"after":{"id":1},"source":{}}',
      /^RECORD_NOT_A_CHANGE .*says no "op", but nothing$/,
    ],
    [
      'an op that is none',
      '{"before":null,"after":{"id":1},"op":7}',
      /^RECORD_NOT_A_CHANGE .*"op", but 7$/,
    ],
    [
      'no after',
      '{"before":null,"op":"c"}',
      /^RECORD_NOT_A_CHANGE .*op is "c", and "after" is no row: nothing$/,
    ],
    [
      'an after that is text',
      '{"before":null,"after":"{}","op":"c"}',
      /^RECORD_NOT_A_CHANGE .*no row: "\{\}"$/,
    ],
    [
      'no after of an update',
      '{"before":null,"after":null,"op":"u"}',
      /^RECORD_NOT_A_CHANGE .*no row: null$/,
    ],
    [
      'an empty schema',
      '{"schema":{},"payload":{"x":1}}',
      /^RECORD_NOT_A_CHANGE the schema of the record should have a struct/,
    ],
    [
      'an unknown type',
      packed({ type: 'int128' }, '1'),
      /^RECORD_NOT_A_CHANGE the schema of field "x" should have a type of Kafka Connect, found "int128"$/,
    ],
    ['no type', packed({}, '1'), /^RECORD_NOT_A_CHANGE .*a type, found nothing$/],
    [
      'items without a schema',
      packed({ type: 'array' }, '[]'),
      /^RECORD_NOT_A_CHANGE .*field "x\[\]" should have a schema, found nothing$/,
    ],
    [
      'no scale',
      packed(named(connect('Decimal'), 'bytes'), '"Ag=="'),
      /^RECORD_NOT_A_CHANGE .*a "scale", found nothing$/,
    ],
    [
      'bad base64',
      packed(decimalOf(2), '"A?=="'),
      /^RECORD_WRONG_TYPE field "x" should be a decimal number \(base64\) by its schema, found "A\?=="$/,
    ],
    ['no bytes', packed(decimalOf(2), '""'), /^RECORD_WRONG_TYPE /],
    ['a decimal that is none', packed(decimalOf(2), 'true'), /^RECORD_WRONG_TYPE /],
    [
      'a scale that is none',
      packed(
        named('io.debezium.data.VariableScaleDecimal', 'struct'),
        '{"scale":1e9,"value":"Ag=="}',
      ),
      /^RECORD_WRONG_TYPE /,
    ],
    [
      'no time',
      packed(named('io.debezium.time.Timestamp'), '"2020-01-01"'),
      /^RECORD_WRONG_TYPE .*a time since the epoch/,
    ],
    ['half a ms', packed(named('io.debezium.time.Timestamp'), '1.5'), /^RECORD_WRONG_TYPE /],
    [
      'no moment',
      packed(named('io.debezium.time.ZonedTimestamp', 'string'), '"soon"'),
      /^RECORD_WRONG_TYPE .*"soon"$/,
    ],
    [
      'no day',
      packed(named('io.debezium.time.Date', 'int32'), '"x"'),
      /^RECORD_WRONG_TYPE .*a number of days/,
    ],
    [
      'no day as text',
      packed(named('io.debezium.time.IsoDate', 'string'), '1'),
      /^RECORD_WRONG_TYPE /,
    ],
    [
      'no time of day',
      packed(named('io.debezium.time.Time', 'int32'), '"x"'),
      /^RECORD_WRONG_TYPE .*a time of day/,
    ],
    ['no bits', packed(named('io.debezium.data.Bits', 'bytes'), '7'), /^RECORD_WRONG_TYPE .*bits/],
    [
      'faulty Json',
      packed(named('io.debezium.data.Json', 'string'), '"{"'),
      /^RECORD_WRONG_TYPE .*JSON \(/,
    ],
    [
      'Json that is parsed',
      packed(named('io.debezium.data.Json', 'string'), '{}'),
      /^RECORD_WRONG_TYPE /,
    ],
    [
      'no struct',
      packed({ type: 'struct', fields: [{ ...decimalOf(1), field: 'a' }] }, '1'),
      /^RECORD_WRONG_TYPE field "x" should be an object/,
    ],
    [
      'inside a struct',
      packed({ type: 'struct', fields: [{ ...decimalOf(1), field: 'a' }] }, '{"a":1,"a":true}'),
      /^RECORD_WRONG_TYPE field "x.a" /,
    ],
    [
      'no list',
      packed({ type: 'array', items: decimalOf(1) }, '{}'),
      /^RECORD_WRONG_TYPE .*an array/,
    ],
    [
      'no map',
      packed({ type: 'map', keys: { type: 'string' }, values: decimalOf(1) }, '7'),
      /^RECORD_WRONG_TYPE .*a map/,
    ],
  ])('malformed: %s', (_, text, expected) => {
    expect(faultOf(text, { updates: true })).toMatch(expected);
    // The second time it may be known.
    expect(faultOf(text, { updates: true })).toMatch(expected);
  });
});

describe('ids', () => {
  const row = { t: 1, id: 5 };
  const change = (op: string, source: object | null, key: object | null = { id: 5 }): Written => ({
    key: key === null ? null : JSON.stringify({ schema: { type: 'struct' }, payload: key }),
    value: JSON.stringify({ before: null, after: row, source, op }),
  });
  const idOf = (of: Written, { eventId = '', isKeyed = false } = {}) =>
    decodeRecord(read(of, { updates: true }, isKeyed), {
      ...{ eventTime: 't', fields: {} },
      ...(eventId === '' ? {} : { eventId }),
    }).id;
  const mysql = { file: 'b.1', pos: 4, row: 1, gtid: null };

  test.each<[string, Written, string | undefined]>([
    ['a row', change('c', mysql), '5'],
    ['a row read again by a snapshot: a repeat', change('r', mysql), '5'],
    ['an update', change('u', mysql), '5@b.1:4:1'],
    ['of PostgreSQL', change('u', { lsn: 24_023_128, txId: 7 }), '5@24023128'],
    ['of SQL Server', change('u', { change_lsn: '0:1', event_serial_no: 2 }), '5@0:1:2'],
    ['of a source without a position', change('u', { db: 'x' }), undefined],
    ['of a source that lacks half of it', change('u', { file: 'b.1' }), undefined],
    ['of none', change('u', null), undefined],
    ['a key of several columns', change('c', mysql, { b: 'x', a: 1 }), '[["a",1],["b","x"]]'],
    ['in another order', change('c', mysql, { a: 1, b: 'x' }), '[["a",1],["b","x"]]'],
    ['of which one says nothing', change('c', mysql, { a: 1, b: null }), undefined],
    ['a key by another name', change('c', mysql, { userSession: 's' }), undefined],
    ['no key', change('c', mysql, null), undefined],
  ])('%s', (_, of, id) => {
    expect(idOf(of)).toBe(id);
  });

  test('a field that names the event goes before the key; an update has its position all the same', () => {
    expect(idOf(change('c', mysql, null), { eventId: 'id' })).toBe('5');
    expect(idOf(change('u', mysql, null), { eventId: 'id' })).toBe('5@b.1:4:1');
    expect(idOf(change('u', null), { eventId: 'id' })).toBe(undefined);
  });

  test("a topic keyed by the journeys' key: the key names no event", () => {
    expect(idOf(change('c', mysql), { isKeyed: true })).toBe(undefined);
    expect(idOf(change('u', mysql), { isKeyed: true })).toBe(undefined);
  });

  test('an id that no double holds', () => {
    const text = '{"schema":{"type":"struct"},"payload":{"id":9007199254740993}}';
    expect(idOf({ ...change('c', mysql), key: text })).toBe('9007199254740993');
  });
});

test('a file of values: each change counts once, as what it was; what is wrong is a dead letter as it was written', async () => {
  const bare = (op: string, id: number, t: number) =>
    JSON.stringify({
      before: null,
      after: op === 'd' ? null : { id, t, key: 's' },
      source: {},
      op,
    });
  const lines = [
    bare('c', 1, 1_000),
    bare('u', 1, 2_000),
    bare('d', 1, 0),
    bare('d', 2, 0),
    bare('t', 0, 0),
    '{"schema":null,"payload":null}',
    '{"after":1,"op":"c"}',
    bare('c', 3, -1),
    bare('r', 4, 5_000),
  ];
  const path = join(temporaryFolder(), 'changes.ndjson');
  writeFileSync(path, lines.join('\n'));
  const records = (changes: ChangeOptions) => readFileRecords({ path, changes });
  const plain = run({ records: records({}) });
  expect(await plain.done).toMatchObject({
    ...{ read: 9, events: 2, late: 0, tombstones: 1 },
    changes: { update: 1, delete: 2, truncate: 1 },
    dead: { RECORD_NOT_A_CHANGE: 1, RECORD_WITHOUT_TIME: 1 },
  });
  expect(plain.dead.map(({ offset, record }) => [offset, record])).toEqual([
    [6, lines[6]],
    [7, lines[7]],
  ]);
  const withUpdates = run({ records: records({ updates: true }) });
  expect(await withUpdates.done).toMatchObject({ events: 3, changes: { delete: 2, truncate: 1 } });
});
