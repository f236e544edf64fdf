// Text as PostgreSQL takes it. It refuses U+0000 in text, and in jsonb that and half a surrogate pair as
// well, while both may stand in a key or an event. An alert must not fail for ever for that, so the
// copy in SQL has U+FFFD in their place; the alert that goes to the sink is as it was.

const REFUSED = /[\0\p{Surrogate}]/gu;
const REFUSED_ESCAPE = /\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g;
const REPLACEMENT = '\uFFFD';

/** The text without what PostgreSQL refuses. */
export function storableText(text: string): string {
  return text.replace(REFUSED, REPLACEMENT);
}

/** A value as JSON, without what PostgreSQL refuses. */
export function storableJson(value: unknown): string {
  // JSON.stringify escapes exactly these; taking every escape in turn keeps `\\u0000`, a backslash and text.
  return JSON.stringify(value).replace(REFUSED_ESCAPE, (escaped, code: string) =>
    code.length > 1 ? REPLACEMENT : escaped,
  );
}
