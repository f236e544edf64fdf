import type { Comparison } from '../backtest/compare.js';
import { counted } from '../counted.js';
import { formatTimestamp } from '../time.js';

/** Alerts of which only one side knows that are shown, of each side. */
const EXAMPLES_MAX = 5;

/** A comparison for people. @param names - of the sides */
export function comparisonLines(
  { both, onlyOld, onlyNew }: Comparison,
  [old, now]: readonly [string, string],
): string[] {
  const examples = (name: string, alerts: Comparison['onlyOld']) => {
    if (alerts.length === 0) return [];
    const some = alerts.slice(0, EXAMPLES_MAX);
    return [
      `only by ${name}, such as`,
      ...some.map(
        ({ type, key, at, message }) => `  ${formatTimestamp(at)} ${type} of ${key}: ${message}`,
      ),
    ];
  };
  return [
    `${counted(both, 'alert')} by both, ${onlyOld.length} only by ${old}, ${onlyNew.length} only by ${now}`,
    ...examples(old, onlyOld),
    ...examples(now, onlyNew),
  ];
}
