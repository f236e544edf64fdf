// What a finished match does to the others, one small function per after-match skip strategy. The
// strategies compare start events only; see test/vectors/SEMANTICS.md, "Skip strategies".

import { CepError } from '../errors.js';
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import {
  type ComputationState,
  compareEvents,
  type StoredEvent,
  takenEvents,
} from './computation-state.js';

/** Tells whether a partial or finished match with this start event is discarded. */
export type Prune = (start: StoredEvent) => boolean;

/**
 * What a match discards under a strategy; null for nothing.
 *
 * @throws CepError `SKIP_MISSED` under throwException, when the named stage took no event or its event
 *   is the match's first
 */
export function pruningBy(
  strategy: AfterMatchSkipStrategy,
  match: ComputationState,
  stageNames: readonly string[],
): Prune | null {
  const taken = takenEvents(match.last);
  const first = match.start as StoredEvent;
  switch (strategy.type) {
    case 'NO_SKIP':
      return null;
    case 'SKIP_TO_NEXT':
      return (start) => compareEvents(start, first) <= 0;
    case 'SKIP_PAST_LAST_EVENT': {
      const last = taken[taken.length - 1]?.stored as StoredEvent;
      return (start) => compareEvents(start, last) <= 0;
    }
    case 'SKIP_TO_FIRST':
    case 'SKIP_TO_LAST': {
      const { patternName, throwException } = strategy;
      const ofStage = taken.filter(({ stage }) => stageNames[stage] === patternName);
      const target = ofStage[strategy.type === 'SKIP_TO_FIRST' ? 0 : ofStage.length - 1]?.stored;
      if (throwException && !target) {
        throw new CepError(
          'SKIP_MISSED',
          `${strategy.type}[${patternName}] found no event of stage "${patternName}" in the match: make the stage mandatory, or drop throwExceptionOnMiss`,
          { details: { stage: patternName } },
        );
      }
      if (throwException && target === first) {
        throw new CepError(
          'SKIP_MISSED',
          `${strategy.type}[${patternName}] would skip to the first event of the match, which finds the same match again: name a later stage`,
          { details: { stage: patternName } },
        );
      }
      return target ? (start) => compareEvents(start, target) < 0 : null;
    }
  }
}
