// The journey of the peers scenario: the four patterns that bench/peers runs, as examples/journeys.ts has them
// (an intent is about one product; products of a cross-sell differ in category), on a clock that runs faster.

import {
  defineJourneys,
  type Millis,
  minutes,
  patterns,
  skipPastLastEvent,
} from '../../src/index.js';
import type { Click } from '../patterns.js';

/** How much faster than the clickstream itself it is played, and all times that belong to it are. */
export const PACE = 60;
/** The longest window. */
export const WINDOW_MAX_MS: Millis = minutes(15) / PACE;

const { begin } = patterns<Click>();
const isView = (e: Click) => e.eventType === 'view';

export default defineJourneys<Click>({
  eventId: 'id',
  fields: { productId: 'string', price: 'number', userSession: 'string' },
  journeys: [
    {
      id: 'clicks',
      key: 'userSession',
      rules: [
        {
          id: 'abandonment',
          pattern: begin('cart')
            .where((e) => e.eventType === 'cart' && e.price > 200)
            .followedBy('purchase')
            .where((e) => e.eventType === 'purchase')
            .within(minutes(10) / PACE),
          onTimeout: { alert: 'CART_ABANDONMENT' },
          onMatch: { alert: 'PURCHASE_COMPLETION' },
        },
        {
          id: 'cross-sell',
          pattern: begin('first')
            .where(isView)
            .next('second')
            .where(isView)
            .within(minutes(5) / PACE),
          onMatch: {
            alert: 'CROSS_UPSELL',
            when: ({ first, second }) => first?.[0]?.categoryCode !== second?.[0]?.categoryCode,
          },
        },
        {
          id: 'intent',
          pattern: begin('initial')
            .where(isView)
            .followedBy('repeat')
            .where((e, { initial }) => isView(e) && e.productId === initial[0]?.productId)
            .times(3)
            .within(WINDOW_MAX_MS)
            .afterMatch(skipPastLastEvent()),
          onMatch: { alert: 'PURCHASE_INTENT' },
        },
        {
          id: 'price',
          pattern: begin('initial')
            .where(isView)
            .next('cheaper')
            .where(
              (e, { initial }) =>
                isView(e) &&
                e.productId === initial[0]?.productId &&
                e.price < (initial[0]?.price ?? 0),
            )
            .next('cart')
            .where((e) => e.eventType === 'cart')
            .within(minutes(10) / PACE),
          onMatch: { alert: 'PRICE_SENSITIVITY' },
        },
      ],
    },
  ],
});
