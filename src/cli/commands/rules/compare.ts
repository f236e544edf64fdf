import { Command } from 'commander';
import { compareAlerts } from '../../../backtest/compare.js';
import { recordedAlerts } from '../../../store/recorded-alerts.js';
import type { Timestamp } from '../../../time.js';
import { comparisonLines } from '../../comparison-text.js';
import { timestamp } from '../../option-values.js';
import { DATABASE_HELP, openPlace, ownStore, sharedStore } from '../../store.js';
import { print } from '../../terminal.js';

interface CompareFlags {
  readonly database?: string;
  readonly dataFolder?: string;
  readonly since: Timestamp;
  readonly json?: boolean;
}

export function compareCommand(): Command {
  return new Command('compare')
    .description(
      'what a rule in the shadow has found of live traffic, beside the one that it may replace',
    )
    .argument('<current>', 'the rule as it is')
    .argument('<shadow>', 'the rule in the shadow: one of another id')
    .option(
      '--since <time>',
      'alerts from this event time on: 2026-01-31T12:00:00Z, or ms',
      timestamp,
      0,
    )
    .option(
      '--database <address>',
      'the database shared with the workers (default: the environment)',
    )
    .option('--data-folder <folder>', 'the folder of a process that keeps all it knows itself')
    .option('--json', 'print the comparison as JSON')
    .addHelpText(
      'after',
      `${DATABASE_HELP}

Compares the alerts that the ledger has recorded. Equal are alerts of one key, type and time over the same events. Name a
--since at which both were in force.`,
    )
    .action(compare);
}

async function compare(current: string, shadow: string, flags: CompareFlags): Promise<void> {
  const { since, database, dataFolder } = flags;
  const place = dataFolder === undefined ? sharedStore(database) : ownStore(database, dataFolder);
  const store = await openPlace(place);
  try {
    const [old, found] = await Promise.all(
      [current, shadow].map((rule) => recordedAlerts(store.database, { rule, since })),
    );
    const now = (found ?? []).map((alert) => ({ ...alert, rule: current }));
    const comparison = compareAlerts(old ?? [], now);
    if (flags.json) print(JSON.stringify(comparison));
    else print(comparisonLines(comparison, [current, shadow]).join('\n'));
  } finally {
    await store.close();
  }
}
