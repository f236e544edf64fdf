import type { Converted, ReportRow } from '../store/effect-report.js';
import { table } from './terminal.js';

/** Of what has none there is no column, but for these. */
const ALWAYS = ['delivered', 'dead'] as const;
const STATES = ['planned', 'held', 'sent', 'delivered', 'capped', 'failed', 'dead'] as const;

/** A table. Rules of one id in several journeys are told apart by those. */
export function reportText(rows: readonly ReportRow[]): string {
  if (rows.length === 0) return 'No match, and no effect';
  const states = STATES.filter(
    (state) => ALWAYS.some((each) => each === state) || rows.some((row) => row.states[state] > 0),
  );
  const reasons = [...new Set(rows.flatMap((row) => Object.keys(row.suppressedBy)))].sort();
  const hasGoal = rows.some(({ delivered, control }) => delivered !== null || control !== null);
  const isTold = new Set(rows.map(({ journey }) => journey)).size > 1;
  return table(
    [
      ...['rule', 'version', 'day', 'matched'],
      ...states,
      ...reasons,
      ...(hasGoal ? ['converted', 'control group'] : []),
    ],
    rows.map((row) => [
      isTold ? `${row.journey}/${row.rule}` : row.rule,
      row.ruleVersion,
      row.day,
      row.matched,
      ...states.map((state) => row.states[state]),
      ...reasons.map((reason) => row.suppressedBy[reason] ?? 0),
      ...(hasGoal ? [shareText(row.delivered), shareText(row.control)] : []),
    ]),
  );
}

/** `12 of 40 (30.0 %)`. */
export function shareText(converted: Converted | null): string {
  if (converted === null || converted.users === 0) return '';
  const { users, reached } = converted;
  return `${reached} of ${users} (${((100 * reached) / users).toFixed(1)} %)`;
}
