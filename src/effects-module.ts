// A user's declaration of effects: a JSON document, or a module with one as its default export.

import { existsSync } from 'node:fs';
import {
  type EffectsDeclaration,
  type EffectsDocument,
  readEffects,
} from './effects/declaration.js';
import { CepError } from './errors.js';
import { naming, readJson } from './json-file.js';
import { importModule, pathOfModule, whatIsWrong } from './user-module.js';

/**
 * Loads a declaration of effects.
 *
 * @param from - the document itself; or a path, relative to the working directory, or a file URL, of a JSON document or of a module
 *   with a default export made by `defineEffects()`; no effects by default
 * @throws CepError `EFFECTS_INVALID`, `INPUT_MISSING`, with the path
 */
export async function loadEffects(
  from: EffectsDocument | string | URL = { effects: {} },
): Promise<EffectsDeclaration> {
  if (typeof from !== 'string' && !(from instanceof URL)) return readEffects(from);
  const path = pathOfModule(from);
  if (/\.json$/i.test(path)) {
    const json = readJson(path, 'declaration of effects', 'name a JSON file, or a module');
    return naming(path, () => readEffects(json as EffectsDocument));
  }
  if (!existsSync(path)) throw invalid(path, 'is not there: correct the path');
  let found: { default?: EffectsDocument };
  try {
    found = (await importModule(path)) as typeof found;
  } catch (cause) {
    const { where, said } = whatIsWrong(path, cause);
    throw invalid(where, `does not load: ${said}`, cause);
  }
  const { default: document } = found;
  if (!document) throw invalid(path, 'has no default export: make one by defineEffects({ ... })');
  return naming(path, () => readEffects(document));
}

function invalid(path: string, problem: string, cause?: unknown): CepError {
  return new CepError('EFFECTS_INVALID', `the declaration of effects ${path} ${problem}`, {
    details: { path },
    cause,
  });
}
