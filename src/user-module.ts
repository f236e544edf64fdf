// Modules that a user has written and names by path: JavaScript or TypeScript.

import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createJiti } from 'jiti';
import { messageOf } from './errors.js';

/** The absolute path of a module given as a path, relative to the working directory, or as a file URL. */
export function pathOfModule(module: string | URL): string {
  return module instanceof URL || module.startsWith('file:')
    ? fileURLToPath(module)
    : resolve(module);
}

/** Imports a module by its absolute path. */
export function importModule(path: string): Promise<unknown> {
  if (!/\.[mc]?ts$/.test(path)) return import(pathToFileURL(path).href);
  // Without a default export there is none: not the module in its place.
  return createJiti(import.meta.url, { interopDefault: false }).import(path);
}

/** What was thrown as a module was loaded, in one line: where (the path, and the line in it if known), and what. */
export function whatIsWrong(path: string, error: unknown): { where: string; said: string } {
  // A missing import comes with the chain of modules that led to it.
  const [said = ''] = messageOf(error).split('\nRequire stack:', 1);
  return { where: placeIn(path, error), said: said.replace(/\s*\n\s*/g, ' ').trim() };
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
