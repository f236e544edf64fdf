// Evaluation: the answers of a pattern's conditions for the event at hand.
//
//   E1. A condition that looks at the event alone is evaluated at most once per event.
//   E2. An iterative condition is evaluated at most once in a row per event and list of taken events.
//   E3. A condition that throws, or answers anything but true, is false; the throws are counted.

import type { CepEvent } from '../event.js';
import type { Condition, MatchSoFar } from '../pattern/condition.js';
import type { TakenEvent } from './computation-state.js';

const UNKNOWN = 0;
const YES = 1;
const NO = 2;
const NO_TAKEN_EVENTS: TakenEvent | null = null;

type MatchView = new (last: TakenEvent | null) => MatchSoFar;

export class Evaluation {
  /** Conditions that threw since the operator began. */
  errors = 0;
  readonly #conditions: readonly Condition[];
  readonly #answers: number[];
  /** What `#answers` of an iterative condition was asked about. */
  readonly #askedAbout: (TakenEvent | null)[];
  readonly #View: MatchView;
  #event!: CepEvent;
  #taken: TakenEvent | null = NO_TAKEN_EVENTS;
  #view: MatchSoFar | null = null;

  constructor(conditions: readonly Condition[], View: MatchView) {
    this.#conditions = conditions;
    this.#answers = conditions.map(() => UNKNOWN);
    this.#askedAbout = conditions.map(() => NO_TAKEN_EVENTS);
    this.#View = View;
  }

  /** From now on the questions are about this event. */
  about(event: CepEvent): void {
    this.#event = event;
    this.#answers.fill(UNKNOWN);
    this.#view = null;
  }

  /** From now on the match is the one that has taken these events. */
  within(taken: TakenEvent | null): void {
    if (taken === this.#taken) return;
    this.#taken = taken;
    this.#view = null;
  }

  test(index: number): boolean {
    const condition = this.#conditions[index] as Condition;
    const known = this.#answers[index];
    if (known !== UNKNOWN && (!condition.iterative || this.#askedAbout[index] === this.#taken)) {
      return known === YES;
    }
    const answer = this.#evaluate(condition);
    this.#answers[index] = answer ? YES : NO;
    this.#askedAbout[index] = this.#taken;
    return answer;
  }

  #evaluate(condition: Condition): boolean {
    if (condition.iterative && this.#view === null) this.#view = new this.#View(this.#taken);
    try {
      const { data, timestamp } = this.#event;
      return condition.evaluate(data, this.#view as MatchSoFar, timestamp) === true;
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
  // Symbols, because every string could be a stage's name.
  const taken = Symbol('taken');
  const lists = Symbol('lists');
  function View(
    this: { [taken]: TakenEvent | null; [lists]: unknown[][] },
    last: TakenEvent | null,
  ) {
    this[taken] = last;
    this[lists] = [];
  }
  View.prototype = Object.create(null);
  stageNames.forEach((name, stage) => {
    Object.defineProperty(View.prototype, name, {
      enumerable: true,
      get(this: { [taken]: TakenEvent | null; [lists]: unknown[][] }) {
        const made = this[lists][stage];
        if (made) return made;
        const list: unknown[] = [];
        for (let node = this[taken]; node !== null; node = node.previous) {
          if (node.stage === stage) list.push(node.stored.event.data);
        }
        this[lists][stage] = list.reverse();
        return list;
      },
    });
  });
  return View as unknown as MatchView;
}
