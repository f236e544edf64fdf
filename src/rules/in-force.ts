// Journeys whose rules come from a table: those of a journeys module, and beside them what a revision has. Rules are compiled
// once for each text, whoever asks: sessions of one worker share them.

import {
  type CompiledJourney,
  type CompiledJourneys,
  type CompiledRule,
  compileRule,
  journeyWith,
} from './compiled.js';
import type { ConditionClasses } from './conditions.js';
import type { Journey } from './journey.js';
import type { RuleInForce } from './revision.js';
import { ruleOf } from './rule-set.js';

/** Texts that are remembered; far more than are in force at one time. */
const REMEMBERED_MAX = 1_000;

/** Makes journeys of revisions. */
export class RuleBook {
  readonly #journeys: CompiledJourneys;
  readonly #rules = new Map<string, CompiledRule>();
  readonly #inForce = new Map<string, CompiledJourney>();

  constructor(journeys: CompiledJourneys) {
    this.#journeys = journeys;
  }

  /** Whether the journeys module defines the journey. */
  has(id: string): boolean {
    return this.#journeys.byId.has(id);
  }

  /**
   * A journey with the rules of a revision.
   *
   * @returns one without any rules where nobody knows the journey
   * @throws RuleError, MalformedPatternError for a row that this process can't read: a later release, or other conditions
   */
  journey(id: string, rules: readonly RuleInForce[]): CompiledJourney {
    const own = this.#journeys.byId.get(id);
    if (own && rules.length === 0) return own;
    return remembered(this.#inForce, JSON.stringify([id, rules]), () => {
      const key = rules[0]?.key;
      // A journey that only its rules made known ends with them: no event is for it.
      const unknown = key === undefined ? { key: '', accepts: () => false } : { key };
      const journey: Journey = own?.journey ?? { id, rules: [], ...unknown };
      const compiled = rules.map((inForce) => this.rule(id, inForce));
      const all = [...(own?.rules ?? []), ...compiled];
      return journeyWith({ ...journey, rules: all.map(({ rule }) => rule) }, all);
    });
  }

  /** One rule of a revision. */
  rule(journey: string, inForce: RuleInForce): CompiledRule {
    const { conditions = {}, functions } = this.#journeys.set;
    return remembered(this.#rules, JSON.stringify([journey, inForce]), () => ({
      ...compileRule(
        { id: journey },
        ruleOf(inForce.row, conditions as ConditionClasses, functions),
      ),
      inForce,
    }));
  }
}

function remembered<T>(known: Map<string, T>, text: string, make: () => T): T {
  const found = known.get(text);
  if (found !== undefined) return found;
  const made = make();
  known.set(text, made);
  if (known.size > REMEMBERED_MAX) known.delete(known.keys().next().value as string);
  return made;
}
