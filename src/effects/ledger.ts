// The ledger of effects: what was planned, decided and sent, for every process and for good. It decides, too: what counts for caps
// and budgets is read in the transaction that records the decision, so no two that decide at once can both take the last place.
//
//   L1. An effect is decided for sending once. Who asks again is told the same.
//   L2. What was decided counts for caps and budgets from that moment on, unless it is certain that it never arrived.
//   L3. A try is recorded before it is made. One whose end was never recorded may have arrived.
//   L4. A goal is recorded before those who wait are told of it, and looked up with each decision: none is missed.

import type { Timestamp } from '../time.js';
import type { Answer } from './kinds/kind.js';
import type { Decision, Facts, FactsNeeded, UserFacts } from './policy.js';
import type { EffectState, PlannedEffect, Reason } from './record.js';

/** The workflow that takes care of an effect. */
export interface EffectWorkflow {
  readonly workflowId: string;
  readonly runId: string;
}

export interface EffectRecord extends EffectWorkflow, Omit<PlannedEffect, 'user' | 'cost'> {
  readonly userId: string | null;
  /** Which the user may reach first; null for none. */
  readonly goal: string | null;
  readonly state: EffectState;
  readonly reason: Reason | null;
  /** Why, in words. */
  readonly detail: string | null;
  readonly attempts: number;
  readonly plannedAt: Timestamp;
  /** When it may be sent; null while that is not decided. */
  readonly heldUntil: Timestamp | null;
  /** When it was decided that it is sent, or not. */
  readonly decidedAt: Timestamp | null;
  /** When it was delivered, or given up. */
  readonly endedAt: Timestamp | null;
  /** The receiver's. */
  readonly answer: Answer | null;
  /** Whether some try may have arrived. */
  readonly mayHaveArrived: boolean;
  /** Given up for good: dead, and listed no more. */
  readonly isDiscarded: boolean;
  /** Who has discarded it, or had it tried again, last; null when nobody has. */
  readonly handled: (Handling & { readonly at: Timestamp }) | null;
}

/** Who has seen to an effect that is dead, and why so. */
export interface Handling {
  readonly author: string;
  readonly reason: string | null;
}

/** How a try has ended. */
export type Attempted =
  | { readonly state: 'delivered'; readonly answer: Answer }
  | {
      readonly state: 'failed' | 'dead';
      readonly reason: Reason;
      readonly detail: string;
      readonly answer?: Answer | undefined;
      /** Nobody knows whether it has arrived. */
      readonly isUnknown: boolean;
    };

export interface Begun {
  /** Counted from 1. */
  readonly attempt: number;
  /** Whether the end of the try before was never recorded. */
  readonly isUnknown: boolean;
}

export interface EffectLedger {
  /**
   * Records an effect as planned; one that is known stays as it is.
   *
   * @param goal - which the user may reach first; null for none
   */
  plan(
    effect: PlannedEffect,
    goal: string | null,
    workflow: EffectWorkflow,
    now: Timestamp,
  ): Promise<EffectRecord>;
  /**
   * L1. Decides about an effect that is planned or held.
   *
   * @param needed - what is to be read for it
   * @param decide - called in the transaction, maybe more than once
   */
  decide(
    effect: PlannedEffect,
    goal: string | null,
    needed: FactsNeeded,
    now: Timestamp,
    decide: (facts: Facts) => Decision,
  ): Promise<Decision>;
  /** What may have changed between two tries. */
  userFacts(effect: PlannedEffect, goal: string | null): Promise<UserFacts>;
  /** L3. Null where nothing is left to try. */
  begin(id: string): Promise<Begun | null>;
  /** L2, L3. */
  attempted(id: string, how: Attempted, now: Timestamp): Promise<void>;
  /** L2, L3. No other try follows. One that is under way may arrive yet. */
  giveUp(id: string, why: string, now: Timestamp): Promise<void>;
  /** L2. Gives up one that is planned or held, or whose last try has failed. @returns whether it was */
  suppress(id: string, reason: Reason, now: Timestamp): Promise<boolean>;
  /** Makes one that is dead planned again; of one that may have arrived, L2 holds on. @returns whether it was dead */
  revive(id: string, by: Handling, now: Timestamp): Promise<boolean>;
  /** One that is dead stays so, and nobody needs to see it again. @returns whether it was dead */
  discard(id: string, by: Handling, now: Timestamp): Promise<boolean>;
  /**
   * L4.
   *
   * @param at - event time
   * @returns the workflows of the effects that wait for it
   */
  goalReached(userId: string, goal: string, at: Timestamp): Promise<string[]>;
  read(id: string): Promise<EffectRecord | null>;
  /** In the order in which they were planned. */
  ofAlert(alertId: string): Promise<EffectRecord[]>;
}
