// Journeys of encryption.test.ts: each of them shows people as much of its events as it can.

import { defineJourneys, type JourneySet, minutes, patterns } from 'temporal-cep';

export interface Click {
  eventTime: number;
  eventType: 'cart' | 'purchase' | 'view';
  customer: string;
  product: string;
  price: number;
}

const { begin } = patterns<Click>();

export const privateJourneys = (effects: readonly string[]): JourneySet<Click> =>
  defineJourneys<Click>({
    journeys: [
      {
        id: 'private',
        description: 'A cart until it is bought',
        key: 'customer',
        rules: [
          {
            id: 'abandonment',
            pattern: begin('cart')
              .where((event) => event.eventType === 'cart')
              .followedBy('purchase')
              .where((event) => event.eventType === 'purchase')
              .within(minutes(10)),
            onMatch: {
              alert: 'BOUGHT',
              message: '{{cart.0.product}} for {{cart.0.price}} by {{cart.0.customer}}',
              effects: [...effects],
            },
            onTimeout: { alert: 'LEFT', message: '{{cart.0.product}} left' },
          },
          {
            id: 'failing',
            pattern: begin('cart').where((event) => {
              throw new Error(`nothing is known of ${event.product}`);
            }),
            onMatch: { alert: 'NEVER' },
          },
        ],
      },
    ],
  });

export default privateJourneys([]);
