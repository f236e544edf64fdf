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
  try {
    const module = (await load(path)) as { default?: JourneySet };
    return { path, journeys: compileJourneys(module.default as JourneySet) };
  } catch (cause) {
    throw describe(cause, path);
  }
}

function load(path: string): Promise<unknown> {
  if (!/\.[mc]?ts$/.test(path)) return import(pathToFileURL(path).href);
  // Without a default export there is none: not the module in its place.
  return createJiti(import.meta.url, { interopDefault: false }).import(path);
}

/** What went wrong in the module, in one line that says where. */
function describe(cause: unknown, path: string): CepError {
  const where = placeIn(path, cause);
  // A missing import comes with the chain of modules that led to it.
  const said = messageOf(cause)
    .split('\nRequire stack:', 1)[0]
    ?.replace(/\s*\n\s*/g, ' ')
    .trim();
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

/** The path, and the line where the stack of an error names one in it. */
function placeIn(path: string, error: unknown): string {
  const stack = error instanceof Error ? `${error.stack}` : '';
  for (const name of [path, pathToFileURL(path).href]) {
    const at = stack.lastIndexOf(`${name}:`);
    if (at < 0) continue;
    const line = /^\d+/.exec(stack.slice(at + name.length + 1));
    if (line) return `${path}:${line[0]}`;
  }
  return path;
}
