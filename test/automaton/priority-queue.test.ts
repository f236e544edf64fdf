// Holds the heap's array against java.util.PriorityQueue: what a JDK 17 laid out, operation by operation
// (fixtures/priority-queue.json says how it was recorded), must be laid out here.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PriorityQueue } from '../../src/automaton/priority-queue.js';

type Operation = ['offer', number, number] | ['poll', number | null] | ['removeIf', number, number];
interface Fixture {
  readonly sequences: readonly { readonly op: Operation; readonly ids: readonly number[] }[][];
}

const { sequences } = JSON.parse(
  readFileSync(new URL('./fixtures/priority-queue.json', import.meta.url), 'utf8'),
) as Fixture;

test('there are forty recorded sequences of all operations', () => {
  expect(sequences.length).toBe(40);
  const kinds = new Set(sequences.flat().map(({ op }) => op[0]));
  expect([...kinds].sort()).toEqual(['offer', 'poll', 'removeIf']);
});

test.each(sequences.map((sequence, i) => ({ i, sequence })))('sequence $i', ({ sequence }) => {
  const queue = new PriorityQueue<{ priority: number; id: number }>(
    (a, b) => a.priority - b.priority,
  );
  for (const { op, ids } of sequence) {
    if (op[0] === 'offer') queue.offer({ priority: op[1], id: op[2] });
    else if (op[0] === 'poll') expect(queue.poll()?.id ?? null).toBe(op[1]);
    else queue.removeIf(({ id }) => id % op[1] === op[2]);
    expect(queue.items.map(({ id }) => id)).toEqual(ids);
    expect(queue.peek()?.id).toBe(ids[0]);
  }
});
