// Whether an effect is sent now, later or not at all. A function of what is declared and of facts that were read in the transaction
// that records the answer: so it holds whoever asks at the same time, and a simulation can ask it as well.

import type { Timestamp } from '../time.js';
import type { EffectDeclaration, EffectsDeclaration } from './declaration.js';
import type { PlannedEffect, Reason, SentEffect } from './record.js';

/** What has to be known to decide about an effect. */
export interface FactsNeeded {
  /** Effects sent to the user from this time on; null for none. MIN_TIMESTAMP for all. */
  readonly sentSince: Timestamp | null;
  readonly campaign: string | null;
}

/** What is known of the user and of the campaign. */
export interface Facts {
  /** What the user was sent, in any order; at least from {@link FactsNeeded.sentSince} on. */
  readonly sent: readonly SentEffect[];
  /** Whether the user, or the address, is on the suppression list for the channel. */
  readonly isSuppressed: boolean;
  /** When the user reached the effect's goal last, in event time; null for never. */
  readonly goalAt: Timestamp | null;
  /** Decimals, without this one. */
  readonly spent: { readonly campaign: string; readonly user: string };
}

export type Decision =
  | { readonly decision: 'send' }
  | { readonly decision: 'hold'; readonly until: Timestamp; readonly reason: Reason }
  | {
      readonly decision: 'refuse';
      readonly state: 'capped' | 'suppressed';
      readonly reason: Reason;
      /** For people: which cap, and how much of it was used. */
      readonly detail?: string;
    };

export type Decide = (
  declared: { readonly all: EffectsDeclaration; readonly effect: EffectDeclaration },
  planned: PlannedEffect,
  facts: Facts,
  now: Timestamp,
) => Decision;
