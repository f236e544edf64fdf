// Questions to Temporal's list of workflows.

import { SESSION_WORKFLOW } from '../workflows/messages.js';

/** Longest value of a keyword; a longer one stands there cut. */
const KEYWORD_LENGTH_MAX = 255;

/** A text as a value in a query, with whatever stands in it. */
export function quoted(text: string): string {
  return `'${text.slice(0, KEYWORD_LENGTH_MAX).replace(/[\\']/g, '\\$&')}'`;
}

/** A query for the sessions that run now and meet these conditions. */
export function runningSessions(conditions: readonly string[]): string {
  return [
    `WorkflowType = '${SESSION_WORKFLOW}'`,
    "ExecutionStatus = 'Running'",
    ...conditions,
  ].join(' AND ');
}
