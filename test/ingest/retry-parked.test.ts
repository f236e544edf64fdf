// A parked session that is retried while an ingestor runs: what was refused goes first and in order, what comes meanwhile
// stays behind, and nothing is sent twice or lost.

import { expect, test } from 'vitest';
import { SessionRefused } from '../../src/ingest/gateway.js';
import type { KeptSignals, ParkedSession, ParkedSessions } from '../../src/ingest/parked.js';
import type { Read } from '../../src/ingest/record.js';
import type { Reject } from '../../src/ingest/rejects.js';
import { discardParked, retryParked } from '../../src/ingest/retry-parked.js';
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
    first: async (_, behind = -1) => kept.find((each) => (each?.number ?? -1) > behind) ?? null,
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

test('what is given up is a dead letter before it is forgotten, and then events flow again', async () => {
  const parked = memoryParked();
  await parked.park(BAD, 'signal limit');
  const session = (await parked.list())[0] as ParkedSession;
  const keep = (offset: number, origin?: { source: string; partition: number }) =>
    parked.keep(BAD, {
      batches: [
        {
          ...{ source: 's', partition: 3, watermark: 0, lowWater: 0, ...(origin && { origin }) },
          events: [{ offset, timestamp: offset, data: { n: offset } }],
        },
      ],
      begins: true,
    });
  await keep(1);
  await keep(2, { source: 'origin', partition: 5 });
  const written: Reject[] = [];
  // The second cannot be written, so it is not forgotten either.
  const full = (reject: Reject) => {
    if (written.push(reject) === 2) throw new Error('the disk is full');
  };
  await expect(discardParked(session, { letters: full, kept: parked })).rejects.toThrow('full');
  expect(await parked.counts()).toMatchObject([{ signals: 1 }]);
  // Another one comes while it is done once more.
  const letters = async (reject: Reject) => {
    if (written.push(reject) === 3) await keep(4);
  };
  expect(await discardParked(session, { letters, kept: parked })).toBe(2);
  const letter = (offset: number, source: string, partition: number) => ({
    ...{ source, partition, offset, reason: 'SESSION_DISCARDED' },
    ...{ message: 'session shop/bad: signal limit', record: { n: offset }, journey: 'shop' },
  });
  const [first, second] = [letter(1, 's', 3), letter(2, 'origin', 5)];
  expect(written).toEqual([first, second, second, letter(4, 's', 3)]);
  expect(parked.list_).toEqual([]);
});
