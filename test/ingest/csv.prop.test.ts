// Any table, written as CSV in any of the permitted ways, comes back as it was; any text at all ends in as
// many rows as it has lines, or fewer, and never in an error.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Row, RowParser } from '../../src/ingest/csv.js';
import { LineCutter } from '../../src/ingest/lines.js';

function parse(bytes: Buffer, cuts: readonly number[], lengthMax = 1_000_000): Row[] {
  const cutter = new LineCutter(lengthMax);
  const parser = new RowParser(lengthMax);
  const rows: Row[] = [];
  const borders = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  let from = 0;
  for (const to of [...borders, bytes.length]) {
    for (const line of cutter.write(bytes.subarray(from, to))) rows.push(...parser.write(line));
    from = to;
  }
  for (const line of cutter.end()) rows.push(...parser.write(line));
  rows.push(...parser.end());
  return rows;
}

const column = fc.string({
  unit: fc.constantFrom('a', 'é', '😀', ',', '"', '\n', ' ', '\\', "'"),
  maxLength: 6,
});
const row = fc.array(fc.tuple(column, fc.boolean()), { minLength: 2, maxLength: 4 });
const lineEnd = fc.constantFrom('\n', '\r\n');

test('a table comes back, wherever the chunks are cut', () => {
  fc.assert(
    fc.property(
      fc.array(row),
      lineEnd,
      fc.boolean(),
      fc.array(fc.nat()),
      (table, end, last, cuts) => {
        const written = table.map((columns) =>
          columns
            .map(([text, quoted]) =>
              quoted || /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text,
            )
            .join(','),
        );
        const text = written.join(end) + (last ? end : '');
        expect(parse(Buffer.from(text), cuts)).toEqual(
          table
            .map((columns) => ({ columns: columns.map(([value]) => value) }))
            .filter((_, i) => (written[i] as string).trim() !== ''),
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('any text', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' '), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (written, cuts) => {
      const bytes = Buffer.from(written);
      const rows = parse(bytes, cuts);
      expect(rows).toEqual(parse(bytes, []));
      const lines = written.split('\n').filter((line) => line.trim() !== '');
      expect(rows.length).toBeLessThanOrEqual(lines.length);
    }),
    { numRuns: 1_000 },
  );
});

test('the lines behind a quote that is never closed are rows', () => {
  expect(parse(Buffer.from('1,"open\n2,b\n3,"c"\n4,d\n'), [])).toEqual([
    { text: '1,"open', fault: expect.stringContaining('quote') },
    { columns: ['2', 'b'] },
    { columns: ['3', 'c'] },
    { columns: ['4', 'd'] },
  ]);
});

test('lines that are too long, or not UTF-8, cost themselves alone', () => {
  const bytes = Buffer.concat([
    Buffer.from('1,a\n'),
    Buffer.from(`2,${'x'.repeat(100)}\n`),
    Buffer.from([0x33, 0x2c, 0xe9, 0x0a]),
    Buffer.from('4,d\n'),
  ]);
  expect(parse(bytes, [10, 20, 50], 50)).toEqual([
    { columns: ['1', 'a'] },
    { text: expect.stringMatching(/^2,x/), fault: expect.stringContaining('102 bytes') },
    { text: '3,é', fault: expect.stringContaining('UTF-8') },
    { columns: ['4', 'd'] },
  ]);
});
