// Random effects, goals and policies over some days, and a recount that shares no code with what decides: from the declaration and
// the answers alone it says of each effect whether it was right to send it, and right not to. Days and quiet hours are those of the
// platform's formatter, money is counted in whole cents.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Cap, EffectDeclaration, EffectsDeclaration } from '../../src/effects/declaration.js';
import type { PlannedEffect } from '../../src/effects/record.js';
import {
  type EffectPlanned,
  type GoalReached,
  type SimulatedEffect,
  type Suppressed,
  simulateEffects,
} from '../../src/effects/simulation.js';
import { declareAll, plannedOf, wallClock } from './helpers.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Two days before Berlin's clocks go back. */
const START = Date.parse('2024-10-25T06:00Z');
const LENGTH_MINUTES = 4 * 24 * 60;
const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Tokyo', 'nowhere'];

const share = fc.constantFrom(0, 0, 0, 30);
const capArbitrary = fc.record({
  max: fc.integer({ min: 1, max: 3 }),
  per: fc.constantFrom('day', '6h', '1d', '3d'),
  of: fc.constantFrom('user' as const, 'channel' as const, 'rule' as const),
});
const clock = (hour: number, minute: number) =>
  `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
const quietArbitrary = fc
  .record({
    from: fc.integer({ min: 0, max: 23 }),
    length: fc.integer({ min: 1, max: 10 }),
    otherwise: fc.constantFrom('hold' as const, 'hold' as const, 'drop' as const),
  })
  .map(({ from, length, otherwise }) => ({
    from: clock(from, 30),
    to: clock((from + length) % 24, 15),
    otherwise,
  }));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const effectArbitrary = fc.record({
  delay: maybe(fc.constantFrom('10m', '2h')),
  goal: maybe(fc.constant('bought')),
  quietHours: maybe(quietArbitrary),
  caps: fc.array(capArbitrary, { maxLength: 2 }),
  reentry: fc.constantFrom('always' as const, 'always' as const, 'once' as const, { after: '2d' }),
  control: share,
  budget: maybe(
    fc.record({
      campaign: fc.constant('autumn'),
      value: fc.constantFrom('0.10', '0.7'),
      limit: fc.constantFrom('0.3', '2.1'),
      perUser: maybe(fc.constantFrom('0.2', '0.7')),
    }),
  ),
});
const declaredArbitrary: fc.Arbitrary<EffectsDeclaration> = fc
  .record({
    mail: effectArbitrary,
    sms: effectArbitrary,
    caps: fc.array(capArbitrary, { maxLength: 1 }),
    quietHours: maybe(quietArbitrary),
    control: share,
    zone: maybe(fc.constant('Asia/Tokyo')),
    after: fc.constantFrom('1h', '1d'),
  })
  .map(({ mail, sms, caps, quietHours, control, zone, after }) =>
    declareAll(
      withoutUndefined({
        zone,
        caps,
        quietHours,
        control,
        goals: { bought: { when: 'true' } },
        effects: {
          mail: { ...withoutUndefined(mail), followUp: { after, effect: 'sms' } },
          sms: { ...withoutUndefined(sms), channel: 'sms' },
        },
      }) as Parameters<typeof declareAll>[0],
    ),
  );

interface Input {
  readonly declared: EffectsDeclaration;
  readonly planned: readonly EffectPlanned[];
  readonly goals: readonly GoalReached[];
  readonly suppressed: readonly Suppressed[];
}

/** JSON knows none, and what is not given is its default. */
function withoutUndefined<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

const userArbitrary = fc.integer({ min: 0, max: 4 });
const minuteArbitrary = fc.integer({ min: 0, max: LENGTH_MINUTES });
const inputArbitrary: fc.Arbitrary<Input> = fc
  .record({
    declared: declaredArbitrary,
    alerts: fc.array(
      fc.record({
        minute: minuteArbitrary,
        user: userArbitrary,
        rule: fc.constantFrom('cart', 'visit'),
        effect: fc.constantFrom('mail', 'mail', 'sms'),
      }),
      { minLength: 10, maxLength: 60 },
    ),
    goals: fc.array(fc.record({ minute: minuteArbitrary, user: userArbitrary }), { maxLength: 6 }),
    suppressed: fc.array(
      fc.record({ minute: minuteArbitrary, user: userArbitrary, isAll: fc.boolean() }),
      { maxLength: 1 },
    ),
  })
  .map(({ declared, alerts, goals, suppressed }) => ({
    declared,
    planned: alerts.map(({ minute, user, rule, effect }, i) => {
      const at = START + minute * MINUTE;
      const budget = declared.effects[effect]?.budget;
      const planned = plannedOf(`a${String(i).padStart(2, '0')}`, {
        rule,
        effect,
        channel: effect === 'mail' ? 'email' : 'sms',
        cost: budget ? { campaign: budget.campaign, value: budget.value } : null,
        user: { id: `u${user}`, email: null, zone: ZONES[user] as string },
        matchedAt: at,
      });
      return { at, planned };
    }),
    goals: goals.map(({ minute, user }) => ({
      at: START + minute * MINUTE,
      user: `u${user}`,
      goal: 'bought',
    })),
    suppressed: suppressed.map(({ minute, user, isAll }) => ({
      at: START + minute * MINUTE,
      user: `u${user}`,
      channel: isAll ? null : 'sms',
    })),
  }));

const cents = (text: string) => Math.round(Number(text) * 100);

/** Berlin's clocks: what lies between two showings of a quiet hour is quiet as well. */
const isShownTwice = (at: number) =>
  Date.parse('2024-10-27T00:00Z') <= at && at < Date.parse('2024-10-27T02:00Z');

/** The recount. */
class Verdict {
  readonly declared: EffectsDeclaration;
  readonly input: Input;
  readonly effects: readonly SimulatedEffect[];

  constructor(input: Input, effects: readonly SimulatedEffect[]) {
    this.declared = input.declared;
    this.input = input;
    this.effects = effects;
  }

  /** What is wrong with the answers. */
  faults(): string[] {
    return this.effects.flatMap((effect) => {
      const fault = this.#fault(effect);
      return fault === null ? [] : [`${effect.id} ${effect.reason ?? effect.state}: ${fault}`];
    });
  }

  #fault(effect: SimulatedEffect): string | null {
    const { planned, at } = effect;
    const goal = this.#isGoalReached(planned, at);
    const before = this.#before(effect);
    const isFull = this.#caps(planned).some(
      (cap) => this.#count(cap, before, planned, at) >= cap.max,
    );
    const isQuiet = this.#quiet(planned, at).length > 0;
    switch (effect.reason ?? effect.state) {
      case 'sent':
        if (goal) return 'the goal was reached';
        if (isFull) return 'a cap was full';
        if (isQuiet) return 'the clock showed a quiet hour';
        if (this.#reentered(before, planned, at)) return 'it came again too early';
        if (this.#overspent(before, planned)) return 'the budget was spent';
        if (this.#suppressed(planned, at)) return 'the user was on the list';
        return null;
      case 'GOAL_REACHED':
        return goal ? null : 'no goal was reached';
      case 'CAP':
        return isFull ? null : 'no cap was full';
      case 'REENTRY':
        return this.#reentered(before, planned, at) ? null : 'it did not come again';
      case 'BUDGET':
      case 'BUDGET_OF_USER':
        return this.#overspent(before, planned) ? null : 'there was money left';
      case 'SUPPRESSION_LIST':
        return this.#suppressed(planned, at) ? null : 'the user was not on the list';
      case 'QUIET_HOURS':
        return this.#quiet(planned, at).includes('drop') || isShownTwice(at)
          ? null
          : 'no hour was quiet';
      case 'NO_ZONE':
        return this.#zone(planned) === null ? null : 'there was a zone';
      case 'CONTROL_GROUP':
        return this.declared.control + this.#of(planned).control > 0 ? null : 'there was no group';
      default:
        return 'it did not end';
    }
  }

  #of({ effect }: PlannedEffect): EffectDeclaration {
    return this.declared.effects[effect] as EffectDeclaration;
  }

  /** What was sent before it. */
  #before({ at, id }: SimulatedEffect): SimulatedEffect[] {
    return this.effects.filter(
      (other) => other.state === 'sent' && (other.at < at || (other.at === at && other.id < id)),
    );
  }

  #caps(planned: PlannedEffect): Cap[] {
    return [...this.declared.caps, ...this.#of(planned).caps];
  }

  #count(cap: Cap, before: readonly SimulatedEffect[], planned: PlannedEffect, at: number): number {
    const zone = this.#zone(planned);
    return before.filter((other) => {
      if (other.planned.user.id !== planned.user.id) return false;
      if (cap.of === 'channel' && other.planned.channel !== planned.channel) return false;
      if (cap.of === 'rule' && other.planned.rule !== planned.rule) return false;
      if (cap.per !== 'day') return at - other.at < cap.per;
      return zone !== null && wallClock(zone, other.at).date === wallClock(zone, at).date;
    }).length;
  }

  #zone({ user }: PlannedEffect): string | null {
    return user.zone !== 'nowhere' ? user.zone : (this.declared.zone ?? null);
  }

  /** What quiet hours that the clock shows would have become of it. */
  #quiet(planned: PlannedEffect, at: number): string[] {
    const zone = this.#zone(planned);
    if (zone === null) return [];
    const { minute } = wallClock(zone, at);
    return [this.declared.quietHours, this.#of(planned).quietHours].flatMap((hours) => {
      if (!hours) return [];
      const { from, to } = hours;
      const isIn = from < to ? minute >= from && minute < to : minute >= from || minute < to;
      return isIn ? [hours.otherwise] : [];
    });
  }

  #isGoalReached(planned: PlannedEffect, at: number): boolean {
    const isFollowUp = !this.input.planned.some((other) => other.planned.id === planned.id);
    const goal =
      this.#of(planned).goal ?? (isFollowUp ? this.declared.effects.mail?.goal : undefined);
    if (goal === undefined) return false;
    return this.input.goals.some(
      ({ user, at: reachedAt }) =>
        user === planned.user.id && reachedAt > planned.matchedAt && reachedAt <= at,
    );
  }

  #suppressed({ user, channel }: PlannedEffect, at: number): boolean {
    return this.input.suppressed.some(
      (entry) => entry.user === user.id && entry.at <= at && (entry.channel ?? channel) === channel,
    );
  }

  #reentered(before: readonly SimulatedEffect[], planned: PlannedEffect, at: number): boolean {
    const { reentry } = this.#of(planned);
    if (reentry === 'always') return false;
    return before.some(
      (other) =>
        other.planned.user.id === planned.user.id &&
        other.planned.effect === planned.effect &&
        other.planned.rule === planned.rule &&
        (reentry === 'once' || at - other.at < reentry.after),
    );
  }

  #overspent(before: readonly SimulatedEffect[], planned: PlannedEffect): boolean {
    const { budget } = this.#of(planned);
    if (!budget) return false;
    const spent = (of: readonly SimulatedEffect[]) =>
      of.reduce((sum, { planned: { cost } }) => sum + cents(cost?.value ?? '0'), 0) +
      cents(budget.value);
    const own = before.filter(({ planned: { user } }) => user.id === planned.user.id);
    return (
      spent(before) > cents(budget.limit) ||
      (budget.perUser !== undefined && spent(own) > cents(budget.perUser))
    );
  }
}

test('what was sent might be, and what was not sent might not', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(inputArbitrary, (input) => {
      const effects = simulateEffects(input);
      expect(new Verdict(input, effects).faults()).toEqual([]);
      for (const { reason, state } of effects) {
        seen.set(reason ?? state, (seen.get(reason ?? state) ?? 0) + 1);
      }
    }),
    { numRuns: 150 },
  );
  // Else it would have shown little.
  for (const how of [
    'sent',
    'CAP',
    'REENTRY',
    'BUDGET',
    'GOAL_REACHED',
    'QUIET_HOURS',
    'NO_ZONE',
  ]) {
    expect(seen.get(how) ?? 0, how).toBeGreaterThan(20);
  }
});

test('no rolling window or day of a user ever holds more than its cap, no campaign spends more than its limit', () => {
  fc.assert(
    fc.property(inputArbitrary, ({ declared, ...input }) => {
      const cap = { max: 2, per: '1d', of: 'user' as const };
      const budget = { campaign: 'autumn', value: '0.1', limit: '0.7', perUser: '0.3' };
      const strict = declareAll({
        zone: 'Asia/Tokyo',
        caps: [cap, { ...cap, per: 'day', max: 1 }],
        effects: { mail: { budget }, sms: { budget } },
      });
      const cost = { campaign: 'autumn', value: '0.1' };
      const planned = input.planned.map((one) => ({ ...one, planned: { ...one.planned, cost } }));
      const sent = simulateEffects({ ...input, declared: strict, planned }).filter(
        ({ state }) => state === 'sent',
      );
      expect(sent.length).toBeLessThanOrEqual(7);
      for (const { at, planned } of sent) {
        const own = sent.filter((other) => other.planned.user.id === planned.user.id);
        expect(
          own.filter((other) => at - 24 * HOUR < other.at && other.at <= at).length,
        ).toBeLessThan(3);
        const zone = planned.user.zone === 'nowhere' ? 'Asia/Tokyo' : (planned.user.zone as string);
        const { date } = wallClock(zone, at);
        expect(own.filter((other) => wallClock(zone, other.at).date === date).length).toBe(1);
        expect(own.length).toBeLessThanOrEqual(3);
      }
    }),
    { numRuns: 60 },
  );
});

test('the order in which effects, goals and users are handed in does not matter', () => {
  fc.assert(
    fc.property(inputArbitrary, fc.infiniteStream(fc.nat()), (input, random) => {
      const shuffled = <T>(items: Iterable<T>): T[] =>
        [...items]
          .map((item) => ({ item, place: random.next().value as number }))
          .sort((a, b) => a.place - b.place)
          .map(({ item }) => item);
      const other = {
        ...input,
        planned: shuffled(input.planned),
        goals: shuffled(input.goals),
        suppressed: shuffled(input.suppressed),
      };
      expect(simulateEffects(other)).toEqual(simulateEffects(input));
    }),
    { numRuns: 60 },
  );
});

test('until a time it has gone as far as it will go until the end', () => {
  fc.assert(
    fc.property(inputArbitrary, minuteArbitrary, (input, minute) => {
      const until = START + minute * MINUTE;
      const settled = (effects: readonly SimulatedEffect[]) =>
        effects.filter(({ state, at }) => state !== 'planned' && state !== 'held' && at <= until);
      expect(settled(simulateEffects({ ...input, until }))).toEqual(
        settled(simulateEffects(input)),
      );
    }),
    { numRuns: 60 },
  );
});
