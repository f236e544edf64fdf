// What fields of a record must hold to be counted. Anything else is a dead letter, which says why.

import { DecodeError } from '../errors.js';
import type { EventData } from '../event.js';
import { type Amount, amountOf } from '../money.js';

/** U+0000, which databases refuse, and half a surrogate pair, which they change. */
const REFUSED = /[\0\p{Surrogate}]/u;
const DECIMAL = /^-?\d{1,12}(\.\d{1,4})?$/;
/** So many digits of a decimal survive in a JSON number. */
const DIGITS_MAX = 15;

/** Text or a number, without blanks around it. */
export function textOf(data: EventData, field: string, lengthMax: number): string {
  const value = data[field];
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || text.trim() === '') {
    throw wrong(field, 'should be text or a number', value);
  }
  const trimmed = text.trim();
  if (trimmed.length > lengthMax) {
    throw wrong(field, `should have ${lengthMax} characters at most`, value);
  }
  if (REFUSED.test(trimmed)) throw wrong(field, 'should be text that a database takes', value);
  return trimmed;
}

/**
 * An amount of money, exactly as it is written: text, or a JSON number by its shortest decimal. Up to twelve places before the point and
 * four behind it.
 */
export function moneyOf(data: EventData, field: string): Amount {
  const value = data[field];
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !DECIMAL.test(text.trim())) {
    throw wrong(field, 'should be a decimal of up to four places, such as 19.90', value);
  }
  if (typeof value === 'number' && text.replace(/\D/g, '').length > DIGITS_MAX) {
    throw wrong(field, 'has more digits than a JSON number keeps: write it as text', value);
  }
  return amountOf(text.trim());
}

/** The error for a field that holds something else. */
export function wrong(field: string, should: string, value: unknown): DecodeError {
  return new DecodeError(
    'RECORD_WRONG_TYPE',
    `field "${field}" ${should}, found ${JSON.stringify(value)?.slice(0, 80) ?? 'nothing'}`,
    { details: { field } },
  );
}
