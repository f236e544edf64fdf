// The five patterns of the e-commerce early-warning system as its authors wrote them: what bench/peers runs in
// Flink and Esper, with conditions in TypeScript and in CEL.

import { cel, days, type EventData, minutes, type Pattern, patterns } from '../src/index.js';

/** A line of the clickstreams. */
export interface Click extends EventData {
  readonly id: number;
  readonly eventTime: number;
  readonly eventType: 'view' | 'cart' | 'purchase';
  readonly productId: string;
  readonly categoryCode: string;
  readonly price: number;
  readonly userSession: string;
}

export type Conditions = 'ts' | 'cel';
// biome-ignore lint/suspicious/noExplicitAny: of any stages
export type ClickPattern = Pattern<Click, any, any>;

const { begin } = patterns<Click>();

const inTypeScript = {
  view: (e: Click) => e.eventType === 'view',
  cart: (e: Click) => e.eventType === 'cart',
  expensiveCart: (e: Click) => e.eventType === 'cart' && e.price > 200,
  purchase: (e: Click) => e.eventType === 'purchase',
  priceDrop: (e: Click, match: { initial_view: readonly Click[] }) => {
    const first = match.initial_view[0];
    return (
      first !== undefined &&
      e.eventType === 'view' &&
      e.productId === first.productId &&
      e.price < first.price
    );
  },
};

const inCel = {
  view: cel("event.eventType == 'view'"),
  cart: cel("event.eventType == 'cart'"),
  expensiveCart: cel("event.eventType == 'cart' && event.price > 200.0"),
  purchase: cel("event.eventType == 'purchase'"),
  priceDrop: cel(
    "event.eventType == 'view' && event.productId == match.initial_view[0].productId && event.price < match.initial_view[0].price",
  ),
};

/** The patterns by the names that bench/peers gives them. */
export const PATTERNS = {
  'cross-sell': (conditions) => {
    const { view } = conditions;
    return begin('first_view').where(view).next('second_view').where(view).within(minutes(5));
  },
  abandonment: ({ expensiveCart, purchase }) =>
    begin('cart_add')
      .where(expensiveCart)
      .followedBy('purchase')
      .where(purchase)
      .within(minutes(10)),
  intent: ({ view }) =>
    begin('initial_view')
      .where(view)
      .followedBy('repeat_view')
      .where(view)
      .times(3)
      .within(minutes(15)),
  price: ({ view, priceDrop, cart }) =>
    begin('initial_view')
      .where(view)
      .next('view_price_drop')
      .where(priceDrop)
      .next('cart_after_price_drop')
      .where(cart)
      .within(minutes(10)),
  churn: ({ view, purchase }) =>
    begin('first_view')
      .where(view)
      .timesOrMore(10)
      .notNext('purchase')
      .where(purchase)
      .within(days(7)),
} satisfies Record<string, (conditions: typeof inTypeScript) => unknown>;

export type PatternName = keyof typeof PATTERNS;

/** Those that the peers run when none is named: churn has more matches than events. */
export const DEFAULT_PATTERNS: readonly PatternName[] = [
  'cross-sell',
  'abandonment',
  'intent',
  'price',
];

export function patternOf(name: PatternName, conditions: Conditions): ClickPattern {
  const used = conditions === 'ts' ? inTypeScript : (inCel as unknown as typeof inTypeScript);
  return PATTERNS[name](used) as ClickPattern;
}
