// A parked session that is retried while an ingestor runs: what was refused goes first and in order, what comes meanwhile
// stays behind, and nothing is sent twice or lost.

import { expect, test } from 'vitest';
import { SessionRefused } from '../../src/ingest/gateway.js';
import type { KeptSignals, ParkedSession, ParkedSessions } from '../../src/ingest/parked.js';
import type { Read } from '../../src/ingest/record.js';
import { retryParked } from '../../src/ingest/retry-parked.js';
import { FakeGateway, pushable, record, run, until } from './helpers.js';

const BAD = { journey: 'shop', key: 'bad' };

/** The same as SQL keeps, for one session. */
function memoryParked(): ParkedSessions & KeptSignals & { readonly list_: ParkedSession[] } {
  const list: ParkedSession[] = [];
  const kept: Awaited<ReturnType<KeptSignals['first']>>[] = [];
  let number = 0;
  return {
    list_: list,
    list: async () => [...list],
    park: async (session, reason) => void list.push({ ...session, reason, parkedAt: 1 }),
    keep: async (_, signal) => {
      if (list.length === 0) return false;
      kept.push({ ...signal, number: number++ });
      return true;
    },
    first: async () => kept[0] ?? null,
    sent: async (_, sent) => {
      if (kept[0]?.number === sent) kept.shift();
    },
    unpark: async () => {
      if (kept.length > 0) return false;
      list.length = 0;
      return true;
    },
    counts: async () => [{ ...BAD, signals: kept.length }],
  };
}

test('refused signals go first, in order; what comes meanwhile follows', async () => {
  const gateway = new FakeGateway();
  let isOpen = false;
  gateway.before = () => {
    if (!isOpen) throw new SessionRefused('signal limit');
  };
  const parked = memoryParked();
  const reads = pushable<Read>();
  const { done, dead } = run({
    records: reads,
    gateway,
    parked,
    outOfOrdernessMs: 0,
    dispatch: { lingerMs: 25 },
  });
  let offset = 0;
  const push = () =>
    reads.push(record(offset, { t: 1_000 + offset++, key: 'bad', type: offset % 2 ? 'a' : 'b' }));
  for (let n = 0; n < 5; n++) {
    push();
    await until(() => dead.length >= n);
  }
  await until(() => dead.length >= 4);
  expect(await retryParked(BAD, { gateway, kept: parked })).toEqual({
    sent: 0,
    refused: 'signal limit',
  });
  isOpen = true;
  // It is slow, so that others come while it is under way.
  gateway.before = async ({ session }) => {
    if (session === 'shop/bad') await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const retried = retryParked(BAD, { gateway, kept: parked });
  let isDone = false;
  void retried.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    push();
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  const { refused, sent } = await retried;
  expect([refused, parked.list_]).toEqual([null, []]);
  expect(sent).toBeGreaterThanOrEqual(4);
  for (let n = 0; n < 5; n++) push();
  reads.end();
  expect(await done).toMatchObject({ parked: 0, undelivered: 0 });
  const delivered = gateway.offsets('shop/bad');
  expect(delivered).toEqual(Array.from({ length: offset }, (_, i) => i));
});
