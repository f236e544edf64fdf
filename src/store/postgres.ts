// PostgreSQL over the network.

import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { assert } from '../assert.js';
import { messageOf } from '../errors.js';
import { withoutPassword } from './address.js';
import {
  CONNECT_TIMEOUT_MS,
  isNoUrl,
  NO_URL,
  QUERY_TIMEOUT_MS,
  untilItAnswers,
} from './connect.js';
import type { Database } from './database.js';
import type { Schema } from './schema.js';
import { sqlStateOf } from './sql-state.js';

/** @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE` */
export async function openPostgres(address: string): Promise<Database> {
  const name = withoutPassword(address);
  const config = {
    connectionString: address,
    fallback_application_name: 'temporal-cep',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser },
  };
  await untilItAnswers({
    name,
    form: 'postgres://user:password@host:5432/database',
    tryOnce: () => logIn(config),
    objectionOf,
  });

  const pool = new pg.Pool(config);
  // A connection that fails is dropped and made anew by the pool. Both events would end the process if
  // nobody listened: the first is of an idle connection, the second of one in use between two queries,
  // where the next query says so.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: forKysely(pool) }) });
  return { db, name, close: () => db.destroy() };
}

/** A pool that drops a connection after an error of the connection, a query without an answer included. */
function forKysely(pool: pg.Pool): PostgresPool {
  return {
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect();
      let broken: Error | undefined;
      const query = async (text: string, parameters: unknown[]): Promise<unknown> => {
        try {
          return await client.query(text, parameters);
        } catch (error) {
          if (sqlStateOf(error) === null) broken = error as Error;
          throw error;
        }
      };
      // Nobody here uses cursors, the other thing that `query` can take.
      return {
        query: query as PostgresPoolClient['query'],
        release: () => client.release(broken),
      };
    },
  };
}

/** For this pool alone: other users of `pg` in the process have parsers of their own. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === pg.types.builtins.INT8 && format !== 'binary'
    ? parseInteger
    : pg.types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'];

/** Offsets, generations and times stay below 2^53. */
function parseInteger(text: string): number {
  const value = Number(text);
  assert(Number.isSafeInteger(value), `the database has integers below 2^53 (${text})`);
  return value;
}

/** Not through the pool, which has no hold of a connection whose login failed. */
async function logIn(config: pg.ClientConfig): Promise<void> {
  let client: pg.Client | undefined;
  try {
    client = new pg.Client(config);
    client.on('error', () => {});
    await client.connect();
  } finally {
    // Else a server that waits for a password holds the connection, and so our process, for a minute.
    void client?.end();
  }
}

/** Classes and codes of a server that starts, stops or is full: it may take us in a moment. */
const NOT_NOW = /^(08|53|57P0|55000)/;

/**
 * What there is against the address: said by the server, or by the driver on reading the address.
 *
 * @returns null for what may be over in a moment
 */
function objectionOf(error: unknown): string | null {
  const said = messageOf(error);
  const state = sqlStateOf(error);
  if (state !== null) return NOT_NOW.test(state) ? null : said;
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  if (isNoUrl(error)) return NO_URL;
  // The driver's words for a server that asks for a password when the address has none.
  if (said.startsWith('SASL')) return 'it asks for a password';
  const isFile = syscall === 'open';
  return isFile || /SSL|TLS|certificate/i.test(`${code} ${said}`) ? said : null;
}
