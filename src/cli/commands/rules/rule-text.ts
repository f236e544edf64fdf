// A rule as people read it.

import type { StoredRule } from '../../../rule-store/rule-store.js';

/** What a rule says and how it stands, with its JSON as JSON wherever it is some. */
export function documentOf(rule: StoredRule): Record<string, unknown> {
  const { id, journey, key, version, state, onChange, description, pattern } = rule;
  const { function: name, onMatch, onTimeout } = rule;
  return Object.fromEntries(
    Object.entries({
      id,
      journey,
      key,
      version,
      state,
      onChange,
      description,
      function: name,
      pattern: jsonOrText(pattern),
      onMatch: onMatch && jsonOrText(onMatch),
      onTimeout: onTimeout && jsonOrText(onTimeout),
    }).filter(([, value]) => value !== null && value !== ''),
  );
}

/** The same, line by line, without its version: what two of a rule are compared by. */
export function linesOf(rule: StoredRule): string[] {
  const { version: _, ...document } = documentOf(rule);
  return JSON.stringify(document, null, 2).split('\n');
}

/** Everything that is known of a change. */
export function changeAsJson(rule: StoredRule): Record<string, unknown> {
  const { change, author, note, hash, changedAt } = rule;
  return { ...documentOf(rule), change, author, note, hash, changedAt };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
