// Pattern -> pattern document: the inverse of decode.ts for patterns whose conditions are expressions.

import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import type { Condition } from '../pattern/condition.js';
import type { PatternNode } from '../pattern/pattern.js';
import { type ConsumingStrategy, isNot, type Quantifier } from '../pattern/quantifier.js';
import type { Windows, WithinType } from '../pattern/window.js';
import { type Millis, type TimeUnit, UNIT_MILLIS } from '../time.js';
import { conditionDocument } from './conditions.js';
import type {
  ConditionDocument,
  EdgeDocument,
  NodeDocument,
  PatternDocument,
  QuantifierDocument,
  SkipDocument,
  TimeDocument,
  WindowDocument,
} from './document.js';

/** Turns a condition into its document form, or refuses. */
export type EncodeCondition = (condition: Condition, stage: string) => ConditionDocument;

/**
 * Writes a pattern as a document that `decode` turns into the same pattern again.
 *
 * @param options.name - name of the document; `pattern` by default
 * @throws RuleError `EXPRESSION_INVALID` when a condition is a TypeScript closure
 */
export function encode(
  pattern: { chain: readonly PatternNode[]; afterMatchSkip: AfterMatchSkipStrategy },
  options: { name?: string; condition?: EncodeCondition } = {},
): PatternDocument {
  const encodeCondition = options.condition ?? conditionDocument;
  const names = { groups: 0 };
  return {
    name: options.name ?? 'pattern',
    type: 'COMPOSITE',
    version: 1,
    ...graph(pattern.chain, encodeCondition, names),
    window: windowsOf(pattern.chain[pattern.chain.length - 1] as PatternNode),
    afterMatchStrategy: skipDocument(pattern.afterMatchSkip),
  };
}

function graph(
  chain: readonly PatternNode[],
  encodeCondition: EncodeCondition,
  names: { groups: number },
  inGroup = false,
): { nodes: NodeDocument[]; edges: EdgeDocument[] } {
  const nodes = chain.map((node, i): NodeDocument => {
    // The document's own window stands on the last stage of the outer chain.
    const isLast = i === chain.length - 1 && !inGroup;
    const window = isLast ? null : windowsOf(node);
    if (node.kind === 'STAGE') {
      return {
        name: node.name,
        type: 'ATOMIC',
        quantifier: quantifierDocument(node, encodeCondition, node.name),
        condition: node.condition ? encodeCondition(node.condition, node.name) : null,
        window,
      };
    }
    const name = `$group-${++names.groups}`;
    return {
      name,
      type: 'COMPOSITE',
      version: 1,
      quantifier: quantifierDocument(node, encodeCondition, name),
      condition: null,
      ...graph(node.chain, encodeCondition, names, true),
      window,
      afterMatchStrategy: null,
    };
  });
  const edges = chain.slice(1).map(
    ({ edge }, i): EdgeDocument => ({
      source: (nodes[i] as NodeDocument).name,
      target: (nodes[i + 1] as NodeDocument).name,
      type: edge,
    }),
  );
  return { nodes, edges };
}

function quantifierDocument(
  { quantifier, edge, until }: PatternNode,
  encodeCondition: EncodeCondition,
  stage: string,
): QuantifierDocument {
  const { kind, inner, optional, greedy, times } = quantifier;
  // times(0, n) is allowed where optional() is not: behind a greedy stage.
  const fromZero = kind === 'TIMES' && optional && times?.from === 1;
  return {
    consumingStrategy: kind === 'SINGLE' ? singleStrategy(edge) : inner,
    properties: [
      kind,
      ...(optional && !fromZero ? (['OPTIONAL'] as const) : []),
      ...(greedy ? (['GREEDY'] as const) : []),
    ],
    times: timesDocument(times && fromZero ? { ...times, from: 0 } : times),
    untilCondition: until ? encodeCondition(until, stage) : null,
  };
}

/** Ignored for a single stage; the documents of Flink repeat the edge there. */
function singleStrategy(edge: ConsumingStrategy): Quantifier['inner'] {
  return isNot(edge) ? 'SKIP_TILL_NEXT' : edge;
}

function timesDocument(times: Quantifier['times']): QuantifierDocument['times'] {
  if (!times) return null;
  const { from, to, gapMs } = times;
  return { from, to, windowTime: gapMs === null ? null : timeDocument(gapMs) };
}

function windowsOf({ windows }: { windows: Windows }): WindowDocument | WindowDocument[] | null {
  const documents = (Object.entries(windows) as [WithinType, Millis][]).map(([type, ms]) => ({
    type,
    time: timeDocument(ms),
  }));
  return documents.length > 1 ? documents : (documents[0] ?? null);
}

/** The largest unit that says it in whole numbers. */
function timeDocument(ms: Millis): TimeDocument {
  const units = Object.entries(UNIT_MILLIS).reverse() as [TimeUnit, number][];
  const [unit, size] = units.find(([, length]) => ms % length === 0) ?? ['MILLISECONDS', 1];
  return { unit, size: ms / size };
}

function skipDocument(skip: AfterMatchSkipStrategy): SkipDocument {
  return 'patternName' in skip ? { ...skip } : { type: skip.type, patternName: null };
}
