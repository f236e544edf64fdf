// What workers are told of revisions while the database is away. Only the database is a stand-in.

import { expect, onTestFinished, test, vi } from 'vitest';
import { revisionReader } from '../../src/rule-store/revision-reader.js';
import type { RuleStore } from '../../src/rule-store/rule-store.js';

test('while the database is away: what was the newest, which is said once, and once when it is back', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  let newest = 1;
  let isAway = false;
  const store: Partial<RuleStore> = {
    newestHead: async () => {
      if (isAway) throw new Error('gone');
      return { revision: newest, hash: '', createdAt: new Date(0) };
    },
    revision: async (revision) => ({ revision, rules: [] }),
  };
  const logged: string[] = [];
  const log = (message: string) => void logged.push(message);
  const reader = revisionReader(store as RuleStore, {
    debug: log,
    info: log,
    warn: log,
    error: log,
  });
  const ask = async () => {
    vi.advanceTimersByTime(1_000);
    return (await reader.newest('shopping'))?.revision;
  };
  const AWAY = 'The newest revision of the rules is not known: sessions stay at what they have';
  const BACK = 'The newest revision of the rules is known again';

  isAway = true;
  await expect(ask()).rejects.toThrow('gone');
  isAway = false;
  expect(await ask()).toBe(1);
  expect(logged).toEqual([]);
  isAway = true;
  for (let i = 0; i < 3; i += 1) expect(await ask()).toBe(1);
  expect(logged).toEqual([AWAY]);
  isAway = false;
  newest = 2;
  for (let i = 0; i < 3; i += 1) await ask();
  expect(logged).toEqual([AWAY, BACK]);
  isAway = true;
  await ask();
  expect(logged).toEqual([AWAY, BACK, AWAY]);
});
