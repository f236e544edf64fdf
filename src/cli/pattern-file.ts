// Pattern documents and other JSON files that a command is given; whatever is wrong with one is a line that names it.

import { readFileSync } from 'node:fs';
import { compile } from '../automaton/compile.js';
import type { NFA } from '../automaton/nfa.js';
import { CepError, messageOf } from '../errors.js';
import { decode } from '../rules/decode.js';
import { parseDocument } from '../rules/document.js';

/** Whether a `--pattern` is a pattern document; else it is a journeys module. */
export function isDocument(file: string): boolean {
  return /\.json$/i.test(file);
}

/**
 * The pattern of a document, and its automaton: what only shows in the whole is refused too.
 *
 * @throws CepError `INPUT_MISSING` when it is no JSON; what decoding and compiling refuse, with the file's name
 */
export function readPattern(file: string): { pattern: ReturnType<typeof decode>; nfa: NFA } {
  const json = readJson(
    file,
    'pattern document',
    'name a JSON file in the form of test/vectors/FORMAT.md, or a journeys module',
  );
  return naming(file, () => {
    const pattern = decode(parseDocument(json));
    return { pattern, nfa: compile(pattern) };
  });
}

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
