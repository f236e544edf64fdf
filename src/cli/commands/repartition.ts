import { Command, Option } from 'commander';
import { Registry } from 'prom-client';
import { counted } from '../../counted.js';
import type { IngestCounts } from '../../ingest/ingest.js';
import { openKafkaReader } from '../../ingest/read-kafka.js';
import { repartition } from '../../ingest/repartition.js';
import { loadJourneys } from '../../journeys-module.js';
import { createLogger } from '../../log.js';
import { ingestMetrics } from '../../metrics.js';
import { type Millis, seconds } from '../../time.js';
import { readText } from '../ingest-process.js';
import { connectKafka, KAFKA_HELP } from '../kafka.js';
import { ownerName, showMetrics } from '../observed.js';
import { duration, portNumber } from '../option-values.js';
import { addRecordFormatOptions, changesOf, type RecordFormatFlags } from '../record-format.js';
import { addRejectOptions, openRejects, type RejectFlags, rejectFiles } from '../rejects.js';
import { DATABASE_HELP, openPlace, sharedStore } from '../store.js';
import { note, print, progress, stopSignal } from '../terminal.js';

interface RepartitionFlags extends RecordFormatFlags, RejectFlags {
  readonly to: string;
  readonly journeys: string;
  readonly group: string;
  readonly from: 'earliest' | 'latest';
  readonly grace: Millis;
  readonly sessionTimeout: Millis;
  readonly outOfOrderness: Millis;
  readonly database?: string;
  readonly brokers?: string;
  readonly metricsPort?: number;
  readonly json?: boolean;
}

export function repartitionCommand(): Command {
  const command = new Command('repartition')
    .description("write a Kafka topic into another one, keyed by the journeys' keys")
    .argument('<topic>', 'the topic, with JSON values')
    .requiredOption('--to <topic>', 'the topic that ingest reads; nobody else may write to it')
    .requiredOption('--journeys <file>', 'the journeys module that ingest and workers run')
    .option(
      '--group <id>',
      'the consumer group; its progress is its own',
      'temporal-cep-repartition',
    )
    .addOption(
      new Option('--from <where>', 'where a group begins that has read nothing')
        .choices(['earliest', 'latest'])
        .default('earliest'),
    )
    .option('--database <address>', 'the database shared with ingest (default: the environment)')
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: the environment)',
    )
    .option('--out-of-orderness <duration>', 'how late an event may be', duration, seconds(2))
    .option(
      '--grace <duration>',
      'how long a quiet live stream is not believed',
      duration,
      seconds(10),
    )
    .option(
      '--session-timeout <duration>',
      'how long a process may be silent before its partitions go to others',
      duration,
      seconds(30),
    )
    .option('--metrics-port <port>', 'serve Prometheus metrics at /metrics', portNumber)
    .option('--json', 'print the counts as JSON');
  return addRejectOptions(addRecordFormatOptions(command))
    .addHelpText(
      'after',
      `${DATABASE_HELP}
${KAFKA_HELP}

For a topic whose record key is not the journeys' key: as many of these may run as the topic has partitions, and as many
ingestors as the other topic has (temporal-cep ingest kafka <the other topic>). What is late, and what is no event, is
decided here. Runs until Ctrl-C or SIGTERM.`,
    )
    .action(run);
}

async function run(topic: string, flags: RepartitionFlags): Promise<void> {
  const signal = stopSignal();
  const changes = changesOf(flags);
  const log = createLogger('info');
  const cleanUp: (() => Promise<unknown> | undefined)[] = [];
  const { journeys } = await loadJourneys(flags.journeys);
  const place = sharedStore(flags.database);
  try {
    const files = rejectFiles(flags);
    const kafka = await connectKafka(flags.brokers, log);
    const store = await openPlace(place);
    cleanUp.push(() => store.close());
    const {
      late: lateSink,
      deadLetters,
      close: closeRejects,
    } = openRejects(flags, files, kafka, log);
    cleanUp.push(closeRejects);
    const owner = ownerName();
    const reader = await openKafkaReader({
      ...{ kafka, topic, changes, groupId: flags.group, journeys, from: flags.from },
      ...{ progress: store.progress, keyed: store.sources, repartitions: true },
      ...{ sessionTimeoutMs: flags.sessionTimeout, owner, log, signal },
    });
    cleanUp.push(() => reader.close());
    note(`Reads ${reader.source}, writes ${flags.to}; Ctrl-C ends it`);
    let counts: IngestCounts | null = null;
    const registry = new Registry();
    ingestMetrics(registry, {
      counts: () => counts,
      lags: () => reader.lags(),
      partitions: () => reader.partitions(),
    });
    cleanUp.push(await showMetrics(registry, flags.metricsPort));
    const result = await repartition({
      ...{ kafka, reader, to: flags.to, journeys, owner, log, signal },
      store: store.progress,
      overview: () => store.progress.overview(),
      outOfOrdernessMs: flags.outOfOrderness,
      graceMs: flags.grace,
      publishMs: seconds(1),
      ...(lateSink ? { late: lateSink } : {}),
      ...(deadLetters ? { deadLetters } : {}),
      onProgress: (now) => {
        counts = now;
        progress(`${now.read} read, ${now.batches} written`);
      },
    });
    print(flags.json ? JSON.stringify(result) : asText(reader.source, result));
    if (result.undelivered > 0) {
      note(`${result.undelivered} events were read and not written; they are read again next time`);
      process.exitCode = 1;
    }
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

function asText(source: string, counts: IngestCounts): string {
  const { unrouted, batches } = counts;
  return [
    readText(source, counts),
    `${counted(batches, 'record')} written; ${counted(unrouted, 'event')} for no journey`,
  ].join('\n');
}
