// What the clocks of a time zone show, for many times that lie near each other: between two changes of a clock that is an addition.
//
// The package's namespace is called Temporal, as is the engine.

import { Temporal as ZonedTime } from '@js-temporal/polyfill';
import { days, type Millis, type Timestamp } from './time.js';

const known = new Map<string, boolean>();

/** Whether it is a name of the IANA's, such as `Europe/Berlin`, or an offset, such as `+02:00`. */
export function isZone(name: string): boolean {
  let answer = known.get(name);
  if (answer === undefined) {
    answer = canOpen(name);
    // Names come from users' events too.
    if (known.size < 10_000) known.set(name, answer);
  }
  return answer;
}

function canOpen(name: string): boolean {
  try {
    new ZonedTime.ZonedDateTime(0n, name);
    return true;
  } catch {
    return false;
  }
}

/** A time zone's clock. What it shows is a number as well: the time at which a clock of UTC shows the same. */
export interface Zone {
  /** What the clock shows. */
  shownAt(at: Timestamp): Timestamp;
  /** When it shows that: the first time of two, and for a time that it jumps over as much later as it jumps. */
  instantOf(shown: Timestamp): Timestamp;
}

/** A stretch of time in which the clock is not changed. */
interface Stretch {
  readonly from: Timestamp;
  readonly until: Timestamp;
  readonly offset: Millis;
}

/** @param name - one that {@link isZone} */
export function openZone(name: string): Zone {
  const stretches: Stretch[] = [];
  let last: Stretch = { from: 0, until: 0, offset: 0 };
  const offsetAt = (at: Timestamp): Millis => {
    if (at < last.from || at >= last.until) {
      const found = stretches.find(({ from, until }) => from <= at && at < until);
      last = found ?? stretchAround(name, at);
      if (!found) stretches.push(last);
    }
    return last.offset;
  };
  return {
    shownAt: (at) => at + offsetAt(at),
    instantOf: (shown) => {
      // No clock is a day ahead of UTC or behind it, so these two lie before and after any change that matters.
      const before = offsetAt(shown - days(1));
      const after = offsetAt(shown + days(1));
      if (before === after || offsetAt(shown - before) === before) return shown - before;
      return shown - (offsetAt(shown - after) === after ? after : before);
    },
  };
}

function stretchAround(name: string, at: Timestamp): Stretch {
  const there = ZonedTime.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(name);
  const next = there.getTimeZoneTransition('next');
  // One nanosecond later: a change at this very moment is the one before.
  const previous = there.add({ nanoseconds: 1 }).getTimeZoneTransition('previous');
  return {
    from: previous?.epochMilliseconds ?? Number.NEGATIVE_INFINITY,
    until: next?.epochMilliseconds ?? Number.POSITIVE_INFINITY,
    offset: there.offsetNanoseconds / 1_000_000,
  };
}
