// A Kafka message as a record.

import type { KafkaMessage } from 'kafkajs';
import { type ChangeOptions, readChange } from './debezium.js';
import { idOfKey } from './keyed.js';
import type { RawRecord } from './record.js';
import { FORMAT_HEADER } from './repartition-format.js';

/** Where a message was read. */
export interface ReadFrom {
  readonly source: string;
  readonly partition: number;
  /** In ms since the epoch. */
  readonly readAt: number;
  /** Where values are what Debezium writes. */
  readonly changes?: ChangeOptions | undefined;
}

export function recordOf(
  { source, partition, readAt, changes }: ReadFrom,
  message: KafkaMessage,
): RawRecord {
  const { key, value, timestamp, offset, headers = {} } = message;
  const record: RawRecord = {
    source,
    partition,
    offset: Number(offset),
    // A producer's clock may be ahead, and then its record's time proves nothing.
    recordTime: Math.min(Number(timestamp), readAt),
    key: key === null ? null : key.toString(),
    value: value === null ? null : value.toString(),
    ...(isRepartitioned(message) ? { headers: textOf(headers) } : {}),
  };
  return readChange(record, changes);
}

/** Whether `repartition` has written it. */
export function isRepartitioned({ headers }: KafkaMessage): boolean {
  return headers?.[FORMAT_HEADER] !== undefined;
}

/** The record with the id that its key gives it. Where all events of a session have one record key, the key names no event. */
export function withId(record: RawRecord, isKeyed: boolean): RawRecord {
  if (isKeyed || record.headers) return record;
  const id = idOfKey(record.key, record.envelope !== undefined);
  return id === undefined ? record : { ...record, id };
}

function textOf(headers: NonNullable<KafkaMessage['headers']>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]));
}

/**
 * The name of a topic's events. The topic's id tells it from another of the same name that was there before.
 *
 * @param groupId - for one group; null for all
 */
export function topicSource(groupId: string | null, topic: string, id: string | null): string {
  const name = groupId === null ? topic : `${groupId}/${topic}`;
  return id === null ? name : `${name}@${id}`;
}
