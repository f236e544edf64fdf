// What the alerts of a backtest would have set off: the policies of a declaration, played on the clock of the events.

import type { EffectsDeclaration } from '../effects/declaration.js';
import { planEffect } from '../effects/plan.js';
import type { EffectState, Reason } from '../effects/record.js';
import { type GoalReached, type SimulatedEffect, simulateEffects } from '../effects/simulation.js';
import type { PlannedAlert } from '../rules/alert.js';

/** Effects that ended alike. */
export interface EffectOutcome {
  readonly effect: string;
  /** `sent` is the best there is: receivers are not played. */
  readonly state: EffectState;
  readonly reason: Reason | null;
  readonly count: number;
  readonly users: number;
}

/** What becomes of each effect, as of live ones that are set off when the event time of their alert has come. */
export function playEffects(
  declared: EffectsDeclaration,
  alerts: readonly PlannedAlert[],
  goals: readonly GoalReached[],
): SimulatedEffect[] {
  const planned = alerts.flatMap(({ alert, effects }) =>
    effects.flatMap((name) => {
      const effect = declared.effects[name];
      if (!effect) return [];
      return [{ at: alert.at, planned: planEffect({ all: declared, effect }, name, alert) }];
    }),
  );
  return simulateEffects({ declared, planned, goals });
}

/** In the order of effects, then by how many there are. */
export function outcomesOf(played: readonly SimulatedEffect[]): EffectOutcome[] {
  const outcomes = new Map<string, { first: SimulatedEffect; count: number; users: Set<string> }>();
  for (const one of played) {
    const name = JSON.stringify([one.planned.effect, one.state, one.reason]);
    const known = outcomes.get(name) ?? { first: one, count: 0, users: new Set() };
    known.count++;
    if (one.planned.user.id !== null) known.users.add(one.planned.user.id);
    outcomes.set(name, known);
  }
  return [...outcomes.values()]
    .map(({ first: { planned, state, reason }, count, users }) => ({
      ...{ effect: planned.effect, state, reason, count, users: users.size },
    }))
    .sort((a, b) => (a.effect < b.effect ? -1 : a.effect > b.effect ? 1 : b.count - a.count));
}
