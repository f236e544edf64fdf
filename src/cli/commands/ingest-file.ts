import { Command } from 'commander';
import { fileSource, type ReadFileOptions, readFileRecords } from '../../ingest/read-file.js';
import { PRIVACY_HELP } from '../client.js';
import { addIngestOptions, countsAsText, type IngestFlags, runIngest } from '../ingest-process.js';
import { KAFKA_HELP } from '../kafka.js';
import { addFileFormatOptions, type FileFormatFlags, fileInput } from '../record-format.js';
import { SERVER_HELP } from '../server.js';
import { DATABASE_HELP } from '../store.js';
import { exitInterrupted, note, print, stopSignal } from '../terminal.js';

interface IngestFileFlags extends IngestFlags, FileFormatFlags {
  readonly source?: string;
  readonly follow?: boolean;
  readonly leaveOpen?: boolean;
}

export function ingestFileCommand(): Command {
  const command = new Command('file')
    .description('feed sessions from an NDJSON or CSV file, or from standard input')
    .argument('<path>', 'the file, or - for standard input')
    .option(
      '--source <name>',
      "name of the source in alerts' identity (default: file:<name>, or one of its own for a pipe)",
    )
    .option('--follow', 'read on as the file grows, as a live stream')
    .option('--leave-open', 'leave windows open at the end, instead of ending them all');
  addFileFormatOptions(command);
  return addIngestOptions(command)
    .addHelpText(
      'after',
      `${SERVER_HELP}
${DATABASE_HELP}
${KAFKA_HELP}
${PRIVACY_HELP}

At the end of a file, or of a pipe, all open windows end, as at the end of a bounded stream in Flink. With
--follow, and when Ctrl-C ends it early, they stay open until an ingest of the same source goes on where
this one stopped. Exits with 0 at the end and when Ctrl-C ends --follow, with 130 when Ctrl-C ended it
early, with 1 when Temporal did not take all that was read; records that could not be used are counted and
change nothing about that.`,
    )
    .action(run);
}

async function run(path: string, flags: IngestFileFlags): Promise<void> {
  const signal = stopSignal();
  const { follow = false } = flags;
  const input = fileInput(path, flags);
  // A pipe never brings again what an earlier one has brought.
  const source =
    flags.source ?? (path === '-' ? `pipe:${new Date().toISOString()}` : fileSource(path));
  if (path !== '-') await checkInput(input);
  try {
    const counts = await runIngest({
      flags,
      signal,
      open: async () => {
        if (path === '-') note('Reads standard input; Ctrl-C ends it early');
        else if (follow) note(`Follows ${path}; Ctrl-C ends it`);
        return {
          records: readFileRecords({ ...input, source, follow, signal }),
          endWatermark: flags.leaveOpen || follow ? 'none' : Number.MAX_SAFE_INTEGER,
          // A file that is read as fast as it goes makes large batches by itself.
          ...(follow ? {} : { dispatch: { hotGapMs: 0 } }),
        };
      },
    });
    print(flags.json ? JSON.stringify(counts) : countsAsText(source, counts));
    if (counts.undelivered > 0) {
      note(
        `${counts.undelivered} events were read and not delivered: Temporal did not take them. The next ingest of ${source} reads them again`,
      );
      process.exitCode = 1;
    } else if (signal.aborted && !follow) exitInterrupted(signal);
  } finally {
    // A pipe that stays open without a word would keep this process.
    if (path === '-') process.stdin.destroy();
  }
}

/** Opens the input once, so that one that cannot be read is known before a server is asked for. */
async function checkInput(input: ReadFileOptions): Promise<void> {
  const records = readFileRecords(input);
  await records.next();
  await records.return(undefined);
}
