// How far ingestors are, answered at once or a moment later.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { awaitProgress } from '../../src/activities/await-progress.js';
import type { PartitionProgress, ProgressQuestion } from '../../src/workflows/messages.js';

const SOURCE = 'clicks';
const never = new AbortController().signal;
const at = (watermark: number, lowWater = 0, finished = false): PartitionProgress => ({
  watermark,
  lowWater,
  finished,
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Asks of partitions 0, 1, ... and says after how many ms the answer came. */
async function ask(
  wanted: Omit<ProgressQuestion, 'source' | 'partition'>[],
  progress: (partition: number, elapsedMs: number) => PartitionProgress | null,
  cancelled = never,
) {
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  const questions = wanted.map((each, partition) => ({ source: SOURCE, partition, ...each }));
  const reader = { read: async (_: string, of: number) => progress(of, elapsed()) };
  let answer: unknown;
  let afterMs = -1;
  const asking = awaitProgress(reader, questions, cancelled).then((answers) => {
    answer = answers;
    afterMs = Math.round(elapsed());
  });
  await vi.advanceTimersByTimeAsync(20_000);
  await asking;
  return { answer, afterMs };
}

test('what is reached is answered at once', async () => {
  const answers = await ask([{ watermark: 10 }, { lowWater: 3 }], () => at(10, 3));
  expect(answers).toEqual({ answer: [at(10, 3), at(10, 3)], afterMs: 0 });
  expect((await ask([{ watermark: 10, lowWater: 5 }], () => at(0, 0, true))).afterMs).toBe(0);
  expect((await ask([{}], () => at(0))).afterMs).toBe(0);
});

test('what may come soon is waited for', async () => {
  const { answer, afterMs } = await ask([{ watermark: 1_000 }], (_, ms) => at(ms));
  expect(afterMs).toBe(1_000);
  expect(answer).toEqual([at(1_000)]);
  const committed = await ask([{ lowWater: 8 }], (_, ms) => at(0, ms >= 500 ? 8 : 7));
  expect(committed.afterMs).toBe(600);
});

test('of several partitions all have to come', async () => {
  const wanted = [{ watermark: 100 }, { watermark: 100 }];
  const { afterMs } = await ask(wanted, (partition, ms) => at(partition === 0 ? 100 : ms / 10));
  expect(afterMs).toBe(1_000);
});

test('no longer than three seconds', async () => {
  const { answer, afterMs } = await ask([{ lowWater: 8 }], () => at(0, 7));
  expect(afterMs).toBe(3_000);
  expect(answer).toEqual([at(0, 7)]);
});

test('what is far behind, or unknown, is not waited for', async () => {
  expect((await ask([{ watermark: 60_000 }], () => at(0))).afterMs).toBe(0);
  expect((await ask([{ watermark: 10 }], () => null)).answer).toEqual([null]);
  const wanted = [{ watermark: 10 }, { watermark: 60_000 }];
  expect((await ask(wanted, () => at(0))).afterMs).toBe(0);
});

test('a worker that shuts down answers what it knows', async () => {
  const shutdown = new AbortController();
  setTimeout(() => shutdown.abort(), 450);
  const { answer, afterMs } = await ask([{ lowWater: 8 }], () => at(0, 7), shutdown.signal);
  expect(afterMs).toBe(450);
  expect(answer).toEqual([at(0, 7)]);
});
