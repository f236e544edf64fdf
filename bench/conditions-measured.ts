// The conditions that bench/conditions.ts compares, and the loop around them: the same module in Node and in the
// workflow sandbox.

import { compile } from '../src/automaton/compile.js';
import { Taken } from '../src/automaton/taken.js';
import type { CepEvent } from '../src/event.js';
import {
  type Condition,
  type ConditionFunction,
  type MatchSoFar,
  toCondition,
} from '../src/pattern/condition.js';
import { cel } from '../src/rules/cel.js';
import { type Click, patternOf } from './patterns.js';

type Match = { readonly initial_view: readonly Click[] };

interface Pair {
  readonly name: string;
  readonly text: string;
  readonly ts: ConditionFunction<Click, Match>;
}

/** The same in either language, asked in the same order: what `&&` leaves out costs nothing. */
export const PAIRS: readonly Pair[] = [
  { name: 'nothing', text: 'true', ts: (_e) => true },
  { name: 'equality', text: "event.eventType == 'view'", ts: (e) => e.eventType === 'view' },
  {
    name: 'comparison, &&',
    text: "event.eventType == 'cart' && event.price > 200.0",
    ts: (e) => e.eventType === 'cart' && e.price > 200,
  },
  {
    name: 'look-back',
    text: "event.eventType == 'view' && event.productId == match.initial_view[0].productId && event.price < match.initial_view[0].price",
    ts: (e, match) =>
      e.eventType === 'view' &&
      e.productId === match.initial_view[0]?.productId &&
      e.price < match.initial_view[0].price,
  },
  {
    name: 'string function',
    text: "event.categoryCode.startsWith('electronics.')",
    ts: (e) => e.categoryCode.startsWith('electronics.'),
  },
  {
    name: 'in list',
    text: "event.eventType in ['cart', 'purchase']",
    ts: (e) => e.eventType === 'cart' || e.eventType === 'purchase',
  },
  {
    name: 'arithmetic',
    text: 'event.price * 0.9 + 5.0 > 100.0',
    ts: (e) => e.price * 0.9 + 5 > 100,
  },
];

/** How many events are asked about, over and over. */
export const EVENTS = 1_000;
/** For one condition at least: the sandbox has a clock of whole milliseconds. */
const LOOP_MS = 50;

const TYPES = ['view', 'view', 'cart', 'purchase'] as const;
const CODES = ['electronics.smartphone', 'apparel.shoes', 'electronics.audio', 'kids.toys'];

/** What one condition cost, in one language. */
export interface Cost {
  readonly ns: number;
  /** For how many of the events it holds: no evaluation may be left out because nobody wants its answer. */
  readonly trues: number;
}

export interface PairCost {
  readonly ts: Cost;
  readonly cel: Cost;
}

const compiled = PAIRS.map(({ text, ts }) => ({
  ts: toCondition<Click>(ts as ConditionFunction<Click>),
  cel: cel<Click>(text),
}));
const { MatchView } = compile(patternOf('price', 'ts'));

/** Asks all conditions in turn, once to warm up and once for the result. @param now - a real clock, in ms */
export function measure(now: () => number): PairCost[] {
  const events = clicks();
  // For every fourth event one of the same product, at another price.
  const lists = events.map((_, i) => {
    const first = events[(i * 7) % EVENTS] as CepEvent<Click>;
    return new Taken(0, first, 0, null, null);
  });
  const rings = (condition: Condition<Click>, count: number): number => {
    let trues = 0;
    for (let n = 0; n < count; n++) {
      for (let i = 0; i < EVENTS; i++) {
        const { data, timestamp } = events[i] as CepEvent<Click>;
        // As in the automaton: who looks back gets a view made for this event and this match.
        const match = condition.iterative ? new MatchView(lists[i] as Taken) : null;
        if (condition.evaluate(data, match as MatchSoFar, timestamp) === true) trues++;
      }
    }
    return trues;
  };
  const cost = (condition: Condition<Click>): Cost => {
    let count = 0;
    let trues = 0;
    let elapsed = 0;
    const before = now();
    for (let step = 1; elapsed < LOOP_MS; step *= 2) {
      trues += rings(condition, step);
      count += step;
      elapsed = now() - before;
    }
    return { ns: (elapsed * 1e6) / (count * EVENTS), trues: trues / count };
  };
  const all = () => compiled.map((pair) => ({ ts: cost(pair.ts), cel: cost(pair.cel) }));
  all();
  return all();
}

/** Made of text, as events are that come in a signal. */
function clicks(): CepEvent<Click>[] {
  return Array.from({ length: EVENTS }, (_, offset) => {
    const data: Click = {
      id: offset + 1,
      eventTime: offset,
      eventType: TYPES[offset % 4] as Click['eventType'],
      productId: `${1_000_000 + (offset % 8)}`,
      categoryCode: CODES[(offset >> 1) % 4] as string,
      price: ((offset * 37) % 5_003) / 10,
      userSession: 'ann',
    };
    return {
      timestamp: offset,
      source: 'clicks',
      partition: 0,
      offset,
      data: JSON.parse(JSON.stringify(data)) as Click,
    };
  });
}
