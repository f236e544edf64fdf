// The early-warning system of an online shop, as one would run it: what a session does, what a customer
// does over days, what becomes of an order. Where the rule of the system this comes from does not do
// what its author meant, the rule here does; literal-journeys.ts has the originals.

import {
  days,
  defineJourneys,
  type Journey,
  minutes,
  patterns,
  skipPastLastEvent,
} from 'temporal-cep';

/** An event of the shop: a click, or what became of an order. */
export interface Click {
  eventTime: number;
  eventType: 'view' | 'cart' | 'purchase' | 'create' | 'pay';
  productId: string;
  categoryId: string;
  categoryCode: string;
  brand: string;
  price: number;
  userId: string;
  userSession: string;
  /** Of the events `create` and `pay`. */
  orderId?: string;
}

const { begin } = patterns<Click>();
const isView = (e: Click) => e.eventType === 'view';
const isCart = (e: Click) => e.eventType === 'cart';
const isPurchase = (e: Click) => e.eventType === 'purchase';
const isOrder = (e: Click) => e.eventType === 'create' || e.eventType === 'pay';

const shopping: Journey<Click> = {
  id: 'shopping',
  description: 'One visit to the shop',
  key: 'userSession',
  accepts: (e) => !isOrder(e),
  rules: [
    {
      id: 'cart-abandonment',
      description: 'A cart worth over 200, and no purchase within ten minutes',
      pattern: begin('cart')
        .where((e) => isCart(e) && e.price > 200)
        .followedBy('purchase')
        .where(isPurchase)
        .within(minutes(10)),
      onTimeout: {
        alert: 'CART_ABANDONMENT',
        message: 'Product {{cart.0.productId}} at {{cart.0.price}} was left in the cart',
      },
      onMatch: {
        alert: 'PURCHASE_COMPLETION',
        message: 'Product {{cart.0.productId}} at {{cart.0.price}} was bought',
      },
    },
    {
      id: 'cross-sell',
      description: 'Two products of different categories looked at, one right after the other',
      pattern: begin('first').where(isView).next('second').where(isView).within(minutes(5)),
      onMatch: {
        alert: 'CROSS_UPSELL',
        when: ({ first, second }) => first?.[0]?.categoryCode !== second?.[0]?.categoryCode,
        message: 'Looks at {{first.0.categoryCode}} and at {{second.0.categoryCode}}',
      },
    },
    {
      id: 'purchase-intent',
      description: 'The same product looked at four times within a quarter of an hour',
      pattern: begin('initial')
        .where(isView)
        .followedBy('repeat')
        .where((e, { initial }) => isView(e) && e.productId === initial[0]?.productId)
        .times(3)
        .within(minutes(15))
        .afterMatch(skipPastLastEvent()),
      onMatch: {
        alert: 'PURCHASE_INTENT',
        message: 'Came back to product {{initial.0.productId}} three times',
      },
    },
  ],
};

const pricing: Journey<Click> = {
  id: 'pricing',
  description: 'How a customer answers to prices',
  key: 'userId',
  accepts: (e) => !isOrder(e),
  rules: [
    {
      id: 'price-sensitivity',
      description: 'A product looked at, looked at again at a lower price, and put into the cart',
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
        .where(isCart)
        .within(minutes(10)),
      onMatch: {
        alert: 'PRICE_SENSITIVITY',
        message:
          'Took product {{initial.0.productId}} when it fell from {{initial.0.price}} to {{cheaper.0.price}}',
      },
    },
  ],
};

const loyalty: Journey<Click> = {
  id: 'loyalty',
  description: 'Whether a customer stays',
  key: 'userId',
  // Only these two, so that "consecutive" means: no purchase among the views.
  accepts: (e) => isView(e) || isPurchase(e),
  rules: [
    {
      id: 'churn',
      // The customer who looks again is not gone yet: a later view takes the place of the first of the
      // ten, and the week begins anew. So however many views there were, one alert remains.
      description: 'Ten views in a week without a purchase, and then a week without either',
      pattern: begin('views')
        .where(isView)
        .times(9)
        .consecutive()
        // A stage of its own: what must not follow a repeated stage must not come between, either.
        .next('tenth')
        .where((e, { views }) => isView(e) && e.eventTime - (views[0]?.eventTime ?? 0) <= days(7))
        .notFollowedBy('return')
        .where((e) => isView(e) || isPurchase(e))
        .within(days(7), 'PREVIOUS_AND_CURRENT')
        // At most a week of views and a week of silence: without it a customer with nine views would
        // be waited for without end.
        .within(days(14)),
      onMatch: {
        alert: 'CHURN_RISK',
        message:
          'Looked ten times, last at {{tenth.0.productId}}, and has not come back for a week',
      },
    },
  ],
};

const orders: Journey<Click> = {
  id: 'order',
  description: 'An order, until it is paid',
  key: 'orderId',
  accepts: isOrder,
  rules: [
    {
      id: 'payment',
      description: 'An order must be paid within fifteen minutes',
      pattern: begin('create')
        .where((e) => e.eventType === 'create')
        .followedBy('pay')
        .where((e) => e.eventType === 'pay')
        .within(minutes(15)),
      onMatch: { alert: 'PAYMENT_SUCCESS', message: 'Order {{create.0.orderId}} is paid' },
      onTimeout: {
        alert: 'PAYMENT_TIMEOUT',
        message: 'Order {{create.0.orderId}} was not paid within fifteen minutes',
      },
    },
  ],
};

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
    orderId: 'string',
  },
  journeys: [shopping, pricing, loyalty, orders],
});
