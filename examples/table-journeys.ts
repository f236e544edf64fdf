// The journeys of five.json without its rules: the module of workers and ingestors whose rules come from a table.
// A rule stands in one place only, here or there: what both have is refused.

import { defineJourneys } from 'temporal-cep';

interface Click {
  eventType: string;
}

const isView = (e: Click) => e.eventType === 'view';
const isPurchase = (e: Click) => e.eventType === 'purchase';
const isClick = (e: Click) => isView(e) || e.eventType === 'cart' || isPurchase(e);

export default defineJourneys<Click>({
  eventTime: 'eventTime',
  eventId: 'id',
  fields: {
    eventType: 'string',
    productId: 'string',
    categoryId: 'string',
    categoryCode: 'string',
    brand: 'string',
    price: 'number',
    userId: 'string',
    userSession: 'string',
  },
  journeys: [
    {
      id: 'shopping',
      description: 'One visit to the shop',
      key: 'userSession',
      accepts: isClick,
    },
    {
      id: 'pricing',
      description: 'How a customer answers to prices',
      key: 'userId',
      accepts: isClick,
    },
    {
      id: 'loyalty',
      description: 'Whether a customer stays',
      key: 'userId',
      accepts: (e) => isView(e) || isPurchase(e),
    },
  ],
});
