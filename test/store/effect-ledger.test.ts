// The ledger of effects in SQL, L1-L4: what was decided stays so and counts, whoever asks at the same time and whatever crashes.

import { describe, expect, test } from 'vitest';
import type { EffectLedger } from '../../src/effects/ledger.js';
import { type Declared, decide, factsNeeded } from '../../src/effects/policy.js';
import type { PlannedEffect } from '../../src/effects/record.js';
import { GOALS_KEPT_MS, sqlEffectLedger } from '../../src/store/effect-ledger.js';
import {
  addSuppression,
  listSuppressions,
  removeSuppression,
} from '../../src/store/suppressions.js';
import { days } from '../../src/time.js';
import { declare, plannedOf } from '../effects/helpers.js';
import { ENGINES, useDatabase } from './support/database.js';

const NOW = Date.UTC(2026, 0, 15, 12);
const BY = { author: 'ann', reason: 'it works again' };
const CAP_OF_3 = declare({ caps: [{ max: 3, per: '1d', of: 'user' }] });
const FREE = declare();
const FAILED = { reason: 'REFUSED', detail: 'no', isUnknown: false } as const;

const budgetFor = (count: number): Declared =>
  declare({ budget: { campaign: 'spring', value: '10.00', limit: `${count * 10}.00` } });
const costing = (id: string, user = 'u1') =>
  plannedOf(id, { cost: { campaign: 'spring', value: '10.00' }, user: userOf(user) });
const userOf = (id: string) => ({ id, email: null, zone: 'Europe/Berlin' });

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);
  const open = () => sqlEffectLedger(at.database);

  const plan = (ledger: EffectLedger, effect: PlannedEffect, goal: string | null = null) => {
    const workflow = { workflowId: `effect/${effect.alertId}`, runId: 'run' };
    return ledger.plan(effect, goal, workflow, NOW);
  };
  const ask = (
    ledger: EffectLedger,
    declared: Declared,
    effect: PlannedEffect,
    { goal = null, now = NOW }: { goal?: string | null; now?: number } = {},
  ) =>
    ledger.decide(effect, goal, factsNeeded(declared, effect, now), now, (facts) =>
      decide(declared, effect, facts, now),
    );
  const planAndAsk = async (ledger: EffectLedger, declared: Declared, effect: PlannedEffect) => {
    await plan(ledger, effect);
    return await ask(ledger, declared, effect);
  };
  const answers = async (all: Promise<{ decision: string; reason?: string }>[]) => {
    const counts: Record<string, number> = {};
    for (const { decision, reason } of await Promise.all(all)) {
      const what = reason ?? decision;
      counts[what] = (counts[what] ?? 0) + 1;
    }
    return counts;
  };
  const many = <T>(count: number, make: (i: number) => T) =>
    Array.from({ length: count }, (_, i) => make(i));

  test('L1: who asks again is told the same', async () => {
    const ledger = open();
    const [sent, capped] = [plannedOf('a'), plannedOf('b')];
    const none = declare({ caps: [{ max: 0, per: '1d', of: 'user' }] });
    expect(await planAndAsk(ledger, FREE, sent)).toEqual({ decision: 'send' });
    const refusal = await planAndAsk(ledger, none, capped);
    expect(refusal).toMatchObject({ state: 'capped', reason: 'CAP', detail: expect.any(String) });
    // Whatever would be decided now.
    expect(await ask(ledger, none, sent)).toEqual({ decision: 'send' });
    expect(await ask(ledger, FREE, capped)).toEqual(refusal);
    await ledger.begin(sent.id);
    await ledger.attempted(sent.id, { state: 'delivered', answer: { status: 200 } }, NOW + 1);
    expect(await ask(ledger, none, sent)).toEqual({ decision: 'send' });
    expect(await ledger.begin(sent.id)).toBeNull();
    expect(await ledger.read(sent.id)).toMatchObject({
      ...{ state: 'delivered', attempts: 1, answer: { status: 200 }, endedAt: NOW + 1 },
      ...{ decidedAt: NOW, handled: null, isDiscarded: false, mayHaveArrived: false },
    });
    expect((await ledger.ofAlert('a')).map(({ id }) => id)).toEqual([sent.id]);
    expect(await ledger.read('none/mail')).toBeNull();
  });

  test('L1: planning again changes nothing, and what is held is decided later', async () => {
    const ledger = open();
    const effect = plannedOf('a');
    const night = declare({ quietHours: { from: '12:00', to: '14:00' } });
    const first = await plan(ledger, effect, 'bought');
    expect(first).toMatchObject({ state: 'planned', goal: 'bought', plannedAt: NOW });
    expect(await ask(ledger, night, effect)).toMatchObject({ decision: 'hold' });
    expect(await plan(ledger, effect)).toMatchObject({
      ...{ state: 'held', reason: 'QUIET_HOURS', goal: 'bought', heldUntil: expect.any(Number) },
      decidedAt: null,
    });
    expect(await ask(ledger, night, effect, { now: NOW + days(0.25) })).toEqual({
      decision: 'send',
    });
    expect(await ledger.read(effect.id)).toMatchObject({ heldUntil: null, reason: null });
  });

  test('L2: of 20 decisions about a user at once a cap of 3 lets 3 through', async () => {
    const ledgers = await Promise.all(many(2, async () => sqlEffectLedger(await at.another())));
    const ledgerOf = (i: number) => ledgers[i % 2] as EffectLedger;
    const all = many(20, (i) => plannedOf(`a${i}`));
    await Promise.all(all.map((effect, i) => plan(ledgerOf(i), effect)));
    const asked = () => answers(all.map((effect, i) => ask(ledgerOf(i), CAP_OF_3, effect)));
    expect(await asked()).toEqual({ send: 3, CAP: 17 });
    expect(await asked()).toEqual({ send: 3, CAP: 17 });
  });

  test('L2: of 20 users at once a budget for 7 pays for 7', async () => {
    const ledger = open();
    const all = many(20, (i) => costing(`a${i}`, `user ${i}`));
    expect(await answers(all.map((effect) => planAndAsk(ledger, budgetFor(7), effect)))).toEqual({
      send: 7,
      BUDGET: 13,
    });
  });

  test('L2: users and campaigns crosswise, some of them dead meanwhile, wait for nobody in a circle', async () => {
    const ledger = open();
    const declared = declare({
      caps: [{ max: 100, per: '1d', of: 'user' }],
      budget: { campaign: 'spring', value: '10.00', limit: '999.00', perUser: '500.00' },
    });
    const all = many(24, (i) => ({
      ...costing(`a${i}`, `user ${i % 3}`),
      isDryRun: i % 4 === 0,
    }));
    await Promise.all(
      all.map(async (effect, i) => {
        await planAndAsk(ledger, declared, effect);
        if (i % 2 === 0) return;
        await ledger.begin(effect.id);
        await ledger.attempted(effect.id, { state: 'dead', ...FAILED }, NOW);
      }),
    );
    const rows = await at.database.db.selectFrom('cep_budgets').selectAll().execute();
    const spentOn = (user: string, isDry: boolean) =>
      Number(rows.find((row) => row.user_id === user && row.dry_run === isDry)?.spent ?? 0);
    // 12 of 24 have died, all of them real; of the others half are dry runs.
    expect([spentOn('', false), spentOn('', true)]).toEqual([60, 60]);
    expect(spentOn('user 0', false) + spentOn('user 1', false) + spentOn('user 2', false)).toBe(60);
  });

  test('L2: what certainly never arrived gives its place back, what may have arrived does not', async () => {
    const ledger = open();
    const declared = declare({
      caps: [{ max: 1, per: '1d', of: 'user' }],
      budget: { campaign: 'spring', value: '10.00', limit: '10.00' },
    });
    const never = costing('never');
    await planAndAsk(ledger, declared, never);
    await ledger.begin(never.id);
    await ledger.attempted(never.id, { state: 'failed', ...FAILED }, NOW);
    expect(await planAndAsk(ledger, declared, costing('early'))).toMatchObject({ reason: 'CAP' });
    await ledger.begin(never.id);
    await ledger.attempted(never.id, { state: 'dead', ...FAILED }, NOW);
    expect(await ledger.read(never.id)).toMatchObject({ state: 'dead', mayHaveArrived: false });

    const maybe = costing('maybe');
    expect(await planAndAsk(ledger, declared, maybe)).toEqual({ decision: 'send' });
    await ledger.begin(maybe.id);
    // The one before the last.
    await ledger.attempted(maybe.id, { state: 'failed', ...FAILED, isUnknown: true }, NOW);
    await ledger.begin(maybe.id);
    await ledger.attempted(maybe.id, { state: 'dead', ...FAILED }, NOW);
    expect(await ledger.read(maybe.id)).toMatchObject({ state: 'dead', mayHaveArrived: true });
    expect(await planAndAsk(ledger, declared, costing('late'))).toMatchObject({ reason: 'CAP' });
    const other = costing('other', 'u2');
    expect(await planAndAsk(ledger, declared, other)).toMatchObject({ reason: 'BUDGET' });
  });

  test('L2: an effect counts as what it was decided as', async () => {
    const ledger = open();
    const cap = declare({ caps: [{ max: 1, per: '1d', of: 'user' }] });
    const effect = plannedOf('a', { isDryRun: true, channel: 'push' });
    await plan(ledger, effect);
    // The declaration has changed while it waited.
    await ask(ledger, cap, { ...effect, isDryRun: false, channel: 'email' });
    expect(await ledger.read(effect.id)).toMatchObject({ isDryRun: false, channel: 'email' });
    expect(await planAndAsk(ledger, cap, plannedOf('b'))).toMatchObject({ reason: 'CAP' });
  });

  test('L3: a try whose end was never recorded may have arrived', async () => {
    const ledger = open();
    const effect = costing('a');
    expect(await ledger.begin(effect.id)).toBeNull();
    await planAndAsk(ledger, budgetFor(1), effect);
    expect(await ledger.begin(effect.id)).toEqual({ attempt: 1, isUnknown: false });
    await ledger.attempted(effect.id, { state: 'failed', ...FAILED }, NOW);
    expect(await ledger.read(effect.id)).toMatchObject({
      ...{ state: 'failed', reason: 'REFUSED', detail: 'no', mayHaveArrived: false, endedAt: null },
    });
    expect(await ledger.begin(effect.id)).toEqual({ attempt: 2, isUnknown: false });
    expect(await ledger.begin(effect.id)).toEqual({ attempt: 3, isUnknown: true });
    await ledger.attempted(effect.id, { state: 'dead', ...FAILED }, NOW);
    expect(await ledger.read(effect.id)).toMatchObject({ attempts: 3, mayHaveArrived: true });
    expect(await planAndAsk(ledger, budgetFor(1), costing('b'))).toMatchObject({
      reason: 'BUDGET',
    });
  });

  test('L3: given up while a try is under way, it may have arrived; if it tells so later, it has', async () => {
    const ledger = open();
    const effect = costing('a');
    await planAndAsk(ledger, budgetFor(1), effect);
    await ledger.begin(effect.id);
    await ledger.giveUp(effect.id, 'a day is over', NOW);
    const dead = { state: 'dead', reason: 'RETRIES_EXHAUSTED', detail: 'a day is over' };
    expect(await ledger.read(effect.id)).toMatchObject({ ...dead, mayHaveArrived: true });
    expect(await planAndAsk(ledger, budgetFor(1), costing('b'))).toMatchObject({
      reason: 'BUDGET',
    });
    await ledger.attempted(effect.id, { state: 'delivered', answer: {} }, NOW + 1);
    expect(await ledger.read(effect.id)).toMatchObject({ state: 'delivered', reason: null });

    const failed = costing('c');
    await planAndAsk(ledger, budgetFor(2), failed);
    await ledger.begin(failed.id);
    await ledger.attempted(failed.id, { state: 'failed', ...FAILED }, NOW);
    await ledger.giveUp(failed.id, 'a day is over', NOW);
    expect(await ledger.read(failed.id)).toMatchObject({ ...dead, mayHaveArrived: false });
    expect(await planAndAsk(ledger, budgetFor(2), costing('d'))).toEqual({ decision: 'send' });
  });

  test('L4: a goal counts if it is newer than the match, told before or after the plan', async () => {
    const ledger = open();
    const goal = 'bought';
    const matched = (id: string, matchedAt: number) => plannedOf(id, { matchedAt });
    const decided = (effect: PlannedEffect) => ask(ledger, FREE, effect, { goal });
    expect(await ledger.goalReached('u1', goal, 100)).toEqual([]);
    const before = matched('before', 99);
    const same = matched('same', 100);
    for (const each of [before, same]) await plan(ledger, each, goal);
    expect(await decided(before)).toMatchObject({ state: 'suppressed', reason: 'GOAL_REACHED' });

    expect(await ledger.goalReached('u1', goal, 100)).toEqual([]);
    expect(await ledger.goalReached('u2', goal, 101)).toEqual([]);
    expect(await ledger.goalReached('u1', 'other', 101)).toEqual([]);
    expect(await ledger.goalReached('u1', goal, 101)).toEqual(['effect/same']);
    // An older one that comes later takes nothing back.
    expect(await ledger.goalReached('u1', goal, 50)).toEqual([]);
    expect(await decided(same)).toMatchObject({ reason: 'GOAL_REACHED' });
    expect(await ledger.goalReached('u1', goal, 102)).toEqual([]);
    expect(await decided(matched('same', 100))).toMatchObject({ reason: 'GOAL_REACHED' });
  });

  test('L4: goals are kept for a while, and the last one for good', async () => {
    const ledger = open();
    const first = Date.UTC(2026, 0, 1);
    const kept = async () =>
      (await at.database.db.selectFrom('cep_goals').select('at').orderBy('at').execute()).map(
        (row) => row.at - first,
      );
    for (const after of [0, 5, GOALS_KEPT_MS, 5]) {
      await ledger.goalReached('u1', 'bought', first + after);
    }
    expect(await kept()).toEqual([0, 5, GOALS_KEPT_MS]);
    await ledger.goalReached('u1', 'bought', first + GOALS_KEPT_MS + 5);
    expect(await kept()).toEqual([5, GOALS_KEPT_MS, GOALS_KEPT_MS + 5]);
    const effect = plannedOf('a', { matchedAt: first + GOALS_KEPT_MS + 4 });
    await plan(ledger, effect, 'bought');
    expect(await ask(ledger, FREE, effect, { goal: 'bought' })).toMatchObject({
      reason: 'GOAL_REACHED',
    });
  });

  test('suppresses what waits, and nothing else', async () => {
    const ledger = open();
    const [waiting, sent] = [plannedOf('a'), plannedOf('b')];
    await plan(ledger, waiting);
    expect(await ledger.suppress(waiting.id, 'RULE_OFF', NOW)).toBe(true);
    expect(await ledger.suppress(waiting.id, 'CANCELLED', NOW)).toBe(false);
    const refusal = { decision: 'refuse', state: 'suppressed', reason: 'RULE_OFF' };
    expect(await ask(ledger, FREE, waiting)).toEqual(refusal);
    await planAndAsk(ledger, FREE, sent);
    expect(await ledger.suppress(sent.id, 'RULE_OFF', NOW)).toBe(false);
    expect(await ledger.suppress('none/mail', 'RULE_OFF', NOW)).toBe(false);
    expect(await ledger.read(sent.id)).toMatchObject({ state: 'sent' });
  });

  test('revives what is dead: it is decided anew, and is not in its own way', async () => {
    const ledger = open();
    const declared = declare({
      caps: [{ max: 1, per: '1d', of: 'user' }],
      reentry: 'once',
      budget: { campaign: 'spring', value: '10.00', limit: '10.00' },
    });
    const effect = costing('a');
    expect(await ledger.revive(effect.id, BY, NOW)).toBe(false);
    await planAndAsk(ledger, declared, effect);
    expect(await ledger.revive(effect.id, BY, NOW)).toBe(false);
    await ledger.begin(effect.id);
    await ledger.attempted(effect.id, { state: 'dead', ...FAILED, isUnknown: true }, NOW);
    expect(await ledger.revive(effect.id, BY, NOW + 1)).toBe(true);
    expect(await ledger.revive(effect.id, BY, NOW + 1)).toBe(false);
    expect(await ledger.read(effect.id)).toMatchObject({
      ...{ state: 'planned', plannedAt: NOW + 1, endedAt: null, reason: null },
      handled: { ...BY, at: NOW + 1 },
    });
    // It may have arrived: meanwhile there is no room for another.
    expect(await planAndAsk(ledger, declared, costing('b'))).toMatchObject({ state: 'capped' });
    expect(await ask(ledger, declared, effect)).toEqual({ decision: 'send' });
    expect(await ledger.begin(effect.id)).toEqual({ attempt: 2, isUnknown: false });
    await ledger.attempted(effect.id, { state: 'delivered', answer: {} }, NOW);
    const [{ spent } = { spent: '' }] = await at.database.db
      .selectFrom('cep_budgets')
      .select('spent')
      .where('user_id', '=', '')
      .execute();
    expect(Number(spent)).toBe(10);
  });

  test('revived and refused, it counts where it may have arrived', async () => {
    const ledger = open();
    const effect = plannedOf('a');
    const cap = declare({ caps: [{ max: 1, per: '1d', of: 'user' }] });
    await planAndAsk(ledger, cap, effect);
    await ledger.begin(effect.id);
    await ledger.attempted(effect.id, { state: 'dead', ...FAILED, isUnknown: true }, NOW);
    await ledger.revive(effect.id, BY, NOW);
    await ledger.suppress(effect.id, 'RULE_OFF', NOW);
    expect(await planAndAsk(ledger, cap, plannedOf('b'))).toMatchObject({ reason: 'CAP' });
  });

  test('revived and refused, it counts as what it was sent as, and from when', async () => {
    const ledger = open();
    const effect = costing('a');
    await planAndAsk(ledger, budgetFor(1), effect);
    await ledger.begin(effect.id);
    await ledger.attempted(effect.id, { state: 'dead', ...FAILED, isUnknown: true }, NOW);
    await ledger.revive(effect.id, BY, NOW + days(1));
    const dry = { ...effect, isDryRun: true, cost: { campaign: 'spring', value: '1.00' } };
    const later = { now: NOW + days(8) };
    expect(await ask(ledger, budgetFor(1), dry, later)).toMatchObject({ reason: 'DRY_RUN' });
    const cap = declare({ caps: [{ max: 1, per: '7d', of: 'user' }] });
    await plan(ledger, plannedOf('b'));
    expect(await ask(ledger, cap, plannedOf('b'), later)).toEqual({ decision: 'send' });
    const next = costing('c', 'u2');
    await plan(ledger, next);
    expect(await ask(ledger, budgetFor(1), next, later)).toMatchObject({ reason: 'BUDGET' });
  });

  test('one whose try has failed is given up, and counts no more', async () => {
    const ledger = open();
    const cap = declare({ caps: [{ max: 1, per: '1d', of: 'user' }] });
    const effect = plannedOf('a');
    await planAndAsk(ledger, cap, effect);
    await ledger.begin(effect.id);
    await ledger.attempted(effect.id, { state: 'failed', ...FAILED }, NOW);
    expect(await ledger.suppress(effect.id, 'GOAL_REACHED', NOW)).toBe(true);
    expect(await ledger.begin(effect.id)).toBeNull();
    expect(await planAndAsk(ledger, cap, plannedOf('b'))).toEqual({ decision: 'send' });
  });

  test('discards what is dead', async () => {
    const ledger = open();
    const effect = plannedOf('a');
    await planAndAsk(ledger, FREE, effect);
    expect(await ledger.discard(effect.id, BY, NOW)).toBe(false);
    await ledger.attempted(effect.id, { state: 'dead', ...FAILED }, NOW);
    expect(await ledger.discard(effect.id, BY, NOW)).toBe(true);
    expect(await ledger.read(effect.id)).toMatchObject({
      ...{ state: 'dead', isDiscarded: true, handled: { ...BY, at: NOW } },
    });
    expect(await ledger.revive(effect.id, { author: 'bob', reason: null }, NOW)).toBe(true);
    expect(await ledger.read(effect.id)).toMatchObject({
      ...{ state: 'planned', isDiscarded: false, handled: { author: 'bob', reason: null } },
    });
  });

  test('takes users of any length, none and the empty one among them', async () => {
    const ledger = open();
    // Random, because what can be compressed would fit.
    const long = many(20_000, () => Math.random().toString(36)[2]).join('');
    const declared = declare({
      caps: [{ max: 1, per: '1d', of: 'user' }],
      budget: { campaign: 'spring', value: '10.00', limit: '99.00', perUser: '10.00' },
    });
    for (const user of [long, '']) {
      expect(await planAndAsk(ledger, declared, costing(`a${user.length}`, user))).toEqual({
        decision: 'send',
      });
      const next = costing(`b${user.length}`, user);
      expect(await planAndAsk(ledger, declared, next)).toMatchObject({ reason: 'CAP' });
      await ledger.goalReached(user, 'bought', 1);
      const third = costing(`c${user.length}`, user);
      await plan(ledger, third, 'bought');
      expect(await ask(ledger, declared, third, { goal: 'bought' })).toMatchObject({
        reason: 'GOAL_REACHED',
      });
    }
    const unknown = plannedOf('none', { user: { id: null, email: null, zone: null } });
    expect(await planAndAsk(ledger, declared, unknown)).toMatchObject({ reason: 'NO_USER' });
    const sum = await at.database.db
      .selectFrom('cep_budgets')
      .select('spent')
      .where('user_id', '=', '')
      .executeTakeFirstOrThrow();
    expect(Number(sum.spent)).toBe(20);
  });

  test('takes text that PostgreSQL refuses', async () => {
    const ledger = open();
    const odd = 'a\0b\ud83d';
    const effect = plannedOf('a', {
      ...{ key: odd, channel: odd, user: { id: odd, email: odd, zone: odd } },
      cost: { campaign: odd, value: '1.00' },
    });
    const declared = declare(
      { quietHours: { from: '01:00', to: '02:00' }, caps: [{ max: 1, per: '1d', of: 'user' }] },
      { zone: 'Europe/Berlin' },
    );
    await plan(ledger, effect, odd);
    expect(await ask(ledger, declared, effect, { goal: odd })).toEqual({ decision: 'send' });
    await ledger.begin(effect.id);
    const how = { state: 'dead', reason: 'REFUSED', detail: odd, isUnknown: true } as const;
    await ledger.attempted(effect.id, { ...how, answer: { body: odd } }, NOW);
    expect(await ledger.read(effect.id)).toMatchObject({
      ...{ userId: 'a\ufffdb\ufffd', detail: 'a\ufffdb\ufffd' },
      answer: { body: 'a\ufffdb\ufffd' },
    });
    const next = { ...effect, id: 'b/mail', alertId: 'b' };
    await plan(ledger, next, odd);
    expect(await ledger.goalReached(odd, odd, 1)).toEqual(['effect/b']);
    await addSuppression(at.database, odd, odd, { author: odd, reason: odd });
    const noZone = declare({ quietHours: { from: '01:00', to: '02:00' } });
    const third = { ...effect, id: 'c/mail', alertId: 'c', channel: 'email' };
    await plan(ledger, third);
    // The detail names the zone.
    const refusal = await ask(ledger, noZone, third);
    expect(refusal).toMatchObject({ reason: 'NO_ZONE' });
    expect(await ask(ledger, noZone, third)).toEqual(refusal);
    expect(await ask(ledger, declared, next)).toMatchObject({ reason: 'SUPPRESSION_LIST' });
    await ledger.revive(effect.id, { author: odd, reason: odd }, NOW);
  });

  test('dry runs count for dry runs only', async () => {
    const ledger = open();
    const declared = declare({
      caps: [{ max: 1, per: '1d', of: 'user' }],
      budget: { campaign: 'spring', value: '10.00', limit: '10.00' },
    });
    const dry = (id: string, user?: string) => ({ ...costing(id, user), isDryRun: true });
    expect(await planAndAsk(ledger, declared, dry('a'))).toMatchObject({ reason: 'DRY_RUN' });
    expect(await planAndAsk(ledger, declared, dry('b'))).toMatchObject({ reason: 'CAP' });
    expect(await planAndAsk(ledger, declared, dry('c', 'u2'))).toMatchObject({ reason: 'BUDGET' });
    expect(await planAndAsk(ledger, declared, costing('d'))).toEqual({ decision: 'send' });
    // What was sent counts for them, too.
    expect(await planAndAsk(ledger, budgetFor(2), dry('e', 'u3'))).toMatchObject({
      reason: 'BUDGET',
    });
    expect(await planAndAsk(ledger, budgetFor(3), dry('f', 'u3'))).toMatchObject({
      reason: 'DRY_RUN',
    });
  });

  test('the suppression list: by channel and for all, users and addresses', async () => {
    const ledger = open();
    const to = (id: string, user: Partial<PlannedEffect['user']>, channel: string) =>
      planAndAsk(
        ledger,
        FREE,
        plannedOf(id, { user: { id: null, email: null, zone: null, ...user }, channel }),
      );
    const listed = { reason: 'SUPPRESSION_LIST' };
    const sent = { decision: 'send' };
    const add = (user: string, channel: string | null, author = 'ann') =>
      addSuppression(at.database, user, channel, { author, reason: 'asked for it' });
    expect(await add('u1', 'email')).toBe(true);
    expect(await add('u1', 'email', 'bob')).toBe(false);
    expect(await add('u2', null)).toBe(true);
    expect(await add('Ann@Example.org', 'email')).toBe(true);
    expect(await to('a', { id: 'u1' }, 'email')).toMatchObject(listed);
    expect(await to('b', { id: 'u1' }, 'push')).toEqual(sent);
    expect(await to('c', { id: 'u2' }, 'push')).toMatchObject(listed);
    expect(await to('d', { email: 'ann@example.ORG' }, 'email')).toMatchObject(listed);
    expect(await to('g', { email: 'Ann <ann@example.org> ' }, 'email')).toMatchObject(listed);
    expect(await to('e', { id: 'u3', email: 'bob@example.org' }, 'email')).toEqual(sent);

    const bob = { author: 'bob', reason: 'asked back' };
    expect(await removeSuppression(at.database, 'u1', null, bob)).toBe(false);
    expect(await removeSuppression(at.database, 'u1', 'email', bob)).toBe(true);
    expect(await removeSuppression(at.database, 'u1', 'email', bob)).toBe(false);
    expect(await to('f', { id: 'u1' }, 'email')).toEqual(sent);
    const list = (of: { user?: string; channel?: string; isRemovedToo?: boolean }) =>
      listSuppressions(at.database, { ...of, limit: 10 });
    expect(await list({ user: 'u1' })).toEqual([]);
    expect(await list({ user: 'u1', isRemovedToo: true })).toMatchObject([
      { channel: 'email', author: 'ann', removedBy: 'bob', removedWhy: 'asked back' },
    ]);
    expect((await list({ channel: 'push' })).map(({ user }) => user)).toEqual(['u2']);
    expect(await add('u1', 'email', 'cid')).toBe(true);
    expect(await list({ user: 'u1' })).toMatchObject([{ author: 'cid', removedAt: null }]);
  });
});
