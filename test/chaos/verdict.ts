// What a chaos run has shown: the truth against the ledger and the topics. Pure.
//
// What is late is computed here anew from the topic alone, not with the ingestor's code.

import type { Alert } from '../../src/rules/rule.js';
import type { Millis } from '../../src/time.js';
import type { TopicRecord } from '../support/topics.js';
import { type ShopEvent, WINDOWS } from './journeys.js';
import { partitionOf } from './stream.js';
import type { Span } from './uptime.js';

/** A row of the table of alerts. Times are ms since the epoch. */
export interface LedgerRow {
  readonly id: string;
  readonly recordedAt: number;
  readonly isPublished: boolean;
}

export interface Evidence {
  /** The topic of events, by partition and offset. */
  readonly records: readonly TopicRecord[];
  readonly outOfOrdernessMs: Millis;
  /** `partition/offset` of the records in the late output; one may be there twice. */
  readonly late: readonly string[];
  /** What the automaton says to the records that are not in the late output. */
  readonly truth: readonly Alert[];
  readonly ledger: readonly LedgerRow[];
  /** The topic of alerts. */
  readonly published: readonly { readonly id: string; readonly timestamp: number }[];
  /** Outages in which what was produced waited in Kafka. */
  readonly outages: readonly Span[];
}

/** Ids of alerts, and coordinates of records, that are not as they must be; all empty in a good run. */
export interface Faults {
  /** In the truth, not in the ledger. */
  readonly lost: readonly string[];
  /** In the ledger or the topic, not in the truth. */
  readonly invented: readonly string[];
  /** In the ledger more than once. */
  readonly doubled: readonly string[];
  /** In the ledger, and not known there as published or not in the topic. */
  readonly unpublished: readonly string[];
  /** There before an event was produced that can move the watermark so far. */
  readonly early: readonly string[];
  /** In the late output, though within the bound. */
  readonly wronglyLate: readonly string[];
  /** Beyond the bound, and not in the late output. */
  readonly wronglyTaken: readonly string[];
}

export interface Counts {
  readonly records: number;
  readonly late: number;
  readonly alerts: number;
  readonly timeouts: number;
  /** See {@link keptFromFiring}. */
  readonly kept: number;
  /** Records in the topic of alerts beyond one for each id. */
  readonly surplus: number;
}

export const coordinatesOf = ({ partition, offset }: Pick<TopicRecord, 'partition' | 'offset'>) =>
  `${partition}/${offset}`;

/** Compares what a run has left behind with what it should have. */
export function judge(evidence: Evidence): { faults: Faults; counts: Counts } {
  const { records, late, truth, ledger, published } = evidence;
  const wanted = new Set(truth.map(({ id }) => id));
  const recorded = new Set(ledger.map(({ id }) => id));
  const sent = new Set(published.map(({ id }) => id));
  const foundLate = new Set(late);
  const trulyLate = new Set(lateByDisorder(records, evidence.outOfOrdernessMs));
  return {
    faults: {
      lost: without(wanted, recorded),
      invented: without(new Set([...recorded, ...sent]), wanted),
      doubled: repeated(ledger.map(({ id }) => id)),
      unpublished: ledger
        .filter(({ id, isPublished }) => !isPublished || !sent.has(id))
        .map(({ id }) => id),
      early: earlyAlerts(evidence),
      wronglyLate: without(foundLate, trulyLate),
      wronglyTaken: without(trulyLate, foundLate),
    },
    counts: {
      records: records.length,
      late: trulyLate.size,
      alerts: truth.length,
      timeouts: truth.filter(({ type }) => type === 'LEFT' || type === 'UNPAID').length,
      kept: keptFromFiring(evidence).length,
      surplus: published.length - sent.size,
    },
  };
}

/**
 * Records that are more than the bound behind the largest event time before them in their partition: at it
 * or behind it is the watermark, which lies the bound and 1 ms behind that event.
 *
 * @returns `partition/offset` of each
 */
export function lateByDisorder(
  records: readonly TopicRecord[],
  outOfOrdernessMs: Millis,
): string[] {
  const largest = new Map<number, number>();
  return records
    .filter((record) => {
      const { eventTime } = eventOf(record);
      const before = largest.get(record.partition) ?? Number.NEGATIVE_INFINITY;
      largest.set(record.partition, Math.max(before, eventTime));
      return before - eventTime > outOfOrdernessMs;
    })
    .map(coordinatesOf);
}

/**
 * Matches that a timer would have turned into timeouts. All of this holds for one outage:
 *
 * - the event that began the match was sent at least the bound before it, so that its session had it;
 * - the event that ended the match was sent during it, before the window's end in event time, and waited;
 * - the window's end and the bound after it passed on the clock before the outage was over.
 *
 * @returns the ids of their alerts
 */
export function keptFromFiring({
  records,
  outOfOrdernessMs,
  truth,
  outages,
}: Pick<Evidence, 'records' | 'outOfOrdernessMs' | 'truth' | 'outages'>): string[] {
  const sentAt = new Map<number, number>();
  for (const record of records) {
    const { n } = eventOf(record);
    sentAt.set(n, Math.min(sentAt.get(n) ?? Number.POSITIVE_INFINITY, record.timestamp));
  }
  const isKept = ({ rule, type, match }: Alert): boolean => {
    if (type !== 'BOUGHT' && type !== 'PAID') return false;
    const [from, to] = [match.from?.[0], match.to?.[0]] as [ShopEvent, ShopEvent];
    const firesAt = from.eventTime + WINDOWS[rule as keyof typeof WINDOWS] + outOfOrdernessMs;
    const begunAt = (sentAt.get(from.n) as number) + outOfOrdernessMs;
    const savedAt = sentAt.get(to.n) as number;
    return outages.some(
      (outage) => begunAt <= outage.from && savedAt >= outage.from && firesAt <= outage.to,
    );
  };
  return truth.filter(isKept).map(({ id }) => id);
}

/**
 * An alert may come once its partition's watermark has reached its time, so not before the first record was
 * sent that is later by the bound.
 */
function earlyAlerts(evidence: Evidence): string[] {
  const { truth, ledger, published, records, outOfOrdernessMs } = evidence;
  const firstSeen = new Map<string, number>();
  const see = (id: string, at: number) =>
    firstSeen.set(id, Math.min(firstSeen.get(id) ?? Number.POSITIVE_INFINITY, at));
  for (const { id, recordedAt } of ledger) see(id, recordedAt);
  for (const { id, timestamp } of published) see(id, timestamp);
  const byPartition = new Map<number, { eventTime: number; timestamp: number }[]>();
  for (const record of records) {
    const list = byPartition.get(record.partition) ?? [];
    list.push({ eventTime: eventOf(record).eventTime, timestamp: record.timestamp });
    byPartition.set(record.partition, list);
  }
  return truth
    .filter(({ id, key, at }) => {
      const seen = firstSeen.get(id);
      if (seen === undefined) return false;
      const mover = (byPartition.get(partitionOf(key)) ?? []).find(
        ({ eventTime }) => eventTime >= at + outOfOrdernessMs,
      );
      return mover === undefined || seen < mover.timestamp;
    })
    .map(({ id }) => id);
}

function eventOf({ value }: TopicRecord): ShopEvent {
  return JSON.parse(value) as ShopEvent;
}

function without<T>(some: ReadonlySet<T>, others: ReadonlySet<T>): T[] {
  return [...some].filter((each) => !others.has(each));
}

function repeated(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.has(id) || !seen.add(id));
}
