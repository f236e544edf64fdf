// What the values of records are: events as JSON, or what Debezium writes.

import { type Command, Option } from 'commander';
import { CepError } from '../errors.js';
import type { ChangeOptions } from '../ingest/debezium.js';

export interface RecordFormatFlags {
  readonly format?: string;
  readonly updates?: boolean;
}

/** @param others - formats beside Debezium's, the first of which is the default */
export function addRecordFormatOptions(
  command: Command,
  others: readonly string[] = ['json'],
  description = "what a record's value is: an event, or a change of a row as Debezium writes it",
): Command {
  const format = new Option('--format <format>', description).choices([...others, 'debezium']);
  return command
    .addOption(format)
    .option('--updates', 'of --format debezium: a row that was changed is an event too');
}

/**
 * How changes are read, where records are such.
 *
 * @throws CepError `SETTING_INVALID` for updates of anything else
 */
export function changesOf({
  format,
  updates = false,
}: RecordFormatFlags): ChangeOptions | undefined {
  if (format === 'debezium') return { updates };
  if (!updates) return undefined;
  throw new CepError(
    'SETTING_INVALID',
    '--updates is about changes of rows: write --format debezium too, or leave it out',
  );
}
