export { type ChangeOptions, decodeChange } from './debezium.js';
export { type SessionGateway, SessionRefused } from './gateway.js';
export { type IngestCounts, type IngestOptions, ingest } from './ingest.js';
export type { ParkedSession, ParkedSessions } from './parked.js';
export {
  type Claim,
  MemoryProgressStore,
  type ProgressStore,
  type Publication,
  type StoredProgress,
} from './progress.js';
export { fileSource, type ReadFileOptions, readFileRecords } from './read-file.js';
export type { Assignment, EndOfLog, Flow, RawRecord, Read } from './record.js';
export { fileRejects, type Reject, type RejectSink } from './rejects.js';
export { temporalGateway } from './temporal-gateway.js';
