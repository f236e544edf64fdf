/**
 * Which other matches a finished match takes with it: data, as in a pattern document. Names and meaning are
 * FlinkCEP's. A finished match waits until no partial match that began earlier is alive (docs/semantics.md), but
 * for NO_SKIP.
 *
 * @typeParam Stage - names of the stages that may be skipped to; never for the strategies that name none
 * @example
 * const strategy: AfterMatchSkipStrategy = { type: 'SKIP_TO_FIRST', patternName: 'second' };
 * @see Flink CEP, AfterMatchSkipStrategy
 */
export type AfterMatchSkipStrategy<Stage extends string = string> =
  | { readonly type: 'NO_SKIP' }
  | { readonly type: 'SKIP_TO_NEXT' }
  | { readonly type: 'SKIP_PAST_LAST_EVENT' }
  | {
      readonly type: 'SKIP_TO_FIRST' | 'SKIP_TO_LAST';
      /** The stage whose first or last event is skipped to. */
      readonly patternName: Stage;
      /** Fail when that stage took no event, or when its event is the match's first. Default false. */
      readonly throwException?: boolean;
    };

type OnMiss = { throwExceptionOnMiss?: boolean };

/**
 * Every possible match is emitted. The default.
 *
 * @example begin('view').oneOrMore().next('cart').afterMatch(noSkip())
 * @see Flink CEP, AfterMatchSkipStrategy.noSkip
 */
export const noSkip = (): AfterMatchSkipStrategy<never> => ({ type: 'NO_SKIP' });

/**
 * Discards partial matches that begin with the event that the match begins with.
 *
 * @example begin('view').oneOrMore().next('cart').afterMatch(skipToNext())
 * @see Flink CEP, AfterMatchSkipStrategy.skipToNext
 */
export const skipToNext = (): AfterMatchSkipStrategy<never> => ({ type: 'SKIP_TO_NEXT' });

/**
 * Discards partial matches that begin at or before the match's last event.
 *
 * @example begin('view').times(3).afterMatch(skipPastLastEvent())
 * @see Flink CEP, AfterMatchSkipStrategy.skipPastLastEvent
 */
export const skipPastLastEvent = (): AfterMatchSkipStrategy<never> => ({
  type: 'SKIP_PAST_LAST_EVENT',
});

/**
 * Discards partial matches that begin before the first event of `stage`.
 *
 * @param stage - a stage of the pattern, no member of a group
 * @param options.throwExceptionOnMiss - fail when the stage took no event, or when its event is the match's
 *   first; the rule then loses its open matches of the session. Default false
 * @example begin('view').next('cart').oneOrMore().afterMatch(skipToFirst('cart'))
 * @see Flink CEP, AfterMatchSkipStrategy.skipToFirst
 */
export const skipToFirst = <Stage extends string>(
  stage: Stage,
  options: OnMiss = {},
): AfterMatchSkipStrategy<Stage> => skipTo('SKIP_TO_FIRST', stage, options);

/**
 * Discards partial matches that begin before the last event of `stage`.
 *
 * @param stage - a stage of the pattern, no member of a group
 * @param options.throwExceptionOnMiss - fail when the stage took no event, or when its event is the match's
 *   first; the rule then loses its open matches of the session. Default false
 * @example begin('view').next('cart').oneOrMore().afterMatch(skipToLast('cart', { throwExceptionOnMiss: true }))
 * @see Flink CEP, AfterMatchSkipStrategy.skipToLast
 */
export const skipToLast = <Stage extends string>(
  stage: Stage,
  options: OnMiss = {},
): AfterMatchSkipStrategy<Stage> => skipTo('SKIP_TO_LAST', stage, options);

function skipTo<Stage extends string>(
  type: 'SKIP_TO_FIRST' | 'SKIP_TO_LAST',
  patternName: Stage,
  { throwExceptionOnMiss = false }: OnMiss,
): AfterMatchSkipStrategy<Stage> {
  return { type, patternName, ...(throwExceptionOnMiss ? { throwException: true } : {}) };
}
