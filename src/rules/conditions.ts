// Conditions as documents have them, both ways: text (CEL, AVIATOR), the name of a condition that somebody registered
// (CLASS), and Flink's combinations of those.

import { CepError, RuleError } from '../errors.js';
import {
  and,
  type Condition,
  type ConditionFunction,
  not,
  or,
  toCondition,
} from '../pattern/condition.js';
import { aviator } from './aviator.js';
import { cel } from './cel.js';
import type { ConditionDocument } from './document.js';

/**
 * A condition that documents name: what is a class in Flink.
 *
 * @example
 * const priceOver: ConditionClass<Click> = {
 *   version: 1,
 *   create: ([limit]) => (event) => event.price > Number(limit),
 * };
 */
export interface ConditionClass<E = unknown> {
  /** Raise it when the code changes: it is part of the hash of every rule that names the condition. Default 1. */
  readonly version?: number;
  /**
   * Makes the condition. It may throw for arguments that are none: then the rule is refused with its message.
   *
   * @param args - `args` of the document; empty where there are none
   */
  create(args: readonly string[]): ConditionFunction<E>;
}

/** The conditions that documents may name, by the names of their classes. */
export type ConditionClasses<E = unknown> = Readonly<Record<string, ConditionClass<E>>>;

/** By the last part of their names, since every vendor has its own package. */
const COMBINATIONS = {
  RichAndCondition: and,
  RichOrCondition: or,
  RichNotCondition: not,
} as const;

type Combination = keyof typeof COMBINATIONS;

/**
 * Builds a condition.
 *
 * @param path - where it stands, as a JSON path
 * @throws RuleError `EXPRESSION_INVALID` for a text that is none, `CONDITION_UNKNOWN` for a class that nobody registered,
 *   `DOCUMENT_INVALID` for combinations without parts
 */
export function conditionOf(
  document: ConditionDocument,
  path: string,
  classes: ConditionClasses = {},
): Condition {
  switch (document.type) {
    case 'CEL':
      return at(path, () => cel(document.expression));
    case 'AVIATOR':
      return at(path, () => aviator(document.expression));
    case 'GROOVY':
      return at(path, () => groovy(document.expression));
    default:
      return classCondition(document, path, classes);
  }
}

function classCondition(
  { className, args, nestedConditions, subClassName }: ClassDocument,
  path: string,
  classes: ConditionClasses,
): Condition {
  const combination = className.slice(className.lastIndexOf('.') + 1) as Combination;
  if (Object.hasOwn(COMBINATIONS, combination)) {
    const parts = (nestedConditions ?? []).map((nested, i) =>
      conditionOf(nested, `${path}.nestedConditions[${i}]`, classes),
    );
    const isOne = combination === 'RichNotCondition';
    if (parts.length === 0 || (isOne && parts.length > 1)) {
      throw new RuleError(
        'DOCUMENT_INVALID',
        `${path}.nestedConditions: ${combination} wants ${isOne ? 'one' : 'at least one'}, not ${parts.length}`,
        { details: { path: `${path}.nestedConditions` } },
      );
    }
    const [first, ...rest] = parts as [Condition, ...Condition[]];
    return isOne ? not(first) : COMBINATIONS[combination](first, ...rest);
  }
  // The subtype condition asks what an event is; here a registered condition answers that.
  const name = subClassName ?? className;
  const field = subClassName ? 'subClassName' : 'className';
  const known = Object.hasOwn(classes, name) ? classes[name] : undefined;
  if (!known) {
    const names = Object.keys(classes);
    throw new RuleError(
      'CONDITION_UNKNOWN',
      `${path}.${field}: no condition is registered as ${name}: add it to "conditions" of defineJourneys()${names.length > 0 ? `, or name one of ${names.join(', ')}` : ''}`,
      { details: { path: `${path}.${field}`, name } },
    );
  }
  const own = args ?? [];
  try {
    return {
      ...toCondition(known.create(own)),
      type: 'CLASS',
      expression: name,
      args: own,
      version: known.version ?? 1,
      isSubtype: subClassName !== undefined && subClassName !== null,
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RuleError(
      'CONDITION_UNKNOWN',
      `${path}.args: ${name} refuses ${JSON.stringify(own)}: ${reason}`,
      { details: { path: `${path}.args`, name }, cause },
    );
  }
}

/** Some of Groovy reads the same as Aviator. */
function groovy(expression: string): Condition {
  try {
    return aviator(expression);
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    throw new RuleError(
      'EXPRESSION_INVALID',
      `Groovy is not run here, and this is more than AVIATOR and Groovy have in common: write it as CEL or AVIATOR; ${cause.message}`,
      { details: cause.details, cause },
    );
  }
}

function at(path: string, make: () => Condition): Condition {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof RuleError)) throw cause;
    throw new RuleError(cause.code, `${path}: ${cause.message}`, {
      details: { ...cause.details, path },
      cause,
    });
  }
}

type ClassDocument = Extract<ConditionDocument, { type: 'CLASS' }>;

/**
 * Writes a condition down.
 *
 * @throws RuleError `EXPRESSION_INVALID` for a TypeScript closure
 */
export function conditionDocument(condition: Condition, stage: string): ConditionDocument {
  const { type, expression = '', parts = [] } = condition;
  switch (type) {
    case 'CEL':
    case 'AVIATOR':
      return { type, expression };
    case 'CLASS': {
      const args = condition.args && condition.args.length > 0 ? { args: [...condition.args] } : {};
      if (condition.isSubtype) {
        return { type, className: 'RichSubtypeCondition', subClassName: expression, ...args };
      }
      return { type, className: expression, ...args };
    }
    case 'AND':
    case 'OR':
    case 'NOT': {
      const documents = parts.map((part) => conditionDocument(part, stage));
      const texts = documents.flatMap((part) => (part.type === 'CEL' ? [part.expression] : []));
      if (texts.length === documents.length) {
        return { type: 'CEL', expression: celOf(type, texts) };
      }
      return { type: 'CLASS', className: CLASS_NAMES[type], nestedConditions: documents };
    }
    default:
      throw new RuleError(
        'EXPRESSION_INVALID',
        `stage "${stage}": a condition written as a TypeScript function has no document form: write it with cel('...'), or register it and name its class`,
        { details: { stage } },
      );
  }
}

const FLINK = 'org.apache.flink.cep.pattern.conditions';
const CLASS_NAMES = {
  AND: `${FLINK}.RichAndCondition`,
  OR: `${FLINK}.RichOrCondition`,
  NOT: `${FLINK}.RichNotCondition`,
} as const;

function celOf(type: 'AND' | 'OR' | 'NOT', expressions: readonly string[]): string {
  if (type === 'NOT') return `!(${expressions[0]})`;
  return expressions.map((each) => `(${each})`).join(type === 'AND' ? ' && ' : ' || ');
}
