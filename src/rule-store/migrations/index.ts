import type { MigrationSet } from '../../store/migrate.js';
import { rules } from './0001-rules.js';
import { handOvers } from './0002-hand-overs.js';

/** The migrations of the rules' tables, which know nothing of those of the store: the two may lie in one database. */
export function ruleMigrations(dialect: 'postgres' | 'mysql'): MigrationSet {
  return {
    doneIn: 'cep_rule_migrations',
    provider: {
      getMigrations: async () => ({
        '0001-rules': rules(dialect),
        '0002-hand-overs': handOvers(dialect),
      }),
    },
  };
}
