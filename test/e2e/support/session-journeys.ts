// Journeys of session.test.ts.

import { defineJourneys, type Journey, minutes, patterns, skipPastLastEvent } from 'temporal-cep';

export interface Click {
  eventTime: number;
  eventType: 'view' | 'cart' | 'purchase';
  productId: string;
  userSession: string;
}

/** An event with a number; those of a session count from 0. */
export interface Step {
  eventTime: number;
  n: number;
  userSession: string;
  /** Makes the event as large as those of a shop. */
  padding?: string;
}

const clicks = patterns<Click>();
const steps = patterns<Step>();

const cart = (id: string, effects: string[]): Journey<Click> => ({
  id,
  description: 'A cart until it is bought',
  key: 'userSession',
  rules: [
    {
      id: 'abandonment',
      description: 'A cart, and no purchase of it within ten minutes',
      pattern: clicks
        .begin('cart')
        .where((event) => event.eventType === 'cart')
        .followedBy('purchase')
        .where(
          (event, { cart }) =>
            event.eventType === 'purchase' && event.productId === cart[0]?.productId,
        )
        .within(minutes(10)),
      onMatch: { alert: 'PURCHASE_COMPLETION', message: '{{cart.0.productId}} bought', effects },
      onTimeout: { alert: 'CART_ABANDONMENT', message: '{{cart.0.productId}} left' },
    },
  ],
});

const counting: Journey<Step> = {
  id: 'counting',
  key: 'userSession',
  rules: [
    {
      // Matches only where no event is missing, doubled or out of its place.
      id: 'hundred',
      pattern: steps
        .begin('steps')
        .where((event, { steps }) => {
          const last = steps.at(-1);
          return last ? event.n === last.n + 1 : event.n % 100 === 0;
        })
        .times(100)
        .consecutive()
        .afterMatch(skipPastLastEvent()),
      onMatch: { alert: 'HUNDRED', message: 'from {{steps.0.n}} to {{steps.99.n}}' },
    },
  ],
};

const overlapping: Journey<Step> = {
  id: 'overlapping',
  key: 'userSession',
  rules: [
    {
      // Every event begins one: a batch of 500 gives almost as many alerts, of ten events each.
      id: 'ten',
      pattern: steps.begin('steps').times(10).consecutive(),
      onMatch: { alert: 'TEN', message: 'from {{steps.0.n}}' },
    },
  ],
};

const limited: Journey<Step> = {
  id: 'limited',
  key: 'userSession',
  rules: [
    {
      id: 'few',
      pattern: steps
        .begin('steps')
        .followedBy('end')
        .where((event) => event.n === 1_000)
        .within(minutes(10)),
      limits: { partialMatches: 3, bufferedEvents: 4 },
      onMatch: { alert: 'FEW', message: 'from {{steps.0.n}}' },
    },
  ],
};

export default defineJourneys<Click | Step>({
  journeys: [
    cart('cart', []),
    cart('rewarded', ['coupon', 'broken']),
    counting,
    overlapping,
    limited,
  ] as unknown as Journey<Click | Step>[],
});
