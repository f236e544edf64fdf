// MySQL and MariaDB over the network.

import {
  CompiledQuery,
  Kysely,
  MysqlDialect,
  type MysqlPool,
  type MysqlPoolConnection,
} from 'kysely';
import mysql from 'mysql2';
import { messageOf } from '../errors.js';
import { withoutPassword } from './address.js';
import {
  CONNECT_TIMEOUT_MS,
  isNoUrl,
  NO_URL,
  QUERY_TIMEOUT_MS,
  untilItAnswers,
} from './connect.js';
import type { SqlDatabase } from './sql-database.js';
import { sqlStateOf } from './sql-state.js';

/**
 * What every connection begins with. Text is never cut to fit, whatever the server's default; a backslash stays what the driver takes
 * it for; times are UTC, as the driver reads them.
 */
const SESSION = `set session lock_wait_timeout = 5, innodb_lock_wait_timeout = 5, time_zone = '+00:00',
  sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'`;

/** @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE` */
export async function openMysql<Schema>(address: string): Promise<SqlDatabase<Schema>> {
  const name = withoutPassword(address);
  const config = {
    // The driver knows the one name only.
    uri: address.replace(/^mariadb:/, 'mysql:'),
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableKeepAlive: true,
    timezone: 'Z',
  };
  await untilItAnswers({
    name,
    form: 'mysql://user:password@host:3306/database',
    tryOnce: () => logIn(config),
    objectionOf,
  });
  const db = new Kysely<Schema>({
    dialect: new MysqlDialect({
      pool: forKysely(mysql.createPool(config)),
      onCreateConnection: async (connection) => {
        await connection.executeQuery(CompiledQuery.raw(SESSION));
      },
    }),
  });
  let closing: Promise<void> | undefined;
  return {
    db,
    dialect: 'mysql',
    name,
    close: () => {
      closing ??= db.destroy();
      return closing;
    },
  };
}

/** Not through the pool, which would try again by itself. */
function logIn(config: mysql.ConnectionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const connection = mysql.createConnection(config);
    // Without a listener the error of a connection ends the process.
    connection.on('error', () => {});
    connection.connect((error) => {
      connection.destroy();
      if (error) reject(error);
      else resolve();
    });
  });
}

/** A pool that drops a connection after an error of the connection, a query without an answer included. */
function forKysely(pool: mysql.Pool): MysqlPool {
  const known = new WeakMap<mysql.PoolConnection, MysqlPoolConnection>();
  const wrap = (connection: mysql.PoolConnection): MysqlPoolConnection => {
    let isBroken = false;
    const query = (
      text: string,
      parameters: unknown[],
      done: (error: unknown, result: unknown) => void,
    ) =>
      connection.query(
        { sql: text, values: parameters, timeout: QUERY_TIMEOUT_MS },
        (error, result) => {
          if (error && sqlStateOf(error) === null) isBroken = true;
          done(error, result);
        },
      );
    return {
      // Nobody here reads streams, the other thing that `query` can do.
      query: query as unknown as MysqlPoolConnection['query'],
      release: () => {
        if (isBroken) connection.destroy();
        else connection.release();
      },
    };
  };
  return {
    end: (done) => pool.end(done),
    getConnection: (done) =>
      pool.getConnection((error, connection) => {
        if (error) {
          done(error, undefined as never);
          return;
        }
        // Kysely tells by the object whether a connection is new.
        const wrapped = known.get(connection) ?? wrap(connection);
        known.set(connection, wrapped);
        done(null, wrapped);
      }),
  };
}

/** Too many connections, shutting down, or interrupted: it may take us in a moment. */
const NOT_NOW = /^(08|70100|HY000)/;

/**
 * What there is against the address: said by the server, or by the driver on reading the address.
 *
 * @returns null for what may be over in a moment
 */
function objectionOf(error: unknown): string | null {
  if (isNoUrl(error)) return NO_URL;
  const said = messageOf(error);
  const state = sqlStateOf(error);
  if (state !== null) return NOT_NOW.test(state) ? null : said;
  const { code = '' } = error as NodeJS.ErrnoException;
  return /SSL|TLS|certificate/i.test(`${code} ${said}`) ? said : null;
}
