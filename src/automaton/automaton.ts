// The automaton at work: one step for an event, one for the passing of time.
//
// A partial match stands in a state, and the state says what becomes of it (decision.ts): each event that is
// taken or passed over gives a new partial match, and where nothing fits the match dies without a word.
// After SASE+ (Agrawal et al., 2008) in the form that Flink CEP 1.20 gave it; where the two differ, Flink's
// way is kept.
//
//   A1. One automaton serves any number of keys: all that lasts is in the NFAState that it is given.
//   A2. The start state is always among the partial matches, and never dies or ignores.
//   A3. Under a skip strategy partial matches lie in Flink's heaps, because the array's order decides which
//       of several matches of one start survives. Under NO_SKIP they are listed by start.
//   A4. What is found in one step comes out by start event, and matches come before timeouts.
//   A5. Where neither a condition nor a limit between neighbours nor a skip strategy can tell partial matches
//       of one state apart, there is one for each state, whose list forks: the time for an event depends on
//       the states and on what comes out, not on how many partial matches are open.

import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import { type Outcome, outcomeOf } from './decision.js';
import { Evaluation } from './evaluation.js';
import { Found } from './match.js';
import type { NFA } from './nfa.js';
import { compareByStart, PartialMatch } from './partial-match.js';
import { PriorityQueue } from './priority-queue.js';
import { pruningBy } from './skip.js';
import type { State } from './state.js';
import { type Branches, Fork, forget, isLive, type Path, pathsOf, Taken } from './taken.js';

// A look-up of a global is dear in the workflow sandbox.
const { min } = Math;
const FOR_EVER = Number.POSITIVE_INFINITY;
/** Under NO_SKIP none is held back. */
const NONE: PartialMatch[] = [];

/** Everything about the matches of one key that changes from event to event. */
export interface NFAState {
  /**
   * The open partial matches and the start state. Under a skip strategy the array of a heap; under NO_SKIP
   * oldest start first, but for those that fork, and the start state last.
   */
  partialMatches: PartialMatch[];
  /** Finished matches that a skip strategy holds back while an earlier partial match is alive: a heap's array. */
  readonly completedMatches: PartialMatch[];
  /** How many events were processed. */
  sequence: number;
  /** No partial match ends before this time. */
  earliestDeadline: Timestamp;
  /** Partial matches that began at or before this time are over. */
  horizon: Timestamp;
}

export class Automaton {
  readonly nfa: NFA;
  readonly evaluation: Evaluation;
  readonly #start: PartialMatch;
  readonly #holdsBack: boolean;
  /** Of the step under way: the partial matches after it. Used again for each step. */
  readonly #open: PartialMatch[] = [];
  #openCount = 0;
  readonly #finished: PartialMatch[] = [];

  constructor(nfa: NFA) {
    this.nfa = nfa;
    this.evaluation = new Evaluation(nfa.conditions, nfa.MatchView);
    this.#start = new PartialMatch(nfa.start, null);
    this.#holdsBack = nfa.afterMatchSkip.type !== 'NO_SKIP';
  }

  /** The state before the first event: the start state alone. */
  initialState(): NFAState {
    return {
      partialMatches: [this.#start],
      completedMatches: this.#holdsBack ? [] : NONE,
      sequence: 0,
      earliestDeadline: MAX_TIMESTAMP,
      horizon: MIN_TIMESTAMP,
    };
  }

  /** Whether an event can begin a match. */
  canBegin(event: CepEvent): boolean {
    this.evaluation.about(event);
    this.evaluation.within(null);
    return !outcomeOf(this.nfa.start, this.evaluation).keeps;
  }

  // ---- events

  /**
   * Takes one event, which time must have reached.
   *
   * @param output - where finished matches go
   * @returns whether the event began a match
   * @throws CepError `NOT_BEFORE_FIRST_EVENT`, `SKIP_MISSED`; the state is of no further use then
   */
  processEvent(state: NFAState, event: CepEvent, output: Found[]): boolean {
    const { evaluation } = this;
    const { partialMatches } = state;
    const sequence = state.sequence++;
    evaluation.about(event);
    let isChanged = false;
    let begun = false;
    for (let i = 0; i < partialMatches.length; i++) {
      const match = partialMatches[i] as PartialMatch;
      evaluation.within(match.last);
      const outcome = outcomeOf(match.state, evaluation);
      if (outcome.keeps) {
        if (isChanged) this.#keep(match);
        continue;
      }
      if (!isChanged) {
        isChanged = true;
        this.#keepFirst(partialMatches, i);
      }
      if (match.last !== null) {
        this.#follow(state, match, outcome, event, sequence);
        continue;
      }
      if (outcome.stops) throw stoppedBeforeFirstEvent(this.nfa, event);
      begun = true;
      this.#follow(state, match, outcome, event, sequence);
      this.#keep(match);
    }
    if (!isChanged) return false;
    this.#settle(partialMatches);
    // Where a partial match has ended, one that it held back may go.
    if (this.#finished.length > 0 || state.completedMatches.length > 0) {
      this.#finish(state, this.#finished, output);
      this.#finished.length = 0;
    }
    return begun;
  }

  /** Offered one by one to an empty heap, the first ones of a heap's array stay where they are. */
  #keepFirst(matches: readonly PartialMatch[], count: number): void {
    for (let i = 0; i < count; i++) this.#open[i] = matches[i] as PartialMatch;
    this.#openCount = count;
  }

  #follow(
    state: NFAState,
    match: PartialMatch,
    { steps }: Outcome,
    event: CepEvent,
    sequence: number,
  ): void {
    const { last } = match;
    // The match itself goes on as the first of what it becomes: most become one.
    let mine = last === null ? null : match;
    for (let i = 0; i < steps.length; i++) {
      const { stage, states } = steps[i] as Outcome['steps'][number];
      const end = stage < 0 ? last : new Taken(stage, event, sequence, last);
      for (let k = 0; k < states.length; k++) {
        const entered = states[k] as State;
        const next = mine ?? new PartialMatch(entered, end);
        if (mine !== null) {
          mine.state = entered;
          mine.last = end;
          mine = null;
        }
        if (entered.type === 'FINAL') {
          this.#finished.push(next);
          continue;
        }
        // A match that goes on has the deadline that it had, unless a limit between neighbours is new.
        if (last === null || entered.gapMs !== null) {
          const deadline = deadlineOf(this.nfa, next);
          if (deadline < state.earliestDeadline) state.earliestDeadline = deadline;
        }
        this.#keep(next);
      }
    }
  }

  #keep(match: PartialMatch): void {
    if (this.nfa.forks && match.last !== null) {
      for (let i = 0; i < this.#openCount; i++) {
        const same = this.#open[i] as PartialMatch;
        if (same.state !== match.state) continue;
        same.last = Fork.of(same.last as Branches, match.last);
        return;
      }
    }
    this.#open[this.#openCount++] = match;
  }

  /** Makes what was kept the partial matches, in the array that they are in already. */
  #settle(matches: PartialMatch[]): void {
    const count = this.#openCount;
    if (this.#holdsBack) {
      matches.length = 0;
      const heap = queueByStart(matches);
      for (let i = 0; i < count; i++) heap.offer(this.#open[i] as PartialMatch);
      return;
    }
    for (let i = 0; i < count; i++) matches[i] = this.#open[i] as PartialMatch;
    while (matches.length > count) matches.pop();
  }

  // ---- time

  /**
   * Lets time pass: ends the partial matches whose window is over at `now`.
   *
   * @param output - where matches that had only to wait go, and then timeouts
   * @throws CepError `SKIP_MISSED`; the state is of no further use then
   */
  advanceTime(state: NFAState, now: Timestamp, output: Found[]): void {
    if (now < state.earliestDeadline) return;
    if (this.nfa.forks) this.#endForked(state, now, output);
    else this.#end(state, now, output);
    state.earliestDeadline = earliestDeadline(this.nfa, state);
  }

  #end(state: NFAState, now: Timestamp, output: Found[]): void {
    const open: PartialMatch[] = [];
    const waited: PartialMatch[] = [];
    const timeouts: Found[] = [];
    for (const match of state.partialMatches) {
      const at = reportedDeadline(this.nfa, match, now);
      if (at === null) open.push(match);
      else if (match.state.type === 'PENDING') waited.push(match);
      else timeouts.push(new Found('timeout', at, match.last as Taken, this.nfa.stageNames));
    }
    state.partialMatches = this.#holdsBack ? heapOf(open) : open;
    this.#finish(state, waited, output);
    for (const timeout of timeouts) output.push(timeout);
  }

  #endForked(state: NFAState, now: Timestamp, output: Found[]): void {
    const { windowMs, stageNames } = this.nfa;
    // The end of time ends no match that has no window.
    if (windowMs === null) return;
    const { partialMatches, horizon: before } = state;
    const horizon = min(now, MAX_TIMESTAMP - 1) - windowMs;
    const matches: Begun[] = [];
    const timeouts: Begun[] = [];
    let left = 0;
    for (const match of partialMatches) {
      const { last } = match;
      const { type } = match.state;
      if (last !== null && last.origin.event.timestamp <= horizon) {
        const type_ = type === 'PENDING' ? 'match' : 'timeout';
        const into = type === 'PENDING' ? matches : timeouts;
        begunBetween(last, before, horizon, (first, _, list) => {
          const at = first.event.timestamp + windowMs;
          into.push({ sequence: first.sequence, found: new Found(type_, at, list, stageNames) });
        });
        if (!isLive(last, horizon)) continue;
      }
      partialMatches[left++] = match;
    }
    partialMatches.length = left;
    // All must be told before the first is forgotten: their lists have nodes in common.
    for (const { last } of partialMatches) if (last !== null) forget(last, horizon);
    state.horizon = horizon;
    emit(matches, output);
    emit(timeouts, output);
  }

  // ---- what comes out

  #finish(state: NFAState, finished: readonly PartialMatch[], output: Found[]): void {
    if (this.#holdsBack) this.#release(state, finished, output);
    else if (this.nfa.forks) this.#emitForked(state, finished, output);
    else for (const match of finished) output.push(this.#matchOf(match));
  }

  #emitForked(state: NFAState, finished: readonly PartialMatch[], output: Found[]): void {
    const { stageNames } = this.nfa;
    const [match, ...more] = finished;
    if (match?.last instanceof Taken && match.last.origin instanceof Taken && more.length === 0) {
      output.push(new Found('match', match.last.event.timestamp, match.last, stageNames));
      return;
    }
    const found: Begun[] = [];
    for (const { last } of finished) {
      begunBetween(last as Branches, state.horizon, FOR_EVER, ({ sequence }, { event }, list) => {
        found.push({ sequence, found: new Found('match', event.timestamp, list, stageNames) });
      });
    }
    emit(found, output);
  }

  /**
   * Adds newly finished matches to those held back, and releases what no earlier partial match holds back
   * any longer. Each release discards what the skip strategy says, from both queues.
   */
  #release(state: NFAState, finished: readonly PartialMatch[], output: Found[]): void {
    const { afterMatchSkip, stageNames } = this.nfa;
    const open = queueByStart(state.partialMatches);
    const completed = queueByStart(state.completedMatches);
    for (const match of heapOf(finished)) completed.offer(match);
    for (let match = completed.peek(); match; match = completed.peek()) {
      const earliest = open.peek();
      if (earliest && compareByStart(match, earliest) > 0) break;
      completed.poll();
      const prune = pruningBy(afterMatchSkip, match.last as Taken, stageNames);
      if (prune) {
        const discard = ({ last }: PartialMatch) => last !== null && prune(last.origin as Taken);
        open.removeIf(discard);
        completed.removeIf(discard);
      }
      output.push(this.#matchOf(match));
    }
  }

  #matchOf(match: PartialMatch): Found {
    const last = match.last as Taken;
    // Finished by its deadline, if it waited for that.
    const at = match.state.type === 'PENDING' ? deadlineOf(this.nfa, match) : last.event.timestamp;
    return new Found('match', at, last, this.nfa.stageNames);
  }
}

function queueByStart(items: PartialMatch[]): PriorityQueue<PartialMatch> {
  return new PriorityQueue(compareByStart, items);
}

function heapOf(matches: readonly PartialMatch[]): PartialMatch[] {
  const heap = queueByStart([]);
  for (const match of matches) heap.offer(match);
  return heap.items;
}

// ---- deadlines

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

// ---- lists that fork

/** Something found, with the number of its first event. */
interface Begun {
  readonly sequence: number;
  readonly found: Found;
}

/** The lists that begin after one time and not after another. */
function begunBetween(
  end: Branches,
  after: Timestamp,
  through: Timestamp,
  visit: (first: Taken, last: Taken, list: Taken | Path) => void,
): void {
  const { origin } = end;
  if (end instanceof Taken && origin instanceof Taken) visit(origin, end, end);
  else for (const { path, last } of pathsOf(end, after, through)) visit(path.taken, last, path);
}

/** A4. */
function emit(begun: Begun[], output: Found[]): void {
  if (begun.length > 1) begun.sort((a, b) => a.sequence - b.sequence);
  for (const { found } of begun) output.push(found);
}

function stoppedBeforeFirstEvent({ stageNames }: NFA, event: CepEvent): CepError {
  return new CepError(
    'NOT_BEFORE_FIRST_EVENT',
    `a NOT stage was hit before the pattern had taken any event, which Flink CEP cannot process: make the first stage (${stageNames[0]}) mandatory`,
    { details: { timestamp: event.timestamp, event } },
  );
}
