// The journeys of a chaos run: short windows, so that many of them end within minutes. All go by the
// session, which is also the topic's key.

import { defineJourneys, type Journey, patterns, seconds } from 'temporal-cep';

export interface ShopEvent {
  /** Tells planned records apart; 0 for a heartbeat. */
  n: number;
  eventTime: number;
  kind: 'cart' | 'purchase' | 'view' | 'create' | 'pay' | 'cancel' | 'step' | 'beat';
  session: string;
  /** Product of a cart, category of a view, id of an order, letter of a step. */
  what: string;
}

/** Windows whose end is a timeout, by rule. */
export const WINDOWS = { cart: seconds(8), payment: seconds(6) } as const;
/** After the last event of all every window has ended, and a margin. */
export const LONGEST_WINDOW_MS = seconds(12);

const { begin } = patterns<ShopEvent>();
const is = (kind: ShopEvent['kind']) => (event: ShopEvent) => event.kind === kind;

const shopping: Journey<ShopEvent> = {
  id: 'shopping',
  key: 'session',
  accepts: ({ kind }) => kind === 'cart' || kind === 'purchase' || kind === 'view',
  rules: [
    {
      id: 'cart',
      description: 'A cart, and no purchase of it within the window',
      pattern: begin('from')
        .where(is('cart'))
        .followedBy('to')
        .where((event, { from }) => event.kind === 'purchase' && event.what === from[0]?.what)
        .within(WINDOWS.cart),
      onMatch: { alert: 'BOUGHT' },
      onTimeout: { alert: 'LEFT' },
    },
    {
      id: 'compare',
      description: 'Views of two categories, one right after the other',
      pattern: begin('first')
        .where(is('view'))
        .next('second')
        .where((event, { first }) => event.kind === 'view' && event.what !== first[0]?.what)
        .within(seconds(5)),
      onMatch: { alert: 'COMPARES' },
    },
  ],
};

const orders: Journey<ShopEvent> = {
  id: 'orders',
  key: 'session',
  accepts: ({ kind }) => kind === 'create' || kind === 'pay' || kind === 'cancel',
  rules: [
    {
      id: 'payment',
      description: 'An order must be paid within the window',
      pattern: begin('from')
        .where(is('create'))
        .followedBy('to')
        .where((event, { from }) => event.kind === 'pay' && event.what === from[0]?.what)
        .within(WINDOWS.payment),
      onMatch: { alert: 'PAID' },
      onTimeout: { alert: 'UNPAID' },
    },
    {
      id: 'confirmed',
      description: 'An order that is not cancelled within four seconds',
      pattern: begin('create')
        .where(is('create'))
        .notFollowedBy('cancel')
        .where((event, { create }) => event.kind === 'cancel' && event.what === create[0]?.what)
        .within(seconds(4)),
      onMatch: { alert: 'CONFIRMED' },
    },
  ],
};

const steps: Journey<ShopEvent> = {
  id: 'steps',
  description: 'Few keys with many events: their sessions continue as new',
  key: 'session',
  accepts: is('step'),
  rules: [
    {
      id: 'triple',
      description: 'Three steps in order with nothing between them',
      pattern: begin('a')
        .where(({ what }) => what === 'a')
        .next('b')
        .where(({ what }) => what === 'b')
        .next('c')
        .where(({ what }) => what === 'c')
        .within(seconds(10)),
      onMatch: { alert: 'TRIPLE' },
    },
  ],
};

export default defineJourneys<ShopEvent>({
  fields: { n: 'number', kind: 'string', session: 'string', what: 'string' },
  journeys: [shopping, orders, steps],
});
