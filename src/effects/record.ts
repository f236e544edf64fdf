// What the ledger knows of one effect: the answer to "did we send it".

import type { Timestamp } from '../time.js';

/**
 * | state | |
 * |---|---|
 * | `planned` | it waits for its delay, or to be decided |
 * | `held` | it waits for the end of quiet hours |
 * | `sent` | decided and counted; a try is under way, or its result is not known yet |
 * | `delivered` | the receiver has confirmed it |
 * | `capped` | not sent: a cap, the budget or re-entry forbids it |
 * | `suppressed` | not sent: goal, suppression list, control group, quiet hours, dry run, or something lacks |
 * | `failed` | the last try has failed, another one follows |
 * | `dead` | given up |
 */
export type EffectState =
  | 'planned'
  | 'held'
  | 'sent'
  | 'delivered'
  | 'capped'
  | 'suppressed'
  | 'failed'
  | 'dead';

/** States in which it is not decided yet. */
export const WAITING_STATES: readonly EffectState[] = ['planned', 'held'];

/** Why an effect was not sent, or not yet. */
export type Reason =
  | 'GOAL_REACHED'
  | 'SUPPRESSION_LIST'
  | 'CONTROL_GROUP'
  | 'QUIET_HOURS'
  | 'CAP'
  | 'BUDGET'
  | 'BUDGET_OF_USER'
  | 'REENTRY'
  | 'NO_USER'
  | 'NO_ZONE'
  | 'NO_ADDRESS'
  | 'TEMPLATE'
  | 'DRY_RUN'
  | 'RULE_OFF'
  | 'EFFECT_GONE'
  | 'CANCELLED'
  /** By the receiver, for good. */
  | 'REFUSED'
  /** Nobody knows whether it arrived, and it may not be sent twice. */
  | 'RESULT_UNKNOWN'
  /** Tried for as long as it may be. */
  | 'RETRIES_EXHAUSTED';

/** Who gets it. */
export interface EffectUser {
  /** Null where the match names none. */
  readonly id: string | null;
  readonly email: string | null;
  /** IANA name. */
  readonly zone: string | null;
}

/** What an effect is known by before anything is decided. JSON. */
export interface PlannedEffect {
  /** `<alert id>/<effect name>`: the idempotency key, too. */
  readonly id: string;
  readonly alertId: string;
  readonly effect: string;
  readonly journey: string;
  readonly key: string;
  readonly rule: string;
  readonly ruleVersion: number;
  readonly channel: string;
  readonly user: EffectUser;
  /** Of the match, in event time. */
  readonly matchedAt: Timestamp;
  /** What it costs and whose budget; null where it has none. */
  readonly cost: { readonly campaign: string; readonly value: string } | null;
  readonly isDryRun: boolean;
}

/** What is counted by caps, re-entry and budgets: effects of a user that were sent, or are about to be. */
export interface SentEffect extends Pick<PlannedEffect, 'effect' | 'journey' | 'rule' | 'channel'> {
  readonly at: Timestamp;
}
