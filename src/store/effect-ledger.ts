// The ledger of effects in SQL: L1-L4 of effects/ledger.ts.
//
// Decisions about one user are made one after the other, under the lock of its row in `cep_effect_users`, those of one campaign
// under the lock of its row in `cep_budgets`; in this order, so that none wait for each other in a circle.

import {
  type ExpressionBuilder,
  type Insertable,
  type Kysely,
  type Selectable,
  sql,
  type Transaction,
  type Updateable,
} from 'kysely';
import { assert } from '../assert.js';
import type { EffectLedger, EffectRecord, EffectWorkflow, Handling } from '../effects/ledger.js';
import type { Decision, FactsNeeded, UserFacts } from '../effects/policy.js';
import {
  type PlannedEffect,
  type Reason,
  type SentEffect,
  WAITING_STATES,
} from '../effects/record.js';
import { days, type Timestamp } from '../time.js';
import type { Database } from './database.js';
import type { EffectsTable, Schema } from './schema.js';
import { isSuppressed } from './suppressions.js';
import { storableJson, storableText } from './text.js';
import { userKey } from './user-key.js';

type Row = Selectable<EffectsTable>;

/**
 * Goals so much older than one that the user has reached since are forgotten. So a user has a row for each time in a quarter, and no
 * more; a goal that is reached with every click makes many.
 */
export const GOALS_KEPT_MS = days(90);
/** The user id under which a campaign's whole budget is kept. */
const ALL_USERS = '';

/** Keeps the ledger in `cep_effects` and the tables beside it. Many processes may use it at once. */
export function sqlEffectLedger({ db }: Pick<Database, 'db'>): EffectLedger {
  const locked = async (transaction: Transaction<Schema>, id: string): Promise<Row | undefined> =>
    await transaction
      .selectFrom('cep_effects')
      .selectAll()
      .where(idIs(id))
      .forUpdate()
      .executeTakeFirst();

  /** Changes an effect under its row's lock; where `to` answers null, nothing. @returns what it was before, if it was changed */
  const change = (id: string, to: (row: Row) => Updateable<EffectsTable> | null) =>
    db.transaction().execute(async (transaction) => {
      const row = await locked(transaction, id);
      const values = row && to(row);
      if (!row || !values) return null;
      await transaction.updateTable('cep_effects').set(values).where(idIs(id)).execute();
      if (row.counted && values.counted === false) await spend(transaction, row, -1);
      return row;
    });

  return {
    plan: async (effect, goal, workflow, now) => {
      const row = rowOf(effect, goal, workflow, now);
      await db
        .insertInto('cep_effects')
        .values(row)
        .onConflict((conflict) => conflict.columns(['alert_id', 'effect']).doNothing())
        .execute();
      const known = await db
        .selectFrom('cep_effects')
        .selectAll()
        .where(idIs(effect.id))
        .executeTakeFirstOrThrow();
      return recordOf(known);
    },

    decide: (effect, goal, needed, now, decide) =>
      db.transaction().execute(async (transaction) => {
        const user = effect.user.id === null ? null : userKey(effect.user.id);
        if (user !== null) await lockUser(transaction, user);
        const row = await locked(transaction, effect.id);
        assert(row !== undefined, 'an effect is planned before it is decided');
        if (!WAITING_STATES.includes(row.state)) return decisionOf(row);
        if (needed.campaign !== null) await lockBudget(transaction, effect, needed.campaign);
        // One that was revived is not in its own way.
        if (row.counted) await spend(transaction, row, -1);
        const decision = storable(
          decide({
            sent: await sentTo(transaction, effect, needed),
            ...(await userFacts(transaction, effect, goal)),
            spent: await spentBy(transaction, effect, needed),
          }),
        );
        const isCounted =
          decision.decision === 'send' ||
          (decision.decision === 'refuse' && decision.reason === 'DRY_RUN') ||
          // L2.
          row.may_have_arrived;
        // It counts as what it was decided as, whatever was declared when it was planned; what may have arrived, as what it was sent as.
        const isAsBefore = row.counted && decision.decision !== 'send';
        const countsAs = isAsBefore ? {} : declaredNow(effect);
        await transaction
          .updateTable('cep_effects')
          .set({
            ...{ ...countsAs, counted: isCounted, ...decidedAs(decision, now) },
            ...(isAsBefore ? { decided_at: row.decided_at } : {}),
          })
          .where(idIs(effect.id))
          .execute();
        if (isCounted) await spend(transaction, { ...row, ...countsAs }, 1);
        return decision;
      }),

    userFacts: (effect, goal) => userFacts(db, effect, goal),

    begin: async (id) => {
      const before = await change(id, (row) => {
        if (row.state !== 'sent' && row.state !== 'failed') return null;
        return {
          state: 'sent',
          attempts: row.attempts + 1,
          under_way: true,
          // L3.
          may_have_arrived: row.may_have_arrived || row.under_way,
        };
      });
      return before && { attempt: before.attempts + 1, isUnknown: before.under_way };
    },

    attempted: async (id, how, now) => {
      await change(id, (row) => {
        // Who was given up while a try was under way has been sent to after all.
        const isLate = row.state === 'dead' && how.state === 'delivered';
        if (row.state !== 'sent' && row.state !== 'failed' && !isLate) return null;
        if (how.state === 'delivered') {
          const answer = storableJson(how.answer);
          return {
            ...{ state: 'delivered', reason: null, detail: null, answer },
            ...{ under_way: false, ended_at: now },
          };
        }
        const mayHaveArrived = row.may_have_arrived || how.isUnknown;
        return {
          state: how.state,
          reason: how.reason,
          detail: storableText(how.detail),
          ...(how.answer ? { answer: storableJson(how.answer) } : {}),
          under_way: false,
          may_have_arrived: mayHaveArrived,
          // L2.
          ...(how.state === 'dead'
            ? { ended_at: now, counted: row.counted && mayHaveArrived }
            : {}),
        };
      });
    },

    giveUp: async (id, why, now) => {
      await change(id, (row) => {
        if (row.state !== 'sent' && row.state !== 'failed') return null;
        // L3.
        const mayHaveArrived = row.may_have_arrived || row.under_way;
        return {
          ...{ state: 'dead', reason: 'RETRIES_EXHAUSTED', detail: storableText(why) },
          ...{ under_way: false, may_have_arrived: mayHaveArrived, ended_at: now },
          // L2.
          counted: row.counted && mayHaveArrived,
        };
      });
    },

    suppress: async (id, reason, now) => {
      const before = await change(id, (row) => {
        if (row.state !== 'failed' && !WAITING_STATES.includes(row.state)) return null;
        // L2.
        const counted = row.counted && row.may_have_arrived;
        const decidedAt = counted ? row.decided_at : now;
        return {
          ...{ state: 'suppressed', reason, held_until: null, detail: null },
          ...{ counted, decided_at: decidedAt, ended_at: now },
        };
      });
      return before !== null;
    },

    revive: async (id, by, now) => {
      const before = await change(id, (row) =>
        row.state === 'dead'
          ? {
              ...{ state: 'planned', planned_at: now, reason: null, detail: null },
              // L2.
              decided_at: row.counted ? row.decided_at : null,
              ended_at: null,
              ...{ discarded: false, ...handledAs(by, now) },
            }
          : null,
      );
      return before !== null;
    },

    discard: async (id, by, now) => {
      const before = await change(id, (row) =>
        row.state === 'dead' ? { discarded: true, ...handledAs(by, now) } : null,
      );
      return before !== null;
    },

    goalReached: async (userId, goal, at) => {
      const user = userKey(userId);
      await db
        .insertInto('cep_goals')
        .values({ user_id: user, goal: storableText(goal), at })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await db
        .deleteFrom('cep_goals')
        .where('user_id', '=', user)
        .where('goal', '=', storableText(goal))
        .where('at', '<', at - GOALS_KEPT_MS)
        .execute();
      const waiting = await db
        .selectFrom('cep_effects')
        .select('workflow_id')
        .distinct()
        .where('user_id', '=', storableText(userId))
        .where('goal', '=', storableText(goal))
        .where('state', 'in', WAITING_STATES)
        .where('matched_at', '<', at)
        .execute();
      return waiting.flatMap(({ workflow_id }) => workflow_id ?? []);
    },

    read: async (id) => {
      const row = await db.selectFrom('cep_effects').selectAll().where(idIs(id)).executeTakeFirst();
      return row ? recordOf(row) : null;
    },

    ofAlert: async (alertId) => {
      const rows = await db
        .selectFrom('cep_effects')
        .selectAll()
        .where('alert_id', '=', storableText(alertId))
        .orderBy('planned_at')
        .orderBy('effect')
        .execute();
      return rows.map(recordOf);
    },
  };
}

async function lockUser(transaction: Transaction<Schema>, user: string): Promise<void> {
  await transaction
    .insertInto('cep_effect_users')
    .values({ user_id: user })
    .onConflict((conflict) => conflict.column('user_id').doNothing())
    .execute();
  await transaction
    .selectFrom('cep_effect_users')
    .select('user_id')
    .where('user_id', '=', user)
    .forUpdate()
    .execute();
}

/** What counts for the user: a dry run also sees what others like it would have sent. */
async function sentTo(
  transaction: Transaction<Schema>,
  { id, user, isDryRun }: PlannedEffect,
  { sentSince }: FactsNeeded,
): Promise<SentEffect[]> {
  if (user.id === null || sentSince === null) return [];
  const rows = await transaction
    .selectFrom('cep_effects')
    .select(['effect', 'journey', 'rule', 'channel', 'decided_at as at'])
    .where('user_id', '=', storableText(user.id))
    .where('counted', '=', true)
    .where('decided_at', '>=', sentSince)
    .where((eb) => eb.not(idIs(id)(eb)))
    .$if(!isDryRun, (query) => query.where('dry_run', '=', false))
    .$narrowType<SentEffect>()
    .execute();
  return rows;
}

async function userFacts(
  db: Kysely<Schema>,
  effect: PlannedEffect,
  goal: string | null,
): Promise<UserFacts> {
  const { id } = effect.user;
  return {
    isSuppressed: await isSuppressed(db, effect),
    goalAt: id === null || goal === null ? null : await goalAt(db, userKey(id), goal),
  };
}

async function goalAt(db: Kysely<Schema>, user: string, goal: string): Promise<Timestamp | null> {
  const row = await db
    .selectFrom('cep_goals')
    .select('at')
    .where('user_id', '=', user)
    .where('goal', '=', storableText(goal))
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.at ?? null;
}

/** Locks what the campaign has spent. */
async function lockBudget(
  transaction: Transaction<Schema>,
  { isDryRun }: PlannedEffect,
  campaign: string,
): Promise<void> {
  await transaction
    .insertInto('cep_budgets')
    .values({ campaign: storableText(campaign), user_id: ALL_USERS, dry_run: isDryRun, spent: '0' })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await transaction
    .selectFrom('cep_budgets')
    .select('spent')
    .where('campaign', '=', storableText(campaign))
    .where('user_id', '=', ALL_USERS)
    .orderBy('dry_run')
    .forUpdate()
    .execute();
}

async function spentBy(
  transaction: Transaction<Schema>,
  { user, isDryRun }: PlannedEffect,
  { campaign }: FactsNeeded,
): Promise<{ campaign: string; user: string }> {
  if (campaign === null) return { campaign: '0', user: '0' };
  const own = user.id === null ? ALL_USERS : userKey(user.id);
  const rows = await transaction
    .selectFrom('cep_budgets')
    .select(['user_id', ({ fn }) => fn.sum<string>('spent').as('spent')])
    .where('campaign', '=', storableText(campaign))
    .where('user_id', 'in', [ALL_USERS, own])
    .$if(!isDryRun, (query) => query.where('dry_run', '=', false))
    .groupBy('user_id')
    .execute();
  const of = (wanted: string) => rows.find(({ user_id }) => user_id === wanted)?.spent ?? '0';
  return { campaign: of(ALL_USERS), user: of(own) };
}

/** Adds what an effect costs to what was spent, or takes it back. */
async function spend(
  transaction: Transaction<Schema>,
  row: Pick<Row, 'campaign' | 'value' | 'user_id' | 'dry_run'>,
  times: 1 | -1,
): Promise<void> {
  const { campaign, value, user_id, dry_run } = row;
  if (campaign === null || value === null) return;
  const users = user_id === null ? [ALL_USERS] : [ALL_USERS, userKey(user_id)];
  const amount = sql<string>`${value}::numeric * ${times}::integer`;
  for (const user of users) {
    await transaction
      .insertInto('cep_budgets')
      .values({ campaign, user_id: user, dry_run, spent: amount })
      .onConflict((conflict) =>
        conflict
          .columns(['campaign', 'user_id', 'dry_run'])
          .doUpdateSet({ spent: sql`cep_budgets.spent + excluded.spent` }),
      )
      .execute();
  }
}

/** Of an effect's id, `<alert id>/<name>`: the id of an alert has no slash. */
function idIs(id: string) {
  const slash = id.indexOf('/');
  return (eb: ExpressionBuilder<Schema, 'cep_effects'>) =>
    eb.and({
      alert_id: storableText(id.slice(0, slash)),
      effect: storableText(id.slice(slash + 1)),
    });
}

function rowOf(
  effect: PlannedEffect,
  goal: string | null,
  { workflowId, runId }: EffectWorkflow,
  now: Timestamp,
): Insertable<EffectsTable> {
  const { journey, key, rule, user } = effect;
  return {
    alert_id: storableText(effect.alertId),
    effect: storableText(effect.effect),
    journey: storableText(journey),
    key: storableText(key),
    rule: storableText(rule),
    rule_version: effect.ruleVersion,
    user_id: user.id === null ? null : storableText(user.id),
    goal: goal && storableText(goal),
    state: 'planned',
    ...declaredNow(effect),
    matched_at: effect.matchedAt,
    planned_at: now,
    workflow_id: workflowId,
    run_id: runId,
  };
}

/** What a declaration may say otherwise when it is decided. */
function declaredNow({ channel, cost, isDryRun }: PlannedEffect) {
  return {
    channel: storableText(channel),
    campaign: cost && storableText(cost.campaign),
    value: cost?.value ?? null,
    dry_run: isDryRun,
  };
}

function handledAs({ author, reason }: Handling, now: Timestamp): Updateable<EffectsTable> {
  return {
    handled_by: storableText(author),
    handled_why: reason && storableText(reason),
    handled_at: now,
  };
}

/** What a row says for people. */
export function recordOf(row: Row): EffectRecord {
  return {
    id: `${row.alert_id}/${row.effect}`,
    alertId: row.alert_id,
    effect: row.effect,
    journey: row.journey ?? '',
    key: row.key ?? '',
    rule: row.rule ?? '',
    ruleVersion: row.rule_version ?? 1,
    userId: row.user_id,
    channel: row.channel ?? '',
    goal: row.goal,
    state: row.state,
    reason: row.reason,
    detail: row.detail,
    attempts: row.attempts,
    isDryRun: row.dry_run,
    matchedAt: row.matched_at ?? 0,
    plannedAt: row.planned_at ?? 0,
    heldUntil: row.held_until,
    decidedAt: row.decided_at,
    endedAt: row.ended_at,
    answer: row.answer,
    mayHaveArrived: row.may_have_arrived,
    isDiscarded: row.discarded,
    handled:
      row.handled_by === null
        ? null
        : { author: row.handled_by, reason: row.handled_why, at: row.handled_at ?? 0 },
    workflowId: row.workflow_id ?? '',
    runId: row.run_id ?? '',
  };
}

/** L1. What was decided of an effect that waits no longer. */
function decisionOf({ state, reason, detail }: Row): Decision {
  if (state !== 'capped' && state !== 'suppressed') return { decision: 'send' };
  return {
    decision: 'refuse',
    state,
    reason: reason as Reason,
    ...(detail === null ? {} : { detail }),
  };
}

/** As it is kept, so that who asks again is told the same to the letter. */
function storable(decision: Decision): Decision {
  return 'detail' in decision && decision.detail !== undefined
    ? { ...decision, detail: storableText(decision.detail) }
    : decision;
}

function decidedAs(decision: Decision, now: Timestamp): Updateable<EffectsTable> {
  switch (decision.decision) {
    case 'send':
      return { state: 'sent', reason: null, held_until: null, decided_at: now };
    case 'hold':
      return { state: 'held', reason: decision.reason, held_until: decision.until };
    case 'refuse': {
      const { state, reason, detail = null } = decision;
      return { state, reason, detail, held_until: null, decided_at: now, ended_at: now };
    }
  }
}
