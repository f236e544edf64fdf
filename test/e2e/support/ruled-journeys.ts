// A journey whose rules come from a table.

import { defineJourneys } from 'temporal-cep';

export default defineJourneys({
  eventTime: 'eventTime',
  journeys: [{ id: 'carts', key: 'userSession' }],
  conditions: {
    'shop.Expensive': {
      create:
        ([least]) =>
        (event) =>
          (event as { price: number }).price > Number(least),
    },
  },
});
