// What the benchmarks share: clicks, repeated timing, and a result as one JSON line on standard output with a
// table for people on standard error.

import { note, print, table } from '../src/cli/terminal.js';
import type { CepEvent } from '../src/event.js';
import type { Timestamp } from '../src/time.js';
import type { Click } from './patterns.js';

/** When the made-up sessions begin. */
export const START: Timestamp = Date.UTC(2020, 0, 1);

/** An event of a made-up session; with the fields of a line of bench/peers' files, because its JSON is measured too. */
export function click(
  offset: number,
  timestamp: Timestamp,
  { eventType = 'view', productId = '1004856', price = 130.5 }: Partial<Click> = {},
): CepEvent<Click> {
  const data = {
    id: offset + 1,
    eventTime: timestamp,
    eventType,
    productId,
    categoryId: '2053013553484398879',
    categoryCode: 'electronics.smartphone',
    brand: 'samsung',
    price,
    userId: '519698804',
    userSession: '69b5d72f-fd6e-4fed-aa23-1286b2ca89a0',
  };
  return { timestamp, source: 'clicks.ndjson', partition: 0, offset, data };
}

/** How long the work takes, in ms. */
export function timed(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

/** How long each of several repetitions takes, in ms. */
export function repeated(times: number, work: () => void): number[] {
  return Array.from({ length: times }, () => timed(work));
}

/** The middle one; of an even number the lower one of the middle two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] as number;
}

/** To three significant digits; whole numbers stay what they are. */
export function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

/** The size of a text in UTF-8. */
export function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}

type Row = Readonly<Record<string, string | number | null>>;

/** Shows rows under the names of their fields. */
export function show(title: string, rows: readonly Row[]): void {
  const heads = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => heads.map((head) => row[head] ?? ''));
  note(`${title}\n${table(heads, cells)}`);
}

/** The result for scripts. */
export function report(bench: string, result: object): void {
  print(JSON.stringify({ bench, node: process.version, ...result }));
}
