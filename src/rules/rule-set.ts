// Journeys and rules as data: a JSON document that says what a journeys module says, without code. The rules in it are rows as
// rule tables have them.

import { z } from 'zod';
import { compile } from '../automaton/compile.js';
import { CepError, messageOf, RuleError } from '../errors.js';
import type { MatchedEvents } from '../event.js';
import { cel, eventTest } from './cel.js';
import type { ConditionClasses } from './conditions.js';
import { decode } from './decode.js';
import { describeIssue, parseDocument } from './document.js';
import { fromDialect } from './flink-dialect.js';
import { defineJourneys, type Journey, type JourneySet } from './journey.js';
import type { Outcome, Rule, RuleFunctions } from './rule.js';

const outcome = z.strictObject({
  alert: z.string().min(1),
  message: z.string().nullish(),
  when: z.string().nullish(),
  effects: z.array(z.string()).nullish(),
});
const row = z.strictObject({
  id: z.string().min(1).max(64),
  version: z.number().int().min(1).default(1),
  journey: z.string(),
  description: z.string().nullish(),
  pattern: z.union([z.string(), z.looseObject({})]),
  function: z.string().nullish(),
  onMatch: outcome.nullish(),
  onTimeout: outcome.nullish(),
});
const journey = z.strictObject({
  id: z.string(),
  description: z.string().nullish(),
  key: z.string(),
  accepts: z.string().nullish(),
});
const ruleSet = z.strictObject({
  eventTime: z.string().optional(),
  eventId: z.string().nullish(),
  fields: z.record(z.string(), z.enum(['string', 'number', 'boolean'])).optional(),
  journeys: z.array(journey).min(1),
  rules: z.array(row).min(1),
});

/** What a match, or a timeout, sets off; `when` is CEL over `match`. */
export type OutcomeDocument = z.infer<typeof outcome>;
/**
 * A rule as data. `pattern` is a pattern document, or its text. `function`, of Flink's tables, names the one effect of a match
 * whose alert has the rule's id for a type, where there is no `onMatch`.
 */
export type RuleRow = z.input<typeof row>;
/** A journey without code: `accepts` is CEL over `event`. */
export type JourneyDocument = z.infer<typeof journey>;
export type RuleSetDocument = z.input<typeof ruleSet>;

/**
 * Checks the form of a rule set document; what its rules say is not looked at.
 *
 * @throws RuleError `DOCUMENT_INVALID` with the JSON path of the first fault in `details.path`
 */
export function readRuleSet(json: unknown): z.infer<typeof ruleSet> {
  const parsed = ruleSet.safeParse(json);
  if (parsed.success) return parsed.data;
  throw describeIssue(parsed.error.issues, '$');
}

/**
 * Checks the form of a row; what it says is not looked at.
 *
 * @throws RuleError `DOCUMENT_INVALID` with the JSON path of the first fault, below the row, in `details.path`
 */
export function readRuleRow(json: unknown): z.infer<typeof row> {
  const parsed = row.safeParse(json);
  if (parsed.success) return parsed.data;
  throw describeIssue(parsed.error.issues, '$');
}

/**
 * Makes journeys of a rule set document.
 *
 * @param classes - the conditions that its patterns may name
 * @throws RuleError with the JSON path of the fault: `DOCUMENT_INVALID`, `EXPRESSION_INVALID`, `CONDITION_UNKNOWN`; `RULE_INVALID` for a rule
 *   of no journey
 * @throws MalformedPatternError as the Pattern API
 */
export function journeysOfDocument(json: unknown, classes: ConditionClasses = {}): JourneySet {
  const { journeys, rules, eventTime, eventId, fields } = readRuleSet(json);
  const known = new Map<string, { journey: JourneyDocument; rules: Rule[] }>(
    journeys.map((each) => [each.id, { journey: each, rules: [] }]),
  );
  for (const [i, each] of rules.entries()) {
    const path = `$.rules[${i}]`;
    const of = known.get(each.journey);
    if (!of) {
      throw new RuleError(
        'RULE_INVALID',
        `${path}.journey: no journey is called "${each.journey}": name one of ${[...known.keys()].join(', ')}`,
        { details: { path: `${path}.journey`, rule: each.id } },
      );
    }
    of.rules.push(inPlace(path, each.id, () => ruleOf(each, classes)));
  }
  return defineJourneys({
    ...(eventTime === undefined ? {} : { eventTime }),
    ...(eventId ? { eventId } : {}),
    ...(fields === undefined ? {} : { fields }),
    conditions: classes,
    journeys: [...known.values()].map(({ journey, rules }, i) => journeyOf(journey, rules, i)),
  });
}

function journeyOf(
  { id, description, key, accepts }: JourneyDocument,
  rules: readonly Rule[],
  i: number,
): Journey {
  return {
    id,
    key,
    rules,
    ...(description ? { description } : {}),
    ...(accepts
      ? { accepts: inPlace(`$.journeys[${i}].accepts`, id, () => eventTest(accepts)) }
      : {}),
  };
}

/**
 * The rule that a row describes.
 *
 * @param functions - what the `function` of a row may name; any other name is that of an effect
 * @throws RuleError, MalformedPatternError with JSON paths below the row
 */
export function ruleOf(
  row: RuleRow,
  classes: ConditionClasses = {},
  functions: RuleFunctions = {},
): Rule {
  const { id, version = 1, description, function: name } = row;
  const named = name && Object.hasOwn(functions, name) ? functions[name] : undefined;
  const effect = name && !named ? { alert: id, effects: [name] } : undefined;
  const onMatch = row.onMatch ? outcomeOf(row.onMatch, '$.onMatch') : (named?.onMatch ?? effect);
  const onTimeout = row.onTimeout ? outcomeOf(row.onTimeout, '$.onTimeout') : named?.onTimeout;
  const document = typeof row.pattern === 'string' ? jsonOf(row.pattern, '$.pattern') : row.pattern;
  return {
    id,
    version,
    ...(description ? { description } : {}),
    pattern: inPlace('$.pattern', id, () => patternOf(document, classes)),
    ...(onMatch ? { onMatch } : {}),
    ...(onTimeout ? { onTimeout } : {}),
  };
}

function patternOf(document: unknown, classes: ConditionClasses): Rule['pattern'] {
  const pattern = decode(parseDocument(fromDialect(document).document), classes);
  // What only shows in the whole is refused here, where its place is known.
  compile(pattern);
  return pattern;
}

/**
 * What a text of a row says.
 *
 * @param path - where it stands, as a JSON path
 * @throws RuleError `DOCUMENT_INVALID`
 */
export function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RuleError('DOCUMENT_INVALID', `${path}: it is no JSON: ${messageOf(cause)}`, {
      details: { path },
      cause,
    });
  }
}

function outcomeOf({ alert, message, when, effects }: OutcomeDocument, path: string): Outcome {
  return {
    alert,
    ...(message ? { message } : {}),
    ...(when ? { when: inPlace(`${path}.when`, alert, () => whenOf(when)) } : {}),
    ...(effects ? { effects } : {}),
  };
}

function whenOf(expression: string): (match: MatchedEvents) => boolean {
  const { evaluate } = cel(expression);
  return (match) => evaluate({}, match as Record<string, readonly unknown[]>, 0);
}

/** Paths of faults begin at the row, or the document, that is read. */
function inPlace<T>(path: string, rule: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    const inner = typeof cause.details.path === 'string' ? cause.details.path : null;
    const whole = inner?.startsWith('$') ? path + inner.slice(1) : path;
    const message = inner ? cause.message.replace(inner, whole) : `${whole}: ${cause.message}`;
    throw new RuleError(cause.code, message, {
      details: { ...cause.details, path: whole, rule },
      cause,
    });
  }
}
