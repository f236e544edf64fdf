import { createHash } from 'node:crypto';
import { Command, Option } from 'commander';
import type { Kafka } from 'kafkajs';
import type { AnalyticsStore } from '../../../analytics-store/analytics-store.js';
import type { Claim, ProgressStore, StoredProgress } from '../../../ingest/progress.js';
import { openKafkaReader, type ReadKafkaOptions } from '../../../ingest/read-kafka.js';
import { requireOwn } from '../../../ingest/read-topic.js';
import type { Read } from '../../../ingest/record.js';
import { MIN_TIMESTAMP, type Millis, seconds } from '../../../time.js';
import { type AnalyticsFlags, addAnalyticsOptions, runAnalytics } from '../../analytics-process.js';
import { KAFKA_HELP } from '../../kafka.js';
import { ownerName } from '../../observed.js';
import { duration } from '../../option-values.js';
import { addRecordFormatOptions, changesOf, type RecordFormatFlags } from '../../record-format.js';
import { note, stopSignal } from '../../terminal.js';

interface AnalyticsKafkaFlags extends AnalyticsFlags, RecordFormatFlags {
  readonly group: string;
  readonly from: 'earliest' | 'latest';
  readonly sessionTimeout: Millis;
}

export function analyticsKafkaCommand(): Command {
  const command = new Command('kafka')
    .description('count the events of a Kafka topic, as a member of a consumer group')
    .argument('<topic>', 'the topic, with JSON values')
    .option(
      '--group <id>',
      'the consumer group that shares the partitions: one for each choice of aggregates, and for each database',
      'temporal-cep-analytics',
    )
    .addOption(
      new Option('--from <where>', 'where partitions begin of which nothing is counted')
        .choices(['earliest', 'latest'])
        .default('earliest'),
    )
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: the environment)',
    )
    .option(
      '--session-timeout <duration>',
      'how long a consumer may be silent before its partitions go to others',
      duration,
      seconds(30),
    );
  return addAnalyticsOptions(addRecordFormatOptions(command))
    .addHelpText(
      'after',
      `${KAFKA_HELP}

Reads on from what the database knows, and commits offsets to Kafka for those who look there. Runs until Ctrl-C or SIGTERM, counts what it
has read, and exits with 0; with 1 when the database, or a topic for late events or dead letters, did not take all of it.

A topic that temporal-cep repartition writes is refused: count the topic that it is made from.`,
    )
    .action(run);
}

async function run(topic: string, flags: AnalyticsKafkaFlags): Promise<void> {
  const signal = stopSignal();
  const changes = changesOf(flags);
  await runAnalytics({
    flags,
    signal,
    readsKafka: true,
    open: async ({ store, kafka, log }) => {
      const reader = await openKafkaReader({
        ...{ kafka: kafka as Kafka, topic, groupId: flags.group, from: flags.from, changes },
        ...progressOf(store, flags.from),
        countsAlone: inCommon(store),
        ...{ sessionTimeoutMs: flags.sessionTimeout, owner: ownerName(), log, signal },
      });
      note(`Reads ${reader.source}; Ctrl-C ends it`);
      return {
        source: reader.source,
        // No partition waits for another.
        reads: ownOnly(reader.records({ isAhead: () => false }), topic),
        lags: () => reader.lags(),
        onCounted: (source, next) =>
          void reader.commit(
            [...next].map(([partition, offset]) => ({
              ...{ source, partition, generation: 0, progress: progressAt(offset) },
            })),
          ),
        close: () => reader.close(),
      };
    },
  });
}

/** What the members of a group count, and where: one with other aggregates, or another database, would lack what the rest has read. */
function inCommon({ aggregates, database }: AnalyticsStore): string {
  const names = aggregates.map(({ name }) => name).sort();
  // Whoever may look at groups need not know its address. The user is another matter: several may count into one database.
  const place = database.name.replace(/\/\/[^@/]*@/, '//');
  const hash = createHash('sha256').update(place).digest('hex').slice(0, 8);
  return `${names.join(', ')} in database ${hash}`;
}

/** Records of a repartition are events of another topic, and may be written twice: counted by their offsets they would be too many. */
async function* ownOnly(reads: AsyncIterable<Read>, topic: string): AsyncGenerator<Read> {
  for await (const read of reads) {
    if ('offset' in read) requireOwn(read, topic);
    yield read;
  }
}

/** What the reader of ingestors asks, answered for those who count: nobody is fenced off, and each partition stands for itself. */
function progressOf(
  store: AnalyticsStore,
  from: 'earliest' | 'latest',
): Pick<ReadKafkaOptions, 'progress' | 'keyed'> {
  const claim = async (source: string, partitions: readonly number[]): Promise<Claim[]> => {
    const reached = await store.reached(source);
    return partitions.map((partition) => {
      const known = reached.get(partition);
      // An aggregate that has begun nothing yet wants all that there is; or nothing before what others go on with.
      const isKnown = known && (known.isComplete || from === 'latest');
      return {
        ...{ source, partition, generation: 0 },
        progress: isKnown ? progressAt(known.next) : null,
      };
    });
  };
  return {
    progress: { claim } satisfies Pick<ProgressStore, 'claim'>,
    keyed: {
      keyedOf: async () => true,
      setKeyed: async () => {},
      firstPartitions: (source, _topic, partitions) => store.firstPartitions(source, partitions),
    },
  };
}

/** Where order and watermarks are nobody's concern, an offset is all there is to say. */
function progressAt(offset: number): StoredProgress {
  return {
    ...{ watermark: MIN_TIMESTAMP, orderingWatermark: MIN_TIMESTAMP, quietSince: null },
    ...{ lowWater: offset, nextOffset: offset, readTo: offset, finished: false },
  };
}
