// How long an event that can complete nothing may wait.

import { expect, test } from 'vitest';
import { patienceOf } from '../../src/ingest/patience.js';
import { begin } from '../../src/pattern/pattern.js';
import { days, minutes, seconds } from '../../src/time.js';
import { journey, journeysOf } from './helpers.js';

const pair = begin('a').followedBy('b');
const of = (...patterns: (typeof pair)[]) =>
  patienceOf(
    journeysOf(
      patterns.map((pattern, i) => journey({ id: `j${i}`, rules: [{ id: 'r', pattern }] })),
    ),
  );

test('a hundredth of the shortest window of all journeys', () => {
  expect(of(pair.within(minutes(10)))).toBe(seconds(6));
  expect(of(pair.within(days(7)), pair.within(minutes(10)), pair)).toBe(seconds(6));
  expect(of(pair.within(seconds(1)))).toBe(10);
});

test('also of one between neighbours', () => {
  expect(of(begin('a').followedBy('b').within(seconds(50), 'PREVIOUS_AND_CURRENT'))).toBe(500);
});

test('half a minute at most, and without a window', () => {
  expect(of(pair.within(days(7)))).toBe(seconds(30));
  expect(of(pair)).toBe(seconds(30));
});
