// A table of Flink's dynamic CEP, read as it is: `id, version, pattern, function`, no primary key, the highest version of an id
// counts. Nothing is written to it.

import { sql } from 'kysely';
import type { OnChange } from '../rules/revision.js';
import { read } from '../store/sql-database.js';
import type { RuleDatabase } from './schema.js';
import { invalid, type TableRow } from './table-row.js';

/** Such a table, and whose events its rules are about. */
export interface FlinkTable {
  /** Its name, as `table` or `schema.table`, in upper and lower case as it was made. */
  readonly table: string;
  /** The journey of all its rules. */
  readonly journey: string;
  /** The journey's key field, where no journeys module defines the journey. */
  readonly key?: string;
  /** What becomes of open matches when a rule changes; default `finish`. Flink's own way is `reset`. */
  readonly onChange?: OnChange;
}

/** A row, or why it can't be one. */
export type ReadRow = TableRow & { readonly fault?: Error };

interface FlinkRow {
  readonly id: string | null;
  readonly version: number | null;
  readonly pattern: string | null;
  readonly function: string | null;
}

/**
 * Reads the last version of each rule, in the order of ids. Where two rows of that version differ nobody can say which is meant:
 * the rule has a fault then.
 */
export async function readFlinkTable(database: RuleDatabase, of: FlinkTable): Promise<ReadRow[]> {
  const name = sql.id(...of.table.split('.'));
  const columns = sql.join(['id', 'version', 'pattern', 'function'].map((each) => sql.id(each)));
  const { rows } = await read(database, (db) =>
    sql<FlinkRow>`select ${columns} from ${name}`.execute(db),
  );
  const last = new Map<string, ReadRow>();
  for (const row of rows) {
    const found = rowOf(row, of);
    const known = last.get(found.id);
    if (!known || known.version < found.version) last.set(found.id, found);
    else if (known.version === found.version && !isSame(known, found)) {
      last.set(found.id, { ...known, fault: twice(found) });
    }
  }
  return [...last.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function rowOf({ id, version, pattern, function: name }: FlinkRow, of: FlinkTable): ReadRow {
  const row = {
    id: id ?? '',
    version: version ?? 0,
    pattern: pattern ?? '',
    function: name,
    journey: of.journey,
    key: of.key ?? null,
    onChange: of.onChange ?? 'finish',
    state: 'on',
    onMatch: null,
    onTimeout: null,
    description: null,
  };
  const missing = id ? (version === null ? 'version' : pattern ? null : 'pattern') : 'id';
  if (missing === null) return row;
  return { ...row, fault: invalid(`$.${missing}`, 'it is empty: give it a value', row.id) };
}

function isSame(a: TableRow, b: TableRow): boolean {
  return a.pattern === b.pattern && (a.function || null) === (b.function || null);
}

function twice({ id, version }: TableRow): Error {
  return invalid(
    '$.version',
    `version ${version} is there twice and the two differ: delete one of them, or raise the version of the one that is meant`,
    id,
  );
}
