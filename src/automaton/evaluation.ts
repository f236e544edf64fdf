// Evaluation: the answers of a pattern's conditions for the event at hand.
//
//   E1. A condition that looks at the event alone is evaluated at most once per event.
//   E2. An iterative condition is evaluated at most once in a row per event and list of taken events.
//   E3. A condition that throws, or answers anything but true, is false; the throws are counted.
//   E4. A closure may keep or change the lists that it is shown: they are made anew for it. Text can only read, so all
//       conditions that are text are shown the same lists, filled again and again.

import type { CepEvent } from '../event.js';
import { type Condition, FIRST_EVENT, type MatchSoFar } from '../pattern/condition.js';
import type { Branches, Taken } from './taken.js';

// A look-up of a global is dear in the workflow sandbox.
const OwnArray = Array;

/** Class of the objects that show conditions the match so far. */
export interface MatchView {
  new (last: Taken | null): MatchSoFar;
  /** From now on the view shows other events, in the lists that it has. */
  turn(view: MatchSoFar, last: Taken | null): void;
}

export class Evaluation {
  /** Conditions that threw since the operator began. */
  errors = 0;
  readonly #conditions: readonly Condition[];
  readonly #answers: boolean[];
  /** Which question `#answers` belongs to: number of the event, and for an iterative condition the list. */
  readonly #askedAt: number[];
  readonly #askedAbout: (Branches | null)[];
  readonly #View: MatchView;
  readonly #looksBack: boolean;
  #number = 0;
  #event!: CepEvent;
  #taken: Branches | null = null;
  #view: MatchSoFar | null = null;
  /** E4. */
  readonly #textView: MatchSoFar;
  #isTurned = false;

  constructor(conditions: readonly Condition[], View: MatchView) {
    this.#conditions = conditions;
    this.#answers = conditions.map(() => false);
    this.#askedAt = conditions.map(() => 0);
    this.#askedAbout = conditions.map(() => null);
    this.#View = View;
    this.#textView = new View(null);
    this.#looksBack = conditions.some(({ iterative }) => iterative);
  }

  /** From now on the questions are about this event. */
  about(event: CepEvent): void {
    this.#event = event;
    this.#number++;
    this.#view = null;
    this.#isTurned = false;
  }

  /** From now on the match is the one that has taken these events. */
  within(taken: Branches | null): void {
    if (!this.#looksBack) return;
    this.#taken = taken;
    this.#view = null;
    this.#isTurned = false;
  }

  test(index: number): boolean {
    const condition = this.#conditions[index] as Condition;
    if (this.#askedAt[index] === this.#number) {
      if (!condition.iterative || this.#askedAbout[index] === this.#taken) {
        return this.#answers[index] as boolean;
      }
    }
    const answer = this.#evaluate(condition);
    this.#answers[index] = answer;
    this.#askedAt[index] = this.#number;
    if (condition.iterative) this.#askedAbout[index] = this.#taken;
    return answer;
  }

  /** E4. */
  #viewFor({ type }: Condition): MatchSoFar {
    // Where a condition looks back, lists do not fork (nfa.ts, N5).
    const taken = this.#taken as Taken | null;
    if (type !== 'CEL' && type !== 'AVIATOR') {
      this.#view ??= new this.#View(taken);
      return this.#view;
    }
    if (!this.#isTurned) this.#View.turn(this.#textView, taken);
    this.#isTurned = true;
    return this.#textView;
  }

  #evaluate(condition: Condition): boolean {
    const view = condition.iterative ? this.#viewFor(condition) : null;
    try {
      const { data, timestamp } = this.#event;
      return condition.evaluate(data, view as MatchSoFar, timestamp) === true;
    } catch {
      this.errors++;
      return false;
    }
  }
}

/**
 * A class whose objects show the events of a partial match by stage name. The lists are made when a
 * condition asks for them: most conditions ask for one stage of many.
 */
export function matchViewOf(stageNames: readonly string[]): MatchView {
  const stages = new Map(stageNames.map((name, stage) => [name, stage]));
  class View {
    // Private names, because every string could be a stage's name.
    #last: Taken | null;
    #lists: unknown[][] | null = null;
    /** How often the view was turned, and how often it was when each list was filled. */
    #turns = 0;
    #filledAt: number[] | null = null;

    constructor(last: Taken | null) {
      this.#last = last;
    }

    static list(view: View, stage: number): readonly unknown[] {
      view.#lists ??= new OwnArray<unknown[]>(stageNames.length);
      view.#filledAt ??= new OwnArray<number>(stageNames.length);
      const made = view.#lists[stage];
      if (made && view.#filledAt[stage] === view.#turns) return made;
      let length = 0;
      for (let node = view.#last; node !== null; node = node.previous as Taken | null) {
        if (node.stage === stage) length++;
      }
      const list = made?.length === length ? made : new OwnArray<unknown>(length);
      for (
        let node = view.#last;
        length > 0 && node !== null;
        node = node.previous as Taken | null
      ) {
        if (node.stage === stage) list[--length] = node.event.data;
      }
      view.#lists[stage] = list;
      view.#filledAt[stage] = view.#turns;
      return list;
    }

    [FIRST_EVENT](name: string): unknown {
      const last = this.#last;
      const stage = stages.get(name);
      if (last === null || stage === undefined) return undefined;
      // A list that does not fork begins at its origin, and most that is asked for is there.
      const origin = last.origin as Taken;
      if (origin.stage === stage) return origin.event.data;
      let first: Taken | null = null;
      for (let node: Taken | null = last; node !== null; node = node.previous as Taken | null) {
        if (node.stage === stage) first = node;
      }
      return first?.event.data;
    }

    static turn(view: View, last: Taken | null): void {
      view.#last = last;
      view.#turns++;
    }
  }
  Object.setPrototypeOf(View.prototype, null);
  Reflect.deleteProperty(View.prototype, 'constructor');
  stageNames.forEach((name, stage) => {
    Object.defineProperty(View.prototype, name, {
      enumerable: true,
      get(this: View) {
        return View.list(this, stage);
      },
    });
  });
  return View as unknown as MatchView;
}
