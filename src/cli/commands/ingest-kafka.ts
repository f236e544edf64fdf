import { Command, Option } from 'commander';
import type { Kafka } from 'kafkajs';
import { topicSource } from '../../ingest/kafka-record.js';
import { openKafkaReader } from '../../ingest/read-kafka.js';
import { type Millis, seconds } from '../../time.js';
import { PRIVACY_HELP } from '../client.js';
import { addIngestOptions, countsAsText, type IngestFlags, runIngest } from '../ingest-process.js';
import { KAFKA_HELP } from '../kafka.js';
import { duration } from '../option-values.js';
import { addRecordFormatOptions, changesOf, type RecordFormatFlags } from '../record-format.js';
import { SERVER_HELP } from '../server.js';
import { DATABASE_HELP } from '../store.js';
import { note, print, stopSignal } from '../terminal.js';

interface IngestKafkaFlags extends IngestFlags, RecordFormatFlags {
  readonly group: string;
  readonly from: 'earliest' | 'latest';
  readonly keyed?: boolean;
  readonly grace: Millis;
  readonly sessionTimeout: Millis;
}

export function ingestKafkaCommand(): Command {
  const command = new Command('kafka')
    .description('feed sessions from a Kafka topic, as a member of a consumer group')
    .argument('<topic>', 'the topic, with JSON values')
    .option('--group <id>', 'the consumer group; its progress is its own', 'temporal-cep')
    .addOption(
      new Option('--from <where>', 'where a group begins that has read nothing')
        .choices(['earliest', 'latest'])
        .default('earliest'),
    )
    .option('--keyed', 'all events of a session lie in one partition (default: found out)')
    .option('--no-keyed', 'they do not: one ingestor reads all partitions in one order')
    .option(
      '--grace <duration>',
      'how long a quiet live stream is not believed',
      duration,
      seconds(10),
    )
    .option(
      '--session-timeout <duration>',
      'how long an ingestor may be silent before its partitions go to others',
      duration,
      seconds(30),
    );
  return addIngestOptions(addRecordFormatOptions(command))
    .addHelpText(
      'after',
      `${SERVER_HELP}
${DATABASE_HELP}
${KAFKA_HELP}
${PRIVACY_HELP}

A record's value is a JSON object; its key may be {"id": ...}, as upsert-kafka connectors write it, and then
names the event: records of one id are one event. A record without a value is a tombstone, and passed over. With
--format debezium it is a change of a row, whose new state is the event; docs/change-data-capture.md says the rest.
Runs until Ctrl-C or SIGTERM, delivers what it has read, and exits with 0; with 1 when Temporal did not take
all of it: the next ingest of the group reads it again.`,
    )
    .action(run);
}

async function run(topic: string, flags: IngestKafkaFlags): Promise<void> {
  const signal = stopSignal();
  const changes = changesOf(flags);
  let source = topic;
  const counts = await runIngest({
    flags,
    signal,
    topicSource: topicSource(flags.group, topic, null),
    graceMs: flags.grace,
    open: async ({ journeys, store, kafka, owner, log }) => {
      const reader = await openKafkaReader({
        kafka: kafka as Kafka,
        topic,
        groupId: flags.group,
        journeys,
        changes,
        progress: store.progress,
        keyed: store.sources,
        ...(flags.keyed === undefined ? {} : { isKeyed: flags.keyed }),
        from: flags.from,
        sessionTimeoutMs: flags.sessionTimeout,
        owner,
        log,
        signal,
      });
      source = reader.source;
      note(`Reads ${source}; Ctrl-C ends it`);
      return {
        records: (flow) => reader.records(flow),
        endWatermark: 'none',
        onPublished: (publications) => reader.commit(publications),
        onFenced: (lost) => reader.fenced(lost),
        lags: () => reader.lags(),
        partitions: () => reader.partitions(),
        close: () => reader.close(),
      };
    },
  });
  print(flags.json ? JSON.stringify(counts) : countsAsText(source, counts));
  if (counts.undelivered > 0) {
    note(`${counts.undelivered} events were read and not delivered; they are read again next time`);
    process.exitCode = 1;
  }
}
