import { resolve } from 'node:path';
import { Command } from 'commander';
import { CepError } from '../../../errors.js';
import { readFileRecords } from '../../../ingest/read-file.js';
import { type AnalyticsFlags, addAnalyticsOptions, runAnalytics } from '../../analytics-process.js';
import { KAFKA_HELP } from '../../kafka.js';
import { addFileFormatOptions, type FileFormatFlags, fileInput } from '../../record-format.js';
import { exitInterrupted, note, stopSignal } from '../../terminal.js';

/** As wide as the column. */
const SOURCE_LENGTH_MAX = 255;

interface AnalyticsFileFlags extends AnalyticsFlags, FileFormatFlags {
  readonly source?: string;
  readonly follow?: boolean;
}

export function analyticsFileCommand(): Command {
  const command = new Command('file')
    .description('count the events of an NDJSON or CSV file, or of standard input')
    .argument('<path>', 'the file, or - for standard input')
    .option(
      '--source <name>',
      'what is counted once: lines of one name and number (default: the path of the file, or a name of its own for a pipe)',
    )
    .option('--follow', 'read on as the file grows')
    .option(
      '--brokers <list>',
      'Kafka brokers, for late events and dead letters (default: the environment)',
    );
  return addAnalyticsOptions(addFileFormatOptions(command))
    .addHelpText(
      'after',
      `${KAFKA_HELP}

Exits with 0 at the end, and when Ctrl-C ends --follow; with 130 when Ctrl-C ended it early, with 1 when the database did not take all.`,
    )
    .action(run);
}

async function run(path: string, flags: AnalyticsFileFlags): Promise<void> {
  const signal = stopSignal();
  const { follow = false } = flags;
  const input = fileInput(path, flags);
  // A pipe never brings again what an earlier one has brought.
  const source =
    flags.source ?? (path === '-' ? `pipe:${new Date().toISOString()}` : `file:${resolve(path)}`);
  if (source.length > SOURCE_LENGTH_MAX) {
    throw new CepError(
      'SETTING_INVALID',
      `${path} has too long a path for the name of a source: give it one of ${SOURCE_LENGTH_MAX} characters at most with --source`,
    );
  }
  try {
    const { uncounted } = await runAnalytics({
      flags,
      signal,
      open: async () => {
        if (path === '-') note('Reads standard input; Ctrl-C ends it early');
        else if (follow) note(`Follows ${path}; Ctrl-C ends it`);
        const reads = readFileRecords({ ...input, source, follow, signal });
        return { source, reads };
      },
    });
    if (uncounted === 0 && signal.aborted && !follow) exitInterrupted(signal);
  } finally {
    // A pipe that stays open without a word would keep this process.
    if (path === '-') process.stdin.destroy();
  }
}
