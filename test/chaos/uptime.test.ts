// Spans in which something was down, and in which two things were.

import { expect, test } from 'vitest';
import { overlaps, Uptime } from './uptime.js';

test('a span lasts from the first word that it is down to the first that it is up', () => {
  const uptime = new Uptime(true);
  const words: [boolean, number][] = [
    [true, 1],
    [false, 2],
    [false, 3],
    [true, 5],
    [true, 6],
    [false, 8],
  ];
  for (const [isUp, at] of words) uptime.set(isUp, at);
  expect(uptime.downs).toEqual([{ from: 2, to: 5 }]);
  uptime.set(true, 9);
  expect(uptime.downs).toEqual([
    { from: 2, to: 5 },
    { from: 8, to: 9 },
  ]);
});

test('two are down together where their spans overlap, if only in part', () => {
  const one = [
    { from: 0, to: 4 },
    { from: 6, to: 9 },
  ];
  const other = [
    { from: 3, to: 7 },
    { from: 9, to: 10 },
  ];
  expect(overlaps(one, other)).toEqual([
    { from: 3, to: 4 },
    { from: 6, to: 7 },
  ]);
});
