import { Command, Option } from 'commander';
import type { Kafka } from 'kafkajs';
import type { AnalyticsStore } from '../../../analytics-store/analytics-store.js';
import type { Claim, ProgressStore, StoredProgress } from '../../../ingest/progress.js';
import { openKafkaReader, type ReadKafkaOptions } from '../../../ingest/read-kafka.js';
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
      'the consumer group that shares the partitions; what is counted does not depend on it',
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
has read, and exits with 0; with 1 when the database did not take all of it.`,
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
        countsAlone: true,
        ...{ sessionTimeoutMs: flags.sessionTimeout, owner: ownerName(), log, signal },
      });
      note(`Reads ${reader.source}; Ctrl-C ends it`);
      return {
        source: reader.source,
        // No partition waits for another.
        reads: reader.records({ isAhead: () => false }),
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
