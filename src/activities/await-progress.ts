// How far ingestors are, answered a moment later where that spares the session another question: a timer, a
// workflow task and an activity more.

import type { Millis } from '../time.js';
import type { PartitionProgress, ProgressQuestion } from '../workflows/messages.js';
import type { ProgressReader } from './index.js';

/** How long an answer is held back. */
export const PROGRESS_WAIT_MS: Millis = 3_000;
const LOOK_MS: Millis = 200;

/**
 * Reads how far partitions are, and waits a while for what is asked for where it may come by then.
 *
 * @param cancelled - ends the wait: the worker shuts down
 * @param waitMs - default 3 s
 * @returns an answer for each question; null for a partition that nobody has read yet
 */
export async function awaitProgress(
  reader: ProgressReader,
  questions: readonly ProgressQuestion[],
  cancelled: AbortSignal,
  waitMs: Millis = PROGRESS_WAIT_MS,
): Promise<(PartitionProgress | null)[]> {
  const until = performance.now() + waitMs;
  const aborted = new Promise<void>((resolve) => {
    cancelled.addEventListener('abort', () => resolve(), { once: true });
  });
  for (;;) {
    const answers = await Promise.all(
      questions.map(({ source, partition, origin }) => reader.read(source, partition, origin)),
    );
    const open = questions.filter((question, i) => !isReached(question, answers[i] ?? null));
    const isNear = questions.every((question, i) => mayCome(question, answers[i] ?? null, waitMs));
    if (open.length === 0 || !isNear || performance.now() >= until || cancelled.aborted) {
      return answers;
    }
    await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), aborted]);
  }
}

function isReached(
  { watermark, lowWater }: ProgressQuestion,
  answer: PartitionProgress | null,
): boolean {
  if (answer === null) return false;
  return (
    answer.finished ||
    ((watermark === undefined || answer.watermark >= watermark) &&
      (lowWater === undefined || answer.lowWater >= lowWater))
  );
}

/** A watermark moves with the clock; one that is far behind won't be there in time. */
function mayCome(
  { watermark }: ProgressQuestion,
  answer: PartitionProgress | null,
  waitMs: Millis,
): boolean {
  if (answer === null) return false;
  return answer.finished || watermark === undefined || watermark - answer.watermark <= waitMs;
}
