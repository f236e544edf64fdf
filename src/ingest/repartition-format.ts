// The records of a repartitioned topic: events with the coordinates that they had in their source, and between
// them, in every partition, how far each partition of the source is.
//
// An event: key = the journeys' key, value = its data as JSON; headers `cep-format`, `cep-type` = `event`,
// `cep-source`, `cep-partition`, `cep-offset`, `cep-time` (event time, ms), `cep-journeys` (a JSON array of the
// ids it is for), and `cep-id` where the event has one.
// A watermark: headers `cep-format` and `cep-type` = `watermark`, value = a {@link SourceWatermark} as JSON.

import { DecodeError } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import type { Timestamp } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import type { RawRecord } from './record.js';

/** A record that has it was written by `repartition`. */
export const FORMAT_HEADER = 'cep-format';
const FORMAT = '1';

/** How far a partition of the source is, as its progress in SQL says. */
export interface SourceWatermark extends SourcePartition {
  /** How many partitions the source has. */
  readonly partitions: number;
  /**
   * Every event with time <= watermark that is in this partition at all stands before this record, was late, or a
   * dead letter.
   */
  readonly watermark: Timestamp;
  /** The same of every offset below it. */
  readonly lowWater: number;
  /** Of a historic partition at its end: nothing has come for longer than the grace. */
  readonly isSilent: boolean;
}

/** An event and the sessions it is for. */
export interface RepartitionedEvent {
  readonly event: CepEvent;
  readonly key: string;
  readonly journeys: readonly string[];
}

/** What goes into a record beside its partition. */
export interface EncodedRecord {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

export function encodeEvent({ event, key, journeys }: RepartitionedEvent): EncodedRecord {
  const { source, partition, offset, timestamp, id, data } = event;
  return {
    key,
    headers: {
      [FORMAT_HEADER]: FORMAT,
      'cep-type': 'event',
      'cep-source': source,
      'cep-partition': `${partition}`,
      'cep-offset': `${offset}`,
      'cep-time': `${timestamp}`,
      'cep-journeys': JSON.stringify(journeys),
      ...(id === undefined ? {} : { 'cep-id': id }),
    },
    value: JSON.stringify(data),
  };
}

export function encodeWatermark(watermark: SourceWatermark): EncodedRecord {
  const { source, partition, partitions, lowWater, isSilent } = watermark;
  return {
    key: `${source}/${partition}`,
    headers: { [FORMAT_HEADER]: FORMAT, 'cep-type': 'watermark' },
    value: JSON.stringify({
      ...{ source, partition, partitions },
      ...{ watermark: watermark.watermark, lowWater, isSilent },
    }),
  };
}

/**
 * Reads a record of a repartitioned topic.
 *
 * @throws DecodeError `RECORD_WRONG_TYPE` where it is none, `RECORD_NOT_JSON`
 */
export function decodeRepartitioned(record: RawRecord): RepartitionedEvent | SourceWatermark {
  const { headers = {} } = record;
  const format = headers[FORMAT_HEADER];
  if (format === undefined) {
    throw wrong(
      `the topic is written by repartition, but the record has no header ${FORMAT_HEADER}: let nobody else write to it`,
    );
  }
  if (format !== FORMAT) {
    throw wrong(
      `the header ${FORMAT_HEADER} is ${format}, this version knows ${FORMAT}: run ingestors of the version that repartition has`,
    );
  }
  const type = headers['cep-type'];
  if (type === 'watermark') return watermarkOf(parsed(record));
  if (type === 'event') return eventOf(record, headers);
  throw wrong(`the header cep-type should be event or watermark, found ${type ?? 'nothing'}`);
}

/** The same source under each of its topic ids: `<group>/<topic>`. */
export function topicOf(source: string): string {
  const at = source.lastIndexOf('@');
  // A group's name may hold one too; a topic's can't.
  return at < source.lastIndexOf('/') ? source : source.slice(0, at);
}

function eventOf(record: RawRecord, headers: Readonly<Record<string, string>>): RepartitionedEvent {
  const { key } = record;
  if (key === null || key === undefined || key === '') {
    throw wrong('the record has no key: it should be the key of its journeys');
  }
  const source = headers['cep-source'];
  if (!source) throw wrong('the header cep-source should name where the event is from');
  const id = headers['cep-id'];
  return {
    key,
    journeys: journeysOf(headers['cep-journeys']),
    event: {
      source,
      partition: whole(headers, 'cep-partition'),
      offset: whole(headers, 'cep-offset'),
      timestamp: whole(headers, 'cep-time'),
      ...(id === undefined ? {} : { id }),
      data: parsed(record),
    },
  };
}

function whole(headers: Readonly<Record<string, string>>, name: string): number {
  const text = headers[name] ?? '';
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw wrong(`the header ${name} should be a whole number, found ${text || 'nothing'}`);
}

function journeysOf(text = ''): string[] {
  try {
    const ids: unknown = JSON.parse(text);
    if (Array.isArray(ids) && ids.length > 0 && ids.every((id) => typeof id === 'string')) {
      return ids;
    }
  } catch {
    // Said below.
  }
  throw wrong(
    `the header cep-journeys should be a JSON array of journeys' ids, found ${text || 'nothing'}`,
  );
}

function parsed({ value }: RawRecord): EventData {
  try {
    const data: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as EventData;
  } catch {
    // Said below.
  }
  throw new DecodeError('RECORD_NOT_JSON', 'the value should be a JSON object');
}

function watermarkOf(data: EventData): SourceWatermark {
  const { source, partition, partitions, watermark, lowWater, isSilent } = data;
  const isWhole = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const isSound =
    typeof source === 'string' &&
    source !== '' &&
    isWhole(partition) &&
    isWhole(partitions) &&
    (partition as number) < (partitions as number) &&
    Number.isSafeInteger(watermark) &&
    isWhole(lowWater) &&
    typeof isSilent === 'boolean';
  if (isSound) {
    return { source, partition, partitions, watermark, lowWater, isSilent } as SourceWatermark;
  }
  throw wrong(
    'the value of a watermark should hold source, partition, partitions, watermark, lowWater and isSilent',
  );
}

function wrong(message: string): DecodeError {
  return new DecodeError('RECORD_WRONG_TYPE', message);
}
