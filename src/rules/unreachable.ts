// Stages that no event can reach: their conditions contradict themselves, what their journey accepts, or the types of fields; or they
// stand behind such a stage.

import type { Condition } from '../pattern/condition.js';
import type { PatternNode, StageNode } from '../pattern/pattern.js';
import { isNot } from '../pattern/quantifier.js';
import { aviatorClaim } from './aviator.js';
import { celClaim } from './cel-claims.js';
import { type Claim, type Conflict, conflictIn, type FieldTypes, UNKNOWN } from './claims.js';

export interface UnreachableStage {
  readonly stage: string;
  /** What was found, and the remedy. */
  readonly message: string;
}

/** What every event of a stage is. */
export interface EventsOf {
  readonly types: FieldTypes;
  /** CEL: what the journey accepts; everything by default. */
  readonly accepts?: string | null | undefined;
}

export function unreachableStages(
  chain: readonly PatternNode[],
  events: EventsOf,
): UnreachableStage[] {
  const found: UnreachableStage[] = [];
  /** Stages of the pattern behind the node that is looked at, which wait for it. */
  const visit = (nodes: readonly PatternNode[], behind: readonly string[]): boolean => {
    let isBlocked = false;
    for (const [i, node] of nodes.entries()) {
      const isAwaited = !node.quantifier.optional && !isNot(node.edge);
      const waiting: readonly string[] =
        isAwaited && !isBlocked ? [...nodes.slice(i + 1).flatMap(namesOf), ...behind] : [];
      const isDead: boolean =
        node.kind === 'GROUP' ? visit(node.chain, waiting) : isUnfit(node, waiting, events, found);
      isBlocked ||= isDead && isAwaited;
    }
    return isBlocked;
  };
  visit(chain, []);
  return found;
}

function isUnfit(
  node: StageNode,
  waiting: readonly string[],
  { types, accepts }: EventsOf,
  found: UnreachableStage[],
): boolean {
  if (node.condition === null) return false;
  const own = claimOf(node.condition);
  const alone = conflictIn(own, types);
  const accepted: Claim = accepts ? celClaim(accepts) : UNKNOWN;
  const conflict = alone ?? conflictIn({ kind: 'ALL', parts: [accepted, own] }, types);
  if (!conflict) return false;
  const { name: stage, edge } = node;
  const why = alone ? reasonOf(conflict, types) : 'its journey accepts no event that it asks for';
  const then = isNot(edge)
    ? ', so it forbids nothing'
    : waiting.length > 0
      ? `, and none comes to ${waiting.map((name) => `"${name}"`).join(', ')} behind it`
      : '';
  found.push({ stage, message: `no event fits stage "${stage}"${then}: ${why}` });
  return true;
}

function claimOf({ type, expression = '', parts = [] }: Condition): Claim {
  switch (type) {
    case 'CEL':
      return celClaim(expression);
    case 'AVIATOR':
      return aviatorClaim(expression);
    case 'AND':
      return { kind: 'ALL', parts: parts.map(claimOf) };
    case 'OR':
      return { kind: 'ANY', parts: parts.map(claimOf) };
    default:
      return UNKNOWN;
  }
}

function reasonOf({ claims, isOneOfSeveral }: Conflict, types: FieldTypes): string {
  const [first] = claims;
  const field = first?.kind === 'COMPARISON' ? first.field.join('.') : '';
  const texts = claims.map((claim) =>
    claim.kind === 'NEVER'
      ? `false at ${claim.place}`
      : `${claim.field.join('.')} ${claim.operator} ${JSON.stringify(claim.value)} at ${claim.place}`,
  );
  const others = isOneOfSeveral ? ', and no alternative is better' : '';
  if (claims.length > 1) {
    return `${texts.join(' and ')} exclude each other${others}; join them with ||, or correct one`;
  }
  if (first?.kind === 'NEVER') return `it asks for ${texts[0]}${others}`;
  return `it asks for ${texts[0]}, but ${field} is a ${types[field]}${others}; correct "fields" or the condition`;
}

function namesOf(node: PatternNode): string[] {
  return node.kind === 'STAGE' ? [node.name] : node.chain.flatMap(namesOf);
}
