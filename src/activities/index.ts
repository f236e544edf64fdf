import { Context } from '@temporalio/activity';
import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import { failpoint } from '../failpoints.js';
import type { JourneyRules } from '../rules/revision.js';
import type { Alert } from '../rules/rule.js';
import type { Millis } from '../time.js';
import type {
  NotTakenReason,
  PartitionProgress,
  ProgressAnswer,
  ProgressQuestion,
  SessionRef,
  SourcePartition,
} from '../workflows/messages.js';
import { awaitProgress } from './await-progress.js';
import { startEffects } from './effects.js';
import type { AlertLedger } from './ledger.js';
import { LocalTries } from './local-tries.js';
import type { AlertSink, LateSink } from './sinks.js';

/** What sessions ask of the outside world. */
export interface SessionActivities {
  /**
   * Publishes the alerts of one step, and sees to it that what they set off is taken care of. A repetition with the same ids
   * changes nothing.
   *
   * @param effects - names, by the id of the alert that sets them off
   * @param readFrom - the partitions of the session: goals of its user are in them
   */
  publishAlerts(
    alerts: readonly Alert[],
    effects?: Readonly<Record<string, readonly string[]>>,
    readFrom?: readonly SourcePartition[],
  ): Promise<void>;
  /** Puts events that the session did not take into the late output. */
  publishLate(
    session: SessionRef,
    events: readonly CepEvent[],
    reason: NotTakenReason,
  ): Promise<void>;
  /**
   * How far source partitions are; null for one that nobody has read yet. Where what is asked for may come within
   * some seconds the answer waits for it.
   *
   * @param journey - whose newest revision is told too; none by default
   */
  readProgress(
    questions: readonly ProgressQuestion[],
    journey?: string,
  ): Promise<(ProgressAnswer | null)[]>;
  /** The rules of a journey as a revision has them. */
  readRules(journey: string, revision: number): Promise<JourneyRules>;
  /** What became of a hand-over of rules of the journey. */
  readHandOver(journey: string, handOver: string): Promise<HandOverNews>;
}

/** What a session has to know of a hand-over that brought it something. */
export type HandOverNews =
  /** Its rules are in force since a revision. */
  | { readonly revision: number }
  /** They are not yet, or will not be any more. */
  | { readonly isOver: boolean };

/** Knows how far ingestors are. */
export interface ProgressReader {
  /** Null for a partition that nobody has read yet. With an origin, the low-water mark is that of the origin. */
  read(
    source: string,
    partition: number,
    origin?: SourcePartition,
  ): Promise<PartitionProgress | null>;
}

/** Knows revisions of rules. */
export interface RuleReader {
  /** Null for one that is not known. */
  read(journey: string, revision: number): Promise<JourneyRules | null>;
  /** The newest one; null where the journey has none. May be a second old. */
  newest(journey: string): Promise<JourneyRules | null>;
  handOver(journey: string, id: string): Promise<HandOverNews>;
}

export interface ActivityDependencies {
  readonly progress: ProgressReader;
  readonly ledger: AlertLedger;
  readonly alerts: AlertSink;
  readonly late: LateSink;
  /** Where rules come from a table. */
  readonly rules?: RuleReader;
  /** See {@link awaitProgress}. */
  readonly progressWaitMs?: Millis;
  /** Called with alerts that the sink has just taken, for counters. */
  readonly onPublished?: (alerts: readonly Alert[]) => void;
}

/** The activities a worker runs for its sessions. The ledger stands in front of the sink. */
export function createActivities(deps: ActivityDependencies): SessionActivities {
  const { progress, ledger, alerts: sink, late, rules, onPublished, progressWaitMs } = deps;
  const localTries = new LocalTries();
  const publishAlerts: SessionActivities['publishAlerts'] = async (
    alerts,
    effects = {},
    readFrom = [],
  ) => {
    const recorded = await ledger.record(alerts);
    const fresh = recorded.filter(({ shadow }) => !shadow);
    if (fresh.length === 0) return;
    // Taken too long: who asked has asked somebody else by now.
    Context.current().cancellationSignal.throwIfAborted();
    await sink.publish(fresh);
    failpoint('alerts-sent');
    await Promise.all(
      fresh.map(async (alert) => {
        const names = effects[alert.id];
        if (names) await startEffects({ alert, effects: names, readFrom });
      }),
    );
    await ledger.published(fresh.map(({ id }) => id));
    onPublished?.(fresh);
    failpoint('alerts-recorded');
  };
  return {
    publishAlerts: async (...args) => {
      const { isLocal } = Context.current().info;
      await (isLocal ? localTries.run(() => publishAlerts(...args)) : publishAlerts(...args));
    },
    publishLate: (session, events, reason) => late.publish(session, events, reason),
    readProgress: async (questions, journey) => {
      const { cancellationSignal } = Context.current();
      const answers = await awaitProgress(progress, questions, cancellationSignal, progressWaitMs);
      if (journey === undefined) return answers;
      // Behind the watermarks: what was in force when they were promised is not missed.
      const revision = (await rules?.newest(journey))?.revision;
      return answers.map((answer) => answer && { ...answer, ...(revision && { revision }) });
    },
    readRules: async (journey, revision) => {
      const found = await known(rules, journey).read(journey, revision);
      if (found) return found;
      throw new CepError(
        'SETTING_INVALID',
        `the rules have no revision ${revision} of journey "${journey}": run ingestors and workers with one --rules-database`,
        { details: { journey, revision } },
      );
    },
    readHandOver: async (journey, handOver) =>
      await known(rules, journey).handOver(journey, handOver),
  };
}

function known(rules: RuleReader | undefined, journey: string): RuleReader {
  if (rules) return rules;
  throw new CepError(
    'SETTING_INVALID',
    `this worker does not know where the rules of journey "${journey}" are: start it with --rules-database`,
    { details: { journey } },
  );
}

export {
  createEffectActivities,
  type EffectActivities,
  type EffectDependencies,
  type UserDirectory,
} from './effects.js';
export { type AlertLedger, memoryLedger } from './ledger.js';
export { type AlertSink, consoleAlerts, fileAlerts, type LateSink, loggedLate } from './sinks.js';
