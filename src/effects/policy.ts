// Whether an effect is sent now, later or not at all. A function of what is declared and of facts that were read in the transaction
// that records the answer: so it holds whoever asks at the same time, and a simulation can ask it as well.
//
//   P1. The checks have an order, and the first that refuses is the reason. What counts what was sent comes after quiet hours, since
//       it is to hold when the effect is sent; so does the control group, which is compared with those who were sent it. A dry run
//       comes last: it says of each effect what would have become of it.
//   P2. What cannot be judged is not sent: NO_USER, NO_ZONE.
//   P3. An amount, a cap and a window are met exactly: what fills a budget is sent, and who was sent something `per` ago counts no more.

import { assert } from '../assert.js';
import { amountOf, formatAmount } from '../money.js';
import { formatDuration, MIN_TIMESTAMP, readableTimestamp, type Timestamp } from '../time.js';
import { isZone } from '../zone.js';
import { dayOf, quietUntil } from './calendar.js';
import { isInControlGroup, SALT_OF_ALL, saltOf } from './control-group.js';
import type { Cap, EffectDeclaration, EffectsDeclaration } from './declaration.js';
import type { PlannedEffect, Reason, SentEffect } from './record.js';

export interface Declared {
  readonly all: EffectsDeclaration;
  readonly effect: EffectDeclaration;
}

/** What has to be known to decide about an effect. */
export interface FactsNeeded {
  /** Effects sent to the user from this time on; null for none. MIN_TIMESTAMP for all. */
  readonly sentSince: Timestamp | null;
  readonly campaign: string | null;
}

/** What says of itself that the user is sent nothing. */
export interface UserFacts {
  /** Whether the user, or the address, is on the suppression list for the channel. */
  readonly isSuppressed: boolean;
  /** When the user reached the effect's goal last, in event time; null for never. */
  readonly goalAt: Timestamp | null;
}

/** What is known of the user and of the campaign. */
export interface Facts extends UserFacts {
  /** What the user was sent, in any order; at least from {@link FactsNeeded.sentSince} on. */
  readonly sent: readonly SentEffect[];
  /** Decimals of up to four places, without this one. */
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

type Refusal = Extract<Decision, { decision: 'refuse' }>;

/**
 * Decides about an effect that is planned or held, and whose delay is over.
 *
 * @param facts - as of `now`, at least what {@link factsNeeded} asks for; for a dry run with what other dry runs would have sent
 */
export function decide(
  declared: Declared,
  planned: PlannedEffect,
  facts: Facts,
  now: Timestamp,
): Decision {
  const { all, effect } = declared;
  const unwanted = unwantedRefusal(planned, facts);
  if (unwanted) return unwanted;
  if (planned.user.id === null && needsUser(declared)) {
    return suppressed('NO_USER', 'the match names no user, and a policy of the effect is by user');
  }

  const zone = zoneOf(declared, planned);
  if (zone === null && needsZone(declared)) {
    return suppressed('NO_ZONE', `${zoneFault(planned)}, and "zone" declares none for such users`);
  }
  const quiet = zone === null ? null : quietDecision(declared, zone, now);
  if (quiet) return quiet;
  // Those who are compared have waited as long, and have not bought meanwhile either.
  const group = controlGroup(declared, planned);
  if (group) return suppressed('CONTROL_GROUP', group);

  return (
    reentryRefusal(declared, planned, facts, now) ??
    capRefusal(declared, planned, facts, zone, now) ??
    budgetRefusal(declared, planned, facts) ??
    (planned.isDryRun || effect.dryRun || all.dryRun ? suppressed('DRY_RUN') : { decision: 'send' })
  );
}

/**
 * Looks again at one that is to be sent and could not be, before the next try: the user may have bought since, or asleep.
 * What counts what was sent is not asked again, since it counts itself.
 *
 * @returns null where it still is to be sent
 */
export function decideAgain(
  declared: Declared,
  planned: PlannedEffect,
  facts: UserFacts,
  now: Timestamp,
): Exclude<Decision, { decision: 'send' }> | null {
  const zone = zoneOf(declared, planned);
  return (
    unwantedRefusal(planned, facts) ?? (zone === null ? null : quietDecision(declared, zone, now))
  );
}

/** What is to be read before {@link decide} is asked at the same time. */
export function factsNeeded(
  declared: Declared,
  planned: PlannedEffect,
  now: Timestamp,
): FactsNeeded {
  const { reentry } = declared.effect;
  const zone = zoneOf(declared, planned);
  const since: Timestamp[] = [];
  if (reentry === 'once') since.push(MIN_TIMESTAMP);
  else if (reentry !== 'always') since.push(now - reentry.after);
  for (const { per } of capsOf(declared)) {
    if (per !== 'day') since.push(now - per);
    else if (zone !== null) since.push(dayOf(zone, now).from);
  }
  return {
    sentSince: planned.user.id === null || since.length === 0 ? null : Math.min(...since),
    campaign: planned.cost?.campaign ?? null,
  };
}

function suppressed(reason: Reason, detail?: string): Refusal {
  return {
    decision: 'refuse',
    state: 'suppressed',
    reason,
    ...(detail === undefined ? {} : { detail }),
  };
}

function capped(reason: Reason, detail: string): Refusal {
  return { decision: 'refuse', state: 'capped', reason, detail };
}

function capsOf({ all, effect }: Declared): Cap[] {
  return [...all.caps, ...effect.caps];
}

function quietHoursOf({ all, effect }: Declared) {
  return [all.quietHours, effect.quietHours].filter((hours) => hours !== undefined);
}

function needsUser(declared: Declared): boolean {
  const { all, effect } = declared;
  return (
    capsOf(declared).length > 0 ||
    effect.reentry !== 'always' ||
    all.control > 0 ||
    effect.control > 0 ||
    effect.budget?.perUser !== undefined
  );
}

function needsZone(declared: Declared): boolean {
  return quietHoursOf(declared).length > 0 || capsOf(declared).some(({ per }) => per === 'day');
}

/** The user's, or the declared one where the user has none that exists. */
function zoneOf({ all }: Declared, { user }: PlannedEffect): string | null {
  return user.zone !== null && isZone(user.zone) ? user.zone : (all.zone ?? null);
}

function zoneFault({ user }: PlannedEffect): string {
  return user.zone === null
    ? 'the match names no time zone'
    : `"${user.zone.slice(0, 50)}" is no time zone`;
}

/** Words for the group that the user is in. */
function controlGroup({ all, effect }: Declared, planned: PlannedEffect): string | null {
  const { id } = planned.user;
  if (id === null) return null;
  if (isInControlGroup(id, SALT_OF_ALL, all.control)) return `of all effects, ${all.control} %`;
  if (isInControlGroup(id, saltOf(planned), effect.control)) {
    return `of ${planned.effect} for rule ${planned.rule}, ${effect.control} %`;
  }
  return null;
}

/** Only what falls due in hours that drop is dropped: what the others hold waits until it can be sent. */
function quietDecision(
  declared: Declared,
  zone: string,
  now: Timestamp,
): Exclude<Decision, { decision: 'send' }> | null {
  const hours = quietHoursOf(declared);
  const dropping = hours.filter(({ otherwise }) => otherwise === 'drop');
  if (quietUntil(zone, dropping, now) > now) {
    return suppressed('QUIET_HOURS', `it fell due in quiet hours of ${zone}`);
  }
  const until = quietUntil(zone, hours, now);
  return until > now ? { decision: 'hold', until, reason: 'QUIET_HOURS' } : null;
}

function unwantedRefusal(planned: PlannedEffect, facts: UserFacts): Refusal | null {
  if (facts.goalAt !== null && facts.goalAt > planned.matchedAt) {
    return suppressed('GOAL_REACHED', `at ${readableTimestamp(facts.goalAt)}`);
  }
  return facts.isSuppressed ? suppressed('SUPPRESSION_LIST') : null;
}

function reentryRefusal(
  { effect }: Declared,
  planned: PlannedEffect,
  facts: Facts,
  now: Timestamp,
): Refusal | null {
  const { reentry } = effect;
  if (reentry === 'always') return null;
  const last = facts.sent
    .filter((sent) => sent.effect === planned.effect && isOfRule(sent, planned))
    .reduce((latest, { at }) => Math.max(latest, at), MIN_TIMESTAMP);
  if (last === MIN_TIMESTAMP || (reentry !== 'once' && last <= now - reentry.after)) return null;
  const often = reentry === 'once' ? 'once' : `once in ${formatDuration(reentry.after)}`;
  return capped('REENTRY', `${often}, and last sent at ${readableTimestamp(last)}`);
}

function capRefusal(
  declared: Declared,
  planned: PlannedEffect,
  facts: Facts,
  zone: string | null,
  now: Timestamp,
): Refusal | null {
  for (const { max, per, of } of capsOf(declared)) {
    const span = spanOf(per, zone, now);
    const count = facts.sent.filter(
      (sent) =>
        sent.at > span.after &&
        (of === 'user' ||
          (of === 'channel' ? sent.channel === planned.channel : isOfRule(sent, planned))),
    ).length;
    if (count < max) continue;
    const what = {
      user: 'to the user',
      channel: `by ${planned.channel}`,
      rule: `of rule ${planned.rule}`,
    };
    return capped('CAP', `${count} of ${max} ${what[of]} ${span.words}`);
  }
  return null;
}

/** What a cap counts in, up to now. */
function spanOf(
  per: Cap['per'],
  zone: string | null,
  now: Timestamp,
): { after: Timestamp; words: string } {
  if (per !== 'day') return { after: now - per, words: `in ${formatDuration(per)}` };
  assert(zone !== null, 'a cap per day is judged where there is a zone');
  const { date, from } = dayOf(zone, now);
  return { after: from - 1, words: `on ${date} in ${zone}` };
}

function budgetRefusal(
  { effect: { budget } }: Declared,
  { cost }: PlannedEffect,
  { spent }: Facts,
): Refusal | null {
  if (!budget || !cost) return null;
  const value = amountOf(cost.value);
  const exceeds = (used: string, limit: string) => amountOf(used) + value > amountOf(limit);
  const words = (used: string, limit: string) =>
    `${formatAmount(amountOf(used))} of ${formatAmount(amountOf(limit))} of ${cost.campaign} are spent, this costs ${formatAmount(value)}`;
  if (exceeds(spent.campaign, budget.limit)) {
    return capped('BUDGET', words(spent.campaign, budget.limit));
  }
  if (budget.perUser !== undefined && exceeds(spent.user, budget.perUser)) {
    return capped('BUDGET_OF_USER', `of the user: ${words(spent.user, budget.perUser)}`);
  }
  return null;
}

/** Rules are known by their journey and id. */
function isOfRule(sent: SentEffect, planned: PlannedEffect): boolean {
  return sent.journey === planned.journey && sent.rule === planned.rule;
}
