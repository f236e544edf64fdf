// What a backtest runs: a rule set document, or a journeys module.

import { readFileSync } from 'node:fs';
import { CepError, messageOf } from '../errors.js';
import { loadJourneys } from '../journeys-module.js';
import { type CompiledJourneys, compileJourneys } from '../rules/compiled.js';
import type { ConditionClasses } from '../rules/conditions.js';
import { journeysOfDocument } from '../rules/rule-set.js';

/**
 * @param path - of a rule set document (`.json`), or of a journeys module
 * @param conditions - path of a journeys module whose conditions a rule set may name
 * @throws CepError `INPUT_MISSING` for a file that is no JSON, and what the rules are refused for, with the file's name
 */
export async function loadRules(
  path: string,
  conditions?: string,
): Promise<{ journeys: CompiledJourneys }> {
  if (!/\.json$/i.test(path)) return await loadJourneys(path);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new CepError(
      'INPUT_MISSING',
      `${path} is no rule set (${messageOf(cause)}): name a JSON file such as examples/five.json, or a journeys module`,
      { details: { path }, cause },
    );
  }
  const classes = conditions === undefined ? {} : await loadConditions(conditions);
  try {
    return { journeys: compileJourneys(journeysOfDocument(json, classes)) };
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    const details = { ...cause.details, file: path };
    throw new CepError(cause.code, `${path}: ${messageOf(cause)}`, { details, cause });
  }
}

/** The conditions that a journeys module registers. */
export async function loadConditions(module: string): Promise<ConditionClasses> {
  return (await loadJourneys(module)).journeys.set.conditions ?? {};
}
