// The tables that people read. One that is there already is used as it is, if what is written fits into it.

import { sql } from 'kysely';
import { CepError, messageOf } from '../errors.js';
import { isDuplicate, isForbidden, isMissingTable } from '../store/sql-state.js';
import type { AnalyticsDatabase } from './schema.js';

const TIME = { postgres: sql`timestamptz(3)`, mysql: sql`timestamp(3)` } as const;
const TABLE = {
  postgres: sql``,
  mysql: sql`engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin`,
} as const;

/** What a table must have. */
export interface ResultTable {
  readonly columns: readonly string[];
  readonly key: readonly string[];
  create(database: AnalyticsDatabase, name: string): Promise<void>;
}

export const CONSUME: ResultTable = {
  columns: ['appkey', 'serverid', 'servertime', 'roleid', 'amount', 'dt'],
  key: ['appkey', 'dt'],
  create: ({ db, dialect }, name) =>
    db.schema
      .createTable(name)
      .ifNotExists()
      .addColumn('appkey', 'varchar(64)', (column) => column.notNull())
      .addColumn('serverid', 'varchar(64)', (column) => column.notNull())
      .addColumn('servertime', 'varchar(32)', (column) => column.notNull())
      .addColumn('roleid', 'varchar(64)', (column) => column.notNull())
      .addColumn('amount', 'decimal(20, 4)', (column) => column.notNull())
      .addColumn('dt', 'varchar(10)', (column) => column.notNull())
      .addPrimaryKeyConstraint(keyName(name), ['appkey', 'dt'])
      .modifyEnd(TABLE[dialect])
      .execute(),
};

export const SUMMARY: ResultTable = {
  columns: ['summary_date', 'summary_min', 'pv', 'uv', 'currenttime'],
  key: ['summary_date', 'summary_min'],
  create: ({ db, dialect }, name) =>
    db.schema
      .createTable(name)
      .ifNotExists()
      .addColumn('summary_date', 'varchar(10)', (column) => column.notNull())
      .addColumn('summary_min', 'varchar(5)', (column) => column.notNull())
      .addColumn('pv', 'bigint', (column) => column.notNull())
      .addColumn('uv', 'bigint', (column) => column.notNull())
      .addColumn('currenttime', TIME[dialect], (column) =>
        column.notNull().defaultTo(sql`current_timestamp(3)`),
      )
      .addPrimaryKeyConstraint(keyName(name), ['summary_date', 'summary_min'])
      .modifyEnd(TABLE[dialect])
      .execute(),
};

/**
 * Makes the table if it is not there.
 *
 * @param name - `table` or `schema.table`
 * @throws CepError `SETTING_INVALID` where it may not be made, or one that is there has not the columns or the key
 */
export async function prepareTable(
  database: AnalyticsDatabase,
  name: string,
  table: ResultTable,
): Promise<void> {
  if (!(await hasColumns(database, name, table.columns))) {
    try {
      await table.create(database, name);
    } catch (cause) {
      if (isForbidden(cause)) {
        throw unusable(database, name, messageOf(cause), 'make it as a user who may', cause);
      }
      // Somebody else made it at the same time.
      if (!isDuplicate(cause)) throw cause;
    }
  }
  await checkKey(database, name, table.key);
}

async function hasColumns(
  database: AnalyticsDatabase,
  name: string,
  columns: readonly string[],
): Promise<boolean> {
  try {
    const list = sql.join(columns.map((column) => sql.ref(column)));
    await sql`select ${list} from ${sql.table(name)} where 1 = 0`.execute(database.db);
    return true;
  } catch (cause) {
    if (isMissingTable(cause)) return false;
    const remedy = `it needs the columns ${columns.join(', ')}; add them, or name another table`;
    throw unusable(database, name, messageOf(cause), remedy, cause);
  }
}

/** Without it rows would not be replaced, but added. */
async function checkKey(
  database: AnalyticsDatabase,
  name: string,
  key: readonly string[],
): Promise<void> {
  const unique = await uniqueKeys(database, name);
  const wanted = [...key].sort().join(', ');
  if (unique.some((columns) => [...columns].sort().join(', ') === wanted)) return;
  const remedy = `make (${key.join(', ')}) its primary key, or name another table`;
  throw unusable(database, name, 'its rows can be there twice', remedy);
}

/** The columns of each unique index of the whole table. */
async function uniqueKeys({ db, dialect }: AnalyticsDatabase, name: string): Promise<string[][]> {
  const found = await (dialect === 'mysql' ? mysqlKeys(db, name) : postgresKeys(db, name));
  const keys = new Map<string, string[]>();
  for (const { index_name, column_name } of found) {
    keys.set(index_name, [...(keys.get(index_name) ?? []), column_name]);
  }
  return [...keys.values()];
}

interface KeyColumn {
  readonly index_name: string;
  readonly column_name: string;
}

async function mysqlKeys(db: AnalyticsDatabase['db'], name: string): Promise<KeyColumn[]> {
  const [table, schema] = name.split('.').reverse();
  const { rows } = await sql<KeyColumn>`
    select index_name as index_name, column_name as column_name from information_schema.statistics
    where table_schema = coalesce(${schema ?? null}, database()) and table_name = ${table} and non_unique = 0
  `.execute(db);
  return rows;
}

async function postgresKeys(db: AnalyticsDatabase['db'], name: string): Promise<KeyColumn[]> {
  const quoted = name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
  const { rows } = await sql<KeyColumn>`
    select i.indexrelid::text as index_name, a.attname::text as column_name
    from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
    where i.indrelid = to_regclass(${quoted}) and i.indisunique and i.indpred is null and i.indexprs is null
  `.execute(db);
  return rows;
}

/** Of a table in a schema the key is without it. */
function keyName(table: string): string {
  return `${table.split('.').at(-1)}_key`.slice(-63);
}

function unusable(
  { name: database }: AnalyticsDatabase,
  table: string,
  what: string,
  remedy: string,
  cause?: unknown,
): CepError {
  return new CepError(
    'SETTING_INVALID',
    `the table ${table} of ${database} can't be used (${what}): ${remedy}`,
    { details: { database, table }, cause },
  );
}
