// What events make of sums and totals, without a database: money to the last place, days of a zone, the last of several, minutes of the latest.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Aggregate, aggregatesOf, isLate } from '../../src/analytics/aggregate.js';
import { daysOf } from '../../src/analytics/day.js';
import { readAnalytics } from '../../src/analytics/declaration.js';
import { countDay, type PageView } from '../../src/analytics/page-views.js';
import { addRecharge, type Recharge, type RechargeSum } from '../../src/analytics/recharge.js';
import { formatAmount } from '../../src/money.js';
import { openZone } from '../../src/zone.js';

const one = (aggregate: object, zone = 'Asia/Shanghai') =>
  aggregatesOf(readAnalytics({ zone, aggregates: { it: aggregate } }))[0] as Aggregate;
const RECHARGE = { appkey: 'a', serverid: 1, servertime: '2020-09-30 14:10:36', roleid: 'r' };

const read = (changes: object, zone?: string) =>
  one({ kind: 'recharge' }, zone).read({ ...RECHARGE, consumenum: 1, ...changes }) as Recharge;

test.each([
  [33.8, '33.80'],
  [0.1, '0.10'],
  [-5, '-5.00'],
  [100000000000.25, '100000000000.25'],
  ['33.8000', '33.80'],
  [' 12.3456 ', '12.3456'],
  ['999999999999.9999', '999999999999.9999'],
])('an amount of %j is %s', (consumenum, amount) => {
  expect(formatAmount(read({ consumenum }).amount)).toBe(amount);
});

test.each([
  0.12345,
  1e-7,
  1e21,
  0.1 + 0.2,
  Number.NaN,
  2 ** 53,
  '1e3',
  '1,5',
  '12.34567',
  '1234567890123',
  '',
  null,
  undefined,
  true,
  {},
])('an amount of %j is none', (consumenum) => {
  expect(() => read({ consumenum })).toThrow(
    /^field "consumenum" (should be a decimal|has more digits)/,
  );
});

test.each<[changes: object, message: RegExp]>([
  [{ appkey: '' }, /^field "appkey" should be text or a number, found ""$/],
  [{ appkey: 'x'.repeat(65) }, /^field "appkey" should have 64 characters at most/],
  [{ roleid: 'a\0b' }, /^field "roleid" should be text that a database takes/],
  [{ serverid: '\ud800' }, /^field "serverid" should be text that a database takes/],
  [{ servertime: '30.09.2020' }, /^field "servertime" should hold the event time/],
  [{ servertime: '2020-02-30 10:00:00' }, /^field "servertime" should hold the event time/],
])('%j is refused', (changes, message) => {
  expect(() => read(changes)).toThrow(message);
});

test.each([
  // The clock goes from 02:00 to 03:00, and back from 03:00 to 02:00: days of 23 and 25 hours.
  ['Europe/Berlin', Date.UTC(2024, 2, 30, 22, 59), '2024-03-30'],
  ['Europe/Berlin', Date.UTC(2024, 2, 30, 23), '2024-03-31'],
  ['Europe/Berlin', Date.UTC(2024, 2, 31, 21, 59), '2024-03-31'],
  ['Europe/Berlin', Date.UTC(2024, 2, 31, 22), '2024-04-01'],
  ['Europe/Berlin', Date.UTC(2024, 9, 26, 22), '2024-10-27'],
  ['Europe/Berlin', Date.UTC(2024, 9, 27, 22, 59), '2024-10-27'],
  ['Europe/Berlin', Date.UTC(2024, 9, 27, 23), '2024-10-28'],
  ['Europe/Berlin', '2024-10-27 23:59:59', '2024-10-27'],
  ['Europe/Berlin', '2024-10-27T22:30:00-05:00', '2024-10-28'],
  // There is no midnight on this day.
  ['America/Sao_Paulo', '2018-11-04 00:30:00', '2018-11-04'],
  ['Asia/Shanghai', '2020-09-30 00:00:00', '2020-09-30'],
])('in %s %s is of %s', (zone, servertime, day) => {
  expect(read({ servertime }, zone).day).toBe(day);
});

test('a sum has the last event by time, and of several the one that arrived last', () => {
  const at = (time: number, role: string, amount = 1) =>
    ({ ...read({ consumenum: amount, roleid: role }), time }) as Recharge;
  const sums = [at(5, 'a'), at(3, 'b', -2), at(5, 'c', 0.5)].reduce<RechargeSum | undefined>(
    addRecharge,
    undefined,
  );
  expect(sums).toMatchObject({ lastTime: 5, role: 'c', amount: -5_000n });
});

/** Reads page views of one day's events. */
function viewer() {
  const aggregate = one({ kind: 'page-views' });
  return (c_time: string, client_ip: string) =>
    aggregate.read({ p_dt: '2021-12-01', c_time, client_ip }) as PageView;
}

test('page views: a minute is that of the latest time so far, and a visitor counts once', () => {
  const days = daysOf(openZone('Asia/Shanghai'));
  const view = viewer();
  const events = [
    view('2021-12-01 19:10:00', 'x'),
    view('2021-12-01 19:12:00', 'y'),
    view('2021-12-01 19:11:00', 'x'),
    view('2021-12-01 19:12:30', 'known'),
  ];
  const before = { pv: 7, uv: 3, lastTime: null };
  const isKnown = (visitor: string) => visitor === 'known';
  const { totals, minutes, newVisitors } = countDay(before, events, { isKnown, days });
  expect(totals).toMatchObject({ pv: 11, uv: 5 });
  expect([...minutes]).toEqual([
    ['19:10', { pv: 8, uv: 4 }],
    ['19:12', { pv: 11, uv: 5 }],
  ]);
  expect(newVisitors).toEqual(['x', 'y']);
});

test('page views: a time of another day than the event names moves no minute', () => {
  const days = daysOf(openZone('Asia/Shanghai'));
  const view = viewer();
  const events = [
    view('2021-11-30 23:59:58', 'x'),
    view('2021-12-01 00:00:01', 'y'),
    view('2021-12-01 23:59:59', 'x'),
    view('2021-12-02 00:00:03', 'z'),
    view('2021-12-01 23:59:59', 'x'),
  ];
  const rows = [
    ['00:00', { pv: 2, uv: 2 }],
    ['23:59', { pv: 5, uv: 3 }],
  ];
  const before = { pv: 0, uv: 0, lastTime: null };
  const { totals, minutes } = countDay(before, events, { isKnown: () => false, days });
  expect([...minutes]).toEqual(rows);
  expect(totals.lastTime).toBe(events[2]?.time);
  // Where nothing else has come yet, it is as the day begins: what follows stands behind it.
  const early = countDay(before, events.slice(3, 4), { isKnown: () => false, days });
  expect([...early.minutes]).toEqual([['00:00', { pv: 1, uv: 1 }]]);
  expect(early.totals.lastTime).toBeNull();
});

test('a day counted in pieces is what it is in one', () => {
  const days = daysOf(openZone('Europe/Berlin'));
  const event = fc.record({
    time: fc.integer({ min: 0, max: 7_200_000 }),
    visitor: fc.constantFrom('a', 'b', 'c', 'd'),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), fc.nat(30), (raw, cut) => {
      const events = raw.map(
        (each) => ({ ...each, kind: 'page-views', day: '1970-01-01' }) as const,
      );
      const none = { pv: 0, uv: 0, lastTime: null };
      const whole = countDay(none, events, { isKnown: () => false, days });
      const first = countDay(none, events.slice(0, cut), { isKnown: () => false, days });
      const seen = new Set(first.newVisitors);
      const rest = countDay(first.totals, events.slice(cut), { isKnown: (v) => seen.has(v), days });
      expect(rest.totals).toEqual(whole.totals);
      expect(new Map([...first.minutes, ...rest.minutes])).toEqual(whole.minutes);
    }),
  );
});

test('a page view without a day is of the day of its time', () => {
  const aggregate = one({ kind: 'page-views' });
  const data = { c_time: '2021-12-01T17:00:00Z', client_ip: '1' };
  expect(aggregate.read(data)).toMatchObject({ day: '2021-12-02' });
  expect(() => aggregate.read({ ...data, p_dt: '2021-13-01' })).toThrow(/"p_dt" should be a day/);
});

test('where: text and numbers are the same, and what is not meant is told apart', () => {
  const { means } = one({ kind: 'page-views', where: { type: 'view', site: 7 } });
  expect(means({ type: 'view', site: 7 })).toBe(true);
  expect(means({ type: 'view', site: '7' })).toBe(true);
  expect(means({ type: 'view' })).toBe(false);
  expect(means({ type: null, site: 7 })).toBe(false);
});

test('late is what is older than the largest time allows', () => {
  expect(isLate(0, null, 10)).toBe(false);
  expect(isLate(90, 100, 10)).toBe(false);
  expect(isLate(89, 100, 10)).toBe(true);
});

test.each<[path: string, message: string, document: unknown]>([
  ['$.aggregates', 'name one at least', { aggregates: {} }],
  [
    '$.zone',
    'no time zone of this name: write one of the IANA’s, such as Europe/Berlin',
    { zone: 'Mars', aggregates: { a: { kind: 'recharge' } } },
  ],
  [
    '$.aggregates.a.table',
    'write the name of a table, or schema.table, in letters, digits and underscores',
    { aggregates: { a: { kind: 'recharge', table: 'a b' } } },
  ],
  [
    '$.aggregates.b.table',
    '"a" writes to consume too, and each would overwrite the other\'s rows: name another table',
    { aggregates: { a: { kind: 'recharge' }, b: { kind: 'recharge' } } },
  ],
  [
    '$.lateness',
    '"soon" is no duration: write a number and a unit, such as 500ms, 2s, 15m, 12h or 7d',
    { lateness: 'soon', aggregates: { a: { kind: 'recharge' } } },
  ],
])('%s: %s', (path, message, document) => {
  const fault = { code: 'AGGREGATES_INVALID', message: `${path}: ${message}`, details: { path } };
  expect(() => readAnalytics(document)).toThrow(expect.objectContaining(fault));
});
