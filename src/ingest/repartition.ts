// From a topic that is not keyed to one that is: source partition by source partition, each in an order of its own, by as
// many processes as like. Late events and dead letters are decided here.
//
//   Q1. What Kafka has acknowledged counts as a session's acceptance does elsewhere. So progress and its promises are those
//       of any ingest (progress.ts), and they are what the watermarks among the records say.
//   Q2. A partition with nothing to say of its own moves with the clock once any other is live, whoever reads that.

import type { Admin, Kafka } from 'kafkajs';
import { CepError, messageOf } from '../errors.js';
import { requireTopic } from '../kafka/admin.js';
import { topicWriter } from '../kafka/topic-writer.js';
import type { Logger } from '../log.js';
import { MIN_TIMESTAMP, type Millis, seconds } from '../time.js';
import type { SourcePartition } from '../workflows/messages.js';
import { Alignment, type Standing } from './alignment.js';
import { type IngestCounts, type IngestOptions, Ingestor } from './ingest.js';
import { KeyedTopic } from './keyed-topic.js';
import type { KafkaReader } from './read-kafka.js';
import { SourceWatermarks } from './source-watermarks.js';

const LOOK_MS: Millis = seconds(1);

/** What is kept of the partitions of all sources. */
export interface SourceProgress extends SourcePartition {
  readonly watermark: number;
  /** The offset after the last record that was read. */
  readonly readTo: number;
  readonly isLive: boolean;
}

export interface RepartitionOptions
  extends Omit<
    IngestOptions,
    'gateway' | 'records' | 'parked' | 'endWatermark' | 'dispatch' | 'onPublished' | 'onFenced'
  > {
  readonly kafka: Kafka;
  /** Reads the source; opened with `repartitions`. */
  readonly reader: KafkaReader;
  /** The topic that is written. It must be there, and not be compacted. */
  readonly to: string;
  readonly overview: () => Promise<readonly SourceProgress[]>;
  readonly log: Logger;
}

/**
 * Writes the events of a topic into another, keyed by the keys of their journeys, until `signal` is aborted.
 *
 * @returns what became of the records; `batches` are the records written
 * @throws CepError `INPUT_MISSING` when the topic to write is not there, `SETTING_INVALID` when it is compacted
 */
export async function repartition(options: RepartitionOptions): Promise<IngestCounts> {
  const { kafka, reader, to, log } = options;
  const admin = kafka.admin();
  await admin.connect();
  // Watermarks have a writer of their own: one that waits for an event would hold them up.
  const events = topicWriter({ kafka, topic: to });
  const marks = topicWriter({ kafka, topic: to });
  try {
    const outputs = await requireTopic(admin, to);
    await requireDeleted(admin, to, log);
    const watermarks = new SourceWatermarks({
      writer: marks,
      sourcePartitions: () => reader.countPartitions(),
      outputPartitions: () => requireTopic(admin, to),
      outputs,
      log,
    });
    const alignment = new Alignment();
    const standings = new Standings(options);
    const looking = setInterval(() => {
      standings.look().then((all) => alignment.look(all));
    }, LOOK_MS);
    try {
      return await new Ingestor(
        {
          ...options,
          gateway: NO_SESSIONS,
          endWatermark: 'none',
          records: (flow) => reader.records(flow),
          onPublished: (publications) => reader.commit(publications),
          onFenced: (lost) => reader.fenced(lost),
          isLiveElsewhere: (source) => standings.isLive(source),
        },
        (deps) => new KeyedTopic({ writer: events, watermarks, alignment, deps }),
      ).run();
    } finally {
      clearInterval(looking);
      await watermarks.settled();
    }
  } finally {
    await Promise.allSettled([events.close(), marks.close(), admin.disconnect()]);
  }
}

/** How far all partitions of the source are, as of a second ago. */
class Standings {
  readonly #options: RepartitionOptions;
  #rows: readonly SourceProgress[] = [];

  constructor(options: RepartitionOptions) {
    this.#options = options;
  }

  async look(): Promise<Standing[]> {
    const { overview, reader, log } = this.#options;
    try {
      this.#rows = (await overview()).filter(({ source }) => source === reader.source);
    } catch (error) {
      log.debug('how far others are is not known', { error: messageOf(error) });
    }
    return [...reader.ends()].map(([partition, end]) => {
      const row = this.#rows.find((each) => each.partition === partition);
      const { watermark = MIN_TIMESTAMP, readTo = 0 } = row ?? {};
      // Not by the low-water mark: the last events of a partition wait for its watermark, and are not settled.
      return { partition, watermark, lag: Math.max(0, end - readTo) };
    });
  }

  /** Q2. */
  isLive(source: string): boolean {
    return this.#rows.some((row) => row.source === source && row.isLive);
  }
}

/** Compaction would keep one event of each key. */
async function requireDeleted(admin: Admin, topic: string, log: Logger): Promise<void> {
  let policy = '';
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ['cleanup.policy'] }],
    });
    policy = resources[0]?.configEntries[0]?.configValue ?? '';
  } catch (error) {
    // Who may write to a topic need not have the right to see its settings.
    log.debug('whether the topic is compacted is not known', { topic, error: messageOf(error) });
  }
  if (!policy.includes('compact')) return;
  throw new CepError(
    'SETTING_INVALID',
    `the topic ${topic} is compacted, which would keep one event of each key: set its cleanup.policy to delete, or name another --to`,
    { details: { topic, policy } },
  );
}

/** Kafka's number of a topic among the things that have settings. */
const TOPIC_RESOURCE = 2;

const NO_SESSIONS: IngestOptions['gateway'] = {
  signalWithStart: () => Promise.reject(new Error('a repartition has no sessions')),
  signal: () => Promise.reject(new Error('a repartition has no sessions')),
  isBusy: () => Promise.resolve(false),
};
