// The database of rules of a command.

import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { CepError } from '../errors.js';
import { openRuleStore, type RuleStore } from '../rule-store/rule-store.js';
import { DATABASE_VARIABLE, databaseAddress } from './store.js';

export const RULES_VARIABLE = 'TEMPORAL_CEP_RULES_DATABASE';

export const RULES_HELP = `
The database of rules is the one of --rules-database or ${RULES_VARIABLE}, such as postgres://user:password@host/name,
mysql://user:password@host/name or mariadb://...; or else that of ${DATABASE_VARIABLE}. temporal-cep setup makes its tables.`;

export interface RuleDatabaseFlags {
  readonly rulesDatabase?: string;
  readonly dataFolder?: string;
}

export function addRuleDatabaseOptions(command: Command): Command {
  return command
    .option('--rules-database <address>', 'the database of rules (default: the environment)')
    .option('--data-folder <folder>', 'the folder of a process that keeps all it knows itself');
}

/** The address that flags or the environment give. */
export function rulesAddress(flag?: string, database?: string): string | undefined {
  return flag ?? (process.env[RULES_VARIABLE] || databaseAddress(database));
}

/**
 * Does something with the rules, and closes their database.
 *
 * @throws CepError `SETTING_INVALID` where nothing names one
 */
export async function withRules<T>(
  { rulesDatabase, dataFolder }: RuleDatabaseFlags,
  act: (rules: RuleStore) => Promise<T>,
): Promise<T> {
  const address = rulesAddress(rulesDatabase);
  const isFolder = dataFolder !== undefined && rulesDatabase === undefined;
  if (!isFolder && address === undefined) {
    throw new CepError(
      'SETTING_INVALID',
      `rules are kept in a database: set ${RULES_VARIABLE} or --rules-database to postgres://user:password@host/name or mysql://user:password@host/name, or name the --data-folder of temporal-cep ingest --with-worker`,
    );
  }
  const rules = isFolder
    ? await openRuleStore({ folder: dataFolder }, { migrate: true })
    : await openRuleStore(address as string);
  try {
    return await act(rules);
  } finally {
    await rules.close();
  }
}

export interface AuthorFlags {
  readonly author?: string;
  readonly note?: string;
}

export function addAuthorOptions(command: Command): Command {
  return command
    .option('--author <name>', 'who wants it (default: the user of this machine)')
    .option('--note <text>', 'why, for those who read the history');
}

export function authorOf({ author, note }: AuthorFlags): { author: string; note?: string } {
  return { author: author ?? userInfo().username, ...(note === undefined ? {} : { note }) };
}
