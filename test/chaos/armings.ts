// Which process of a chaos run is to end at which failpoint, as the run goes on.

import type { Failpoint } from '../../src/failpoints.js';
import type { Arming, Role, Schedule } from './schedule.js';

/** The failpoints at which processes are still to end, in the order of a schedule, and those at which they have. */
export class Armings {
  readonly #left: Record<Role, Arming[]>;
  readonly #hits = new Map<Failpoint, number>();
  #wanted = Number.POSITIVE_INFINITY;

  constructor({ ingestor, worker }: Schedule['armings']) {
    this.#left = { ingestor: [...ingestor], worker: [...worker] };
  }

  /** How often a process has ended there. */
  hits(failpoint: Failpoint): number {
    return this.#hits.get(failpoint) ?? 0;
  }

  /** From now on those are left out at which processes have ended so often: to end more of them takes time. */
  leaveOutAt(hits: number): void {
    this.#wanted = hits;
  }

  /** For a process that starts; undefined where none is left. */
  take(role: Role): Arming | undefined {
    const left = this.#left[role].filter(({ failpoint }) => this.hits(failpoint) < this.#wanted);
    this.#left[role] = left;
    return left.shift();
  }

  /** A process has ended elsewhere. */
  giveBack(role: Role, arming: Arming): void {
    this.#left[role].unshift(arming);
  }

  hit({ failpoint }: Arming): void {
    this.#hits.set(failpoint, this.hits(failpoint) + 1);
  }
}
