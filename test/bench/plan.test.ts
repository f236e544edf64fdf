// The plan of docs/scaling.md is what its inputs give, and its formulas are what they should be.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Inputs, inputsFrom, planOf, planTable } from '../../bench/journeys/plan.js';

const document = readFileSync('docs/scaling.md', 'utf8');

test('the table in docs/scaling.md follows from the inputs there', () => {
  expect(document).toContain(planTable(inputsFrom(document), [1_000_000, 10_000_000]));
});

const EXAMPLE: Inputs = {
  eventsPerSession: 10,
  alertsPerSession: 2,
  openMinutes: 20,
  serverMs: 6,
  workerMs: 3,
  ingestorMs: 1,
  actions: 5,
  historyKb: 1024,
  workerMbPerOpen: 1,
  peak: 2,
  utilization: 0.5,
  coresPerWorker: 1.5,
  openPerWorker: 1_000,
  coresPerIngestor: 0.8,
  priceUsd: 25,
};

test('one session a second, two at the peak', () => {
  expect(planOf(EXAMPLE, 86_400)).toEqual({
    sessionsPerSecond: 2,
    eventsPerSecond: 20,
    actionsPerSecond: 10,
    actionsPerMonth: 12_960_000,
    usdPerMonth: 324,
    openSessions: 2_400,
    workerCores: 0.012,
    workerGb: 2_400 / 1_024,
    // Three by what is open, by CPU one would do.
    workers: 3,
    ingestorCores: 0.004,
    // One may always go.
    ingestors: 2,
    partitions: 6,
    serverCores: 0.024,
    historyGbPerDay: 84.375,
    sqlPerSecond: 6 + 3 + 8,
  });
});

test('an input that is missing is named', () => {
  expect(() => inputsFrom('| `peak` | 3 |')).toThrow(/^no value for eventsPerSession, .*priceUsd$/);
});
