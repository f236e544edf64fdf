// What workflows of effects ask of the world: plan, decide, send, and what became of it. The ledger is asked first and told last.

import { ApplicationFailure, Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { assert } from '../assert.js';
import {
  type EffectDeclaration,
  type EffectsDeclaration,
  readEffects,
} from '../effects/declaration.js';
import { DeliveryError, type Sender } from '../effects/kinds/kind.js';
import type { EffectLedger, EffectRecord } from '../effects/ledger.js';
import { planEffect } from '../effects/plan.js';
import { type Decision, decide, decideAgain, factsNeeded } from '../effects/policy.js';
import type { EffectUser, PlannedEffect, Reason } from '../effects/record.js';
import { failpoint } from '../failpoints.js';
import type { Logger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { readableTimestamp, type Timestamp } from '../time.js';
import {
  EFFECT_WORKFLOW,
  type EffectInput,
  type EffectPlan,
  effectWorkflowId,
} from '../workflows/effect-messages.js';
import { SUMMARY_LENGTH_MAX } from '../workflows/messages.js';

export interface EffectActivities {
  /**
   * Records an effect as planned.
   *
   * @param inherited - the goal of the effect that this one follows, where it has none of its own
   * @returns null where nothing is left to do
   */
  planEffect(alert: Alert, effect: string, inherited: string | null): Promise<EffectPlan | null>;
  /** Whether it is sent now, later or not at all. */
  decideEffect(alert: Alert, effect: string, inherited: string | null): Promise<Decision>;
  /**
   * One try. Fails where another one is to follow.
   *
   * @returns whether it was delivered; or why it is not sent any more
   */
  sendEffect(alert: Alert, effect: string): Promise<boolean | Reason>;
  /** It is not sent any more. */
  suppressEffect(alert: Alert, effect: string, reason: Reason): Promise<void>;
  /** It was tried for as long as it may be. @returns whether it was delivered all the same, and only the answer was lost */
  giveUpEffect(alert: Alert, effect: string, why: string): Promise<boolean>;
}

/** What is known of users beside what matches say. */
export type UserDirectory = (
  userId: string,
  alert: Alert,
) => Promise<Partial<Pick<EffectUser, 'email' | 'zone'>>>;

export interface EffectDependencies {
  readonly declaration: EffectsDeclaration;
  /** By effect. */
  readonly senders: ReadonlyMap<string, Sender>;
  readonly ledger: EffectLedger;
  readonly users?: UserDirectory | undefined;
  /** Whether the alert's rule is still on. */
  readonly isInForce: (alert: Alert) => Promise<boolean>;
  readonly log: Logger;
}

/** What is recorded of an effect that nobody declares any more. */
const GONE = readEffects({ effects: { gone: { send: { kind: 'gone' } } } }).effects
  .gone as EffectDeclaration;

/** Of what a dry run would have sent; in characters. */
const PREVIEW_LENGTH_MAX = 2_000;

/** An effect's name, with all that is known of it. */
interface Known {
  readonly planned: PlannedEffect;
  readonly declared: EffectDeclaration;
  readonly sender: Sender;
}

export function createEffectActivities(deps: EffectDependencies): EffectActivities {
  const { declaration, senders, ledger, users, isInForce, log } = deps;

  const known = async (alert: Alert, name: string): Promise<Known | null> => {
    const declared = Object.hasOwn(declaration.effects, name) ? declaration.effects[name] : null;
    const sender = senders.get(name);
    if (!declared || !sender) return null;
    const planned = planEffect({ all: declaration, effect: declared }, name, alert);
    const { user } = planned;
    const { email = user.email, zone = user.zone } =
      user.id === null || !users ? user : await users(user.id, alert);
    return { planned: { ...planned, user: { ...user, email, zone } }, declared, sender };
  };

  /** It was declared once: a row names it, or a workflow that was started before. */
  const isGone = async (alert: Alert, effect: string): Promise<void> => {
    log.error('effect not sent: it is no longer declared', { effect, alertId: alert.id });
    await ledger.suppress(`${alert.id}/${effect}`, 'EFFECT_GONE', now());
  };

  /** No other try follows. @returns what has become of it */
  const givenUp = async (id: string, why: string): Promise<EffectRecord | null> => {
    await ledger.giveUp(id, why, now());
    return await ledger.read(id);
  };

  /** What a dry run would have sent. */
  const previewOf = ({ planned, sender }: Known, alert: Alert): string => {
    try {
      return sender.preview({ effect: planned, alert, now: now() }).slice(0, PREVIEW_LENGTH_MAX);
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      return `it could not have been sent: ${error.message}`;
    }
  };

  /** @returns why it is not sent any more. @throws ApplicationFailure where the next try is to wait */
  const lookedAtAgain = async (
    { planned, declared }: Known,
    goal: string | null,
  ): Promise<Reason | null> => {
    const at = now();
    const facts = await ledger.userFacts(planned, goal);
    const decision = decideAgain({ all: declaration, effect: declared }, planned, facts, at);
    if (decision?.decision === 'hold') {
      throw ApplicationFailure.create({
        message: `it waits for the end of quiet hours, at ${readableTimestamp(decision.until)}`,
        type: 'Held',
        nextRetryDelay: decision.until - at,
      });
    }
    if (decision) await ledger.suppress(planned.id, decision.reason, at);
    return decision?.reason ?? null;
  };

  const ended = async (
    { planned }: Known,
    reason: Reason,
    {
      message,
      answer,
      isUnknown,
    }: { message: string; answer?: DeliveryError['outcome']['answer']; isUnknown: boolean },
  ): Promise<false> => {
    const how = { state: 'dead', reason, detail: message, answer, isUnknown } as const;
    await ledger.attempted(planned.id, how, now());
    log.error('effect is dead', { effect: planned.id, reason, detail: message });
    return false;
  };

  return {
    planEffect: async (alert, name, inherited) => {
      const found = await known(alert, name);
      const { workflowExecution } = Context.current().info;
      assert(workflowExecution !== undefined, 'only workflows plan effects');
      const goalNow = found?.declared.goal ?? inherited;
      const planned = found?.planned ?? planEffect({ all: declaration, effect: GONE }, name, alert);
      const record = await ledger.plan(planned, goalNow, workflowExecution, now());
      if (!found) {
        await isGone(alert, name);
        return null;
      }
      if (record.endedAt !== null) return null;
      // One that is tried again alone inherits nothing but what it had before.
      const goal = goalNow ?? record.goal;
      const { delay, timeout, retry, followUp } = found.declared;
      return {
        delayMs: delay ?? 0,
        goal,
        timeoutMs: timeout,
        retry: { forMs: retry.for, firstMs: retry.first, longestMs: retry.longest },
        followUp: followUp ? { afterMs: followUp.after, effect: followUp.effect } : null,
      };
    },

    decideEffect: async (alert, name, inherited) => {
      const found = await known(alert, name);
      if (!found) {
        await isGone(alert, name);
        return { decision: 'refuse', state: 'suppressed', reason: 'EFFECT_GONE' };
      }
      const { planned, declared } = found;
      if (!(await isInForce(alert))) {
        await ledger.suppress(planned.id, 'RULE_OFF', now());
        return { decision: 'refuse', state: 'suppressed', reason: 'RULE_OFF' };
      }
      const at = now();
      const both = { all: declaration, effect: declared };
      const goal = declared.goal ?? inherited;
      const decision = await ledger.decide(
        planned,
        goal,
        factsNeeded(both, planned, at),
        at,
        (facts) => {
          const decision = decide(both, planned, facts, at);
          const isDry = decision.decision === 'refuse' && decision.reason === 'DRY_RUN';
          return isDry ? { ...decision, detail: previewOf(found, alert) } : decision;
        },
      );
      // What would have been sent stays in the ledger: histories are no place for mails.
      if (decision.decision !== 'refuse' || decision.reason !== 'DRY_RUN') return decision;
      const { detail: _, ...told } = decision;
      return told;
    },

    sendEffect: async (alert, name) => {
      const found = await known(alert, name);
      if (!found) {
        await isGone(alert, name);
        // One of which a try is under way can't be called back.
        const record = await givenUp(`${alert.id}/${name}`, 'it is no longer declared');
        return record?.reason === 'EFFECT_GONE' ? record.reason : record?.state === 'delivered';
      }
      const { planned, declared, sender } = found;
      const before = await ledger.read(planned.id);
      // Who recorded it was gone before Temporal knew.
      if (before?.state === 'delivered') return true;
      if (before?.state === 'failed') {
        const reason = await lookedAtAgain(found, before.goal);
        if (reason) return reason;
      }
      const begun = await ledger.begin(planned.id);
      if (begun === null) return false;
      failpoint('effect-begun');
      const mayRepeat =
        (declared.delivery ?? (sender.isIdempotent ? 'at-least-once' : 'at-most-once')) ===
        'at-least-once';
      if (begun.isUnknown && !mayRepeat) {
        const message =
          'a worker ended while it was being sent: it may have arrived, and must not be sent twice';
        return await ended(found, 'RESULT_UNKNOWN', { message, isUnknown: true });
      }
      const { cancellationSignal: signal } = Context.current();
      const { attempt } = begun;
      try {
        const answer = await sender.send({
          ...{ effect: planned, alert, attempt, now: now(), timeoutMs: declared.timeout, signal },
        });
        failpoint('effect-sent');
        await ledger.attempted(planned.id, { state: 'delivered', answer }, now());
        failpoint('effect-recorded');
        return true;
      } catch (error) {
        if (!(error instanceof DeliveryError)) throw error;
        const { message, outcome } = error;
        const isUnknown = outcome.is === 'unknown';
        const what = { message, answer: outcome.answer, isUnknown };
        if (outcome.is === 'refused') return await ended(found, outcome.reason ?? 'REFUSED', what);
        if (isUnknown && !mayRepeat) return await ended(found, 'RESULT_UNKNOWN', what);
        const reason = isUnknown ? 'RESULT_UNKNOWN' : 'REFUSED';
        const how = {
          state: 'failed',
          reason,
          detail: message,
          answer: outcome.answer,
          isUnknown,
        } as const;
        await ledger.attempted(planned.id, how, now());
        throw ApplicationFailure.create({
          message,
          type: 'DeliveryError',
          ...(outcome.retryAfterMs === undefined ? {} : { nextRetryDelay: outcome.retryAfterMs }),
        });
      }
    },

    suppressEffect: async (alert, name, reason) => {
      await ledger.suppress(`${alert.id}/${name}`, reason, now());
    },

    giveUpEffect: async (alert, name, why) => {
      const id = `${alert.id}/${name}`;
      const record = await givenUp(id, why);
      if (record?.state === 'delivered') return true;
      log.error('effect is dead', { effect: id, reason: 'RETRIES_EXHAUSTED', detail: why });
      return false;
    },
  };
}

/** Starts the workflow that takes care of an alert's effects; one that was started before goes on as it is. */
export async function startEffects(input: EffectInput): Promise<void> {
  const { client, info } = Context.current();
  const { alert, effects } = input;
  try {
    await client.workflow.start(EFFECT_WORKFLOW, {
      workflowId: effectWorkflowId(alert.id),
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      taskQueue: info.taskQueue,
      args: [input],
      staticSummary: `${effects.join(', ')}: ${alert.type} of ${alert.key}`.slice(
        0,
        SUMMARY_LENGTH_MAX,
      ),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** A try may have waited long for a worker. Where time is skipped, the server's is ahead, and the only true one. */
function now(): Timestamp {
  return Math.max(Context.current().info.currentAttemptScheduledTimestampMs, Date.now());
}
