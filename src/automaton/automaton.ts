// The automaton at work: one step for an event, one for the passing of time.
//
// A partial match stands in a state, and the state says what becomes of it (decision.ts): each event that is
// taken or passed over gives a new partial match, and where nothing fits the match dies without a word.
// After SASE+ (Agrawal et al., 2008) in the form that Flink CEP 1.20 gave it; where the two differ, Flink's
// way is kept.
//
//   A1. One automaton serves any number of keys: all that lasts is in the NFAState that it is given.
//   A2. The start state is always there, and never dies or ignores.
//   A3. Under a skip strategy finished matches that are held back lie in Flink's heap, because the array's order
//       decides which of several matches of one start survives. Open ones are listed by start, and those of one start in the
//       order in which they came: each step puts what becomes of a match into its place, and what has begun
//       behind all. Flink's heap of them, to which they are offered in that order, is the same list.
//   A4. What is found in one step comes out by start event, and matches come before timeouts.
//   A5. Where neither a condition nor a limit between neighbours nor a skip strategy can tell partial matches
//       of one state apart, there is one for each state, whose list forks: the time for an event depends on
//       the states and on what comes out, not on how many partial matches are open.
//   A6. A partial match whose first event differs from the event where conditions want both to agree is passed over without
//       asking them (agreement.ts); what becomes of it is the same.

import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import { broughtBy, isPassedOver, wantedOf } from './agreement.js';
import { type Failure, type Outcome, outcomeOf } from './decision.js';
import { Evaluation } from './evaluation.js';
import { Found } from './match.js';
import type { NFA } from './nfa.js';
import { compareByStart, PartialMatch } from './partial-match.js';
import { PriorityQueue } from './priority-queue.js';
import { pruningBy } from './skip.js';
import type { State } from './state.js';
import {
  type Branches,
  countOf,
  earliestOf,
  Fork,
  forget,
  isLive,
  latestOf,
  type Path,
  pathsOf,
  type Span,
  Taken,
  widthOf,
  without,
} from './taken.js';

// A look-up of a global is dear in the workflow sandbox.
const { max, min } = Math;

/** Everything about the matches of one key that changes from event to event. */
export interface NFAState {
  /** Under NO_SKIP the first open partial match: that of the oldest start, where they don't fork. */
  first: PartialMatch | null;
  /** Under a skip strategy the open partial matches by start, and then the start state. */
  readonly open: PartialMatch[];
  /** Finished matches that a skip strategy holds back while an earlier partial match is alive: the array of a heap. */
  readonly completed: PartialMatch[];
  /** Numbers the events that are taken: an event that nothing takes needs no number. */
  sequence: number;
  /** No partial match ends before this time. */
  earliestDeadline: Timestamp;
}

/** Those of a state under NO_SKIP. */
const NONE: PartialMatch[] = [];

export class Automaton {
  readonly nfa: NFA;
  readonly evaluation: Evaluation;
  /** How many partial matches have come of others, or of nothing, so far; where that is counted. */
  steps = 0;
  /** How many lists those had that they came of, where these fork. */
  lists = 0;
  /** How many partial matches were dropped. */
  dropped = 0;
  /** Stages that have taken the event of the step, where that is counted; who reads it empties it. */
  readonly took: number[] = [];
  readonly #counts: boolean;
  readonly #holdsBack: boolean;
  readonly #tellsTimeouts: boolean;
  /** What the step under way has finished, under NO_SKIP. */
  readonly #finished: Branches[] = [];
  /** What the step under way leaves open under a skip strategy, what it has finished, and what was too late. */
  readonly #stay: PartialMatch[] = [];
  readonly #done: PartialMatch[] = [];
  readonly #timedOut: Found[] = [];

  /**
   * @param options.timeouts - whether timeouts come out; where nobody wants them they cost nothing. Default true.
   * @param options.counts - whether `steps` and `lists` are counted. Default false.
   */
  constructor(nfa: NFA, { timeouts = true, counts = false } = {}) {
    this.nfa = nfa;
    this.#counts = counts;
    this.#tellsTimeouts = timeouts;
    this.evaluation = new Evaluation(nfa.conditions, nfa.MatchView);
    this.#holdsBack = nfa.afterMatchSkip.type !== 'NO_SKIP';
  }

  /** The state before the first event: the start state alone. */
  initialState(): NFAState {
    return {
      first: null,
      open: this.#holdsBack ? [new PartialMatch(this.nfa.start, null, undefined)] : NONE,
      completed: this.#holdsBack ? [] : NONE,
      sequence: 0,
      earliestDeadline: MAX_TIMESTAMP,
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
   * @throws CepError `NOT_BEFORE_FIRST_EVENT`, `UNTIL_LEADS_NOWHERE`, `SKIP_MISSED`; the state is of no
   *   further use then
   */
  processEvent(state: NFAState, event: CepEvent, output: Found[]): boolean {
    this.evaluation.about(event);
    return this.#holdsBack
      ? this.#processHeld(state, event, output)
      : this.#processListed(state, event, output);
  }

  // ---- under NO_SKIP

  #processListed(state: NFAState, event: CepEvent, output: Found[]): boolean {
    const { evaluation, nfa } = this;
    const { agreement } = nfa;
    const { sequence } = state;
    const brought = broughtBy(event, agreement);
    // The last partial match of those that stay or come; the list ends with it.
    let tail: PartialMatch | null = null;
    let isChanged = false;
    for (let match = state.first; match !== null; ) {
      // What the match becomes may be the match itself.
      const { next } = match;
      if (agreement !== null && isPassedOver(match, brought, agreement)) {
        tail = this.#keep(state, tail, match);
        match = next;
        continue;
      }
      evaluation.within(match.last);
      const outcome = outcomeOf(match.state, evaluation);
      if (outcome.keeps) {
        tail = this.#keep(state, tail, match);
      } else {
        isChanged = true;
        tail = this.#follow(state, tail, match, outcome, event, sequence);
      }
      match = next;
    }
    evaluation.within(null);
    const outcome = outcomeOf(nfa.start, evaluation);
    const begins = !outcome.keeps;
    if (begins) tail = this.#follow(state, tail, null, outcome, event, sequence);
    // Most events change nothing, and what is only read stays where it is.
    if (!begins && !isChanged) return false;
    state.sequence++;
    if (tail === null) {
      state.first = null;
      state.earliestDeadline = MAX_TIMESTAMP;
    } else {
      tail.next = null;
    }
    if (this.#finished.length > 0) this.#emit(output);
    return begins;
  }

  /** @returns the new tail */
  #follow(
    state: NFAState,
    before: PartialMatch | null,
    match: PartialMatch | null,
    { steps, fails }: Outcome,
    event: CepEvent,
    sequence: number,
  ): PartialMatch | null {
    if (fails !== null) {
      // What this event has finished is lost, as in Flink, and must not turn up at another key.
      this.#finished.length = 0;
      throw failureAt(event, fails, this.nfa);
    }
    const last = match === null ? null : match.last;
    const origin = match === null ? null : match.origin;
    let tail = before;
    // The match itself goes on as the first of what it becomes: most become one.
    let mine = match;
    for (let i = 0; i < steps.length; i++) {
      const { stage, states } = steps[i] as Outcome['steps'][number];
      const end = stage < 0 ? (last as Branches) : new Taken(stage, event, sequence, last, origin);
      if (this.#counts) {
        this.steps += states.length;
        this.lists += widthOf(last);
        if (stage >= 0) this.#note(stage);
      }
      for (let k = 0; k < states.length; k++) {
        const entered = states[k] as State;
        if (entered.type === 'FINAL') {
          this.#finished.push(end);
          continue;
        }
        const next =
          mine ??
          new PartialMatch(
            entered,
            end,
            match === null ? wantedOf(end, this.nfa.agreement) : match.value,
          );
        if (mine !== null) {
          mine.state = entered;
          mine.last = end;
          mine = null;
        }
        // A match that goes on has the deadline that it had, and one that begins ends after those that are
        // there; unless a limit between neighbours is new.
        if (entered.gapMs !== null || (last === null && before === null)) this.#expect(state, next);
        tail = this.#keep(state, tail, next);
      }
    }
    return tail;
  }

  #note(stage: number): void {
    if (!this.took.includes(stage)) this.took.push(stage);
  }

  #expect(state: NFAState, match: PartialMatch): void {
    const deadline = deadlineOf(this.nfa, match);
    if (deadline < state.earliestDeadline) state.earliestDeadline = deadline;
  }

  /** @returns the new tail */
  #keep(state: NFAState, tail: PartialMatch | null, match: PartialMatch): PartialMatch {
    if (tail === null) {
      if (state.first !== match) state.first = match;
      return match;
    }
    const same = this.nfa.forks ? openIn(match.state, state.first, tail) : null;
    if (same !== null) {
      same.last = Fork.of(same.last as Branches, match.last as Branches);
      same.origin = same.last.origin;
      return tail;
    }
    if (tail.next !== match) tail.next = match;
    return match;
  }

  #emit(output: Found[]): void {
    const { forks, stageNames } = this.nfa;
    const first = this.#finished.pop() as Branches;
    if (this.#finished.length === 0 && first.origin instanceof Taken) {
      output.push(new Found('match', null, first as Taken, stageNames));
      return;
    }
    const ends = [...this.#finished.splice(0), first];
    if (!forks) {
      for (const end of ends) {
        output.push(new Found('match', null, end as Taken, stageNames));
      }
      return;
    }
    const found: Begun[] = [];
    for (const end of ends) {
      for (const { first, last, list } of listsOf(end)) {
        const match = new Found('match', last.event.timestamp, list, stageNames);
        found.push({ sequence: first.sequence, found: match });
      }
    }
    pushByStart(found, output);
  }

  // ---- under a skip strategy

  #processHeld(state: NFAState, event: CepEvent, output: Found[]): boolean {
    const { evaluation, nfa } = this;
    const sequence = state.sequence++;
    const { open } = state;
    const { agreement } = nfa;
    const brought = broughtBy(event, agreement);
    const stay = this.#stay;
    const done = this.#done;
    // What a step that failed has left behind.
    truncate(stay, 0);
    truncate(done, 0);
    let begins = false;
    /** How many of the first have stayed as they are: most events change nothing. */
    let kept = 0;
    for (let i = 0; i < open.length; i++) {
      const match = open[i] as PartialMatch;
      if (agreement !== null && isPassedOver(match, brought, agreement)) {
        if (kept === i) kept++;
        else stay.push(match);
        continue;
      }
      const { last, origin } = match;
      evaluation.within(last);
      const { keeps, fails, steps } = outcomeOf(match.state, evaluation);
      if (fails !== null) throw failureAt(event, fails, nfa);
      if (last === null) begins = !keeps;
      if (keeps) {
        if (kept === i) kept++;
        else stay.push(match);
        continue;
      }
      for (let n = 0; n < steps.length; n++) {
        const { stage, states } = steps[n] as Outcome['steps'][number];
        const end = stage < 0 ? last : new Taken(stage, event, sequence, last, origin);
        if (this.#counts) {
          this.steps += states.length;
          if (stage >= 0) this.#note(stage);
        }
        for (let k = 0; k < states.length; k++) {
          const each = states[k] as State;
          const value = last === null ? wantedOf(end, agreement) : match.value;
          const next = new PartialMatch(each, end, value);
          (each.type === 'FINAL' ? done : stay).push(next);
          if (each.type !== 'FINAL') this.#expect(state, next);
        }
      }
      if (last === null) stay.push(match);
    }
    if (kept === open.length) return begins;
    truncate(open, kept);
    for (let i = 0; i < stay.length; i++) open.push(stay[i] as PartialMatch);
    truncate(stay, 0);
    this.#release(state, done, output);
    truncate(done, 0);
    return begins;
  }

  /**
   * Adds newly finished matches to those held back, and releases what no earlier partial match holds back
   * any longer. Each release discards what the skip strategy says, from both queues.
   */
  #release(state: NFAState, finished: readonly PartialMatch[], output: Found[]): void {
    if (finished.length === 0 && state.completed.length === 0) return;
    const { nfa } = this;
    const { open } = state;
    const completed = new PriorityQueue(compareByStart, state.completed);
    // Where the strategy fails, all that this step has found is lost, as in Flink.
    const released: Found[] = [];
    for (const match of finished) completed.offer(match);
    for (let match = completed.peek(); match; match = completed.peek()) {
      const earliest = open[0];
      if (earliest && compareByStart(match, earliest) > 0) break;
      completed.poll();
      const last = match.last as Taken;
      const prune = pruningBy(nfa.afterMatchSkip, last, nfa.stageNames);
      if (prune) {
        const discard = ({ origin }: PartialMatch) => origin !== null && prune(origin as Taken);
        retain(open, (match) => !discard(match));
        completed.removeIf(discard);
      }
      // One that had only to wait was finished by its deadline.
      const waited = match.state.type === 'PENDING';
      const at = waited ? deadlineOf(nfa, match) : last.event.timestamp;
      released.push(new Found('match', at, last, nfa.stageNames));
    }
    for (const found of released) output.push(found);
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
    // The one that was to end first has often ended by an event.
    const earliest = earliestDeadline(this.nfa, state);
    state.earliestDeadline = earliest;
    if (now < earliest) return;
    if (this.nfa.forks) this.#endForked(state, now, output);
    else this.#end(state, now, output);
    state.earliestDeadline = earliestDeadline(this.nfa, state);
  }

  #end(state: NFAState, now: Timestamp, output: Found[]): void {
    const { nfa } = this;
    const waited = this.#done;
    const timeouts = this.#timedOut;
    // What a step that failed has left behind.
    truncate(waited, 0);
    truncate(timeouts, 0);
    const stays = (match: PartialMatch): boolean => {
      const at = reportedDeadline(nfa, match, now);
      if (at === null) return true;
      if (match.state.type === 'PENDING') waited.push(match);
      else if (this.#tellsTimeouts) {
        timeouts.push(new Found('timeout', at, match.last as Taken, nfa.stageNames));
      }
      return false;
    };
    if (this.#holdsBack) {
      // Those behind the first that stays end later.
      if (nfa.endsByStart) removeFirst(state.open, (match) => !stays(match));
      else retain(state.open, stays);
      this.#release(state, waited, output);
    } else {
      this.#endListed(state, stays);
      for (const match of waited) {
        const { last } = match;
        output.push(new Found('match', deadlineOf(nfa, match), last as Taken, nfa.stageNames));
      }
    }
    for (let i = 0; i < timeouts.length; i++) output.push(timeouts[i] as Found);
    truncate(waited, 0);
    truncate(timeouts, 0);
  }

  #endListed(state: NFAState, stays: (match: PartialMatch) => boolean): void {
    let tail: PartialMatch | null = null;
    for (let match = state.first; match !== null; ) {
      const { next }: PartialMatch = match;
      if (stays(match)) {
        tail = this.#keep(state, tail, match);
        // Those behind it end later.
        if (this.nfa.endsByStart) return;
      }
      match = next;
    }
    if (tail === null) state.first = null;
    else tail.next = null;
  }

  #endForked(state: NFAState, now: Timestamp, output: Found[]): void {
    const { windowMs, stageNames } = this.nfa;
    // The end of time ends no match that has no window.
    if (windowMs === null) return;
    const horizon = min(now, MAX_TIMESTAMP - 1) - windowMs;
    const open: PartialMatch[] = [];
    const matches: Begun[] = [];
    const timeouts: Begun[] = [];
    const live: Span = { after: horizon, before: MAX_TIMESTAMP };
    for (const match of openMatches(state)) {
      const last = match.last as Branches;
      const type = match.state.type === 'PENDING' ? 'match' : 'timeout';
      const isTold = type === 'match' || this.#tellsTimeouts;
      for (const { first, list } of isTold ? listsOf(last, horizon) : []) {
        const found = new Found(type, first.event.timestamp + windowMs, list, stageNames);
        (type === 'match' ? matches : timeouts).push({ sequence: first.sequence, found });
      }
      if (isLive(last, live)) open.push(match);
    }
    // All must be told before the first is forgotten: their lists have nodes in common.
    for (const { last } of open) forget(last as Branches, live);
    link(state, open);
    pushByStart(matches, output);
    pushByStart(timeouts, output);
  }

  // ---- what is too much

  /**
   * Drops partial matches, those that began first or those that began last, until as many are gone; finished
   * matches that only they held back come out, and count as gone. Those that began at one time go together.
   *
   * @param count - how many, if there are so many
   * @param output - where the finished matches go
   * @throws CepError `SKIP_MISSED`; the state is of no further use then
   */
  drop(state: NFAState, count: number, which: 'oldest' | 'newest', output: Found[]): void {
    const before = countOpen(state);
    const target = max(0, before - count);
    for (let left = before; left > target; left = countOpen(state)) {
      const matches = openMatches(state);
      // How many go with the next start is not known where lists fork, nor how many come out behind it.
      const atOnce = this.nfa.forks || state.completed.length > 0 ? 1 : left - target;
      const live = spanWithout(matches, atOnce, which);
      const stays = ({ last }: PartialMatch) => last === null || isLive(last, live);
      if (this.#holdsBack) {
        retain(state.open, stays);
        this.dropped += left - countOpen(state);
        this.#release(state, [], output);
      } else {
        const open = matches.filter(stays);
        for (const { last } of open) forget(last as Branches, live);
        link(state, open);
        this.dropped += left - countOpen(state);
      }
    }
  }

  /**
   * Drops one partial match; finished matches that only it held back come out.
   *
   * @param list - what it has taken, oldest first: where lists fork, those beside it stay
   * @param output - where the finished matches go
   * @throws CepError `SKIP_MISSED`; the state is of no further use then
   */
  dropOne(state: NFAState, match: PartialMatch, list: readonly Taken[], output: Found[]): void {
    const left = without(match.last as Branches, list);
    this.dropped++;
    if (left !== null) {
      match.last = left;
      match.origin = left.origin;
      return;
    }
    const stays = (other: PartialMatch) => other !== match;
    if (!this.#holdsBack) link(state, openMatches(state).filter(stays));
    else {
      retain(state.open, stays);
      this.#release(state, [], output);
    }
  }

  /**
   * Drops all partial matches; finished ones that they held back come out.
   *
   * @param output - where the finished matches go
   * @throws CepError `SKIP_MISSED`; the state is of no further use then
   */
  dropAll(state: NFAState, output: Found[]): void {
    this.dropped += countOpen(state) - state.completed.length;
    if (!this.#holdsBack) link(state, []);
    else {
      retain(state.open, ({ last }) => last === null);
      this.#release(state, [], output);
    }
  }
}

/** Whether nothing is open and nothing held back. */
export function isEmpty({ first, open, completed }: NFAState): boolean {
  // A2: under a skip strategy the start state is always among the open ones.
  return first === null && open.length <= 1 && completed.length === 0;
}

/** How many partial matches are open, and finished ones held back. */
export function countOpen(state: NFAState): number {
  let count = state.completed.length;
  for (const { last } of state.open) if (last !== null) count++;
  for (let match = state.first; match !== null; match = match.next) {
    count += countOf(match.last as Branches);
  }
  return count;
}

/** When the partial matches must begin to stay, so that as many as given, or a few more, are dropped. */
function spanWithout(
  matches: readonly PartialMatch[],
  count: number,
  which: 'oldest' | 'newest',
): Span {
  const always = { after: MIN_TIMESTAMP, before: MAX_TIMESTAMP };
  // A fork does not know its times one by one: the first or the last of all go.
  const times = matches
    .map(({ origin }) => origin as Branches)
    .map((origin) => (which === 'oldest' ? earliestOf(origin) : latestOf(origin)))
    .sort((a, b) => a - b);
  return which === 'oldest'
    ? { ...always, after: times[count - 1] as Timestamp }
    : { ...always, before: times[times.length - count] as Timestamp };
}

/** The open partial matches: all that have taken something. */
export function openMatches(state: NFAState): PartialMatch[] {
  const open = state.open.filter(({ last }) => last !== null);
  for (let match = state.first; match !== null; match = match.next) open.push(match);
  return open;
}

/** Makes these the open partial matches of a state under NO_SKIP. */
export function link(state: NFAState, matches: readonly PartialMatch[]): void {
  let next: PartialMatch | null = null;
  for (let i = matches.length - 1; i >= 0; i--) {
    const match = matches[i] as PartialMatch;
    match.next = next;
    next = match;
  }
  state.first = next;
}

/** The partial match that stands in a state, among those from one on to another. */
function openIn(state: State, first: PartialMatch | null, tail: PartialMatch): PartialMatch | null {
  for (let match = first; match !== null; match = match.next) {
    if (match.state === state) return match;
    if (match === tail) return null;
  }
  return null;
}

/** To set the length of an array is a call out of compiled code, and most are to lose one item or none. */
function truncate(items: unknown[], length: number): void {
  while (items.length > length) items.pop();
}

/** Keeps those for which the test holds. */
function retain(matches: PartialMatch[], test: (match: PartialMatch) => boolean): void {
  let kept = 0;
  for (let i = 0; i < matches.length; i++) {
    const match = matches[i] as PartialMatch;
    if (test(match)) matches[kept++] = match;
  }
  truncate(matches, kept);
}

/** Takes out the first ones, for which the test holds. */
function removeFirst(matches: PartialMatch[], test: (match: PartialMatch) => boolean): void {
  let count = 0;
  while (count < matches.length && test(matches[count] as PartialMatch)) count++;
  if (count === 1) matches.shift();
  else if (count > 0) matches.splice(0, count);
}

// ---- deadlines

/** The earliest time at which a partial match ends; MAX_TIMESTAMP for never. */
export function earliestDeadline(nfa: NFA, { first, open }: NFAState): Timestamp {
  if (nfa.endsByStart) {
    const oldest = first ?? open[0];
    return oldest === undefined ? MAX_TIMESTAMP : deadlineOf(nfa, oldest);
  }
  let earliest: Timestamp = MAX_TIMESTAMP;
  for (const match of open) earliest = min(earliest, deadlineOf(nfa, match));
  for (let match = first; match !== null; match = match.next) {
    earliest = min(earliest, deadlineOf(nfa, match));
  }
  return earliest;
}

/** The same of the partial matches that are complete when they end. */
export function earliestCompletion(nfa: NFA, state: NFAState): Timestamp {
  let earliest: Timestamp = MAX_TIMESTAMP;
  for (const match of openMatches(state)) {
    if (match.state.type === 'PENDING') earliest = min(earliest, deadlineOf(nfa, match));
  }
  return earliest;
}

/** When the last of the partial matches ends; MIN_TIMESTAMP where none ever does. */
export function latestDeadline(nfa: NFA, state: NFAState): Timestamp {
  const { windowMs } = nfa;
  let latest: Timestamp = MIN_TIMESTAMP;
  for (const match of openMatches(state)) {
    // Of several that stand here the one that began last.
    const deadline =
      match.last !== null && windowMs !== null && match.state.gapMs === null
        ? latestOf(match.last.origin as Branches) + windowMs
        : deadlineOf(nfa, match);
    if (deadline < MAX_TIMESTAMP) latest = max(latest, deadline);
  }
  return latest;
}

/** When a partial match, or the first of several, ends at the latest; MAX_TIMESTAMP for never. */
function deadlineOf(nfa: NFA, { state, last, origin }: PartialMatch): Timestamp {
  if (last === null || origin === null) return MAX_TIMESTAMP;
  return endOf(nfa, state, origin.event, last.event);
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

/** The lists that end here, or those of them that begin by then. */
function listsOf(
  end: Branches,
  begunBy: Timestamp = MAX_TIMESTAMP,
): { first: Taken; last: Taken; list: Taken | Path }[] {
  const { origin } = end;
  if (end instanceof Taken && origin instanceof Taken) {
    return origin.event.timestamp <= begunBy ? [{ first: origin, last: end, list: end }] : [];
  }
  return pathsOf(end, begunBy).map(({ path, last }) => ({ first: path.taken, last, list: path }));
}

/** A4. */
function pushByStart(begun: Begun[], output: Found[]): void {
  if (begun.length > 1) begun.sort((a, b) => a.sequence - b.sequence);
  for (const { found } of begun) output.push(found);
}

function failureAt(event: CepEvent, failure: Failure, { stageNames }: NFA): CepError {
  const { code } = failure;
  const message =
    code === 'NOT_BEFORE_FIRST_EVENT'
      ? `a NOT stage was hit before the pattern had taken any event, which Flink CEP cannot process: make the first stage (${stageNames[0]}) mandatory`
      : `until() of stage "${stageNames[failure.stage]}" held, and behind notFollowedBy() Flink CEP has no way on from an optional greedy loop then: make the stage mandatory, or drop greedy()`;
  return new CepError(code, message, { details: { timestamp: event.timestamp, event } });
}
