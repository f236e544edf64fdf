// What is said between activities and the workflow of an alert's effects. Plain JSON, no behaviour.

import type { Alert } from '../rules/rule.js';
import type { Millis, Timestamp } from '../time.js';
import type { SourcePartition } from './messages.js';

/** Workflow type. */
export const EFFECT_WORKFLOW = 'effect';
/** Signal that the user has reached a goal: its name, and the event time. */
export const GOAL_SIGNAL = 'goal';
/** Signal that an effect, by its name, is to be tried again from its beginning. */
export const AGAIN_SIGNAL = 'again';
/** Query for what the effects wait for. */
export const EFFECTS_QUERY = 'effects';

export interface EffectInput {
  readonly alert: Alert;
  /** Names, all at once. */
  readonly effects: readonly string[];
  /** Partitions that must have been read as far as an effect is due before its goal counts as not reached. None by default. */
  readonly readFrom?: readonly SourcePartition[];
}

/** What the workflow has to know of an effect's declaration: it stands in its history, whatever becomes of the declaration. */
export interface EffectPlan {
  readonly delayMs: Millis;
  readonly goal: string | null;
  /** Of one try. */
  readonly timeoutMs: Millis;
  readonly retry: { readonly forMs: Millis; readonly firstMs: Millis; readonly longestMs: Millis };
  readonly followUp: { readonly afterMs: Millis; readonly effect: string } | null;
}

export function effectWorkflowId(alertId: string): string {
  return `effect/${alertId}`;
}

/** How an effect stands, for people; the ledger has the whole of it. */
export interface EffectProgress {
  readonly effect: string;
  readonly state: 'waiting' | 'deciding' | 'sending' | 'delivered' | 'not sent' | 'dead';
  /** What it waits for, or why it was not sent. */
  readonly why: string | null;
  readonly until: Timestamp | null;
}

/** Whether nothing more becomes of it. */
export function isOver(state: EffectProgress['state']): boolean {
  return state === 'delivered' || state === 'not sent' || state === 'dead';
}
