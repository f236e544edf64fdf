// Journeys of the sample system, whose rules lie in five tables: one journey for each table and its stream.

import { defineJourneys } from 'temporal-cep';

interface Click {
  eventType: string;
  productId: string;
  price: number;
}

export default defineJourneys<Click>({
  eventTime: 'eventTime',
  journeys: [
    { id: 'demo1', key: 'userSession' },
    { id: 'demo2', key: 'userSession' },
    { id: 'demo3', key: 'userSession' },
    { id: 'demo4', key: 'userId' },
    { id: 'demo5', key: 'userId' },
  ],
  conditions: {
    'shop.rules.PriceOver': {
      create:
        ([limit]) =>
        (e) =>
          e.price > Number(limit),
    },
    'shop.rules.CheaperThanFirst': {
      create:
        ([stage]) =>
        (e, match) => {
          const first = (match as Record<string, readonly Click[]>)[stage as string]?.[0];
          return e.productId === first?.productId && e.price < (first?.price ?? 0);
        },
    },
  },
  functions: {
    'shop.rules.Tell': { onMatch: { alert: 'MATCH' }, onTimeout: { alert: 'TIMEOUT' } },
  },
});
