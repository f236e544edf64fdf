// Records become events, or DecodeErrors that say what is wrong: good ones, and every way to be bad.

import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/errors.js';
import { decodeRecord } from '../../src/ingest/decode.js';
import type { FieldType } from '../../src/rules/journey.js';
import { record } from './helpers.js';

const format = {
  eventTime: 't',
  eventId: 'id',
  fields: { name: 'string', price: 'number', isNew: 'boolean' } as Record<string, FieldType>,
};
const NOW = Date.UTC(2026, 0, 31, 12);
const decode = (value: string | Record<string, unknown>, of = format) =>
  decodeRecord(record(7, value, NOW), of);
const codeOf = (value: string | Record<string, unknown>): string => {
  try {
    decode(value);
  } catch (error) {
    if (error instanceof DecodeError) return error.code;
    throw error;
  }
  return 'fine';
};

test('an event has its coordinates, its time, its id and all its fields', () => {
  expect(decode('{"t": 5, "id": 3, "name": "x", "price": 1.5, "extra": [1, {"b": null}]}')).toEqual(
    {
      source: 'test',
      partition: 0,
      offset: 7,
      timestamp: 5,
      id: '3',
      data: { t: 5, id: 3, name: 'x', price: 1.5, extra: [1, { b: null }] },
    },
  );
});

test.each([
  ['1577836860000', 1_577_836_860_000],
  [1_577_836_860_000, 1_577_836_860_000],
  ['2020-01-01T00:01:00Z', 1_577_836_860_000],
  ['2020-01-01T00:01:00', 1_577_836_860_000],
  ['2020-01-01 00:01:00', 1_577_836_860_000],
  ['2020-01-01 00:01:00.250', 1_577_836_860_250],
  ['2020-01-01T00:01:00.123456Z', 1_577_836_860_123],
  ['2020-01-01 00:01', 1_577_836_860_000],
  ['2020-01-01 00:01:00 UTC', 1_577_836_860_000],
  ['2020-01-01T01:01:00+01:00', 1_577_836_860_000],
  ['2019-12-31T19:01:00-0500', 1_577_836_860_000],
  [1_577_836_860_000.75, 1_577_836_860_000],
])('event time %j', (t, expected) => {
  const event = decode({ t });
  expect([event.timestamp, event.data.t]).toEqual([expected, expected]);
});

test.each([
  ['RECORD_NOT_JSON', 'nonsense'],
  ['RECORD_NOT_JSON', '{"t": 1'],
  ['RECORD_NOT_JSON', '[1]'],
  ['RECORD_NOT_JSON', 'null'],
  ['RECORD_NOT_JSON', '"text"'],
  ['RECORD_NOT_JSON', '['.repeat(200_000)],
  ['RECORD_WITHOUT_TIME', '{}'],
  ['RECORD_WITHOUT_TIME', '{"t": null}'],
  ['RECORD_WITHOUT_TIME', '{"t": "yesterday"}'],
  ['RECORD_WITHOUT_TIME', '{"t": "2020-13-01T00:00:00Z"}'],
  ['RECORD_WITHOUT_TIME', '{"t": "2020-02-30T00:00:00Z"}'],
  ['RECORD_WITHOUT_TIME', '{"t": true}'],
  ['RECORD_WITHOUT_TIME', '{"t": 1e300}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "price": "cheap"}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "price": "1.5"}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "price": 1e999}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "name": {"first": "x"}}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "isNew": 1}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "id": {"a": 1}}'],
  ['RECORD_WRONG_TYPE', '{"t": 1, "id": [1]}'],
  ['RECORD_TIME_AHEAD', `{"t": ${NOW + 300_001}}`],
  ['fine', `{"t": ${NOW + 300_000}}`],
  ['fine', '{"t": 1, "price": null, "name": null}'],
])('%s: %s', (code, text) => {
  expect(codeOf(text)).toBe(code);
});

test('a record that is too long is refused, in whatever form it comes', () => {
  const long = 'x'.repeat(1_000_001);
  expect(codeOf(JSON.stringify({ t: 1, long }))).toBe('RECORD_TOO_LONG');
  expect(codeOf({ t: 1, long })).toBe('RECORD_TOO_LONG');
});

test('an empty id is none: such events are not repeats of each other', () => {
  expect(decode({ t: 1, id: '' }).id).toBeUndefined();
  expect(decode({ t: 1, id: null }).id).toBeUndefined();
  expect(decode({ t: 1 }).id).toBeUndefined();
});

describe('columns of CSV', () => {
  test('are converted to the types of their fields', () => {
    const { data } = decode({ t: '5', name: '12', price: ' 1.5 ', isNew: 'true', more: '1' });
    expect(data).toEqual({ t: 5, name: '12', price: 1.5, isNew: true, more: '1' });
  });

  test('are refused when they can not be', () => {
    expect(codeOf({ t: '5', price: 'cheap' })).toBe('RECORD_WRONG_TYPE');
    expect(codeOf({ t: '5', isNew: 'perhaps' })).toBe('RECORD_WRONG_TYPE');
  });
});

test('an object that comes in is not changed', () => {
  const value = Object.freeze({ t: '5', price: '1' });
  expect(decode(value).data).toEqual({ t: 5, price: 1 });
});

test('the event time needs no type of its own', () => {
  const of = { ...format, fields: { t: 'number' as const } };
  expect(decode('{"t": "2020-01-01 00:01:00"}', of).timestamp).toBe(1_577_836_860_000);
});

test.each([
  '{"schema": {}, "payload": {"t": 1}}',
  '{"before": null, "after": {"t": 1}, "op": "c"}',
])('what Debezium writes, read as an event, says so: %s', (value) => {
  expect(() => decode(value)).toThrow(
    /but a change as Debezium writes it: read that with --format debezium$/,
  );
});
