import type { MigrationSet } from '../../store/migrate.js';
import { aggregates } from './0001-aggregates.js';

/** The migrations of what aggregates keep, which know nothing of those of the store and of rules: all may lie in one database. */
export function analyticsMigrations(dialect: 'postgres' | 'mysql'): MigrationSet {
  return {
    doneIn: 'cep_analytics_migrations',
    provider: { getMigrations: async () => ({ '0001-aggregates': aggregates(dialect) }) },
  };
}
