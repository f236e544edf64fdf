// Page views and visitors of a day so far, as they stood at the end of each minute.
//
//   V1. Every event is a page view; a visitor counts once a day.
//   V2. The minute of a row is that of the latest time of the day so far, not that of the event: after each event the totals of the day
//       stand there, so that rows follow each other as the clock does, and a day's greatest totals stand in its last row. A time of
//       another day than the one an event names moves no minute: 00:00 of the next day would be the first of this one.

import type { EventData } from '../event.js';
import { eventTimeOf, isDate, type Timestamp } from '../time.js';
import type { Zone } from '../zone.js';
import { type Days, daysOf } from './day.js';
import type { PageViewsDeclaration } from './declaration.js';
import { textOf, wrong } from './reading.js';

/** Of a day of which no time has come yet: all that follow stand behind it. */
const FIRST_MINUTE = '00:00';
/** What the column of visitors holds at most. */
const VISITOR_LENGTH_MAX = 255;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

export interface PageView {
  readonly kind: 'page-views';
  readonly time: Timestamp;
  readonly day: string;
  readonly visitor: string;
}

/** The totals of a day. */
export interface DayTotals {
  readonly pv: number;
  readonly uv: number;
  /** The latest time of this day; null where none has come. */
  readonly lastTime: Timestamp | null;
}

/** What events make of a day. */
export interface DayCounted {
  readonly totals: DayTotals;
  /** Totals by minute: the rows that are new or have changed. */
  readonly minutes: ReadonlyMap<string, { readonly pv: number; readonly uv: number }>;
  /** Who came for the first time. */
  readonly newVisitors: readonly string[];
}

/** Makes page views of records. The function throws `DecodeError` for what is none. */
export function pageViewReader(
  { fields }: PageViewsDeclaration,
  zone: Zone,
): (data: EventData) => PageView {
  const days = daysOf(zone);
  return (data) => {
    const time = eventTimeOf(data[fields.time], fields.time, zone.instantOf);
    const named = data[fields.day] ?? days.dateAt(time);
    if (typeof named !== 'string' || !DATE.test(named) || !isDate(named)) {
      throw wrong(fields.day, 'should be a day, such as 2026-01-31', named);
    }
    return {
      kind: 'page-views',
      time,
      day: named,
      visitor: textOf(data, fields.visitor, VISITOR_LENGTH_MAX),
    };
  };
}

/** Counts events of one day in the order in which they arrived: V1, V2. */
export function countDay(
  before: DayTotals,
  events: readonly PageView[],
  of: {
    /** Whether a visitor has come that day already, before these events. */
    isKnown(visitor: string): boolean;
    readonly days: Days;
  },
): DayCounted {
  let { pv, uv, lastTime } = before;
  let minute = lastTime === null ? FIRST_MINUTE : of.days.minuteAt(lastTime);
  const minutes = new Map<string, { pv: number; uv: number }>();
  const newVisitors = new Set<string>();
  for (const { time, day, visitor } of events) {
    pv++;
    if (!newVisitors.has(visitor) && !of.isKnown(visitor)) {
      newVisitors.add(visitor);
      uv++;
    }
    if ((lastTime === null || time > lastTime) && of.days.dateAt(time) === day) {
      lastTime = time;
      minute = of.days.minuteAt(time);
    }
    minutes.set(minute, { pv, uv });
  }
  return { totals: { pv, uv, lastTime }, minutes, newVisitors: [...newVisitors] };
}
