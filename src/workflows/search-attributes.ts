// What the list of workflows shows of a session: which rules and stages are in progress, when time will next tell
// something, and whether it is paused. The ingestor says so as it starts a session; an upsert is an event of history
// and a write to the visibility store, so the session says so again only when people's questions get another answer.

import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  type SearchAttributeUpdatePair,
  type TypedSearchAttributes,
} from '@temporalio/common';
import type { Session } from '../rules/session.js';
import { DATE_MAX, type Timestamp } from '../time.js';
import { SEARCH_ATTRIBUTES } from './messages.js';
import { keywordsWithin, stageValues } from './stages.js';

const CEP_RULES = defineSearchAttributeKey('CepRules', SEARCH_ATTRIBUTES.CepRules);
const CEP_STAGES = defineSearchAttributeKey('CepStages', SEARCH_ATTRIBUTES.CepStages);
const CEP_NEXT_DEADLINE = defineSearchAttributeKey(
  'CepNextDeadline',
  SEARCH_ATTRIBUTES.CepNextDeadline,
);
const CEP_PAUSED = defineSearchAttributeKey('CepPaused', SEARCH_ATTRIBUTES.CepPaused);

/** What a session with this state shows when it starts; nothing where nothing is open. */
export function attributesAtStart(session: Session): SearchAttributePair[] {
  const progress = session.isIdle ? [] : progressOf(session);
  return progress.filter((pair): pair is SearchAttributePair => pair.value !== null);
}

/**
 * What has to be told anew. A deadline that moves on is told once the one that is shown has passed.
 *
 * @param shown - the search attributes that the session has
 * @returns nothing while the answers are the same
 */
export function changedAttributes(
  session: Session,
  isPaused: boolean,
  shown: TypedSearchAttributes,
): SearchAttributeUpdatePair[] {
  const isPauseNews = isPaused !== (shown.get(CEP_PAUSED) ?? false);
  const pause = isPauseNews ? [{ key: CEP_PAUSED, value: isPaused }] : [];
  const isSame =
    !isPauseNews &&
    isEqual(shown.get(CEP_RULES), rulesOf(session)) &&
    isEqual(shown.get(CEP_STAGES), stageValues(session.stagesInProgress())) &&
    !isStale(shown.get(CEP_NEXT_DEADLINE)?.getTime() ?? null, session);
  return isSame ? [] : [...progressOf(session), ...pause];
}

function progressOf(session: Session): SearchAttributeUpdatePair[] {
  return [
    { key: CEP_RULES, value: rulesOf(session) },
    { key: CEP_STAGES, value: stageValues(session.stagesInProgress()) },
    { key: CEP_NEXT_DEADLINE, value: dateOf(session.wakesAt) },
  ];
}

function rulesOf(session: Session): string[] {
  return keywordsWithin(session.rulesInProgress());
}

function isStale(shown: Timestamp | null, { wakesAt, watermark }: Session): boolean {
  const next = dateOf(wakesAt)?.getTime() ?? null;
  if (shown === null) return next !== null;
  return shown <= watermark || (next ?? shown) < shown;
}

function dateOf(time: Timestamp | null): Date | null {
  return time === null || time > DATE_MAX ? null : new Date(time);
}

function isEqual(shown: readonly string[] | undefined, now: readonly string[]): boolean {
  return (shown ?? []).join('\n') === now.join('\n');
}
