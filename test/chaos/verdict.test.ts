// The verdict of a chaos run finds each kind of fault, and calls a good run good: from one small run by
// hand, changed in one place at a time.

import { describe, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { seconds } from '../../src/time.js';
import type { TopicRecord } from '../support/topics.js';
import { type ShopEvent, WINDOWS } from './journeys.js';
import { partitionOf } from './stream.js';
import { type Evidence, judge, keptFromFiring, lateByDisorder } from './verdict.js';

const START = Date.UTC(2026, 0, 1);
const BOUND_MS = seconds(2);
const KEY = 'ann';
const NOTHING = {
  ...{ lost: [], invented: [], doubled: [], unpublished: [] },
  ...{ early: [], wronglyLate: [], wronglyTaken: [] },
};

/** A record sent `delayS` after its event; times are seconds since the start. */
function record(
  offset: number,
  kind: ShopEvent['kind'],
  atS: number,
  delayS = 0,
  key = KEY,
): TopicRecord {
  const eventTime = START + seconds(atS);
  const event: ShopEvent = { n: offset + 1, eventTime, kind, session: key, what: 'p' };
  return {
    ...{ partition: partitionOf(key), offset, key, headers: {} },
    timestamp: eventTime + seconds(delayS),
    value: JSON.stringify(event),
  };
}

const event = ({ value }: TopicRecord) => JSON.parse(value) as ShopEvent;

/** A cart that is bought, one that is left, and a record that is late. */
const bought = [record(0, 'cart', 0), record(2, 'purchase', 7)] as const;
const left = record(1, 'cart', 1);
const RECORDS: readonly TopicRecord[] = [
  bought[0],
  left,
  bought[1],
  record(3, 'view', 4, 6),
  record(4, 'beat', 10),
  record(5, 'beat', 11),
  record(6, 'beat', 12),
];

function alert(id: string, type: string, atS: number, match: Alert['match']): Alert {
  return {
    ...{ id, type, key: KEY, journey: 'shopping', rule: 'cart', ruleVersion: 1, message: '' },
    ...{ userId: null, userSession: null, at: START + seconds(atS), match },
  };
}

const TRUTH = [
  alert('one', 'BOUGHT', 7, { from: [event(bought[0])], to: [event(bought[1])] }),
  alert('two', 'LEFT', 9, { from: [event(left)] }),
];
const GOOD: Evidence = {
  records: RECORDS,
  outOfOrdernessMs: BOUND_MS,
  late: [`${partitionOf(KEY)}/3`],
  truth: TRUTH,
  ledger: [
    { id: 'one', recordedAt: START + seconds(10), isPublished: true },
    { id: 'two', recordedAt: START + seconds(11), isPublished: true },
  ],
  published: [
    { id: 'one', timestamp: START + seconds(10) },
    { id: 'two', timestamp: START + seconds(12) },
    { id: 'one', timestamp: START + seconds(13) },
  ],
  outages: [],
};

test('a good run has no fault, and surplus records are counted apart', () => {
  expect(judge(GOOD)).toEqual({
    faults: NOTHING,
    counts: { records: 7, late: 1, alerts: 2, timeouts: 1, kept: 0, surplus: 1 },
  });
});

describe('found', () => {
  const [one, two] = GOOD.ledger as [Evidence['ledger'][number], Evidence['ledger'][number]];
  const late = `${partitionOf(KEY)}/3`;
  test.each<[string, Partial<Evidence>, Partial<typeof NOTHING> | Record<string, string[]>]>([
    ['a lost alert', { ledger: [one] }, { lost: ['two'] }],
    [
      'an invented alert in the ledger',
      { ledger: [one, two, { ...two, id: 'three' }] },
      { invented: ['three'], unpublished: ['three'] },
    ],
    [
      'an invented alert in the topic',
      { published: [...GOOD.published, { id: 'three', timestamp: START + seconds(12) }] },
      { invented: ['three'] },
    ],
    ['a doubled alert', { ledger: [one, two, two] }, { doubled: ['two'] }],
    [
      'one not known as published',
      { ledger: [one, { ...two, isPublished: false }] },
      { unpublished: ['two'] },
    ],
    ['one not in the topic', { published: GOOD.published.slice(0, 1) }, { unpublished: ['two'] }],
    [
      'an early alert in the ledger',
      { ledger: [one, { ...two, recordedAt: START + seconds(11) - 1 }] },
      { early: ['two'] },
    ],
    [
      'an early alert in the topic',
      { published: [...GOOD.published, { id: 'two', timestamp: START + seconds(9) }] },
      { early: ['two'] },
    ],
    ['an alert that no event allows', { records: RECORDS.slice(0, 5) }, { early: ['two'] }],
    ['a late record that was taken', { late: [] }, { wronglyTaken: [late] }],
    [
      'a record in time that was called late',
      { late: [late, `${partitionOf(KEY)}/2`, late] },
      { wronglyLate: [`${partitionOf(KEY)}/2`] },
    ],
  ])('%s', (_, change, faults) => {
    expect(judge({ ...GOOD, ...change }).faults).toEqual({ ...NOTHING, ...faults });
  });
});

test('late is what lies at the watermark of its own partition or behind it', () => {
  const other = ['bob', 'cy', 'di', 'eve'].find((key) => partitionOf(key) !== partitionOf(KEY));
  const records = [
    record(0, 'beat', 10),
    // The watermark is 1 ms below the bound: this is the last that is in time.
    record(1, 'beat', 8),
    record(2, 'beat', 7.999),
    // Of another partition, of which this is the first.
    record(0, 'beat', 1, 0, other),
    // It does not take the watermark back.
    record(3, 'beat', 8.001),
    record(4, 'beat', 7.998),
  ];
  const partition = partitionOf(KEY);
  expect(lateByDisorder(records, BOUND_MS)).toEqual([`${partition}/2`, `${partition}/4`]);
});

describe('kept from firing', () => {
  const [from, to] = [START + seconds(3), START + seconds(0) + WINDOWS.cart + BOUND_MS];
  const kept = (change: Partial<Evidence>) => keptFromFiring({ ...GOOD, ...change });

  test.each([
    ['the whole wait in one outage', [{ from, to }], ['one']],
    ['no outage', [], []],
    ['begun when the cart may not have been read', [{ from: START + BOUND_MS - 1, to }], []],
    ['begun after the purchase', [{ from: START + seconds(7) + 1, to }], []],
    ['over before the window and the bound', [{ from, to: to - 1 }], []],
    [
      'in two pieces',
      [
        { from, to: to - 500 },
        { from: to - 400, to },
      ],
      [],
    ],
  ])('%s', (_, outages, ids) => {
    expect(kept({ outages })).toEqual(ids);
  });
});
