// Days and quiet hours where clocks change, against instants worked out by hand from the zones' rules; and against the clock on the
// wall as the platform shows it, minute by minute, at random times around changes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayOf, leaveNothingFree, quietUntil } from '../../src/effects/calendar.js';
import { minutesOf, wallClock } from './helpers.js';

const iso = (text: string) => Date.parse(text);
const part = (text: string) => {
  const [from, to] = text.split('-') as [string, string];
  return { from: minutesOf(from), to: minutesOf(to) };
};

describe('quiet hours end', () => {
  test.each([
    // On ordinary days, and at their ends.
    ['Europe/Berlin', '22:00-08:00', '2024-01-10T21:00Z', '2024-01-11T07:00Z'],
    ['Europe/Berlin', '22:00-08:00', '2024-01-11T06:59:59.999Z', '2024-01-11T07:00Z'],
    ['Europe/Berlin', '22:00-08:00', '2024-01-11T07:00Z', '2024-01-11T07:00Z'],
    ['Europe/Berlin', '22:00-08:00', '2024-01-10T20:59:59.999Z', '2024-01-10T20:59:59.999Z'],
    ['Europe/Berlin', '12:00-14:00', '2024-01-10T12:00Z', '2024-01-10T13:00Z'],
    ['Pacific/Kiritimati', '22:00-08:00', '2024-01-10T09:00Z', '2024-01-10T18:00Z'],
    ['Pacific/Pago_Pago', '22:00-08:00', '2024-01-10T09:00Z', '2024-01-10T19:00Z'],
    ['+05:45', '22:00-08:00', '2024-01-10T17:00Z', '2024-01-11T02:15Z'],
    // Berlin, 2024-03-31: at 01:00Z from 02:00 to 03:00. Over the night, with its end and its beginning in the gap, all in the gap.
    ['Europe/Berlin', '22:00-08:00', '2024-03-30T22:00Z', '2024-03-31T06:00Z'],
    ['Europe/Berlin', '22:00-02:30', '2024-03-31T00:00Z', '2024-03-31T01:00Z'],
    ['Europe/Berlin', '22:00-02:30', '2024-03-31T01:00Z', '2024-03-31T01:00Z'],
    ['Europe/Berlin', '02:30-06:00', '2024-03-31T01:00Z', '2024-03-31T04:00Z'],
    ['Europe/Berlin', '02:30-06:00', '2024-03-31T00:59Z', '2024-03-31T00:59Z'],
    ['Europe/Berlin', '02:15-02:45', '2024-03-31T01:00Z', '2024-03-31T01:00Z'],
    // Berlin, 2024-10-27: at 01:00Z from 03:00 back to 02:00. The end is shown twice, at 00:30Z and 01:30Z, and so is the beginning.
    ['Europe/Berlin', '22:00-02:30', '2024-10-27T00:00Z', '2024-10-27T01:30Z'],
    ['Europe/Berlin', '22:00-02:30', '2024-10-27T00:45Z', '2024-10-27T01:30Z'],
    ['Europe/Berlin', '22:00-02:30', '2024-10-27T01:30Z', '2024-10-27T01:30Z'],
    ['Europe/Berlin', '02:30-06:00', '2024-10-27T00:30Z', '2024-10-27T05:00Z'],
    ['Europe/Berlin', '02:30-06:00', '2024-10-27T01:15Z', '2024-10-27T05:00Z'],
    ['Europe/Berlin', '02:30-06:00', '2024-10-27T00:29:59.999Z', '2024-10-27T00:29:59.999Z'],
    ['Europe/Berlin', '02:15-02:30', '2024-10-27T00:15Z', '2024-10-27T01:30Z'],
    // New York, 2024-03-10 at 07:00Z and 2024-11-03 at 06:00Z.
    ['America/New_York', '21:00-02:30', '2024-03-10T06:00Z', '2024-03-10T07:00Z'],
    ['America/New_York', '21:00-01:30', '2024-11-03T05:15Z', '2024-11-03T06:30Z'],
    // Lord Howe moves by half an hour: 2024-10-05T15:30Z from 02:00 to 02:30, 2024-04-06T15:00Z from 02:00 to 01:30.
    ['Australia/Lord_Howe', '22:00-02:15', '2024-10-05T14:00Z', '2024-10-05T15:30Z'],
    ['Australia/Lord_Howe', '22:00-08:00', '2024-10-05T14:00Z', '2024-10-05T21:00Z'],
    ['Australia/Lord_Howe', '22:00-01:45', '2024-04-06T14:50Z', '2024-04-06T15:15Z'],
    // São Paulo moved at midnight: 2018-02-18T02:00Z from 00:00 to 23:00 the day before, 2018-11-04T03:00Z from 00:00 to 01:00.
    ['America/Sao_Paulo', '20:00-23:30', '2018-02-18T01:45Z', '2018-02-18T02:30Z'],
    ['America/Sao_Paulo', '22:00-00:00', '2018-02-18T01:00Z', '2018-02-18T03:00Z'],
    ['America/Sao_Paulo', '22:00-00:30', '2018-11-04T02:00Z', '2018-11-04T03:00Z'],
    ['America/Sao_Paulo', '00:00-06:00', '2018-11-04T03:00Z', '2018-11-04T08:00Z'],
    // Beirut, 2024-03-30T22:00Z from 00:00 to 01:00, 2024-10-26T21:00Z from 00:00 to 23:00 the day before.
    ['Asia/Beirut', '21:00-00:30', '2024-03-30T21:00Z', '2024-03-30T22:00Z'],
    ['Asia/Beirut', '21:00-23:15', '2024-10-26T20:30Z', '2024-10-26T21:15Z'],
    // Samoa left out 2011-12-30: at 10:00Z of that day from the 29th, 24:00 at -10, to the 31st, 00:00 at +14.
    ['Pacific/Apia', '22:00-08:00', '2011-12-30T09:00Z', '2011-12-30T18:00Z'],
  ])('%s, %s: at %s until %s', (zone, hours, at, until) => {
    expect(new Date(quietUntil(zone, [part(hours)], iso(at)))).toEqual(new Date(until));
  });

  test('when the last one that adjoins or overlaps does', () => {
    const parts = [part('07:00-09:00'), part('22:00-08:00'), part('09:00-10:00')];
    const until = quietUntil('UTC', parts, iso('2024-01-10T23:00Z'));
    expect(new Date(until)).toEqual(new Date('2024-01-11T10:00Z'));
    expect(quietUntil('UTC', [], until)).toBe(until);
  });
});

test.each([
  ['Europe/Berlin', '2024-03-31', '2024-03-30T23:00Z', '2024-03-31T22:00Z', 23],
  ['Europe/Berlin', '2024-10-27', '2024-10-26T22:00Z', '2024-10-27T23:00Z', 25],
  ['Australia/Lord_Howe', '2024-10-06', '2024-10-05T13:30Z', '2024-10-06T13:00Z', 23.5],
  ['Australia/Lord_Howe', '2024-04-07', '2024-04-06T13:00Z', '2024-04-07T13:30Z', 24.5],
  ['America/Sao_Paulo', '2018-02-17', '2018-02-17T02:00Z', '2018-02-18T03:00Z', 25],
  ['America/Sao_Paulo', '2018-11-04', '2018-11-04T03:00Z', '2018-11-05T02:00Z', 23],
  ['Asia/Beirut', '2024-03-31', '2024-03-30T22:00Z', '2024-03-31T21:00Z', 23],
  ['Asia/Beirut', '2024-10-26', '2024-10-25T21:00Z', '2024-10-26T22:00Z', 25],
  // Midnight itself is shown twice.
  ['America/Havana', '2024-11-03', '2024-11-03T04:00Z', '2024-11-04T05:00Z', 25],
  ['Pacific/Apia', '2011-12-29', '2011-12-29T10:00Z', '2011-12-30T10:00Z', 24],
  ['Pacific/Apia', '2011-12-31', '2011-12-30T10:00Z', '2011-12-31T10:00Z', 24],
])('%s: %s lasts from %s to %s, %d h', (zone, date, from, until, length) => {
  const day = { date, from: iso(from), until: iso(until) };
  expect(day.until - day.from).toBe(length * 3_600_000);
  expect(dayOf(zone, day.from)).toEqual(day);
  expect(dayOf(zone, day.until - 1)).toEqual(day);
  expect(dayOf(zone, day.until).from).toBe(day.until);
});

test.each([
  [[], false],
  [['22:00-08:00'], false],
  [['22:00-08:00', '08:00-21:59'], false],
  [['22:00-08:00', '08:00-22:00'], true],
  [['20:00-12:00', '10:00-21:00'], true],
  [['00:00-23:59'], false],
  [['00:00-23:59', '23:59-00:00'], true],
])('%j leave nothing free: %s', (parts, isSo) => {
  expect(leaveNothingFree(parts.map(part))).toBe(isSo);
});

/** Where a change is near. */
const CHANGES: readonly [zone: string, at: string][] = [
  ['Europe/Berlin', '2024-03-31T01:00Z'],
  ['Europe/Berlin', '2024-10-27T01:00Z'],
  ['Australia/Lord_Howe', '2024-10-05T15:30Z'],
  ['Australia/Lord_Howe', '2024-04-06T15:00Z'],
  ['America/Sao_Paulo', '2018-02-18T02:00Z'],
  ['America/Sao_Paulo', '2018-11-04T03:00Z'],
  ['Asia/Beirut', '2024-10-26T21:00Z'],
  ['America/Havana', '2024-11-03T05:00Z'],
  ['Asia/Kathmandu', '2024-06-01T00:00Z'],
];
const minuteOfDay = fc.integer({ min: 0, max: 24 * 60 - 1 });

test('no minute until the end is free by the clock on the wall, but between two showings of the end or beginning', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CHANGES),
      fc.integer({ min: -24 * 60, max: 24 * 60 }),
      minuteOfDay,
      fc.integer({ min: 1, max: 10 * 60 }),
      ([zone, change], offset, from, length) => {
        const to = (from + length) % (24 * 60);
        const at = iso(change) + offset * 60_000;
        const until = quietUntil(zone, [{ from, to }], at);
        const isQuiet = (time: number) => {
          const { minute } = wallClock(zone, time);
          return from < to ? from <= minute && minute < to : minute >= from || minute < to;
        };
        expect(isQuiet(until)).toBe(false);
        let free = 0;
        for (let time = at; time < until; time += 60_000) if (!isQuiet(time)) free++;
        // As much as the clock goes back by.
        expect(free).toBeLessThanOrEqual(60);
        if (free > 0) expect(Math.abs(until - iso(change))).toBeLessThan(12 * 3_600_000);
        if (isQuiet(at)) expect(until).toBeGreaterThan(at);
      },
    ),
    { numRuns: 150 },
  );
});

test('each time lies in the day that the clock on the wall shows', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CHANGES),
      fc.integer({ min: -48 * 60, max: 48 * 60 }),
      ([zone, change], offset) => {
        const at = iso(change) + offset * 60_000;
        const day = dayOf(zone, at);
        expect(day.date).toBe(wallClock(zone, at).date);
        expect(wallClock(zone, day.from).date).toBe(day.date);
        expect(wallClock(zone, day.from - 1).date).not.toBe(day.date);
        expect(wallClock(zone, day.until).date).not.toBe(day.date);
      },
    ),
    { numRuns: 300 },
  );
});
