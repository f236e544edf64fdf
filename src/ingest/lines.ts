// Bytes -> lines. Cut before they are decoded, so that no chunk border falls into a character, and bounded,
// so that a file without line ends costs no more memory than its longest permitted line.

import { isUtf8 } from 'node:buffer';

const LINE_FEED = 10;
/** How much of a faulty line is kept, for the dead letters. */
const FAULTY_BYTES_MAX = 1_000;

export interface Line {
  readonly text: string;
  /** Why it can't be used; `text` is then only its beginning. */
  readonly fault?: string;
}

export class LineCutter {
  readonly #bytesMax: number;
  /** The unfinished line; what lies beyond the limit is only counted. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  #isFirst = true;

  /** @param bytesMax - longest line */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether a line is begun and not finished. */
  get isInLine(): boolean {
    return this.#restBytes > 0;
  }

  /** The lines that the chunk finishes. The chunk may be overwritten afterwards. */
  write(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    const end = chunk.lastIndexOf(LINE_FEED);
    // The line that an earlier chunk began, and a byte order mark, are looked at alone.
    const isAlone = this.isInLine || this.#isFirst;
    const first = isAlone ? chunk.indexOf(LINE_FEED) : -1;
    if (first >= 0) {
      lines.push(this.#finish(chunk.subarray(0, first)));
      from = first + 1;
    }
    const whole = chunk.subarray(from, end);
    if (end > from && whole.length <= this.#bytesMax && isUtf8(whole)) {
      // None can be faulty, and one text is made faster than many.
      for (const line of whole.toString('utf8').split('\n')) {
        lines.push({ text: line.endsWith('\r') ? line.slice(0, -1) : line });
      }
      from = end + 1;
    }
    for (let to = chunk.indexOf(LINE_FEED, from); to >= 0; to = chunk.indexOf(LINE_FEED, from)) {
      lines.push(this.#finish(chunk.subarray(from, to)));
      from = to + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return lines;
  }

  /** The last line, when no line end closed it. */
  end(): Line[] {
    return this.isInLine ? [this.#finish(Buffer.alloc(0))] : [];
  }

  #keep(part: Buffer): void {
    if (this.#restBytes <= this.#bytesMax) this.#rest.push(Buffer.from(part));
    this.#restBytes += part.length;
  }

  #finish(part: Buffer): Line {
    const length = this.#restBytes + part.length;
    const bytes = this.#rest.length === 0 ? part : Buffer.concat([...this.#rest, part]);
    this.#rest = [];
    this.#restBytes = 0;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (length > this.#bytesMax) {
      const fault = `the record has ${length} bytes, more than ${this.#bytesMax}: leave out what no rule needs`;
      return { text: bytes.toString('utf8', 0, FAULTY_BYTES_MAX), fault };
    }
    if (!isUtf8(bytes)) {
      const fault = 'the record is not UTF-8: convert the file, for example with iconv';
      return { text: bytes.toString('latin1', 0, FAULTY_BYTES_MAX), fault };
    }
    const text = bytes.toString('utf8', 0, bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length);
    return { text: isFirst && text.startsWith('\uFEFF') ? text.slice(1) : text };
  }
}
