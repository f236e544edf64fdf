// What went wrong, in the words of each database.

/**
 * The five characters by which PostgreSQL, and PGlite after it, says what went wrong; MySQL and MariaDB have some of them in
 * common.
 *
 * @returns null for an error that the database did not report itself, such as a lost connection
 */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  // The driver of MySQL, which knows no severity.
  if ('sqlState' in error && 'errno' in error && typeof error.sqlState === 'string') {
    return error.sqlState;
  }
  // Errors of Node have a code as well, but no severity.
  if (!('severity' in error && 'code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** A table that is not there. */
export function isMissingTable(error: unknown): boolean {
  return ['42P01', '42S02'].includes(sqlStateOf(error) ?? '');
}

/** A primary key that is there already. */
export function isDuplicate(error: unknown): boolean {
  return sqlStateOf(error) === '23505' || errnoOf(error) === 1062;
}

/** Two transactions that waited for each other; this one was undone. */
export function isDeadlock(error: unknown): boolean {
  return ['40P01', '40001'].includes(sqlStateOf(error) ?? '');
}

/** Denied to this user: the database or the table, in MySQL. */
const DENIED = [1044, 1142];

/** The user may not do that. */
export function isForbidden(error: unknown): boolean {
  return sqlStateOf(error) === '42501' || DENIED.includes(errnoOf(error) ?? 0);
}

/** No connection, too few of something, in use or being shut down, read only while another server takes over; and undone for another's sake. */
const PASSING = /^(08|25006|40|53|55|57|70100)/;
/** What MySQL has no class for: waited too long for a lock, going down, read only. */
const PASSING_IN_MYSQL = [1053, 1205, 1290, 1792, 1836];
/** How the driver of PostgreSQL says that a connection is lost: without a code. */
const LOST = /connection|timeout|terminated/i;

/** Whether the same may be done in a moment, with another connection. */
export function isPassing(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state !== null) return PASSING.test(state) || PASSING_IN_MYSQL.includes(errnoOf(error) ?? 0);
  // The driver of MySQL names what it says of a connection itself, and Node what it says of a socket.
  const { code } = error as { code?: unknown };
  if (typeof code === 'string')
    return /^(PROTOCOL_|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_)/.test(code);
  return error instanceof Error && error.constructor === Error && LOST.test(error.message);
}

/** MySQL's own number of an error. */
function errnoOf(error: unknown): number | null {
  if (!(error instanceof Error && 'sqlState' in error && 'errno' in error)) return null;
  return typeof error.errno === 'number' ? error.errno : null;
}
