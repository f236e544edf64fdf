// Pattern documents that a command is given.

import { compile } from '../automaton/compile.js';
import type { NFA } from '../automaton/nfa.js';
import { naming, readJson } from '../json-file.js';
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
