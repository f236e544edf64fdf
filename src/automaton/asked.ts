// A condition that was asked, for people: its text, its answer, and the values that it looked at.
//
// The values are found in the text: the paths that a CEL expression names, the fields of the event that a
// closure mentions. A path that only its evaluation could tell, such as an index that is computed, is left out.

import type { CepEvent, EventData } from '../event.js';
import type { Condition, MatchSoFar } from '../pattern/condition.js';

/** A value that a condition looked at. */
export interface SeenValue {
  /** As a CEL expression names it: `event.price`, `match.view[0].price`, `size(match.view)`. */
  readonly path: string;
  /** Absent where the event has no such field. */
  readonly value?: unknown;
}

/** A condition, what it answered and why. */
export interface Asked {
  /** CEL text, the name of a class, or the text of a closure, in one line. */
  readonly condition: string;
  readonly answer: boolean;
  /** What it threw; the answer is false then. */
  readonly error?: string;
  readonly values: readonly SeenValue[];
  /** Of AND, OR and NOT: the parts that were asked, from left to right, no further than needed. */
  readonly parts?: readonly Asked[];
}

/** Longest text of a closure. */
const CLOSURE_LENGTH_MAX = 160;

/** Asks a condition and writes down what it saw. */
export function askCondition(condition: Condition, event: CepEvent, match: MatchSoFar): Asked {
  const parts = askParts(condition, event, match);
  return {
    condition: sourceOf(condition),
    ...answerOf(condition, event, match),
    values: parts === null ? valuesOf(condition, event, match) : [],
    ...(parts === null ? {} : { parts }),
  };
}

function answerOf(
  condition: Condition,
  { data, timestamp }: CepEvent,
  match: MatchSoFar,
): Pick<Asked, 'answer' | 'error'> {
  try {
    return { answer: condition.evaluate(data, match, timestamp) === true };
  } catch (error) {
    return { answer: false, error: error instanceof Error ? error.message : String(error) };
  }
}

function askParts({ type, parts }: Condition, event: CepEvent, match: MatchSoFar): Asked[] | null {
  if ((type !== 'AND' && type !== 'OR' && type !== 'NOT') || parts === undefined) return null;
  const asked: Asked[] = [];
  for (const part of parts) {
    const found = askCondition(part, event, match);
    asked.push(found);
    if (found.error !== undefined || found.answer === (type === 'OR')) break;
  }
  return asked;
}

/** The text of a condition, in one line. */
export function sourceOf(condition: Condition): string {
  const { type, parts = [], expression } = condition;
  if (type === 'AND' || type === 'OR') {
    const sources = parts.map(sourceOf);
    if (sources.length === 1) return sources[0] as string;
    return sources.map((source) => `(${source})`).join(type === 'AND' ? ' && ' : ' || ');
  }
  if (type === 'NOT') return `!(${parts.map(sourceOf).join()})`;
  if (type === 'CLASS' && condition.args && condition.args.length > 0) {
    return `${expression}(${condition.args.join(', ')})`;
  }
  if (expression !== undefined) return expression.replace(/\s+/g, ' ').trim();
  const text = closureText(condition).replace(/\s+/g, ' ');
  return text.length > CLOSURE_LENGTH_MAX ? `${text.slice(0, CLOSURE_LENGTH_MAX - 3)}...` : text;
}

function closureText({ closure, evaluate }: Condition): string {
  return String(closure ?? evaluate);
}

// ---- values

function valuesOf(condition: Condition, event: CepEvent, match: MatchSoFar): SeenValue[] {
  if (condition.type === 'CLASS') return [];
  const found =
    condition.type === 'CEL'
      ? celValues(condition.expression ?? '', event, match)
      : closureValues(
          condition.expression ?? closureText(condition),
          event,
          condition.iterative ? match : null,
        );
  const paths = new Set<string>();
  return found.filter(({ path }) => !paths.has(path) && paths.add(path));
}

/** What is no path: comments and strings. A path's own strings are matched with it. */
const CEL_TOKEN =
  /\/\/[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?<![\w.])(timestamp\b(?!\s*[.[(])|(?:event|match)(?:\s*\.\s*[A-Za-z_]\w*(?!\w|\s*\()|\s*\[\s*(?:\d+|"[^"\\]*"|'[^'\\]*')\s*\])+)/g;
const CEL_SEGMENT = /\.\s*([A-Za-z_]\w*)|\[\s*(?:(\d+)|"([^"\\]*)"|'([^'\\]*)')\s*\]/g;

function celValues(expression: string, event: CepEvent, match: MatchSoFar): SeenValue[] {
  return [...expression.matchAll(CEL_TOKEN)].flatMap(([, path]) => {
    if (path === undefined) return [];
    if (path === 'timestamp') return [{ path, value: event.timestamp }];
    const segments = [...path.matchAll(CEL_SEGMENT)].map(
      ([, name, index, double, single]) => name ?? index ?? double ?? single ?? '',
    );
    const text = path.replace(/\s+/g, '');
    if (path.startsWith('event')) return [seen(text, event.data, segments)];
    return [ofMatch(text, match, segments)];
  });
}

function ofMatch(path: string, match: MatchSoFar, segments: readonly string[]): SeenValue {
  // A stage as a whole: its events would say too much.
  if (segments.length === 1) {
    return { path: `size(${path})`, value: match[segments[0] as string]?.length ?? 0 };
  }
  return seen(path, match, segments);
}

function seen(path: string, root: unknown, segments: readonly string[]): SeenValue {
  let value = root;
  for (const segment of segments) {
    const isObject = typeof value === 'object' && value !== null;
    value = isObject ? (value as EventData)[segment] : undefined;
  }
  return value === undefined ? { path } : { path, value };
}

function closureValues(text: string, event: CepEvent, match: MatchSoFar | null): SeenValue[] {
  const words = new Set(text.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu));
  const ofEvent = Object.keys(event.data)
    .filter((field) => words.has(field))
    .map((field) => seen(`event.${field}`, event.data, [field]));
  if (match === null) return ofEvent;
  const ofStages = stagesOf(match)
    .filter((stage) => words.has(stage))
    .flatMap((stage) => stageValues(text, stage, match));
  return [...ofEvent, ...ofStages];
}

/** `first[0]?.price` and `first.at(-1)?.price` of a closure's text; the number of events where there is neither. */
function stageValues(text: string, stage: string, match: MatchSoFar): SeenValue[] {
  const taken = match[stage] ?? [];
  const name = stage.replace(/\$/g, '\\$&');
  const access = new RegExp(
    `(?<![\\w$])${name}\\s*(?:\\?\\.)?(?:\\[(\\d+)\\]|\\.at\\((-?\\d+)\\))\\)?\\s*[?!]?\\.(\\w+)`,
    'gu',
  );
  const found = [...text.matchAll(access)].map(([, index, at, field]) => {
    const relative = Number(index ?? at);
    const position = relative < 0 ? taken.length + relative : relative;
    return seen(`match.${stage}[${Math.max(0, position)}].${field}`, taken, [
      String(position),
      field as string,
    ]);
  });
  return found.length > 0 ? found : [{ path: `size(match.${stage})`, value: taken.length }];
}

/** The stages' names stand on the prototype of what conditions are shown. */
function stagesOf(match: MatchSoFar): string[] {
  const names: string[] = [];
  for (const name in match) names.push(name);
  return names;
}
