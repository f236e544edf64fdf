// Pattern document -> Pattern. The parts of a stage are applied in the order that FORMAT.md gives, by the
// same calls a user would write, so that both ways refuse the same patterns with the same errors.

import { RuleError } from '../errors.js';
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import { begin, type GroupPattern, type Pattern, type Stages } from '../pattern/pattern.js';
import { type Millis, UNIT_MILLIS } from '../time.js';
import { type ConditionClasses, conditionOf } from './conditions.js';
import type {
  EdgeDocument,
  NodeDocument,
  PatternDocument,
  QuantifierDocument,
  SkipDocument,
  TimeDocument,
  WindowDocument,
} from './document.js';

// biome-ignore lint/suspicious/noExplicitAny: stages and events of a document have no static type
type AnyPattern = Pattern<any, any, any>;
type Graph = Pick<PatternDocument, 'nodes' | 'edges' | 'window'>;

/**
 * Builds the pattern that a document describes.
 *
 * @param document - as `parseDocument` returns it
 * @param classes - the conditions that it may name
 * @throws RuleError `DOCUMENT_INVALID` for nodes and edges that are no chain, `EXPRESSION_INVALID`, `CONDITION_UNKNOWN`
 * @throws MalformedPatternError as the Pattern API; what needs the whole is refused by `compile`
 */
export function decode(document: PatternDocument, classes: ConditionClasses = {}): AnyPattern {
  return graph(document, '$', classes).afterMatch(skipStrategy(document.afterMatchStrategy));
}

function graph(
  { nodes, edges, window }: Graph,
  path: string,
  classes: ConditionClasses,
): AnyPattern {
  let pattern: AnyPattern | null = null;
  for (const { node, edge } of chainOf(nodes, edges, path)) {
    pattern = stage(pattern, node, edge, `${path}.nodes[${nodes.indexOf(node)}]`, classes);
  }
  return within(pattern as AnyPattern, window);
}

interface Link {
  node: NodeDocument;
  /** The edge that leads here; null for the first node. */
  edge: EdgeDocument | null;
}

/** The nodes in the order of the edges. */
function chainOf(nodes: NodeDocument[], edges: EdgeDocument[], path: string): Link[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  // With a name that stands twice the edges are ambiguous; the listed order shows what is refused.
  if (byName.size < nodes.length) {
    return nodes.map((node, i) => ({ node, edge: i === 0 ? null : (edges[i - 1] ?? null) }));
  }
  const noChain = (what: string) =>
    new RuleError('DOCUMENT_INVALID', `${path}.edges: ${what}: the nodes must form one chain`, {
      details: { path: `${path}.edges` },
    });
  const targets = new Set(edges.map((edge) => edge.target));
  const outgoing = new Map<string, EdgeDocument>();
  for (const edge of edges) {
    if (!byName.has(edge.source)) throw noChain(`source "${edge.source}" is no node`);
    if (!byName.has(edge.target)) throw noChain(`target "${edge.target}" is no node`);
    if (outgoing.has(edge.source)) throw noChain(`node "${edge.source}" has two outgoing edges`);
    outgoing.set(edge.source, edge);
  }
  const [first, second] = nodes.filter((node) => !targets.has(node.name));
  if (!first) throw noChain('every node has an incoming edge, so none is the first');
  if (second) throw noChain(`"${first.name}" and "${second.name}" both lack an incoming edge`);
  const chain: Link[] = [{ node: first, edge: null }];
  for (let edge = outgoing.get(first.name); edge; edge = outgoing.get(edge.target)) {
    chain.push({ node: byName.get(edge.target) as NodeDocument, edge });
  }
  if (chain.length !== nodes.length) throw noChain('not every node is reached from the first');
  return chain;
}

function stage(
  before: AnyPattern | null,
  node: NodeDocument,
  edge: EdgeDocument | null,
  path: string,
  classes: ConditionClasses,
): AnyPattern {
  // A group's own window belongs to the group as a stage, not to its last member.
  const what =
    node.type === 'COMPOSITE' ? graph({ ...node, window: null }, path, classes) : node.name;
  let pattern = append(before, edge, what as string & GroupPattern<unknown, Stages>, path);
  if (node.type === 'ATOMIC' && node.condition)
    pattern = pattern.where(conditionOf(node.condition, `${path}.condition`, classes));
  return within(quantify(pattern, node.quantifier, path, classes), node.window);
}

function append(
  before: AnyPattern | null,
  edge: EdgeDocument | null,
  // The overloads for names and groups do the same; a document decides at run time.
  what: string & GroupPattern<unknown, Stages>,
  path: string,
): AnyPattern {
  if (before === null) return begin(what) as AnyPattern;
  switch (edge?.type) {
    case 'STRICT':
      return before.next(what);
    case 'SKIP_TILL_NEXT':
      return before.followedBy(what);
    case 'SKIP_TILL_ANY':
      return before.followedByAny(what);
    case 'NOT_NEXT':
      return before.notNext(what);
    case 'NOT_FOLLOW':
      return before.notFollowedBy(what);
    default:
      throw new RuleError('DOCUMENT_INVALID', `${path}: no edge leads here: add one`, {
        details: { path },
      });
  }
}

function quantify(
  stage: AnyPattern,
  quantifier: QuantifierDocument,
  path: string,
  classes: ConditionClasses,
): AnyPattern {
  const { properties, times, consumingStrategy, untilCondition } = quantifier;
  const gap = times?.windowTime ? [millis(times.windowTime)] : [];
  let pattern = stage;
  for (const _ of properties.filter((property) => property === 'LOOPING')) {
    pattern = pattern.timesOrMore(times?.from ?? 1, ...gap);
  }
  for (const _ of properties.filter((property) => property === 'TIMES')) {
    if (!times) {
      throw new RuleError('DOCUMENT_INVALID', `${path}.quantifier: TIMES needs "times"`, {
        details: { path: `${path}.quantifier.times` },
      });
    }
    pattern = pattern.times(times.from, times.to ?? times.from, ...gap);
  }
  if (properties.includes('LOOPING') || properties.includes('TIMES')) {
    if (consumingStrategy === 'STRICT') pattern = pattern.consecutive();
    if (consumingStrategy === 'SKIP_TILL_ANY') pattern = pattern.allowCombinations();
  }
  if (properties.includes('OPTIONAL')) pattern = pattern.optional();
  if (properties.includes('GREEDY')) pattern = pattern.greedy();
  if (untilCondition)
    pattern = pattern.until(
      conditionOf(untilCondition, `${path}.quantifier.untilCondition`, classes),
    );
  return pattern;
}

function within(pattern: AnyPattern, window: PatternDocument['window']): AnyPattern {
  const windows: WindowDocument[] = window ? [window].flat() : [];
  return windows.reduce((p, { time, type }) => p.within(millis(time), type), pattern);
}

function millis({ unit, size }: TimeDocument): Millis {
  return size * UNIT_MILLIS[unit];
}

function skipStrategy(skip: SkipDocument | null | undefined): AfterMatchSkipStrategy {
  if (!skip) return { type: 'NO_SKIP' };
  if (skip.type !== 'SKIP_TO_FIRST' && skip.type !== 'SKIP_TO_LAST') return { type: skip.type };
  return {
    type: skip.type,
    patternName: skip.patternName ?? '',
    ...(skip.throwException ? { throwException: true } : {}),
  };
}
