import { expect, test } from 'vitest';
import { suppressionsText } from '../../src/cli/commands/suppress.js';
import { reportText, shareText } from '../../src/cli/report-text.js';
import type { ReportRow } from '../../src/store/effect-report.js';

const row: ReportRow = {
  ...{ journey: 'shop', rule: 'cart', ruleVersion: 1, day: '2026-01-31', matched: 9 },
  states: {
    ...{ planned: 0, held: 0, sent: 0, delivered: 3 },
    ...{ capped: 2, suppressed: 4, failed: 0, dead: 0 },
  },
  suppressedBy: { GOAL_REACHED: 3, CONTROL_GROUP: 1 },
  delivered: { users: 3, reached: 1 },
  control: null,
};
const headOf = (text: string) =>
  text
    .split('\n')[1]
    ?.split('│')
    .map((cell) => cell.trim())
    .filter((cell) => cell !== '');

test('a report has columns for what there is', () => {
  const always = ['rule', 'version', 'day', 'matched'];
  const text = reportText([row]);
  expect(headOf(text)).toEqual([
    ...always,
    ...['delivered', 'capped', 'dead', 'CONTROL_GROUP', 'GOAL_REACHED'],
    ...['converted', 'control group'],
  ]);
  expect(text).toContain('1 of 3 (33.3 %)');
  expect(text).not.toContain('shop/cart');
  const other = { ...row, journey: 'blog', delivered: null, suppressedBy: {} };
  expect(headOf(reportText([other]))).toEqual([...always, 'delivered', 'capped', 'dead']);
  expect(reportText([row, other])).toContain('shop/cart');
  expect(reportText([])).toBe('No match, and no effect');
});

test('nobody has no share', () => {
  expect(shareText({ users: 0, reached: 0 })).toBe('');
  expect(shareText({ users: 2, reached: 2 })).toBe('2 of 2 (100.0 %)');
});

test('the suppression list tells who was taken off it, where that was asked', () => {
  const entry = {
    ...{ user: 'u1', channel: null, author: 'ann', reason: 'asked for it', addedAt: 0 },
    ...{ removedAt: null, removedBy: null, removedWhy: null },
  };
  expect(suppressionsText([])).toBe('Nobody is on the list');
  expect(headOf(suppressionsText([entry]))).toEqual(['user', 'channel', 'since', 'by', 'reason']);
  const removed = { ...entry, channel: 'email', removedAt: 1, removedBy: 'bob' };
  expect(suppressionsText([entry, removed])).toContain('1970-01-01 00:00:00 UTC by bob');
});
