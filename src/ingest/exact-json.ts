// JSON with numbers that no double holds, such as ids and times in ns: JSON.parse would round them off without a word.

/** Texts, which are passed over, and numbers. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** What no text without such a number has: most texts need no second look. */
const MAY_BE_LONG = /\d[\d.]{15}/;
const MAY_BE_LONG_OR_SHIFTED = /\d[\d.]{15}|\d[eE][+-]?\d/;
const WHOLE = /^-?\d{16,}$/;

/**
 * Parses JSON; a whole number that is not safe becomes the text of its digits.
 *
 * @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  return parse(text, MAY_BE_LONG, (token) => (isUnsafe(token) ? `"${token}"` : token));
}

/**
 * The same where a schema tells later what each value is: every number that a double may not hold becomes the text `#<number>`, also
 * one with a fraction or an exponent.
 *
 * @throws SyntaxError
 */
export function parseMarked(text: string): unknown {
  return parse(text, MAY_BE_LONG_OR_SHIFTED, (token) => (isInexact(token) ? `"#${token}"` : token));
}

function parse(text: string, concerns: RegExp, rewritten: (token: string) => string): unknown {
  // First as it is: in what is no JSON, to look for tokens could take for ever.
  const parsed: unknown = JSON.parse(text);
  return concerns.test(text) ? JSON.parse(text.replace(TOKENS, rewritten)) : parsed;
}

function isUnsafe(token: string): boolean {
  return WHOLE.test(token) && !Number.isSafeInteger(Number(token));
}

function isInexact(token: string): boolean {
  if (token.startsWith('"')) return false;
  return isUnsafe(token) || (/[.eE]/.test(token) && (token.length > 16 || /[eE]/.test(token)));
}
