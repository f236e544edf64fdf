// Journeys, compiled once per process (in a worker: once per workflow bundle) and shared by all sessions.

import { Automaton } from '../automaton/automaton.js';
import { compile } from '../automaton/compile.js';
import { limitsFrom } from '../automaton/limits.js';
import type { NFA } from '../automaton/nfa.js';
import { completionTest } from '../automaton/urgency.js';
import { CepError, messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { Condition } from '../pattern/condition.js';
import type { Millis } from '../time.js';
import { hashOf } from './alert.js';
import type { ConditionDocument } from './document.js';
import { encode } from './encode.js';
import type { Journey, JourneySet } from './journey.js';
import type { RuleInForce } from './revision.js';
import type { Rule } from './rule.js';

export interface CompiledRule {
  readonly rule: Rule;
  readonly nfa: NFA;
  /** Of the rule's content: id, version, pattern, timers, alerts. Closures count by their place alone. */
  readonly hash: string;
  /** The row that it was made of; absent for one of a journeys module. */
  readonly inForce?: RuleInForce;
}

export interface CompiledJourney {
  readonly journey: Journey;
  readonly rules: readonly CompiledRule[];
  /** Of all windows and limits between neighbours; null where there are none. */
  readonly shortestWindowMs: Millis | null;
  /** Whether the event can begin a match of some rule; other events need no session. */
  canBegin(event: CepEvent): boolean;
  /** Whether the event can complete a match of some rule; others may wait for company. */
  canComplete(event: CepEvent): boolean;
}

export interface CompiledJourneys {
  readonly set: JourneySet;
  readonly byId: ReadonlyMap<string, CompiledJourney>;
  /** The revision at which a journey's rules changed last, where they come from a table. */
  revisionOf?(journey: string): number | undefined;
}

/** A journey of these rules. */
export function journeyWith(journey: Journey, rules: readonly CompiledRule[]): CompiledJourney {
  const automata = rules.map(({ nfa }) => new Automaton(nfa));
  const completions = rules.map(({ nfa }) => completionTest(nfa));
  const windows = rules
    .flatMap(({ nfa }) => [nfa.windowMs, ...nfa.states.map(({ gapMs }) => gapMs)])
    .filter((window) => window !== null);
  return {
    journey,
    rules,
    shortestWindowMs: windows.length > 0 ? Math.min(...windows) : null,
    // Loops: these are asked of every event, and `some` would want a closure for each.
    canBegin(event) {
      for (const automaton of automata) if (automaton.canBegin(event)) return true;
      return false;
    },
    canComplete(event) {
      for (const canComplete of completions) if (canComplete(event)) return true;
      return false;
    },
  };
}

/**
 * Compiles the journeys of a module.
 *
 * @throws CepError `JOURNEYS_INVALID` when it is no journey set, or a rule's limits are none; `MalformedPatternError` with the rule's
 *   name for a pattern that is refused
 */
export function compileJourneys(journeys: JourneySet<never>): CompiledJourneys {
  // From here on events are whatever the decoder made of the records.
  const set = journeys as JourneySet;
  if (!Array.isArray(set?.journeys)) {
    throw new CepError(
      'JOURNEYS_INVALID',
      'the journeys module has no default export made by defineJourneys(): write "export default defineJourneys({ journeys: [...] })"',
    );
  }
  return {
    set,
    byId: new Map(set.journeys.map((journey) => [journey.id, compileJourney(journey)])),
  };
}

function compileJourney(journey: Journey): CompiledJourney {
  return journeyWith(
    journey,
    journey.rules.map((rule) => compileRule(journey, rule)),
  );
}

/** @throws CepError, MalformedPatternError with the names of journey and rule */
export function compileRule(journey: Pick<Journey, 'id'>, rule: Rule): CompiledRule {
  try {
    limitsFrom(rule.limits);
    return { rule, nfa: compile(rule.pattern), hash: ruleHash(rule) };
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    const where = `journey "${journey.id}", rule "${rule.id}"`;
    throw new CepError(cause.code, `${where}: ${messageOf(cause)}`, {
      details: cause.details,
      cause,
    });
  }
}

function ruleHash(rule: Rule): string {
  const { id, version = 1, pattern, timers = 'complete', onMatch, onTimeout } = rule;
  const document = encode(pattern, { name: id, condition: conditionForHash });
  return hashOf([id, version, document, timers, onMatch?.alert ?? null, onTimeout?.alert ?? null]);
}

/** A closure's text differs between bundlers, so only its place counts: that is what `version` is for. */
function conditionForHash(condition: Condition): ConditionDocument {
  const describe = ({ type, expression = '', parts = [], args, version }: Condition): unknown => [
    type,
    expression,
    parts.map(describe),
    ...(type === 'CLASS' ? [args, version] : []),
  ];
  return { type: 'CEL', expression: JSON.stringify(describe(condition)) };
}
