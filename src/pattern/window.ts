import type { Millis } from '../time.js';

/**
 * What a window limits: the whole match from its first event on, or only the step from the event
 * before into the stage that the window stands on.
 *
 * @example begin('view').next('cart').within(minutes(2), 'PREVIOUS_AND_CURRENT')
 * @see Flink CEP, WithinType
 */
export type WithinType = 'FIRST_AND_LAST' | 'PREVIOUS_AND_CURRENT';

/** The windows of one stage, in milliseconds. */
export type Windows = Readonly<Partial<Record<WithinType, Millis>>>;
