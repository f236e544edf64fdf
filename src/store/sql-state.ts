/**
 * The five characters by which PostgreSQL, and PGlite after it, says what went wrong.
 *
 * @returns null for an error that the database did not report itself, such as a lost connection
 */
export function sqlStateOf(error: unknown): string | null {
  // Errors of Node have a code as well, but no severity.
  if (!(error instanceof Error && 'severity' in error && 'code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}
