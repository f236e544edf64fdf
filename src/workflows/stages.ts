// The search attribute CepStages: in which stages of which rules a session's open matches stand.

import { jsonBytes } from '../automaton/limits.js';

/** Visibility stores take no list without end. */
const VALUES_MAX = 20;
/** Temporal's limit for a search attribute is 2 kB. */
const ATTRIBUTE_BYTES_MAX = 1_900;
/** Elasticsearch and SQL visibility stores refuse longer keywords. */
const KEYWORD_LENGTH_MAX = 255;

/** What stands in CepStages for a stage of a rule: `<rule>/<stage>`, of a long one the beginning. */
export function stageValue(rule: string, stage: string): string {
  return `${rule}/${stage}`.slice(0, KEYWORD_LENGTH_MAX);
}

/** The values for the rules in progress, each once; the first twenty of very many. */
export function stageValues(
  inProgress: readonly { readonly rule: string; readonly stages: readonly string[] }[],
): string[] {
  const values = inProgress.flatMap(({ rule, stages }) =>
    stages.map((stage) => stageValue(rule, stage)),
  );
  return keywordsWithin(values).slice(0, VALUES_MAX);
}

/** Each value once and cut, as many as one search attribute may have: the server ends a workflow that upserts more. */
export function keywordsWithin(values: readonly string[]): string[] {
  const cut = [...new Set(values.map((value) => value.slice(0, KEYWORD_LENGTH_MAX)))];
  let bytes = 0;
  return cut.filter((value) => {
    bytes += jsonBytes(value) + 1;
    return bytes <= ATTRIBUTE_BYTES_MAX;
  });
}
