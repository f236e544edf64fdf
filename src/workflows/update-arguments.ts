// Arguments of updates, from people: checked before anything is written, refused in one line.

import { ApplicationFailure } from '@temporalio/common';
import type { Session } from '../rules/session.js';

const AUTHOR_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 1_000;
/** Ids and rules that a refusal names. */
const NAMED_MAX = 10;

/** Who does it, and why. */
export interface Authored {
  /** 1 to 200 characters. */
  readonly author: string;
  /** 1 to 1,000 characters. */
  readonly reason: string;
}

/** Which partial matches are to be dropped. */
export interface DropRequest extends Authored {
  readonly rule: string;
  /** The `id` that the `state` query shows; all of the rule where it is absent. */
  readonly match?: string;
}

/** Refuses an update: nothing of it is written. */
export function refusal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'UPDATE_REFUSED');
}

/** @throws ApplicationFailure `UPDATE_REFUSED` */
export function checkAuthored(request: Authored): void {
  checkFields(request, ['author', 'reason']);
}

/** @throws ApplicationFailure `UPDATE_REFUSED`, which names what is open */
export function checkDrop(request: DropRequest, session: Session): void {
  checkFields(request, ['author', 'reason', 'rule', 'match']);
  const { rule, match } = request;
  checkText('rule', rule, AUTHOR_LENGTH_MAX);
  if (match !== undefined) checkText('match', match, AUTHOR_LENGTH_MAX);
  const views = session.view(NAMED_MAX, { named: true });
  const open = views.filter(({ openCount }) => openCount > 0);
  const view = views.find((each) => each.rule === rule);
  if (!view || view.openCount === 0) {
    const found = view ? `nothing is open of rule "${rule}"` : `there is no rule "${rule}"`;
    const rules = open.map((each) => `"${each.rule}"`).slice(0, NAMED_MAX);
    throw refusal(
      `${found}: ${rules.length > 0 ? `open are ${rules.join(', ')}` : 'none is open'}`,
    );
  }
  if (match === undefined || session.has(rule, match)) return;
  const ids = view.open.map(({ id }) => id);
  const more = view.openCount - ids.length;
  throw refusal(
    `rule "${rule}" has no match "${match}" open; an id changes when its match takes an event. Open are ${ids.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
  );
}

function checkFields(request: Authored, known: readonly string[]): void {
  if (typeof request !== 'object' || request === null || Array.isArray(request)) {
    throw refusal(
      'give one JSON object, such as {"author": "ann", "reason": "stock is being counted"}',
    );
  }
  const unknown = Object.keys(request).filter((field) => !known.includes(field));
  if (unknown.length > 0) {
    throw refusal(`unknown field "${unknown[0]}": use ${known.join(', ')}`);
  }
  checkText('author', request.author, AUTHOR_LENGTH_MAX);
  checkText('reason', request.reason, REASON_LENGTH_MAX);
}

function checkText(field: string, value: unknown, lengthMax: number): void {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= lengthMax) return;
  throw refusal(`"${field}" must be a text of 1 to ${lengthMax} characters`);
}
