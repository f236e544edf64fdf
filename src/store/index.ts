// What worker and ingestor share: SQL, or memory where one process is both.
export type { DatabaseAddress } from './database.js';
export { type MemoryStore, memoryStore } from './memory-store.js';
export { openStore, type Store } from './store.js';
