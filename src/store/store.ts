import type { AlertLedger } from '../activities/ledger.js';
import type { EffectLedger } from '../effects/ledger.js';
import type { KeyedSources } from '../ingest/keyed.js';
import type { KeptSignals, ParkedSessions } from '../ingest/parked.js';
import { sqlAlertLedger } from './alert-ledger.js';
import { cachedProgressReader } from './cached-progress.js';
import { type Database, type DatabaseAddress, openDatabase } from './database.js';
import { sqlEffectLedger } from './effect-ledger.js';
import { checkMigrated, migrate } from './migrate.js';
import { sqlParkedSessions } from './parked.js';
import { type SqlProgressStore, sqlProgressStore } from './progress-store.js';
import { sqlSources } from './sources.js';

/** Everything that is kept in SQL. */
export interface Store {
  /** Where it is, for messages: without a password. */
  readonly name: string;
  /** For what else is kept there, such as rules: the embedded one has one user only. */
  readonly database: Database;
  /** Its `read` answers from a copy that is at most a second old, and knows of topics made anew. */
  readonly progress: SqlProgressStore;
  readonly ledger: AlertLedger;
  readonly effects: EffectLedger;
  readonly parked: ParkedSessions & KeptSignals;
  readonly sources: KeyedSources;
  close(): Promise<void>;
}

/**
 * Opens a database and what is kept in it.
 *
 * @param options.migrate - whether to set its tables up, or bring them to this version; by default they have
 *   to be there, by `temporal-cep setup`
 * @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE`, `ALREADY_RUNNING`
 */
export async function openStore(
  address: DatabaseAddress,
  options: { readonly migrate?: boolean } = {},
): Promise<Store> {
  const database = await openDatabase(address);
  try {
    await (options.migrate ? migrate(database) : checkMigrated(database));
  } catch (error) {
    await database.close();
    throw error;
  }
  const progress = sqlProgressStore(database);
  return {
    name: database.name,
    database,
    // Sessions ask often, and all about the same few rows.
    progress: { ...progress, read: cachedProgressReader(progress).read },
    ledger: sqlAlertLedger(database),
    effects: sqlEffectLedger(database),
    parked: sqlParkedSessions(database),
    sources: sqlSources(database),
    close: () => database.close(),
  };
}
