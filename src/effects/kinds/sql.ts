// A row in a table of the user's, in PostgreSQL, MySQL or MariaDB: at most one per effect, by a unique column with its id.

import { sql as query } from 'kysely';
import { z } from 'zod';
import { CepError, messageOf } from '../../errors.js';
import type { Alert } from '../../rules/rule.js';
import { openSqlDatabase, type SqlDatabase } from '../../store/sql-database.js';
import { isDuplicate, sqlStateOf } from '../../store/sql-state.js';
import type { PlannedEffect } from '../record.js';
import { DeliveryError, type DeliveryOutcome, type EffectKind } from './kind.js';
import { hiding, secret, settingOf } from './secret.js';
import { parseTemplate, variablesOf } from './templates.js';
import { orAborted, tryFor } from './try-for.js';

/** Whatever tables it has. */
type UsersDatabase = SqlDatabase<unknown>;

const schema = z.strictObject({
  kind: z.literal('sql'),
  /** `postgres://`, `mysql://` or `mariadb://user:password@host:port/database` */
  database: secret,
  /** `table`, or `schema.table`. */
  table: z.string().regex(/^[^.]+(\.[^.]+)?$/, { error: 'write table, or schema.table' }),
  /** Column that holds the id of the effect; it has to be unique. */
  id: z.string().min(1).default('id'),
  /** Texts are templates. */
  columns: z.record(
    z.string().min(1),
    z.union([z.string(), z.number(), z.boolean(), z.null()], {
      error: 'write a template, a number, true, false or null',
    }),
  ),
});

type Row = Readonly<Record<string, string | number | boolean | null>>;

/** A row that is to be written. */
interface Insert {
  readonly table: string;
  readonly id: string;
  readonly row: Row;
  readonly signal: AbortSignal;
  /** Called right before the database is asked for it. */
  readonly onAsk: () => void;
}

export const sql: EffectKind<typeof schema> = {
  kind: 'sql',
  schema,
  sender: (send, env) => {
    const { table, id } = send;
    const database = lazily(addressOf(send.database, env));
    const rowOf = rows(send);
    const hide = hiding(passwordsOf(addressOf(send.database, env)));
    return {
      isIdempotent: true,
      send: async (delivery) => {
        const row = rowOf(delivery);
        let isAsked = false;
        const onAsk = () => {
          isAsked = true;
        };
        try {
          const isNew = await tryFor(delivery, (signal) =>
            orAborted(
              database.open().then((open) => write(open, { table, id, row, signal, onAsk })),
              signal,
            ),
          );
          return { row: isNew ? 'written' : 'there already' };
        } catch (error) {
          throw new DeliveryError(hide(`no row in ${table}: ${messageOf(error)}`), {
            is: whatBecame(error, isAsked),
          });
        }
      },
      preview: (of) => {
        const row = Object.entries(rowOf(of));
        const lines = row.map(([column, value]) => `  ${column}: ${JSON.stringify(value)}`);
        return `insert into ${table}\n${lines.join('\n')}`;
      },
      close: () => database.close(),
    };
  },
};

/** @throws CepError `SETTING_INVALID` */
function addressOf(database: z.infer<typeof secret>, env: NodeJS.ProcessEnv): string {
  const address = settingOf(database, env, 'database');
  if (/^(postgres(ql)?|mysql|mariadb):\/\//.test(address)) return address;
  throw new CepError(
    'SETTING_INVALID',
    `${database.env} is no address of a database: write postgres://user:password@host:5432/database, or mysql://`,
    { details: { field: 'database' } },
  );
}

function passwordsOf(address: string): string[] {
  if (!URL.canParse(address)) return [];
  const { password } = new URL(address);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}

/** @throws CepError `EFFECTS_INVALID` */
function rows({
  id,
  columns,
}: z.infer<typeof schema>): (of: { alert: Alert; effect: PlannedEffect }) => Row {
  if (Object.hasOwn(columns, id)) {
    throw new CepError('EFFECTS_INVALID', 'this column holds the id of the effect: leave it out', {
      details: { field: `columns.${id}` },
    });
  }
  const parsed = Object.entries(columns).map(
    ([column, value]) =>
      [
        column,
        typeof value === 'string' ? parseTemplate(value, `columns.${column}`) : value,
      ] as const,
  );
  return (of) => {
    const variables = variablesOf(of);
    const rendered = parsed.map(([column, value]) => [
      column,
      typeof value === 'object' && value !== null ? value.render(variables) : value,
    ]);
    return { [id]: of.effect.id, ...Object.fromEntries(rendered) };
  };
}

/** Opens a database for the first row, and once more where that has failed. */
function lazily(address: string): { open(): Promise<UsersDatabase>; close(): Promise<void> } {
  let opening: Promise<UsersDatabase> | null = null;
  return {
    open: async () => {
      opening ??= openSqlDatabase<unknown>(address);
      try {
        return await opening;
      } catch (error) {
        opening = null;
        throw error;
      }
    },
    close: async () => {
      const open = await opening?.catch(() => null);
      opening = null;
      await open?.close();
    },
  };
}

/** @returns false when there is one with this id already */
async function write({ db, dialect }: UsersDatabase, insert: Insert): Promise<boolean> {
  const { row, id, signal, onAsk } = insert;
  const table = query.id(...insert.table.split('.'));
  const columns = query.join(Object.keys(row).map((column) => query.id(column)));
  const statement = query`insert into ${table} (${columns}) values (${query.join(Object.values(row))})`;
  return await db.connection().execute(async (connection) => {
    if (dialect === 'mysql') await mustBeUnique(connection, insert);
    // Who asked has been told that nothing was written.
    signal.throwIfAborted();
    onAsk();
    if (dialect === 'postgres') {
      // It finds out itself whether the column is unique.
      const unlessThere = query`${statement} on conflict (${query.id(id)}) do nothing`;
      return (await unlessThere.execute(connection)).numAffectedRows === 1n;
    }
    try {
      await statement.execute(connection);
      return true;
    } catch (error) {
      // `insert ignore` would overlook other faults, and `on duplicate key` other unique columns.
      if (!isDuplicate(error)) throw error;
      const same = query`select 1 from ${table} where ${query.id(id)} = ${row[id]}`;
      if ((await same.execute(connection)).rows.length === 0) throw error;
      return false;
    }
  });
}

/** Else a repetition would write a second row. */
async function mustBeUnique(db: UsersDatabase['db'], { table, id }: Insert): Promise<void> {
  const [name, schema] = table.split('.').reverse();
  const { rows } = await query`
    select index_name from information_schema.statistics
    where table_schema = coalesce(${schema ?? null}, database()) and table_name = ${name} and non_unique = 0
    group by index_name having count(*) = 1 and max(column_name) = ${id}`.execute(db);
  if (rows.length > 0) return;
  throw new Error(`its column ${id} has to be there and to be unique: add a unique key for it`);
}

/** What is wrong with the values of one row, by the standard's classes: data and constraints. */
const OF_VALUES = /^2[23]/;
/** The same where MySQL has no class for it: cut to fit, no default, not of the type, against a check. */
const OF_VALUES_IN_MYSQL = [1265, 1364, 1366, 3819];

function whatBecame(error: unknown, isAsked: boolean): DeliveryOutcome['is'] {
  const state = sqlStateOf(error);
  // Not by the database: without a connection, or out of time.
  if (state === null || state.startsWith('08')) return isAsked ? 'unknown' : 'not-sent';
  const { errno = 0 } = error as { errno?: number };
  // All else can be put right while it is tried again: a table, a privilege, a server that is about to stop.
  return OF_VALUES.test(state) || OF_VALUES_IN_MYSQL.includes(errno) ? 'refused' : 'not-sent';
}
