// How the command line says what records are.

import { expect, test } from 'vitest';
import { changesOf } from '../../src/cli/record-format.js';

test('changes only where the format says so, and updates only where asked for', () => {
  expect(changesOf({})).toBe(undefined);
  expect(changesOf({ format: 'csv' })).toBe(undefined);
  expect(changesOf({ format: 'debezium' })).toEqual({ updates: false });
  expect(changesOf({ format: 'debezium', updates: true })).toEqual({ updates: true });
});

test('updates of what has none are refused', () => {
  expect(() => changesOf({ format: 'json', updates: true })).toThrow(
    '--updates is about changes of rows: write --format debezium too, or leave it out',
  );
});
