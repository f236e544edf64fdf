// A user's journeys are a module with a default export made by defineJourneys(). Ingestor and CLI load it
// into Node; the worker also bundles it into the workflow, so that both run the same closures.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createJiti } from 'jiti';
import { CepError, messageOf } from './errors.js';
import { type CompiledJourneys, compileJourneys } from './rules/compiled.js';
import type { JourneySet } from './rules/journey.js';

/** A journeys module in Node. */
export interface JourneysModule {
  /** Absolute path of the file. */
  readonly path: string;
  readonly journeys: CompiledJourneys;
}

/**
 * Loads a journeys module, JavaScript or TypeScript.
 *
 * @param module - path, relative to the working directory, or a file URL
 * @throws CepError `JOURNEYS_INVALID` when it is missing, does not load or exports something else, and
 *   whatever its patterns are refused for
 */
export async function loadJourneys(module: string | URL): Promise<JourneysModule> {
  const path =
    module instanceof URL || module.startsWith('file:') ? fileURLToPath(module) : resolve(module);
  if (!existsSync(path)) {
    throw new CepError(
      'JOURNEYS_INVALID',
      `no journeys module at ${path}: name the file whose default export is defineJourneys({ ... })`,
      { details: { path } },
    );
  }
  let set: JourneySet | undefined;
  try {
    set = /\.[mc]?ts$/.test(path)
      ? await createJiti(import.meta.url).import<JourneySet>(path, { default: true })
      : (await import(pathToFileURL(path).href)).default;
  } catch (cause) {
    if (cause instanceof CepError) throw cause;
    throw new CepError('JOURNEYS_INVALID', `${path} does not load: ${messageOf(cause)}`, {
      details: { path },
      cause,
    });
  }
  return { path, journeys: compileJourneys(set as JourneySet) };
}
