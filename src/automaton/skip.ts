// What a finished match does to the others, one small function per after-match skip strategy. The
// strategies compare start events only; see test/vectors/SEMANTICS.md, "Skip strategies".

import { CepError } from '../errors.js';
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import { listOf, type Taken } from './taken.js';

/** Tells whether a partial or finished match with this start event is discarded. */
export type Prune = (start: Taken) => boolean;

/**
 * What a match discards under a strategy; null for nothing.
 *
 * @throws CepError `SKIP_MISSED` under throwException, when the named stage took no event or its event
 *   is the match's first
 */
export function pruningBy(
  strategy: AfterMatchSkipStrategy,
  last: Taken,
  stageNames: readonly string[],
): Prune | null {
  const taken = listOf(last);
  const first = taken[0] as Taken;
  switch (strategy.type) {
    case 'NO_SKIP':
      return null;
    case 'SKIP_TO_NEXT':
      return ({ sequence }) => sequence <= first.sequence;
    case 'SKIP_PAST_LAST_EVENT':
      return ({ sequence }) => sequence <= last.sequence;
    case 'SKIP_TO_FIRST':
    case 'SKIP_TO_LAST': {
      const { patternName, throwException } = strategy;
      const ofStage = taken.filter(({ stage }) => stageNames[stage] === patternName);
      const target = ofStage[strategy.type === 'SKIP_TO_FIRST' ? 0 : ofStage.length - 1];
      if (throwException && !target) {
        throw new CepError(
          'SKIP_MISSED',
          `${strategy.type}[${patternName}] found no event of stage "${patternName}" in the match: make the stage mandatory, or drop throwExceptionOnMiss`,
          { details: { stage: patternName } },
        );
      }
      if (throwException && target?.sequence === first.sequence) {
        throw new CepError(
          'SKIP_MISSED',
          `${strategy.type}[${patternName}] would skip to the first event of the match, which finds the same match again: name a later stage`,
          { details: { stage: patternName } },
        );
      }
      return target ? ({ sequence }) => sequence < target.sequence : null;
    }
  }
}
