// Rules, their history, and what was in force when, in SQL.
//
//   R1. A change is a new row. What was written is never overwritten.
//   R2. Two changes of one rule have two numbers: the primary key sees to it, whoever writes.
//   R3. A revision never changes, and a new one differs from the one before.

import type { Selectable, Transaction } from 'kysely';
import { RuleError } from '../errors.js';
import { hashOf } from '../rules/alert.js';
import type { OnChange, RuleInForce, RuleRevision, RuleStart } from '../rules/revision.js';
import type { Database, DatabaseAddress } from '../store/database.js';
import { checkMigrated, migrate } from '../store/migrate.js';
import { openSqlDatabase, read, transact } from '../store/sql-database.js';
import { isDeadlock, isDuplicate } from '../store/sql-state.js';
import { ruleMigrations } from './migrations/index.js';
import type { RuleDatabase, RuleSchema, RulesTable } from './schema.js';
import type { RuleContent, RuleFault, RuleState, TableRow } from './table-row.js';

/** The own table, as messages and faults name it. */
export const RULE_TABLE = 'cep_rules';

/** A change of a rule. */
export interface StoredRule extends TableRow {
  /** 1, 2, 3 and so on for each rule. */
  readonly change: number;
  readonly author: string;
  readonly note: string | null;
  /** Of what the rule says; null for a row that was written by hand. */
  readonly hash: string | null;
  readonly changedAt: Date;
}

/** What is to become of a rule. What is left out stays as it is; null takes it away. */
export interface RuleEdit extends Partial<RuleContent> {
  readonly id: string;
  readonly description?: string | null;
  /** `draft` for a rule that is new. */
  readonly state?: RuleState;
  /** `finish` for a rule that is new. */
  readonly onChange?: OnChange;
  /** The least version that a new content gets; default: one more than the greatest there was. */
  readonly version?: number;
  readonly author: string;
  readonly note?: string;
  /** Where a hand-over begins it; what there was stays as long as the content does. */
  readonly start?: RuleStart;
  /** The change that the author has seen, 0 for none: if there is another since, the edit is refused. */
  readonly expectedChange?: number;
}

/** A revision without its rules. */
export interface RevisionHead {
  readonly revision: number;
  /** Of the rules, by {@link contentHash}. */
  readonly hash: string;
  readonly createdAt: Date;
}

/** A fault, and since when. */
export interface StoredFault extends RuleFault {
  readonly since: Date;
}

export interface RuleStore {
  readonly database: RuleDatabase;
  /** The rules as they are, in the order of their ids. */
  list(): Promise<StoredRule[]>;
  /** All changes of a rule, the first one first; empty for a rule there never was. */
  history(id: string): Promise<StoredRule[]>;
  /**
   * Changes rules: all of them, or none. The version rises where the content does; pattern and journey are needed where the rule is new.
   * Where somebody else writes at the same time it is done again on top of that.
   *
   * @returns the changes, in the order of the edits
   * @throws RuleError `RULE_CHANGED` for another change than the expected one, `RULE_UNKNOWN` for a rule that is not there and has no
   *   pattern or journey
   */
  append(edits: readonly RuleEdit[]): Promise<StoredRule[]>;
  /** What `append` would write, and writes nothing. */
  preview(edits: readonly RuleEdit[]): Promise<StoredRule[]>;
  /**
   * Gives rules a number, unless the newest revision says the same.
   *
   * @param after - publish only if this revision is still the newest (0 for none)
   * @returns what then is the newest: ours, or one that somebody else has published after `after`
   */
  publishRevision(rules: readonly RuleInForce[], after?: number): Promise<RuleRevision>;
  /** Writes one again that is there no more, because the database was set back to a time before it. */
  restoreRevision(revision: RuleRevision): Promise<void>;
  newestRevision(): Promise<RuleRevision | null>;
  /** The same without its rules. */
  newestHead(): Promise<RevisionHead | null>;
  revision(revision: number): Promise<RuleRevision | null>;
  /** What is in quarantine, by table and id. */
  faults(): Promise<StoredFault[]>;
  /** Replaces those of the tables; what was there before keeps its time. */
  setFaults(faults: readonly RuleFault[], tables: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Of a revision's rules, in their order. */
export function contentHash(rules: readonly RuleInForce[]): string {
  return hashOf(rules);
}

/**
 * Opens the tables of rules.
 *
 * @param at - as of `openRuleDatabase`
 * @param options.migrate - whether to set the tables up, or bring them to this version; by default they have to be there, by
 *   `temporal-cep setup`
 * @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE`, `ALREADY_RUNNING`
 */
export async function openRuleStore(
  at: DatabaseAddress | Database,
  options: { readonly migrate?: boolean } = {},
): Promise<RuleStore> {
  const database = await openSqlDatabase<RuleSchema>(at);
  try {
    const set = ruleMigrations(database.dialect);
    await (options.migrate ? migrate(database, set) : checkMigrated(database, set));
  } catch (error) {
    await database.close();
    throw error;
  }
  return sqlRuleStore(database);
}

/** How often a write is done again that others were in the way of. */
const TRIES_MAX = 20;

function sqlRuleStore(database: RuleDatabase): RuleStore {
  const { db } = database;

  const newestHead = async (): Promise<RevisionHead | null> => {
    const head = await read(database, (db) =>
      db
        .selectFrom('cep_rule_revisions')
        .select(['revision', 'hash', 'created_at as createdAt'])
        .orderBy('revision', 'desc')
        .limit(1)
        .executeTakeFirst(),
    );
    return head ?? null;
  };
  const revision = async (number: number): Promise<RuleRevision | null> => {
    const row = await db
      .selectFrom('cep_rule_revisions')
      .select(['revision', 'rules'])
      .where('revision', '=', number)
      .executeTakeFirst();
    return row === undefined ? null : { revision: row.revision, rules: JSON.parse(row.rules) };
  };
  const newestRevision = async (): Promise<RuleRevision | null> => {
    const head = await newestHead();
    return head && (await revision(head.revision));
  };

  const insertRevision = async ({ revision, rules }: RuleRevision): Promise<void> => {
    await db
      .insertInto('cep_rule_revisions')
      .values({ revision, hash: contentHash(rules), rules: JSON.stringify(rules) })
      .execute();
  };

  return {
    database,
    newestHead,
    newestRevision,
    revision,
    close: () => database.close(),

    list: async () => {
      const rows = await read(database, (db) =>
        db
          .selectFrom('cep_rules as rule')
          .innerJoin(
            (eb) =>
              eb
                .selectFrom('cep_rules')
                .select(({ fn }) => ['id', fn.max('change').as('change')])
                .groupBy('id')
                .as('last'),
            (join) =>
              join.onRef('last.id', '=', 'rule.id').onRef('last.change', '=', 'rule.change'),
          )
          .selectAll('rule')
          .execute(),
      );
      return rows.map(storedRule).sort(byId);
    },

    history: async (id) => {
      const rows = await db
        .selectFrom('cep_rules')
        .selectAll()
        .where('id', '=', id)
        .orderBy('change')
        .execute();
      return rows.map(storedRule);
    },

    append: (edits) =>
      again(() => transact(database, (transaction) => appendAll(transaction, edits))),

    preview: async (edits) => {
      let rules: StoredRule[] = [];
      const undone = new Error('undone');
      await again(() =>
        transact(database, async (transaction) => {
          rules = await appendAll(transaction, edits);
          throw undone;
        }),
      ).catch((error) => {
        if (error !== undone) throw error;
      });
      return rules;
    },

    publishRevision: async (rules, after) => {
      const hash = contentHash(rules);
      for (;;) {
        const newest = await newestHead();
        const isOurs = newest?.hash === hash;
        const isOthers = after !== undefined && (newest?.revision ?? 0) !== after;
        if (newest && (isOurs || isOthers)) {
          const published = await revision(newest.revision);
          if (published) return published;
        }
        const number = (newest?.revision ?? 0) + 1;
        try {
          await insertRevision({ revision: number, rules });
          return { revision: number, rules };
        } catch (error) {
          // Somebody was quicker: what now is the newest says the same, or is what ours comes after.
          if (!isDuplicate(error)) throw error;
        }
      }
    },

    restoreRevision: async (lost) => {
      try {
        await insertRevision(lost);
      } catch (error) {
        // Somebody else has missed it too.
        if (!isDuplicate(error)) throw error;
      }
    },

    faults: async () => {
      const rows = await db
        .selectFrom('cep_rule_faults')
        .select(['table_name as table', 'id', 'version', 'code', 'path', 'message', 'since'])
        .orderBy('table_name')
        .orderBy('id')
        .execute();
      return rows;
    },

    setFaults: async (faults, tables) => {
      await again(() =>
        transact(database, (transaction) => replaceFaults(transaction, faults, tables)),
      );
    },
  };
}

/** Does it anew as long as others are in the way. */
export async function again<T>(write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      const isInTheWay = isDuplicate(error) || isDeadlock(error);
      if (!isInTheWay || tries === TRIES_MAX) throw error;
    }
  }
}

/** In the order of ids, so that two who change the same rules don't wait for each other in a circle. */
export async function appendAll(
  transaction: Transaction<RuleSchema>,
  edits: readonly RuleEdit[],
): Promise<StoredRule[]> {
  const done = new Map<RuleEdit, StoredRule>();
  for (const edit of [...edits].sort(byId)) done.set(edit, await append(transaction, edit));
  return edits.map((edit) => done.get(edit) as StoredRule);
}

async function append(transaction: Transaction<RuleSchema>, edit: RuleEdit): Promise<StoredRule> {
  const { id, author, note, expectedChange } = edit;
  const found = await transaction
    .selectFrom('cep_rules')
    .selectAll()
    .where('id', '=', id)
    .orderBy('change', 'desc')
    .limit(1)
    .executeTakeFirst();
  const before = found === undefined ? null : storedRule(found);
  const change = before?.change ?? 0;
  if (expectedChange !== undefined && expectedChange !== change) throw changedMeanwhile(id, before);
  const content = contentOf(edit, before);
  const hash = ruleContentHash(content);
  const versions = await transaction
    .selectFrom('cep_rules')
    .select(({ fn }) => fn.max('version').as('greatest'))
    .where('id', '=', id)
    .executeTakeFirst();
  const isSame = before !== null && ruleContentHash(before) === hash;
  const version = isSame
    ? before.version
    : Math.max((versions?.greatest ?? 0) + 1, edit.version ?? 1);
  const row = {
    id,
    change: change + 1,
    version,
    journey: content.journey,
    key: content.key,
    state: edit.state ?? before?.state ?? 'draft',
    pattern: content.pattern,
    function: content.function,
    on_change: edit.onChange ?? before?.onChange ?? 'finish',
    on_match: content.onMatch,
    on_timeout: content.onTimeout,
    description: edit.description === undefined ? (before?.description ?? null) : edit.description,
    author,
    note: note ?? null,
    hash,
    start: edit.start ? JSON.stringify(edit.start) : isSame ? (before.start ?? null) : null,
  };
  await transaction.insertInto('cep_rules').values(row).execute();
  const written = await transaction
    .selectFrom('cep_rules')
    .selectAll()
    .where('id', '=', id)
    .where('change', '=', row.change)
    .executeTakeFirstOrThrow();
  return storedRule(written);
}

function contentOf(edit: RuleEdit, before: StoredRule | null): RuleContent {
  const pattern = edit.pattern ?? before?.pattern;
  const journey = edit.journey ?? before?.journey;
  if (pattern === undefined || journey === undefined) {
    throw new RuleError(
      'RULE_UNKNOWN',
      `there is no rule "${edit.id}": temporal-cep rules list names those there are, rules apply adds one`,
      { details: { rule: edit.id } },
    );
  }
  const kept = <K extends keyof RuleContent>(field: K) =>
    edit[field] === undefined ? (before?.[field] ?? null) : edit[field];
  return {
    pattern,
    journey,
    function: kept('function'),
    key: kept('key'),
    onMatch: kept('onMatch'),
    onTimeout: kept('onTimeout'),
  };
}

function changedMeanwhile(id: string, now: StoredRule | null): RuleError {
  const what =
    now === null
      ? 'is not there any more'
      : `was changed meanwhile${now.author ? ` by ${now.author}` : ''} (change ${now.change})`;
  return new RuleError(
    'RULE_CHANGED',
    `rule "${id}" ${what}: look at it with temporal-cep rules diff, and do it again`,
    { details: { rule: id, change: now?.change ?? 0 } },
  );
}

/** What a rule says, without how it is spelled: a space in its JSON makes no new version. */
export function ruleContentHash(content: RuleContent): string {
  const { pattern, function: name, journey, key, onMatch, onTimeout } = content;
  return hashOf([
    compact(pattern),
    name || null,
    journey,
    key || null,
    onMatch && compact(onMatch),
    onTimeout && compact(onTimeout),
  ]);
}

function compact(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // Written by hand, and none: it differs from whatever is one.
    return json;
  }
}

async function replaceFaults(
  transaction: Transaction<RuleSchema>,
  faults: readonly RuleFault[],
  tables: readonly string[],
): Promise<void> {
  // Flink's tables have no key, and whatever ids.
  const rows = new Map(
    faults.map((fault) => {
      const cut = { ...fault, id: fault.id.slice(0, 255) };
      return [`${cut.table} ${cut.id}`, cut];
    }),
  );
  const before = await transaction.selectFrom('cep_rule_faults').selectAll().execute();
  const since = new Map(
    before.map((row) => [JSON.stringify([row.table_name, row.id, row.message]), row.since]),
  );
  await transaction.deleteFrom('cep_rule_faults').where('table_name', 'in', tables).execute();
  if (faults.length === 0) return;
  await transaction
    .insertInto('cep_rule_faults')
    .values(
      [...rows.values()].map(({ table, id, ...fault }) => {
        const known = since.get(JSON.stringify([table, id, fault.message]));
        return { table_name: table, id, ...fault, ...(known ? { since: known } : {}) };
      }),
    )
    .execute();
}

function storedRule(row: Selectable<RulesTable>): StoredRule {
  const { on_change, on_match, on_timeout, changed_at, ...same } = row;
  return {
    ...same,
    onChange: on_change,
    onMatch: on_match,
    onTimeout: on_timeout,
    changedAt: changed_at,
  };
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
