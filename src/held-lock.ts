// What one process at a time may use: a lock beside it, which its holder keeps touching.

import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { seconds } from './time.js';

/** Whoever has not touched its lock for so long is dead. */
const STALE_MS = seconds(10);
const TOUCHES_MS = STALE_MS / 5;
const POLL_MS = seconds(0.5);
/** Who lives has touched it once more by then, also after it stood still for long. */
const WATCHED_MS = TOUCHES_MS + seconds(1);

export interface HeldLock {
  /** Whether the machine slept, and somebody else took this process for dead. */
  readonly isLost: boolean;
  release(): Promise<void>;
}

/**
 * Takes a lock. One of a process that was killed goes stale, which is waited for, so that nobody who starts a killed process again
 * is turned away.
 *
 * @param lockfilePath - of the lock, in a folder that is there
 * @returns null when a live process has it
 * @throws the file system's error where the lock can't be made
 */
export async function holdLock(lockfilePath: string): Promise<HeldLock | null> {
  const deadline = performance.now() + STALE_MS + seconds(2);
  for (;;) {
    const isLive = await isTouched(lockfilePath);
    try {
      if (!isLive) return await tryLock(lockfilePath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
    }
    if (performance.now() > deadline) return null;
  }
}

/** Whether somebody touches a lock while it is watched. */
async function isTouched(lockfilePath: string): Promise<boolean> {
  const touchedAt = () =>
    stat(lockfilePath).then(
      ({ mtimeMs }) => mtimeMs,
      () => null,
    );
  const before = await touchedAt();
  if (before === null) return false;
  const end = performance.now() + WATCHED_MS;
  while (performance.now() < end) {
    await sleep(POLL_MS);
    const now = await touchedAt();
    if (now !== before) return now !== null;
  }
  return false;
}

async function tryLock(lockfilePath: string): Promise<HeldLock> {
  let isLost = false;
  const release = await lock(lockfilePath, {
    lockfilePath,
    realpath: false,
    stale: STALE_MS,
    update: TOUCHES_MS,
    onCompromised: () => {
      isLost = true;
    },
  });
  return {
    get isLost() {
      return isLost;
    },
    // What was lost can't be given back, and need not be.
    release: () => release().catch(() => {}),
  };
}
