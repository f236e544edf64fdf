// What a kind of effect is: one file beside this one, named in index.ts.

import type { z } from 'zod';
import type { Alert } from '../../rules/rule.js';
import type { Millis, Timestamp } from '../../time.js';
import type { PlannedEffect } from '../record.js';

/** One message, ready to be told to a receiver. */
export interface Delivery {
  readonly effect: PlannedEffect;
  readonly alert: Alert;
  /** Counted from 1; it is the same message under the same idempotency key each time. */
  readonly attempt: number;
  readonly now: Timestamp;
  /** After so long the sender gives the try up by itself. */
  readonly timeoutMs: Millis;
  /** Aborted when the worker shuts down. */
  readonly signal: AbortSignal;
}

/** What the receiver said, for the ledger: JSON of at most some kilobytes, without secrets. */
export type Answer = Readonly<Record<string, unknown>>;

/** How a try has ended without the receiver's consent. */
export interface DeliveryOutcome {
  /**
   * `refused`: for good, another try is of no use. `not-sent`: it has certainly not taken place, another try may follow.
   * `unknown`: nobody knows whether it has.
   */
  readonly is: 'refused' | 'not-sent' | 'unknown';
  /** Why, where it is `refused` and the fault is ours. Default `REFUSED`. */
  readonly reason?: 'NO_ADDRESS' | 'TEMPLATE' | 'REFUSED';
  readonly answer?: Answer;
  /** When the receiver asks for the next try, from now. */
  readonly retryAfterMs?: Millis;
}

export class DeliveryError extends Error {
  readonly outcome: DeliveryOutcome;

  constructor(message: string, outcome: DeliveryOutcome, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DeliveryError';
    this.outcome = outcome;
  }
}

/** Sends what one declared effect says. */
export interface Sender {
  /**
   * Whether the receiver knows a repetition by its idempotency key. If not, a try with an unknown result is the last one, unless
   * the effect says otherwise.
   */
  readonly isIdempotent: boolean;
  /** @throws DeliveryError */
  send(delivery: Delivery): Promise<Answer>;
  /** Text that would be sent, for dry runs. @throws DeliveryError for a template that does not fit */
  preview(delivery: Omit<Delivery, 'attempt' | 'timeoutMs' | 'signal'>): string;
  /** Gives up what is kept open between two messages. */
  close?(): Promise<void>;
}

export interface EffectKind<Schema extends z.ZodType = z.ZodType> {
  readonly kind: string;
  /** Of `send` in the declaration, `kind` included. */
  readonly schema: Schema;
  /**
   * @param env - where secrets are looked up; a declaration names variables, never values
   * @throws CepError `EFFECTS_INVALID` for templates that do not parse, `SETTING_INVALID` for a variable that is not set
   */
  sender(send: z.output<Schema>, env: NodeJS.ProcessEnv): Sender;
}
