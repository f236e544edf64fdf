// What the library's parser and type check make of a text, put right where it is not CEL, and places in
// the text for people.

import type { ASTNode } from '@marcbachmann/cel-js';
import { RuleError } from '../errors.js';

/** Thrown for what can't be compiled; `position` counts UTF-16 units from 0. */
export class CelRefusal extends Error {
  readonly position: number;
  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

/** Where a position is, for people: lines and columns count from 1. */
export function place(expression: string, position: number): { line: number; column: number } {
  const before = expression.slice(0, position);
  const line = before.split('\n').length;
  return { line, column: position - before.lastIndexOf('\n') };
}

/** How much of an expression an error repeats. */
const QUOTE_LENGTH_MAX = 500;

/** The error for a text that is no expression of its language; `position` counts UTF-16 units from 0. */
export function expressionInvalid(
  language: 'CEL' | 'AVIATOR',
  expression: string,
  found: string,
  position: number,
): RuleError {
  const quote =
    expression.length > QUOTE_LENGTH_MAX
      ? `${expression.slice(0, QUOTE_LENGTH_MAX)}...`
      : expression;
  return new RuleError(
    'EXPRESSION_INVALID',
    `${language} expression, ${describePlace(expression, position)}: ${found}\n  ${quote}`,
    { details: { expression: quote, position, ...place(expression, position) } },
  );
}

export function describePlace(expression: string, position: number): string {
  const { line, column } = place(expression, position);
  return expression.includes('\n') ? `line ${line}, column ${column}` : `column ${column}`;
}

/**
 * In CEL `==` and `<` bind alike, from the left; the library's parser lets `<` bind closer. Where the
 * two read a text differently, parentheses are asked for.
 */
export function refuseOtherPrecedence(
  expression: string,
  operator: string,
  left: ASTNode,
  right: ASTNode,
): void {
  if (!['<', '<=', '>', '>=', 'in'].includes(right.op)) return;
  const [inner, last] = right.args as unknown as [ASTNode, ASTNode];
  const from = operatorAt(expression, left.end, right.start, operator);
  const to = operatorAt(expression, inner.end, last.start, right.op);
  if (opened(expression.slice(from, to)) > 0) return;
  throw new CelRefusal(
    `'${operator}' and '${right.op}' bind alike in CEL; write which comes first with parentheses`,
    right.pos,
  );
}

/**
 * In a raw string CEL ends at the first quote, the library's parser takes a quote after a backslash
 * for a part of the string.
 */
export function refuseRawString(expression: string, value: string, node: ASTNode): void {
  if (!/^[rR]/.test(expression.slice(node.start, node.end))) return;
  if (!value.includes("\\'") && !value.includes('\\"')) return;
  throw new CelRefusal('a raw string with a backslash before a quote; escape it', node.pos);
}

/** Comments and string literals, in which a parenthesis means nothing. */
const OPAQUE =
  /\/\/[^\n]*|("""|''')(?:\\[\s\S]|(?!\1)[^\\])*\1|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g;

/** How many parentheses the text leaves open. */
function opened(text: string): number {
  const bare = text.replace(OPAQUE, '');
  return bare.split('(').length - bare.split(')').length;
}

/** Where an operator stands between its operands: only space, parentheses and comments are there. */
function operatorAt(expression: string, from: number, to: number, operator: string): number {
  const between = expression.slice(from, to).replace(/\/\/[^\n]*/g, (c) => ' '.repeat(c.length));
  return from + between.indexOf(operator);
}

/**
 * Lets the library's type check accept `has(match.a[0].price)`: in CEL the object may be any
 * expression, the library allows only names with dots between.
 */
export function widenHas(node: ASTNode): void {
  interface Checker {
    check(node: ASTNode, context: unknown): unknown;
    getType(name: string): unknown;
  }
  interface HasMacro {
    readonly args: readonly [ASTNode];
    typeCheck(checker: Checker, macro: HasMacro, context: unknown): unknown;
  }
  const { macro } = (node as unknown as { meta: { macro: HasMacro } }).meta;
  macro.typeCheck = (checker, { args }, context) => {
    checker.check(args[0], context);
    return checker.getType('bool');
  };
}
