// What a CEL expression claims of an event.

import { type ASTNode, parse } from '@marcbachmann/cel-js';
import {
  type Claim,
  comparison,
  isOperator,
  never,
  type Side,
  type Source,
  UNKNOWN,
} from './claims.js';

/** One that can't be read claims nothing; whoever compiles it says what is wrong. */
export function celClaim(expression: string): Claim {
  let root: ASTNode;
  try {
    root = parse(expression).ast;
  } catch {
    return UNKNOWN;
  }
  return claimOf(root, { expression, isNilLeast: false });
}

function claimOf(node: ASTNode, source: Source): Claim {
  switch (node.op) {
    case 'value':
      return node.args === false ? never(source, node.pos) : UNKNOWN;
    case '&&':
    case '||': {
      const [left, right] = node.args as [ASTNode, ASTNode];
      const parts = [claimOf(left, source), claimOf(right, source)];
      return { kind: node.op === '&&' ? 'ALL' : 'ANY', parts };
    }
    default: {
      if (!isOperator(node.op)) return UNKNOWN;
      const [left, right] = node.args as unknown as [ASTNode, ASTNode];
      const sides = { left: sideOf(left), right: sideOf(right) };
      return comparison(source, { operator: node.op, ...sides, at: node.start });
    }
  }
}

function sideOf(node: ASTNode): Side {
  return { field: fieldOf(node), literal: literalOf(node) };
}

/** `event.a.b`, or `event['a'].b`. */
function fieldOf(node: ASTNode): string[] | undefined {
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [object, key] = node.args as [ASTNode, string | ASTNode];
  const name = typeof key === 'string' ? key : key.op === 'value' ? key.args : undefined;
  if (typeof name !== 'string') return undefined;
  if (object.op === 'id') return object.args === 'event' ? [name] : undefined;
  const outer = fieldOf(object);
  return outer && [...outer, name];
}

function literalOf(node: ASTNode): Side['literal'] {
  if (node.op === '-_') {
    const inner = literalOf(node.args as ASTNode)?.value;
    return typeof inner === 'number' ? { value: -inner } : undefined;
  }
  if (node.op !== 'value') return undefined;
  const value: unknown = node.args;
  if (typeof value === 'bigint') {
    // Beyond, two ints may be one number.
    const number = Number(value);
    return Number.isSafeInteger(number) ? { value: number } : undefined;
  }
  const isPlain = ['string', 'number', 'boolean'].includes(typeof value) || value === null;
  return isPlain ? { value: value as string } : undefined;
}
