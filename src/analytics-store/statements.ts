// Statements for many rows at a time, in the words of either dialect.

import { type Kysely, type RawBuilder, sql } from 'kysely';

/** PostgreSQL takes 65,535 parameters in a statement; no row here has ten. */
const ROWS_MAX = 1_000;

export type Dialect = 'postgres' | 'mysql';
// biome-ignore lint/suspicious/noExplicitAny: the tables of a user's are called what they like
type AnyDatabase = Kysely<any>;

/** What a column is given: a value, or SQL that says it. */
export type Row = Readonly<Record<string, string | number | RawBuilder<unknown>>>;

export interface Upsert {
  readonly table: string;
  readonly key: readonly string[];
  /** All with the same columns, each key once. */
  readonly rows: readonly Row[];
}

/** Writes rows, over those of the same key. */
export async function upsert(db: AnyDatabase, dialect: Dialect, into: Upsert): Promise<void> {
  const changed = Object.keys(into.rows[0] ?? {}).filter((column) => !into.key.includes(column));
  await insert(db, into, onConflict(dialect, into.key, changed));
}

/** Writes rows; those whose key is there stay as they are. */
export async function insertMissing(
  db: AnyDatabase,
  dialect: Dialect,
  into: Upsert,
): Promise<void> {
  await insert(db, into, onConflict(dialect, into.key, []));
}

async function insert(
  db: AnyDatabase,
  { table, rows }: Upsert,
  clause: RawBuilder<unknown>,
): Promise<void> {
  for (const some of portions(rows)) {
    const columns = Object.keys(some[0] as Row);
    const names = sql.join(columns.map((column) => sql.ref(column)));
    const values = some.map((row) => sql`(${sql.join(columns.map((column) => row[column]))})`);
    await sql`insert into ${sql.table(table)} (${names}) values ${sql.join(values)} ${clause}`.execute(
      db,
    );
  }
}

/**
 * In MySQL a row that is there is locked for writing as well, and not only for reading, as by `insert ignore`: two who want to write it next
 * would wait for each other.
 */
function onConflict(
  dialect: Dialect,
  key: readonly string[],
  changed: readonly string[],
): RawBuilder<unknown> {
  if (dialect === 'mysql') {
    const columns = changed.length > 0 ? changed : key.slice(0, 1);
    const set = columns.map((column) =>
      changed.length > 0
        ? sql`${sql.ref(column)} = values(${sql.ref(column)})`
        : sql`${sql.ref(column)} = ${sql.ref(column)}`,
    );
    return sql`on duplicate key update ${sql.join(set)}`;
  }
  const target = sql.join(key.map((column) => sql.ref(column)));
  if (changed.length === 0) return sql`on conflict (${target}) do nothing`;
  const set = changed.map((column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`);
  return sql`on conflict (${target}) do update set ${sql.join(set)}`;
}

/** Deletes the rows that have one of these keys. */
export async function deleteRows(
  db: AnyDatabase,
  table: string,
  rows: readonly Readonly<Record<string, string>>[],
): Promise<void> {
  for (const some of portions(rows)) {
    const either = some.map((row) => {
      const equal = Object.entries(row).map(
        ([column, value]) => sql`${sql.ref(column)} = ${value}`,
      );
      return sql`(${sql.join(equal, sql` and `)})`;
    });
    await sql`delete from ${sql.table(table)} where ${sql.join(either, sql` or `)}`.execute(db);
  }
}

/** In portions of what a statement takes. */
export function portions<T>(all: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < all.length; from += ROWS_MAX)
    parts.push(all.slice(from, from + ROWS_MAX));
  return parts;
}
