// What the values of records are: events as JSON, or what Debezium writes.

import { type Command, Option } from 'commander';
import { CepError } from '../errors.js';
import type { ChangeOptions } from '../ingest/debezium.js';
import type { FileFormat, ReadFileOptions } from '../ingest/read-file.js';

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

export interface FileFormatFlags {
  readonly format?: FileFormat | 'debezium';
  readonly updates?: boolean;
}

export function addFileFormatOptions(command: Command): Command {
  return addRecordFormatOptions(command, ['ndjson', 'csv'], "default: by the file's extension");
}

/** How a file is read. The lines of one of Debezium's are its records' values. */
export function fileInput(
  path: string,
  { format, updates = false }: FileFormatFlags,
): ReadFileOptions {
  const changes = changesOf({ updates, ...(format ? { format } : {}) });
  if (format === 'debezium') return { path, format: 'ndjson', changes };
  return { path, ...(format ? { format } : {}) };
}
