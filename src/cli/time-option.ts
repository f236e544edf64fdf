import { CepError } from '../errors.js';
import type { Timestamp } from '../time.js';

/**
 * The time that a flag names.
 *
 * @throws CepError `SETTING_INVALID` for one that is none
 */
export function timeOf(flag: string, text: string | undefined): Timestamp | undefined {
  if (text === undefined) return undefined;
  const at = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new CepError(
    'SETTING_INVALID',
    `${flag} ${text} is no time: write such as 2026-01-31T12:00:00Z, or ms since the epoch`,
  );
}
