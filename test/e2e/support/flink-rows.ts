// The rows of the sample system, and what Flink made of them by the rules to the letter (test/vectors/clickstream.json).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Alert } from '../../../src/rules/rule.js';
import type { VectorFile } from '../../../src/testing/vectors.js';
import { ROOT } from './cli.js';

// One session each, by the vectors' seed rows; of the alerts by session and type:
//   69b5d72f  4 views of 4 categories  3 CROSS_UPSELL (each neighbouring pair), 1 PURCHASE_INTENT (any
//             view and the three behind it, whatever their products)
//   b666b914  a cart over 200           1 CART_ABANDONMENT, ten minutes later
//   057050ba  a cart and its purchase   1 PURCHASE_COMPLETION
//   bdf051a8  4 views of one product    1 PURCHASE_INTENT; no CROSS_UPSELL, for the category is one
//   f9233034  view, cheaper view, cart  1 PRICE_SENSITIVITY
//   657edcb2  10 views and a cart       7 PURCHASE_INTENT (each view with three behind it), 1 CHURN_RISK
/** Alerts of all rows, by type. */
export const ALERTS_BY_TYPE = {
  CROSS_UPSELL: 3,
  PURCHASE_INTENT: 9,
  CART_ABANDONMENT: 1,
  PURCHASE_COMPLETION: 1,
  PRICE_SENSITIVITY: 1,
  CHURN_RISK: 1,
};

/** The vectors number the events anew, and hand their time over beside them. */
export function withoutIds(match: Alert['match']): Record<string, object[]> {
  return Object.fromEntries(
    Object.entries(match).map(([stage, events]) => [
      stage,
      events.map((event) => {
        const { id: _, timestamp: __, ...fields } = event as Record<string, unknown>;
        return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
      }),
    ]),
  );
}

/** Event by event what Flink made of the seed rows. */
export function expectFlinksAlerts(alerts: readonly Alert[]): void {
  const suite = JSON.parse(
    readFileSync(join(ROOT, 'test/vectors/clickstream.json'), 'utf8'),
  ) as VectorFile;
  const seeds: [vector: string, match: string, timeout?: string][] = [
    ['cross-sell-seed-rows', 'CROSS_UPSELL'],
    ['cart-abandonment-seed-user-without-purchase', '', 'CART_ABANDONMENT'],
    ['cart-abandonment-seed-user-with-purchase', 'PURCHASE_COMPLETION'],
    ['purchase-intent-seed-rows', 'PURCHASE_INTENT'],
    ['price-sensitivity-seed-rows', 'PRICE_SENSITIVITY'],
    ['churn-seed-rows', 'CHURN_RISK'],
  ];
  for (const [name, match, timeout] of seeds) {
    const vector = suite.cases.find((each) => each.name === name);
    if (!vector) throw new Error(`no vector ${name}`);
    const { matches = [], timeouts = [] } = vector.expected;
    const outputs = timeout ? timeouts : matches;
    expect(outputs.length).toBeGreaterThan(0);
    const fromFlink = outputs.map((output) =>
      withoutIds(
        Object.fromEntries(
          Object.entries(output.match).map(([stage, indices]) => [
            stage,
            indices.map((i) => vector.events[i]),
          ]),
        ) as Alert['match'],
      ),
    );
    const { userSession, userId } = vector.events[0] as Record<string, unknown>;
    const ours = alerts.filter(
      ({ type, key }) => type === (timeout ?? match) && (key === userSession || key === userId),
    );
    expect(
      ours.map((alert) => withoutIds(alert.match)),
      name,
    ).toEqual(fromFlink);
    if (timeout) expect(ours.map(({ at }) => at)).toEqual(timeouts.map((each) => each.timeout));
  }
}

export function byType(alerts: readonly Alert[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of alerts) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}
