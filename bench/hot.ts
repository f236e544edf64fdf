// One hot session: what an event costs when 10, 100, 1,000 or 10,000 matches have begun and none ends. Without a
// skip strategy and without a condition that looks back it must not depend on their number; with either, every
// one of them is looked at, and the time is linear. Once by the automaton, and once by the operator around it, which
// is what a session has for each of its rules.
//
//   npm run bench:hot

import { parseArgs } from 'node:util';
import { assert } from '../src/assert.js';
import { Automaton } from '../src/automaton/automaton.js';
import { compile } from '../src/automaton/compile.js';
import { NO_LIMITS } from '../src/automaton/limits.js';
import type { Found } from '../src/automaton/match.js';
import { CepOperator } from '../src/automaton/operator.js';
import type { CepEvent } from '../src/event.js';
import { cel, days, patterns, skipPastLastEvent, type Timestamp } from '../src/index.js';
import type { Click, ClickPattern } from './patterns.js';
import { click, median, report, rounded, START, show, timed } from './support.js';

const { values } = parseArgs({ options: { file: { type: 'string' } } });
if (values.file !== undefined) {
  throw new Error(
    `bench:hot makes its own session; a clickstream is timed by bench:automaton -- --file ${values.file}`,
  );
}

const SIZES = [10, 100, 1_000, 10_000];
const REPETITIONS = 25;
/** A repetition ends with the first of both. What a loop takes stays: too much of it would measure the memory. */
const REPETITION_MS = 20;
const REPETITION_EVENTS = 5_000;
/** Between two looks at the clock. */
const CHUNK = 100;

const { begin } = patterns<Click>();
const isView = (e: Click) => e.eventType === 'view';
const isCart = (e: Click) => e.eventType === 'cart';
const isPurchase = (e: Click) => e.eventType === 'purchase';

interface Case {
  readonly name: string;
  readonly expected: 'constant' | 'linear';
  readonly pattern: ClickPattern;
  /** What comes after the views: it neither begins a match nor ends one. */
  readonly after: Partial<Click>;
}

const CASES: readonly Case[] = [
  {
    name: 'passed over',
    expected: 'constant',
    pattern: begin('view').where(isView).followedBy('purchase').where(isPurchase).within(days(7)),
    after: { eventType: 'cart' },
  },
  {
    name: 'taken by a loop',
    expected: 'constant',
    pattern: begin('view')
      .where(isView)
      .followedBy('carts')
      .where(isCart)
      .oneOrMore()
      // Else each length of the loop waits for the purchase, and the matches multiply.
      .greedy()
      .followedBy('purchase')
      .where(isPurchase)
      .within(days(7)),
    after: { eventType: 'cart' },
  },
  {
    name: 'passed over, looking back',
    expected: 'linear',
    pattern: begin('view')
      .where(isView)
      .followedBy('purchase')
      .where((e, { view }) => isPurchase(e) && e.productId === view[0]?.productId)
      .within(days(7)),
    after: { eventType: 'purchase', productId: 'another' },
  },
  {
    name: 'passed over, another first value',
    expected: 'linear',
    pattern: begin('view')
      .where(isView)
      .followedBy('purchase')
      .where(cel("event.eventType == 'purchase' && event.productId == match.view[0].productId"))
      .within(days(7)),
    after: { eventType: 'purchase', productId: 'another' },
  },
  {
    name: 'passed over, skip past last event',
    expected: 'linear',
    pattern: begin('view')
      .where(isView)
      .followedBy('purchase')
      .where(isPurchase)
      .within(days(7))
      .afterMatch(skipPastLastEvent()),
    after: { eventType: 'cart' },
  },
];

/** What takes the events of a session in: the automaton, or all that a rule of a session has. */
interface Driver {
  process(event: CepEvent): void;
  /** Ends what is open, and says how much it was. */
  end(now: Timestamp): number;
}

const DRIVERS: Readonly<Record<string, (automaton: Automaton) => Driver>> = {
  automaton: (automaton) => {
    const state = automaton.initialState();
    const found: Found[] = [];
    return {
      process(event) {
        automaton.advanceTime(state, event.timestamp, found);
        automaton.processEvent(state, event, found);
      },
      end(now) {
        automaton.advanceTime(state, now, found);
        return found.length;
      },
    };
  },
  operator: ({ nfa }) => {
    const operator = new CepOperator(nfa, { limits: NO_LIMITS });
    return {
      process(event) {
        operator.processElement(event);
        operator.advanceWatermark(event.timestamp);
      },
      end: (now) => operator.advanceWatermark(now).length,
    };
  },
};

/** A session in which so many matches have begun. */
class Session {
  readonly #driver: Driver;
  readonly #size: number;
  readonly #after: Partial<Click>;
  #events = 0;

  constructor(driver: Driver, { after }: Case, size: number) {
    this.#driver = driver;
    this.#size = size;
    this.#after = after;
    while (this.#events < size) driver.process(this.#next({}));
  }

  #next(data: Partial<Click>): CepEvent {
    const offset = this.#events++;
    return click(offset, START + offset, data);
  }

  nsPerEvent(): number {
    let elapsed = 0;
    let count = 0;
    while (elapsed < REPETITION_MS && count < REPETITION_EVENTS) {
      const events = Array.from({ length: CHUNK }, () => this.#next(this.#after));
      elapsed += timed(() => {
        for (const event of events) this.#driver.process(event);
      });
      count += CHUNK;
    }
    return (elapsed * 1e6) / count;
  }

  end(): void {
    const open = this.#driver.end(START + this.#size + days(7));
    assert(open === this.#size, 'all that began was open to the end');
  }
}

const runs = CASES.flatMap((each) => {
  const automaton = new Automaton(compile(each.pattern));
  return Object.entries(DRIVERS).map(([driver, makeDriver]) => ({
    ...each,
    driver,
    sessions: SIZES.map((size) => new Session(makeDriver(automaton), each, size)),
    ns: SIZES.map((): number[] => []),
  }));
});
// All in turn, so that the compiler has seen every one before the first counts, and a slow moment is shared.
for (let n = 0; n <= REPETITIONS; n++) {
  for (const { sessions, ns } of runs) {
    sessions.forEach((session, i) => {
      const one = session.nsPerEvent();
      if (n > 0) ns[i]?.push(one);
    });
  }
}
for (const { sessions } of runs) for (const session of sessions) session.end();

const rows = runs.map(({ name, driver, expected, ns }) => {
  const medians = ns.map(median);
  return {
    name,
    driver,
    expected,
    nsPerEvent: Object.fromEntries(SIZES.map((size, i) => [size, rounded(medians[i] as number)])),
    ratio: rounded((medians.at(-1) as number) / (medians[0] as number)),
  };
});
show(
  'ns per event, by how many matches have begun',
  rows.map(({ name, driver, expected, nsPerEvent, ratio }) => ({
    event: name,
    by: driver,
    expected,
    ...Object.fromEntries(SIZES.map((size) => [`${size} begun`, nsPerEvent[size] as number])),
    [`${SIZES.at(-1)} / ${SIZES[0]}`]: ratio,
  })),
);
report('hot', { unit: 'ns per event, median', rows });
