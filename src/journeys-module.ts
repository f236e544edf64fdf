// A user's journeys are a module with a default export made by defineJourneys(). Ingestor and CLI load it
// into Node; the worker also bundles it into the workflow, so that both run the same closures.

import { existsSync } from 'node:fs';
import { CepError } from './errors.js';
import { type CompiledJourneys, compileJourneys } from './rules/compiled.js';
import type { JourneySet } from './rules/journey.js';
import { importModule, pathOfModule, whatIsWrong } from './user-module.js';

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
  const path = pathOfModule(module);
  if (!existsSync(path)) {
    throw new CepError(
      'JOURNEYS_INVALID',
      `no journeys module at ${path}: name the file whose default export is defineJourneys({ ... })`,
      { details: { path } },
    );
  }
  try {
    const module = (await importModule(path)) as { default?: JourneySet };
    return { path, journeys: compileJourneys(module.default as JourneySet) };
  } catch (cause) {
    throw describe(cause, path);
  }
}

/** What went wrong in the module, in one line that says where. */
function describe(cause: unknown, path: string): CepError {
  const { where, said } = whatIsWrong(path, cause);
  if (cause instanceof CepError) {
    const details = { ...cause.details, path };
    return new CepError(cause.code, `${where}: ${said}`, { details, cause });
  }
  return new CepError(
    'JOURNEYS_INVALID',
    `${where} does not load: ${said}; correct the module, or install what it imports`,
    { details: { path }, cause },
  );
}
