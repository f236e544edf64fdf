// The text of an alert: Mustache over the matched events. Nearly all templates only name fields, and those need no context and no
// cache to be filled in; for all else, and for a field that is no scalar, the library has the word.

import Mustache from 'mustache';
import type { MatchedEvents } from '../event.js';

/** Our own: that of the module is frozen where sessions share it, and could not remember a template. */
const writer = new Mustache.Writer();

// Plain text, not HTML: nothing is to be escaped.
const AS_IT_IS = { escape: String };

/** A template's pieces, text and names by turns; null where it has more than those. */
type Pieces = { readonly texts: readonly string[]; readonly names: readonly string[][] } | null;

const known = new Map<string, Pieces>();

/** @throws Error for a template that is none */
export function fillIn(template: string, match: MatchedEvents): string {
  let pieces = known.get(template);
  if (pieces === undefined) {
    pieces = piecesOf(template);
    known.set(template, pieces);
  }
  return (pieces && filled(pieces, match)) ?? writer.render(template, match, undefined, AS_IT_IS);
}

function piecesOf(template: string): Pieces {
  const texts = [''];
  const names: string[][] = [];
  for (const [type, value] of writer.parse(template)) {
    if (type === 'text') texts[texts.length - 1] += value;
    else if ((type === 'name' || type === '&') && value !== '.') {
      names.push(value.indexOf('.') > 0 ? value.split('.') : [value]);
      texts.push('');
    } else return null;
  }
  return { texts, names };
}

/** Null where the library has to look. */
function filled({ texts, names }: NonNullable<Pieces>, match: MatchedEvents): string | null {
  let message = texts[0] as string;
  for (let i = 0; i < names.length; i++) {
    const value = valueAt(names[i] as string[], match);
    if (typeof value === 'string') message += value;
    else if (typeof value === 'number' || typeof value === 'boolean') message += String(value);
    else if (value !== null && value !== undefined) return null;
    message += texts[i + 1];
  }
  return message;
}

/** As Mustache finds it. What is no scalar it must find itself. */
function valueAt(path: readonly string[], match: MatchedEvents): unknown {
  let value: unknown = match;
  for (const name of path) {
    if (value === null || value === undefined) return undefined;
    // A part of a scalar.
    if (typeof value !== 'object') return path;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
