// What a backtest runs: a rule set document, or a journeys module.

import { loadJourneys } from '../journeys-module.js';
import { naming, readJson } from '../json-file.js';
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
  const json = readJson(
    path,
    'rule set',
    'name a JSON file such as examples/five.json, or a journeys module',
  );
  const classes = conditions === undefined ? {} : await loadConditions(conditions);
  return naming(path, () => ({ journeys: compileJourneys(journeysOfDocument(json, classes)) }));
}

/** The conditions that a journeys module registers. */
async function loadConditions(module: string): Promise<ConditionClasses> {
  return (await loadJourneys(module)).journeys.set.conditions ?? {};
}
