// The session workflow: a thin, durable shell around rules/session.ts. One per journey and key.
//
// Handlers only append to the inbox. One loop drains it, lets the rules run, hands alerts to activities
// and keeps one timer at the nearest deadline. When the timer fires, a regular activity reads how far the
// ingestor is; only a watermark behind the deadline ends a window, so a slow ingestor delays a timeout and
// never invents one.
//
//   W1. The inbox is drained before a watermark read by an activity is applied: a signal that Temporal
//       accepted before the watermark was promised is always seen first. (A local activity would break
//       this: its result joins the task that started it, which cannot see signals accepted meanwhile.)
//   W2. The timer is replaced only when a nearer deadline appears, and re-armed when it fires.
//   W3. Nothing is awaited between the last look at the inbox and continue-as-new or the end.
//   W4. The session ends only when no match is open and nothing it took can be delivered again.
//   W5. The work of one activation is bounded, far below the deadlock limit.
//   W6. A full run continues as new after a signal that no other follows at once, or when there has been none for a
//       while: a signal that arrives during that task makes the server refuse it.
//   W7. Where rules come from a table, what a signal or an answer brings is looked at only under a revision that is no older
//       than theirs. What ran is in the history: in the answer to `readRules`, or in what the run was handed.

import {
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  log,
  proxyActivities,
  proxyLocalActivities,
  proxySinks,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { SessionActivities } from '../activities/index.js';
import { jsonBytes } from '../automaton/limits.js';
import { messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { PlannedAlert } from '../rules/alert.js';
import type { CompiledJourney } from '../rules/compiled.js';
import type { RuleBook } from '../rules/in-force.js';
import type { JourneyRules } from '../rules/revision.js';
import {
  type HandedOver,
  type LostMatches,
  type RuleCounts,
  type RuleView,
  repeatKey,
  Session,
} from '../rules/session.js';
import { MIN_TIMESTAMP, type Millis, readableTimestamp, type Timestamp } from '../time.js';
import { detailsOf } from './details.js';
import { checkHandedOver, HandedOverRules, takeOverUpdate } from './handed-over.js';
import {
  BUSY_QUERY,
  EVENTS_SIGNAL,
  type EventBatch,
  type NotTakenReason,
  type ProgressAnswer,
  type ReadPartition,
  type SessionRef,
  type SessionSettings,
  type SessionSinks,
  STATE_QUERY,
  SUMMARY_LENGTH_MAX,
} from './messages.js';
import { type Done, Operations } from './operations.js';
import { changedAttributes } from './search-attributes.js';
import {
  type NotTaken,
  readSnapshot,
  type SessionSnapshot,
  SNAPSHOT_FORMAT,
  type StoredSnapshot,
} from './session-snapshot.js';
import { type PartitionSnapshot, Sources } from './sources.js';
import { continueOnCurrentVersion, NextRun } from './versioning.js';

/** Events taken in one activation (W5): some tens of milliseconds of work. */
const EVENTS_PER_ACTIVATION = 2_000;
/** Signals and history after which a run continues as new, whatever the server suggests. */
const SIGNALS_PER_RUN = 2_000;
const HISTORY_PER_RUN = 8_000;
/** Without a signal for so long a full run need not wait for the next one (W6). */
const NO_SIGNAL_MS: Millis = 5_000;
/** What a run hands to the next, as JSON in bytes. The server ends a workflow that hands on more than 2 MB. */
const CARRIED_MAX = 1_800_000;
/**
 * History, in events and bytes, after which what is too large to be handed on is given up. The server ends a run at
 * 51,200 events or 50 MB.
 */
const HISTORY_MAX = 30_000;
const HISTORY_BYTES_MAX = 30_000_000;
/**
 * Alerts handed to an activity in one activation (W5), and late events in one activity, as JSON in characters: the server ends a
 * workflow that schedules an activity with more than 2 MB.
 */
const ALERTS_LENGTH_MAX = 500_000;
/** Activities that publish at one time; the server allows 2,000. */
const PUBLISHING_MAX = 500;
/** How long publishing may hold up the workflow task, which itself has 10 s, and how long it is not tried after a failure. */
const LOCAL_MS: Millis = 2_000;
const LOCAL_AGAIN_MS: Millis = 60_000;
/** Bounds of the wait before the watermark is read again. */
const REREAD_MIN_MS: Millis = 1_000;
const REREAD_MAX_MS: Millis = 60_000;
/** Open matches of one rule in the current details, which are made anew in every activation. */
const OPEN_MATCHES_SHOWN = 10;
/** Open matches of one rule in the answer to a query, which has a limit of some megabytes. */
const OPEN_MATCHES_ANSWERED = 100;
/** How long a session waits before it first asks what became of a hand-over; then twice that, ... */
const HAND_OVER_LOOK_MS: Millis = 5_000;
/** How long an idle session waits before it first asks whether its offsets are committed; then twice that, ... */
const IDLE_MS: Millis = 2_000;

/** Said of the matches that a session could not take along. */
const LOST = {
  RULE_CHANGED: 'a rule has changed, and its open matches are lost',
  RULE_REMOVED: 'a rule is no longer there, and its open matches are lost',
} as const;

// A look-up of a global is dear in the workflow sandbox.
const { max } = Math;

export const eventsSignal = defineSignal<EventBatch[]>(EVENTS_SIGNAL);
export const busyQuery = defineQuery<boolean>(BUSY_QUERY);
export const stateQuery = defineQuery<SessionState>(STATE_QUERY);

/** Argument of the workflow. `carried` is there from the second run on. */
export interface SessionInput extends SessionRef {
  readonly settings: SessionSettings;
  /** The newest revision of the journey's rules when it was started, where they come from a table; 0 before there is one. */
  readonly revision?: number;
  readonly carried?: StoredSnapshot;
}

/** What a session has seen since its first run. */
export interface SessionCounts {
  events: number;
  repeats: number;
  late: number;
  /** Of those events, or beside them: the ones that waited for the watermark when there was no room for more. */
  refused: number;
  /**
   * Events from before its first one that could have begun nothing: read again after a restart of the
   * ingestor, which had skipped them, because there was no session yet.
   */
  skipped: number;
  alerts: number;
}

/** What a session has done, when it has ended. */
export interface SessionResult {
  readonly counts: SessionCounts;
  readonly rules: Readonly<Record<string, RuleCounts>>;
  /** Who closed it last and why, if anybody did. */
  readonly closed?: Done;
}

/** Answer of the `state` query. */
export interface SessionState extends SessionRef {
  readonly watermark: Timestamp;
  readonly nextDeadline: Timestamp | null;
  readonly rules: readonly RuleView[];
  readonly sources: readonly PartitionSnapshot[];
  readonly counts: SessionCounts;
  /** Activities under way that publish alerts. */
  readonly publishing: number;
  /** Who paused it and why. */
  readonly paused: Done | null;
  /** Of the rules that it runs, where they come from a table. */
  readonly revision?: number;
  /** Rules of which something was handed over, and that are not in force yet; absent where there is none. */
  readonly handedOver?: readonly string[];
}

/** What activities under way tell. */
interface Untold {
  readonly planned: readonly PlannedAlert[];
  readonly notTaken: readonly NotTaken[];
}

const RETRY = { initialInterval: '1 second', maximumInterval: '1 minute' } as const;

const { publishAlerts, publishLate, readRules, readHandOver } = proxyActivities<SessionActivities>({
  startToCloseTimeout: '30 seconds',
  retry: RETRY,
});

const local = proxyLocalActivities<Pick<SessionActivities, 'publishAlerts' | 'readRules'>>({
  startToCloseTimeout: LOCAL_MS,
  retry: { maximumAttempts: 1 },
});

const { session: told } = proxySinks<SessionSinks>();

/** The workflow function over the journeys of one bundle. */
export function createSessionWorkflow(
  book: RuleBook,
): (input: SessionInput) => Promise<SessionResult> {
  return async (input) => {
    const carried = input.carried && readSnapshot(input.carried);
    const inForce =
      input.revision === undefined
        ? carried?.inForce
        : await revisionOf(input.journey, input.revision);
    return new SessionShell(book, input, carried, inForce).run();
  };
}

/** The rules of a revision, so that they stand in the history: in the workflow task at hand where that works. */
async function revisionOf(journey: string, revision: number): Promise<JourneyRules> {
  try {
    if (revision === 0) return { journey, revision, rules: [] };
    return await local.readRules(journey, revision);
  } catch (error) {
    const reason = messageOf((error as Error).cause ?? error);
    log.warn('rules not read at once', { revision, reason });
    return await readRules(journey, revision);
  }
}

class SessionShell {
  readonly #input: SessionInput;
  readonly #session: Session;
  readonly #book: RuleBook;
  #journey: CompiledJourney;
  /** Null where no table has rules. */
  #inForce: JourneyRules | null;
  #sources: Sources;
  readonly #counts: SessionCounts;
  #since: Timestamp | null;
  /** Of the events that the rules hold, as of the begin of this activation; made when first asked for. */
  #heldIds: Set<string> | null = null;
  readonly #inbox: (readonly EventBatch[])[];
  #signals = 0;
  /** Another one may follow the last one at once. */
  #expectsMore = false;
  /** How many of them earlier activations have seen, and when the last one was seen. */
  #signalsSeen = 0;
  #signalSeenAt: Timestamp = MIN_TIMESTAMP;
  /** What it should hand on was too much at the last attempt: the next one is made with the next signal. */
  #isHeldUp = false;
  /** Alerts whose activities are not scheduled yet, and their length. */
  readonly #planned: { readonly alert: PlannedAlert; readonly length: number }[] = [];
  #plannedLength = 0;
  /** From when on alerts are published in the workflow task again. */
  #localAgainAt: Timestamp = MIN_TIMESTAMP;
  /** Activities that must be done before this run ends. */
  readonly #publishing = new Map<Promise<unknown>, Untold>();
  /** Events that were not taken, in portions that an activity can take, and not yet told of. */
  readonly #notTaken: NotTaken[] = [];
  #timer: { firesAt: Timestamp; scope: CancellationScope } | null = null;
  #timerFired = false;
  #isReading = false;
  /** A question was answered, if only by "unknown": time to decide what to wait for next. */
  #readingEnded = false;
  readonly #read: [partition: ReadPartition, progress: ProgressAnswer][] = [];
  /** Questions asked while idle since the last event. */
  #idleReads = 0;
  readonly #handedOver: HandedOverRules;
  /** Something was handed over, or is forgotten, that is not shown yet. */
  #isHandOverNews = false;
  /** Of the rules that begin with what was handed over. */
  #handOverRevision = 0;
  /** Partial matches dropped at a limit that were told of, by rule. */
  readonly #toldDropped = new Map<string, number>();
  readonly #next = new NextRun();
  readonly #operations: Operations;

  constructor(
    book: RuleBook,
    input: SessionInput,
    carried: SessionSnapshot | undefined,
    inForce: JourneyRules | undefined,
  ) {
    if (!inForce && !book.has(input.journey)) {
      // Not a failure of the workflow: a worker that has the journey can go on with it.
      throw new Error(
        `this worker has no journey "${input.journey}": start it with the module that defines it, or deploy it before the ingestor`,
      );
    }
    this.#input = input;
    this.#book = book;
    this.#inForce = inForce ?? null;
    this.#journey = book.journey(input.journey, inForce?.rules ?? []);
    this.#operations = new Operations(carried?.operations);
    this.#session = new Session(
      this.#journey,
      input.key,
      carried?.rules,
      this.#operations.timeline,
      (former) => book.rule(input.journey, former),
    );
    for (const { rule, counts } of this.#session.view(0)) {
      this.#toldDropped.set(rule, counts.dropped);
    }
    this.#tellLost(this.#session.lost);
    this.#sources = new Sources(carried?.sources);
    this.#counts = {
      events: 0,
      repeats: 0,
      late: 0,
      refused: 0,
      skipped: 0,
      alerts: 0,
      ...carried?.counts,
    };
    this.#since = carried?.since ?? null;
    this.#inbox = [...(carried?.inbox ?? [])];
    this.#plan(carried?.planned ?? []);
    this.#notTaken.push(...(carried?.notTaken ?? []));
    this.#handedOver = new HandedOverRules(carried?.handedOver);
    for (const id of this.#handedOver.ids) void this.#follow(id);
    // What was due may have been asked for in vain. A question too much does no harm.
    this.#timerFired = carried !== undefined && this.#sources.unfinished().length > 0;
    setHandler(eventsSignal, (...batches) => {
      this.#signals++;
      this.#expectsMore = batches.some(({ more }) => more);
      this.#inbox.push(batches);
    });
    setHandler(busyQuery, () => this.#inbox.length > 0 || !this.#isQuiet);
    setHandler(stateQuery, () => this.#state(OPEN_MATCHES_ANSWERED, true));
    setHandler(takeOverUpdate, (open) => this.#takeOver(open), { validator: checkHandedOver });
    this.#operations.serve({
      session: this.#session,
      ref: this.#ref(),
      plan: (alerts) => this.#found(alerts),
      discard: (events) => {
        this.#counts.refused += events.length;
        this.#publishNotTaken(events, 'SESSION_CLOSED');
      },
      paused: () => {
        this.#timer?.scope.cancel();
        this.#timer = null;
      },
      resumed: () => {
        this.#advance();
        // Deadlines may have passed meanwhile that no signal told of.
        if (!this.#isReading && this.#sources.unfinished().length > 0) this.#timerFired = true;
      },
    });
  }

  async run(): Promise<SessionResult> {
    for (;;) {
      this.#operations.begin();
      this.#drain();
      const revision = this.#newerRevision();
      if (revision !== null) {
        await this.#takeUp(revision);
        continue;
      }
      // W1: whatever the activity read is younger than all that was in the inbox.
      if (this.#inbox.length === 0) this.#applyReadings();
      if (this.#isTimeToEnd()) {
        const carried = this.#carried();
        if (carried) return this.#continueAsNew(carried);
        this.#isHeldUp = true;
      }
      this.#publishPlanned();
      this.#readingEnded = false;
      this.#isHandOverNews = false;
      if (this.#isDue || this.#isAboutToEnd) this.#readProgress();
      this.#timerFired = false;
      this.#armTimer();
      this.#showDetails();
      if (this.#isQuiet && this.#isOver()) return this.#result();
      this.#showAttributes();
      // W5: the rest of a long inbox, or of many alerts, is for the next activation.
      if (this.#canPublish || this.#canDrain) await sleep(1);
      else await condition(() => this.#hasNews());
    }
  }

  #hasNews(): boolean {
    return (
      this.#canDrain ||
      this.#canPublish ||
      this.#readingEnded ||
      this.#timerFired ||
      this.#operations.isNews ||
      this.#handOverRevision > this.#revision ||
      this.#isHandOverNews ||
      (this.#isQuiet && (this.#isOver() || (this.#next.isDue && !this.#isHeldUp)))
    );
  }

  /** Whether nothing that it has found is still to be told. */
  get #isQuiet(): boolean {
    return this.#publishing.size === 0 && !this.#hasUntold;
  }

  get #hasUntold(): boolean {
    return this.#planned.length > 0 || this.#notTaken.length > 0;
  }

  get #canPublish(): boolean {
    return this.#hasUntold && this.#publishing.size < PUBLISHING_MAX;
  }

  /** While alerts and late events can't get out no more are made. */
  get #canDrain(): boolean {
    const hasRoom =
      this.#plannedLength < ALERTS_LENGTH_MAX && this.#publishing.size < PUBLISHING_MAX;
    return this.#inbox.length > 0 && hasRoom;
  }

  // ---- events

  #drain(): void {
    let taken = 0;
    this.#heldIds = null;
    while (this.#canDrain && taken < EVENTS_PER_ACTIVATION && this.#newerRevision() === null) {
      const batches = this.#inbox.shift() as readonly EventBatch[];
      // Of all partitions, before event time moves: what one promises may lie ahead of what another brings.
      for (const batch of batches) {
        taken += batch.events.length + 1;
        this.#take(batch);
      }
      this.#advance();
    }
  }

  /** W7: the revision without which what comes next can't be looked at; null where there is none. */
  #newerRevision(): number | null {
    const [batches] = this.#inbox;
    const next = batches ?? this.#read.map(([, answer]) => answer);
    const wanted = next.reduce(
      (newest, { revision = 0 }) => max(newest, revision),
      this.#handOverRevision,
    );
    return wanted > this.#revision ? wanted : null;
  }

  get #revision(): number {
    return this.#inForce?.revision ?? 0;
  }

  async #takeUp(revision: number): Promise<void> {
    const { journey } = this.#input;
    this.#inForce = await revisionOf(journey, revision);
    this.#journey = this.#book.journey(journey, this.#inForce.rules);
    this.#tellLost(this.#session.change(this.#journey, this.#handedOver.all));
    if (this.#handedOver.all.length > 0) this.#beginHandedOver(this.#inForce);
  }

  // ---- hand-over

  #beginHandedOver(inForce: JourneyRules): void {
    const hashes = new Set(this.#journey.rules.map(({ hash }) => hash));
    for (const { rule, handOver } of this.#handedOver.begin(inForce, hashes)) {
      log.error('a rule is not as it was handed over, and what was open is lost', {
        rule,
        handOver,
      });
    }
    this.#advance();
    // Nobody may have told it yet how far event time is.
    this.#timerFired = true;
  }

  #takeOver(open: HandedOver): void {
    const isKnown = this.#handedOver.ids.includes(open.handOver);
    this.#handedOver.take(open);
    this.#isHandOverNews = true;
    for (const { source, partition } of open.events) {
      // From now on it asks how far they are.
      this.#sources.promise({ source, partition }, { watermark: MIN_TIMESTAMP, lowWater: 0 });
    }
    if (!isKnown) void this.#follow(open.handOver);
  }

  /** Most often the next events bring the revision. Where none come, or nobody ends the hand-over, it has to ask. */
  async #follow(id: string): Promise<void> {
    const isWaiting = () => this.#handedOver.ids.includes(id);
    for (let waitMs = HAND_OVER_LOOK_MS; ; waitMs = Math.min(2 * waitMs, REREAD_MAX_MS)) {
      await sleep(waitMs, { summary: 'what became of the hand-over?' });
      if (!isWaiting()) return;
      const news = await readHandOver(this.#input.journey, id);
      if ('revision' in news) this.#handOverRevision = max(this.#handOverRevision, news.revision);
      else if (news.isOver) this.#handedOver.forget(id);
      this.#isHandOverNews = true;
    }
  }

  #tellLost(lost: readonly LostMatches[]): void {
    for (const { rule, partialMatches, why } of lost) {
      log.warn(LOST[why], { rule, partialMatches });
      told.dropped(this.#input.journey, rule, partialMatches);
    }
  }

  #take(batch: EventBatch): void {
    const { source, partition } = batch;
    // What identifies events is where they came from at first.
    const from = batch.origin ?? { source, partition };
    if (
      this.#sources.allFinished &&
      this.#session.isIdle &&
      !this.#sources.has(source, partition)
    ) {
      if (batch.finished) return;
      this.#sources.clear();
      this.#session.restart();
    }
    const late: CepEvent[] = [];
    const refused: CepEvent[] = [];
    for (const batched of batch.events) {
      const { id } = batched;
      if (!this.#sources.take(batch, batched.offset) || this.#isHeld(from.source, id)) {
        this.#counts.repeats++;
        continue;
      }
      const event: CepEvent = { ...from, ...batched };
      const hasRoom = this.#operations.hasRoomFor(event);
      const acceptance = this.#session.accept(event, refused, hasRoom);
      if (acceptance === 'TAKEN') {
        this.#operations.took(event);
        this.#since ??= event.timestamp;
        this.#counts.events++;
        this.#idleReads = 0;
        if (id !== undefined) this.#heldIds?.add(repeatKey(from.source, id));
      } else if (acceptance === 'REFUSED') {
        this.#operations.refused();
        this.#heldIds = null;
      } else if (
        event.timestamp < (this.#since ?? MIN_TIMESTAMP) &&
        !this.#journey.canBegin(event)
      ) {
        this.#counts.skipped++;
      } else {
        this.#counts.late++;
        late.push(event);
      }
    }
    this.#sources.promise(batch, batch);
    this.#operations.timeline.notTaken('LATE', late);
    this.#publishNotTaken(late, 'LATE_FOR_SESSION');
    this.#refuse(refused);
  }

  #refuse(events: readonly CepEvent[]): void {
    this.#counts.refused += events.length;
    this.#operations.timeline.notTaken('REFUSED', events);
    this.#publishNotTaken(events, 'NO_ROOM_IN_SESSION');
  }

  /** In portions that an activity can take: thousands may be refused at once. */
  #publishNotTaken(events: readonly CepEvent[], reason: NotTakenReason): void {
    let portion: CepEvent[] = [];
    let length = 0;
    const publish = () => this.#notTaken.push({ events: portion, reason });
    for (const event of events) {
      const own = JSON.stringify(event).length;
      if (portion.length > 0 && length + own > ALERTS_LENGTH_MAX) {
        publish();
        portion = [];
        length = 0;
      }
      portion.push(event);
      length += own;
    }
    if (portion.length > 0) publish();
  }

  /** Whether some rule still holds an event of this id. */
  #isHeld(source: string, id: string | undefined): boolean {
    if (id === undefined) return false;
    this.#heldIds ??= this.#session.heldIds();
    return this.#heldIds.has(repeatKey(source, id));
  }

  #advance(): void {
    if (this.#operations.paused !== null) return;
    this.#found(this.#session.advance(this.#sources.watermark));
  }

  #found(alerts: readonly PlannedAlert[]): void {
    this.#counts.alerts += alerts.length;
    this.#plan(alerts);
  }

  #plan(alerts: readonly PlannedAlert[]): void {
    for (const alert of alerts) {
      const length = JSON.stringify(alert).length;
      this.#planned.push({ alert, length });
      this.#plannedLength += length;
    }
  }

  /** Schedules as much as the server takes at once, and one alert at least. */
  #publishPlanned(): void {
    if (!this.#canPublish) return;
    const notTaken = this.#notTaken.shift();
    if (notTaken) {
      const { events, reason } = notTaken;
      this.#publish(publishLate(this.#ref(), events, reason), {
        planned: [],
        notTaken: [notTaken],
      });
    }
    if (this.#planned.length === 0) return;
    let length = 0;
    let count = 0;
    for (const { length: own } of this.#planned) {
      length += own;
      if (count > 0 && length > ALERTS_LENGTH_MAX) break;
      this.#plannedLength -= own;
      count++;
    }
    const planned = this.#planned.splice(0, count).map(({ alert }) => alert);
    this.#publish(this.#publishAlerts(planned), { planned, notTaken: [] });
  }

  /**
   * In the workflow task at hand where that works: an activity of its own costs another task and a way through the
   * server. Where it fails or is slow, as one that is tried until it works.
   */
  async #publishAlerts(planned: readonly PlannedAlert[]): Promise<void> {
    const withEffects = planned.filter(({ effects }) => effects.length > 0);
    const args: Parameters<typeof publishAlerts> = [planned.map(({ alert }) => alert)];
    if (withEffects.length > 0) {
      args.push(Object.fromEntries(withEffects.map(({ alert, effects }) => [alert.id, effects])));
      args.push(this.#sources.channels());
    }
    const { sparesTasks = true } = this.#input.settings;
    if (sparesTasks && Date.now() >= this.#localAgainAt) {
      try {
        await local.publishAlerts(...args);
        return;
      } catch (error) {
        this.#localAgainAt = Date.now() + LOCAL_AGAIN_MS;
        log.warn('alerts not published at once', {
          reason: messageOf((error as Error).cause ?? error),
        });
      }
    }
    await publishAlerts(...args);
  }

  #publish(activity: Promise<unknown>, untold: Untold): void {
    const done: Promise<unknown> = activity.finally(() => this.#publishing.delete(done));
    this.#publishing.set(done, untold);
  }

  #ref(): SessionRef {
    const { journey, key } = this.#input;
    return { journey, key };
  }

  // ---- time

  /** W2. */
  #armTimer(): void {
    const wanted = this.#wantedTimer();
    if (wanted === null) return;
    if (this.#timer) {
      if (this.#timer.firesAt <= wanted.firesAt) return;
      this.#timer.scope.cancel();
    }
    const scope = new CancellationScope();
    const timer = { firesAt: wanted.firesAt, scope };
    this.#timer = timer;
    const delayMs = Math.max(1, Math.ceil(wanted.firesAt - Date.now()));
    scope
      .run(() => sleep(delayMs, { summary: wanted.summary }))
      .then(
        () => {
          if (this.#timer !== timer) return;
          this.#timer = null;
          this.#timerFired = true;
        },
        () => {
          // Cancelled for a nearer deadline.
        },
      );
  }

  #wantedTimer(): { firesAt: Timestamp; summary: string } | null {
    if (this.#operations.paused !== null) return null;
    // While a question is open its answer decides what to wait for.
    if (this.#isReading || this.#timerFired || this.#sources.unfinished().length === 0) return null;
    const deadline = this.#session.wakesAt;
    const now = Date.now();
    if (deadline === null) {
      if (!this.#session.isIdle || this.#sources.canForget) return null;
      const idleMs = Math.min(REREAD_MAX_MS, IDLE_MS * 2 ** this.#idleReads);
      return { firesAt: now + idleMs, summary: 'idle: are the offsets committed?' };
    }
    const due = this.#session.rulesDueAt(deadline).join(', ');
    const summary = `until ${readableTimestamp(deadline)}: ${due}`.slice(0, SUMMARY_LENGTH_MAX);
    const firesAt = this.#firesAt(deadline);
    if (firesAt > now) return { firesAt, summary };
    // The deadline has passed on the clock, but not in event time: the stream is historic or behind.
    const behind = Math.min(
      REREAD_MAX_MS,
      Math.max(REREAD_MIN_MS, deadline - this.#sources.watermark),
    );
    return { firesAt: now + behind * (1 + Math.random() / 10), summary };
  }

  /** When a watermark at the deadline should be there. */
  #firesAt(deadline: Timestamp): Timestamp {
    const { outOfOrdernessMs, publicationIntervalMs, patienceMs = 0 } = this.#input.settings;
    return deadline + outOfOrdernessMs + publicationIntervalMs + patienceMs;
  }

  /** Whether the timer fired for what is due still: what it was set for may have moved on meanwhile. */
  get #isDue(): boolean {
    const { wakesAt } = this.#session;
    if (!this.#timerFired) return false;
    return wakesAt === null ? !this.#sources.canForget : this.#firesAt(wakesAt) <= Date.now();
  }

  /** Nothing is open any more, and nobody has asked yet whether what it took is committed. */
  get #isAboutToEnd(): boolean {
    return (
      (this.#input.settings.sparesTasks ?? true) &&
      this.#idleReads === 0 &&
      this.#operations.paused === null &&
      !this.#isReading &&
      this.#inbox.length === 0 &&
      this.#session.isIdle &&
      !this.#sources.canForget
    );
  }

  /** Asks how far the ingestors of the partitions are; what the session waits for is worth a moment. */
  #readProgress(): void {
    this.#isReading = true;
    const { isIdle, wakesAt } = this.#session;
    if (isIdle) this.#idleReads++;
    const questions = this.#sources.unfinished().map(({ source, partition, origin, highest }) => ({
      ...{ source, partition },
      ...(origin ? { origin } : {}),
      ...(wakesAt === null ? {} : { watermark: wakesAt }),
      ...(isIdle ? { lowWater: highest + 1 } : {}),
    }));
    const names = questions.map(({ source, partition }) => `${source}/${partition}`);
    const { readProgress } = proxyActivities<SessionActivities>({
      startToCloseTimeout: '10 seconds',
      retry: RETRY,
      summary: `watermark of ${names.join(', ')}`.slice(0, SUMMARY_LENGTH_MAX),
    });
    const { journey } = this.#input;
    const asked = this.#inForce ? readProgress(questions, journey) : readProgress(questions);
    asked
      .then((answers) => {
        answers.forEach((progress, i) => {
          if (progress) this.#read.push([questions[i] as ReadPartition, progress]);
        });
      })
      .catch((error) => log.warn('watermark not read', { reason: messageOf(error) }))
      .finally(() => {
        this.#isReading = false;
        this.#readingEnded = true;
      });
  }

  #applyReadings(): void {
    if (this.#read.length === 0) return;
    for (const [partition, progress] of this.#read.splice(0)) {
      this.#sources.promise(partition, progress);
    }
    this.#advance();
    this.#isHeldUp = false;
  }

  // ---- the end of a run

  /** W4. */
  #isOver(): boolean {
    const isPaused = this.#operations.paused !== null;
    return (
      !isPaused &&
      this.#inbox.length === 0 &&
      this.#handedOver.all.length === 0 &&
      this.#session.isIdle &&
      this.#sources.canForget
    );
  }

  #isRunFull(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return (
      continueAsNewSuggested ||
      historyLength >= HISTORY_PER_RUN ||
      this.#signals >= SIGNALS_PER_RUN ||
      this.#next.isDue
    );
  }

  /** W6. */
  #isTimeToEnd(): boolean {
    const hasSignals = this.#signals > this.#signalsSeen;
    this.#signalsSeen = this.#signals;
    if (hasSignals) {
      this.#signalSeenAt = Date.now();
      this.#isHeldUp = false;
    }
    const isBetween = !this.#expectsMore || Date.now() - this.#signalSeenAt > NO_SIGNAL_MS;
    if (this.#isHeldUp || !(isBetween || this.#next.isDue) || !this.#isRunFull()) return false;
    // What activities are about to tell is told by the next run only where there is no other way.
    return this.#publishing.size === 0 || this.#isHistoryFull;
  }

  /**
   * What the next run gets; null while some of it has to go elsewhere first: signals to the rules, alerts to
   * activities, and what waits for the watermark into matches.
   */
  #carried(): SessionSnapshot | null {
    const carried = this.#snapshot();
    const bytes = jsonBytes(carried);
    if (bytes <= CARRIED_MAX) return carried;
    if (this.#inbox.length > 0 || !this.#isQuiet) return null;
    const { waiting } = this.#session;
    if (waiting.length > 0) {
      if (this.#isHistoryFull) this.#refuse(this.#session.refuseWaiting());
      return null;
    }
    const rest = bytes - jsonBytes(carried.rules);
    const alerts = this.#session.shrink(CARRIED_MAX - rest);
    this.#found(alerts);
    return alerts.length > 0 ? null : this.#snapshot();
  }

  /** The server is about to end the run. */
  get #isHistoryFull(): boolean {
    const { historyLength, historySize } = workflowInfo();
    return historyLength >= HISTORY_MAX || historySize >= HISTORY_BYTES_MAX;
  }

  #snapshot(): SessionSnapshot {
    const untold = [...this.#publishing.values()];
    return {
      format: SNAPSHOT_FORMAT,
      rules: this.#session.snapshot(),
      sources: this.#sources.snapshot(),
      counts: this.#counts,
      since: this.#since,
      inbox: this.#inbox,
      // What was under way goes too: the ledger knows what of it is done.
      planned: [...untold.flatMap(({ planned }) => planned), ...this.#planned.map((p) => p.alert)],
      notTaken: [...untold.flatMap(({ notTaken }) => notTaken), ...this.#notTaken],
      operations: this.#operations.snapshot(),
      ...(this.#inForce && { inForce: this.#inForce }),
      ...(this.#handedOver.all.length > 0 && { handedOver: this.#handedOver.all }),
    };
  }

  #continueAsNew(carried: SessionSnapshot): Promise<never> {
    this.#tellDropped(this.#session.view(0));
    const { journey, key, settings } = this.#input;
    return continueOnCurrentVersion<(input: SessionInput) => Promise<SessionResult>>({
      journey,
      key,
      settings,
      carried,
    });
  }

  #result(): SessionResult {
    const rules = this.#session.view(0).map(({ rule, counts }) => [rule, counts]);
    const { closed } = this.#operations;
    return { counts: this.#counts, rules: Object.fromEntries(rules), ...(closed && { closed }) };
  }

  // ---- for people

  #state(openMax: number, named = false): SessionState {
    return {
      ...this.#ref(),
      watermark: this.#session.watermark,
      nextDeadline: this.#session.nextDeadline,
      rules: this.#session.view(openMax, { named }),
      sources: this.#sources.snapshot(),
      counts: this.#counts,
      publishing: this.#publishing.size + this.#planned.length + this.#notTaken.length,
      paused: this.#operations.paused,
      ...(this.#inForce && { revision: this.#inForce.revision }),
      ...(this.#handedOver.all.length > 0 && {
        handedOver: this.#handedOver.all.map(({ rule }) => rule),
      }),
    };
  }

  #showDetails(): void {
    const state = this.#state(OPEN_MATCHES_SHOWN);
    setCurrentDetails(detailsOf(state));
    this.#tellDropped(state.rules);
  }

  #showAttributes(): void {
    // It ends within moments, unless the answer to its question is no.
    if (this.#session.isIdle && this.#isReading && this.#idleReads === 1) return;
    const isPaused = this.#operations.paused !== null;
    const { typedSearchAttributes } = workflowInfo();
    const changed = changedAttributes(this.#session, isPaused, typedSearchAttributes);
    if (changed.length > 0) upsertSearchAttributes(changed);
  }

  #tellDropped(rules: readonly RuleView[]): void {
    for (const { rule, counts } of rules) {
      const news = counts.dropped - (this.#toldDropped.get(rule) ?? 0);
      if (news === 0) continue;
      this.#toldDropped.set(rule, counts.dropped);
      told.dropped(this.#input.journey, rule, news);
    }
  }
}
