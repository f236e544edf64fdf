// Values of options and arguments, as commander parses them: it says which one is wrong, these say why.

import { InvalidArgumentError } from 'commander';
import { messageOf } from '../errors.js';
import { type Millis, parseDuration, type Timestamp } from '../time.js';

export function duration(text: string): Millis {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

export function timestamp(text: string): Timestamp {
  const at = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isNaN(new Date(at).getTime())) return at;
  throw new InvalidArgumentError('Write a time such as 2026-01-31T12:00:00Z, or ms since 1970.');
}

export function portNumber(text: string): number {
  if (isPort(text)) return Number(text);
  throw new InvalidArgumentError('A port lies from 0 to 65535; 0 is any.');
}

/** A port that others have to know beforehand. */
export function fixedPort(text: string): number {
  if (isPort(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('A port lies from 1 to 65535.');
}

function isPort(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= 65_535;
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

export function positiveNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}
