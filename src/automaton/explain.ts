// Explain: what each event did to each partial match, and why, for "why did it not match?".
//
// It drives the ordinary automaton from outside: before each event it walks the transitions of every partial
// match itself and writes down what was asked; then the automaton takes the event, and what is there after it
// is compared with what the walk led to expect. So the automaton knows nothing of it, and a match that nobody
// explains costs nothing.
//
//   X1. A run is one partial match: lists do not fork here. Runs are numbered in order of beginning.
//   X2. Everything that the automaton has after a step is accounted for by a run, and what it lacks was
//       pruned: only an after-match skip strategy takes away what the transitions gave.
//   X3. Time goes from deadline to deadline, as in a session: the same matches and timeouts come out, but for
//       what a session has dropped at a limit.

import { assert } from '../assert.js';
import { CepError } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import { After, ListKeys } from './aftermath.js';
import { Automaton, earliestDeadline, endOf, type NFAState, openMatches } from './automaton.js';
import type {
  EventRef,
  ExplainOptions,
  Explanation,
  LiveRun,
  Moment,
  NearMiss,
  Reason,
  RefsByStage,
  RunFate,
  RunStep,
} from './explanation.js';
import { type EventsByStage, eventsByStage, type Found } from './match.js';
import type { NFA } from './nfa.js';
import type { OperatorSnapshot } from './operator.js';
import { pruningBy } from './skip.js';
import { type NFASnapshot, readState } from './snapshot.js';
import type { State } from './state.js';
import { listOf, type Taken } from './taken.js';
import { type Walk, Walker, type Way } from './walk.js';

/**
 * Says what each event did to each partial match, and what is still waited for.
 *
 * @param events - in any order; those of one time in order of arrival
 * @throws CepError `SNAPSHOT_MISMATCH` when `from` belongs to another pattern
 * @example
 * explain(compile(pattern), events).nearMiss?.step.because;
 */
export function explain(
  nfa: NFA,
  events: readonly CepEvent[],
  options: ExplainOptions = {},
): Explanation {
  return new Explainer(nfa, options.from).explain(events, options.until);
}

interface Run {
  readonly id: number;
  readonly state: State;
  readonly last: Taken;
  /** The last event that it passed over, and why. */
  refused: { event: EventRef; because: readonly Reason[] } | null;
}

/** A finished match that is held back. */
interface Held {
  readonly run: Run;
  readonly last: Taken;
}

class Explainer {
  readonly #nfa: NFA;
  readonly #walker: Walker;
  readonly #automaton: Automaton;
  readonly #state: NFAState;
  readonly #buffered: readonly CepEvent[];
  readonly #keys = new ListKeys();
  #watermark: Timestamp = MIN_TIMESTAMP;
  #runs: Run[] = [];
  #held: Held[] = [];
  /** Those of the step under way. */
  readonly #newlyHeld: Held[] = [];
  #begun = 0;
  readonly #moments: Moment[] = [];
  readonly #found: Found[] = [];
  /** What the step under way brought forth. */
  #output: Found[] = [];
  #hasFailed = false;
  /** Runs that a match came of: what is left of them is no miss. */
  readonly #everMatched = new Set<number>();
  #nearMiss: NearMiss | null = null;
  /** Of those that timed out, the ones that may be the first near-miss. */
  readonly #timedOut = new Map<number, Run>();

  constructor(nfa: NFA, from: OperatorSnapshot | undefined) {
    // X1.
    this.#nfa = { ...nfa, forks: false };
    this.#walker = new Walker(this.#nfa);
    this.#automaton = new Automaton(this.#nfa);
    const matches = from && (nfa.forks ? unfolded(from.matches) : from.matches);
    this.#state = matches ? readState(this.#nfa, matches) : this.#automaton.initialState();
    this.#buffered = from?.buffered ?? [];
    this.#watermark = from?.watermark ?? MIN_TIMESTAMP;
    if (!from) return;
    const open = openMatches(this.#state).map(({ state, last }) => this.#run(state, last as Taken));
    this.#runs = open.sort((a, b) => startOf(a) - startOf(b));
    this.#runs = this.#runs.map((run) => ({ ...run, id: ++this.#begun }));
    this.#held = this.#state.completed.map(({ state, last }) => ({
      run: { ...this.#run(state, last as Taken), id: ++this.#begun },
      last: last as Taken,
    }));
  }

  explain(events: readonly CepEvent[], until: Timestamp | undefined): Explanation {
    const before = this.#live();
    const stream = [...events]
      .filter((event) => !this.#isLate(event))
      .sort((a, b) => a.timestamp - b.timestamp);
    const all = [...this.#buffered, ...stream].sort((a, b) => a.timestamp - b.timestamp);
    for (let i = 0; i < all.length && !this.#hasFailed; ) {
      const { timestamp } = all[i] as CepEvent;
      this.#passUntil(timestamp);
      for (; i < all.length && all[i]?.timestamp === timestamp && !this.#hasFailed; i++) {
        this.#take(all[i] as CepEvent);
      }
    }
    const end = until ?? all.at(-1)?.timestamp ?? this.#watermark;
    this.#passUntil(end);
    return {
      before,
      moments: this.#moments,
      matches: this.#all('match'),
      timeouts: this.#all('timeout'),
      live: this.#live(),
      heldBack: this.#held.map(({ run, last }) => ({ run: run.id, events: this.#refs(last) })),
      nearMiss: this.#nearMiss
        ? this.#withTooLate(this.#nearMiss, all)
        : this.#firstNotBegun(before.length > 0),
      until: Math.max(end, this.#watermark),
    };
  }

  #isLate(event: CepEvent): boolean {
    const late = event.timestamp <= this.#watermark;
    if (late) {
      this.#moments.push({ type: 'EVENT', at: event.timestamp, event, late, steps: [] });
    }
    return late;
  }

  // ---- one event

  #take(event: CepEvent): void {
    const sequence = this.#state.sequence;
    const walks = this.#runs.map((run) => this.#walker.walk(run.state, run.last, event, sequence));
    const begin = this.#walker.walk(this.#nfa.start, null, event, sequence);
    const failure = this.#drive((output) => {
      this.#automaton.processEvent(this.#state, event, output);
    });
    const steps: RunStep[] = [];
    if (failure === null) {
      const after = this.#after();
      const runs: Run[] = [];
      this.#runs.forEach((run, i) => {
        runs.push(...this.#follow(run, walks[i] as Walk, event, after, steps));
      });
      runs.push(...this.#begin(begin, after, steps));
      this.#settle(runs, after, steps);
    }
    this.#note({ type: 'EVENT', at: event.timestamp, event, late: false, steps }, failure);
  }

  /** @returns the runs that this one goes on as */
  #follow(run: Run, walk: Walk, event: CepEvent, after: After, steps: RunStep[]): Run[] {
    const { ways, stops, refusals, taking } = walk;
    const events = () => this.#refs(run.last);
    if (stops.length > 0) {
      const stage = stops[0]?.stage ?? null;
      steps.push({ ...stepOf(run, 'STOPPED', stage, stops), events: events() });
    } else if (ways.length === 0) {
      steps.push({ ...stepOf(run, 'DIED', null, refusals), events: events() });
    }
    const goesOn: Run[] = [];
    const kept = ways.filter((way) => way.state.type !== 'FINAL' && after.takeOpen(way));
    for (const { state, last, stage } of kept) {
      const isFirst = goesOn.length === 0;
      const next = { ...run, id: isFirst ? run.id : ++this.#begun, state, last };
      const because = stage === null ? refusals : taking.filter((each) => each.stage === stage);
      if (stage === null) next.refused = { event: refOf(event), because };
      const what = stage === null ? 'IGNORED' : 'TOOK';
      if (isFirst) steps.push(stepOf(next, what, stage, because));
      else steps.push({ ...stepOf(next, 'BRANCHED', stage, because), from: run.id });
      goesOn.push(next);
    }
    const isPruned = kept.length === 0 && ways.some(({ state }) => state.type !== 'FINAL');
    for (const way of ways) if (way.state.type === 'FINAL') this.#finish(run, way, after, steps);
    if (isPruned) steps.push(this.#pruned(run, after));
    return goesOn;
  }

  #begin(walk: Walk, after: After, steps: RunStep[]): Run[] {
    const goesOn: Run[] = [];
    if (walk.ways.length === 0) {
      steps.push({ run: 0, what: 'NOT_BEGUN', stage: null, because: walk.refusals });
    }
    let run: Run | null = null;
    for (const { state, last, stage } of walk.ways) {
      const way = { state, last, stage };
      // A stage that takes the event and may end the pattern there gives two ways, and is one run.
      if (run === null || state.type !== 'FINAL' || run.last !== last) {
        run = { ...this.#run(state, last), id: ++this.#begun };
        const because = walk.taking.filter((each) => each.stage === stage);
        steps.push(stepOf(run, 'BEGAN', stage, because));
      }
      if (state.type === 'FINAL') this.#finish(run, way, after, steps);
      else if (after.takeOpen(way)) goesOn.push(run);
      else steps.push(this.#pruned(run, after));
    }
    return goesOn;
  }

  /** A match of a run: it came out, is held back, or was pruned by one that came out before it. */
  #finish(run: Run, way: Omit<Way, 'state'>, after: After, steps: RunStep[]): void {
    const events = this.#refs(way.last);
    if (after.takeMatch(way.last)) {
      steps.push({ ...stepOf(run, 'MATCHED', way.stage, []), events });
    } else if (after.takeHeld(way.last)) {
      this.#newlyHeld.push({ run, last: way.last });
      steps.push({ ...stepOf(run, 'HELD_BACK', way.stage, []), events });
    } else {
      steps.push(this.#pruned({ ...run, last: way.last }, after));
    }
  }

  // ---- time

  /** X3. */
  #passUntil(end: Timestamp): void {
    while (!this.#hasFailed) {
      const deadline = earliestDeadline(this.#nfa, this.#state);
      if (deadline > end || deadline >= MAX_TIMESTAMP) break;
      this.#pass(deadline);
    }
    this.#watermark = Math.max(this.#watermark, end);
  }

  #pass(now: Timestamp): void {
    const failure = this.#drive((output) => {
      this.#automaton.advanceTime(this.#state, now, output);
    });
    const steps: RunStep[] = [];
    if (failure === null) {
      const after = this.#after();
      const runs = this.#runs.filter((run) => {
        if (after.takeOpen(run)) return true;
        this.#end(run, after, steps);
        return false;
      });
      this.#settle(runs, after, steps);
    }
    this.#note({ type: 'TIME', at: now, steps }, failure);
  }

  #end(run: Run, after: After, steps: RunStep[]): void {
    const { last, state, refused } = run;
    const timeout = after.takeTimeout(last);
    if (timeout) {
      const ended = stepOf(run, 'TIMED_OUT', null, []);
      const why = refused ? { refused } : {};
      steps.push({
        ...ended,
        at: timeout.at,
        events: this.#refs(last),
        awaits: this.#walker.awaits(state),
        ...why,
      });
      if (this.#nearMiss === null) this.#timedOut.set(run.id, run);
    } else if (state.type === 'PENDING') {
      this.#finish(run, { last, stage: null }, after, steps);
    } else {
      steps.push(this.#pruned(run, after));
    }
  }

  // ---- what is there after a step

  /** @returns the failure that ended it, or null */
  #drive(act: (output: Found[]) => void): string | null {
    const output: Found[] = [];
    this.#output = output;
    try {
      act(output);
      return null;
    } catch (error) {
      if (!(error instanceof CepError)) throw error;
      this.#hasFailed = true;
      this.#runs = [];
      this.#held = [];
      return error.message;
    } finally {
      this.#found.push(...output);
    }
  }

  #after(): After {
    return new After(this.#keys, this.#state, this.#output);
  }

  /** What became of the matches that were held back; X2. */
  #settle(runs: Run[], after: After, steps: RunStep[]): void {
    const held = this.#held.filter(({ run, last }) => {
      if (after.takeHeld(last)) return true;
      if (after.takeMatch(last)) {
        steps.push({ ...stepOf(run, 'RELEASED', null, []), events: this.#refs(last) });
      } else {
        steps.push(this.#pruned({ ...run, last }, after));
      }
      return false;
    });
    assert(after.isEmpty, 'every partial match and every match belongs to a run');
    this.#held = [...held, ...this.#newlyHeld.splice(0)];
    this.#runs = runs;
  }

  #pruned(run: Run, after: After): RunStep {
    const { afterMatchSkip, stageNames } = this.#nfa;
    const by = after.matches.find((last) =>
      pruningBy(afterMatchSkip, last, stageNames)?.(run.last.origin as Taken),
    );
    assert(by !== undefined, 'only a match takes away what the transitions gave');
    return {
      ...stepOf(run, 'PRUNED', null, []),
      events: this.#refs(run.last),
      by: this.#refs(by),
    };
  }

  #note(moment: Moment, failure: string | null): void {
    if (moment.type === 'TIME' && moment.steps.length === 0 && failure === null) return;
    const steps = [...moment.steps].sort((a, b) => numberOf(a) - numberOf(b));
    const noted = { ...moment, steps, ...(failure === null ? {} : { failure }) };
    this.#moments.push(noted);
    this.#nearMiss ??= nearMissOf(noted, this.#everMatched);
    for (const { what, run } of steps) {
      if (what === 'MATCHED' || what === 'HELD_BACK' || what === 'RELEASED') {
        this.#everMatched.add(run);
      }
    }
  }

  #firstNotBegun(hadRuns: boolean): NearMiss | null {
    if (hadRuns || this.#begun > 0) return null;
    for (const moment of this.#moments) {
      const step = moment.steps[0];
      if (moment.type === 'EVENT' && step) return { step, event: moment.event, at: moment.at };
    }
    return null;
  }

  #withTooLate(nearMiss: NearMiss, events: readonly CepEvent[]): NearMiss {
    const run = this.#timedOut.get(nearMiss.step.run);
    if (nearMiss.step.what !== 'TIMED_OUT' || !run) return nearMiss;
    for (const event of events) {
      if (event.timestamp < nearMiss.at) continue;
      const { taking, stops } = this.#walker.walk(run.state, run.last, event, this.#state.sequence);
      if (stops.length > 0) break;
      if (taking.length > 0) return { ...nearMiss, tooLate: { event, because: taking } };
    }
    return nearMiss;
  }

  // ---- what is told of runs

  #run(state: State, last: Taken): Run {
    return { id: 0, state, last, refused: null };
  }

  #refs(last: Taken): RefsByStage {
    return refsOf(eventsByStage(listOf(last), this.#nfa.stageNames));
  }

  #all(type: Found['type']): { events: RefsByStage; at: Timestamp }[] {
    return this.#found
      .filter((found) => found.type === type)
      .map(({ events, at }) => ({ events: refsOf(events), at }));
  }

  #live(): LiveRun[] {
    return this.#runs.map(({ id, state, last }) => {
      const { event: first } = last.origin;
      const deadline = endOf(this.#nfa, state, first, last.event);
      return {
        run: id,
        events: this.#refs(last),
        awaits: this.#walker.awaits(state),
        deadline: deadline < MAX_TIMESTAMP ? deadline : null,
      };
    });
  }
}

/** A snapshot in which each list is a partial match of its own; X1. */
function unfolded(snapshot: NFASnapshot): NFASnapshot {
  const taken: (readonly [number, number, ...number[]])[] = [];
  const starts: number[] = [];
  // The rows that each row has become: one for each list that ends in it.
  const copies = snapshot.taken.map((): number[] => []);
  snapshot.taken.forEach(([stage, event, ...previous], row) => {
    const before = previous.flatMap((each) => copies[each] as number[]);
    for (const each of previous.length === 0 ? [null] : before) {
      const number = taken.push(each === null ? [stage, event] : [stage, event, each]) - 1;
      starts.push(each === null ? event : (starts[each] as number));
      copies[row]?.push(number);
    }
  });
  const startOf = ([, row]: readonly [number, ...number[]]) => {
    const event = starts[row as number] as number;
    return (snapshot.events[event] as readonly [number, CepEvent])[0];
  };
  const partial = snapshot.partial.flatMap(([state, ...ends]) =>
    ends.flatMap((end) => copies[end] as number[]).map((row): [number, number] => [state, row]),
  );
  return { ...snapshot, taken, partial: partial.sort((a, b) => startOf(a) - startOf(b)) };
}

// ---- steps

function stepOf(
  { id, last }: Run,
  what: RunFate,
  stage: string | null,
  because: readonly Reason[],
): RunStep {
  return { run: id, first: refOf(last.origin.event), what, stage, because };
}

/** The start state is told last. */
function numberOf({ run }: RunStep): number {
  return run === 0 ? Number.POSITIVE_INFINITY : run;
}

function nearMissOf(moment: Moment, everMatched: ReadonlySet<number>): NearMiss | null {
  const matched = new Set(everMatched);
  for (const { run, what } of moment.steps) {
    if (what === 'MATCHED' || what === 'HELD_BACK') matched.add(run);
  }
  const step = moment.steps.find(
    ({ run, what }) =>
      (what === 'DIED' || what === 'STOPPED' || what === 'TIMED_OUT') && !matched.has(run),
  );
  if (!step) return null;
  return { step, event: moment.type === 'EVENT' ? moment.event : null, at: moment.at };
}

function startOf({ last }: Run): number {
  return (last.origin as Taken).sequence;
}

function refOf({ source, partition, offset, timestamp }: CepEvent<EventData>): EventRef {
  return { source, partition, offset, timestamp };
}

function refsOf(events: EventsByStage): RefsByStage {
  return Object.fromEntries(
    Object.entries(events).map(([stage, taken]) => [stage, taken.map(refOf)]),
  );
}
