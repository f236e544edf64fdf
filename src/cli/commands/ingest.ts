import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../../errors.js';
import { type IngestCounts, ingest } from '../../ingest/ingest.js';
import { MemoryProgressStore } from '../../ingest/progress.js';
import { serveProgress } from '../../ingest/progress-worker.js';
import { type FileFormat, fileSource, readFileRecords } from '../../ingest/read-file.js';
import { fileRejects } from '../../ingest/rejects.js';
import { temporalGateway } from '../../ingest/temporal-gateway.js';
import { loadJourneys } from '../../journeys-module.js';
import { createLogger } from '../../log.js';
import {
  connectionOptionsFromEnv,
  connectToServer,
  ensureSearchAttributes,
} from '../../servers/connection.js';
import { formatTimestamp, type Millis, parseDuration, seconds } from '../../time.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { print, progress, stopSignal } from '../terminal.js';

interface IngestFileFlags {
  journeys: string;
  taskQueue: string;
  format?: FileFormat;
  source?: string;
  follow?: boolean;
  leaveOpen?: boolean;
  outOfOrderness: Millis;
  late?: string;
  deadLetters?: string;
  json?: boolean;
}

export function ingestCommand(): Command {
  const file = new Command('file')
    .description('feed sessions from an NDJSON or CSV file, or from standard input')
    .argument('<path>', 'the file, or - for standard input')
    .requiredOption('--journeys <file>', 'the journeys module that the workers run')
    .addOption(
      new Option('--format <format>', "default: by the file's extension").choices([
        'ndjson',
        'csv',
      ]),
    )
    .option('--source <name>', "name of the source in alerts' identity (default: file:<name>)")
    .option('--follow', 'read on as the file grows, as a live stream')
    .option('--leave-open', 'leave windows open at the end, instead of ending them all')
    .option('--out-of-orderness <duration>', 'how late an event may be', duration, seconds(2))
    .option('--late <file>', 'append late events here (default: the log)')
    .option('--dead-letters <file>', 'append records that cannot be used here (default: the log)')
    .option('--task-queue <name>', 'task queue of the workers', TASK_QUEUE)
    .option('--json', 'print the counts as JSON')
    .addHelpText('after', '\nThe server is the one of TEMPORAL_ADDRESS (default localhost:7233).')
    .action(run);
  return new Command('ingest')
    .description('feed sessions from a stream of events')
    .addCommand(file);
}

function duration(text: string): Millis {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

async function run(path: string, flags: IngestFileFlags): Promise<void> {
  const signal = stopSignal();
  const { journeys } = await loadJourneys(flags.journeys);
  const settings = connectionOptionsFromEnv();
  const { namespace, connectionOptions } = settings;
  const probe = await connectToServer(settings);
  try {
    await ensureSearchAttributes(probe, namespace);
  } finally {
    await probe.close();
  }
  const connection = await NativeConnection.connect(connectionOptions);
  const { taskQueue, follow = false, outOfOrderness, format } = flags;
  const source = flags.source ?? fileSource(path);
  const store = new MemoryProgressStore();
  const stopServing = await serveProgress({ connection, namespace, taskQueue, source, store });
  try {
    const counts = await ingest({
      journeys,
      records: readFileRecords({ path, source, follow, signal, ...(format ? { format } : {}) }),
      gateway: temporalGateway({
        journeys,
        client: new Client({ connection, namespace }),
        taskQueue,
        settings: { outOfOrdernessMs: outOfOrderness, publicationIntervalMs: seconds(1) },
      }),
      store,
      outOfOrdernessMs: outOfOrderness,
      endWatermark: flags.leaveOpen || follow ? 'none' : Number.MAX_SAFE_INTEGER,
      // A file that is read as fast as it goes makes large batches by itself.
      ...(follow ? {} : { dispatch: { hotGapMs: 0 } }),
      ...(flags.late ? { late: fileRejects(flags.late) } : {}),
      ...(flags.deadLetters ? { deadLetters: fileRejects(flags.deadLetters) } : {}),
      log: createLogger('info'),
      signal,
      onProgress: (now) => progress(`${now.read} read, ${now.batches} batches signalled`),
    });
    print(flags.json ? JSON.stringify(counts) : asText(source, counts));
    if (signal.aborted && !follow) process.exitCode = 130;
  } finally {
    await stopServing();
    await connection.close();
  }
}

function asText(source: string, counts: IngestCounts): string {
  const { read, events, late, dead, unrouted, skipped, batches, parked, watermark } = counts;
  const deadLetters = Object.entries(dead).map(([code, count]) => `${count} ${code}`);
  return [
    `${source}: ${read} records, ${events} events in time, ${late} late, ${deadLetters.join(', ') || '0'} dead letters`,
    `${batches} signals; ${skipped} deliveries skipped (nothing to begin, no session), ${unrouted} events for no journey, ${parked} sessions parked`,
    `Event time reached ${formatTimestamp(watermark)}`,
  ].join('\n');
}
