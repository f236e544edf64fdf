/** Stops on a broken invariant of our own. What a user can get wrong is a `CepError` instead. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`);
}
