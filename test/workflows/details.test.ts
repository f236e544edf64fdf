// The Markdown that the Temporal UI shows of a session, literally.

import { describe, expect, test } from 'vitest';
import { begin } from '../../src/pattern/pattern.js';
import { Session } from '../../src/rules/session.js';
import { minutes, seconds } from '../../src/time.js';
import { detailsOf } from '../../src/workflows/details.js';
import type { SessionState } from '../../src/workflows/session.js';
import { eventAt, journeyOf, play } from '../rules/helpers.js';

const START = Date.UTC(2026, 0, 31, 12);
const isKind = (kind: string) => (event: Record<string, unknown>) => event.eventType === kind;

const journey = journeyOf(
  {
    id: 'cart-abandonment',
    description: 'A cart, and no purchase within ten minutes',
    pattern: begin('cart')
      .where(isKind('cart'))
      .followedBy('purchase')
      .where(isKind('purchase'))
      .within(minutes(10)),
    onTimeout: { alert: 'CART_ABANDONMENT' },
  },
  {
    id: 'views',
    pattern: begin('views').where(isKind('view')).times(3),
    onMatch: {
      alert: 'VIEWS',
      message: () => {
        throw new Error('no | such\nfield');
      },
    },
  },
);

function stateOf(session: Session, change: Partial<SessionState['counts']> = {}, openMax?: number) {
  return {
    journey: 'shopping',
    key: 'user_1',
    watermark: session.watermark,
    nextDeadline: session.nextDeadline,
    rules: session.view(openMax),
    sources: [],
    counts: {
      events: 5,
      repeats: 0,
      late: 0,
      refused: 0,
      skipped: 0,
      alerts: 0,
      ...change,
    },
    publishing: 0,
  } as unknown as SessionState;
}

test('what a limit took away is told in bold', () => {
  const pattern = begin('cart')
    .where(isKind('cart'))
    .followedBy('purchase')
    .where(isKind('purchase'))
    .within(minutes(10));
  const limited = journeyOf({ id: 'few', pattern, limits: { partialMatches: 1 } });
  const session = new Session(limited, 'k');
  play(
    session,
    [0, 1, 2].map((n) => eventAt(START + n, { eventType: 'cart' }, n)),
    START + 2,
  );
  const text = detailsOf(stateOf(session, { refused: 7 }));
  expect(text).toMatch(/5 events, 0 alerts, \*\*7 refused for want of room\*\*\./);
  expect(text).toMatch(/ \*\*\d partial matches dropped\*\*\./);
});

test('what was handed over and waits for its rules', () => {
  const state = { ...stateOf(new Session(journeyOf(), 'k')), handedOver: ['carts', 'views_3'] };
  expect(detailsOf(state)).toContain(
    '**Handed over, and not in force yet**: what a backtest left open of carts, views\\_3.',
  );
});

test('a session in the middle of two rules', () => {
  const session = new Session(journey, 'k');
  const events = [
    { at: 0, eventType: 'cart', productId: 'p*1', price: 250.5, brand: 'not shown' },
    { at: seconds(1), eventType: 'view', productId: 'a' },
    { at: seconds(2), eventType: 'view', productId: 'b', price: null },
    { at: seconds(3), eventType: 'view', productId: 'c' },
    { at: seconds(90), eventType: 'cart', productId: '<img>\n# x', price: 1 },
  ].map(({ at, ...data }, i) => eventAt(START + at, data, i));
  play(session, events, START + seconds(90));
  const counts = { alerts: 3, repeats: 2, late: 1 };
  expect(detailsOf(stateOf(session, counts))).toBe(`\
**shopping** for **user\\_1**: 5 events, 3 alerts, 2 repeats dropped, 1 late.
Event time has reached 2026-01-31 12:01:30 UTC.

### cart-abandonment
*A cart, and no purchase within ten minutes*

So far 0 matches, 0 timeouts.

| next | has taken | ends |
|---|---|---|
| purchase | **cart**: cart, p\\*1, 250.5 at 12:00:00 | 2026-01-31 12:10:00 UTC, in 8 min 30 s of event time |
| purchase | **cart**: cart, \\<img\\> \\# x, 1 at 12:01:30 | 2026-01-31 12:11:30 UTC, in 10 min of event time |

### views
So far 1 match, 0 timeouts, 1 condition error.
Last error: match without alert: no \\| such field

| next | has taken | ends |
|---|---|---|
| views | **views**: view, b at 12:00:02; view, c at 12:00:03 | no window |
| views | **views**: view, c at 12:00:03 | no window |
`);
});

describe('the rest', () => {
  test('a session before its first event', () => {
    expect(detailsOf(stateOf(new Session(journey, 'k'), { events: 0 }))).toBe(`\
**shopping** for **user\\_1**: 0 events, 0 alerts.
Event time has reached before the first event.

### cart-abandonment
*A cart, and no purchase within ten minutes*

So far 0 matches, 0 timeouts.
Nothing open.

### views
So far 0 matches, 0 timeouts.
Nothing open.
`);
  });

  test('more open matches than are shown are counted', () => {
    const session = new Session(journey, 'k');
    const carts = [0, 1, 2].map((i) => eventAt(START + i, { eventType: 'cart', productId: i }, i));
    play(session, carts, START + 2);
    const lines = detailsOf(stateOf(session, {}, 1)).split('\n');
    expect(lines.filter((line) => line.startsWith('| '))).toEqual([
      '| next | has taken | ends |',
      '| purchase | **cart**: cart, 0 at 12:00:00 | 2026-01-31 12:10:00 UTC, in 9 min 59 s of event time |',
      '| | and 2 more | |',
    ]);
  });

  test('rules with something open come first', () => {
    const session = new Session(journey, 'k');
    play(session, [eventAt(START, { eventType: 'view' })], START);
    const headings = detailsOf(stateOf(session)).match(/^### .*$/gm);
    expect(headings).toEqual(['### views', '### cart-abandonment']);
  });

  test('no character of a customer makes markup', () => {
    const hostile = '\\ ` * _ { } [ ] < > ( ) # + ! | ~\r\n\n| a | b |';
    const text = detailsOf({
      ...stateOf(new Session(journey, 'k')),
      key: hostile,
      rules: [],
    });
    expect(text.split('\n')[0]).toBe(
      '**shopping** for **\\\\ \\` \\* \\_ \\{ \\} \\[ \\] \\< \\> \\( \\) \\# \\+ \\! \\| \\~ \\| a \\| b \\|**: 5 events, 0 alerts.',
    );
  });

  test('the end of time has words', () => {
    const session = new Session(journey, 'k');
    session.advance(Number.MAX_SAFE_INTEGER);
    expect(detailsOf(stateOf(session)).split('\n')[1]).toBe(
      'Event time has reached the end of the stream.',
    );
  });
});
