// The values of CEL at run time: equality, order, arithmetic and conversions, after the CEL
// specification (github.com/google/cel-spec, doc/langdef.md) and the Java CEL behind the vectors.
//
//   V1. A JSON value stands for itself: every JSON number is a double, an object is a map whose keys
//       are its own properties. A CEL int is a bigint. So `typeof` tells int from double at no cost,
//       an event needs no conversion, int arithmetic is exact over all 64 bits, and JavaScript's own
//       mixed `<` of bigint and number is CEL's comparison across int and double. Bigints are slow,
//       but ints are rare (literals, size(), timestamp), and cel-compile.ts compares those as plain
//       numbers wherever their range lets it.
//   V2. An error is a value, a CelEvaluationError, handed up like any other: `&&` and `||` absorb one
//       without try/catch, and an event that lacks a field does not cost an unwound stack. Only the
//       top level throws. JSON holds no Error, so no value of an event can be taken for one.
//   V3. A map written in the expression is a Map with string, bool and int keys.
//   V4. Whatever takes time in proportion to the data pays for it from a budget.
//
// A look-up of a global costs 200-480 ns in Temporal's sandbox, hence the constants below.

const isArray = Array.isArray;
const hasOwn = Object.hasOwn;
const keysOf = Object.keys;
const trunc = Math.trunc;
const least = Math.min;
const isInteger = Number.isInteger;
const toBigInt = BigInt;
const toNumber = Number;
const toText = String;
const JsMap = Map;
const INFINITY = Number.POSITIVE_INFINITY;
const NOT_A_NUMBER = Number.NaN;

const INT_MAX = 9223372036854775807n;
const INT_MIN = -9223372036854775808n;
const TWO_TO_63 = 2 ** 63;

/** The most steps one evaluation may take; see {@link Budget}. */
export const STEPS_MAX = 100_000;
/** How deep two values may be nested and still be compared. */
const VALUE_DEPTH_MAX = 200;

/** What went wrong in one evaluation of an expression; for the automaton, the answer is then false. */
export class CelEvaluationError extends Error {
  override readonly name = 'CelEvaluationError';
}

/** The steps left in the running evaluation: iterations, elements compared, characters by 64. */
export interface Budget {
  left: number;
}

/** Takes `steps` from the budget; false when it is used up, and then the whole evaluation fails. */
export function pay(budget: Budget, steps: number): boolean {
  budget.left -= steps;
  return budget.left >= 0;
}

/** Takes what going through `text` costs. */
export function payForText(budget: Budget, text: string): boolean {
  return text.length < 64 || pay(budget, text.length >> 6);
}

/** The CEL name of a value's type, for messages. */
export function typeName(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    default:
      return value === null ? 'null' : isArray(value) ? 'list' : 'map';
  }
}

export type MapLiteral = Map<string | boolean | bigint, unknown>;
export type Fields = Readonly<Record<string, unknown>>;

/** Whether the value is a map of an event: an object that is no list, no error, no map literal. */
export function isFields(value: unknown): value is Fields {
  return (
    typeof value === 'object' &&
    value !== null &&
    !isArray(value) &&
    !(value instanceof CelEvaluationError) &&
    !(value instanceof JsMap)
  );
}

export function isMapLiteral(value: unknown): value is MapLiteral {
  return value instanceof JsMap;
}

/** A key as a map literal holds it: a whole double finds the int key; undefined is no key at all. */
export function mapKey(key: unknown): string | boolean | bigint | undefined {
  if (typeof key === 'string' || typeof key === 'boolean' || typeof key === 'bigint') return key;
  return typeof key === 'number' && isInteger(key) ? toBigInt(key) : undefined;
}

/** The entry of a map under a key, undefined when it has none. */
export function entry(map: Fields | MapLiteral, key: unknown): unknown {
  if (isMapLiteral(map)) {
    const found = mapKey(key);
    return found === undefined ? undefined : map.get(found);
  }
  return typeof key === 'string' && hasOwn(map, key) ? map[key] : undefined;
}

/** The keys of a map. A property that is undefined is not there, as in JSON. */
export function mapKeys(map: Fields | MapLiteral): readonly unknown[] {
  if (isMapLiteral(map)) return [...map.keys()];
  const keys = keysOf(map);
  for (const key of keys)
    if (map[key] === undefined) return keys.filter((k) => map[k] !== undefined);
  return keys;
}

/** A list's index, or undefined: an int, or a double that is whole. */
export function listIndex(index: unknown): number | undefined {
  if (typeof index === 'number') return isInteger(index) ? index : undefined;
  return typeof index === 'bigint' ? toNumber(index) : undefined;
}

/** Length of a string in code points. */
export function codePoints(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next >= 0xdc00 && next <= 0xdfff) {
      count--;
      i++;
    }
  }
  return count;
}

/**
 * CEL equality: across types it is false and no error, but int and double compare as numbers.
 * Neither side may be an error. A used-up budget makes it false and shows in `budget.left`.
 */
export function equal(a: unknown, b: unknown, budget: Budget, depth = 0): boolean {
  if (typeof a === 'bigint' || typeof a === 'number') {
    if (typeof b !== 'bigint' && typeof b !== 'number') return false;
    return a <= b && a >= b;
  }
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  if (depth > VALUE_DEPTH_MAX) {
    budget.left = -1;
    return false;
  }
  if (isArray(a)) {
    if (!isArray(b) || a.length !== b.length || !pay(budget, a.length)) return false;
    for (let i = 0; i < a.length; i++) if (!equal(a[i], b[i], budget, depth + 1)) return false;
    return true;
  }
  if (isArray(b)) return false;
  const keys = mapKeys(a as Fields);
  if (keys.length !== mapKeys(b as Fields).length || !pay(budget, keys.length)) return false;
  for (const key of keys) {
    const other = entry(b as Fields, key);
    if (other === undefined) return false;
    if (!equal(entry(a as Fields, key), other, budget, depth + 1)) return false;
  }
  return true;
}

/**
 * CEL order: negative, 0 or positive, NaN where a NaN makes all comparisons false, undefined where
 * the types have no order between them.
 */
export function order(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'string') return typeof b === 'string' ? compareText(a, b) : undefined;
  if (typeof a === 'boolean') {
    return typeof b === 'boolean' ? toNumber(a) - toNumber(b) : undefined;
  }
  if (typeof a !== 'number' && typeof a !== 'bigint') return undefined;
  if (typeof b !== 'number' && typeof b !== 'bigint') return undefined;
  if (a < b) return -1;
  if (a > b) return 1;
  return a >= b ? 0 : NOT_A_NUMBER;
}

/** By code points, not by UTF-16 units: a surrogate stands for something above U+FFFF. */
function compareText(a: string, b: string): number {
  const shared = least(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';

/** The result, or a string that says what is wrong, or undefined where there is no overload. */
export type Outcome = { readonly value: unknown } | string | undefined;

/** Every overload of the arithmetic operators but double by double, which the closures do. */
export function arithmetic(
  operator: ArithmeticOperator,
  a: unknown,
  b: unknown,
  budget: Budget,
): Outcome {
  if (typeof a === 'bigint' && typeof b === 'bigint') return intArithmetic(operator, a, b);
  if (operator !== '+') return undefined;
  if (typeof a === 'string' && typeof b === 'string') {
    // Paid before it is built: repeated doubling would reach JavaScript's longest string.
    if (!pay(budget, (a.length + b.length) >> 6)) return 'the result is too long';
    return { value: a + b };
  }
  if (isArray(a) && isArray(b)) {
    if (!pay(budget, a.length + b.length)) return 'the result is too long';
    return { value: [...a, ...b] };
  }
  return undefined;
}

function intArithmetic(operator: ArithmeticOperator, a: bigint, b: bigint): Outcome {
  if ((operator === '/' || operator === '%') && b === 0n) return 'division by zero';
  let value: bigint;
  switch (operator) {
    case '+':
      value = a + b;
      break;
    case '-':
      value = a - b;
      break;
    case '*':
      value = a * b;
      break;
    case '/':
      value = a / b;
      break;
    case '%':
      // The least int by -1 overflows in `/`; cel-go treats `%` the same.
      if (a === INT_MIN && b === -1n) return 'int overflow';
      value = a % b;
      break;
  }
  return isInt(value) ? { value } : 'int overflow';
}

/** Whether the number fits CEL's 64-bit int. */
export const isInt = (value: bigint): boolean => value <= INT_MAX && value >= INT_MIN;

const DECIMAL_INT = /^[+-]?\d{1,40}$/;
const DECIMAL_DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const WORD_DOUBLES: Readonly<Record<string, number>> = {
  nan: NOT_A_NUMBER,
  inf: INFINITY,
  '+inf': INFINITY,
  '-inf': -INFINITY,
  infinity: INFINITY,
  '+infinity': INFINITY,
  '-infinity': -INFINITY,
};

/** The conversion functions. A string is what was wrong with the value; undefined: no overload. */
export const CONVERSIONS: Readonly<Record<string, (value: unknown) => Outcome>> = {
  dyn: (value) => ({ value }),
  string(value) {
    switch (typeof value) {
      case 'string':
      case 'boolean':
      case 'bigint':
        return { value: toText(value) };
      case 'number':
        if (value === INFINITY) return { value: '+Inf' };
        if (value === -INFINITY) return { value: '-Inf' };
        return { value: toText(value) };
      default:
        return undefined;
    }
  },
  int(value) {
    if (typeof value === 'bigint') return { value };
    if (typeof value === 'number') {
      if (value > -TWO_TO_63 && value < TWO_TO_63) return { value: toBigInt(trunc(value)) };
      return 'the number does not fit an int';
    }
    if (typeof value !== 'string') return undefined;
    if (!DECIMAL_INT.test(value)) return 'the string is no decimal int';
    const read = toBigInt(value.startsWith('+') ? value.slice(1) : value);
    return isInt(read) ? { value: read } : 'the number does not fit an int';
  },
  double(value) {
    if (typeof value === 'number') return { value };
    if (typeof value === 'bigint') return { value: toNumber(value) };
    if (typeof value !== 'string') return undefined;
    if (value.length <= 400 && DECIMAL_DOUBLE.test(value)) return { value: toNumber(value) };
    const word = value.length <= 9 ? value.toLowerCase() : '';
    return hasOwn(WORD_DOUBLES, word) ? { value: WORD_DOUBLES[word] } : 'the string is no number';
  },
  bool(value) {
    if (typeof value === 'boolean') return { value };
    if (typeof value !== 'string') return undefined;
    switch (value) {
      case '1':
      case 't':
      case 'true':
      case 'TRUE':
      case 'True':
        return { value: true };
      case '0':
      case 'f':
      case 'false':
      case 'FALSE':
      case 'False':
        return { value: false };
      default:
        return 'the string is neither true nor false';
    }
  },
};
