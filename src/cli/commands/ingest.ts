import { closeSync, openSync } from 'node:fs';
import { Client } from '@temporalio/client';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CepError, messageOf } from '../../errors.js';
import { type IngestCounts, ingest } from '../../ingest/ingest.js';
import { MemoryProgressStore } from '../../ingest/progress.js';
import { serveProgress } from '../../ingest/progress-worker.js';
import { type FileFormat, fileSource, readFileRecords } from '../../ingest/read-file.js';
import { fileRejects, type RejectSink } from '../../ingest/rejects.js';
import { temporalGateway } from '../../ingest/temporal-gateway.js';
import { loadJourneys } from '../../journeys-module.js';
import { createLogger } from '../../log.js';
import { formatTimestamp, type Millis, parseDuration, seconds } from '../../time.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { connectNative, SERVER_HELP } from '../server.js';
import { exitInterrupted, note, print, progress, stopSignal } from '../terminal.js';

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
    .addHelpText(
      'after',
      `${SERVER_HELP}

At the end of a file, or of a pipe, all open windows end, as at the end of a bounded stream in Flink. With
--follow, and when Ctrl-C ends it early, they stay open until an ingest of the same source goes on. Exits
with 0 at the end and when Ctrl-C ends --follow, with 130 when Ctrl-C ended it early; records that could
not be used are counted and change nothing about that.`,
    )
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
  const { taskQueue, follow = false, outOfOrderness, format } = flags;
  const source = flags.source ?? fileSource(path);
  // What is wrong here is known at once; a server that does not answer takes its time.
  const { journeys } = await loadJourneys(flags.journeys);
  if (path !== '-') await checkInput(path, flags);
  const late = flags.late === undefined ? undefined : openRejects(flags.late);
  const deadLetters = flags.deadLetters === undefined ? undefined : openRejects(flags.deadLetters);

  const { connection, namespace } = await connectNative();
  const store = new MemoryProgressStore();
  const stopServing = await serveProgress({ connection, namespace, taskQueue, source, store });
  try {
    if (path === '-') note('Reads standard input; Ctrl-C ends it early');
    else if (follow) note(`Follows ${path}; Ctrl-C ends it`);
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
      ...(late ? { late } : {}),
      ...(deadLetters ? { deadLetters } : {}),
      log: createLogger('info'),
      signal,
      onProgress: (now) => progress(`${now.read} read, ${now.batches} batches signalled`),
    });
    print(flags.json ? JSON.stringify(counts) : asText(source, counts));
    if (signal.aborted && !follow) exitInterrupted(signal);
  } finally {
    await stopServing();
    await connection.close();
    // A pipe that stays open without a word would keep this process.
    if (path === '-') process.stdin.destroy();
  }
}

/** Opens the input once, so that one that cannot be read is known before a server is asked for. */
async function checkInput(path: string, { format }: IngestFileFlags): Promise<void> {
  const records = readFileRecords({ path, ...(format ? { format } : {}) });
  await records.next();
  await records.return(undefined);
}

function openRejects(path: string): RejectSink {
  try {
    closeSync(openSync(path, 'a'));
  } catch (cause) {
    throw new CepError(
      'SETTING_INVALID',
      `cannot write to ${path} (${messageOf(cause)}): name a file that this process may append to`,
      { details: { path }, cause },
    );
  }
  return fileRejects(path);
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
