// The records of a repartitioned topic: what is written is read back, and anything else is a dead letter that says why.

import { describe, expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import type { RawRecord } from '../../src/ingest/record.js';
import {
  decodeRepartitioned,
  type EncodedRecord,
  encodeEvent,
  encodeWatermark,
  topicOf,
} from '../../src/ingest/repartition-format.js';

const source = 'group/clicks@Zm9v';
const event: CepEvent = {
  ...{ source, partition: 3, offset: 17, timestamp: 1_000, id: 'e17' },
  data: { t: 1_000, key: 'ann', text: 'ü"\n' },
};
const sent = { event, key: 'ann', journeys: ['shop', 'a,"b'] };
const watermark = {
  ...{ source, partition: 1, partitions: 4 },
  ...{ watermark: -9_007_199_254_740_991, lowWater: 12, isSilent: true },
};
const read = (
  { key, headers, value }: EncodedRecord,
  rest: Partial<RawRecord> = {},
): RawRecord => ({
  ...{ source: 'sessions/by-key@x', partition: 0, offset: 99, recordTime: 5 },
  ...{ key, headers, value, ...rest },
});

test('an event comes back as it was', () => {
  expect(decodeRepartitioned(read(encodeEvent(sent)))).toEqual(sent);
  const { id: _, ...nameless } = event;
  const other = { ...sent, event: nameless };
  expect(decodeRepartitioned(read(encodeEvent(other)))).toEqual(other);
});

test('a watermark comes back as it was', () => {
  expect(decodeRepartitioned(read(encodeWatermark(watermark)))).toEqual(watermark);
});

describe('what is no such record', () => {
  const encoded = encodeEvent(sent);
  const withHeaders = (headers: Record<string, string>) =>
    read(encoded, { headers: { ...encoded.headers, ...headers } });
  const mark = (fields: object) =>
    read({ ...encodeWatermark(watermark), value: JSON.stringify({ ...watermark, ...fields }) });
  const cases: [name: string, record: RawRecord, code: string, message: RegExp][] = [
    ['no header', read(encoded, { headers: {} }), 'RECORD_WRONG_TYPE', /no header cep-format/],
    ['another format', withHeaders({ 'cep-format': '2' }), 'RECORD_WRONG_TYPE', /cep-format is 2/],
    ['no type', withHeaders({ 'cep-type': 'x' }), 'RECORD_WRONG_TYPE', /event or watermark.* x$/],
    ['no key', read(encoded, { key: null }), 'RECORD_WRONG_TYPE', /no key/],
    ['no source', withHeaders({ 'cep-source': '' }), 'RECORD_WRONG_TYPE', /cep-source/],
    [
      'partition',
      withHeaders({ 'cep-partition': '-1' }),
      'RECORD_WRONG_TYPE',
      /cep-partition.* -1$/,
    ],
    ['offset', withHeaders({ 'cep-offset': '1e30' }), 'RECORD_WRONG_TYPE', /cep-offset/],
    ['time', withHeaders({ 'cep-time': '' }), 'RECORD_WRONG_TYPE', /cep-time.* nothing$/],
    ['journeys', withHeaders({ 'cep-journeys': '[]' }), 'RECORD_WRONG_TYPE', /cep-journeys/],
    ['journeys', withHeaders({ 'cep-journeys': 'shop' }), 'RECORD_WRONG_TYPE', /cep-journeys/],
    ['value', read(encoded, { value: '[1]' }), 'RECORD_NOT_JSON', /JSON object/],
    ['value', read(encoded, { value: '{' }), 'RECORD_NOT_JSON', /JSON object/],
    ['tombstone', read(encoded, { value: null }), 'RECORD_NOT_JSON', /JSON object/],
    ['mark: partition', mark({ partition: 4 }), 'RECORD_WRONG_TYPE', /of a watermark/],
    ['mark: watermark', mark({ watermark: 'x' }), 'RECORD_WRONG_TYPE', /of a watermark/],
    ['mark: low water', mark({ lowWater: -1 }), 'RECORD_WRONG_TYPE', /of a watermark/],
    ['mark: silent', mark({ isSilent: null }), 'RECORD_WRONG_TYPE', /of a watermark/],
    ['mark: source', mark({ source: '' }), 'RECORD_WRONG_TYPE', /of a watermark/],
  ];
  test.each(cases)('%s', (_, record, code, message) => {
    expect(() => decodeRepartitioned(record)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

test('incarnations of one topic have one name', () => {
  expect(topicOf('group/clicks@Zm9v')).toBe('group/clicks');
  expect(topicOf('a@b/clicks@Zm9v')).toBe('a@b/clicks');
  expect(topicOf('a@b/clicks')).toBe('a@b/clicks');
  expect(topicOf('group/clicks')).toBe('group/clicks');
});
