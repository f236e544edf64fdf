// JSON files that people name; whatever is wrong with one is a line that names it.

import { readFileSync } from 'node:fs';
import { CepError, messageOf } from './errors.js';

/**
 * What a JSON file holds.
 *
 * @param what - what it should be, for the error
 * @throws CepError `INPUT_MISSING`
 */
export function readJson(file: string, what: string, remedy: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CepError('INPUT_MISSING', `${file} is no ${what} (${oneLine(cause)}): ${remedy}`, {
      cause,
    });
  }
}

/** Does something with a file, and names it where that is refused. */
export function naming<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    const details = { ...cause.details, file };
    throw new CepError(cause.code, `${file}: ${oneLine(cause)}`, { details, cause });
  }
}

export function oneLine(error: unknown): string {
  return messageOf(error).replace(/\s*\n\s*/g, ' ');
}
