// The search attribute CepStages: in which stages of which rules a session's open matches stand.

/** Visibility stores take no list without end. */
const VALUES_MAX = 20;
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
  return [...new Set(values)].slice(0, VALUES_MAX);
}
