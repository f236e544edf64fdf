// Lines -> rows of CSV (RFC 4180). Not csv-parse: it holds back the last row of a chunk, which a file that is
// followed may show for hours, and swallows the rest of a file behind a quote that nobody closes.
//
//   C1. A row is known as soon as the line end behind it is.
//   C2. A faulty line costs that line: what an open quote has swallowed is read again without it.

import type { Line } from './lines.js';

/** Lines that one quoted column may span; more is a quote that nobody closed. */
const ROW_LINES_MAX = 1_000;

/** One row: its columns, or the text that is none. */
export type Row =
  | { readonly columns: readonly string[] }
  | { readonly text: string; readonly fault: string };

export class RowParser {
  readonly #lengthMax: number;
  /** Lines of the row that is open, and what they held so far. */
  #lines: Line[] = [];
  #length = 0;
  #columns: string[] = [];
  #column = '';

  /** @param lengthMax - longest row */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** Whether a quoted column goes on in the next line. */
  get isInRow(): boolean {
    return this.#lines.length > 0;
  }

  /** The rows that the line finishes. */
  *write(line: Line): Generator<Row> {
    yield* this.#take([line]);
  }

  *end(): Generator<Row> {
    while (this.isInRow) yield* this.#giveUp([]);
  }

  *#take(lines: Line[]): Generator<Row> {
    while (lines.length > 0) {
      const line = lines.shift() as Line;
      if (line.fault === undefined) yield* this.#parse(line, lines);
      else if (!this.isInRow) yield { text: line.text, fault: line.fault };
      else yield* this.#giveUp([line, ...lines.splice(0)]);
    }
  }

  *#parse(line: Line, following: Line[]): Generator<Row> {
    const { text } = line;
    if (!this.isInRow) {
      if (text.trim() === '') return;
      if (!text.includes('"')) {
        yield { columns: text.split(',') };
        return;
      }
    } else this.#column += '\n';
    const isContinued = this.isInRow;
    this.#lines.push(line);
    this.#length += text.length;
    const isTooLong = this.#lines.length > ROW_LINES_MAX || this.#length > this.#lengthMax;
    const end = isTooLong ? 'fault' : this.#scan(text, isContinued);
    if (end === 'open') return;
    if (end === 'fault') yield* this.#giveUp(following.splice(0));
    else {
      const columns = this.#columns;
      this.#reset();
      yield { columns };
    }
  }

  /** C2. */
  *#giveUp(following: Line[]): Generator<Row> {
    const [first, ...others] = this.#lines;
    this.#reset();
    if (first) {
      yield {
        text: first.text,
        fault: 'a quote that is never closed, or text behind a closing one',
      };
    }
    yield* this.#take([...others, ...following]);
  }

  /** Takes the columns out of a line. @param inQuotes - whether it begins inside a quoted column */
  #scan(text: string, inQuotes: boolean): 'row' | 'open' | 'fault' {
    let at = 0;
    for (let quoted = inQuotes; ; ) {
      if (quoted) {
        const quote = text.indexOf('"', at);
        if (quote < 0) {
          this.#column += text.slice(at);
          return 'open';
        }
        this.#column += text.slice(at, quote);
        at = quote + 1;
        if (text[at] === '"') {
          this.#column += '"';
          at++;
          continue;
        }
        this.#columns.push(this.#column);
        this.#column = '';
        if (at === text.length) return 'row';
        if (text[at] !== ',') return 'fault';
        at++;
        quoted = false;
      } else if (text[at] === '"') {
        quoted = true;
        at++;
      } else {
        const comma = text.indexOf(',', at);
        this.#columns.push(comma < 0 ? text.slice(at) : text.slice(at, comma));
        if (comma < 0) return 'row';
        at = comma + 1;
      }
    }
  }

  #reset(): void {
    this.#lines = [];
    this.#length = 0;
    this.#columns = [];
    this.#column = '';
  }
}
