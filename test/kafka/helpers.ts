import type { Kafka } from 'kafkajs';
import type { Logger } from '../../src/log.js';
import { uniqueName } from '../support/kafka.js';
import { readTopic } from '../support/topics.js';

/** A message as it lies in a topic. */
export interface Read {
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed. */
  readonly value: unknown;
}

/** Creates a topic of one partition, with a name that no other test uses. */
export async function newTopic(
  kafka: Kafka,
  name: string,
  config: Readonly<Record<string, string>> = {},
): Promise<string> {
  const topic = uniqueName(name);
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
  await admin.disconnect();
  return topic;
}

/** All that a topic of one partition holds, in order. */
export async function readAll(kafka: Kafka, topic: string): Promise<Read[]> {
  const records = await readTopic(kafka, topic);
  return records.map(({ key, headers, value }) => ({ key, headers, value: JSON.parse(value) }));
}

/** A line of a {@link recordingLogger}. */
export type Line = readonly [
  level: keyof Logger,
  message: string,
  attributes?: Record<string, unknown>,
];

/** Keeps what is logged. */
export function recordingLogger(): { log: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const keep = (level: keyof Logger) => (message: string, attributes?: Record<string, unknown>) => {
    lines.push(attributes === undefined ? [level, message] : [level, message, attributes]);
  };
  const log = {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
  };
  return { log, lines };
}
