/** Which other matches a finished match takes with it. Names and meaning are FlinkCEP's. */
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

/** Every possible match is emitted. The default. */
export const noSkip = (): AfterMatchSkipStrategy<never> => ({ type: 'NO_SKIP' });

/** Discards partial matches that begin with the event that the match begins with. */
export const skipToNext = (): AfterMatchSkipStrategy<never> => ({ type: 'SKIP_TO_NEXT' });

/** Discards partial matches that begin at or before the match's last event. */
export const skipPastLastEvent = (): AfterMatchSkipStrategy<never> => ({
  type: 'SKIP_PAST_LAST_EVENT',
});

/**
 * Discards partial matches that begin before the first event of `stage`.
 *
 * @param options.throwExceptionOnMiss - fail when the stage took no event; default false
 */
export const skipToFirst = <Stage extends string>(
  stage: Stage,
  options: OnMiss = {},
): AfterMatchSkipStrategy<Stage> => skipTo('SKIP_TO_FIRST', stage, options);

/**
 * Discards partial matches that begin before the last event of `stage`.
 *
 * @param options.throwExceptionOnMiss - fail when the stage took no event; default false
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
