// Two backtests of the same events side by side: what only the one would have alerted.

import type { Alert } from '../rules/rule.js';

export interface Comparison {
  readonly both: number;
  readonly onlyOld: readonly Alert[];
  readonly onlyNew: readonly Alert[];
}

/**
 * Compares alerts by what they are about, not by their ids: those hold the content of the rule, which is what changes. Equal are
 * alerts of one journey, rule, key, type and time over the same events.
 */
export function compareAlerts(old: readonly Alert[], now: readonly Alert[]): Comparison {
  const left = new Map<string, Alert[]>();
  for (const alert of old) {
    const name = nameOf(alert);
    const known = left.get(name);
    if (known) known.push(alert);
    else left.set(name, [alert]);
  }
  const onlyNew: Alert[] = [];
  let both = 0;
  for (const alert of now) {
    if (left.get(nameOf(alert))?.shift()) both++;
    else onlyNew.push(alert);
  }
  return { both, onlyOld: [...left.values()].flat(), onlyNew };
}

function nameOf({ journey, rule, key, type, at, match }: Alert): string {
  return JSON.stringify([journey, rule, key, type, at, Object.entries(match)]);
}
