// A journey whose alert has an effect: an activity of the user's own.

import { defineJourneys, minutes, patterns } from 'temporal-cep';

export interface Click {
  eventTime: number;
  eventType: string;
  userId: string;
}

const { begin } = patterns<Click>();

export default defineJourneys<Click>({
  journeys: [
    {
      id: 'cart',
      key: 'userId',
      rules: [
        {
          id: 'left-cart',
          pattern: begin('cart')
            .where((e) => e.eventType === 'cart')
            .followedBy('purchase')
            .where((e) => e.eventType === 'purchase')
            .within(minutes(10)),
          onTimeout: { alert: 'LEFT_CART', effects: ['sendCoupon'] },
        },
      ],
    },
  ],
});
