// The naive matcher: what a pattern matches, told without an automaton. It tries every way to give
// events to stages and keeps those that break no rule. A rule looks only at two neighbouring events of a
// match and at what lies between them, so the search goes from event to event and gives up early.
//
//   M1. Events are taken in order. A stage takes as many as its quantifier says, or none if it is
//       optional; each fits the stage, and none fits its until condition.
//   M2. What lies between two neighbours is what the contiguity of the step allows: nothing (strict),
//       nothing that fits the stage stepped into (relaxed), or anything. Between repetitions the inner
//       contiguity counts, and nothing may fit until; otherwise the edge of the stage stepped into does,
//       also when optional stages are left out on the way. Before the first event there is no rule.
//   M3. notNext: the event directly behind a repetition that could be the stage's last must not fit, even
//       if it is the next repetition. As the last stage: there must be such an event.
//   M4. notFollowedBy: from the first event of the stage before it up to the stage behind it (or, as the
//       last stage, up to the end of the window) nothing may fit. So it also counts between repetitions;
//       and the event that finishes the match may fit.
//   M5. Every event of the match, and every event that M3 looks at, comes before start + window.
//   M6. A timeout is a part of a match, at least one event, that breaks no rule up to the end of its
//       window and could still go on: what came since could lie before a next event.
//
// M3 and M4 say what FlinkCEP means by them (test/vectors/SEMANTICS.md, NOT stages), which is more than
// their names tell; the others are what the words of the pattern say. That a loop behind followedBy starts
// at the first fitting event and at no other is no oddity then: it is M2.
//
// Left out, and refused by `isPlain`, is what has no meaning but the automaton's:
//   - greedy, which guards whatever state happens to be behind the loop;
//   - groups, whose until and inner contiguity act on every state of every member;
//   - limits between neighbours, which hold for some of a stage's states and not for others;
//   - skip strategies but NO_SKIP, whose answer depends on the order in which matches are found;
//   - conditions that look at the match, which on the way to the end see it without its last event;
//   - notNext before a tail that may be empty: it holds against the event that was just taken;
//   - a last notFollowedBy behind a loop or a range: in silence the matches time out instead;
//   - times(from, to), unless consecutive, next to a notFollowedBy. Once an event was passed over, what
//     waits for one of the repetitions beyond `from` is not stopped by the notFollowedBy behind the stage,
//     but still is by one before it, though the stage has begun (random-0779);
//   - a notFollowedBy before two optional stages: taking the first lifts it, but once the second has passed
//     an event over it is back (sem-not-follow-returns-after-ignored-optional);
//   - a NOT stage behind a NOT stage.
// Where a stage is optional or takes a variable number of events, a part of a match may wait in several
// states at once and time out once for each; how often is then not compared (`timesOutOnce`).

import type { CepEvent } from '../../src/event.js';
import type { PatternNode, StageNode } from '../../src/pattern/pattern.js';
import { type InnerConsumingStrategy, isNot } from '../../src/pattern/quantifier.js';
import type { Timestamp } from '../../src/time.js';

/** What the matcher reads of a pattern. */
export interface PlainPattern {
  readonly chain: readonly PatternNode[];
  readonly afterMatchSkip: { readonly type: string };
}

/** What the operator also says of a match or timeout. */
export interface Output<Type extends string = 'match' | 'timeout'> {
  readonly type: Type;
  readonly events: Readonly<Record<string, readonly CepEvent[]>>;
  readonly at: Timestamp;
}
type Match = Output<'match'>;
type Timeout = Output<'timeout'>;

export interface NaiveAnswer {
  /** Each match once, in no particular order. */
  readonly matches: Match[];
  /** Each part of a match that times out, once. */
  readonly timeouts: Timeout[];
}

type Test = (event: CepEvent) => boolean;

/** A stage that takes events, with the NOT stage behind it, if there is one. */
interface Stage {
  readonly name: string;
  readonly fits: Test;
  readonly ends: Test;
  readonly edge: InnerConsumingStrategy;
  readonly inner: InnerConsumingStrategy;
  readonly optional: boolean;
  readonly from: number;
  readonly to: number;
  readonly not: { readonly kind: 'NOT_NEXT' | 'NOT_FOLLOW'; readonly fits: Test } | null;
}

/** An event of a match: the position in the stream, and which repetition of which stage it is. */
interface Taken {
  readonly position: number;
  readonly stage: number;
  readonly repetition: number;
}

/** What may come next in a match, and how it has to follow. */
interface Step {
  readonly stage: number;
  readonly repetition: number;
  readonly contiguity: InnerConsumingStrategy;
}

/** Whether the matcher can tell what the pattern means. */
export function isPlain({ chain, afterMatchSkip }: PlainPattern): boolean {
  return (
    afterMatchSkip.type === 'NO_SKIP' &&
    chain.every(isPlainNode) &&
    chain.every(({ edge }, i) => !isNot(edge) || isPlainNot(chain, i))
  );
}

function isPlainNode({ kind, quantifier, until, windows, ...node }: PatternNode): boolean {
  return (
    kind === 'STAGE' &&
    !(node as StageNode).condition?.iterative &&
    !until?.iterative &&
    !quantifier.greedy &&
    (quantifier.times?.gapMs ?? null) === null &&
    windows.PREVIOUS_AND_CURRENT === undefined
  );
}

function isPlainNot(chain: readonly PatternNode[], index: number): boolean {
  const before = chain[index - 1] as PatternNode;
  const behind = chain.slice(index + 1);
  if (isNot(before.edge)) return false;
  if (chain[index]?.edge === 'NOT_NEXT') {
    return behind.length === 0 || behind.some(({ quantifier }) => !quantifier.optional);
  }
  if (behind.length === 0) return isExact(before);
  const reach = behind.findIndex(({ quantifier }) => !quantifier.optional);
  const reached = reach < 0 ? behind : behind.slice(0, reach + 1);
  if (reached.filter(({ quantifier }) => quantifier.optional).length > 1) return false;
  return ![before, ...reached].some(isRangeWithGaps);
}

/** Whether the stage takes from so many to so many events, with others between them. */
function isRangeWithGaps({ quantifier: { kind, times, inner } }: PatternNode): boolean {
  return kind === 'TIMES' && times?.from !== times?.to && inner !== 'STRICT';
}

/** Whether the stage takes the same number of events in every match. */
function isExact({ quantifier: { kind, times, optional } }: PatternNode): boolean {
  return !optional && (kind === 'SINGLE' || (kind === 'TIMES' && times?.from === times?.to));
}

/** Whether each part of a match waits in one place only, so that it can be said how often it times out. */
export function timesOutOnce({ chain }: PlainPattern): boolean {
  return chain.every(isExact);
}

/** Reads a plain pattern; what comes back answers for a stream in time order that has ended. */
export function naiveMatcher(pattern: PlainPattern): (events: readonly CepEvent[]) => NaiveAnswer {
  const stages: Stage[] = [];
  pattern.chain.forEach((node, i) => {
    if (!isNot(node.edge)) stages.push(stageOf(node as StageNode, pattern.chain[i + 1]));
  });
  const windowMs = Math.min(
    ...pattern.chain.map(({ windows }) => windows.FIRST_AND_LAST ?? Number.POSITIVE_INFINITY),
  );
  return (events) => new Search(stages, windowMs, events).answer();
}

function stageOf(node: StageNode, behind: PatternNode | undefined): Stage {
  const { kind, times, inner, optional } = node.quantifier;
  const not = behind && isNot(behind.edge) ? behind.edge : null;
  return {
    name: node.name,
    fits: testOf(node.condition, true),
    ends: testOf(node.until, false),
    edge: node.edge as InnerConsumingStrategy,
    inner,
    optional,
    from: times?.from ?? 1,
    to: kind === 'LOOPING' ? Number.POSITIVE_INFINITY : (times?.to ?? 1),
    not: not && { kind: not, fits: testOf((behind as StageNode).condition, true) },
  };
}

function testOf(condition: StageNode['condition'], whenAbsent: boolean): Test {
  if (condition === null) return () => whenAbsent;
  return ({ data, timestamp }) => condition.evaluate(data, {}, timestamp);
}

class Search {
  readonly #stages: readonly Stage[];
  readonly #windowMs: number;
  readonly #events: readonly CepEvent[];
  readonly #matches: Match[] = [];
  readonly #timeouts: Timeout[] = [];

  constructor(stages: readonly Stage[], windowMs: number, events: readonly CepEvent[]) {
    this.#stages = stages;
    this.#windowMs = windowMs;
    this.#events = events;
  }

  answer(): NaiveAnswer {
    for (const step of this.#stepsInto(0)) {
      for (let position = 0; position < this.#events.length; position++) {
        if (this.#takes(step, position)) this.#follow([{ ...step, position }]);
      }
    }
    return { matches: this.#matches, timeouts: this.#timeouts };
  }

  /** Reports what these events are by themselves, and tries every event that may come next. */
  #follow(match: readonly Taken[]): void {
    const last = match[match.length - 1] as Taken;
    const end = this.#windowEnd(match);
    const steps = this.#stepsBehind(last);
    if (this.#isMatch(last, end)) this.#matches.push(this.#matchOf(match));
    if (this.#isTimeout(last, steps, end)) this.#timeouts.push(this.#timeoutOf(match));
    for (const step of steps) {
      for (let position = last.position + 1; position < end; position++) {
        if (this.#takes(step, position) && this.#mayPassOver(last, step, position)) {
          this.#extend(match, { ...step, position });
        }
      }
    }
  }

  #extend(match: readonly Taken[], next: Taken): void {
    const last = match[match.length - 1] as Taken;
    const longer = [...match, next];
    if (this.#breaksNotNext(last, next.position)) return;
    if (!this.#breaksNotFollowedBy(last, next.position)) this.#follow(longer);
    else if (this.#isFinishedBy(next)) this.#matches.push(this.#matchOf(longer)); // M4
  }

  // ---- M1: which events

  /** Into this stage, or into one behind it when what is before that one may be left out. */
  #stepsInto(first: number): Step[] {
    const steps: Step[] = [];
    for (let stage = first; stage < this.#stages.length; stage++) {
      const { edge, optional } = this.#stages[stage] as Stage;
      steps.push({ stage, repetition: 1, contiguity: edge });
      if (!optional) break;
    }
    return steps;
  }

  #stepsBehind({ stage, repetition }: Taken): Step[] {
    const { inner, from, to } = this.#stages[stage] as Stage;
    const onward = repetition >= from ? this.#stepsInto(stage + 1) : [];
    if (repetition >= to) return onward;
    return [{ stage, repetition: repetition + 1, contiguity: inner }, ...onward];
  }

  #takes({ stage }: Step, position: number): boolean {
    const event = this.#events[position] as CepEvent;
    const { fits, ends } = this.#stages[stage] as Stage;
    return fits(event) && !ends(event);
  }

  /** Whether nothing but optional stages, or a last NOT stage, is missing. */
  #hasAllEvents({ stage, repetition }: Taken): boolean {
    const behind = this.#stages.slice(stage + 1);
    return repetition >= (this.#stages[stage] as Stage).from && behind.every((s) => s.optional);
  }

  // ---- M2: what lies between

  /** Whether the events behind the last one and before `end` may be passed over on this step. */
  #mayPassOver(last: Taken, { stage, repetition, contiguity }: Step, end: number): boolean {
    const { fits, ends } = this.#stages[stage] as Stage;
    for (let position = last.position + 1; position < end; position++) {
      const event = this.#events[position] as CepEvent;
      if (contiguity === 'STRICT' || (contiguity === 'SKIP_TILL_NEXT' && fits(event))) return false;
      if (repetition > 1 && ends(event)) return false;
      if (this.#breaksNotNext(last, position)) return false;
      if (this.#breaksNotFollowedBy(last, position)) return false;
    }
    return true;
  }

  // ---- M3, M4: what must not come

  #breaksNotNext({ stage, repetition, position: at }: Taken, position: number): boolean {
    const { not, from } = this.#stages[stage] as Stage;
    if (not?.kind !== 'NOT_NEXT' || repetition < from || position > at + 1) return false;
    return not.fits(this.#events[position] as CepEvent);
  }

  #breaksNotFollowedBy({ stage }: Taken, position: number): boolean {
    const { not } = this.#stages[stage] as Stage;
    return not?.kind === 'NOT_FOLLOW' && not.fits(this.#events[position] as CepEvent);
  }

  /** The NOT stage that stands last, if this is the stage before it. */
  #lastNot({ stage }: Taken): Stage['not'] {
    return stage === this.#stages.length - 1 ? (this.#stages[stage] as Stage).not : null;
  }

  // ---- what the events taken are by themselves

  #isFinishedBy(last: Taken): boolean {
    return this.#hasAllEvents(last) && this.#lastNot(last) === null;
  }

  #isMatch(last: Taken, end: number): boolean {
    if (!this.#hasAllEvents(last)) return false;
    const next = last.position + 1;
    switch (this.#lastNot(last)?.kind) {
      case 'NOT_NEXT':
        return next < end && !this.#breaksNotNext(last, next);
      case 'NOT_FOLLOW':
        for (let position = next; position < end; position++) {
          if (this.#breaksNotFollowedBy(last, position)) return false;
        }
        return true;
      default:
        return true;
    }
  }

  /** M6. */
  #isTimeout(last: Taken, steps: readonly Step[], end: number): boolean {
    if (this.#windowMs === Number.POSITIVE_INFINITY) return false;
    if (steps.some((step) => this.#mayPassOver(last, step, end))) return true;
    const waitsForAnyEvent = this.#lastNot(last)?.kind === 'NOT_NEXT' && this.#hasAllEvents(last);
    return waitsForAnyEvent && last.position + 1 === end;
  }

  // ---- M5: time

  #deadline(match: readonly Taken[]): number {
    return this.#eventOf(match[0] as Taken).timestamp + this.#windowMs;
  }

  /** Position of the first event that comes too late for the match. */
  #windowEnd(match: readonly Taken[]): number {
    const deadline = this.#deadline(match);
    const end = this.#events.findIndex(({ timestamp }) => timestamp >= deadline);
    return end < 0 ? this.#events.length : end;
  }

  // ---- the answer

  #matchOf(match: readonly Taken[]): Match {
    const last = match[match.length - 1] as Taken;
    const waited = this.#lastNot(last)?.kind === 'NOT_FOLLOW';
    const at = waited ? this.#deadline(match) : this.#eventOf(last).timestamp;
    return { type: 'match', events: this.#eventsOf(match), at };
  }

  #timeoutOf(match: readonly Taken[]): Timeout {
    return { type: 'timeout', events: this.#eventsOf(match), at: this.#deadline(match) };
  }

  #eventsOf(match: readonly Taken[]): Match['events'] {
    const events: Record<string, CepEvent[]> = {};
    for (const taken of match) {
      const { name } = this.#stages[taken.stage] as Stage;
      events[name] = [...(events[name] ?? []), this.#eventOf(taken)];
    }
    return events;
  }

  #eventOf({ position }: Taken): CepEvent {
    return this.#events[position] as CepEvent;
  }
}
