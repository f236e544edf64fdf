// Holds the automaton against Apache Flink: every vector through the pure drivers, order included. A case
// is compared whole (matches, timeouts, late events, refusals and failures), and what differs is named.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PURE_DRIVERS, runVectors, type VectorFile } from '../../src/testing/vectors.js';

/** Number of cases by file: a case that gets lost is a failure too. */
const FILES = {
  docs: 221,
  clickstream: 60,
  semantics: 79,
  engine: 251,
  'out-of-order': 40,
  random: 1040,
  found: 7,
} as const;

for (const [name, count] of Object.entries(FILES) as [keyof typeof FILES, number][]) {
  const url = new URL(`../vectors/${name}.json`, import.meta.url);
  const { cases } = JSON.parse(readFileSync(url, 'utf8')) as VectorFile;

  describe(`${name}.json`, () => {
    test(`has ${count} cases, each with a name of its own`, () => {
      expect(cases.length).toBe(count);
      expect(new Set(cases.map((vector) => vector.name)).size).toBe(count);
    });

    test.each(Object.entries(PURE_DRIVERS))('through the driver %s', async (_, driver) => {
      const { passed, failures } = await runVectors(cases, driver);
      expect(failures).toEqual([]);
      expect(passed).toBe(count);
    });
  });
}
