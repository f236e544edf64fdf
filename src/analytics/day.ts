// Days and minutes as the tables have them.

import { days, minutes, type Timestamp } from '../time.js';
import type { Zone } from '../zone.js';

/** Days and times of day of a zone. */
export interface Days {
  /** `2026-01-31` */
  dateAt(at: Timestamp): string;
  /** `23:59` */
  minuteAt(at: Timestamp): string;
}

export function daysOf(zone: Zone): Days {
  // Most events are of the day of the one before.
  let day = Number.NaN;
  let date = '';
  return {
    dateAt: (at) => {
      const shown = Math.floor(zone.shownAt(at) / days(1));
      if (shown !== day) {
        day = shown;
        date = new Date(shown * days(1)).toISOString().slice(0, 10);
      }
      return date;
    },
    minuteAt: (at) => {
      const ofDay = Math.floor((zone.shownAt(at) % days(1)) / minutes(1));
      const two = (n: number) => String(n).padStart(2, '0');
      return `${two(Math.floor(ofDay / 60))}:${two(ofDay % 60)}`;
    },
  };
}
