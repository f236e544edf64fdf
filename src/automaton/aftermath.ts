// What the automaton has after a step, so that explain.ts can tell what became of each run it knew before.

import { type NFAState, openMatches } from './automaton.js';
import type { Found } from './match.js';
import type { State } from './state.js';
import { listOf, type Taken } from './taken.js';

/** Numbers lists by what they hold, so that one that was foreseen is found among those that are there. */
export class ListKeys {
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
export class After {
  /** The matches that came out, in order. */
  readonly matches: readonly Taken[];
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
