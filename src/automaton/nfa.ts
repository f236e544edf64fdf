// The automaton: one step for an event, one for the passing of time.
//
// A partial match stands in a state, and the state says what becomes of it (decision.ts): each event that is
// taken or passed over gives a new partial match, and where nothing fits the match dies without a word.
// After SASE+ (Agrawal et al., 2008) in the form that Flink CEP 1.20 gave it; where the two differ, Flink's
// way is kept.
//
//   N1. The compiled NFA never changes but for what its states remember; all else is in NFAState.
//   N2. The start state is always among the partial matches, and never dies or ignores.
//   N3. Under a skip strategy partial matches lie in Flink's heaps, because the array's order decides which
//       of several matches of one start survives. Under NO_SKIP they are listed by start.
//   N4. What is found in one step comes out by start event, and matches come before timeouts.
//   N5. Where neither a condition nor a limit between neighbours nor a skip strategy can tell partial matches
//       of one state apart, there is one for each state, whose list forks: the time for an event depends on
//       the states and on what comes out, not on how many partial matches are open.

import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import type { Condition, MatchSoFar } from '../pattern/condition.js';
import { MAX_TIMESTAMP, type Millis, type Timestamp } from '../time.js';
import { type Outcome, outcomeOf } from './decision.js';
import type { Evaluation } from './evaluation.js';
import { Found } from './match.js';
import { type NFAState, queueByStart } from './nfa-state.js';
import { compareByStart, PartialMatch } from './partial-match.js';
import type { PriorityQueue } from './priority-queue.js';
import { pruningBy } from './skip.js';
import type { State } from './state.js';
import { type Branches, Fork, forget, isLive, pathsOf, Taken } from './taken.js';

// A look-up of a global is dear in the workflow sandbox.
const { min } = Math;

/** A compiled pattern. */
export interface NFA {
  readonly states: readonly State[];
  readonly start: State;
  /**
   * The stages' names as matches show them (what stands before a first colon), each once, in pattern order;
   * NOT stages and members of groups are among them.
   */
  readonly stageNames: readonly string[];
  readonly conditions: readonly Condition[];
  /** Class of the objects that show conditions the match so far. */
  readonly MatchView: new (
    last: Taken | null,
  ) => MatchSoFar;
  /** Length of the window over the whole match; null for none. */
  readonly windowMs: Millis | null;
  /** Whether N5 holds. */
  readonly forks: boolean;
  readonly afterMatchSkip: AfterMatchSkipStrategy;
  /** Changes when the states do: a snapshot fits only the automaton it was made with. */
  readonly fingerprint: string;
}

// ---- events

/**
 * Takes one event. `evaluation` must already be about it, and time must have reached it.
 *
 * @param output - where finished matches go
 * @returns whether the event began a match
 * @throws CepError `NOT_BEFORE_FIRST_EVENT`, `SKIP_MISSED`
 */
export function processEvent(
  nfa: NFA,
  state: NFAState,
  event: CepEvent,
  evaluation: Evaluation,
  output: Found[],
): boolean {
  const { partialMatches } = state;
  const step = new EventStep(nfa, state, event);
  let begun = false;
  let isChanged = false;
  for (let i = 0; i < partialMatches.length; i++) {
    const match = partialMatches[i] as PartialMatch;
    evaluation.within(match.last);
    const outcome = outcomeOf(match.state, evaluation);
    if (outcome.keeps) {
      if (isChanged) step.keep(match);
      continue;
    }
    if (!isChanged) {
      isChanged = true;
      // Offered one by one to an empty heap, the first ones of a heap's array stay where they are.
      for (let k = 0; k < i; k++) step.open.push(partialMatches[k] as PartialMatch);
    }
    if (match.last === null) {
      if (outcome.stops) throw stoppedBeforeFirstEvent(nfa, event);
      begun = true;
    }
    step.follow(match, outcome);
    if (match.last === null) step.keep(match);
  }
  if (!isChanged) return false;
  state.partialMatches = step.open;
  finish(nfa, state, step.finished, output);
  return begun;
}

/** What becomes of the partial matches by one event. */
class EventStep {
  readonly open: PartialMatch[] = [];
  readonly finished: PartialMatch[] = [];
  readonly #nfa: NFA;
  readonly #state: NFAState;
  readonly #event: CepEvent;
  readonly #sequence: number;
  readonly #heap: PriorityQueue<PartialMatch> | null;

  constructor(nfa: NFA, state: NFAState, event: CepEvent) {
    this.#nfa = nfa;
    this.#state = state;
    this.#event = event;
    this.#sequence = state.sequence++;
    this.#heap = holdsBack(nfa) ? queueByStart(this.open) : null;
  }

  follow({ last }: PartialMatch, { steps }: Outcome): void {
    for (const { stage, states } of steps) {
      const end = stage < 0 ? last : new Taken(stage, this.#event, this.#sequence, last);
      for (const each of states) this.#enter(new PartialMatch(each, end));
    }
  }

  #enter(match: PartialMatch): void {
    if (match.state.type === 'FINAL') {
      this.finished.push(match);
      return;
    }
    const deadline = deadlineOf(this.#nfa, match);
    if (deadline < this.#state.earliestDeadline) this.#state.earliestDeadline = deadline;
    this.keep(match);
  }

  keep(match: PartialMatch): void {
    if (this.#heap !== null) {
      this.#heap.offer(match);
      return;
    }
    const same = this.#nfa.forks && match.last !== null ? this.#openIn(match.state) : undefined;
    if (same === undefined) this.open.push(match);
    else same.last = Fork.of(same.last as Branches, match.last as Branches);
  }

  #openIn(state: State): PartialMatch | undefined {
    // A loop, because a pattern has few states and this is asked for each of them at each event.
    for (const match of this.open) if (match.state === state) return match;
    return undefined;
  }
}

/** Whether the event that `evaluation` is about can begin a match. */
export function canBegin(nfa: NFA, evaluation: Evaluation): boolean {
  evaluation.within(null);
  return !outcomeOf(nfa.start, evaluation).keeps;
}

// ---- time

/**
 * Lets time pass: ends the partial matches whose window is over at `now`.
 *
 * @param output - where matches that had only to wait go, and then timeouts
 * @throws CepError `SKIP_MISSED`
 */
export function advanceTime(nfa: NFA, state: NFAState, now: Timestamp, output: Found[]): void {
  if (now < state.earliestDeadline) return;
  const open: PartialMatch[] = [];
  const waited: PartialMatch[] = [];
  const over: PartialMatch[] = [];
  for (const match of state.partialMatches) {
    if (reportedDeadline(nfa, match, now) === null) open.push(match);
    else (match.state.type === 'PENDING' ? waited : over).push(match);
  }
  // The end of time ends no match that has no window.
  if (over.length + waited.length === 0) return;
  if (!nfa.forks) {
    state.partialMatches = holdsBack(nfa) ? heapOf(open) : open;
    const timeouts = over.map((match) => {
      const at = reportedDeadline(nfa, match, now) as Timestamp;
      return new Found('timeout', at, match.last as Taken, nfa.stageNames);
    });
    finish(nfa, state, waited, output);
    output.push(...timeouts);
  } else {
    const before = state.horizon;
    state.horizon = min(now, MAX_TIMESTAMP - 1) - (nfa.windowMs as Millis);
    const at = ({ event }: Taken) => event.timestamp + (nfa.windowMs as Millis);
    output.push(...foundOf('match', nfa, waited, at, before, state.horizon));
    output.push(...foundOf('timeout', nfa, over, at, before, state.horizon));
    // All must be told before the first is forgotten: their lists have nodes in common.
    const left = state.partialMatches.filter(
      ({ last }) => last === null || isLive(last, state.horizon),
    );
    for (const { last } of left) if (last !== null) forget(last, state.horizon);
    state.partialMatches = left;
  }
  state.earliestDeadline = earliestDeadline(nfa, state);
}

function heapOf(matches: readonly PartialMatch[]): PartialMatch[] {
  const heap = queueByStart();
  for (const match of matches) heap.offer(match);
  return heap.items;
}

/** The earliest time at which a partial match ends; MAX_TIMESTAMP for never. */
export function earliestDeadline(nfa: NFA, { partialMatches }: NFAState): Timestamp {
  let earliest: Timestamp = MAX_TIMESTAMP;
  for (const match of partialMatches) earliest = min(earliest, deadlineOf(nfa, match));
  return earliest;
}

/** When a partial match, or the first of several, ends at the latest; MAX_TIMESTAMP for never. */
function deadlineOf(nfa: NFA, { state, last }: PartialMatch): Timestamp {
  return last === null ? MAX_TIMESTAMP : endOf(nfa, state, last.origin.event, last.event);
}

/** When a match that stands in a state ends at the latest, by its first and its last event. */
export function endOf(
  { windowMs }: NFA,
  { gapMs }: State,
  first: CepEvent,
  last: CepEvent,
): Timestamp {
  const whole = windowMs === null ? MAX_TIMESTAMP : first.timestamp + windowMs;
  return gapMs === null ? whole : min(last.timestamp + gapMs, whole);
}

/** The deadline that has passed, or null. Where both have, the limit between neighbours is reported. */
function reportedDeadline(
  { windowMs }: NFA,
  { state, last }: PartialMatch,
  now: Timestamp,
): Timestamp | null {
  if (last === null) return null;
  if (state.gapMs !== null) {
    const gap = last.event.timestamp + state.gapMs;
    if (gap <= now) return gap;
  }
  const whole = windowMs === null ? MAX_TIMESTAMP : last.origin.event.timestamp + windowMs;
  return whole <= now && whole < MAX_TIMESTAMP ? whole : null;
}

// ---- what comes out

function holdsBack({ afterMatchSkip }: NFA): boolean {
  return afterMatchSkip.type !== 'NO_SKIP';
}

function finish(nfa: NFA, state: NFAState, finished: PartialMatch[], output: Found[]): void {
  if (holdsBack(nfa)) {
    release(nfa, state, finished, output);
  } else if (nfa.forks) {
    const at = (_: Taken, { event }: Taken) => event.timestamp;
    output.push(...foundOf('match', nfa, finished, at, state.horizon, Number.POSITIVE_INFINITY));
  } else {
    for (const match of finished) output.push(matchOf(nfa, match));
  }
}

function matchOf(nfa: NFA, match: PartialMatch): Found {
  const last = match.last as Taken;
  // Finished by its deadline, if it waited for that.
  const at = match.state.type === 'PENDING' ? deadlineOf(nfa, match) : last.event.timestamp;
  return new Found('match', at, last, nfa.stageNames);
}

/** What partial matches that fork come to: those that began after one time and not after another, N4. */
function foundOf<Type extends 'match' | 'timeout'>(
  type: Type,
  { stageNames }: NFA,
  matches: readonly PartialMatch[],
  at: (first: Taken, last: Taken) => Timestamp,
  after: Timestamp,
  through: Timestamp,
): Found<Type>[] {
  const lists = matches.flatMap(({ last }) => pathsOf(last as Branches, after, through));
  if (lists.length > 1) lists.sort((a, b) => a.path.taken.sequence - b.path.taken.sequence);
  return lists.map(({ path, last }) => new Found(type, at(path.taken, last), path, stageNames));
}

/**
 * Adds newly finished matches to those held back, and releases what no earlier partial match holds back
 * any longer. Each release discards what the skip strategy says, from both queues.
 */
function release(nfa: NFA, state: NFAState, finished: PartialMatch[], output: Found[]): void {
  const { completedMatches } = state;
  const open = queueByStart(state.partialMatches);
  for (const match of heapOf(finished)) completedMatches.offer(match);
  for (let match = completedMatches.peek(); match; match = completedMatches.peek()) {
    const earliest = open.peek();
    if (earliest && compareByStart(match, earliest) > 0) break;
    completedMatches.poll();
    const prune = pruningBy(nfa.afterMatchSkip, match.last as Taken, nfa.stageNames);
    if (prune) {
      const discard = ({ last }: PartialMatch) => last !== null && prune(last.origin as Taken);
      open.removeIf(discard);
      completedMatches.removeIf(discard);
    }
    output.push(matchOf(nfa, match));
  }
}

function stoppedBeforeFirstEvent({ stageNames }: NFA, event: CepEvent): CepError {
  return new CepError(
    'NOT_BEFORE_FIRST_EVENT',
    `a NOT stage was hit before the pattern had taken any event, which Flink CEP cannot process: make the first stage (${stageNames[0]}) mandatory`,
    { details: { timestamp: event.timestamp, event } },
  );
}
