// The rules of the early-warning system to the letter, as Flink ran them (test/vectors/clickstream.json):
//
//   - churn fires on the next event that is not a purchase, and never waits a week;
//   - purchase intent does not look at which product is viewed;
//   - cross-sell compares the categories only when the alert is built;
//   - an order must be paid by the very next event of its user, within a second.
//
// journeys.ts has the rules that do what these were meant to do.

import { days, defineJourneys, minutes, patterns, seconds } from 'temporal-cep';
import type { Click } from './journeys.js';

/** The order payment system has a stream of its own. */
interface OrderEvent {
  userId: string;
  type: 'create' | 'pay';
}

const { begin } = patterns<Click>();
const order = patterns<OrderEvent>();
const isView = (e: Click) => e.eventType === 'view';
const isCart = (e: Click) => e.eventType === 'cart';
const isPurchase = (e: Click) => e.eventType === 'purchase';
const isClick = (e: { eventType?: string }) => e.eventType !== undefined;

export const crossSell = begin('first_view')
  .where(isView)
  .next('second_view')
  .where(isView)
  .within(minutes(5));

export const cartAbandonment = begin('cart_add')
  .where((e) => isCart(e) && e.price > 200)
  .followedBy('purchase')
  .where(isPurchase)
  .within(minutes(10));

export const purchaseIntent = begin('initial_view')
  .where(isView)
  .followedBy('repeat_view')
  .where(isView)
  .times(3)
  .within(minutes(15));

export const priceSensitivity = begin('initial_view')
  .where(isView)
  .next('view_price_drop')
  .where(
    (e, { initial_view }) =>
      isView(e) &&
      e.productId === initial_view[0]?.productId &&
      e.price < (initial_view[0]?.price ?? 0),
  )
  .next('cart_after_price_drop')
  .where(isCart)
  .within(minutes(10));

export const churn = begin('first_view')
  .where(isView)
  .timesOrMore(10)
  .notNext('purchase')
  .where(isPurchase)
  .within(days(7));

export const payment = order
  .begin('begin')
  .where((e) => e.type === 'create')
  .next('next')
  .where((e) => e.type === 'pay')
  .within(seconds(1));

export default defineJourneys<Click & OrderEvent>({
  eventTime: 'eventTime',
  fields: { price: 'number', userId: 'string', userSession: 'string' },
  journeys: [
    {
      id: 'literal-session',
      key: 'userSession',
      accepts: isClick,
      rules: [
        {
          id: 'cross-sell',
          pattern: crossSell,
          onMatch: {
            alert: 'CROSS_UPSELL',
            when: ({ first_view, second_view }) =>
              first_view?.[0]?.categoryCode !== second_view?.[0]?.categoryCode,
          },
        },
        {
          id: 'cart-abandonment',
          pattern: cartAbandonment,
          onTimeout: { alert: 'CART_ABANDONMENT' },
          onMatch: { alert: 'PURCHASE_COMPLETION' },
        },
        { id: 'purchase-intent', pattern: purchaseIntent, onMatch: { alert: 'PURCHASE_INTENT' } },
      ],
    },
    {
      id: 'literal-user',
      key: 'userId',
      accepts: isClick,
      rules: [
        {
          id: 'price-sensitivity',
          pattern: priceSensitivity,
          onMatch: { alert: 'PRICE_SENSITIVITY' },
        },
        { id: 'churn', pattern: churn, onMatch: { alert: 'CHURN_RISK' } },
      ],
    },
    {
      id: 'literal-order',
      key: 'userId',
      accepts: (e) => e.type !== undefined,
      rules: [
        {
          id: 'payment',
          pattern: payment,
          onMatch: { alert: 'PAYMENT_SUCCESS' },
          onTimeout: { alert: 'PAYMENT_TIMEOUT' },
        },
      ],
    },
  ],
});
