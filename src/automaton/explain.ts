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
//   X3. Time goes from deadline to deadline, as in a session: the same matches and timeouts come out.

import { assert } from '../assert.js';
import { CepError } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import type { Condition, MatchSoFar } from '../pattern/condition.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import { type Asked, askCondition, sourceOf } from './asked.js';
import { Automaton, earliestDeadline, endOf, type NFAState, openMatches } from './automaton.js';
import type { Guard } from './guard.js';
import { type EventsByStage, eventsByStage, type Found } from './match.js';
import type { NFA } from './nfa.js';
import type { OperatorSnapshot } from './operator.js';
import { pruningBy } from './skip.js';
import { type NFASnapshot, readState } from './snapshot.js';
import type { State } from './state.js';
import { listOf, Taken } from './taken.js';

/**
 * What became of a run, or of a match of it:
 *
 * - `BEGAN`, `TOOK`: the event is the first one of the run, or one more.
 * - `BRANCHED`: beside what else became of it, the run goes on a second way, as a run of its own.
 * - `IGNORED`: the event was passed over, and the run waits on.
 * - `DIED`: the event could be neither taken nor passed over.
 * - `STOPPED`: the event is one that must not come: a NOT stage was hit.
 * - `TIMED_OUT`: its window, or its limit between neighbours, was over.
 * - `PRUNED`: the skip strategy of a match discarded the run, or a match that it had finished.
 * - `MATCHED`: it finished a match, which came out.
 * - `HELD_BACK`: it finished a match, which waits for runs that began earlier.
 * - `RELEASED`: such a match came out.
 * - `NOT_BEGUN`: the event began no run.
 */
export type RunFate =
  | 'BEGAN'
  | 'TOOK'
  | 'BRANCHED'
  | 'IGNORED'
  | 'DIED'
  | 'STOPPED'
  | 'TIMED_OUT'
  | 'PRUNED'
  | 'MATCHED'
  | 'HELD_BACK'
  | 'RELEASED'
  | 'NOT_BEGUN';

/** Where an event came from and when it was. */
export type EventRef = Pick<CepEvent, 'source' | 'partition' | 'offset' | 'timestamp'>;

/** Events by stage, without their data. */
export type RefsByStage = Readonly<Record<string, readonly EventRef[]>>;

/** Why a stage did not take an event, or, of a NOT stage, why it did. */
export interface Reason {
  readonly stage: string;
  /** What was asked, as far as it decided. */
  readonly asked: readonly Asked[];
}

/** What became of one run at one event, or as time passed. */
export interface RunStep {
  /** Number of the run, from 1; 0 for `NOT_BEGUN`. */
  readonly run: number;
  /** The event that the run began with; absent for `NOT_BEGUN`. */
  readonly first?: EventRef;
  readonly what: RunFate;
  /** The stage that took the event, or whose absence was asked for; null where none did. */
  readonly stage: string | null;
  /** Of `DIED`, `IGNORED`, `NOT_BEGUN`: the stages that did not take the event; of `STOPPED`: the one that did. */
  readonly because: readonly Reason[];
  /** Of `BRANCHED`: the run that it branched off. */
  readonly from?: number;
  /** Of `TIMED_OUT`: when. */
  readonly at?: Timestamp;
  /** What the run has taken, where the step is its last or made a match. */
  readonly events?: RefsByStage;
  /** Of `PRUNED`: the events of the match whose skip strategy discarded it. */
  readonly by?: RefsByStage;
  /** Of `TIMED_OUT`: the last event that it passed over, and why. */
  readonly refused?: { readonly event: EventRef; readonly because: readonly Reason[] };
}

/** What happened at an event, or between events. */
export type Moment =
  | {
      readonly type: 'EVENT';
      readonly at: Timestamp;
      readonly event: CepEvent;
      /** It came behind the watermark, and changed nothing. */
      readonly late: boolean;
      readonly steps: readonly RunStep[];
      /** What ended the explanation here: the engine fails as Flink's job does. */
      readonly failure?: string;
    }
  | {
      readonly type: 'TIME';
      readonly at: Timestamp;
      readonly steps: readonly RunStep[];
      readonly failure?: string;
    };

/** What a run waits for. */
export interface Awaited {
  /** `EVENT`: an event that a stage takes. `NO_EVENT`: it must not come. `OTHER`: any event but that. `TIME`: its deadline. */
  readonly type: 'EVENT' | 'NO_EVENT' | 'OTHER' | 'TIME';
  readonly stage: string;
  /** The condition's text; null for every event. */
  readonly condition: string | null;
}

/** A run that is still alive. */
export interface LiveRun {
  readonly run: number;
  readonly events: RefsByStage;
  readonly awaits: readonly Awaited[];
  /** Null where nothing limits it. */
  readonly deadline: Timestamp | null;
}

/** The first run that ended without a match; where none ever began, the first event that began none. */
export interface NearMiss {
  readonly step: RunStep;
  /** The event at which it ended; null of a timeout, whose last event is `step.refused`. */
  readonly event: CepEvent | null;
  readonly at: Timestamp;
}

/** What a stream did to a pattern. Plain data. */
export interface Explanation {
  /** The runs that were open before the first event. */
  readonly before: readonly LiveRun[];
  readonly moments: readonly Moment[];
  readonly matches: readonly { readonly events: RefsByStage; readonly at: Timestamp }[];
  readonly timeouts: readonly { readonly events: RefsByStage; readonly at: Timestamp }[];
  readonly live: readonly LiveRun[];
  /** Finished matches that still wait for runs that began earlier. */
  readonly heldBack: readonly { readonly run: number; readonly events: RefsByStage }[];
  readonly nearMiss: NearMiss | null;
  /** The time that was reached. */
  readonly until: Timestamp;
}

export interface ExplainOptions {
  /** Goes on from an operator's state, with the events that it buffers. A fresh state by default. */
  readonly from?: OperatorSnapshot;
  /** Lets time pass up to here. Default: the time of the last event. `MAX_TIMESTAMP` ends every window. */
  readonly until?: Timestamp;
}

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

/** One way on that the transitions gave a run: a state, and the last event taken there. */
interface Way {
  readonly state: State;
  readonly last: Taken;
  /** The stage that took the event; null where it was passed over. */
  readonly stage: string | null;
}

/** What the transitions make of an event. */
interface Walk {
  readonly ways: readonly Way[];
  readonly refusals: readonly Reason[];
  /** The NOT stages that were hit. */
  readonly stops: readonly Reason[];
}

class Explainer {
  readonly #nfa: NFA;
  readonly #automaton: Automaton;
  readonly #state: NFAState;
  readonly #buffered: readonly CepEvent[];
  readonly #keys = new ListKeys();
  #watermark: Timestamp = MIN_TIMESTAMP;
  #runs: Run[] = [];
  #held: Held[] = [];
  #begun = 0;
  readonly #moments: Moment[] = [];
  readonly #found: Found[] = [];
  /** What the step under way brought forth. */
  #output: Found[] = [];
  #hasFailed = false;
  /** Runs that a match came of: what is left of them is no miss. */
  readonly #everMatched = new Set<number>();
  #nearMiss: NearMiss | null = null;

  constructor(nfa: NFA, from: OperatorSnapshot | undefined) {
    // X1.
    this.#nfa = { ...nfa, forks: false };
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
      nearMiss: this.#nearMiss ?? this.#firstNotBegun(before.length > 0),
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
    const walks = this.#runs.map((run) => this.#walk(run.state, run.last, event, sequence));
    const begin = this.#walk(this.#nfa.start, null, event, sequence);
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
    const { ways, stops, refusals } = walk;
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
      const because = stage === null ? refusals : [];
      if (stage === null) next.refused = { event: refOf(event), because };
      const what = stage === null ? 'IGNORED' : 'TOOK';
      if (isFirst) steps.push(stepOf(next, what, stage, because));
      else steps.push({ ...stepOf(next, 'BRANCHED', stage, because), from: run.id });
      goesOn.push(next);
    }
    const isPruned = kept.length === 0 && ways.some(({ state }) => state.type !== 'FINAL');
    if (isPruned) steps.push(this.#pruned(run, after));
    for (const way of ways) if (way.state.type === 'FINAL') this.#finish(run, way, after, steps);
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
        steps.push(stepOf(run, 'BEGAN', stage, []));
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
      after.stillHeld.push({ run, last: way.last });
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
      steps.push({ ...ended, at: timeout.at, events: this.#refs(last), ...why });
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
    this.#held = [...held, ...after.stillHeld];
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

  // ---- the walk

  /** What decision.ts makes of the event, with what was asked on the way. */
  #walk(from: State, last: Taken | null, event: CepEvent, sequence: number): Walk {
    const match = new this.#nfa.MatchView(last);
    const because = this.#asker(event, match);
    const ways: Way[] = [];
    const refusals: Reason[] = [];
    const stops: Reason[] = [];
    const stack: State[] = [from];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const stage = this.#stageOf(state);
      for (const { action, target, guard } of state.transitions) {
        const { holds, asked } = because(guard);
        if (!holds) {
          if (action === 'TAKE') refusals.push({ stage, asked });
        } else if (action === 'PROCEED') {
          if (target.type === 'STOP') stops.push({ stage: this.#stageOf(target), asked });
          stack.push(target);
        } else if (action === 'TAKE') {
          const taken = new Taken(state.stage, event, sequence, last, last?.origin ?? null);
          ways.push({ state: target, last: taken, stage });
          const end = finalBehind(target, because);
          if (end) ways.push({ state: end, last: taken, stage });
        } else if (from.type !== 'START' && last !== null) {
          ways.push({ state: target, last, stage: null });
        }
      }
    }
    const isStopped = ways.some(({ state }) => state.type === 'STOP');
    return {
      ways: isStopped ? ways.filter(({ state }) => state.type === 'FINAL') : ways,
      refusals: unique(refusals),
      stops: isStopped ? unique(stops) : [],
    };
  }

  /** Tells whether a guard holds, and which of its conditions decided. Each is asked once. */
  #asker(event: CepEvent, match: MatchSoFar): Because {
    const known = new Map<number, Asked>();
    const ask = (index: number): Asked => {
      const asked =
        known.get(index) ?? askCondition(this.#nfa.conditions[index] as Condition, event, match);
      known.set(index, asked);
      return asked;
    };
    const because: Because = (guard) => {
      switch (guard.op) {
        case 'TRUE':
        case 'FALSE':
          return { holds: guard.op === 'TRUE', asked: [] };
        case 'TEST': {
          const asked = ask(guard.condition);
          return { holds: asked.answer, asked: [asked] };
        }
        case 'NOT': {
          const { holds, asked } = because(guard.of);
          return { holds: !holds, asked };
        }
        case 'AND': {
          const left = because(guard.left);
          if (!left.holds) return left;
          const right = because(guard.right);
          if (!right.holds) return right;
          return { holds: true, asked: [...left.asked, ...right.asked] };
        }
      }
    };
    return because;
  }

  // ---- what is told of runs

  #run(state: State, last: Taken): Run {
    return { id: 0, state, last, refused: null };
  }

  #stageOf({ stage }: State): string {
    return this.#nfa.stageNames[stage] ?? '';
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
        awaits: this.#awaits(state),
        deadline: deadline < MAX_TIMESTAMP ? deadline : null,
      };
    });
  }

  #awaits(from: State): Awaited[] {
    const found: Awaited[] = [];
    const add = (type: Awaited['type'], state: State, guard: Guard | null) => {
      const condition = guard && this.#textOf(guard);
      const awaited: Awaited = { type, stage: this.#stageOf(state), condition };
      const text = JSON.stringify(awaited);
      if (!found.some((other) => JSON.stringify(other) === text)) found.push(awaited);
    };
    if (from.type === 'PENDING') add('TIME', from, null);
    const stack: State[] = [from];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      for (const { action, target, guard } of state.transitions) {
        if (guard.op === 'FALSE') continue;
        if (action === 'TAKE') add('EVENT', state, guard);
        else if (target.type === 'STOP') add('NO_EVENT', target, guard);
        else if (action === 'PROCEED') stack.push(target);
        else if (target.type === 'FINAL') add('OTHER', state, guard);
      }
    }
    return found;
  }

  /** The guard as a condition reads; null where it always holds. */
  #textOf(guard: Guard): string | null {
    switch (guard.op) {
      case 'TRUE':
        return null;
      case 'FALSE':
        return 'false';
      case 'TEST':
        return sourceOf(this.#nfa.conditions[guard.condition] as Condition);
      case 'NOT':
        return `not (${this.#textOf(guard.of) ?? 'true'})`;
      case 'AND':
        return `${this.#textOf(guard.left) ?? 'true'} and ${this.#textOf(guard.right) ?? 'true'}`;
    }
  }
}

type Because = (guard: Guard) => { holds: boolean; asked: readonly Asked[] };

function finalBehind(from: State, because: Because): State | null {
  const stack: State[] = [from];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    for (const { action, target, guard } of state.transitions) {
      if (action !== 'PROCEED' || !because(guard).holds) continue;
      if (target.type === 'FINAL') return target;
      stack.push(target);
    }
  }
  return null;
}

/** Numbers lists by what they hold, so that one that was foreseen is found among those that are there. */
class ListKeys {
  readonly #numbers = new Map<string, number>();
  readonly #known = new WeakMap<Taken, number>();

  of(last: Taken): number {
    let number = 0;
    const list = listOf(last);
    // Most of a list is known from the step before.
    let from = list.length;
    while (from > 0 && !this.#known.has(list[from - 1] as Taken)) from--;
    if (from > 0) number = this.#known.get(list[from - 1] as Taken) as number;
    for (const node of list.slice(from)) {
      const content = `${node.stage}/${node.sequence}/${number}`;
      number = this.#numbers.get(content) ?? this.#numbers.size + 1;
      this.#numbers.set(content, number);
      this.#known.set(node, number);
    }
    return number;
  }
}

/** What the automaton has after a step. Whatever belongs to a run is taken from it. */
class After {
  /** The matches that came out, in order. */
  readonly matches: readonly Taken[];
  readonly stillHeld: Held[] = [];
  readonly #keys: ListKeys;
  readonly #open: Bag = new Map();
  readonly #held: Bag = new Map();
  readonly #matches: Bag = new Map();
  readonly #timeouts = new Map<number, Found[]>();

  constructor(keys: ListKeys, state: NFAState, output: readonly Found[]) {
    this.#keys = keys;
    const lastOf = (found: Found) => found.taken().at(-1) as Taken;
    for (const { state: at, last } of openMatches(state)) {
      put(this.#open, `${at.index} ${keys.of(last as Taken)}`);
    }
    for (const { last } of state.completed) put(this.#held, `${keys.of(last as Taken)}`);
    const matches = output.filter(({ type }) => type === 'match');
    for (const found of matches) put(this.#matches, `${keys.of(lastOf(found))}`);
    this.matches = matches.map(lastOf);
    for (const found of output) {
      if (found.type !== 'timeout') continue;
      const key = keys.of(lastOf(found));
      this.#timeouts.set(key, [...(this.#timeouts.get(key) ?? []), found]);
    }
  }

  takeOpen({ state, last }: { state: State; last: Taken }): boolean {
    return take(this.#open, `${state.index} ${this.#keys.of(last)}`);
  }

  takeHeld(last: Taken): boolean {
    return take(this.#held, `${this.#keys.of(last)}`);
  }

  takeMatch(last: Taken): boolean {
    return take(this.#matches, `${this.#keys.of(last)}`);
  }

  takeTimeout(last: Taken): Found | undefined {
    return this.#timeouts.get(this.#keys.of(last))?.shift();
  }

  get isEmpty(): boolean {
    const bags = [this.#open, this.#held, this.#matches];
    return bags.every((bag) => [...bag.values()].every((count) => count === 0));
  }
}

/** How often each key is there. */
type Bag = Map<string, number>;

function put(bag: Bag, key: string): void {
  bag.set(key, (bag.get(key) ?? 0) + 1);
}

function take(bag: Bag, key: string): boolean {
  const count = bag.get(key) ?? 0;
  if (count > 0) bag.set(key, count - 1);
  return count > 0;
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

/** A stage of several states asks the same in each. */
function unique(reasons: readonly Reason[]): Reason[] {
  const seen = new Set<string>();
  return reasons.filter((reason) => {
    const text = JSON.stringify(reason);
    return !seen.has(text) && seen.add(text);
  });
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
