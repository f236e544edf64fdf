// Journeys of the tests of race, replay and kill: one cart that is bought or left, under windows of several
// lengths. The histories in test/replay were recorded with them: whoever changes them records anew.

import { defineJourneys, type Journey, type Millis, patterns, seconds } from 'temporal-cep';

export interface Click {
  eventTime: number;
  eventType: 'view' | 'cart' | 'purchase';
  productId: string;
  userSession: string;
  /** Which of the journeys the event is for. */
  shop: string;
}

const { begin } = patterns<Click>();

const cartWithin = (id: string, window: Millis): Journey<Click> => ({
  id,
  key: 'userSession',
  accepts: (event) => event.shop === id,
  rules: [
    {
      id: 'cart-abandonment',
      description: 'A cart, and no purchase of it within the window',
      pattern: begin('cart')
        .where((event) => event.eventType === 'cart')
        .followedBy('purchase')
        .where(
          (event, { cart }) =>
            event.eventType === 'purchase' && event.productId === cart[0]?.productId,
        )
        .within(window),
      onMatch: {
        alert: 'PURCHASE_COMPLETION',
        message: 'Product {{cart.0.productId}} was bought',
      },
      onTimeout: {
        alert: 'CART_ABANDONMENT',
        message: 'Product {{cart.0.productId}} was left in the cart',
      },
    },
  ],
});

export const WINDOWS = {
  quick: seconds(2),
  short: seconds(4),
  long: seconds(30),
  // A worker that starts while others do takes half a minute.
  longer: seconds(75),
} as const;

export default defineJourneys<Click>({
  fields: { eventType: 'string', productId: 'string', userSession: 'string', shop: 'string' },
  journeys: Object.entries(WINDOWS).map(([id, window]) => cartWithin(id, window)),
});
