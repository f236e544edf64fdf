// What the transitions make of an event, with what was asked on the way: decision.ts once more, for people. It reads
// states and lists and changes nothing.

import type { CepEvent } from '../event.js';
import type { Condition, MatchSoFar } from '../pattern/condition.js';
import { type Asked, askCondition, sourceOf } from './asked.js';
import { finalBehind } from './decision.js';
import type { Awaited, Reason } from './explanation.js';
import type { Guard } from './guard.js';
import type { NFA } from './nfa.js';
import type { State } from './state.js';
import { Taken } from './taken.js';

/** One way on that the transitions gave a run: a state, and the last event taken there. */
export interface Way {
  readonly state: State;
  readonly last: Taken;
  /** The stage that took the event; null where it was passed over. */
  readonly stage: string | null;
}

/** What the transitions make of an event. */
export interface Walk {
  readonly ways: readonly Way[];
  /** The stages that took the event. */
  readonly taking: readonly Reason[];
  readonly refusals: readonly Reason[];
  /** The NOT stages that were hit. */
  readonly stops: readonly Reason[];
}

type Because = (guard: Guard) => { holds: boolean; asked: readonly Asked[] };

/** Walks the transitions of one pattern. Lists must not fork. */
export class Walker {
  readonly #nfa: NFA;

  constructor(nfa: NFA) {
    this.#nfa = nfa;
  }

  /** What decision.ts makes of the event, with what was asked on the way. */
  walk(from: State, last: Taken | null, event: CepEvent, sequence: number): Walk {
    const match = new this.#nfa.MatchView(last);
    const because = this.#asker(event, match);
    const ways: Way[] = [];
    const taking: Reason[] = [];
    const refusals: Reason[] = [];
    const stops: Reason[] = [];
    const stack: State[] = [from];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const stage = this.stageOf(state);
      for (const { action, target, guard } of state.transitions) {
        const { holds, asked } = because(guard);
        if (!holds) {
          if (action === 'TAKE') refusals.push({ stage, asked });
        } else if (action === 'PROCEED') {
          if (target.type === 'STOP') stops.push({ stage: this.stageOf(target), asked });
          stack.push(target);
        } else if (action === 'TAKE') {
          taking.push({ stage, asked });
          const taken = new Taken(state.stage, event, sequence, last, last?.origin ?? null);
          ways.push({ state: target, last: taken, stage });
          const end = finalBehind(target, (guard) => because(guard).holds);
          if (end) ways.push({ state: end, last: taken, stage });
        } else if (from.type !== 'START' && last !== null) {
          ways.push({ state: target, last, stage: null });
        }
      }
    }
    const isStopped = ways.some(({ state }) => state.type === 'STOP');
    return {
      ways: isStopped ? ways.filter(({ state }) => state.type === 'FINAL') : ways,
      taking: unique(taking),
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

  stageOf({ stage }: State): string {
    return this.#nfa.stageNames[stage] ?? '';
  }

  /** What a partial match that stands in a state waits for. */
  awaits(from: State): Awaited[] {
    const found: Awaited[] = [];
    const add = (type: Awaited['type'], state: State, guard: Guard | null) => {
      const condition = guard && this.#textOf(guard);
      const awaited: Awaited = { type, stage: this.stageOf(state), condition };
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

/** A stage of several states asks the same in each. */
function unique(reasons: readonly Reason[]): Reason[] {
  const seen = new Set<string>();
  return reasons.filter((reason) => {
    const text = JSON.stringify(reason);
    return !seen.has(text) && seen.add(text);
  });
}
