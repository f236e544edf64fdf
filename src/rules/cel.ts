// CEL conditions: the text of a rule's condition becomes a function of an event.
//
//     text -parse-> syntax tree -compile-> closures -type check-> Condition
//
// @marcbachmann/cel-js parses and checks types; cel-compile.ts makes closures of the tree, and
// cel-values.ts holds
// what the values mean; cel-syntax.ts puts right where the library reads a text differently. Semantics are the CEL specification's.
//
//   L1. Pure, as everything in rules/: no clock, no randomness, nothing of Node or a browser.
//   L2. Whatever is wrong with the text is found here, once, and named with its place. A text that
//       passes is evaluated as CEL defines it, or not at all.
//   L3. Every text is bounded (length, parts, depth) and so is every evaluation (steps), so that no
//       rule holds up a workflow task. There are no regular expressions over events.
//   L4. `timestamp` belongs to the event, so only `match` makes a condition iterative.

import { Environment } from '@marcbachmann/cel-js';
import { RuleError } from '../errors.js';
import type { Condition } from '../pattern/condition.js';
import { type Compiled, compileCel, VARIABLES } from './cel-compile.js';
import { CelRefusal, expressionInvalid } from './cel-syntax.js';
import { CelEvaluationError, type Fields, STEPS_MAX } from './cel-values.js';

export { CelEvaluationError } from './cel-values.js';

/** One for all questions to events: they are asked of every event. */
const NO_MATCH = {};

/** The longest expression, in UTF-16 units. */
const EXPRESSION_LENGTH_MAX = 65_536;

// A list literal may mix types, as in CEL: `[1, event.count]` is a list of dyn.
const environment = new Environment({ homogeneousAggregateLiterals: false })
  .registerVariable('event', 'map<string, dyn>')
  .registerVariable('match', 'map<string, list<map<string, dyn>>>')
  .registerVariable('timestamp', 'int');

/**
 * A condition written in CEL, the Common Expression Language.
 *
 * The expression knows `event`, the current event; `match`, the events taken so far by stage
 * (`match.view[0].price`, `match['view*']`); and `timestamp`, the event's time in ms as an int. Every
 * number of an event is a double: `event.price > 200` and `event.price + 1.0` work, `event.price + 1`
 * is an evaluation error. There are the operators of CEL; `size`, `has`, `string`, `int`, `double`,
 * `bool`, `dyn`; `startsWith`, `endsWith`, `contains`; `all`, `exists`, `exists_one`, `map`, `filter`.
 *
 * Evaluating throws a {@link CelEvaluationError} on a missing field, a wrong type, and after 100,000
 * steps; `has(event.price)` asks first, and `&&` and `||` forgive an error when the other side decides.
 *
 * @param expression - at most 65,536 characters; must give a bool
 * @throws RuleError `EXPRESSION_INVALID` with `expression`, `position` (from 0), `line` and `column`
 * @example cel("event.eventType == 'cart' && event.price > 200.0")
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md
 */
// biome-ignore lint/suspicious/noExplicitAny: an expression says nothing of the event's static type
export function cel<E = any>(expression: string): Condition<E> {
  const { run, usesMatch, budget, agreement } = build(expression);
  return {
    type: 'CEL',
    iterative: usesMatch,
    expression,
    ...(agreement && { agreement }),
    evaluate(event, match, timestamp) {
      budget.left = STEPS_MAX;
      const value = run(event as Fields, match, timestamp);
      if (budget.left < 0) {
        throw new CelEvaluationError(`the expression took more than ${STEPS_MAX} steps`);
      }
      if (value === true) return true;
      if (value === false) return false;
      throw value;
    },
  };
}

/**
 * A question to an event alone; one on which the expression errs is answered with no, as a condition that errs is false.
 *
 * @throws RuleError `EXPRESSION_INVALID`, also where it asks for the match
 */
export function eventTest(expression: string): (event: unknown) => boolean {
  const { evaluate, iterative } = cel(expression);
  if (iterative) throw new RuleError('EXPRESSION_INVALID', 'there is no match yet: ask the event');
  return (event) => {
    try {
      return evaluate(event, NO_MATCH, 0);
    } catch {
      return false;
    }
  };
}

function build(expression: string): Compiled {
  if (typeof expression !== 'string' || expression.trim() === '') {
    throw invalid(
      String(expression),
      'it is empty; write a condition such as event.price > 200.0',
      0,
    );
  }
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    throw invalid(
      expression,
      `it has ${expression.length} characters, at most ${EXPRESSION_LENGTH_MAX} are allowed; split it`,
      EXPRESSION_LENGTH_MAX,
    );
  }
  let compiled: Compiled;
  let parsed: ReturnType<typeof environment.parse>;
  try {
    parsed = environment.parse(expression);
    compiled = compileCel(expression, parsed.ast);
  } catch (error) {
    if (error instanceof CelRefusal) throw invalid(expression, error.message, error.position);
    // A chain of `!` or `-` runs the parser out of stack before any limit of ours.
    if (error instanceof RangeError) {
      throw invalid(expression, 'it is nested too deeply; split the condition', 0);
    }
    throw invalid(expression, ...explain(error));
  }
  const checked = parsed.check();
  if (!checked.valid) throw invalid(expression, ...explain(checked.error));
  if (checked.type !== 'bool' && !checked.type?.startsWith('dyn')) {
    throw invalid(
      expression,
      `its result is ${checked.type}, not bool; compare it with something`,
      parsed.ast.start,
    );
  }
  return compiled;
}

/**
 * What the library found, with a remedy where it needs one, and where. The library's error itself is
 * left behind: it holds the syntax tree and every type there is.
 */
function explain(error: unknown): [message: string, position: number] {
  const { code, summary, message, range } = error as {
    readonly code?: string;
    readonly summary?: string;
    readonly message: string;
    readonly range?: { readonly start: number };
  };
  const found = summary ?? message;
  return [`${found}${remedy(code, found)}`, range?.start ?? 0];
}

function remedy(code: string | undefined, found: string): string {
  switch (code) {
    case 'no_such_overload':
      return /int.*double|double.*int/.test(found)
        ? '; CEL mixes int and double only in <, <=, >, >=: write 1.0 or double(...)'
        : '';
    case 'unknown_variable':
      return `; known are ${VARIABLES.join(', ')}`;
    case 'expected_token':
      if (found.startsWith('Expected IDENTIFIER')) {
        return "; a name that is a word of CEL, or has other characters, is written event['in']";
      }
      return '; strings are quoted, equality is ==, logic is && and ||';
    case 'unexpected_token':
    case 'unexpected_character':
      return '; strings are quoted, equality is ==, logic is && and ||';
    default:
      return '';
  }
}

function invalid(expression: string, found: string, position: number): RuleError {
  return expressionInvalid('CEL', expression, found, position);
}
