// A store that lasts as long as the process: where worker and ingestor are one process and nothing is to
// outlive it, as in the demo and in tests.

import { type AlertLedger, memoryLedger } from '../activities/index.js';
import { MemoryProgressStore } from '../ingest/progress.js';

/** What worker and ingestor share, in memory. */
export interface MemoryStore {
  readonly progress: MemoryProgressStore;
  readonly ledger: AlertLedger;
}

export function memoryStore(): MemoryStore {
  return { progress: new MemoryProgressStore(), ledger: memoryLedger() };
}
