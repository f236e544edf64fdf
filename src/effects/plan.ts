import { firstOf } from '../event.js';
import type { Alert } from '../rules/rule.js';
import type { Declared } from './policy.js';
import type { PlannedEffect } from './record.js';

/**
 * Makes of an alert and a declared effect what is planned.
 *
 * @param name - of the effect
 */
export function planEffect({ all, effect }: Declared, name: string, alert: Alert): PlannedEffect {
  return {
    id: effectId(alert.id, name),
    alertId: alert.id,
    effect: name,
    journey: alert.journey,
    key: alert.key,
    rule: alert.rule,
    ruleVersion: alert.ruleVersion,
    user: {
      id: alert.userId,
      email: firstOf(alert.match, all.user.email),
      zone: firstOf(alert.match, all.user.zone),
    },
    matchedAt: alert.at,
    ...declaredOf({ all, effect }),
  };
}

/** The effect that follows one that was sent: for the same user and match. */
export function planFollowUp(
  declared: Declared,
  name: string,
  before: PlannedEffect,
): PlannedEffect {
  return {
    ...before,
    id: effectId(before.alertId, name),
    effect: name,
    ...declaredOf(declared),
  };
}

/** The idempotency key. */
function effectId(alertId: string, name: string): string {
  return `${alertId}/${name}`;
}

function declaredOf({
  all,
  effect,
}: Declared): Pick<PlannedEffect, 'channel' | 'cost' | 'isDryRun'> {
  const { budget } = effect;
  return {
    channel: effect.channel ?? effect.send.kind,
    cost: budget ? { campaign: budget.campaign, value: budget.value } : null,
    isDryRun: effect.dryRun || all.dryRun,
  };
}
