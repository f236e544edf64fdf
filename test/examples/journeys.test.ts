// The example journeys, offline through Session. The literal ones must find what Flink found with the same
// patterns, case by case; the useful ones must do what their descriptions say, at their boundaries too.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import usefulJourneys, { type Click } from '../../examples/journeys.js';
import literalJourneys, * as literal from '../../examples/literal-journeys.js';
import tableJourneys from '../../examples/table-journeys.js';
import { compile } from '../../src/automaton/compile.js';
import type { CepEvent, EventData } from '../../src/event.js';
import { type CompiledJourneys, compileJourneys } from '../../src/rules/compiled.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import type { JourneySet } from '../../src/rules/journey.js';
import type { Alert } from '../../src/rules/rule.js';
import { journeysOfDocument } from '../../src/rules/rule-set.js';
import { Session } from '../../src/rules/session.js';
import {
  differenceOf,
  eventOf,
  stepsOf,
  type VectorCase,
  type VectorFile,
  type VectorOutcome,
} from '../../src/testing/vectors.js';
import { days, hours, MAX_TIMESTAMP, minutes, seconds, type Timestamp } from '../../src/time.js';
import { journeyOf } from '../rules/helpers.js';

const { cases } = JSON.parse(
  readFileSync(new URL('../vectors/clickstream.json', import.meta.url), 'utf8'),
) as VectorFile;
const caseOf = (name: string) => cases.find((vector) => vector.name === name) as VectorCase;

/** Runs events in time order through all journeys, each event where its key says, up to `end`. */
function alertsOf(
  { set, byId }: CompiledJourneys,
  events: readonly CepEvent[],
  end: Timestamp = MAX_TIMESTAMP,
): Alert[] {
  const sessions = new Map<string, Session>();
  const alerts: Alert[] = [];
  const advance = (watermark: Timestamp) => {
    for (const session of sessions.values()) {
      alerts.push(...session.advance(watermark).map(({ alert }) => alert));
    }
  };
  for (const event of events) {
    advance(event.timestamp - 1);
    for (const journey of set.journeys) {
      if (journey.accepts && !journey.accepts(event.data)) continue;
      const key =
        typeof journey.key === 'string' ? event.data[journey.key] : journey.key(event.data);
      const address = `${journey.id}/${key}`;
      const compiled = byId.get(journey.id);
      if (!compiled) throw new Error('every journey is compiled');
      const session = sessions.get(address) ?? new Session(compiled, String(key));
      sessions.set(address, session);
      session.accept(event);
    }
  }
  advance(end);
  return alerts;
}

describe('the literal patterns give what Flink gave', () => {
  /** The cases whose document has the same automaton, strategy and conditions, by expression. */
  const PATTERNS = {
    crossSell: ["event.eventType == 'view'", "event.eventType == 'view'"],
    cartAbandonment: [
      "event.eventType == 'cart' && event.price > 200.0",
      "event.eventType == 'purchase'",
    ],
    purchaseIntent: ["event.eventType == 'view'", "event.eventType == 'view'"],
    priceSensitivity: [
      "event.eventType == 'view'",
      "event.eventType == 'view' && event.productId == match.initial_view[0].productId && event.price < match.initial_view[0].price",
      "event.eventType == 'cart'",
    ],
    churn: ["event.eventType == 'view'", "event.eventType == 'purchase'"],
    payment: ["event.type == 'create'", "event.type == 'pay'"],
  } as const;

  function casesOf(pattern: keyof typeof PATTERNS): VectorCase[] {
    const wanted = compile(literal[pattern]);
    return cases.filter((vector) => {
      const document = parseDocument(vector.pattern);
      const found = compile(decode(document));
      const expressions = document.nodes.map(({ condition }) =>
        condition?.type === 'CEL' ? condition.expression : undefined,
      );
      return (
        found.fingerprint === wanted.fingerprint &&
        found.afterMatchSkip.type === wanted.afterMatchSkip.type &&
        JSON.stringify(expressions) === JSON.stringify(PATTERNS[pattern])
      );
    });
  }

  /** A case through a session whose one rule alerts on matches and timeouts. */
  function outcomeOf(pattern: keyof typeof PATTERNS, vector: VectorCase): VectorOutcome {
    const rule = { id: pattern, pattern: literal[pattern] };
    const alerting = { ...rule, onMatch: { alert: 'match' }, onTimeout: { alert: 'timeout' } };
    const session = new Session(journeyOf(alerting), 'key');
    const outcome: VectorOutcome = { matches: [], timeouts: [], late: [] };
    for (const step of stepsOf(vector)) {
      if ('event' in step) {
        session.accept(eventOf(vector, step.event));
        continue;
      }
      for (const { alert } of session.advance(step.watermark)) {
        const match = Object.fromEntries(
          Object.entries(alert.match).map(([stage, taken]) => [
            stage,
            taken.map((data) => vector.events.indexOf(data as (typeof vector.events)[number])),
          ]),
        );
        if (alert.type === 'match') outcome.matches.push({ match });
        else outcome.timeouts.push({ match, timeout: alert.at });
      }
    }
    return outcome;
  }

  test.each<[keyof typeof PATTERNS, number]>([
    ['crossSell', 5],
    ['cartAbandonment', 12],
    ['purchaseIntent', 6],
    ['priceSensitivity', 6],
    ['churn', 7],
    ['payment', 4],
  ])('%s, in %d cases', (pattern, count) => {
    const found = casesOf(pattern);
    expect(found.length).toBe(count);
    const differences = found.map((vector) => [
      vector.name,
      differenceOf(vector, outcomeOf(pattern, vector)),
    ]);
    expect(differences).toEqual(found.map(({ name }) => [name, null]));
  });
});

test('the literal journeys over all rows of the system: every alert, by rule and key', () => {
  const rows = caseOf('all-rows-churn');
  const events = rows.events.map((_, i) => eventOf(rows, i));
  const alerts = alertsOf(compileJourneys(literalJourneys as unknown as JourneySet), events);
  expect(alerts.map(({ rule, type, key }) => `${rule} ${type} ${key}`).sort()).toEqual([
    'cart-abandonment CART_ABANDONMENT b666b914-8abf-4ebe-b674-aa31a1d0f7ce',
    'cart-abandonment PURCHASE_COMPLETION 057050ba-adca-4c7f-99f3-e87d8f9bbded',
    'churn CHURN_RISK 563209914',
    ...Array(3).fill('cross-sell CROSS_UPSELL 69b5d72f-fd6e-4fed-aa23-1286b2ca89a0'),
    'price-sensitivity PRICE_SENSITIVITY 516616354',
    // Ten views: one alert for each view from the fourth on.
    ...Array(7).fill('purchase-intent PURCHASE_INTENT 657edcb2-767d-458c-9598-714c1e474e09'),
    'purchase-intent PURCHASE_INTENT 69b5d72f-fd6e-4fed-aa23-1286b2ca89a0',
    'purchase-intent PURCHASE_INTENT bdf051a8-1594-4630-b93d-2ba62b92d039',
  ]);
});

const useful = compileJourneys(usefulJourneys as unknown as JourneySet);
const START = Date.UTC(2026, 0, 1);

/** Clicks with a time from the start on; everything else as usual. */
function clicks(...rows: (Partial<Click> & { at: number })[]): CepEvent[] {
  return rows.map(({ at, ...row }, offset) => {
    const data: EventData = {
      eventTime: START + at,
      eventType: 'view',
      productId: 'p1',
      categoryId: 'c',
      categoryCode: 'shoes',
      brand: 'b',
      price: 100,
      userId: 'u',
      userSession: 's',
      ...row,
    };
    return { timestamp: START + at, source: 'test', partition: 0, offset, data };
  });
}

/** `TYPE after <ms from the start>: message`, of the rules asked for. */
function usefulAlerts(rule: string, rows: Parameters<typeof clicks>, end?: number): string[] {
  return alertsOf(useful, clicks(...rows), end === undefined ? undefined : START + end)
    .filter((alert) => alert.rule === rule)
    .map(({ type, at, message }) => `${type} after ${at - START}: ${message}`);
}

describe('churn', () => {
  const views = (count: number, everyMs: number) =>
    Array.from({ length: count }, (_, i) => ({ at: i * everyMs, productId: `p${i}` }));
  const risk = (last: number, product: string) =>
    `CHURN_RISK after ${last + days(7)}: Looked ten times, last at ${product}, and has not come back for a week`;
  const tenViews = views(10, hours(1));
  const last = hours(9);

  test('ten views and silence: one alert, a week after the last', () => {
    expect(usefulAlerts('churn', tenViews)).toEqual([risk(last, 'p9')]);
    expect(usefulAlerts('churn', tenViews, last + days(7) - 1)).toEqual([]);
    expect(usefulAlerts('churn', tenViews, last + days(7))).toEqual([risk(last, 'p9')]);
  });

  test('nine views: none', () => {
    expect(usefulAlerts('churn', views(9, hours(1)))).toEqual([]);
  });

  test('a purchase among the views: none', () => {
    const rows = [...views(10, hours(1))];
    rows.splice(5, 0, { at: hours(4) + 1, eventType: 'purchase' } as never);
    expect(usefulAlerts('churn', rows)).toEqual([]);
  });

  test('a purchase on the third day: none; one after the week changes nothing', () => {
    const bought = (at: number) => ({ at, eventType: 'purchase' as const });
    expect(usefulAlerts('churn', [...tenViews, bought(days(3))])).toEqual([]);
    expect(usefulAlerts('churn', [...tenViews, bought(last + days(7) - 1)])).toEqual([]);
    expect(usefulAlerts('churn', [...tenViews, bought(last + days(7))])).toEqual([
      risk(last, 'p9'),
    ]);
  });

  test('a view on the third day: the week begins anew', () => {
    const rows = [...tenViews, { at: days(3), productId: 'again' }];
    expect(usefulAlerts('churn', rows)).toEqual([risk(days(3), 'again')]);
  });

  test('two hundred views: one alert', () => {
    expect(usefulAlerts('churn', views(200, minutes(10)))).toEqual([
      risk(199 * minutes(10), 'p199'),
    ]);
  });

  test('a cart between the views does not matter: the journey does not accept it', () => {
    const rows: Parameters<typeof clicks> = [...tenViews];
    rows.splice(3, 0, { at: hours(2) + 1, eventType: 'cart' });
    expect(usefulAlerts('churn', rows)).toEqual([risk(last, 'p9')]);
  });

  test('ten views must lie within a week', () => {
    const spread = (whole: number) => views(10, whole / 9);
    expect(usefulAlerts('churn', spread(days(7)))).toEqual([risk(days(7), 'p9')]);
    expect(usefulAlerts('churn', spread(days(7) + 9))).toEqual([]);
  });

  test('another customer has a journey of his own', () => {
    const rows = tenViews.map((row, i) => ({ ...row, userId: i < 5 ? 'u1' : 'u2' }));
    expect(usefulAlerts('churn', rows)).toEqual([]);
  });
});

describe('purchase intent', () => {
  const at = (...products: string[]) =>
    products.map((productId, i) => ({ at: i * minutes(1), productId }));
  const intent = (ms: number, product: string) =>
    `PURCHASE_INTENT after ${ms}: Came back to product ${product} three times`;

  test('four views of one product: one alert; of different products: none', () => {
    expect(usefulAlerts('purchase-intent', at('a', 'a', 'a', 'a'))).toEqual([
      intent(minutes(3), 'a'),
    ]);
    expect(usefulAlerts('purchase-intent', at('a', 'b', 'c', 'd'))).toEqual([]);
    expect(usefulAlerts('purchase-intent', at('a', 'a', 'a', 'b'))).toEqual([]);
  });

  test('views of other products in between do not matter', () => {
    expect(usefulAlerts('purchase-intent', at('a', 'b', 'a', 'c', 'a', 'a'))).toEqual([
      intent(minutes(5), 'a'),
    ]);
  });

  test('views that were counted are not counted again', () => {
    expect(usefulAlerts('purchase-intent', at(...'aaaaaaa'))).toEqual([intent(minutes(3), 'a')]);
    expect(usefulAlerts('purchase-intent', at(...'aaaaaaaa'))).toEqual([
      intent(minutes(3), 'a'),
      intent(minutes(7), 'a'),
    ]);
  });

  test('within a quarter of an hour, exclusive', () => {
    const fourthAt = (ms: number) => [...at('a', 'a', 'a'), { at: ms, productId: 'a' }];
    expect(usefulAlerts('purchase-intent', fourthAt(minutes(15) - 1))).toEqual([
      intent(minutes(15) - 1, 'a'),
    ]);
    expect(usefulAlerts('purchase-intent', fourthAt(minutes(15)))).toEqual([]);
  });
});

describe('cart abandonment', () => {
  const cart = { at: 0, eventType: 'cart' as const, price: 250.5 };
  const left = `CART_ABANDONMENT after ${minutes(10)}: Product p1 at 250.5 was left in the cart`;
  const bought = (at: number) => ({ at, eventType: 'purchase' as const });

  test.each<[string, Parameters<typeof clicks>, string[]]>([
    ['left', [cart], [left]],
    ['worth 200, not more', [{ ...cart, price: 200 }], []],
    [
      'bought a millisecond before the end',
      [cart, bought(minutes(10) - 1)],
      [`PURCHASE_COMPLETION after ${minutes(10) - 1}: Product p1 at 250.5 was bought`],
    ],
    ['bought at the end', [cart, bought(minutes(10))], [left]],
    ['bought in another session', [cart, { ...bought(1), userSession: 'other' }], [left]],
  ])('%s', (_, rows, alerts) => {
    expect(usefulAlerts('cart-abandonment', rows)).toEqual(alerts);
  });
});

describe('cross-sell', () => {
  test('two categories one right after the other, within five minutes', () => {
    const rows = (at: number, categoryCode: string) => [{ at: 0 }, { at, categoryCode }] as const;
    const alert = (ms: number) => [`CROSS_UPSELL after ${ms}: Looks at shoes and at hats`];
    expect(usefulAlerts('cross-sell', [...rows(minutes(5) - 1, 'hats')])).toEqual(
      alert(minutes(5) - 1),
    );
    expect(usefulAlerts('cross-sell', [...rows(minutes(5), 'hats')])).toEqual([]);
    expect(usefulAlerts('cross-sell', [...rows(1, 'shoes')])).toEqual([]);
  });
});

describe('price sensitivity', () => {
  const rows = (change: Partial<Click>): Parameters<typeof clicks> => [
    { at: 0, price: 100 },
    { at: seconds(1), price: 80, ...change },
    { at: seconds(2), eventType: 'cart', price: 80 },
  ];

  test('the same product, cheaper, then the cart', () => {
    expect(usefulAlerts('price-sensitivity', rows({}))).toEqual([
      `PRICE_SENSITIVITY after ${seconds(2)}: Took product p1 when it fell from 100 to 80`,
    ]);
    expect(usefulAlerts('price-sensitivity', rows({ price: 100 }))).toEqual([]);
    expect(usefulAlerts('price-sensitivity', rows({ productId: 'p2' }))).toEqual([]);
  });
});

describe('payment', () => {
  const created = { at: 0, eventType: 'create' as const, orderId: 'o1' };
  const paid = (at: number, orderId = 'o1') => ({ at, eventType: 'pay' as const, orderId });
  const timeout = `PAYMENT_TIMEOUT after ${minutes(15)}: Order o1 was not paid within fifteen minutes`;
  const success = (at: number) => `PAYMENT_SUCCESS after ${at}: Order o1 is paid`;

  test.each<[string, Parameters<typeof clicks>, number | undefined, string[]]>([
    ['not paid', [created], undefined, [timeout]],
    ['not yet', [created], minutes(15) - 1, []],
    ['fifteen minutes have passed', [created], minutes(15), [timeout]],
    ['paid at once', [created, paid(0)], undefined, [success(0)]],
    [
      'paid a millisecond before the end',
      [created, paid(minutes(15) - 1)],
      undefined,
      [success(minutes(15) - 1)],
    ],
    ['paid after exactly fifteen minutes', [created, paid(minutes(15))], undefined, [timeout]],
    ['another order was paid', [created, paid(1, 'o2')], undefined, [timeout]],
  ])('%s', (_, rows, end, alerts) => {
    expect(usefulAlerts('payment', rows, end)).toEqual(alerts);
  });

  test('the shop journeys do not see orders, nor the order journey clicks', () => {
    const all = alertsOf(useful, clicks(created, paid(1), { at: 2 }));
    expect(all.map(({ journey, rule }) => `${journey}/${rule}`)).toEqual(['order/payment']);
  });
});

test('the journeys for rules from a table are those of the rule set, without its rules', () => {
  const five = JSON.parse(
    readFileSync(new URL('../../examples/five.json', import.meta.url), 'utf8'),
  );
  const types = ['view', 'cart', 'purchase', 'create', 'pay', 'other'];
  const inShort = ({ journeys, ...set }: JourneySet) => ({
    ...{ eventTime: set.eventTime, eventId: set.eventId, fields: set.fields },
    journeys: journeys.map(({ id, description, key, accepts }) => ({
      ...{ id, description, key },
      accepted: types.filter((eventType) => accepts?.({ eventType })),
    })),
  });
  expect(inShort(tableJourneys as JourneySet)).toEqual(inShort(journeysOfDocument(five)));
  expect(tableJourneys.journeys.flatMap(({ rules }) => rules)).toEqual([]);
});
