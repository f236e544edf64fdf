// How much one key may hold open of one pattern. A loop that may repeat for days, or combinations of it, can
// grow without end, and what is too large to be handed on ends a session; so something gives before that.

import { CepError } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import type { Timestamp } from '../time.js';

// A look-up of a global is dear in the workflow sandbox.
const { stringify } = JSON;

/** What gives when a limit is passed. */
export type LimitPolicy =
  /** The partial matches that began first are dropped. */
  | 'drop-oldest'
  /** The partial matches that began last are dropped, as a rule those that have just begun. */
  | 'refuse-new'
  /** Processing fails with `STATE_LIMIT`, and all that is open is lost. */
  | 'fail';

/** How much may be open of one pattern at one key. */
export interface StateLimits {
  /** Partial matches, and finished ones that a skip strategy holds back. Default 5,000. */
  readonly partialMatches: number;
  /**
   * Their events and lists as JSON, in bytes, without the events that wait for the watermark. Measured when another
   * sixteenth may have come, so the state can be larger by that. Default 1,000,000.
   */
  readonly bytes: number;
  /** Events that wait for the watermark; one that finds no room is refused, whatever the policy. Default 5,000. */
  readonly bufferedEvents: number;
  /** Default `drop-oldest`. Those that began at the same time go together. */
  readonly policy: LimitPolicy;
}

export const DEFAULT_LIMITS: StateLimits = {
  partialMatches: 5_000,
  bytes: 1_000_000,
  bufferedEvents: 5_000,
  policy: 'drop-oldest',
};

const POLICIES: readonly unknown[] = ['drop-oldest', 'refuse-new', 'fail'] satisfies LimitPolicy[];

/**
 * The limits with the defaults for what is absent.
 *
 * @throws CepError `JOURNEYS_INVALID` for what is no limit
 */
export function limitsFrom(given?: Partial<StateLimits>): StateLimits {
  // Most rules have none of their own, and every session asks for each of its rules.
  if (given === undefined) return DEFAULT_LIMITS;
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw invalid(`there is no limit "${name}": use ${Object.keys(DEFAULT_LIMITS).join(', ')}`);
    }
    if (name === 'policy' ? POLICIES.includes(value) : Number(value) >= 1) continue;
    const wanted = name === 'policy' ? POLICIES.join(', ') : 'a number of 1 or more';
    throw invalid(`the limit "${name}" is ${String(value)}: use ${wanted}`);
  }
  return limits;
}

function invalid(message: string): CepError {
  return new CepError('JOURNEYS_INVALID', message);
}

/** For those who bound what they feed in some other way. */
export const NO_LIMITS: StateLimits = {
  ...DEFAULT_LIMITS,
  partialMatches: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  bufferedEvents: Number.POSITIVE_INFINITY,
};

/** How much a step adds to a state's JSON at most: a row for what was taken, and one for where the match stands. */
const STEP_BYTES = 48;
/** The same of each list that the step goes on from. */
const LIST_BYTES = 8;

// The rules of a session take an event one after the other: it is measured for the first of them.
let lastMeasured: CepEvent | null = null;
let lastBytes = 0;

/** What is known of a state's size. JSON. */
export interface SizeSnapshot {
  /** When it was last measured. */
  readonly measured: number;
  /** By how much it has grown since, at most. */
  readonly grown: number;
}

/**
 * The size of a state as JSON. To write it down at every event would cost more than all else, so it is measured
 * when it may have passed the limit, and not again before it may have grown by a sixteenth of that.
 */
export class StateSize {
  readonly #limit: number;
  #measured: number;
  #grown: number;

  constructor(
    { bytes }: StateLimits,
    { measured, grown }: SizeSnapshot = { measured: 0, grown: 0 },
  ) {
    this.#limit = bytes;
    this.#measured = measured;
    this.#grown = grown;
  }

  /**
   * @param steps - partial matches that came of others by this event
   * @param lists - of those that they came of
   */
  grow(event: CepEvent, steps: number, lists: number): void {
    if (event !== lastMeasured) {
      lastMeasured = event;
      lastBytes = SizedEvent.bytesOf(event);
    }
    this.#grown += lastBytes + steps * STEP_BYTES + lists * LIST_BYTES;
  }

  get isDue(): boolean {
    return this.#grown > this.#limit / 16 && this.#measured + this.#grown > this.#limit;
  }

  /** @returns whether it is within the limit */
  measure(state: unknown): boolean {
    this.#measured = jsonBytes(state);
    this.#grown = 0;
    return this.#measured <= this.#limit;
  }

  snapshot(): SizeSnapshot {
    return { measured: this.#measured, grown: this.#grown };
  }
}

/** The length of something as JSON in UTF-8. */
export function jsonBytes(value: unknown): number {
  const text = stringify(value);
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // Each half of a surrogate pair stands for two of its four bytes.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}

/** The same, or more, and found without writing it: for events, of which most are never looked at again. */
export function bytesAtMost(value: unknown): number {
  // Six for an escaped control character; people's texts have three at most for a character.
  if (typeof value === 'string') return 2 + 3 * value.length;
  if (typeof value !== 'object' || value === null) return 24;
  let bytes = 2;
  for (const name in value) {
    bytes += 4 + name.length + bytesAtMost((value as Record<string, unknown>)[name]);
  }
  return bytes;
}

/** An event that knows its {@link bytesAtMost}: to ask once, of all its fields, is dear where it has left the processor's caches. */
export class SizedEvent implements CepEvent {
  readonly timestamp: Timestamp;
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  declare readonly id?: string;
  readonly data: EventData;
  /** Private, so that it is in no JSON. */
  readonly #bytes: number;

  constructor(event: CepEvent) {
    this.timestamp = event.timestamp;
    this.source = event.source;
    this.partition = event.partition;
    this.offset = event.offset;
    if (event.id !== undefined) this.id = event.id;
    this.data = event.data;
    this.#bytes = bytesAtMost(event);
  }

  static bytesOf(event: CepEvent): number {
    return #bytes in event ? event.#bytes : bytesAtMost(event);
  }
}
