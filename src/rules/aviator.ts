// AVIATOR conditions, as Flink's dynamic CEP keeps them in its rule tables: the part of AviatorScript that is an
// expression over the event's fields. Everything else is refused, with its place.
//
//   A1. Values mean what they mean to Aviator: a field that is not there is nil, nil is smaller than everything but nil,
//       logic wants booleans, and strings compare with strings alone. Where Aviator throws, so does this.
//   A2. A number of an event is a double, as its JSON does not say more; between two whole numbers of the text `/` is Java's
//       division of longs.
//   A3. Nothing is evaluated as code, nothing loops, nothing is assigned. The text is bounded, and so is its depth.

import type { RuleError } from '../errors.js';
import type { Condition } from '../pattern/condition.js';
import { expressionInvalid } from './cel-syntax.js';
import {
  type Claim,
  comparison,
  isOperator,
  never,
  type Side,
  type Source,
  UNKNOWN,
} from './claims.js';

/** The column of Flink's rule tables holds 4,096 characters for a whole rule. */
const EXPRESSION_LENGTH_MAX = 4_096;
const DEPTH_MAX = 100;

type Value = unknown;
type Fields = Readonly<Record<string, unknown>>;
/** A part of the expression; `isLong` where Aviator would know a long. */
interface Part extends Side {
  readonly isLong: boolean;
  /** What is so of the event when it is true. */
  readonly claim?: Claim;
  run(fields: Fields): Value;
}

/** Thrown by an evaluation where Aviator would throw. */
export class AviatorEvaluationError extends Error {}

/**
 * A condition written in AviatorScript: comparisons, `&& || !`, arithmetic, `?:`, `nil`, strings, field paths, and the
 * functions `string.contains`, `string.startsWith`, `string.endsWith`, `string.length`, `string.indexOf`,
 * `string.substring`, `math.abs`, `math.round`, `math.pow`, `math.sqrt`, `min`, `max`, `count`, `include`, `str`,
 * `long`, `double`, `boolean`, `is_nil` as `nil` compares.
 *
 * @throws RuleError `EXPRESSION_INVALID` with `expression`, `position` (from 0), `line` and `column` for anything else
 * @example aviator("eventType == 'cart' && price > 200")
 * @see https://www.yuque.com/boyan-avfmj/aviatorscript
 */
// biome-ignore lint/suspicious/noExplicitAny: an expression says nothing of the event's static type
export function aviator<E = any>(expression: string): Condition<E> {
  const { run } = new Parser(expression).whole();
  return {
    type: 'AVIATOR',
    iterative: false,
    expression,
    evaluate: (event) => {
      const value = run(event as Fields);
      if (typeof value === 'boolean') return value;
      throw new AviatorEvaluationError(`the expression gives ${typeName(value)}, not a boolean`);
    },
  };
}

/** What an expression that {@link aviator} takes claims of an event. */
export function aviatorClaim(expression: string): Claim {
  return new Parser(expression).whole().claim ?? UNKNOWN;
}

// ---- text to tokens

type TokenKind = 'number' | 'string' | 'name' | 'operator' | 'end';
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly value?: number | string;
  readonly at: number;
}

const NUMBER = /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[NM]?/y;
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const OPERATOR = /&&|\|\||==|!=|=~|<=|>=|->|>>>|>>|<<|\*\*|[-+*/%<>!?:()[\].,&|^~=;{}#@`\\]/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

// ---- tokens to closures

const BINARY: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
};

/** What is Aviator, and more than a condition needs. */
const REFUSED: Readonly<Record<string, string>> = {
  '=': 'it assigns: equality is ==',
  '=~': 'regular expressions are not supported: use string.contains, string.startsWith or string.endsWith',
  ';': 'a condition is one expression',
  '->': 'functions can not be defined in a condition',
  '&': 'bits are not supported: logic is &&',
  '|': 'bits are not supported: logic is ||',
  '^': 'bits are not supported',
  '~': 'bits are not supported',
  '<<': 'bits are not supported',
  '>>': 'bits are not supported',
  '>>>': 'bits are not supported',
  '**': 'write math.pow(a, b)',
  '{': 'blocks are not supported: a condition is one expression',
  '#': 'write the path of a field as a.b.c',
};
const KEYWORDS =
  /^(lambda|fn|let|def|if|else|elsif|for|while|return|break|continue|try|catch|throw|new|use|in)$/;

class Parser {
  readonly #text: string;
  readonly #source: Source;
  #token: Token;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#source = { expression: text, isNilLeast: true };
    if (typeof text !== 'string' || text.trim() === '') {
      throw refusal(String(text), 'it is empty; write a condition such as price > 200', 0);
    }
    if (text.length > EXPRESSION_LENGTH_MAX) {
      throw refusal(
        text,
        `it has ${text.length} characters, at most ${EXPRESSION_LENGTH_MAX} are allowed; split it`,
        EXPRESSION_LENGTH_MAX,
      );
    }
    this.#token = this.#read(0);
  }

  whole(): Part {
    const part = this.#ternary();
    if (this.#token.kind !== 'end') throw this.#unexpected();
    return part;
  }

  #read(from: number): Token {
    let at = from;
    while (/\s/.test(this.#text[at] ?? '')) at++;
    if (at >= this.#text.length) return { kind: 'end', text: 'the end', at };
    const string = match(STRING, this.#text, at);
    if (string !== null) return { kind: 'string', text: string, value: unquoted(string), at };
    const number = match(NUMBER, this.#text, at);
    if (number !== null) {
      return { kind: 'number', text: number, value: Number(number.replace(/[NM]$/, '')), at };
    }
    const name = match(NAME, this.#text, at);
    if (name !== null) return { kind: 'name', text: name, at };
    const operator = match(OPERATOR, this.#text, at);
    if (operator !== null) return { kind: 'operator', text: operator, at };
    if (/['"]/.test(this.#text[at] as string)) {
      throw refusal(this.#text, 'the string is not closed', at);
    }
    throw refusal(this.#text, `unexpected character ${this.#text[at]}`, at);
  }

  #advance(): Token {
    const token = this.#token;
    this.#token = this.#read(token.at + token.text.length);
    return token;
  }

  #takes(operator: string): boolean {
    if (this.#token.kind !== 'operator' || this.#token.text !== operator) return false;
    this.#advance();
    return true;
  }

  #expect(operator: string): void {
    if (!this.#takes(operator)) throw this.#unexpected(`, expected ${operator}`);
  }

  #unexpected(hint = ''): RuleError {
    const { kind, text, at } = this.#token;
    const refused = kind === 'operator' ? REFUSED[text] : undefined;
    return refusal(this.#text, refused ?? `unexpected ${text}${hint}`, at);
  }

  #deeper(): void {
    if (++this.#depth <= DEPTH_MAX) return;
    throw refusal(this.#text, 'it is nested too deeply; split the condition', this.#token.at);
  }

  #ternary(): Part {
    this.#deeper();
    const test = this.#binary(1);
    let part = test;
    if (this.#takes('?')) {
      const yes = this.#ternary();
      this.#expect(':');
      const no = this.#ternary();
      part = {
        isLong: yes.isLong && no.isLong,
        run: (fields) => (booleanOf(test.run(fields), '?:') ? yes.run(fields) : no.run(fields)),
      };
    }
    this.#depth--;
    return part;
  }

  #binary(power: number): Part {
    const { at } = this.#token;
    let left = this.#unary();
    for (;;) {
      const { kind, text } = this.#token;
      const own = kind === 'operator' ? (BINARY[text] ?? 0) : 0;
      if (own < power) return left;
      this.#advance();
      const right = this.#binary(own + 1);
      left = {
        ...binary(text, left, right),
        claim: this.#claim({ operator: text, left, right, at }),
      };
    }
  }

  #claim(of: { operator: string; left: Part; right: Part; at: number }): Claim {
    const { operator, left, right, at } = of;
    const parts = [left, right].map(({ claim = UNKNOWN }) => claim);
    if (operator === '&&') return { kind: 'ALL', parts };
    if (operator === '||') return { kind: 'ANY', parts };
    return isOperator(operator) ? comparison(this.#source, { operator, left, right, at }) : UNKNOWN;
  }

  #unary(): Part {
    this.#deeper();
    let part: Part;
    if (this.#takes('!')) {
      const { run } = this.#unary();
      part = { isLong: false, run: (fields) => !booleanOf(run(fields), '!') };
    } else if (this.#takes('-')) {
      const { run, isLong, literal } = this.#unary();
      const negative = typeof literal?.value === 'number' ? { value: -literal.value } : undefined;
      part = { isLong, run: (fields) => -numberOf(run(fields), '-'), literal: negative };
    } else {
      part = this.#postfix(this.#primary());
    }
    this.#depth--;
    return part;
  }

  #postfix(first: Part): Part {
    let part = first;
    for (;;) {
      if (this.#takes('[')) {
        const key = this.#ternary();
        this.#expect(']');
        const { run } = part;
        part = { isLong: false, run: (fields) => memberOf(run(fields), key.run(fields)) };
      } else if (this.#takes('.')) {
        const { kind, text } = this.#token;
        if (kind !== 'name') throw this.#unexpected(', expected the name of a field');
        this.#advance();
        const { run, field } = part;
        part = {
          isLong: false,
          run: (fields) => memberOf(run(fields), text),
          field: field && [...field, text],
        };
      } else return part;
    }
  }

  #primary(): Part {
    const token = this.#token;
    if (this.#takes('(')) {
      const inner = this.#ternary();
      this.#expect(')');
      return inner;
    }
    switch (token.kind) {
      case 'number':
        this.#advance();
        return {
          isLong: /^(\d+|0[xX][0-9a-fA-F]+)$/.test(token.text),
          run: () => token.value,
          literal: { value: token.value as number },
        };
      case 'string':
        this.#advance();
        return {
          isLong: false,
          run: () => token.value,
          literal: { value: token.value as string },
        };
      case 'name':
        return this.#name();
      default:
        if (token.text === '/') {
          throw refusal(this.#text, REFUSED['=~'] as string, token.at);
        }
        throw this.#unexpected();
    }
  }

  /** A field, a word of the language, or the call of a function, whose name may have dots. */
  #name(): Part {
    const { text, at } = this.#advance();
    if (text === 'true' || text === 'false') {
      const value = text === 'true';
      const claim = value ? UNKNOWN : never(this.#source, at);
      return { isLong: false, run: () => value, literal: { value }, claim };
    }
    if (text === 'nil') return { isLong: false, run: () => null, literal: { value: null } };
    if (KEYWORDS.test(text)) {
      throw refusal(this.#text, `'${text}' is not supported: a condition is one expression`, at);
    }
    const dotted = match(
      /[\p{L}\p{N}_$]+(?:\s*\.\s*[\p{L}_$][\p{L}\p{N}_$]*)*(?=\s*\()/uy,
      this.#text,
      at,
    );
    if (dotted !== null) return this.#call(dotted.replaceAll(/\s/g, ''), at, at + dotted.length);
    return { isLong: false, run: (fields) => memberOf(fields, text), field: [text] };
  }

  #call(name: string, at: number, end: number): Part {
    this.#token = this.#read(end);
    this.#expect('(');
    const args: Part[] = [];
    if (!this.#takes(')')) {
      do args.push(this.#ternary());
      while (this.#takes(','));
      this.#expect(')');
    }
    const known = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (!known) {
      const names = Object.keys(FUNCTIONS).join(', ');
      throw refusal(this.#text, `unknown function ${name}; known are ${names}`, at);
    }
    const { from, to, call, isLong = false } = known;
    if (args.length < from || args.length > to) {
      const wanted =
        from === to
          ? from
          : to === Number.POSITIVE_INFINITY
            ? `at least ${from}`
            : `${from} to ${to}`;
      throw refusal(this.#text, `${name} takes ${wanted} arguments, not ${args.length}`, at);
    }
    return { isLong, run: (fields) => call(...args.map(({ run }) => run(fields))) };
  }
}

function match(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function unquoted(text: string): string {
  return text.slice(1, -1).replaceAll(/\\([\s\S])/g, (_, char: string) => ESCAPES[char] ?? char);
}

// ---- what the values mean (A1)

interface Function {
  readonly from: number;
  readonly to: number;
  readonly isLong?: boolean;
  call(...values: Value[]): Value;
}

const text = (
  from: number,
  to: number,
  call: (...texts: string[]) => Value,
  isLong = false,
): Function => ({
  from,
  to,
  isLong,
  call: (...values) => call(...values.map((value) => textOf(value))),
});
const numeric = (
  from: number,
  to: number,
  call: (...numbers: number[]) => number,
  isLong = false,
): Function => ({
  from,
  to,
  isLong,
  call: (...values) => call(...values.map((value) => numberOf(value, 'the function'))),
});

const FUNCTIONS: Readonly<Record<string, Function>> = {
  'string.contains': text(2, 2, (a = '', b = '') => a.includes(b)),
  'string.startsWith': text(2, 2, (a = '', b = '') => a.startsWith(b)),
  'string.endsWith': text(2, 2, (a = '', b = '') => a.endsWith(b)),
  'string.length': text(1, 1, (a = '') => a.length, true),
  'string.indexOf': text(2, 2, (a = '', b = '') => a.indexOf(b), true),
  'string.substring': {
    from: 2,
    to: 3,
    call: (a, begin, end) =>
      textOf(a).substring(
        numberOf(begin, 'string.substring'),
        end === undefined ? undefined : numberOf(end, 'string.substring'),
      ),
  },
  'math.abs': numeric(1, 1, Math.abs),
  'math.round': numeric(1, 1, Math.round, true),
  'math.pow': numeric(2, 2, (a = 0, b = 0) => a ** b),
  'math.sqrt': numeric(1, 1, Math.sqrt),
  min: numeric(1, Number.POSITIVE_INFINITY, Math.min),
  max: numeric(1, Number.POSITIVE_INFINITY, Math.max),
  count: {
    from: 1,
    to: 1,
    isLong: true,
    call: (value) => {
      if (value === null || value === undefined) return 0;
      if (Array.isArray(value)) return value.length;
      if (typeof value === 'object') return Object.keys(value).length;
      throw new AviatorEvaluationError(`count wants a list or a map, not ${typeName(value)}`);
    },
  },
  include: {
    from: 2,
    to: 2,
    call: (list, wanted) => {
      if (!Array.isArray(list)) {
        throw new AviatorEvaluationError(`include wants a list, not ${typeName(list)}`);
      }
      return list.some((each) => typeof each === typeof wanted && compared(each, wanted) === 0);
    },
  },
  str: { from: 1, to: 1, call: (value) => (isNil(value) ? 'null' : String(value)) },
  long: { from: 1, to: 1, isLong: true, call: (value) => Math.trunc(converted(value, 'long')) },
  double: { from: 1, to: 1, call: (value) => converted(value, 'double') },
  boolean: { from: 1, to: 1, call: (value) => value === true || value === 'true' },
  is_nil: { from: 1, to: 1, call: isNil },
};

function binary(operator: string, left: Part, right: Part): Part {
  const isLong = left.isLong && right.isLong;
  const answers = (run: Part['run']): Part => ({ isLong: false, run });
  const computes = (compute: (a: number, b: number) => number): Part => ({
    isLong,
    run: (fields) =>
      compute(numberOf(left.run(fields), operator), numberOf(right.run(fields), operator)),
  });
  const compares = (holds: (order: number) => boolean): Part =>
    answers((fields) => holds(compared(left.run(fields), right.run(fields))));
  switch (operator) {
    case '||':
      return answers((f) => booleanOf(left.run(f), operator) || booleanOf(right.run(f), operator));
    case '&&':
      return answers((f) => booleanOf(left.run(f), operator) && booleanOf(right.run(f), operator));
    case '==':
      return compares((order) => order === 0);
    case '!=':
      return compares((order) => order !== 0);
    case '<':
      return compares((order) => order < 0);
    case '<=':
      return compares((order) => order <= 0);
    case '>':
      return compares((order) => order > 0);
    case '>=':
      return compares((order) => order >= 0);
    case '+':
      return {
        isLong,
        run: (fields) => {
          const [a, b] = [left.run(fields), right.run(fields)];
          if (typeof a !== 'string' && typeof b !== 'string') {
            return numberOf(a, operator) + numberOf(b, operator);
          }
          return `${isNil(a) ? 'null' : a}${isNil(b) ? 'null' : b}`;
        },
      };
    case '-':
      return computes((a, b) => a - b);
    case '*':
      return computes((a, b) => a * b);
    case '%':
      return computes((a, b) => (isLong ? divided(a % b) : a % b));
    default:
      return computes((a, b) => (isLong ? divided(a / b) : a / b));
  }
}

/** Of longs: A2. */
function divided(quotient: number): number {
  if (!Number.isFinite(quotient))
    throw new AviatorEvaluationError('a whole number is divided by 0');
  return Math.trunc(quotient);
}

function isNil(value: Value): boolean {
  return value === null || value === undefined;
}

function memberOf(value: Value, key: Value): Value {
  if (isNil(value)) return null;
  if (Array.isArray(value)) {
    const index = numberOf(key, 'an index');
    if (index in value) return value[index];
    throw new AviatorEvaluationError(`there is no element ${index}`);
  }
  if (typeof value === 'object' && Object.hasOwn(value as object, String(key))) {
    return (value as Fields)[String(key)];
  }
  return null;
}

/** Below, equal to, or above 0. */
function compared(a: Value, b: Value): number {
  if (isNil(a)) return isNil(b) ? 0 : -1;
  if (isNil(b)) return 1;
  if (typeof a === 'number' && typeof b === 'number')
    return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  throw new AviatorEvaluationError(`${typeName(a)} and ${typeName(b)} can not be compared`);
}

function booleanOf(value: Value, operator: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new AviatorEvaluationError(`${operator} wants a boolean, not ${typeName(value)}`);
}

function numberOf(value: Value, operator: string): number {
  if (typeof value === 'number') return value;
  throw new AviatorEvaluationError(`${operator} wants a number, not ${typeName(value)}`);
}

function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  throw new AviatorEvaluationError(`the function wants a string, not ${typeName(value)}`);
}

function converted(value: Value, to: string): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && !Number.isNaN(number)) return number;
  throw new AviatorEvaluationError(
    `${to} wants a number or the text of one, not ${typeName(value)}`,
  );
}

function typeName(value: Value): string {
  if (isNil(value)) return 'nil';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function refusal(expression: string, found: string, position: number): RuleError {
  return expressionInvalid('AVIATOR', expression, found, position);
}
