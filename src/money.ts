// Amounts of money are decimals of up to four places. They are added as whole numbers of the fourth place, never as floats.

import { assert } from './assert.js';

/** In ten-thousandths. */
export type Amount = bigint;

const PLACES = 4;

/** @param decimal - `19.9`, `-3`, `12.5000` */
export function amountOf(decimal: string): Amount {
  const found = /^(-?)(\d+)(?:\.(\d{1,4}))?$/.exec(decimal);
  assert(found, `"${decimal}" is an amount of money`);
  const [, sign, whole, places = ''] = found;
  return BigInt(`${sign}${whole}${places.padEnd(PLACES, '0')}`);
}

/** With two places, or four where they are needed: `19.90`. */
export function formatAmount(amount: Amount): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(PLACES + 1, '0');
  const places = digits.slice(-PLACES).replace(/00$/, '');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -PLACES)}.${places}`;
}
