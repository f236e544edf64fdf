// Goals while their ledger is away: nothing is promised past them, reading pauses before they fill the memory, the log says so once, and
// each is told in the end.

import { expect, test } from 'vitest';
import { GoalWatch } from '../../src/ingest/goals.js';
import { type Item, journey, journeysOf, memoryLog, record, run, until } from './helpers.js';

/** A ledger that is away until told otherwise, and a watch to which each event of type `goal` reaches one. */
function watching() {
  const log = memoryLog();
  const ledger = { isAway: true, tries: 0, told: [] as string[] };
  const goals = new GoalWatch({
    goals: (data) =>
      data.type === 'goal' ? [{ goal: 'bought', userId: String(data.n) }] : ([] as never[]),
    ledger: {
      goalReached: async (userId) => {
        ledger.tries++;
        if (ledger.isAway) throw new Error('the database is away');
        ledger.told.push(userId);
        return [];
      },
    },
    tell: async () => {},
    log,
  });
  return { goals, ledger, log };
}

/** So many records, of which one in a thousand reaches a goal; the first does. */
async function* items(count: number, isRead: (offset: number) => void) {
  for (let offset = 0; offset < count; offset++) {
    isRead(offset);
    const type = offset % 1_000 === 0 ? 'goal' : 'x';
    yield record(offset, { t: offset * 10, key: 'k', type, n: offset } satisfies Item);
  }
}

test('reading waits for goals that cannot be told, and loses none', async () => {
  const { goals, ledger, log } = watching();
  let read = -1;
  const { done, store } = run({
    records: items(30_000, (offset) => {
      read = offset;
    }),
    journeys: journeysOf([journey({ accepts: () => false })]),
    goals,
  });
  await until(() => read > 10_000);
  // So many behind the moment at which the watermark had come to the first goal; no further, however often that is tried.
  const tries = async (more: number, { tries: before } = ledger) =>
    await until(() => ledger.tries > before + more);
  await tries(10);
  const reached = read;
  await tries(20);
  expect(read).toBe(reached);
  expect(read).toBeLessThan(11_000);
  expect(store.last?.lowWater).toBe(0);
  ledger.isAway = false;
  await done;
  expect(ledger.told.map(Number).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 30 }, (_, i) => i * 1_000),
  );
  expect(store.last).toMatchObject({ lowWater: 30_000, finished: true });
  expect(log.lines.map(([level, message]) => `${level}: ${message}`)).toEqual([
    'warn: a goal could not be told yet: it and those after it are tried again',
    'info: goals are told again',
  ]);
});

test('a source has not ended before its goals are told', async () => {
  const { goals, ledger } = watching();
  const { done, store } = run({
    records: items(1, () => {}),
    journeys: journeysOf([journey({ accepts: () => false })]),
    goals,
  });
  await until(() => ledger.tries > 2);
  expect(store.published.some(({ finished }) => finished)).toBe(false);
  ledger.isAway = false;
  await done;
  expect(store.last).toMatchObject({ lowWater: 1, finished: true });
});

test('who is stopped while they cannot be told goes, and reads their events again', async () => {
  const { goals, ledger } = watching();
  const stop = new AbortController();
  const { done, store } = run({
    records: items(30_000, () => {}),
    journeys: journeysOf([journey({ accepts: () => false })]),
    goals,
    signal: stop.signal,
  });
  await until(() => ledger.tries > 20);
  stop.abort();
  await done;
  expect(store.last).toMatchObject({ lowWater: 0, finished: false });
});

test('each outage is told of once', async () => {
  const { goals, ledger, log } = watching();
  const reached = (n: number) =>
    goals.reached({
      ...record(n, null),
      timestamp: n,
      data: { type: 'goal', n },
    } as unknown as Parameters<typeof goals.reached>[0]);
  for (let outage = 1; outage <= 2; outage++) {
    ledger.isAway = true;
    const telling = [reached(1), reached(2), reached(3)];
    const { tries } = ledger;
    await until(() => ledger.tries > tries + 6);
    ledger.isAway = false;
    await Promise.all(telling);
    expect(log.lines.map(([level]) => level)).toEqual(Array(outage).fill(['warn', 'info']).flat());
  }
});
