// What is wrong with each rule of a rule set, and what may be, each with its place. What lies between rules, and in the journeys, is
// looked at once the rules are in order.

import { CepError, messageOf } from '../errors.js';
import type { Condition } from '../pattern/condition.js';
import type { PatternNode } from '../pattern/pattern.js';
import { warningsOf } from '../pattern/warnings.js';
import type { ConditionClasses } from './conditions.js';
import { fromDialect } from './flink-dialect.js';
import { type DefinedJourney, definesRule, inModule } from './journey.js';
import { journeysOfDocument, type RuleRow, readRuleSet, ruleOf } from './rule-set.js';
import { unreachableStages } from './unreachable.js';

/** Something about a rule set. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  /** JSON path into the document. */
  readonly path: string;
  /** Id of the rule that it is about; null where it is about none. */
  readonly rule: string | null;
  /** What was found, and the remedy. */
  readonly message: string;
}

/**
 * Checks a rule set document.
 *
 * @param classes - the conditions that its patterns may name
 * @param journeys - of the module beside which its rules are to run; by default they run by themselves
 * @returns errors first; none of either for a document that is as it should be
 */
export function validateRuleSet(
  json: unknown,
  classes: ConditionClasses = {},
  journeys: readonly DefinedJourney[] = [],
): Finding[] {
  const findings: Finding[] = [];
  let document: ReturnType<typeof readRuleSet>;
  try {
    document = readRuleSet(json);
  } catch (error) {
    return [errorOf(error, '$', null)];
  }
  const fields = new Set([
    ...Object.keys(document.fields ?? {}),
    document.eventTime ?? 'eventTime',
    ...(document.eventId ? [document.eventId] : []),
  ]);
  // Once it is decoded, an event's time is a number whatever it was.
  const types = { ...document.fields, [document.eventTime ?? 'eventTime']: 'number' } as const;
  const hasSchema = document.fields !== undefined && Object.keys(document.fields).length > 0;
  for (const [i, row] of document.rules.entries()) {
    const path = `$.rules[${i}]`;
    if (definesRule(journeys, row.journey, row.id)) {
      const message = inModule(row.journey);
      findings.push({ severity: 'error', path: `${path}.id`, rule: row.id, message });
    }
    try {
      const { pattern } = ruleOf(row, classes);
      const warn = (message: string, at = `${path}.pattern`) =>
        findings.push({ severity: 'warning', path: at, rule: row.id, message });
      for (const { path: at, message } of spellingsOf(row)) {
        warn(message, `${path}.pattern${at.slice(1)}`);
      }
      for (const { message } of warningsOf(pattern)) warn(message);
      const accepts = document.journeys.find(({ id }) => id === row.journey)?.accepts;
      for (const { stage, message } of unreachableStages(pattern.chain, { types, accepts })) {
        const place = placeOf(stage, documentOf(row));
        warn(message, place === null ? `${path}.pattern` : `${path}.pattern${place}.condition`);
      }
      if (!row.onMatch && !row.onTimeout && !row.function) {
        warn('nobody hears of its matches: add onMatch, onTimeout or function', path);
      }
      if (!hasSchema) continue;
      for (const [stage, field] of fieldsOf(pattern.chain)) {
        if (fields.has(field)) continue;
        warn(
          `stage "${stage}" asks for the field "${field}", which "fields" does not have: add it there, or correct the condition`,
        );
      }
    } catch (error) {
      findings.push(errorOf(error, path, row.id));
    }
  }
  if (findings.every(({ severity }) => severity === 'warning')) {
    // What lies between rules: journeys that do not exist, ids that stand twice.
    try {
      journeysOfDocument(json, classes);
    } catch (error) {
      findings.push(errorOf(error, '$', null));
    }
  }
  return findings.sort((a, b) => (a.severity === b.severity ? 0 : a.severity === 'error' ? -1 : 1));
}

function errorOf(error: unknown, path: string, rule: string | null): Finding {
  if (!(error instanceof CepError)) throw error;
  const { path: inner, rule: of } = error.details;
  const isWhole = typeof inner === 'string' && inner.startsWith('$.rules');
  const whole = isWhole ? inner : typeof inner === 'string' ? path + inner.slice(1) : path;
  return {
    severity: 'error',
    path: whole,
    rule: rule ?? (typeof of === 'string' ? of : null),
    message: messageOf(error)
      .replace(`${String(inner)}: `, '')
      .replace(/\s*\n\s*/g, ' '),
  };
}

function spellingsOf(row: RuleRow) {
  return fromDialect(documentOf(row)).warnings;
}

function documentOf({ pattern }: RuleRow): unknown {
  return typeof pattern === 'string' ? JSON.parse(pattern) : pattern;
}

/** Where a stage stands in a pattern document, or in a group of it; as a JSON path below. */
function placeOf(stage: string, document: unknown): string | null {
  const { nodes } = document as { nodes?: unknown };
  if (!Array.isArray(nodes)) return null;
  for (const [i, node] of (nodes as { name?: unknown; nodes?: unknown }[]).entries()) {
    const inner = Array.isArray(node.nodes)
      ? placeOf(stage, node)
      : node.name === stage
        ? ''
        : null;
    if (inner !== null) return `.nodes[${i}]${inner}`;
  }
  return null;
}

/** Fields of the event that conditions name, each once per stage. */
function fieldsOf(chain: readonly PatternNode[], stage = ''): [stage: string, field: string][] {
  const found = chain.flatMap((node): [string, string][] => {
    const name = node.kind === 'STAGE' ? node.name : stage;
    const own = [node.kind === 'STAGE' ? node.condition : null, node.until].flatMap((condition) =>
      condition ? namesIn(condition) : [],
    );
    const inner = node.kind === 'STAGE' ? [] : fieldsOf(node.chain, name);
    return [...own.map((field): [string, string] => [name, field]), ...inner];
  });
  return [...new Map(found.map((each) => [each.join(' '), each])).values()];
}

const STRINGS = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/g;
const CEL_FIELD = /(?<![\w.])event\s*\.\s*([A-Za-z_]\w*)(?!\w|\s*\()/g;
/** A path, and whether it is called. */
const AVIATOR_PATH =
  /(?<![\w$.])([\p{L}_$][\p{L}\p{N}_$]*)(?:\s*\.\s*[\p{L}_$][\p{L}\p{N}_$]*)*(\s*\()?/gu;
const AVIATOR_WORDS = new Set(['true', 'false', 'nil']);

function namesIn({ type, expression = '', parts = [] }: Condition): string[] {
  const text = expression.replace(STRINGS, "''");
  switch (type) {
    case 'CEL':
      return [...text.matchAll(CEL_FIELD)].map(([, name]) => name as string);
    case 'AVIATOR':
      return [...text.matchAll(AVIATOR_PATH)].flatMap(([, name = '', call]) =>
        call || AVIATOR_WORDS.has(name) ? [] : [name],
      );
    default:
      return parts.flatMap(namesIn);
  }
}
