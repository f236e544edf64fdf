// Dead letters as ingest has written them to a file.

import { readFileSync } from 'node:fs';
import { CepError, messageOf } from '../errors.js';
import type { Reject } from '../ingest/rejects.js';

/** @throws CepError `INPUT_MISSING` for a file that can't be read or a line that is none */
export function readDeadLetters(path: string): Reject[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CepError(
      'INPUT_MISSING',
      `cannot read ${path} (${messageOf(cause)}): name the file that --dead-letters of ingest has written`,
      { details: { path }, cause },
    );
  }
  const lines = text.split('\n');
  // An ingestor that writes meanwhile may be in the middle of the last one.
  if (!text.endsWith('\n')) lines.pop();
  return lines.flatMap((line, i) => (line.trim() === '' ? [] : [rejectOf(line, path, i + 1)]));
}

function rejectOf(line: string, path: string, number: number): Reject {
  try {
    const reject = JSON.parse(line) as Reject;
    if (typeof reject?.source === 'string' && typeof reject.reason === 'string') return reject;
  } catch {
    // Said below.
  }
  throw new CepError(
    'INPUT_MISSING',
    `line ${number} of ${path} is no dead letter: name the file that --dead-letters of ingest has written`,
    { details: { path, line: number } },
  );
}
