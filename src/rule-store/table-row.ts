// A rule as a table has it, before anybody has looked at what it says: rows are written by hand as well.

import { CepError, messageOf, RuleError } from '../errors.js';
import type { ConditionClasses } from '../rules/conditions.js';
import { type DefinedJourney, definesRule, inModule } from '../rules/journey.js';
import type { OnChange, RuleInForce, RuleStart } from '../rules/revision.js';
import { jsonOf, type RuleRow, readRuleRow, ruleOf } from '../rules/rule-set.js';

/** A draft is looked at by nobody; what is off was in force once. */
export const RULE_STATES = ['draft', 'shadow', 'on', 'off'] as const;
export type RuleState = (typeof RULE_STATES)[number];

/** What a rule says, as text. */
export interface RuleContent {
  /** A pattern document. */
  readonly pattern: string;
  readonly function: string | null;
  readonly journey: string;
  /** The journey's key field, where no journeys module defines the journey. */
  readonly key: string | null;
  /** An outcome as JSON. */
  readonly onMatch: string | null;
  /** An outcome as JSON. */
  readonly onTimeout: string | null;
}

/** A row of a table of rules. */
export interface TableRow extends RuleContent {
  readonly id: string;
  readonly version: number;
  readonly description: string | null;
  /** One of {@link RULE_STATES}, unless somebody wrote another. */
  readonly state: string;
  /** `finish` or `reset`, unless somebody wrote another. */
  readonly onChange: string;
  /** A {@link RuleStart} as JSON, where a hand-over began the rule. */
  readonly start?: string | null;
}

/**
 * The row as rule set documents have it.
 *
 * @throws RuleError `DOCUMENT_INVALID` with a path below the row
 */
export function ruleRowOf(row: TableRow): RuleRow & { pattern: Record<string, unknown> } {
  const { id, version, journey, pattern, onMatch, onTimeout } = row;
  const read = readRuleRow({
    id,
    version,
    journey,
    ...(row.description ? { description: row.description } : {}),
    pattern: jsonOf(pattern, '$.pattern'),
    ...(row.function ? { function: row.function } : {}),
    ...(onMatch ? { onMatch: jsonOf(onMatch, '$.onMatch') } : {}),
    ...(onTimeout ? { onTimeout: jsonOf(onTimeout, '$.onTimeout') } : {}),
  });
  if (typeof read.pattern !== 'string') return { ...read, pattern: read.pattern };
  throw invalid('$.pattern', 'a pattern document was expected, and this is a text in quotes', id);
}

/** What rules may name. */
export interface Known {
  readonly classes: ConditionClasses;
  /** Journeys that a module defines. */
  readonly journeys: readonly DefinedJourney[];
  /** Registered effects; any where it is null. */
  readonly effects: ReadonlySet<string> | null;
}

/**
 * The rule as a revision has it, when everything in it is as it should be.
 *
 * @throws CepError (RuleError, MalformedPatternError) with a path below the row
 */
export function ruleInForce(
  row: TableRow,
  table: string,
  { classes, journeys, effects }: Known,
): RuleInForce {
  const { id, journey, key, state } = row;
  if (state !== 'on' && state !== 'shadow') {
    throw invalid('$.state', `"${state}" is no state: write draft, shadow, on or off`, id);
  }
  const onChange = onChangeOf(row);
  const rule = ruleRowOf(row);
  ruleOf(rule, classes);
  const isKnown = journeys.some((defined) => defined.id === journey);
  if (!isKnown && !key) {
    const names = journeys.map((defined) => defined.id).join(', ');
    throw invalid(
      '$.journey',
      `no journey is called "${journey}": ${names ? `name one of ${names}, or ` : ''}give the row a key, the field of events that says whose they are`,
      id,
    );
  }
  if (!/^[\w.-]+$/.test(journey)) {
    throw invalid('$.journey', `"${journey}": use letters, digits, "-", "_" and "." only`, id);
  }
  if (definesRule(journeys, journey, id)) throw invalid('$.id', inModule(journey), id);
  for (const [effect, path] of effectsOf(rule)) {
    if (effects === null || effects.has(effect)) continue;
    const names = [...effects].join(', ') || 'none is registered';
    throw invalid(path, `no effect is registered as "${effect}": name one of ${names}`, id);
  }
  return {
    row: rule,
    table,
    // What the module says of its own journeys holds.
    ...(isKnown || !key ? {} : { key }),
    mode: state,
    onChange,
    ...(row.start ? { start: jsonOf(row.start, '$.start') as RuleStart } : {}),
  };
}

function onChangeOf({ id, onChange }: TableRow): OnChange {
  if (onChange === 'finish' || onChange === 'reset') return onChange;
  throw invalid('$.on_change', `"${onChange}" is none: write finish or reset`, id);
}

function effectsOf({ function: name, onMatch, onTimeout }: RuleRow): [string, path: string][] {
  const found: [string, string][] = [];
  if (name && !onMatch) found.push([name, '$.function']);
  for (const [i, effect] of (onMatch?.effects ?? []).entries()) {
    found.push([effect, `$.onMatch.effects[${i}]`]);
  }
  for (const [i, effect] of (onTimeout?.effects ?? []).entries()) {
    found.push([effect, `$.onTimeout.effects[${i}]`]);
  }
  return found;
}

export function invalid(path: string, message: string, rule: string): RuleError {
  return new RuleError('RULE_INVALID', `${path}: ${message}`, { details: { path, rule } });
}

/** Why a row is not in force. */
export interface RuleFault {
  /** The table that the row stands in. */
  readonly table: string;
  readonly id: string;
  readonly version: number | null;
  /** Of the {@link CepError}. */
  readonly code: string;
  /** JSON path into the row. */
  readonly path: string | null;
  /** What was found, and the remedy; in one line. */
  readonly message: string;
}

/** @throws what is no CepError: a fault of ours */
export function faultOf(
  table: string,
  { id, version }: Pick<TableRow, 'id' | 'version'>,
  error: unknown,
): RuleFault {
  if (!(error instanceof CepError)) throw error;
  const { path } = error.details;
  const message = messageOf(error).replace(/\s*\n\s*/g, ' ');
  return {
    table,
    id,
    version,
    code: error.code,
    path: typeof path === 'string' ? path : null,
    message,
  };
}
