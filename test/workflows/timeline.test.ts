// The timeline of a session: bounded in number and in what the next run gets of it, newest last, and of limits that are
// hit again and again one entry.

import { expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import { RECENT_EVENTS, RecentEvents } from '../../src/workflows/recent-events.js';
import { TIMELINE_ENTRIES, Timeline } from '../../src/workflows/timeline.js';

const event = (offset: number, text = ''): CepEvent => ({
  source: 's',
  partition: 0,
  offset,
  timestamp: offset,
  data: { text },
});

test('the newest entries stay, oldest first, also over runs', () => {
  let timeline = new Timeline();
  for (let n = 0; n < 250; n++) {
    timeline.now(n);
    timeline.took('rule', event(n), ['a']);
    if (n % 30 === 0) timeline = new Timeline(JSON.parse(JSON.stringify(timeline.snapshot())));
  }
  const entries = timeline.entries();
  expect(entries.length).toBe(TIMELINE_ENTRIES);
  expect(entries.map(({ at }) => at)).toEqual(
    Array.from({ length: TIMELINE_ENTRIES }, (_, i) => 250 - TIMELINE_ENTRIES + i),
  );
  expect(entries.at(-1)).toEqual({
    at: 249,
    what: 'TOOK',
    rule: 'rule',
    stages: ['a'],
    eventTime: 249,
    events: ['s/0/249'],
  });
});

test('what is dropped for one reason again and again is one entry', () => {
  const timeline = new Timeline();
  timeline.dropped('rule', 2, 'a limit was reached');
  timeline.dropped('rule', 3, 'a limit was reached');
  timeline.dropped('other', 1, 'a limit was reached');
  expect(timeline.entries().map(({ rule, count }) => [rule, count])).toEqual([
    ['rule', 5],
    ['other', 1],
  ]);
});

test('the next run gets no more than it can carry', () => {
  const timeline = new Timeline();
  const reason = 'r'.repeat(1_000);
  for (let n = 0; n < 100; n++) timeline.did({ what: 'PAUSE', author: 'a'.repeat(190), reason });
  expect(JSON.stringify(timeline.snapshot()).length).toBeLessThan(21_000);
  expect(timeline.snapshot().length).toBeGreaterThan(20);

  const recent = new RecentEvents();
  for (let n = 0; n < 30; n++) recent.add(event(n, 'x'.repeat(n === 25 ? 50_000 : 10)));
  expect(recent.all().map(({ offset }) => offset)).toEqual(
    Array.from({ length: RECENT_EVENTS }, (_, i) => 10 + i),
  );
  expect(recent.snapshot().map(({ offset }) => offset)).toEqual([26, 27, 28, 29]);
});
