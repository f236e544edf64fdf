// The short form of `npm run chaos`: the same code for a minute, in which everything is killed and stopped
// at least once, with smaller numbers.

import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { minutes } from '../../src/time.js';
import { runChaos } from '../chaos/run.js';

test(
  'a minute of chaos: every alert is there once, none is early, and late is what lies beyond the bound',
  async () => {
    const minima = { alerts: 200, timeouts: 40, kept: 10, hits: 1 };
    const { failures, folder } = await runChaos({ seed: 4, durationMs: minutes(1), minima });
    expect(failures).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  },
  minutes(8),
);
