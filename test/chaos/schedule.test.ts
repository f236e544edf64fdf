// The plan of a chaos run follows from its seed alone, and each has enough of everything.

import { describe, expect, test } from 'vitest';
import { minutes, seconds } from '../../src/time.js';
import { Armings } from './armings.js';
import { WINDOWS } from './journeys.js';
import { ALL_FAILPOINTS, type Arming, planSchedule } from './schedule.js';
import { OUT_OF_ORDERNESS_MS, PARTITIONS, partitionOf, planStream } from './stream.js';

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);
const durationMs = minutes(5);
const options = (seed: number) => ({ seed, durationMs, hits: 3 });

describe('the schedule', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(planSchedule(options(7))).toEqual(planSchedule(options(7)));
    expect(planSchedule(options(7))).not.toEqual(planSchedule(options(8)));
  });

  test.each(SEEDS)(
    'kills and stops everything in each minute, within the run (seed %i)',
    (seed) => {
      const { faults } = planSchedule(options(seed));
      for (let minute = 0; minute < 5; minute++) {
        const now = faults.filter(({ at }) => Math.floor(at / minutes(1)) === minute);
        const done = new Set(
          now.map(({ kind, target }) => `${kind} ${target.replace(/-\d/, 's')}`),
        );
        expect([...done].sort()).toEqual(
          ['ingestors', 'workers', 'temporal', 'broker', 'postgres']
            .flatMap((target) => [`kill ${target}`, `pause ${target}`])
            .sort(),
        );
        const end = (minute + 1) * minutes(1) + seconds(5);
        expect(now.every(({ at, forMs }) => at + forMs < end)).toBe(true);
      }
      expect(faults).toEqual([...faults].sort((a, b) => a.at - b.at));
    },
  );

  test.each(SEEDS)('has outages of all ingestors longer than a window (seed %i)', (seed) => {
    const { faults } = planSchedule(options(seed));
    const outages = faults.filter(({ target }) => target === 'ingestors');
    expect(outages).toHaveLength(10);
    const leastMs = WINDOWS.cart + OUT_OF_ORDERNESS_MS;
    expect(outages.every(({ forMs }) => forMs >= leastMs)).toBe(true);
  });

  test('arms each failpoint as often as asked, all of them before one of them again', () => {
    const { armings } = planSchedule(options(1));
    const names = [...armings.ingestor, ...armings.worker].map(({ failpoint }) => failpoint);
    for (const failpoint of ALL_FAILPOINTS) {
      expect(names.filter((name) => name === failpoint)).toHaveLength(3);
    }
    expect(new Set(armings.ingestor.slice(0, 3).map(({ failpoint }) => failpoint)).size).toBe(3);
    expect(new Set(armings.worker.slice(4, 8).map(({ failpoint }) => failpoint)).size).toBe(4);
  });
});

describe('armings', () => {
  const at = (failpoint: Arming['failpoint']): Arming => ({ failpoint, nth: 1 });

  test('go in the order of the schedule, and begin again with one that was not hit', () => {
    const planned = [at('acknowledged'), at('signal-accepted')];
    const armings = new Armings({ ingestor: planned, worker: [] });
    const first = armings.take('ingestor') as Arming;
    armings.giveBack('ingestor', first);
    expect([1, 2, 3].map(() => armings.take('ingestor'))).toEqual([...planned, undefined]);
    expect(armings.take('worker')).toBeUndefined();
  });

  // Seed 90 ended ingestors where they had ended often enough, until there was no time left for the last failpoint.
  test('leave out failpoints that were hit often enough, from a moment on', () => {
    const planned = [
      at('acknowledged'),
      at('acknowledged'),
      at('acknowledged'),
      at('acknowledged'),
    ];
    const armings = new Armings({ ingestor: [...planned, at('signal-accepted')], worker: [] });
    armings.hit(armings.take('ingestor') as Arming);
    armings.leaveOutAt(2);
    armings.hit(armings.take('ingestor') as Arming);
    expect(armings.hits('acknowledged')).toBe(2);
    expect(armings.take('ingestor')).toEqual(at('signal-accepted'));
    expect(armings.take('ingestor')).toBeUndefined();
  });
});

describe('the stream', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(planStream(7, durationMs)).toEqual(planStream(7, durationMs));
    expect(planStream(7, durationMs)).not.toEqual(planStream(8, durationMs));
  });

  test.each(SEEDS)('has enough carts, few late records and every partition (seed %i)', (seed) => {
    const plan = planStream(seed, durationMs);
    const late = plan.filter(({ sendAt, event }) => sendAt - event.eventTime > OUT_OF_ORDERNESS_MS);
    expect(late.length).toBeGreaterThan(10);
    expect(late.length).toBeLessThan(plan.length / 50);
    const carts = plan.filter(({ event }) => event.kind === 'cart');
    expect(carts.length).toBeGreaterThan(1_000);
    const partitions = new Set(plan.map(({ event }) => partitionOf(event.session)));
    expect(partitions.size).toBe(PARTITIONS);
    expect(new Set(plan.map(({ event }) => event.n)).size).toBe(plan.length);
    expect(plan.every(({ sendAt, event }) => sendAt >= event.eventTime)).toBe(true);
    expect(plan).toEqual([...plan].sort((a, b) => a.sendAt - b.sendAt));
  });
});
