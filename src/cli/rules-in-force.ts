// Rules from tables, in the processes that run them: workers read revisions, ingestors make them.

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Registry } from 'prom-client';
import { CepError } from '../errors.js';
import type { Logger } from '../log.js';
import { rulesMetrics } from '../metrics.js';
import { RuleDiscoverer } from '../rule-store/discover.js';
import type { FlinkTable } from '../rule-store/flink-table.js';
import { openRuleStore, type RuleStore } from '../rule-store/rule-store.js';
import type { RuleDatabase, RuleSchema } from '../rule-store/schema.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import type { ConditionClasses } from '../rules/conditions.js';
import { LiveJourneys } from '../rules/live-journeys.js';
import type { OnChange, RuleRevision } from '../rules/revision.js';
import { openSqlDatabase } from '../store/sql-database.js';
import type { Store } from '../store/store.js';
import { RULES_VARIABLE } from './rule-database.js';
import type { StorePlace } from './store.js';

export interface RulesFlags {
  /** `true` for the database of all else. */
  readonly rulesDatabase?: string | true;
}

export interface RuleTablesFlags extends RulesFlags {
  readonly ruleTable: readonly Omit<FlinkTable, 'onChange'>[];
  readonly ruleTablesDatabase?: string;
  readonly ruleChange: OnChange;
  readonly journey?: readonly string[];
}

export function addRulesOption(command: Command): Command {
  return command.option(
    '--rules-database [address]',
    `rules come from the tables of this database, postgres://... or mysql://...; without an address from those of --database (default: ${RULES_VARIABLE}, or no table)`,
  );
}

export function addRuleTablesOptions(command: Command): Command {
  return addRulesOption(command)
    .option(
      '--rule-table <table=journey[:key]>',
      "a table of Flink's dynamic CEP whose rules are those of a journey, which has the key where no module defines it; may be repeated",
      ruleTable,
      [],
    )
    .option('--rule-tables-database <address>', 'where those tables are (default: with the rules)')
    .addOption(
      new Option(
        '--rule-change <policy>',
        'what becomes of open matches when a row of those changes',
      )
        .choices(['finish', 'reset'])
        .default('finish'),
    )
    .option('--journey <id...>', 'events are for these journeys alone (default: for all)');
}

function ruleTable(
  text: string,
  before: RuleTablesFlags['ruleTable'],
): RuleTablesFlags['ruleTable'] {
  const [, table, journey, key] = /^([^=]+)=([^:]+)(?::(.+))?$/.exec(text) ?? [];
  if (!table || !journey) {
    throw new InvalidArgumentError('Write table=journey, or table=journey:key.');
  }
  return [...before, { table, journey, ...(key && { key }) }];
}

/**
 * Opens the tables of rules where flags or the environment want them.
 *
 * @param place - of the store: one in a folder is set up by whoever opens it
 */
export async function openRules(
  { rulesDatabase, ruleTable = [] }: RulesFlags & Partial<RuleTablesFlags>,
  store: Store,
  place: StorePlace,
): Promise<RuleStore | null> {
  const address = rulesDatabase ?? (process.env[RULES_VARIABLE] || undefined);
  if (typeof address === 'string') return await openRuleStore(address);
  if (address === undefined && ruleTable.length === 0) return null;
  return await openRuleStore(store.database, { migrate: 'folder' in place });
}

/** An ingestor's journeys while their rules change. */
export interface DiscoveredRules {
  readonly journeys: CompiledJourneys;
  /** Whether the rules of a hand-over are among them. */
  hasBegun(handOver: string): boolean;
  close(): Promise<void>;
}

/**
 * Finds out which rules are in force, and goes on doing so.
 *
 * @throws CepError `SETTING_INVALID` for a journey of `--journey` that nobody defines
 */
export async function discoverRules(options: {
  readonly flags: RuleTablesFlags;
  readonly rules: RuleStore | null;
  readonly journeys: CompiledJourneys;
  readonly registry: Registry;
  readonly log: Logger;
}): Promise<DiscoveredRules> {
  const { flags, rules, journeys, registry, log } = options;
  const live = new LiveJourneys(journeys, flags.journey);
  let stop = async (): Promise<void> => {};
  let newest: RuleRevision | null = null;
  const take = (revision: RuleRevision): void => {
    live.take(revision);
    newest = revision;
  };
  if (rules) {
    let tablesIn: RuleDatabase | undefined;
    if (flags.ruleTablesDatabase !== undefined) {
      tablesIn = await openSqlDatabase<RuleSchema>(flags.ruleTablesDatabase);
    }
    const discoverer = new RuleDiscoverer({
      store: rules,
      ...(tablesIn && { tablesIn }),
      tables: flags.ruleTable.map((table) => ({ ...table, onChange: flags.ruleChange })),
      classes: (journeys.set.conditions ?? {}) as ConditionClasses,
      journeys: journeys.set.journeys,
      log,
      onRevision: take,
    });
    rulesMetrics(registry, discoverer.counters);
    stop = async () => {
      await discoverer.stop();
      await tablesIn?.close();
    };
    try {
      take(await discoverer.start());
    } catch (error) {
      await stop();
      throw error;
    }
  }
  for (const id of flags.journey ?? []) {
    if (live.byId.has(id) || flags.ruleTable.some(({ journey }) => journey === id)) continue;
    await stop();
    throw new CepError(
      'SETTING_INVALID',
      `--journey ${id}: neither the journeys module nor a rule table has such a journey${live.byId.size > 0 ? `: name one of ${[...live.byId.keys()].join(', ')}` : ''}`,
      { details: { journey: id } },
    );
  }
  const hasBegun = (handOver: string): boolean =>
    newest?.rules.some(({ start }) => start?.handOver === handOver) ?? false;
  return { journeys: live, hasBegun, close: stop };
}
