// Conditions such as `event.productId == match.view[0].productId`: for most events most partial matches are of another product,
// and that is found without asking the condition, by a value that each partial match keeps of its first event.

import type { CepEvent } from '../event.js';
import type { Agreement, Condition } from '../pattern/condition.js';
import type { PartialMatch } from './partial-match.js';
import type { Branches, Taken } from './taken.js';

/** What conditions of a pattern want an event to have in common with the first one of a match. */
export interface FirstAgreement extends Pick<Agreement, 'field' | 'firstField'> {
  /** The stage of that event, by index. */
  readonly stage: number;
  /** By index of a condition: whether it is false where event and match don't agree. */
  readonly wantedBy: readonly boolean[];
}

/** The agreement that conditions of a pattern ask for, or the first of several; null where there is none. */
export function agreementIn(
  conditions: readonly Condition[],
  stageNames: readonly string[],
): FirstAgreement | null {
  const wanted = conditions.find(({ agreement }) => agreement !== undefined)?.agreement;
  if (wanted === undefined) return null;
  const { field, firstField } = wanted;
  return {
    field,
    firstField,
    stage: stageNames.indexOf(wanted.stage),
    wantedBy: conditions.map(
      ({ agreement }) =>
        agreement?.field === field &&
        agreement.stage === wanted.stage &&
        agreement.firstField === firstField,
    ),
  };
}

/** What an event brings to be compared; undefined where it is nothing that two events can differ in beyond doubt. */
export function broughtBy(event: CepEvent, agreement: FirstAgreement | null): unknown {
  return agreement === null ? undefined : scalar(event.data[agreement.field]);
}

/** What a partial match that has taken these compares with; undefined for nothing. */
export function wantedOf(last: Branches | null, agreement: FirstAgreement | null): unknown {
  if (agreement === null || last === null) return undefined;
  // Where a condition looks back, lists do not fork (nfa.ts, N5).
  const { stage, event } = last.origin as Taken;
  return stage === agreement.stage ? scalar(event.data[agreement.firstField]) : undefined;
}

/** Whether an event that brings this leaves a partial match as it is, because they don't agree; not where it brings nothing. */
export function isPassedOver(
  { state, value }: PartialMatch,
  brought: unknown,
  { wantedBy }: FirstAgreement,
): boolean {
  if (value === undefined || value === brought || typeof value !== typeof brought) return false;
  const first = state.decision;
  if (first === null || first.condition < 0 || wantedBy[first.condition] !== true) return false;
  // What a no leads to is known since it was first said.
  const outcome = first.no === null ? null : first.no.outcome;
  return outcome?.keeps === true;
}

function scalar(value: unknown): unknown {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}
