// The faults of a chaos run, planned whole from its seed. Each minute is a round, in which everything is
// killed and stopped at least once; when, for how long and what overlaps with what is drawn.

import { Random } from '../../src/demo/clickstream.js';
import type { Failpoint } from '../../src/failpoints.js';
import { type Millis, minutes, seconds } from '../../src/time.js';

export const INGESTORS = ['ingestor-0', 'ingestor-1'] as const;
export const WORKERS = ['worker-0', 'worker-1'] as const;
export type Process = (typeof INGESTORS)[number] | (typeof WORKERS)[number];
export type Server = 'temporal' | 'broker' | 'postgres';
/** What a fault is done to; `ingestors` and `workers` are both of them at once. */
export type Target = Process | Server | 'ingestors' | 'workers';
export type Role = 'ingestor' | 'worker';

/** A fault; its time is ms since the start of the run. */
export interface Fault {
  readonly at: Millis;
  readonly target: Target;
  /** SIGKILL, and a start `forMs` later; or SIGSTOP, and SIGCONT `forMs` later. */
  readonly kind: 'kill' | 'pause';
  readonly forMs: Millis;
}

/** A failpoint at which a process is to end, the n-th time that it passes it. */
export interface Arming {
  readonly failpoint: Failpoint;
  readonly nth: number;
}

export interface Schedule {
  readonly faults: readonly Fault[];
  /** In this order the processes of a role are armed, one failpoint at each start. */
  readonly armings: Readonly<Record<Role, readonly Arming[]>>;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly durationMs: Millis;
  /** How often each failpoint is planned. */
  readonly hits: number;
}

/** Where a process of each role can be ended, and how often it may pass before it is. */
const FAILPOINTS: Readonly<Record<Role, readonly [Failpoint, number, number][]>> = {
  ingestor: [
    ['signal-accepted', 5, 60],
    ['acknowledged', 2, 8],
    ['progress-published', 4, 12],
  ],
  worker: [
    ['alerts-sent', 3, 12],
    ['alerts-recorded', 3, 12],
    ['continue-as-new', 1, 2],
    ['continued-as-new', 1, 2],
  ],
};
export const ALL_FAILPOINTS: readonly Failpoint[] = Object.values(FAILPOINTS)
  .flat()
  .map(([failpoint]) => failpoint);

/** Kinds of faults in a round, and how long each lasts. Longer than a window where nobody reads. */
const ROUND: readonly [Target | readonly Target[], Fault['kind'], Millis, Millis][] = [
  // Long enough for deadlines to pass while an event waits in its ingestor.
  ['temporal', 'kill', 3_000, 8_000],
  ['temporal', 'pause', 3_000, 8_000],
  ['broker', 'kill', 500, 3_000],
  ['broker', 'pause', 2_000, 6_000],
  ['postgres', 'kill', 1_000, 4_000],
  ['postgres', 'pause', 2_000, 6_000],
  ['workers', 'kill', 500, 3_000],
  [WORKERS, 'kill', 500, 2_000],
  [WORKERS, 'pause', 3_000, 8_000],
  [INGESTORS, 'kill', 500, 2_000],
  [INGESTORS, 'pause', 3_000, 9_000],
];
const OUTAGE_MS: readonly [Millis, Millis] = [seconds(12), seconds(14)];

/** The same schedule for the same options. */
export function planSchedule({ seed, durationMs, hits }: ScheduleOptions): Schedule {
  const random = new Random(seed);
  const faults: Fault[] = [];
  const rounds = Math.max(1, Math.round(durationMs / minutes(1)));
  const roundMs = durationMs / rounds;
  for (let round = 0; round < rounds; round++) {
    const within = (from: number, to: number) =>
      Math.round((round + from) * roundMs + random.next() * (to - from) * roundMs);
    // The two that last longest lie in different halves.
    const [first, second] = random.shuffle(['kill', 'pause'] as const);
    for (const [kind, from] of [
      [first, 0.1],
      [second, 0.55],
    ] as [Fault['kind'], number][]) {
      const forMs = random.integer(...OUTAGE_MS);
      faults.push({ at: within(from, from + 0.15), target: 'ingestors', kind, forMs });
    }
    for (const [targets, kind, from, to] of ROUND) {
      const target = typeof targets === 'string' ? targets : random.pick(targets);
      faults.push({ at: within(0.05, 0.9), target, kind, forMs: random.integer(from, to) });
    }
  }
  // Each failpoint once, and all of them again in another order.
  const armings = (role: Role) =>
    Array.from({ length: hits }, () => random.shuffle(FAILPOINTS[role])).flatMap((each) =>
      each.map(([failpoint, from, to]) => ({ failpoint, nth: random.integer(from, to) })),
    );
  return {
    faults: faults.sort((a, b) => a.at - b.at),
    armings: { ingestor: armings('ingestor'), worker: armings('worker') },
  };
}
