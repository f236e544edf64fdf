// The report in SQL: who counts where, and who counts once.

import { describe, expect, test } from 'vitest';
import type { Attempted } from '../../src/effects/ledger.js';
import { decide, factsNeeded } from '../../src/effects/policy.js';
import { sqlAlertLedger } from '../../src/store/alert-ledger.js';
import { sqlEffectLedger } from '../../src/store/effect-ledger.js';
import { effectReport, type ReportWanted } from '../../src/store/effect-report.js';
import { days, hours } from '../../src/time.js';
import { declare, plannedOf } from '../effects/helpers.js';
import { ENGINES, useDatabase } from './support/database.js';

const AT = Date.UTC(2026, 0, 31, 23, 30);
const DELIVERED: Attempted = { state: 'delivered', answer: {} };
const ALL: ReportWanted = {
  ...{ since: AT - days(1), until: AT + days(30), zone: 'UTC', convertWithinMs: days(7) },
};

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);

  async function send(
    id: string,
    user: string,
    { matchedAt = AT, control = 0, isDryRun = false, how = DELIVERED, rule = 'cart' } = {},
  ): Promise<void> {
    const ledger = sqlEffectLedger(at.database);
    const declared = declare({ control });
    const effect = plannedOf(id, {
      ...{ matchedAt, isDryRun, rule, user: { id: user, email: null, zone: null } },
    });
    await ledger.plan(effect, 'bought', { workflowId: `effect/${id}`, runId: 'r' }, matchedAt);
    await ledger.decide(
      effect,
      'bought',
      factsNeeded(declared, effect, matchedAt),
      matchedAt,
      (facts) => decide(declared, effect, facts, matchedAt),
    );
    await ledger.begin(effect.id);
    await ledger.attempted(effect.id, how, matchedAt);
  }

  test('counts by day of the zone, and each user once', async () => {
    const ledger = sqlEffectLedger(at.database);
    const long = 'x'.repeat(300);
    await send('a', 'ann');
    await send('b', 'ann', { matchedAt: AT + 1 });
    await send('c', long);
    await send('d', 'bob', { control: 100 });
    await send('e', 'cid', { isDryRun: true });
    await send('f', 'dot', {
      how: { state: 'dead', reason: 'REFUSED', detail: '', isUnknown: false },
    });
    await send('g', 'ann', { rule: 'other', matchedAt: AT + hours(1) });
    await send('h', 'ann', { matchedAt: AT + days(40) });
    // Not after the match, on its last moment, and too late.
    await ledger.goalReached('ann', 'bought', AT + 1);
    await ledger.goalReached(long, 'bought', AT + days(7));
    await ledger.goalReached('bob', 'bought', AT + days(7) + 1);
    await ledger.goalReached('cid', 'bought', AT + 2);
    await ledger.goalReached('bob', 'opened', AT + 3);

    const rows = await effectReport(at.database, ALL);
    expect(rows).toMatchObject([
      {
        ...{ rule: 'cart', ruleVersion: 1, day: '2026-01-31', matched: 0 },
        states: { delivered: 3, suppressed: 2, dead: 1, planned: 0 },
        suppressedBy: { CONTROL_GROUP: 1, DRY_RUN: 1 },
        delivered: { users: 2, reached: 2 },
        control: { users: 1, reached: 0 },
      },
      {
        ...{ rule: 'other', day: '2026-02-01', control: null },
        delivered: { users: 1, reached: 0 },
      },
    ]);
    const berlin = await effectReport(at.database, { ...ALL, zone: 'Europe/Berlin', rule: 'cart' });
    expect(berlin.map(({ day }) => day)).toEqual(['2026-02-01']);
    expect(await effectReport(at.database, { ...ALL, goal: 'opened' })).toMatchObject([
      { delivered: { users: 2, reached: 0 }, control: { users: 1, reached: 1 } },
      { delivered: { users: 1, reached: 0 } },
    ]);
  });

  test('counts alerts that set nothing off, and none of a rule in the shadow', async () => {
    const alert = {
      ...{ id: 'a', journey: 'shop', rule: 'cart', ruleVersion: 4, key: 'u', userId: null },
      ...{ userSession: null, type: 'T', message: '', at: AT, match: {} },
    };
    await sqlAlertLedger(at.database).record([
      alert,
      { ...alert, id: 'b' },
      { ...alert, id: 'c', shadow: true },
    ]);
    expect(await effectReport(at.database, ALL)).toMatchObject([
      { ruleVersion: 4, matched: 2, delivered: null, control: null, suppressedBy: {} },
    ]);
  });
});
