// Rules that change between two events of a session: what goes on, what ends, and what is never heard of again.

import { describe, expect, test } from 'vitest';
import { compileJourneys } from '../../src/rules/compiled.js';
import { RuleBook } from '../../src/rules/in-force.js';
import { LiveJourneys } from '../../src/rules/live-journeys.js';
import type { OnChange, RuleInForce } from '../../src/rules/revision.js';
import { Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import { eventAt, journeyOf } from './helpers.js';

const book = new RuleBook({ set: { eventTime: 't', fields: {}, journeys: [] }, byId: new Map() });

/** Something, then an end of the same kind within 100 ms; a timeout is an alert too. */
function rule(version: number, expression: string, changes: Partial<RuleInForce> = {}) {
  const stage = (name: string, when: string) => ({
    name,
    type: 'ATOMIC' as const,
    quantifier: { properties: ['SINGLE'] },
    condition: { type: 'CEL', expression: when },
  });
  return {
    row: {
      id: 'carts',
      version,
      journey: 'shop',
      pattern: {
        nodes: [stage('cart', expression), stage('buy', "event.type == 'buy'")],
        edges: [{ source: 'cart', target: 'buy', type: 'SKIP_TILL_NEXT' }],
        window: { type: 'FIRST_AND_LAST', time: { unit: 'MILLISECONDS', size: 100 } },
      },
      onMatch: { alert: 'BOUGHT', effects: ['thank'] },
      onTimeout: { alert: 'LEFT' },
    },
    key: 'user',
    table: 'cep_rules',
    mode: 'on',
    onChange: 'finish',
    ...changes,
  } satisfies RuleInForce;
}
const over200 = rule(1, "event.type == 'cart' && event.price > 200.0");
const over100 = (onChange: OnChange = 'finish') =>
  rule(2, "event.type == 'cart' && event.price > 100.0", { onChange });

/** A session that is told what it sees and which rules hold, one after the other. */
function sessionUnder(...first: RuleInForce[]) {
  let session = new Session(book.journey('shop', first), 'k');
  const alerts: string[] = [];
  const step = (watermark: number) => {
    for (const { alert, effects } of session.advance(watermark)) {
      const told = [alert.type, alert.at, ...effects, ...(alert.shadow ? ['shadow'] : [])];
      alerts.push(told.join(' '));
    }
  };
  return {
    alerts,
    cart: (at: number, price: number) => {
      session.accept(eventAt(at, { type: 'cart', price }));
      step(at);
    },
    buy: (at: number) => {
      session.accept(eventAt(at, { type: 'buy' }));
      step(at);
    },
    step,
    change: (...rules: RuleInForce[]) => session.change(book.journey('shop', rules)),
    /** As through continue-as-new. */
    reload: (...rules: RuleInForce[]) => {
      const snapshot = JSON.parse(JSON.stringify(session.snapshot()));
      session = new Session(book.journey('shop', rules), 'k', snapshot, null, (former) =>
        book.rule('shop', former),
      );
    },
    view: () =>
      session.view().map(({ version, openCount, isRetiring = false, counts }) => ({
        version,
        openCount,
        isRetiring,
        ...{ matches: counts.matches, timeouts: counts.timeouts, dropped: counts.dropped },
      })),
    get isIdle() {
      return session.isIdle;
    },
    session: () => session,
  };
}

test('a threshold changes what the next cart does, and the one before ends under the old text', () => {
  const { alerts, cart, buy, step, change, view } = sessionUnder(over200);
  cart(10, 150);
  cart(20, 250);
  change(over100());
  const counts = { matches: 0, timeouts: 0, dropped: 0 };
  expect(view()).toEqual([
    { version: 2, openCount: 0, isRetiring: false, ...counts },
    { version: 1, openCount: 1, isRetiring: true, ...counts },
  ]);
  cart(30, 150);
  cart(40, 250);
  // Of the old text one, of the new one two; nothing begins twice.
  buy(50);
  expect(alerts).toEqual(['BOUGHT 50 thank', 'BOUGHT 50 thank', 'BOUGHT 50 thank']);
  step(1_000);
  expect(alerts).toHaveLength(3);
  expect(view()).toEqual([{ version: 2, openCount: 0, isRetiring: false, ...counts, matches: 3 }]);
});

test('a former text still ends by its window, and its timeout is told', () => {
  const { alerts, cart, step, change } = sessionUnder(over200);
  cart(20, 250);
  change(over100());
  step(119);
  expect(alerts).toEqual([]);
  step(120);
  expect(alerts).toEqual(['LEFT 120']);
});

test('under reset what is open is dropped and counted', () => {
  const { alerts, cart, step, change, view, ...of } = sessionUnder(over200);
  cart(20, 250);
  change(over100('reset'));
  expect(view()).toEqual([
    { version: 2, openCount: 0, isRetiring: false, matches: 0, timeouts: 0, dropped: 1 },
  ]);
  expect(of.session().isIdle).toBe(true);
  step(MAX_TIMESTAMP);
  expect(alerts).toEqual([]);
});

test('a rule that is off emits nothing more, neither by its present nor by its former text', () => {
  const { alerts, cart, buy, step, change, view } = sessionUnder(over200);
  cart(20, 250);
  change(over100());
  cart(30, 150);
  const lost = { rule: 'carts', partialMatches: 1, why: 'RULE_REMOVED' };
  expect(change()).toEqual([lost, lost]);
  expect(view()).toEqual([]);
  buy(40);
  step(MAX_TIMESTAMP);
  expect(alerts).toEqual([]);
});

test('a text that comes back goes on with what it had open', () => {
  const { alerts, cart, step, change, view } = sessionUnder(over200);
  cart(20, 250);
  change(over100());
  change(over200);
  expect(view()).toMatchObject([{ version: 1, openCount: 1, isRetiring: false }]);
  cart(30, 250);
  step(MAX_TIMESTAMP);
  expect(alerts).toEqual(['LEFT 120', 'LEFT 130']);
});

test('what waits for the watermark is matched by the rules of its time', () => {
  const { alerts, step, change, session } = sessionUnder(over200);
  session().accept(eventAt(20, { type: 'cart', price: 150 }));
  change(over100());
  session().accept(eventAt(30, { type: 'buy' }));
  step(30);
  expect(alerts).toEqual(['BOUGHT 30 thank']);
});

test('a shadow is recorded and sets nothing off; switched on, it goes on', () => {
  const { alerts, cart, buy, change } = sessionUnder({ ...over200, mode: 'shadow' });
  cart(20, 250);
  buy(30);
  expect(alerts).toEqual(['BOUGHT 30 shadow']);
  cart(40, 250);
  change(over200);
  buy(50);
  expect(alerts).toEqual(['BOUGHT 30 shadow', 'BOUGHT 50 thank']);
});

test('a text of which only the message changes is the same rule', () => {
  const { cart, change, view, alerts, buy } = sessionUnder(over200);
  cart(20, 250);
  const onMatch = { alert: 'BOUGHT', effects: ['mail'] };
  change({ ...over200, row: { ...over200.row, onMatch } });
  expect(view()).toMatchObject([{ openCount: 1, isRetiring: false }]);
  buy(30);
  expect(alerts).toEqual(['BOUGHT 30 mail']);
});

test('a former text survives a snapshot, begins nothing, and ends', () => {
  const { cart, change, reload, view, step, buy, alerts } = sessionUnder(over200);
  cart(20, 250);
  change(over100());
  reload(over100());
  expect(view()).toMatchObject([
    { version: 2, openCount: 0, isRetiring: false },
    { version: 1, openCount: 1, isRetiring: true },
  ]);
  cart(30, 150);
  step(40);
  buy(50);
  expect(alerts).toEqual(['BOUGHT 50 thank', 'BOUGHT 50 thank']);
  step(60);
  reload(over100());
  expect(view()).toMatchObject([{ version: 2, openCount: 0, isRetiring: false }]);
});

describe('journeys while they change', () => {
  const shop = journeyOf();
  const live = () =>
    new LiveJourneys(
      compileJourneys({
        eventTime: 't',
        fields: {},
        journeys: [{ ...shop.journey, id: 'module' }],
      }),
    );

  test('an entry answers by the newest revision, and never by an older one', () => {
    const journeys = live();
    expect(journeys.byId.has('shop')).toBe(false);
    journeys.take({ revision: 2, rules: [over200] });
    const entry = journeys.byId.get('shop');
    const begins = (price: number) => entry?.canBegin(eventAt(1, { type: 'cart', price }));
    expect([begins(150), begins(250)]).toEqual([false, true]);
    expect(entry?.journey.key).toBe('user');
    expect(entry?.shortestWindowMs).toBe(100);
    journeys.take({ revision: 3, rules: [over100()] });
    journeys.take({ revision: 2, rules: [over200] });
    expect([begins(150), journeys.revisionOf('shop')]).toEqual([true, 3]);
    journeys.take({ revision: 4, rules: [] });
    expect([begins(150), entry?.journey.accepts?.({})]).toEqual([false, false]);
  });

  test('a journey of the module keeps its own rules beside those of the table', () => {
    const journeys = live();
    const own = { ...over200, row: { ...over200.row, journey: 'module' } };
    journeys.take({ revision: 1, rules: [own] });
    expect(journeys.byId.get('module')?.rules.map(({ rule }) => rule.id)).toEqual(['carts']);
    expect(journeys.byId.get('module')?.journey.key).toBe('key');
  });

  test('a journey whose rules stay as they are keeps its revision', () => {
    const journeys = live();
    const own = { ...over200, row: { ...over200.row, journey: 'module' } };
    journeys.take({ revision: 1, rules: [over200] });
    journeys.take({ revision: 2, rules: [over200, own] });
    expect(['shop', 'module'].map((id) => journeys.revisionOf(id))).toEqual([1, 2]);
  });

  test('a row that cannot be read changes nothing', () => {
    const journeys = live();
    journeys.take({ revision: 1, rules: [over200] });
    const bad = rule(2, 'event.type ==');
    expect(() => journeys.take({ revision: 2, rules: [bad] })).toThrow(/\$\.pattern/);
    expect(journeys.revisionOf('shop')).toBe(1);
  });
});

describe('a hand-over', () => {
  const begun = rule(1, "event.type == 'cart' && event.price > 200.0", {
    start: { handOver: 'h', source: 'test', offsets: { 0: 50 } },
  });
  /** What a backtest up to offset 50 leaves open. */
  const past = () => {
    const { cart, session } = sessionUnder(over200);
    cart(20, 250);
    session().accept(eventAt(49, { type: 'cart', price: 300 }));
    return JSON.parse(JSON.stringify(session().handOver('h')));
  };
  /** A session that begins with it when its own time is at 45. */
  const begin = (handedOver = past()) => {
    const of = sessionUnder();
    of.step(45);
    of.session().change(book.journey('shop', [begun]), handedOver);
    return of;
  };

  test('what is open, and what waits, goes on; nothing is taken that the backtest has had', () => {
    const { alerts, buy, step, session } = begin();
    // Delivered again, and in the middle of it what nobody has had.
    session().accept(eventAt(48, { type: 'buy' }));
    session().accept(eventAt(49, { type: 'cart', price: 300 }));
    step(50);
    expect(session().view()[0]?.openCount).toBe(2);
    buy(60);
    expect(alerts).toEqual(['BOUGHT 60 thank', 'BOUGHT 60 thank']);
  });

  test('a rule that is behind its session catches up, also where time stands still', () => {
    const of = sessionUnder();
    of.step(200);
    of.session().change(book.journey('shop', [begun]), past());
    of.step(200);
    expect(of.alerts).toEqual(['LEFT 120', 'LEFT 149']);
  });

  test('what is for another hand-over, or another text, is not taken', () => {
    const [open] = past();
    for (const other of [
      { ...open, handOver: 'other' },
      { ...open, hash: 'other' },
    ]) {
      expect(begin([other]).session().isIdle).toBe(true);
    }
  });

  test('the start outlives a run', () => {
    const of = begin();
    of.reload(begun);
    of.session().accept(eventAt(48, { type: 'buy' }));
    of.step(119);
    expect(of.alerts).toEqual([]);
    of.step(MAX_TIMESTAMP);
    expect(of.alerts).toEqual(['LEFT 120', 'LEFT 149']);
  });
});
