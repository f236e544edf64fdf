// Goals that users reach, told to those who wait for them before their event counts as delivered.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ReachedGoal } from '../effects/goals.js';
import type { EffectLedger } from '../effects/ledger.js';
import { messageOf } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import type { Logger } from '../log.js';
import type { Timestamp } from '../time.js';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;

export interface GoalWatchDeps {
  readonly goals: (event: EventData) => ReachedGoal[];
  readonly ledger: Pick<EffectLedger, 'goalReached'>;
  /** Tells the workflow of an alert's effects; one that has ended needs to know nothing. */
  readonly tell: (workflowId: string, goal: string, at: Timestamp) => Promise<void>;
  readonly log: Logger;
}

export class GoalWatch {
  readonly #deps: GoalWatchDeps;
  /** Goals that could not be told at the last try: while there are any, one line in the log is enough. */
  #failing = 0;

  constructor(deps: GoalWatchDeps) {
    this.#deps = deps;
  }

  /**
   * What the event has reached is recorded, and whoever waits is told; tried until that works.
   *
   * @returns null where it has reached nothing, as most have
   */
  reached({ data, timestamp }: CepEvent): Promise<void> | null {
    const reached = this.#deps.goals(data);
    if (reached.length === 0) return null;
    return Promise.all(reached.map((goal) => this.#record(goal, timestamp))).then(() => {});
  }

  async #record({ goal, userId }: ReachedGoal, at: Timestamp): Promise<void> {
    const { ledger, tell, log } = this.#deps;
    let isFailing = false;
    for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(2 * waitMs, RETRY_MAX_MS)) {
      try {
        const waiting = await ledger.goalReached(userId, goal, at);
        await Promise.all(waiting.map((workflowId) => tell(workflowId, goal, at)));
        if (isFailing) this.#failing--;
        if (isFailing && this.#failing === 0) log.info('goals are told again');
        return;
      } catch (error) {
        if (!isFailing && this.#failing === 0) {
          const reason = messageOf(error);
          log.warn('a goal could not be told yet: it and those after it are tried again', {
            goal,
            reason,
          });
        }
        if (!isFailing) this.#failing++;
        isFailing = true;
        // Nobody waits for this timer when the process ends: the event is read again.
        await sleep(waitMs, undefined, { ref: false });
      }
    }
  }
}
