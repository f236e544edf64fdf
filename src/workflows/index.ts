// For those who talk to sessions, or bundle them themselves.
export {
  type BatchedEvent,
  CONTINUE_SIGNAL,
  EVENTS_SIGNAL,
  type EventBatch,
  EXPLAIN_QUERY,
  type PartitionProgress,
  SEARCH_ATTRIBUTES,
  SESSION_WORKFLOW,
  type SessionRef,
  type SessionSettings,
  STATE_QUERY,
  TASK_QUEUE,
  TIMELINE_QUERY,
  UPDATES,
} from './messages.js';
export {
  closeUpdate,
  type Done,
  dropUpdate,
  explainQuery,
  pauseUpdate,
  resumeUpdate,
  type SessionExplanation,
  timelineQuery,
} from './operations.js';
export {
  createSessionWorkflow,
  eventsSignal,
  type SessionInput,
  type SessionResult,
  type SessionState,
  stateQuery,
} from './session.js';
export type { TimelineEntry } from './timeline.js';
export type { Authored, DropRequest } from './update-arguments.js';
