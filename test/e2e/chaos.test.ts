// The short form of `npm run chaos`: the same code for less than a minute, in which everything is killed and
// stopped at least once, with smaller numbers.

import { expect, test } from 'vitest';
import { minutes, seconds } from '../../src/time.js';
import { runChaos } from '../chaos/run.js';

test(
  'a little chaos: every alert is there once, none is early, and late is what lies beyond the bound',
  async () => {
    const minima = { alerts: 150, timeouts: 30, kept: 5, hits: 1 };
    const { failures } = await runChaos({ seed: 4, durationMs: seconds(45), minima });
    expect(failures).toEqual([]);
  },
  minutes(15),
);
