// How snapshots of other releases are read: step by step up to today's format, and not at all from the future.

import { expect, test } from 'vitest';
import {
  readSnapshot,
  SNAPSHOT_FORMAT,
  type StoredSnapshot,
  upgraded,
} from '../../src/workflows/session-snapshot.js';

const noting = (step: string) => (snapshot: StoredSnapshot) => {
  const { format, steps = [] } = snapshot as StoredSnapshot & { steps?: string[] };
  return { format: format + 1, steps: [...steps, step] };
};

test('a snapshot takes the steps from its format to the newest, in order', () => {
  const upgrades = [noting('1 to 2'), noting('2 to 3')];
  expect([1, 2, 3].map((format) => upgraded({ format }, upgrades))).toEqual([
    { format: 3, steps: ['1 to 2', '2 to 3'] },
    { format: 3, steps: ['2 to 3'] },
    { format: 3 },
  ]);
});

test('what this release writes it reads as it is', () => {
  const snapshot = { format: SNAPSHOT_FORMAT, anything: [1] };
  expect(readSnapshot(snapshot)).toBe(snapshot);
});

test.each([SNAPSHOT_FORMAT + 1, 0, 1.5])('format %s is refused, with the remedy', (format) => {
  expect(() => readSnapshot({ format })).toThrowError(
    expect.objectContaining({
      code: 'SNAPSHOT_MISMATCH',
      message: `the state of this session has format ${format}, and this worker reads formats up to ${SNAPSHOT_FORMAT}: a later release of temporal-cep wrote it, so run workers of that release or of one after it`,
    }),
  );
});
