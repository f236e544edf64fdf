// What an effect that was given up still counts for: L2 and L3 of effects/ledger.ts.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Attempted } from '../../src/effects/ledger.js';
import { openStore, type Store } from '../../src/store/index.js';
import { plannedOf } from '../effects/helpers.js';

const AT = 1_000;
const GIVEN_UP = { state: 'dead', reason: 'RETRIES_EXHAUSTED', detail: 'no time is left' } as const;
let store: Store;

beforeAll(async () => {
  store = await openStore({ memory: true }, { migrate: true });
}, 60_000);
afterAll(() => store?.close());

/** Sends one effect of a campaign that has money for one, gives it up, and asks whether another one may be sent. */
async function isPaidBack(campaign: string, firstTry: Attempted | null): Promise<boolean> {
  const { effects } = store;
  const needed = { sentSince: null, campaign };
  const effectOf = (name: string) =>
    plannedOf(`${campaign}-${name}`, { cost: { campaign, value: '5.00' } });
  const [first, second] = [effectOf('first'), effectOf('second')];
  const workflow = { workflowId: 'w', runId: 'r' };
  for (const each of [first, second]) await effects.plan(each, null, workflow, AT);
  await effects.decide(first, null, needed, AT, () => ({ decision: 'send' }));
  expect(await effects.begin(first.id)).toEqual({ attempt: 1, isUnknown: false });
  if (firstTry) await effects.attempted(first.id, firstTry, AT);
  await effects.attempted(first.id, GIVEN_UP, AT);
  expect(await effects.read(first.id)).toMatchObject(GIVEN_UP);
  let spent = '';
  await effects.decide(second, null, needed, AT, (facts) => {
    spent = facts.spent.campaign;
    return { decision: 'refuse', state: 'capped', reason: 'BUDGET' };
  });
  return Number(spent) === 0;
}

const failed = { state: 'failed', reason: 'REFUSED', detail: 'not now' } as const;

test('one that certainly never arrived is paid back', async () => {
  expect(await isPaidBack('never', { ...failed, isUnknown: false })).toBe(true);
});

test('one of which nobody knows is not', async () => {
  expect(await isPaidBack('maybe', { ...failed, isUnknown: true })).toBe(false);
});

test('one whose worker ended in its last try is not', async () => {
  expect(await isPaidBack('ended', null)).toBe(false);
});
