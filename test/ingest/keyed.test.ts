// What a sample of records says of its topic: whether each record's key is the key of its sessions, and the
// id that a key may give its event.

import { describe, expect, test } from 'vitest';
import { idOfKey, keyedVerdict } from '../../src/ingest/keyed.js';
import type { RawRecord } from '../../src/ingest/record.js';
import { journey, journeysOf, record } from './helpers.js';

interface Of {
  readonly userSession?: string | number;
  readonly id?: number;
  readonly type?: string;
}

const bySession = journey({ id: 'shop', key: 'userSession' as never });
const byId = journey({ id: 'orders', key: 'id' as never });
const byFunction = journey({ id: 'shop', key: (e) => (e as Of).userSession as string });
const journeys = journeysOf([bySession]);

/** Records of partition 3, with these keys. */
function keyed(
  ...records: (readonly [key: string | null, value: Of | string | null])[]
): RawRecord[] {
  return records.map(([key, value], offset) => ({
    ...record(offset, typeof value === 'string' || value === null ? value : { t: 1, ...value }),
    partition: 3,
    key,
  }));
}

describe('keyed by the journey', () => {
  test.each([
    ['text', 's1', { userSession: 's1' }],
    ['text of a number', '17', { userSession: 17 }],
    ['JSON text', '"s1"', { userSession: 's1' }],
    ['a JSON object of the one field', '{"userSession": "s1"}', { userSession: 's1' }],
    ['a JSON object with a number', '{"userSession":17}', { userSession: 17 }],
    [
      'such an object with its schema',
      '{"schema":{"type":"struct"},"payload":{"userSession":"s1"}}',
      { userSession: 's1' },
    ],
    ['text with its schema', '{"schema":{"type":"string"},"payload":"s1"}', { userSession: 's1' }],
    ['text that looks like a JSON object', '{"id": 7}', { userSession: '{"id": 7}' }],
  ])('%s', (_, key, value) => {
    expect(keyedVerdict(keyed([key, value]), journeys)).toEqual({ isKeyed: true });
  });

  test('by a function: one field, whatever its name', () => {
    const records = keyed(
      ['{"session": "s1"}', { userSession: 's1' }],
      ['s2', { userSession: 's2' }],
    );
    expect(keyedVerdict(records, journeysOf([byFunction]))).toEqual({ isKeyed: true });
  });

  test('two journeys by the same key', () => {
    const both = journeysOf([bySession, { ...byFunction, id: 'other' }]);
    expect(keyedVerdict(keyed(['s1', { userSession: 's1' }]), both)).toEqual({ isKeyed: true });
  });
});

describe('not keyed by the journey', () => {
  test.each([
    ['another text', 's2'],
    ['a part of it', 's'],
    ['none', null],
    ['empty text', ''],
    ['the key of the record, though its value is the same', '{"id": "s1"}'],
    ['several fields', '{"userSession": "s1", "id": 7}'],
    ['no field', '{}'],
    ['JSON null', 'null'],
    ['a JSON array', '["s1"]'],
    ['broken JSON', '{"userSession": "s1"'],
  ])('%s', (_, key) => {
    expect(keyedVerdict(keyed([key, { userSession: 's1' }]), journeys)).toEqual({
      isKeyed: false,
      example: `the record at 3:0 has the key ${key}, and journey "shop" goes by "userSession", there s1`,
    });
  });

  test('the id of upsert-kafka, though it may be the same number', () => {
    const records = keyed(['{"id": 7}', { userSession: 7, id: 7 }]);
    expect(keyedVerdict(records, journeys)).toMatchObject({ isKeyed: false });
  });

  test('the first that is not is the example, and one is enough', () => {
    const records = keyed(
      ['s1', { userSession: 's1' }],
      ['s1', { userSession: 's2' }],
      ['s1', { userSession: 's3' }],
    );
    expect(keyedVerdict(records, journeys)).toEqual({
      isKeyed: false,
      example:
        'the record at 3:1 has the key s1, and journey "shop" goes by "userSession", there s2',
    });
  });

  test('by a function of the event', () => {
    expect(keyedVerdict(keyed([null, { userSession: 's1' }]), journeysOf([byFunction]))).toEqual({
      isKeyed: false,
      example:
        'the record at 3:0 has the key null, and journey "shop" goes by a function of the event, there s1',
    });
  });

  test('two journeys by different keys', () => {
    expect(
      keyedVerdict(keyed(['s1', { userSession: 's1', id: 7 }]), journeysOf([bySession, byId])),
    ).toEqual({
      isKeyed: false,
      example: 'the record at 3:0 has the key s1, and journey "orders" goes by "id", there 7',
    });
  });

  test('a record without a key of its own', () => {
    const { key: _, ...without } = keyed([null, { userSession: 's1' }])[0] as RawRecord;
    expect(keyedVerdict([without], journeys)).toMatchObject({ isKeyed: false });
  });
});

describe('records that say nothing', () => {
  const silent = keyed(
    [null, { type: 'z' }],
    ['x', 'no JSON'],
    ['x', '{"userSession": "s1"}'],
    ['x', null],
    ['x', { userSession: '' }],
  );
  const picky = journeysOf([{ ...bySession, accepts: (e) => e.type !== 'z' }]);

  test('of an event that no journey accepts, without time or key, malformed, or a tombstone', () => {
    expect(keyedVerdict(silent, picky)).toBeNull();
    expect(keyedVerdict([], picky)).toBeNull();
  });

  test('do not keep the others from saying it', () => {
    const said = (key: string) => [...silent, ...keyed([key, { userSession: 's1' }])];
    expect(keyedVerdict(said('s1'), picky)).toEqual({ isKeyed: true });
    expect(keyedVerdict(said('s2'), picky)).toMatchObject({ isKeyed: false });
  });
});

test.each([
  ['{"id": 7}', '7'],
  ['{"id":"a b"}', 'a b'],
  ['{"schema": {"type": "struct"}, "payload": {"id": 7}}', '7'],
  ['{"schema": null, "payload": {"id": 7}}', '7'],
  ['{"schema": {"type": "int64"}, "payload": 7}', undefined],
  // No double holds these two, which are not one.
  ['{"id": 9007199254740993}', '9007199254740993'],
  ['{"id": 9007199254740992}', '9007199254740992'],
  ['{"id": 7, "version": 1}', undefined],
  ['{"userSession": "s1"}', undefined],
  ['{"id": {"x": 1}}', undefined],
  ['{"id": null}', undefined],
  ['{"id": true}', undefined],
  // Events without an id are not repeats of each other.
  ['{"id": ""}', undefined],
  ['{}', undefined],
  ['{"id": 7', undefined],
  ['["id"]', undefined],
  ['7', undefined],
  ['', undefined],
  [null, undefined],
  [undefined, undefined],
])('the id that the key %s gives is %s', (key, id) => {
  expect(idOfKey(key)).toBe(id);
});

test.each([
  ['{"id": 7, "version": 1}', '[["id",7],["version",1]]'],
  ['{"version": 1, "id": 7}', '[["id",7],["version",1]]'],
  ['{"schema": {}, "payload": {"a": "x", "b": true}}', '[["a","x"],["b",true]]'],
  ['{"id": 7}', '7'],
  ['{"userSession": "s1"}', undefined],
  ['{"a": 1, "b": null}', undefined],
  ['{"a": 1, "b": [2]}', undefined],
])('the id that the primary key %s of a row gives is %s', (key, id) => {
  expect(idOfKey(key, true)).toBe(id);
});
