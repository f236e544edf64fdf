// For those who talk to sessions, or bundle them themselves.
export {
  type BatchedEvent,
  CONTINUE_SIGNAL,
  EVENTS_SIGNAL,
  type EventBatch,
  type PartitionProgress,
  SEARCH_ATTRIBUTES,
  SESSION_WORKFLOW,
  type SessionRef,
  type SessionSettings,
  STATE_QUERY,
  TASK_QUEUE,
} from './messages.js';
export {
  createSessionWorkflow,
  eventsSignal,
  type SessionInput,
  type SessionResult,
  type SessionState,
  stateQuery,
} from './session.js';
