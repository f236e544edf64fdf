// Aggregates, ready to be given records: which of them they mean, and what they make of those.

import type { EventData } from '../event.js';
import type { Millis, Timestamp } from '../time.js';
import { openZone } from '../zone.js';
import { type Days, daysOf } from './day.js';
import type {
  AggregateDeclaration,
  AnalyticsDeclaration,
  PageViewsDeclaration,
  RechargeDeclaration,
} from './declaration.js';
import { type PageView, pageViewReader } from './page-views.js';
import { type Recharge, rechargeReader } from './recharge.js';

interface Common<Declaration extends AggregateDeclaration, Event> {
  /** As the declaration calls it; offsets are kept by it. */
  readonly name: string;
  readonly kind: Declaration['kind'];
  readonly declaration: Declaration;
  readonly lateness: Millis;
  /** Of the declaration's zone. */
  readonly days: Days;
  /** Whether a record is one of those that are counted. */
  means(data: EventData): boolean;
  /** @throws DecodeError `RECORD_WITHOUT_TIME`, `RECORD_WRONG_TYPE` */
  read(data: EventData): Event;
}

export type RechargeAggregate = Common<RechargeDeclaration, Recharge>;
export type PageViewsAggregate = Common<PageViewsDeclaration, PageView>;
export type Aggregate = RechargeAggregate | PageViewsAggregate;
/** An event of either. */
export type Counted = Recharge | PageView;

export function aggregatesOf({ zone, lateness, aggregates }: AnalyticsDeclaration): Aggregate[] {
  const clock = openZone(zone);
  return Object.entries(aggregates).map(([name, declaration]): Aggregate => {
    const common = { name, lateness, days: daysOf(clock), means: meaning(declaration) };
    return declaration.kind === 'recharge'
      ? { ...common, kind: 'recharge', declaration, read: rechargeReader(declaration, clock) }
      : { ...common, kind: 'page-views', declaration, read: pageViewReader(declaration, clock) };
  });
}

/** Where values are text, as in CSV, they are compared as text. */
function meaning({ where }: AggregateDeclaration): (data: EventData) => boolean {
  const wanted = Object.entries(where).map(([field, value]) => [field, String(value)] as const);
  return (data) =>
    wanted.every(([field, text]) => {
      const value = data[field];
      return value !== undefined && value !== null && String(value) === text;
    });
}

/**
 * Whether an event is older than its partition's largest event time allows.
 *
 * @param largest - null before the first event
 */
export function isLate(time: Timestamp, largest: Timestamp | null, lateness: Millis): boolean {
  return largest !== null && time < largest - lateness;
}
