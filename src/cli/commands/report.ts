import { Command, InvalidArgumentError } from 'commander';
import { CepError } from '../../errors.js';
import { GOALS_KEPT_MS } from '../../store/effect-ledger.js';
import { effectReport } from '../../store/effect-report.js';
import { days, formatDuration, formatTimestamp, type Millis, type Timestamp } from '../../time.js';
import { isZone } from '../../zone.js';
import { duration, timestamp } from '../option-values.js';
import { reportText } from '../report-text.js';
import { addPlaceOptions, type PlaceFlags, withStore } from '../store.js';
import { note, print } from '../terminal.js';

const SINCE_MS = days(30);

interface ReportFlags extends PlaceFlags {
  readonly since?: Timestamp;
  readonly until?: Timestamp;
  readonly zone: string;
  readonly rule?: string;
  readonly convertWithin: Millis;
  readonly goal?: string;
  readonly json?: boolean;
}

export function reportCommand(): Command {
  return addPlaceOptions(new Command('report'))
    .description('what became of matches: effects by rule, version and day, and their conversion')
    .option(
      '--since <time>',
      'matched then or later, ISO 8601 or ms (default: 30 days ago)',
      timestamp,
    )
    .option('--until <time>', 'matched before this (default: now)', timestamp)
    .option('--zone <zone>', 'whose days, such as Europe/Berlin', zoneName, 'UTC')
    .option('--rule <id>', 'of this rule only')
    .option(
      '--convert-within <duration>',
      'how long after the match a goal counts',
      duration,
      days(7),
    )
    .option('--goal <name>', "which goal (default: each effect's own)")
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `
Everything counts on the day of its match. An effect is counted as what it is now; of one that was suppressed by its
reason, DRY_RUN among them. "converted" is who reached the goal of those delivered to, "control group" of those left out
(control of the effects declaration): compare the two. Of matches younger than --convert-within more may yet convert.
Goals are known from the moment on that ingest watches them, and kept for ${formatDuration(GOALS_KEPT_MS)} before a user's last.

  temporal-cep report --rule cart-abandonment --since 2026-01-01 --convert-within 3d`,
    )
    .action(run);
}

async function run(flags: ReportFlags): Promise<void> {
  const { zone, rule, convertWithin: convertWithinMs, goal, json } = flags;
  const now = Date.now();
  const { until = now } = flags;
  const { since = until - SINCE_MS } = flags;
  if (since >= until) {
    throw new CepError('SETTING_INVALID', '--since is not before --until: nothing lies between');
  }
  if (convertWithinMs > GOALS_KEPT_MS) {
    throw new CepError(
      'SETTING_INVALID',
      `--convert-within: goals are kept for ${formatDuration(GOALS_KEPT_MS)}, ask for that or less`,
    );
  }
  await withStore(flags, async ({ database }) => {
    const wanted = { since, until, zone, rule, convertWithinMs, goal };
    const rows = await effectReport(database, wanted);
    if (json) return print(JSON.stringify({ ...wanted, rows }));
    print(reportText(rows));
    if (rows.length > 0 && until + convertWithinMs > now) {
      const from = formatTimestamp(Math.max(since, now - convertWithinMs));
      note(`Users of matches since ${from} may yet convert`);
    }
  });
}

/** The database reads an offset the other way round, so only names are taken. */
function zoneName(text: string): string {
  if (/^[A-Za-z]/.test(text) && isZone(text)) return text;
  throw new InvalidArgumentError('Write a name of the IANA’s, such as Europe/Berlin.');
}
