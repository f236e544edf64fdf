// How the churn pattern grows with the length of a session, measured as bench/peers' Growth measures Flink and
// Esper: a session of L views at 30 s and then one cart, again and again for a new key; the best time counts.
//
// Flink hands over every event of every match. Esper's listener reads the two ends of one. Here there are both ways:
// matches counted, their events left to be asked for, and matches with all their events.
//
//   npm run bench:growth [-- --lengths 10,20,40,80,160] [--seconds 2]

import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { assert } from '../src/assert.js';
import { Automaton } from '../src/automaton/automaton.js';
import { compile } from '../src/automaton/compile.js';
import type { Found } from '../src/automaton/match.js';
import type { CepEvent } from '../src/event.js';
import { seconds } from '../src/time.js';
import { type Click, patternOf } from './patterns.js';
import { click, report, rounded, START, show, timed } from './support.js';

const { values } = parseArgs({
  options: {
    lengths: { type: 'string', default: '10,20,40,80,160' },
    /** For each length and way. */
    seconds: { type: 'string', default: '2' },
  },
});

const WARMUP_MS = 2_000;
const WARMUP_VIEWS = 14;
const SESSIONS_MIN = 3;
const SESSIONS_MAX = 20_000;

// As in the peers, nobody wants churn's timeouts.
const automaton = new Automaton(compile(patternOf('churn', 'ts')), { timeouts: false });

/** What is done with matches, and what it came to. */
interface Listener {
  matches: number;
  /** Events that were handed out. */
  events: number;
  hash: number;
  on(found: readonly Found[]): void;
}

function counting(): Listener {
  return {
    matches: 0,
    events: 0,
    hash: 0,
    on(found) {
      this.matches += found.length;
    },
  };
}

function listing(): Listener {
  return {
    ...counting(),
    on(found) {
      this.matches += found.length;
      for (const match of found) {
        const taken = match.taken();
        this.events += taken.length;
        // As Flink's listener: an answer that depends on every event.
        let hash = 17;
        for (const { event } of taken) hash = (Math.imul(hash, 31) + (event.data as Click).id) | 0;
        this.hash = (this.hash + hash) | 0;
      }
    },
  };
}

function sessionOf(views: number): CepEvent[] {
  return Array.from({ length: views + 1 }, (_, i) =>
    click(i, START + i * seconds(30), { eventType: i < views ? 'view' : 'cart' }),
  );
}

function run(session: readonly CepEvent[], listener: Listener): void {
  const state = automaton.initialState();
  const found: Found[] = [];
  for (const event of session) {
    automaton.advanceTime(state, event.timestamp, found);
    automaton.processEvent(state, event, found);
    if (found.length === 0) continue;
    listener.on(found);
    found.length = 0;
  }
}

function warmUp(makeListener: () => Listener): void {
  const until = performance.now() + WARMUP_MS;
  const listener = makeListener();
  while (performance.now() < until) run(sessionOf(WARMUP_VIEWS), listener);
}

/** The best time for one session, and what its listener saw. */
function measure(views: number, makeListener: () => Listener) {
  const first = makeListener();
  run(sessionOf(views), first);
  let best = Number.POSITIVE_INFINITY;
  const until = performance.now() + Number(values.seconds) * 1_000;
  for (let n = 0; n < SESSIONS_MIN || (n < SESSIONS_MAX && performance.now() < until); n++) {
    const session = sessionOf(views);
    const listener = makeListener();
    best = Math.min(
      best,
      timed(() => run(session, listener)),
    );
    assert(listener.hash === first.hash, 'every session has the same matches');
  }
  return { ms: best, matches: first.matches, events: first.events };
}

/** The best times of an engine by number of views, from the peers' table; none where it is missing. */
function reference(engine: string): Map<number, number> {
  const file = new URL('../../peers/RESULTS.md', import.meta.url);
  const times = new Map<number, number>();
  if (!existsSync(file)) return times;
  // | engine | pattern | views L | matches | partial matches | buffer nodes | ms/session best | ...
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells[1] === engine && cells[2] === 'churn') times.set(Number(cells[3]), Number(cells[7]));
  }
  return times;
}

const lengths = values.lengths.split(',').map(Number);
const flink = reference('flink');
const esper = reference('esper');

warmUp(counting);
const counted = lengths.map((views) => measure(views, counting));
warmUp(listing);
const listed = lengths.map((views) => measure(views, listing));

const rows = lengths.map((views, i) => {
  const { ms, matches } = counted[i] as (typeof counted)[number];
  const all = listed[i] as (typeof listed)[number];
  // One for each first and last view with ten of them or more.
  assert(matches === all.matches && matches === ((views - 9) * (views - 8)) / 2, 'all matches');
  return {
    views,
    matches,
    eventsHandedOut: all.events,
    onDemandMs: rounded(ms),
    listedMs: rounded(all.ms),
    flinkReferenceMs: flink.get(views) ?? null,
    esperReferenceMs: esper.get(views) ?? null,
  };
});
show(
  'churn, one session of so many views, best time in ms. Flink and Esper: for reference, not run now, from bench/peers/RESULTS.md',
  rows.map((row) => ({
    views: row.views,
    matches: row.matches,
    'events on demand': row.onDemandMs,
    'all events listed': row.listedMs,
    'events in all': row.eventsHandedOut,
    '(Flink)': row.flinkReferenceMs,
    '(Esper)': row.esperReferenceMs,
  })),
);
report('growth', { pattern: 'churn', unit: 'ms per session, best', rows });
