// The automaton: one step for an event, one for the passing of time.
//
// A partial match stands in a state. An event is tried against the state's transitions and, through
// PROCEEDs whose guard holds, against those of further states; each TAKE and IGNORE found gives a new
// partial match, none found lets the match die without a word. After SASE+ (Agrawal et al., 2008) in
// the form that Flink CEP 1.20 gave it; where the two differ, Flink's way is kept.
//
//   N1. The compiled NFA never changes; all that does is in NFAState.
//   N2. The start state is always among the partial matches, and never dies or ignores.
//   N3. Transitions are found depth first: PROCEED targets wait on a stack until the present state's own
//       transitions are done. With the queues' array order this gives Flink's order of equal starts.
//   N4. Guards on the way to the end of the pattern see the match as it was before the event was taken.

import { CepError } from '../errors.js';
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import type { Condition, MatchSoFar } from '../pattern/condition.js';
import { MAX_TIMESTAMP, type Millis, type Timestamp } from '../time.js';
import {
  type ComputationState,
  compareByStart,
  type StoredEvent,
  type TakenEvent,
} from './computation-state.js';
import type { Evaluation } from './evaluation.js';
import { computationStates, type NFAState } from './nfa-state.js';
import type { PriorityQueue } from './priority-queue.js';
import { pruningBy } from './skip.js';
import type { State } from './state.js';

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
    last: TakenEvent | null,
  ) => MatchSoFar;
  /** Length of the window over the whole match; null for none. */
  readonly windowMs: Millis | null;
  /** Whether some state limits the step into it. */
  readonly hasGaps: boolean;
  readonly afterMatchSkip: AfterMatchSkipStrategy;
  /** Changes when the states do: a snapshot fits only the automaton it was made with. */
  readonly fingerprint: string;
}

/** A partial match that outlived its window. */
export interface TimedOut {
  readonly match: ComputationState;
  /** First event + window, or last event + gap: not the time at which it was noticed. */
  readonly at: Timestamp;
}

/** A match that is finished. */
export interface Finished {
  readonly match: ComputationState;
  /** Time of the last event, or of the deadline for a pattern that ends in notFollowedBy. */
  readonly at: Timestamp;
}

/**
 * Takes one event. `evaluation` must already be about it.
 *
 * @returns the matches to emit, in Flink's order, and whether the event began a match
 * @throws CepError `NOT_BEFORE_FIRST_EVENT`, `SKIP_MISSED`
 */
export function processEvent(
  nfa: NFA,
  state: NFAState,
  stored: StoredEvent,
  evaluation: Evaluation,
): { matches: Finished[]; begun: boolean } {
  const open = computationStates();
  const finished = computationStates();
  const results: ComputationState[] = [];
  let begun = false;
  for (const match of state.partialMatches.items) {
    results.length = 0;
    step(match, stored, evaluation, results);
    if (match.start === null && results.length > 1) begun = true;
    if (results.some((result) => result.state.type === 'STOP')) {
      if (match.start === null) throw stoppedBeforeFirstEvent(nfa, stored);
      for (const result of results) if (result.state.type === 'FINAL') finished.offer(result);
    } else {
      for (const result of results) {
        (result.state.type === 'FINAL' ? finished : open).offer(result);
      }
    }
  }
  const emitted = releaseFinished(
    nfa,
    state,
    finished,
    open,
    nfa.afterMatchSkip.type !== 'NO_SKIP',
  );
  state.partialMatches = open;
  return { matches: emitted.map((match) => ({ match, at: endOf(nfa, match) })), begun };
}

/**
 * Lets time pass: ends the partial matches whose window is over at `now`.
 *
 * @throws CepError `SKIP_MISSED`
 */
export function advanceTime(
  nfa: NFA,
  state: NFAState,
  now: Timestamp,
): { matches: Finished[]; timeouts: TimedOut[] } {
  const timeouts: TimedOut[] = [];
  const pending = computationStates();
  let open = state.partialMatches;
  if (open.items.some((match) => deadlineOf(nfa, match) <= now)) {
    open = computationStates();
    for (const match of state.partialMatches.items) {
      const deadline = reportedDeadline(nfa, match, now);
      if (deadline === null) open.offer(match);
      else if (match.state.type === 'PENDING') pending.offer(match);
      else timeouts.push({ match, at: deadline });
    }
  }
  const emitted = releaseFinished(nfa, state, pending, open, true);
  state.partialMatches = open;
  return { matches: emitted.map((match) => ({ match, at: endOf(nfa, match) })), timeouts };
}

/** Whether the event that `evaluation` is about can begin a match. */
export function canBegin(nfa: NFA, stored: StoredEvent, evaluation: Evaluation): boolean {
  const results: ComputationState[] = [];
  step({ state: nfa.start, last: null, start: null }, stored, evaluation, results);
  return results.length > 1;
}

/** When a partial match ends at the latest; MAX_TIMESTAMP for never. */
export function deadlineOf(nfa: NFA, { state, last, start }: ComputationState): Timestamp {
  if (start === null || last === null) return MAX_TIMESTAMP;
  const whole = nfa.windowMs === null ? MAX_TIMESTAMP : start.timestamp + nfa.windowMs;
  const gap = state.gapMs === null ? MAX_TIMESTAMP : last.stored.timestamp + state.gapMs;
  return min(gap, whole);
}

/** The deadline that has passed, or null. Where both have, the limit between neighbours is reported. */
function reportedDeadline(nfa: NFA, match: ComputationState, now: Timestamp): Timestamp | null {
  const { state, last, start } = match;
  if (start === null || last === null) return null;
  if (state.gapMs !== null) {
    const gap = last.stored.timestamp + state.gapMs;
    if (gap <= now) return gap;
  }
  const whole = nfa.windowMs === null ? MAX_TIMESTAMP : start.timestamp + nfa.windowMs;
  return whole <= now && whole < MAX_TIMESTAMP ? whole : null;
}

/** When a finished match was finished: at its last event, or at its deadline if it waited for that. */
function endOf(nfa: NFA, match: ComputationState): Timestamp {
  return match.state.type === 'PENDING'
    ? deadlineOf(nfa, match)
    : (match.last as TakenEvent).stored.timestamp;
}

/** The new partial matches that one partial match gives for the event, in the order of N3. */
function step(
  match: ComputationState,
  stored: StoredEvent,
  evaluation: Evaluation,
  results: ComputationState[],
): void {
  evaluation.within(match.last);
  const isStart = match.start === null;
  const stack: State[] = [match.state];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    for (const transition of state.transitions) {
      if (!transition.test(evaluation)) continue;
      const { target } = transition;
      switch (transition.action) {
        case 'PROCEED':
          stack.push(target);
          break;
        case 'IGNORE':
          if (isStart) break;
          results.push(
            target === match.state
              ? match
              : { state: target, last: match.last, start: match.start },
          );
          break;
        case 'TAKE': {
          const last = { stage: state.stage, stored, previous: match.last };
          const start = match.start ?? stored;
          results.push({ state: target, last, start });
          const final = finalBehind(target, evaluation);
          if (final !== null) results.push({ state: final, last, start });
          break;
        }
      }
    }
  }
  if (isStart) results.push(match);
}

/** The final state, if PROCEEDs lead to it from here for the event at hand. */
function finalBehind(from: State, evaluation: Evaluation): State | null {
  const stack: State[] = [from];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    for (const { action, target, test } of state.transitions) {
      if (action !== 'PROCEED' || !test(evaluation)) continue;
      if (target.type === 'FINAL') return target;
      stack.push(target);
    }
  }
  return null;
}

/**
 * Adds newly finished matches to those held back, and releases what no earlier partial match holds
 * back any longer. Each release discards what the skip strategy says, from both queues.
 */
function releaseFinished(
  nfa: NFA,
  state: NFAState,
  finished: PriorityQueue<ComputationState>,
  open: PriorityQueue<ComputationState>,
  holdBack: boolean,
): ComputationState[] {
  const { completedMatches } = state;
  for (const match of finished.items) completedMatches.offer(match);
  const released: ComputationState[] = [];
  for (let match = completedMatches.peek(); match; match = completedMatches.peek()) {
    const earliest = holdBack ? open.peek() : undefined;
    if (earliest && compareByStart(match, earliest) > 0) break;
    completedMatches.poll();
    const prune = pruningBy(nfa.afterMatchSkip, match, nfa.stageNames);
    if (prune) {
      const discard = ({ start }: ComputationState) => start !== null && prune(start);
      open.removeIf(discard);
      completedMatches.removeIf(discard);
    }
    released.push(match);
  }
  return released;
}

function stoppedBeforeFirstEvent(nfa: NFA, stored: StoredEvent): CepError {
  return new CepError(
    'NOT_BEFORE_FIRST_EVENT',
    `a NOT stage was hit before the pattern had taken any event, which Flink CEP cannot process: make the first stage (${nfa.stageNames[0]}) mandatory`,
    { details: { timestamp: stored.timestamp, event: stored.event } },
  );
}
