import { CepError } from '../errors.js';
import type { ConditionClasses } from './conditions.js';
import type { Rule, RuleFunctions } from './rule.js';

/** Rules over the events of one key: one durable workflow per key runs them all. */
export interface Journey<E = unknown> {
  /** First half of the workflow id. Letters, digits, `-`, `_` and `.`. */
  readonly id: string;
  /** One sentence for people; shown in the Temporal UI. */
  readonly description?: string;
  /** Name of the field, or a function of the event, that says whose journey the event belongs to. */
  readonly key: string | ((event: E) => string | number | null | undefined);
  /** Which events the journey is about; the others never reach it. Default: every event. */
  readonly accepts?: (event: E) => boolean;
  readonly rules: readonly Rule<E>[];
}

/** A journey as a module writes it. */
export interface JourneyDefinition<E = unknown> extends Omit<Journey<E>, 'rules'> {
  /** Left out where all rules come from a table. */
  readonly rules?: readonly Rule<E>[];
}

/** What of a module's journey those need to know who bring it rules from elsewhere. */
export type DefinedJourney = Pick<Journey, 'id'> & {
  readonly rules: readonly Pick<Rule, 'id'>[];
};

/** Whether a journeys module has the rule itself. One from elsewhere beside it would run twice, and alerts of both have ids of their own. */
export function definesRule(
  journeys: readonly DefinedJourney[],
  journey: string,
  rule: string,
): boolean {
  return journeys.some(({ id, rules }) => id === journey && rules.some((each) => each.id === rule));
}

/** What is said to whoever brings such a rule. */
export function inModule(journey: string): string {
  return `the journeys module has a rule of that id for journey "${journey}": take it out there, or rename this one`;
}

export type FieldType = 'string' | 'number' | 'boolean';

/** The default export of a journeys module: what the records look like, and the journeys over them. */
export interface JourneySet<E = unknown> {
  /** Field with the event time: ms since the epoch, or ISO 8601 (UTC where it names no zone). Default `eventTime`. */
  readonly eventTime: string;
  /** Field with the record's own id, unique in its source; events that repeat an id are dropped. None by default. */
  readonly eventId?: string;
  /** Types of the fields that must have one when present; CSV values are converted to them. */
  readonly fields: Readonly<Record<string, FieldType>>;
  /** Conditions that rules in the form of documents may name, by the names of their classes. None by default. */
  readonly conditions?: ConditionClasses<E>;
  /** What rules in the form of documents may set off, by the names in their `function`. None by default. */
  readonly functions?: RuleFunctions<E>;
  readonly journeys: readonly Journey<E>[];
}

/**
 * Declares the journeys of a module. Its result is the module's default export, which worker and
 * ingestor both load.
 *
 * @throws CepError `JOURNEYS_INVALID` for ids that repeat or hold odd characters, or no rules at all
 */
export function defineJourneys<E>(
  set: Partial<Omit<JourneySet<E>, 'journeys'>> & {
    readonly journeys: readonly JourneyDefinition<E>[];
  },
): JourneySet<E> {
  const invalid = (message: string) => new CepError('JOURNEYS_INVALID', message);
  const ids = new Set<string>();
  for (const journey of set.journeys) {
    if (!/^[\w.-]+$/.test(journey.id)) {
      throw invalid(`journey id "${journey.id}": use letters, digits, "-", "_" and "." only`);
    }
    if (ids.has(journey.id)) throw invalid(`two journeys are called "${journey.id}": rename one`);
    ids.add(journey.id);
    if (journey.rules?.length === 0) {
      throw invalid(
        `journey "${journey.id}" has no rules: add one, or leave "rules" out where they come from a table`,
      );
    }
    const rules = new Set<string>();
    for (const rule of journey.rules ?? []) {
      if (!rule.id) throw invalid(`journey "${journey.id}" has a rule without an id: name it`);
      if (rules.has(rule.id)) {
        throw invalid(`journey "${journey.id}" has two rules called "${rule.id}": rename one`);
      }
      rules.add(rule.id);
    }
  }
  const journeys = set.journeys.map((journey) => ({ rules: [], ...journey }));
  return { eventTime: 'eventTime', fields: {}, ...set, journeys };
}
