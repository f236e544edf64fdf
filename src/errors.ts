/** Every code a {@link CepError} can carry. Stable: scripts and dashboards may match on it. */
export type CepErrorCode =
  // patterns (MalformedPatternError)
  | 'DUPLICATE_STAGE'
  | 'QUANTIFIER_TWICE'
  | 'QUANTIFIER_RANGE'
  | 'QUANTIFIER_ON_NOT'
  | 'OPTIONAL_TWICE'
  | 'OPTIONAL_AFTER_GREEDY'
  | 'NOT_AFTER_OPTIONAL'
  | 'NOT_FOLLOWED_BY_LAST_WITHOUT_WINDOW'
  | 'NOT_WITH_GROUP'
  | 'GREEDY_WITHOUT_LOOP'
  | 'GREEDY_WITH_COMBINATIONS'
  | 'GREEDY_ON_GROUP'
  | 'INNER_CONTIGUITY_WITHOUT_LOOP'
  | 'INNER_CONTIGUITY_TWICE'
  | 'UNTIL_TWICE'
  | 'UNTIL_WITHOUT_LOOP'
  | 'CONDITION_ON_GROUP'
  | 'WINDOW_EMPTY'
  | 'WINDOW_GAP_TOO_LARGE'
  | 'SKIP_TO_UNKNOWN_STAGE'
  | 'PROCEED_CYCLE'
  // running a pattern
  | 'SKIP_MISSED'
  | 'NOT_BEFORE_FIRST_EVENT'
  | 'UNTIL_LEADS_NOWHERE'
  | 'STATE_LIMIT'
  | 'SNAPSHOT_MISMATCH'
  // documents, rules, journeys
  | 'DOCUMENT_INVALID'
  | 'EXPRESSION_INVALID'
  | 'CONDITION_UNKNOWN'
  | 'RULE_INVALID'
  | 'RULE_CHANGED'
  | 'HAND_OVER_LOST'
  | 'RULE_UNKNOWN'
  | 'JOURNEYS_INVALID'
  | 'EFFECTS_INVALID'
  | 'AGGREGATES_INVALID'
  // records
  | 'RECORD_NOT_JSON'
  | 'RECORD_NOT_A_CHANGE'
  | 'RECORD_WITHOUT_TIME'
  | 'RECORD_WITHOUT_KEY'
  | 'RECORD_WRONG_TYPE'
  | 'RECORD_TIME_AHEAD'
  | 'RECORD_TOO_LONG'
  // operation
  | 'SERVER_UNREACHABLE'
  | 'SERVER_NOT_FOUND'
  | 'DATABASE_UNREACHABLE'
  | 'BROKER_UNREACHABLE'
  | 'TOPIC_NOT_KEYED'
  | 'PORT_OCCUPIED'
  | 'ALREADY_RUNNING'
  | 'SETTING_INVALID'
  | 'INPUT_MISSING'
  | 'SESSION_REFUSED';

/**
 * The base of every error this package throws on purpose. `message` says what was found, what was
 * expected and the remedy; `code` is for programs; `details` holds the same facts as plain data.
 */
export class CepError extends Error {
  readonly code: CepErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: CepErrorCode,
    message: string,
    options: { details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A pattern that FlinkCEP would refuse, or would never finish on. `details.stage` names the stage. */
export class MalformedPatternError extends CepError {}

/** A rule or pattern document that can't be used. `details.path` is a JSON path into the document. */
export class RuleError extends CepError {}

/** An input record that can't become an event; it belongs in the dead letters. */
export class DecodeError extends CepError {}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
