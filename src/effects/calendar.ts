// Days and quiet hours by the clock on the user's wall, where days have 23 or 25 hours and clocks are moved at any hour.
//
//   Z1. A time of day that the clock jumps over is struck at the jump: quiet hours until 02:30 end when the clock goes from 02:00
//       to 03:00, not half an hour later.
//   Z2. A time of day that is shown twice begins quiet hours the first time and ends them the second time: nobody is woken while the
//       clock shows a quiet hour, nor sent anything between the two.
//   Z3. A day begins when its date is first shown, at midnight or where the clock jumps over that, and lasts until the next one does.
//
// The package's namespace is called Temporal, as is the engine.

import { Temporal as ZonedTime } from '@js-temporal/polyfill';
import { assert } from '../assert.js';
import { days, type Timestamp } from '../time.js';

/** A part of each day, in minutes since midnight; `from` after `to` goes over midnight. `to` does not belong to it. */
export interface PartOfDay {
  readonly from: number;
  readonly to: number;
}

export interface Day {
  /** `2026-01-31`. */
  readonly date: string;
  readonly from: Timestamp;
  /** The next day's `from`. */
  readonly until: Timestamp;
}

const MINUTES_OF_DAY = 1_440;
/** How many answers are remembered before all are forgotten. */
const REMEMBERED_MAX = 50_000;

/** The calendar day of the zone that a time lies in: Z3. */
export function dayOf(zone: string, at: Timestamp): Day {
  for (const date of datesAround(zone, at)) {
    const from = struck(zone, date, 0, 'earlier');
    const until = struck(zone, date + 1, 0, 'earlier');
    if (from <= at && at < until) return { date: dateOf(date).toString(), from, until };
  }
  throw new Error(`broken invariant: ${at} lies in no day of ${zone}`);
}

/**
 * When quiet hours are over, all of those given that begin before: Z1, Z2.
 *
 * @param parts - leave some part of the day free: see {@link leaveNothingFree}
 * @returns `at` itself where it lies in none
 */
export function quietUntil(zone: string, parts: readonly PartOfDay[], at: Timestamp): Timestamp {
  let until = at;
  for (;;) {
    const ends = parts.map((part) => endOf(zone, part, until));
    const end = Math.max(until, ...ends);
    if (end === until) return until;
    until = end;
    assert(until - at < days(7), 'quiet hours leave some part of the day free');
  }
}

/** Whether together they cover the day, so that nothing would ever be sent. */
export function leaveNothingFree(parts: readonly PartOfDay[]): boolean {
  const covers = ({ from, to }: PartOfDay, minute: number) =>
    from < to ? from <= minute && minute < to : minute >= from || minute < to;
  // What is free begins where a part ends, or there is no part at all.
  return parts.length > 0 && parts.every(({ to }) => parts.some((part) => covers(part, to)));
}

/** The end of the part of a day that `at` lies in, or `at` itself. */
function endOf(zone: string, { from, to }: PartOfDay, at: Timestamp): Timestamp {
  for (const date of datesAround(zone, at)) {
    const begins = struck(zone, date, from, 'earlier');
    const ends = struck(zone, from < to ? date : date + 1, to, 'later');
    if (begins <= at && at < ends) return ends;
  }
  return at;
}

/** Dates that a time can lie in, as days since 1970, and the one before, since quiet hours go over midnight. */
function datesAround(zone: string, at: Timestamp): readonly number[] {
  const first = dateAtStart(zone, Math.floor(at / days(1)));
  return [first - 1, first, first + 1, first + 2];
}

/** The zone's date when a day of UTC begins. */
const dateAtStart = remembered((zone, dayOfUtc): number => {
  const { year, month, day } = ZonedTime.Instant.fromEpochMilliseconds(
    dayOfUtc * days(1),
  ).toZonedDateTimeISO(zone);
  return Date.UTC(year, month - 1, day) / days(1);
});

/** When the zone's clock shows a time of day, for the first or the last time on a date. */
function struck(zone: string, date: number, minute: number, which: 'earlier' | 'later'): Timestamp {
  return (which === 'earlier' ? firstStruck : lastStruck)(zone, date * MINUTES_OF_DAY + minute);
}

const firstStruck = remembered((zone, minute) => strikes(zone, minute, 'earlier'));
const lastStruck = remembered((zone, minute) => strikes(zone, minute, 'later'));

/** @param minute - shown by the clock, since 1970 */
function strikes(zone: string, minute: number, which: 'earlier' | 'later'): Timestamp {
  const wanted = new ZonedTime.PlainDateTime(1970, 1, 1).add({ minutes: minute });
  const found = wanted.toZonedDateTime(zone, { disambiguation: which });
  if (found.toPlainDateTime().equals(wanted)) return found.epochMilliseconds;
  // Z1. Where the clock jumps over it, the earlier reading lies before the jump.
  const before = wanted.toZonedDateTime(zone, { disambiguation: 'earlier' });
  const jump = before.getTimeZoneTransition('next');
  assert(jump !== null, `the clock of ${zone} jumps over ${wanted.toString()}`);
  return jump.epochMilliseconds;
}

function dateOf(date: number): ZonedTime.PlainDate {
  return new ZonedTime.PlainDate(1970, 1, 1).add({ days: date });
}

/** Zone arithmetic takes up to a millisecond, and many users share a zone and a day. */
function remembered<T>(compute: (zone: string, of: number) => T): (zone: string, of: number) => T {
  const answers = new Map<string, Map<number, T>>();
  let count = 0;
  return (zone, of) => {
    let ofZone = answers.get(zone);
    const known = ofZone?.get(of);
    if (known !== undefined) return known;
    const answer = compute(zone, of);
    if (count++ >= REMEMBERED_MAX) {
      answers.clear();
      ofZone = undefined;
      count = 1;
    }
    if (!ofZone) {
      ofZone = new Map();
      answers.set(zone, ofZone);
    }
    ofZone.set(of, answer);
    return answer;
  };
}
