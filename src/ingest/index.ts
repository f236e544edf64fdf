export { type SessionGateway, SessionRefused } from './gateway.js';
export { type IngestCounts, type IngestOptions, ingest } from './ingest.js';
export { MemoryProgressStore, type ProgressStore } from './progress.js';
export { serveProgress } from './progress-worker.js';
export { fileSource, type ReadFileOptions, readFileRecords } from './read-file.js';
export type { EndOfLog, RawRecord, Read } from './record.js';
export { fileRejects, type Reject, type RejectSink } from './rejects.js';
export { temporalGateway } from './temporal-gateway.js';
