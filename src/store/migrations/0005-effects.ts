// Effects with policies: what became of each and why, what users are sent, budgets, goals and the suppression list.
// A migration never changes once it was released; it names no constant of the program, which may.

import { type Kysely, type Migration, sql } from 'kysely';

const now = sql`current_timestamp`;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('cep_alerts')
    .addColumn('rule_version', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  const effects = db.schema.alterTable('cep_effects');
  for (const [name, type] of [
    ['journey', 'text'],
    ['key', 'text'],
    ['rule', 'text'],
    ['rule_version', 'integer'],
    ['user_id', 'text'],
    ['channel', 'text'],
    ['goal', 'text'],
    ['reason', 'text'],
    ['detail', 'text'],
    ['answer', 'jsonb'],
    ['campaign', 'text'],
    ['value', 'text'],
    ['matched_at', 'bigint'],
    ['planned_at', 'bigint'],
    ['held_until', 'bigint'],
    ['decided_at', 'bigint'],
    ['ended_at', 'bigint'],
    ['workflow_id', 'text'],
    ['run_id', 'text'],
    ['handled_by', 'text'],
    ['handled_why', 'text'],
    ['handled_at', 'bigint'],
  ] as const) {
    await effects.addColumn(name, type).execute();
  }
  await effects
    .addColumn('state', 'text', (column) => column.notNull().defaultTo('planned'))
    .execute();
  for (const name of ['dry_run', 'under_way', 'may_have_arrived', 'counted', 'discarded']) {
    await effects
      .addColumn(name, 'boolean', (column) => column.notNull().defaultTo(false))
      .execute();
  }
  // Those of before had no user, and took place when they were done.
  await sql`update cep_effects set state = case when done_at is null then 'failed' else 'delivered' end,
    ended_at = (extract(epoch from done_at) * 1000)::bigint,
    planned_at = (extract(epoch from begun_at) * 1000)::bigint`.execute(db);
  await effects.alterColumn('attempts', (column) => column.setDefault(0)).execute();
  await effects.dropColumn('begun_at').execute();
  await effects.dropColumn('done_at').execute();
  // A user's id is what users make it, and a B-tree takes no value over 2.7 kB.
  await db.schema
    .createIndex('cep_effects_by_user')
    .on('cep_effects')
    .using('hash')
    .column('user_id')
    .execute();
  await db.schema
    .createIndex('cep_effects_by_state')
    .on('cep_effects')
    .columns(['state', 'planned_at'])
    .execute();

  // What is decided of a user is decided under the lock of its row here.
  await db.schema
    .createTable('cep_effect_users')
    .addColumn('user_id', 'text', (column) => column.primaryKey())
    .execute();
  await db.schema
    .createTable('cep_budgets')
    .addColumn('campaign', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('dry_run', 'boolean', (column) => column.notNull())
    .addColumn('spent', sql`numeric(20, 4)`, (column) => column.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('cep_budgets_key', ['campaign', 'user_id', 'dry_run'])
    .execute();
  await db.schema
    .createTable('cep_goals')
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('goal', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('cep_goals_key', ['user_id', 'goal', 'at'])
    .execute();
  await db.schema
    .createTable('cep_suppressions')
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('channel', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('author', 'text', (column) => column.notNull())
    .addColumn('added_at', 'timestamptz', (column) => column.notNull().defaultTo(now))
    .addColumn('removed_at', 'timestamptz')
    .addColumn('removed_by', 'text')
    .addColumn('removed_why', 'text')
    .addPrimaryKeyConstraint('cep_suppressions_key', ['user_id', 'channel'])
    .execute();
}

/** The ledger of effects. */
export const effects: Migration = { up };
