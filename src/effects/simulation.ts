// What would have become of effects: the clock of a backtest. It does what the workflow of an effect does, with a time that is an
// argument and facts that are in memory:
//
//     plan -> wait for the delay, or the goal -> decide -> hold: wait for its end, or the goal, and decide again
//                                                       -> refuse: that was it
//                                                       -> send: counted at that moment; then the same with the follow-up
//
// A follow-up has the goal of what it follows, where it has none of its own, and is tried out behind a dry run.
//
//   E1. What is due at one moment is taken by id, after the goals and suppressions of that moment. So it does not matter in which
//       order users, effects and goals were handed in.
//   E2. An id is planned once, whoever comes first: an alert may set off what also follows one of its effects.
//   E3. What was sent, and what a dry run would have sent, counts from that moment on, the latter for dry runs alone.

import { PriorityQueue } from '../automaton/priority-queue.js';
import { type Amount, amountOf, formatAmount } from '../money.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Millis, type Timestamp } from '../time.js';
import type { EffectsDeclaration } from './declaration.js';
import { planFollowUp } from './plan.js';
import { type Decision, type Declared, decide, type Facts } from './policy.js';
import type { EffectState, PlannedEffect, Reason, SentEffect } from './record.js';

/** An effect that a match sets off. */
export interface EffectPlanned {
  /** When it is planned: its delay is counted from here. */
  readonly at: Timestamp;
  readonly planned: PlannedEffect;
}

export interface GoalReached {
  readonly at: Timestamp;
  readonly user: string;
  readonly goal: string;
}

/** From then on the user is sent nothing over the channel. */
export interface Suppressed {
  readonly at: Timestamp;
  readonly user: string;
  /** Null for all channels. */
  readonly channel: string | null;
}

export interface SimulationInput {
  readonly declared: EffectsDeclaration;
  /** In any order, as the two below. */
  readonly planned: Iterable<EffectPlanned>;
  readonly goals?: Iterable<GoalReached>;
  readonly suppressed?: Iterable<Suppressed>;
  /** What is due later stays as it is: `planned`, or `held`. By default all is played to its end. */
  readonly until?: Timestamp;
}

/** What became of one effect. */
export interface SimulatedEffect {
  readonly id: string;
  readonly planned: PlannedEffect;
  /** `sent` is the end here: receivers are not simulated. */
  readonly state: Extract<EffectState, 'planned' | 'held' | 'sent' | 'capped' | 'suppressed'>;
  readonly reason: Reason | null;
  readonly detail?: string;
  /** When it came to that. */
  readonly at: Timestamp;
  /** The end of the quiet hours that it waited for last. */
  readonly heldUntil?: Timestamp;
}

/** @returns what became of each effect, follow-ups included, in the order in which it came to that, then by id */
export function simulateEffects(input: SimulationInput): SimulatedEffect[] {
  const { declared, planned, goals = [], suppressed = [], until = MAX_TIMESTAMP } = input;
  const simulation = new Simulation(declared);
  for (const { at, user, goal } of goals) simulation.goal(at, user, goal);
  for (const { at, user, channel } of suppressed) simulation.suppress(at, user, channel);
  for (const effect of planned) simulation.plan(effect.at, effect.planned);
  return simulation.run(until);
}

/** Something that happens at a time. */
interface Due {
  readonly at: Timestamp;
  /** Empty for what comes before all effects: E1. */
  readonly id: string;
  readonly happens: () => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Waiting = Mutable<SimulatedEffect>;

/** Before all ids: what is set off at a moment is planned before anything is decided. */
const PLANS = '\0';
const GOAL_FIRST = { decision: 'refuse', state: 'suppressed', reason: 'GOAL_REACHED' } as const;

interface User {
  readonly goals: Map<string, Timestamp>;
  /** Channels; null for all. */
  readonly suppressed: Set<string | null>;
  readonly sent: SentEffect[];
  /** What dry runs would have sent. */
  readonly sentDry: SentEffect[];
  /** Effects that are planned or held, with what ends their wait. */
  readonly waiting: Map<Waiting, string | null>;
}

class Simulation {
  readonly #declared: EffectsDeclaration;
  readonly #due = new PriorityQueue<Due>((a, b) => a.at - b.at || compare(a.id, b.id));
  readonly #users = new Map<string, User>();
  readonly #effects = new Map<string, Waiting>();
  /** By campaign and user, as {@link spentKey} names them. */
  readonly #spent = new Map<string, Amount>();
  #now: Timestamp = MIN_TIMESTAMP;

  constructor(declared: EffectsDeclaration) {
    this.#declared = declared;
  }

  goal(at: Timestamp, id: string, goal: string): void {
    this.#at(at, '', () => {
      const user = this.#user(id);
      user.goals.set(goal, at);
      for (const [effect, waitsFor] of user.waiting) {
        if (waitsFor === goal && at > effect.planned.matchedAt) this.#end(effect, GOAL_FIRST);
      }
    });
  }

  suppress(at: Timestamp, user: string, channel: string | null): void {
    this.#at(at, '', () => this.#user(user).suppressed.add(channel));
  }

  plan(at: Timestamp, planned: PlannedEffect): void {
    this.#at(at, `${PLANS}${planned.id}`, () => this.#plan(planned, null, 0));
  }

  run(until: Timestamp): SimulatedEffect[] {
    for (let due = this.#due.peek(); due && due.at <= until; due = this.#due.peek()) {
      this.#due.poll();
      this.#now = due.at;
      due.happens();
    }
    return [...this.#effects.values()].sort((a, b) => a.at - b.at || compare(a.id, b.id));
  }

  /**
   * @param inherited - the goal of what it follows
   * @param after - its own delay begins so much later
   */
  #plan(planned: PlannedEffect, inherited: string | null, after: Millis): void {
    if (this.#effects.has(planned.id)) return;
    const { id, effect: name, user } = planned;
    const { goal = inherited, delay = 0 } = this.#declared.effects[name] ?? {};
    const effect: Waiting = { id, planned, state: 'planned', reason: null, at: this.#now };
    this.#effects.set(id, effect);
    if (user.id !== null) this.#user(user.id).waiting.set(effect, goal);
    this.#decideAt(this.#now + after + delay, effect, goal);
  }

  #at(at: Timestamp, id: string, happens: () => void): void {
    this.#due.offer({ at, id, happens });
  }

  #decideAt(at: Timestamp, effect: Waiting, goal: string | null): void {
    this.#at(at, effect.id, () => {
      if (effect.state === 'planned' || effect.state === 'held') this.#decide(effect, goal);
    });
  }

  #decide(effect: Waiting, goal: string | null): void {
    const { planned } = effect;
    const declared = this.#declaredOf(planned);
    if (!declared) {
      this.#end(effect, { decision: 'refuse', state: 'suppressed', reason: 'EFFECT_GONE' });
      return;
    }
    const decision = decide(declared, planned, this.#facts(planned, goal), this.#now);
    if (decision.decision === 'hold') {
      const { until, reason } = decision;
      Object.assign(effect, { state: 'held', reason, at: this.#now, heldUntil: until });
      this.#decideAt(until, effect, goal);
      return;
    }
    this.#end(effect, decision);
    const isSent = decision.decision === 'send';
    if (!isSent && decision.reason !== 'DRY_RUN') return;
    this.#count(planned, !isSent);
    this.#follow(declared, planned, goal);
  }

  #follow(
    { all, effect: { followUp } }: Declared,
    planned: PlannedEffect,
    goal: string | null,
  ): void {
    const effect = followUp && all.effects[followUp.effect];
    if (!followUp || !effect) return;
    const following = planFollowUp({ all, effect }, followUp.effect, planned);
    this.#plan(following, goal, followUp.after);
  }

  #end(effect: Waiting, decision: Exclude<Decision, { decision: 'hold' }>): void {
    effect.at = this.#now;
    effect.state = decision.decision === 'send' ? 'sent' : decision.state;
    effect.reason = decision.decision === 'send' ? null : decision.reason;
    if (decision.decision === 'refuse' && decision.detail !== undefined) {
      effect.detail = decision.detail;
    }
    const { id } = effect.planned.user;
    if (id !== null) this.#user(id).waiting.delete(effect);
  }

  #facts(planned: PlannedEffect, goal: string | null): Facts {
    const { user, channel, cost, isDryRun } = planned;
    const known = user.id === null ? null : this.#user(user.id);
    const spent = (of: string | null): string => {
      if (!cost) return '0';
      const real = this.#spent.get(spentKey(cost.campaign, of, false)) ?? 0n;
      const dry = isDryRun ? (this.#spent.get(spentKey(cost.campaign, of, true)) ?? 0n) : 0n;
      return formatAmount(real + dry);
    };
    return {
      sent: known ? (isDryRun ? [...known.sent, ...known.sentDry] : known.sent) : [],
      isSuppressed: known !== null && (known.suppressed.has(null) || known.suppressed.has(channel)),
      goalAt: goal === null ? null : (known?.goals.get(goal) ?? null),
      spent: { campaign: spent(null), user: user.id === null ? '0' : spent(user.id) },
    };
  }

  /** E3. */
  #count(planned: PlannedEffect, isDry: boolean): void {
    const { effect, journey, rule, channel, cost, user } = planned;
    if (user.id !== null) {
      const { sent, sentDry } = this.#user(user.id);
      (isDry ? sentDry : sent).push({ effect, journey, rule, channel, at: this.#now });
    }
    if (!cost) return;
    for (const of of user.id === null ? [null] : [null, user.id]) {
      const key = spentKey(cost.campaign, of, isDry);
      this.#spent.set(key, (this.#spent.get(key) ?? 0n) + amountOf(cost.value));
    }
  }

  #declaredOf({ effect: name }: PlannedEffect): Declared | null {
    const effect = this.#declared.effects[name];
    return effect ? { all: this.#declared, effect } : null;
  }

  #user(id: string): User {
    const known = this.#users.get(id);
    if (known) return known;
    const user: User = {
      goals: new Map(),
      suppressed: new Set(),
      sent: [],
      sentDry: [],
      waiting: new Map(),
    };
    this.#users.set(id, user);
    return user;
  }
}

/** @param user - null for the whole campaign */
function spentKey(campaign: string, user: string | null, isDry: boolean): string {
  return JSON.stringify([campaign, user, isDry]);
}

/** By code unit, the same everywhere. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
