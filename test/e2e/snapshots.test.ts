// Sessions go on from the snapshots in test/replay, of each release: what they find then, with their inbox and what still
// comes, is to the letter what a session finds that nothing has interrupted.

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { EVENTS_SIGNAL, SESSION_WORKFLOW } from '../../src/workflows/messages.js';
import type { SessionResult } from '../../src/workflows/session.js';
import type { SessionSnapshot } from '../../src/workflows/session-snapshot.js';
import { createWorker, memoryLedger } from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import { SIGNALS } from './support/snapshot-journeys.js';

const FOLDER = new URL('../replay/', import.meta.url);
const snapshots = readdirSync(FOLDER, { recursive: true })
  .map((file) => `${file}`.replaceAll('\\', '/'))
  .filter((file) => /^[^/]+\/snapshots\/[^/]+\.json$/.test(file))
  .sort()
  .map((name) => {
    const text = readFileSync(new URL(name, FOLDER), 'utf8');
    return { name, ...(JSON.parse(text) as { next: number; carried: SessionSnapshot }) };
  });

let dev: Dev;
const published: Alert[] = [];

beforeAll(async () => {
  dev = await startDev();
  const worker = await createWorker({
    journeys: new URL('support/snapshot-journeys.ts', import.meta.url),
    connection: dev.connection,
    store: {
      progress: { read: async () => null },
      // Each session is to find all of its alerts, whatever another one with the same key has found.
      ledger: { ...memoryLedger(), record: async (alerts) => [...alerts] },
    },
    alerts: { publish: async (alerts) => void published.push(...alerts) },
  });
  const running = worker.run();
  dev.onStop(async () => {
    worker.shutdown();
    await running;
  });
});
afterAll(() => dev?.stop());

/** What a session finds from its start, or from a snapshot, up to its end. */
async function play(workflowId: string, next = 0, carried?: SessionSnapshot) {
  published.length = 0;
  const settings = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };
  const input = { journey: 'every-kind', key: 'k', settings, ...(carried ? { carried } : {}) };
  const handle = await dev.client.workflow.start(SESSION_WORKFLOW, {
    workflowId,
    taskQueue: 'temporal-cep',
    args: [input],
  });
  for (const batches of SIGNALS.slice(next)) await handle.signal(EVENTS_SIGNAL, ...batches);
  const { counts, rules } = (await handle.result()) as SessionResult;
  return { ids: published.map(({ id }) => id), counts, rules };
}

test('there are snapshots with open matches of every rule, waiting events and an inbox', () => {
  expect(snapshots.length).toBeGreaterThan(2);
  const texts = snapshots.map(({ carried }) => JSON.stringify(carried.rules));
  expect(texts.some((text) => /"buffered":\[\{/.test(text))).toBe(true);
  expect(snapshots.some(({ carried }) => carried.inbox.length > 1)).toBe(true);
  const open = snapshots.flatMap(({ carried }) =>
    Object.entries(carried.rules.rules).flatMap(([rule, { operator }]) =>
      operator.matches.taken.length > 0 ? [rule] : [],
    ),
  );
  expect([...new Set(open)].sort()).toEqual(['back', 'combinations', 'group', 'loop', 'past']);
  const kinds = snapshots.map(({ carried }) => carried.counts.alerts);
  expect(Math.max(...kinds)).toBeGreaterThan(10);
});

test('from each of them a session finds what one finds that is not interrupted', async () => {
  const whole = await play('whole');
  for (const { matches } of Object.values(whole.rules)) expect(matches).toBeGreaterThan(0);
  for (const { name, next, carried } of snapshots) {
    const { ids, ...rest } = await play(name, next, carried);
    expect({ name, ...rest }).toEqual({ name, counts: whole.counts, rules: whole.rules });
    // Those of before are not found again, and all others are, under the same ids.
    // (A task that the server refuses publishes again, which the ledger would know.)
    expect(new Set(ids).size).toBe(new Set(whole.ids).size - carried.counts.alerts);
    expect(ids.filter((id) => !whole.ids.includes(id))).toEqual([]);
  }
});
