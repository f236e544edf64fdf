// The pattern document: the JSON that Flink's dynamic CEP keeps in its rule tables, and CEL conditions.
// test/vectors/FORMAT.md describes it. `parseDocument` is the only place that looks at untrusted JSON;
// decode.ts takes what it returns.

import { z } from 'zod';
import { RuleError } from '../errors.js';

const time = z.strictObject({
  unit: z.enum(['MILLISECONDS', 'SECONDS', 'MINUTES', 'HOURS', 'DAYS']),
  size: z.number().int(),
});
const window = z.strictObject({
  type: z.enum(['FIRST_AND_LAST', 'PREVIOUS_AND_CURRENT']),
  time,
});
const windows = z.union([window, z.array(window).max(2)]).nullish();
const text = <T extends string>(type: T) =>
  z.strictObject({ type: z.literal(type), expression: z.string() });
const classCondition = z.strictObject({
  type: z.literal('CLASS'),
  className: z.string(),
  args: z.array(z.string()).nullish(),
  get nestedConditions() {
    return z.array(condition).nullish();
  },
  subClassName: z.string().nullish(),
});
const condition: z.ZodType<ConditionDocument> = z.lazy(() =>
  z.discriminatedUnion('type', [text('CEL'), text('AVIATOR'), text('GROOVY'), classCondition]),
);
const times = z.strictObject({
  from: z.number().int(),
  to: z.number().int().nullish(),
  windowTime: time.nullish(),
});
const quantifier = z.strictObject({
  consumingStrategy: z.enum(['STRICT', 'SKIP_TILL_NEXT', 'SKIP_TILL_ANY']).optional(),
  properties: z.array(z.enum(['SINGLE', 'LOOPING', 'TIMES', 'OPTIONAL', 'GREEDY'])),
  times: times.nullish(),
  untilCondition: condition.nullish(),
});
const edge = z.strictObject({
  source: z.string(),
  target: z.string(),
  type: z.enum(['STRICT', 'SKIP_TILL_NEXT', 'SKIP_TILL_ANY', 'NOT_NEXT', 'NOT_FOLLOW']),
});
const afterMatchStrategy = z.strictObject({
  type: z.enum([
    'NO_SKIP',
    'SKIP_TO_NEXT',
    'SKIP_PAST_LAST_EVENT',
    'SKIP_TO_FIRST',
    'SKIP_TO_LAST',
  ]),
  patternName: z.string().nullish(),
  throwException: z.boolean().nullish(),
});
const atomic = z.strictObject({
  name: z.string(),
  type: z.literal('ATOMIC'),
  quantifier,
  condition: condition.nullish(),
  window: windows,
});
const composite = z.strictObject({
  name: z.string(),
  type: z.literal('COMPOSITE'),
  version: z.number().nullish(),
  quantifier,
  condition: z.null().optional(),
  get nodes() {
    return z.array(node).min(1);
  },
  edges: z.array(edge),
  window: windows,
  afterMatchStrategy: afterMatchStrategy.nullish(),
});
const node: z.ZodType<NodeDocument> = z.lazy(() =>
  z.discriminatedUnion('type', [atomic, composite]),
);
const root = z.strictObject({
  name: z.string().optional(),
  type: z.literal('COMPOSITE').optional(),
  version: z.number().nullish(),
  quantifier: quantifier.nullish(),
  condition: z.null().optional(),
  nodes: z.array(node).min(1),
  edges: z.array(edge),
  window: windows,
  afterMatchStrategy: afterMatchStrategy.nullish(),
});

export type TimeDocument = z.infer<typeof time>;
export type WindowDocument = z.infer<typeof window>;
export type QuantifierDocument = z.infer<typeof quantifier>;
export type EdgeDocument = z.infer<typeof edge>;
/** A condition: text, or the name of one that is registered, with what Flink's classes of conditions take. */
export type ConditionDocument =
  | { type: 'CEL' | 'AVIATOR' | 'GROOVY'; expression: string }
  | {
      type: 'CLASS';
      className: string;
      args?: string[] | null | undefined;
      nestedConditions?: ConditionDocument[] | null | undefined;
      subClassName?: string | null | undefined;
    };
export type SkipDocument = z.infer<typeof afterMatchStrategy>;
export type AtomicDocument = z.infer<typeof atomic>;
/** A group pattern: a graph that is a node of another. */
export interface CompositeDocument {
  name: string;
  type: 'COMPOSITE';
  version?: number | null | undefined;
  quantifier: QuantifierDocument;
  condition?: null | undefined;
  nodes: NodeDocument[];
  edges: EdgeDocument[];
  window?: WindowDocument | WindowDocument[] | null | undefined;
  afterMatchStrategy?: SkipDocument | null | undefined;
}
export type NodeDocument = AtomicDocument | CompositeDocument;
export type PatternDocument = z.infer<typeof root>;

/**
 * Checks the form of a pattern document.
 *
 * @throws RuleError `DOCUMENT_INVALID` with the JSON path of the first fault in `details.path`
 */
export function parseDocument(json: unknown): PatternDocument {
  const parsed = root.safeParse(json);
  if (parsed.success) return parsed.data;
  throw describeIssue(parsed.error.issues, '$');
}

/** The first fault, with its path. */
export function describeIssue(issues: readonly z.core.$ZodIssue[], root: string): RuleError {
  const issue = deepest(issues);
  const path = issue.path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`),
    root,
  );
  return new RuleError('DOCUMENT_INVALID', `${path}: ${issue.message}`, { details: { path } });
}

/** Of a union's alternatives, the fault that lies deepest is about the one that was meant. */
function deepest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue {
  const [first] = issues as [z.core.$ZodIssue];
  if (first.code !== 'invalid_union' || first.errors.length === 0) return first;
  const inner = first.errors
    .filter((alternative) => alternative.length > 0)
    .map((alternative) => deepest(alternative))
    .sort((a, b) => b.path.length - a.path.length)[0];
  return inner ? { ...inner, path: [...first.path, ...inner.path] } : first;
}
