// What the text of a condition claims of an event, as far as comparisons of fields with literals say: enough to see that no event can
// fulfil it. Whatever else a text says counts as fulfilled, so that what is found here is so.

import { describePlace } from './cel-syntax.js';

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Literal = string | number | boolean | null;

/** A field and a literal. */
export interface Comparison {
  readonly kind: 'COMPARISON';
  /** Names from the event on. */
  readonly field: readonly string[];
  readonly operator: Operator;
  readonly value: Literal;
  /** Whether a field that is not there is less than everything, as in Aviator. */
  readonly isNilLeast: boolean;
  /** Where it stands, for people. */
  readonly place: string;
}

/** What holds of no event. */
export interface Never {
  readonly kind: 'NEVER';
  readonly place: string;
}

export type Claim =
  | Comparison
  | Never
  | { readonly kind: 'ALL' | 'ANY'; readonly parts: readonly Claim[] }
  | { readonly kind: 'UNKNOWN' };

/** What a language makes its comparisons of. */
export interface Source {
  readonly expression: string;
  readonly isNilLeast: boolean;
}

/** A part of an expression, as one side of a comparison. */
export interface Side {
  readonly field?: readonly string[] | undefined;
  readonly literal?: { readonly value: Literal } | undefined;
}

/** Types of the event's own fields, by name. Others may hold anything. */
export type FieldTypes = Readonly<Record<string, 'string' | 'number' | 'boolean'>>;

export const UNKNOWN: Claim = { kind: 'UNKNOWN' };
const MIRRORED = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;

export function isOperator(text: string): text is Operator {
  return Object.hasOwn(MIRRORED, text);
}

/** @param at - where it stands in the text, from 0 */
export function comparison(
  { expression, isNilLeast }: Source,
  of: { operator: Operator; left: Side; right: Side; at: number },
): Claim {
  const { left, right, at } = of;
  const [field, literal] = left.field ? [left.field, right.literal] : [right.field, left.literal];
  const operator = left.field ? of.operator : MIRRORED[of.operator];
  if (!field || !literal) return UNKNOWN;
  const { value } = literal;
  const isOrder = operator !== '==' && operator !== '!=';
  // What null is less than, every language says otherwise.
  if (isOrder && value === null) return UNKNOWN;
  const place = describePlace(expression, at);
  return { kind: 'COMPARISON', field, operator, value, isNilLeast, place };
}

export function never({ expression }: Source, at: number): Claim {
  return { kind: 'NEVER', place: describePlace(expression, at) };
}

/** Claims of which no event fulfils all: one is enough where it holds of nothing, or of no value of its field's type. */
export interface Conflict {
  readonly claims: readonly (Comparison | Never)[];
  /** Whether there are alternatives, all of them in conflict. */
  readonly isOneOfSeveral: boolean;
}

/** Ways to fulfil a claim that are looked at; one with more counts as fulfilled. */
const STEPS_MAX = 10_000;

/** @returns null when an event may fulfil the claim */
export function conflictIn(claim: Claim, types: FieldTypes = {}): Conflict | null {
  let steps = 0;
  const found: (readonly (Comparison | Never)[])[] = [];
  const fits = (todo: readonly Claim[], known: readonly Comparison[]): boolean => {
    const [first, ...rest] = todo;
    if (first === undefined || ++steps > STEPS_MAX) return true;
    switch (first.kind) {
      case 'ALL':
        return fits([...first.parts, ...rest], known);
      case 'ANY':
        return first.parts.some((part) => fits([part, ...rest], known));
      case 'NEVER':
        found.push([first]);
        return false;
      case 'COMPARISON': {
        const conflict = conflictWith(first, known, types);
        if (conflict) found.push(conflict);
        return !conflict && fits(rest, [...known, first]);
      }
      default:
        return fits(rest, known);
    }
  };
  const [claims] = fits([claim], []) ? [] : found;
  return claims ? { claims, isOneOfSeveral: found.length > 1 } : null;
}

/** The fewest of a field's comparisons that exclude each other. */
function conflictWith(
  last: Comparison,
  known: readonly Comparison[],
  types: FieldTypes,
): readonly Comparison[] | null {
  const name = JSON.stringify(last.field);
  const others = known.filter(({ field }) => JSON.stringify(field) === name);
  if (isPossible([...others, last], types)) return null;
  if (!isPossible([last], types)) return [last];
  const other = others.find((each) => !isPossible([each, last], types));
  return other ? [other, last] : [...others, last];
}

/** Whether any value fulfils all comparisons of one field. */
function isPossible(all: readonly Comparison[], types: FieldTypes): boolean {
  const [{ field }] = all as [Comparison];
  const [name = ''] = field;
  const type = field.length === 1 && Object.hasOwn(types, name) ? types[name] : undefined;
  return valuesFor(all.map(({ value }) => value)).some(
    (value) =>
      (type === undefined || value === null || typeof value === type) &&
      all.every((each) => holds(each, value)),
  );
}

/** A value of every kind that comparisons with these can tell apart. */
function valuesFor(literals: readonly Literal[]): unknown[] {
  const numbers = literals.filter((each) => typeof each === 'number').sort((a, b) => a - b);
  const between = numbers.map((each, i) => each / 2 + (numbers[i + 1] ?? each) / 2);
  const texts = literals.filter((each) => typeof each === 'string');
  const other = `${texts.join('')}.`;
  const list: unknown[] = [];
  const beyond = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return [null, true, false, list, other, ...texts, ...beyond, ...numbers, ...between];
}

function holds({ operator, value: literal, isNilLeast }: Comparison, value: unknown): boolean {
  if (operator === '==') return value === literal;
  // Of two types that can't be compared some languages say neither.
  if (operator === '!=') return value !== literal;
  if (value === null) return isNilLeast && (operator === '<' || operator === '<=');
  if (typeof value !== typeof literal) return false;
  // How texts are ordered is each language's own.
  if (typeof value !== 'number' || typeof literal !== 'number') return true;
  switch (operator) {
    case '<':
      return value < literal;
    case '<=':
      return value <= literal;
    case '>':
      return value > literal;
    default:
      return value >= literal;
  }
}
