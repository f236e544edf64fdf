// The five patterns of the sample system as its tables have them: AVIATOR and CLASS conditions, with arguments and nested.

import { readFileSync } from 'node:fs';
import type { EventData } from '../../../src/event.js';

interface VectorCase {
  readonly name: string;
  readonly pattern: { readonly nodes: readonly { readonly name: string }[] };
  readonly events: readonly (EventData & { readonly eventTime: number })[];
  readonly expected: Readonly<
    Record<'matches' | 'timeouts', readonly { match: Record<string, number[]> }[]>
  >;
}

const VECTORS: { cases: readonly VectorCase[] } = JSON.parse(
  readFileSync(new URL('../../vectors/clickstream.json', import.meta.url), 'utf8'),
);

const aviator = (expression: string) => ({ type: 'AVIATOR', expression });
const named = (className: string, ...args: string[]) => ({
  type: 'CLASS',
  className: `shop.rules.${className}`,
  ...(args.length > 0 && { args }),
});
const rich = (name: 'And' | 'Or' | 'Not', ...nestedConditions: object[]) => ({
  type: 'CLASS',
  className: `org.apache.flink.cep.pattern.conditions.Rich${name}Condition`,
  nestedConditions,
});
const isView = aviator("eventType == 'view'");
const isCart = aviator("eventType == 'cart'");
const isPurchase = aviator("eventType == 'purchase'");

/** In the order of rds_demo1 to rds_demo5: a vector of the pattern, and its conditions by stage. */
const RULES = [
  ['cross-sell-seed-rows', { first_view: isView, second_view: isView }],
  [
    'cart-abandonment-seed-user-without-purchase',
    {
      cart_add: rich('And', isCart, named('PriceOver', '200')),
      purchase: rich('Not', rich('Or', isView, rich('Not', isPurchase))),
    },
  ],
  ['purchase-intent-seed-rows', { initial_view: isView, repeat_view: isView }],
  [
    'price-sensitivity-seed-rows',
    {
      initial_view: isView,
      view_price_drop: rich('And', isView, named('CheaperThanFirst', 'initial_view')),
      cart_after_price_drop: isCart,
    },
  ],
  ['churn-seed-rows', { first_view: isView, purchase: isPurchase }],
] as const;

/** What Flink found for one of the five, and the row that its table would have. */
export interface FlinkRule {
  readonly name: string;
  readonly pattern: string;
  readonly events: VectorCase['events'];
  /** Each as `MATCH` or `TIMEOUT` with the numbers of its events by stage. */
  readonly expected: readonly string[];
}

export const FLINK_RULES: readonly FlinkRule[] = RULES.map(([name, conditions]) => {
  const found = VECTORS.cases.find((each) => each.name === name) as VectorCase;
  const nodes = found.pattern.nodes.map((node) => ({
    ...node,
    condition: (conditions as Record<string, object>)[node.name],
  }));
  const { matches, timeouts } = found.expected;
  return {
    name,
    pattern: JSON.stringify({ ...found.pattern, nodes }),
    events: found.events,
    expected: [
      ...matches.map(({ match }) => told('MATCH', match)),
      ...timeouts.map(({ match }) => told('TIMEOUT', match)),
    ].sort(),
  };
});

/** An alert, or what was expected, in one line. */
export function told(type: string, match: Readonly<Record<string, readonly unknown[]>>): string {
  const stages = Object.entries(match).filter(([, events]) => events.length > 0);
  return `${type} ${JSON.stringify(Object.fromEntries(stages))}`;
}
