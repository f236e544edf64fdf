// The automaton alone, on a clickstream file: one process, one thread, an automaton for each session and pattern,
// timeouts (of abandonment) when event time passes them. Prints the JSON line that bench/peers/README.md defines to standard
// output, and a table to standard error.
//
//   npm run bench:automaton -- --file FILE [--patterns a,b | default | all] [--conditions ts|cel]
//                              [--warmup 1] [--runs 3] [--limit N]

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { Automaton, type NFAState } from '../src/automaton/automaton.js';
import { compile } from '../src/automaton/compile.js';
import type { Found } from '../src/automaton/match.js';
import type { NFA } from '../src/automaton/nfa.js';
import type { Taken } from '../src/automaton/taken.js';
import type { CepEvent } from '../src/event.js';
import { MAX_TIMESTAMP } from '../src/time.js';
import {
  type Click,
  type Conditions,
  DEFAULT_PATTERNS,
  PATTERNS,
  type PatternName,
  patternOf,
} from './patterns.js';
import { median } from './support.js';

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    patterns: { type: 'string', default: 'default' },
    conditions: { type: 'string', default: 'ts' },
    warmup: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
    limit: { type: 'string', default: 'Infinity' },
  },
});

/** Matches and timeouts of one pattern: how many, and which, whatever their order. */
class Tally {
  matches = 0;
  alerts = 0;
  timeouts = 0;
  matchHash = 0;
  timeoutHash = 0;
  readonly #name: PatternName;

  constructor(name: PatternName) {
    this.#name = name;
  }

  add(found: Found): void {
    const taken = found.taken();
    let hash = 17;
    for (const { event } of taken) hash = (Math.imul(hash, 31) + (event.data as Click).id) | 0;
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
    if (found.type === 'match') {
      this.matches++;
      this.matchHash = (this.matchHash + hash) | 0;
      if (this.#name !== 'cross-sell' || categoryOf(taken[0]) !== categoryOf(taken[1])) {
        this.alerts++;
      }
    } else {
      this.timeouts++;
      this.timeoutHash = (this.timeoutHash + hash) | 0;
    }
  }
}

function categoryOf(taken: Taken | undefined): string | undefined {
  return (taken?.event.data as Click | undefined)?.categoryCode;
}

/** What is known of one session: a state for each pattern. */
interface Session {
  readonly key: string;
  readonly states: NFAState[];
  /** When its last event was. */
  last: number;
}

/** Keys and times, first in first out. */
class Due {
  readonly #sessions: Session[] = [];
  readonly #times: number[] = [];
  #next = 0;

  /** @param time - not before that of the one before */
  push(session: Session, time: number): void {
    this.#sessions.push(session);
    this.#times.push(time);
  }

  /** The next session whose time has come. */
  pop(now: number): Session | undefined {
    if (!((this.#times[this.#next] as number) <= now)) return undefined;
    if (this.#next > 10_000) {
      this.#sessions.splice(0, this.#next);
      this.#times.splice(0, this.#next);
      this.#next = 0;
    }
    return this.#sessions[this.#next++];
  }
}

/** One pattern over all sessions. A session's own events end its windows; where timeouts are told, time does too. */
class Engine {
  readonly tally: Tally;
  readonly #automaton: Automaton;
  readonly #index: number;
  readonly #windowMs: number;
  readonly #found: Found[] = [];
  /** When a match that has begun times out. All have the same window, so the first begun is the first. */
  readonly #due = new Due();
  readonly #tellsTimeouts: boolean;

  constructor(name: PatternName, index: number, nfa: NFA) {
    this.tally = new Tally(name);
    // The only one of the five that does something about a timeout, in the peers too.
    this.#tellsTimeouts = name === 'abandonment';
    this.#automaton = new Automaton(nfa, { timeouts: this.#tellsTimeouts });
    this.#index = index;
    this.#windowMs = nfa.windowMs as number;
  }

  open(): NFAState {
    return this.#automaton.initialState();
  }

  process(session: Session, event: CepEvent): void {
    const state = session.states[this.#index] as NFAState;
    this.#automaton.advanceTime(state, event.timestamp, this.#found);
    const begins = this.#automaton.processEvent(state, event, this.#found);
    if (begins && this.#tellsTimeouts) this.#due.push(session, event.timestamp + this.#windowMs);
    if (this.#found.length > 0) this.#report();
  }

  /** Tells the timeouts of all sessions up to now. */
  advance(now: number): void {
    for (let due = this.#due.pop(now); due !== undefined; due = this.#due.pop(now)) {
      this.#automaton.advanceTime(due.states[this.#index] as NFAState, now, this.#found);
    }
    if (this.#found.length > 0) this.#report();
  }

  #report(): void {
    for (let found = this.#found.pop(); found; found = this.#found.pop()) this.tally.add(found);
  }
}

function read(file: string, limit: number): CepEvent[] {
  const lines = readFileSync(file, 'utf8').split(
    '\n',
    limit === Number.POSITIVE_INFINITY ? undefined : limit,
  );
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, offset) => {
    const data = JSON.parse(line) as Click;
    return { timestamp: data.eventTime, source: file, partition: 0, offset, data };
  });
}

function pass(
  events: readonly CepEvent[],
  names: readonly PatternName[],
  nfas: readonly NFA[],
): Tally[] {
  const engines = names.map((name, i) => new Engine(name, i, nfas[i] as NFA));
  const sessions = new Map<string, Session>();
  // Nothing is open in a session whose last event is older than every window. Each is looked at every so often.
  const forgetAfterMs = Math.max(...nfas.map(({ windowMs }) => windowMs as number));
  const due = new Due();
  for (const event of events) {
    const now = event.timestamp;
    for (const engine of engines) engine.advance(now);
    for (let old = due.pop(now); old !== undefined; old = due.pop(now)) {
      if (old.last + forgetAfterMs <= now) sessions.delete(old.key);
      else due.push(old, now + forgetAfterMs);
    }
    const { userSession } = event.data as Click;
    let session = sessions.get(userSession);
    if (session === undefined) {
      session = { key: userSession, states: engines.map((engine) => engine.open()), last: now };
      sessions.set(userSession, session);
      due.push(session, now + forgetAfterMs);
    }
    session.last = now;
    for (const engine of engines) engine.process(session, event);
  }
  for (const engine of engines) engine.advance(MAX_TIMESTAMP);
  return engines.map(({ tally }) => tally);
}

function main(): void {
  if (values.file === undefined)
    throw new Error('name a clickstream: --file FILE (bench/peers/gen.sh makes one)');
  const all = Object.keys(PATTERNS) as PatternName[];
  const names =
    values.patterns === 'default'
      ? DEFAULT_PATTERNS
      : values.patterns === 'all'
        ? all
        : (values.patterns.split(',') as PatternName[]);
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new Error(`no such pattern: ${unknown}; there are ${all.join(', ')}`);
  if (values.conditions !== 'ts' && values.conditions !== 'cel')
    throw new Error('--conditions ts or cel');
  const conditions = values.conditions as Conditions;

  const events = read(values.file, Number(values.limit));
  const nfas = names.map((name) => compile(patternOf(name, conditions)));
  for (let i = 0; i < Number(values.warmup); i++) pass(events, names, nfas);
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  let tallies: Tally[] = [];
  for (let i = 0; i < Number(values.runs); i++) {
    const cpuBefore = process.cpuUsage();
    const before = performance.now();
    tallies = pass(events, names, nfas);
    seconds.push((performance.now() - before) / 1_000);
    const { user, system } = process.cpuUsage(cpuBefore);
    cpuSeconds.push((user + system) / 1e6);
  }
  const best = Math.min(...seconds);
  const hex = (hash: number) => (hash >>> 0).toString(16).padStart(8, '0');
  const by = <T>(of: (tally: Tally) => T) =>
    Object.fromEntries(names.map((name, i) => [name, of(tallies[i] as Tally)]));
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
  const cpuBest = Math.min(...cpuSeconds);
  const line = {
    engine: 'temporal-cep',
    version,
    mode: conditions,
    input: 'memory',
    file: basename(values.file),
    events: events.length,
    patterns: names,
    secondsBest: rounded(best),
    secondsMedian: rounded(median(seconds)),
    seconds: seconds.map(rounded),
    cpuSecondsBest: rounded(cpuBest),
    eventsPerSecond: Math.round(events.length / best),
    matches: by(({ matches }) => matches),
    alerts: by(({ alerts }) => alerts),
    timeouts: by(({ timeouts }) => timeouts),
    matchHash: by(({ matchHash }) => hex(matchHash)),
    timeoutHash: by(({ timeoutHash }) => hex(timeoutHash)),
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  process.stderr.write(
    `${line.file}, ${names.join(' ')}, ${conditions}: ${Math.round(events.length / best)} events/s, ${Math.round(events.length / cpuBest)} per CPU second\n`,
  );
}

main();
