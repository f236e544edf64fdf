// CepOperator: the automaton of one key in event time, as Flink's CepOperator. Events wait in it until
// the watermark reaches them; then time advances to each timestamp, the events of that timestamp are
// processed in order of arrival, and time advances to the watermark.
//
//   O1. An event at or behind the watermark is late and changes nothing.
//   O2. The watermark never goes back.
//   O3. Between two calls everything is in the snapshot: an operator restored from it goes on alike.
//   O4. `nextDeadline` is the earliest time at which a watermark alone would change anything.
//   O5. After each event what is open is within its limits (limits.ts), and what was dropped for that is counted.

import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import {
  Automaton,
  countOpen,
  earliestCompletion,
  earliestDeadline,
  endOf,
  isEmpty,
  latestDeadline,
  type NFAState,
  openMatches,
} from './automaton.js';
import { limitsFrom, type SizeSnapshot, type StateLimits, StateSize } from './limits.js';
import { type EventsByStage, eventsByStage, type Found } from './match.js';
import type { NFA } from './nfa.js';
import { openMatchId } from './open-match-id.js';
import { compareByStart, type PartialMatch } from './partial-match.js';
import { type NFASnapshot, readState, writeState } from './snapshot.js';
import { alongPath, nodesBehind, pathsOf, type Taken } from './taken.js';

// A look-up of a global is dear in the workflow sandbox.
const { ceil, max, min } = Math;

/** No events are due, or no timers. */
const NONE: never[] = [];

/**
 * When time alone ends a match. `flink` sets the timers that Flink's operator sets, and so has its
 * holes: none for limits between neighbours, none for a match that starts at time 0. `complete` has
 * none. The default is `complete`.
 */
export type TimerMode = 'complete' | 'flink';

/** A finished match. */
export type Match = Pick<Found<'match'>, 'type' | 'events' | 'data' | 'at'>;
/** A partial match that outlived its window. */
export type Timeout = Pick<Found<'timeout'>, 'type' | 'events' | 'data' | 'at'>;
/** What one call brought forth, in order. */
export type OperatorOutput = Found[];

/** What is open in one partial match; for people and search attributes. */
export interface OpenMatch {
  /** Names it, until it takes another event; there where it was asked for. */
  readonly id?: string;
  /** The stage whose state the match stands in. */
  readonly stage: string;
  readonly events: EventsByStage;
  /** Null where no window limits it. */
  readonly deadline: Timestamp | null;
}

/**
 * Everything an operator knows, as JSON.
 *
 * @typeParam E - an event, or what stands for it in a snapshot that shares its events with others
 */
export interface OperatorSnapshot<E = CepEvent> {
  readonly watermark: Timestamp;
  readonly conditionErrors: number;
  readonly matches: NFASnapshot<E>;
  /** Partial matches that were dropped at a limit. */
  readonly dropped?: number;
  readonly size?: SizeSnapshot;
  /** Events that wait for the watermark, in time order. */
  readonly buffered: readonly E[];
  /** Due times; only under `flink`. */
  readonly timers: readonly Timestamp[];
}

export interface OperatorOptions {
  readonly timers?: TimerMode;
  /** Orders events of equal time; by arrival when absent. */
  readonly comparator?: (a: CepEvent, b: CepEvent) => number;
  /** How much may be open, and what gives then; DEFAULT_LIMITS where one is absent. */
  readonly limits?: Partial<StateLimits>;
  /** Told of each event that stages have taken, in order of processing. */
  readonly onTaken?: (event: CepEvent, stages: readonly string[]) => void;
}

export type { EventsByStage };

/** A1: one for all operators of a pattern. */
const automata = new WeakMap<NFA, Automaton>();

function automatonOf(nfa: NFA): Automaton {
  let automaton = automata.get(nfa);
  if (automaton === undefined) {
    automaton = new Automaton(nfa, { counts: true });
    automata.set(nfa, automaton);
  }
  return automaton;
}

export class CepOperator {
  readonly #nfa: NFA;
  readonly #options: OperatorOptions;
  readonly #automaton: Automaton;
  readonly #limits: StateLimits;
  readonly #size: StateSize;
  #state: NFAState;
  #watermark: Timestamp = MIN_TIMESTAMP;
  #buffered: CepEvent[] = [];
  #timers: Timestamp[] = [];
  #conditionErrors = 0;
  #dropped = 0;
  /** No more is open than this, where each partial match is one list. */
  #openAtMost = 0;

  /** @param snapshot - to go on from; a fresh state by default */
  constructor(nfa: NFA, options: OperatorOptions = {}, snapshot?: OperatorSnapshot) {
    this.#nfa = nfa;
    this.#options = options;
    this.#automaton = automatonOf(nfa);
    this.#limits = limitsFrom(options.limits);
    this.#size = new StateSize(this.#limits, snapshot?.size);
    this.#state = snapshot ? readState(nfa, snapshot.matches) : this.#automaton.initialState();
    if (!snapshot) return;
    this.#openAtMost = countOpen(this.#state);
    this.#watermark = snapshot.watermark;
    this.#conditionErrors = snapshot.conditionErrors;
    this.#dropped = snapshot.dropped ?? 0;
    this.#buffered = [...snapshot.buffered];
    this.#timers = [...snapshot.timers];
  }

  get watermark(): Timestamp {
    return this.#watermark;
  }

  /** How many conditions threw; each counted as false. */
  get conditionErrors(): number {
    return this.#conditionErrors;
  }

  /** How many partial matches were dropped at a limit. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether no more events can wait for the watermark. */
  get isFull(): boolean {
    return this.#buffered.length >= this.#limits.bufferedEvents;
  }

  /** Whether neither a partial match nor a buffered event is left. */
  get isIdle(): boolean {
    return this.#buffered.length === 0 && isEmpty(this.#state);
  }

  /**
   * Takes an event in. It is processed when the watermark reaches it.
   *
   * @returns false when it was not taken: the event is late (its time is at or behind the watermark), or the
   *   operator {@link isFull}
   */
  processElement(event: CepEvent): boolean {
    if (event.timestamp <= this.#watermark || this.isFull) return false;
    const buffered = this.#buffered;
    let at = buffered.length;
    while (at > 0 && (buffered[at - 1] as CepEvent).timestamp > event.timestamp) at--;
    if (at === buffered.length) buffered.push(event);
    else buffered.splice(at, 0, event);
    if (this.#options.timers === 'flink') this.#setTimer(event.timestamp);
    return true;
  }

  /**
   * Lets event time reach `watermark` where that changes nothing, which is found without a look at what is open.
   *
   * @returns whether it has
   */
  skipTo(watermark: Timestamp): boolean {
    if (this.#nextChange <= watermark) return false;
    this.#watermark = max(this.#watermark, watermark);
    return true;
  }

  /**
   * Where to stop on the way to `watermark`: at the next event or deadline, or earlier. Under `flink` nowhere, as in Flink.
   */
  nextStep(watermark: Timestamp): Timestamp {
    if (this.#options.timers === 'flink') return watermark;
    // Always on, even should a deadline ever lie behind.
    return max(this.#watermark + 1, min(this.#nextChange, watermark));
  }

  /** No watermark before this one changes anything. */
  get #nextChange(): Timestamp {
    if (this.#options.timers === 'flink') return this.#timers[0] ?? MAX_TIMESTAMP;
    return min(this.#buffered[0]?.timestamp ?? MAX_TIMESTAMP, this.#state.earliestDeadline);
  }

  /**
   * Lets event time reach `watermark`; one that is not ahead changes nothing.
   *
   * @param output - where the matches and timeouts go; pass one to keep what was found before a failure
   * @returns `output`
   * @throws CepError `NOT_BEFORE_FIRST_EVENT`, `UNTIL_LEADS_NOWHERE`, `SKIP_MISSED` where Flink's job fails,
   *   `STATE_LIMIT` where the limits say so. The operator is of no further use then; the events it had not come to
   *   are still among its buffered ones.
   */
  advanceWatermark(watermark: Timestamp, output: OperatorOutput = []): OperatorOutput {
    if (watermark <= this.#watermark) return output;
    this.#watermark = watermark;
    const flink = this.#options.timers === 'flink';
    if (flink && !((this.#timers[0] ?? MAX_TIMESTAMP + 1) <= watermark)) return output;
    this.#endTimers();

    let due = 0;
    while (
      due < this.#buffered.length &&
      (this.#buffered[due] as CepEvent).timestamp <= watermark
    ) {
      due++;
    }
    const events = due === 0 ? NONE : this.#buffered.splice(0, due);
    const { comparator } = this.#options;
    if (comparator && due > 1) events.sort((a, b) => a.timestamp - b.timestamp || comparator(a, b));
    // Once a match has begun, Flink sets a timer for every further event of the same firing.
    let begun = false;
    let processed = 0;
    const { evaluation } = this.#automaton;
    const { errors } = evaluation;
    try {
      for (const event of events) {
        const { timestamp } = event;
        if (timestamp !== events[processed - 1]?.timestamp) {
          this.#automaton.advanceTime(this.#state, timestamp, output);
        }
        processed++;
        const begins = this.#process(event, output);
        begun ||= begins && timestamp > 0;
        if (flink && begun && this.#nfa.windowMs !== null) {
          this.#setTimer(timestamp + this.#nfa.windowMs);
        }
      }
      this.#automaton.advanceTime(this.#state, watermark, output);
    } catch (error) {
      this.#buffered.unshift(...events.slice(processed));
      // The automaton goes on with other keys.
      this.#automaton.took.length = 0;
      throw error;
    } finally {
      this.#conditionErrors += evaluation.errors - errors;
    }
    // Those set meanwhile for a time that is over already have nothing left to do.
    this.#endTimers();
    return output;
  }

  /** Whether an event need not wait here for the watermark, once it has reached it: none waits, and no timer depends on it. */
  get takesAtOnce(): boolean {
    return this.#buffered.length === 0 && this.#options.timers !== 'flink';
  }

  /**
   * Lets event time reach an event ahead of it, which is processed: as to take it in and to advance to its time, for an operator
   * that {@link takesAtOnce}.
   *
   * @param output - where the matches and timeouts go
   * @throws CepError as `advanceWatermark` does
   */
  process(event: CepEvent, output: OperatorOutput): void {
    const { timestamp } = event;
    this.#watermark = timestamp;
    const { evaluation } = this.#automaton;
    const { errors } = evaluation;
    let isProcessed = false;
    try {
      this.#automaton.advanceTime(this.#state, timestamp, output);
      isProcessed = true;
      this.#process(event, output);
      this.#automaton.advanceTime(this.#state, timestamp, output);
    } catch (error) {
      if (!isProcessed) this.#buffered.push(event);
      // The automaton goes on with other keys.
      this.#automaton.took.length = 0;
      throw error;
    } finally {
      this.#conditionErrors += evaluation.errors - errors;
    }
  }

  #endTimers(): void {
    if (this.#timers.length === 0) return;
    this.#timers = this.#timers.filter((timer) => timer > this.#watermark);
  }

  /** @returns whether the event began a match */
  #process(event: CepEvent, output: OperatorOutput): boolean {
    const { steps, lists } = this.#automaton;
    const begins = this.#automaton.processEvent(this.#state, event, output);
    // Most events change nothing.
    if (this.#automaton.steps > steps) {
      this.#size.grow(event, this.#automaton.steps - steps, this.#automaton.lists - lists);
      this.#tell(event);
      this.#openAtMost += this.#automaton.steps - steps;
      this.#keepWithinLimits(output);
    }
    return begins;
  }

  #tell(event: CepEvent): void {
    const { took } = this.#automaton;
    if (took.length === 0) return;
    const { onTaken } = this.#options;
    if (onTaken)
      onTaken(
        event,
        took.map((stage) => this.#nfa.stageNames[stage] as string),
      );
    // To set its length is a call out of compiled code.
    while (took.length > 0) took.pop();
  }

  /** O5. */
  #keepWithinLimits(output: OperatorOutput): void {
    const { partialMatches, bytes } = this.#limits;
    // To count costs a look at each, but for the few that fork.
    if (this.#nfa.forks || this.#openAtMost > partialMatches) {
      this.#openAtMost = countOpen(this.#state);
    }
    const excess = this.#openAtMost - partialMatches;
    if (excess > 0) this.#drop(excess, `${partialMatches} partial matches`, output);
    if (!this.#size.isDue) return;
    while (!this.#size.measure(writeState(this.#nfa, this.#state))) {
      if (!this.shrink(1 / 16, `${bytes} bytes`, output)) return;
    }
  }

  /**
   * Drops a share of what is open, as the limits' policy says.
   *
   * @param share - between 0 and 1
   * @param limit - what was passed, in words
   * @param output - where finished matches go that only those dropped held back
   * @returns false when nothing is open
   * @throws CepError `STATE_LIMIT` where the policy is to fail, `SKIP_MISSED`; the operator is of no further use then
   */
  shrink(share: number, limit: string, output: OperatorOutput): boolean {
    const open = countOpen(this.#state);
    if (open > 0) this.#drop(ceil(open * share), limit, output);
    return open > 0;
  }

  #drop(count: number, limit: string, output: OperatorOutput): void {
    const { policy } = this.#limits;
    if (policy === 'fail') {
      throw new CepError(
        'STATE_LIMIT',
        `the limit of ${limit} for one key is passed: bound the pattern with within(), until() or a skip strategy, or raise the rule's limits`,
        { details: { limit, open: countOpen(this.#state) } },
      );
    }
    const which = policy === 'drop-oldest' ? 'oldest' : 'newest';
    this.#dropping(() => this.#automaton.drop(this.#state, count, which, output));
  }

  #setTimer(at: Timestamp): void {
    if (this.#timers.includes(at)) return;
    this.#timers.push(at);
    this.#timers.sort((a, b) => a - b);
  }

  /** O4; null when only an event can change anything. */
  get nextDeadline(): Timestamp | null {
    if (this.#options.timers === 'flink') return this.#timers[0] ?? null;
    const buffered = this.#buffered[0]?.timestamp ?? MAX_TIMESTAMP;
    const next = min(buffered, earliestDeadline(this.#nfa, this.#state));
    return next < MAX_TIMESTAMP ? next : null;
  }

  /**
   * The earliest time at which a watermark alone would bring something forth; null when only an event can. Windows that
   * just discard what is open do so with the next event too.
   *
   * @param timeouts - whether timeouts count
   */
  nextResult(timeouts: boolean): Timestamp | null {
    const isAny = timeouts || this.#state.completed.length > 0 || this.#options.timers === 'flink';
    if (isAny) return this.nextDeadline;
    const buffered = this.#buffered[0]?.timestamp ?? MAX_TIMESTAMP;
    const next = min(buffered, earliestCompletion(this.#nfa, this.#state));
    return next < MAX_TIMESTAMP ? next : null;
  }

  /** When the last of what is open ends; null where nothing ends by time. */
  get lastDeadline(): Timestamp | null {
    if (this.#options.timers === 'flink') return this.#timers.at(-1) ?? null;
    const latest = latestDeadline(this.#nfa, this.#state);
    return latest > MIN_TIMESTAMP ? latest : null;
  }

  /** The events that wait for the watermark, in time order. */
  get buffered(): readonly CepEvent[] {
    return this.#buffered;
  }

  /** How many partial matches have taken something. */
  get openCount(): number {
    return countOpen(this.#state) - this.#state.completed.length;
  }

  /** Names of the stages in whose states partial matches stand, in pattern order. */
  get openStages(): string[] {
    const stages = new Set<number>();
    for (const { state } of openMatches(this.#state)) stages.add(state.stage);
    const inOrder = [...stages].sort((a, b) => a - b);
    return inOrder.flatMap((stage) => this.#nfa.stageNames[stage] ?? []);
  }

  /**
   * The partial matches that have taken something, oldest first.
   *
   * @param max - greatest number to return; all by default. Of very many that stand in one state they are some of
   *   the oldest: to look at all takes too long
   * @param options.named - with their ids, for {@link drop}. Default false
   */
  openMatches(max = MAX_TIMESTAMP, { named = false } = {}): OpenMatch[] {
    const { stageNames } = this.#nfa;
    return this.#lists(max).map(({ match: { state }, taken }) => {
      const first = taken[0] as Taken;
      const last = taken[taken.length - 1] as Taken;
      const deadline = endOf(this.#nfa, state, first.event, last.event);
      return {
        ...(named && { id: openMatchId(state, taken) }),
        stage: stageNames[state.stage] ?? '',
        events: eventsByStage(taken, stageNames),
        deadline: deadline < MAX_TIMESTAMP ? deadline : null,
      };
    });
  }

  /** Each list of the partial matches, by its first event. */
  #lists(max: number): { match: PartialMatch; taken: Taken[] }[] {
    const standing = openMatches(this.#state).sort(compareByStart);
    const open = standing
      .slice(0, max)
      .flatMap((match) =>
        match.last === null
          ? []
          : pathsOf(match.last, MAX_TIMESTAMP, max).map(({ path }) => ({ match, path })),
      );
    return open
      .sort((a, b) => a.path.taken.sequence - b.path.taken.sequence)
      .slice(0, max)
      .map(({ match, path }) => ({ match, taken: alongPath(path) }));
  }

  /** Whether a partial match of this id is open. */
  has(id: string): boolean {
    return this.#find(id) !== null;
  }

  /**
   * Drops the partial match of an id, or all of them, without a timeout, and counts them as dropped. Finished matches
   * that only they held back come out.
   *
   * @param output - where those go
   * @returns how many were dropped
   * @throws CepError `SKIP_MISSED`; the operator is of no further use then
   */
  drop(id: string | null, output: OperatorOutput): number {
    const { dropped } = this;
    this.#dropping(() => {
      if (id === null) this.#automaton.dropAll(this.#state, output);
      else {
        const found = this.#find(id);
        if (found) this.#automaton.dropOne(this.#state, found.match, found.taken, output);
      }
    });
    return this.dropped - dropped;
  }

  /** Counts what is dropped, also where that fails. */
  #dropping(drop: () => void): void {
    const { dropped } = this.#automaton;
    try {
      drop();
    } finally {
      this.#dropped += this.#automaton.dropped - dropped;
    }
  }

  #find(id: string): { match: PartialMatch; taken: Taken[] } | null {
    const found = this.#lists(MAX_TIMESTAMP).find(
      ({ match: { state }, taken }) => openMatchId(state, taken) === id,
    );
    return found ?? null;
  }

  /** Gives up the events that wait for the watermark. @returns those */
  discardBuffered(): CepEvent[] {
    this.#timers = [];
    return this.#buffered.splice(0);
  }

  /** The events that are buffered or in a partial match, each once. */
  heldEvents(): Set<CepEvent> {
    const held = new Set(this.#buffered);
    const { completed } = this.#state;
    const ends = [...openMatches(this.#state), ...completed].flatMap(({ last }) => last ?? []);
    for (const { event } of nodesBehind(ends)) held.add(event);
    return held;
  }

  /** Everything, as JSON; see O3. */
  snapshot(): OperatorSnapshot {
    return {
      watermark: this.#watermark,
      conditionErrors: this.#conditionErrors,
      matches: writeState(this.#nfa, this.#state),
      dropped: this.#dropped,
      size: this.#size.snapshot(),
      buffered: [...this.#buffered],
      timers: [...this.#timers],
    };
  }
}
