// What a workflow task waits for is not tried again at once when it has failed or is slow.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LocalTries } from '../../src/activities/local-tries.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const works = async () => 'sent';
const fails = async () => {
  throw new Error('refused');
};

test('after a failure nothing is tried for ten seconds', async () => {
  const tries = new LocalTries();
  expect(await tries.run(works)).toBe('sent');
  await expect(tries.run(fails)).rejects.toThrow('refused');
  const act = vi.fn(works);
  vi.advanceTimersByTime(9_999);
  await expect(tries.run(act)).rejects.toThrow('was away a moment ago');
  expect(act).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(await tries.run(act)).toBe('sent');
});

test('a try that hangs holds the others off before it ends, and may still succeed', async () => {
  const tries = new LocalTries();
  let answer = (_: string) => {};
  const hanging = tries.run(
    () =>
      new Promise<string>((resolve) => {
        answer = resolve;
      }),
  );
  vi.advanceTimersByTime(1_999);
  expect(await tries.run(works)).toBe('sent');
  vi.advanceTimersByTime(1);
  await expect(tries.run(works)).rejects.toThrow('was away a moment ago');
  answer('late');
  expect(await hanging).toBe('late');
  vi.advanceTimersByTime(10_000);
  expect(await tries.run(works)).toBe('sent');
});
