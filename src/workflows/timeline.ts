// What has happened in a session, newest last, for people: transitions and what was done to it, not every event.
//
//   L1. An entry costs an object: it is put into words when somebody asks, or when the next run gets it.
//   L2. Entries are bounded in number, and what the next run gets of them in bytes.

import type { Found } from '../automaton/match.js';
import { type CepEvent, coordinates } from '../event.js';
import type { SessionObserver } from '../rules/session.js';
import { MIN_TIMESTAMP, type Timestamp } from '../time.js';

/** Entries that are kept; older ones are forgotten. */
export const TIMELINE_ENTRIES = 100;
/** What the next run gets of them, as JSON in characters. */
const CARRIED_LENGTH_MAX = 20_000;
/** Events of a match that are named: the first ones, and the last one. */
const EVENTS_NAMED = 5;
const TEXT_LENGTH_MAX = 200;

/** What can happen. */
export type Happening =
  /** Stages of a rule have taken an event. */
  | 'TOOK'
  | 'MATCH'
  | 'TIMEOUT'
  /** Events that came too late for the session. */
  | 'LATE'
  /** Events for which there was no room. */
  | 'REFUSED'
  /** Partial matches dropped at a limit, or because their rule failed. */
  | 'DROPPED'
  /** What people did. */
  | 'PAUSE'
  | 'RESUME'
  | 'DROP'
  | 'CLOSE'
  /** The next run of the workflow began. */
  | 'CONTINUED';

/** One thing that happened. Only what applies is there. */
export interface TimelineEntry {
  /** By the clock of the workflow, in ms since the epoch. */
  readonly at: Timestamp;
  readonly what: Happening;
  /** Event time. */
  readonly eventTime?: Timestamp;
  readonly rule?: string;
  /** Of `TOOK`: the stages. */
  readonly stages?: readonly string[];
  /** Coordinates: of the event, or of a match's first events and its last. */
  readonly events?: readonly string[];
  /** How many: events of a match, events late or refused, matches dropped. */
  readonly count?: number;
  readonly author?: string;
  /** What the author says, or why it was dropped. */
  readonly reason?: string;
}

/** An entry that is not in words yet. */
interface Noted extends TimelineEntry {
  readonly event?: CepEvent;
  readonly found?: Found;
}

export class Timeline implements SessionObserver {
  /** A ring; `#next` is the place of the next entry. */
  readonly #entries: Noted[];
  #next: number;
  #now: Timestamp = MIN_TIMESTAMP;

  constructor(entries: readonly TimelineEntry[] = []) {
    this.#entries = entries.slice(-TIMELINE_ENTRIES);
    this.#next = this.#entries.length % TIMELINE_ENTRIES;
  }

  /** Says what time it is, for the entries to come. */
  now(now: Timestamp): void {
    this.#now = now;
  }

  took(rule: string, event: CepEvent, stages: readonly string[]): void {
    this.#add({ at: this.#now, what: 'TOOK', rule, event, stages });
  }

  found(rule: string, found: Found): void {
    const what = found.type === 'match' ? 'MATCH' : 'TIMEOUT';
    this.#add({ at: this.#now, what, rule, found });
  }

  /** Those that follow upon each other for one reason are one entry. */
  dropped(rule: string, count: number, reason: string): void {
    const at = (this.#next + TIMELINE_ENTRIES - 1) % TIMELINE_ENTRIES;
    const last = this.#entries[at];
    const isSame = last?.what === 'DROPPED' && last.rule === rule && last.reason === reason;
    const entry: Noted = { at: this.#now, what: 'DROPPED', rule, count, reason };
    if (isSame) this.#entries[at] = { ...entry, count: count + (last.count ?? 0) };
    else this.#add(entry);
  }

  /** Events that the session did not take. */
  notTaken(what: 'LATE' | 'REFUSED', events: readonly CepEvent[]): void {
    const [event] = events;
    if (event) this.#add({ at: this.#now, what, event, count: events.length });
  }

  /** What somebody did. */
  did(entry: Omit<TimelineEntry, 'at'>): void {
    this.#add({ at: this.#now, ...entry });
  }

  #add(entry: Noted): void {
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % TIMELINE_ENTRIES;
  }

  /** Oldest first. */
  entries(): TimelineEntry[] {
    const { length } = this.#entries;
    const from = length < TIMELINE_ENTRIES ? 0 : this.#next;
    return this.#entries.map((_, i) => inWords(this.#entries[(from + i) % length] as Noted));
  }

  /** The newest ones, for the next run; L2. */
  snapshot(): TimelineEntry[] {
    const entries = this.entries();
    let length = 0;
    let from = entries.length;
    while (from > 0) {
      length += JSON.stringify(entries[from - 1]).length;
      if (length > CARRIED_LENGTH_MAX) break;
      from--;
    }
    return entries.slice(from);
  }
}

function inWords({ event, found, ...entry }: Noted): TimelineEntry {
  const texts = {
    ...(entry.reason !== undefined && { reason: cut(entry.reason) }),
    ...(entry.stages && { stages: entry.stages.map(cut) }),
  };
  if (event) {
    return { ...entry, ...texts, eventTime: event.timestamp, events: [cut(coordinates(event))] };
  }
  if (!found) return { ...entry, ...texts };
  const events = found.taken().map((taken) => cut(coordinates(taken.event)));
  const named =
    events.length > EVENTS_NAMED
      ? [...events.slice(0, EVENTS_NAMED - 1), events.at(-1) as string]
      : events;
  return { ...entry, ...texts, eventTime: found.at, events: named, count: events.length };
}

function cut(text: string): string {
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX - 3)}...` : text;
}
