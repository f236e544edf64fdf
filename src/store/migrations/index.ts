import type { Migration, MigrationProvider } from 'kysely';
import { progressAndLedger } from './0001-progress-and-ledger.js';
import { refusedSignals } from './0002-refused-signals.js';
import { repartition } from './0003-repartition.js';
import { shadowAlerts } from './0004-shadow-alerts.js';
import { effects } from './0005-effects.js';
import { alertsAsTheyCome } from './0006-alerts-as-they-come.js';

/** Every migration by name; names sort in the order in which they run. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-progress-and-ledger': progressAndLedger,
  '0002-refused-signals': refusedSignals,
  '0003-repartition': repartition,
  '0004-shadow-alerts': shadowAlerts,
  '0005-effects': effects,
  '0006-alerts-as-they-come': alertsAsTheyCome,
};

/** A list instead of a folder that is read: nothing depends on where the package lies or how it is bundled. */
export const migrations: MigrationProvider = {
  getMigrations: async () => ({ ...MIGRATIONS }),
};
