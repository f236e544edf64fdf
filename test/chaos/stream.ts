// The stream of a chaos run, planned whole from its seed: what happens in the shop, and how much later
// each record is sent. Most are sent at once, some within the bound, few beyond it.

import { Random } from '../../src/demo/clickstream.js';
import { type Millis, seconds } from '../../src/time.js';
import { type ShopEvent, WINDOWS } from './journeys.js';

export const PARTITIONS = 4;
export const OUT_OF_ORDERNESS_MS: Millis = seconds(2);

/** New visitors in a second. Each has a session or two of its own. */
const VISITORS_PER_S = 2.5;
/** Keys that have an event at short intervals for the whole run. */
const STEPPERS = 8;
const STEP_MS: Millis = 700;

/** A record before it is sent; its times are ms since the start of the run. */
export interface PlannedRecord {
  readonly sendAt: Millis;
  readonly event: ShopEvent;
}

/** @returns all records of a run in the order of sending */
export function planStream(seed: number, durationMs: Millis): PlannedRecord[] {
  const random = new Random(seed);
  const events: Omit<ShopEvent, 'n'>[] = [];
  const visitors = Math.round((durationMs / seconds(1)) * VISITORS_PER_S);
  for (let i = 0; i < visitors; i++) {
    const at = random.integer(0, durationMs);
    events.push(
      ...(random.chance(0.7) ? shopper(random, `s${i}`, at) : order(random, `o${i}`, at)),
    );
  }
  for (let i = 0; i < STEPPERS; i++) events.push(...stepper(random, `hot${i}`, durationMs));
  return events
    .map((event, i) => ({
      sendAt: event.eventTime + delay(random),
      event: { n: i + 1, ...event },
    }))
    .sort((a, b) => a.sendAt - b.sendAt || a.event.n - b.event.n);
}

/** The partition of a key: the same wherever it is asked. */
export function partitionOf(key: string): number {
  let hash = 0;
  for (const letter of key) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return hash % PARTITIONS;
}

/** Looks around and puts products into the cart; three of four are bought shortly before it is too late. */
function shopper(random: Random, session: string, at: Millis): Omit<ShopEvent, 'n'>[] {
  const events: Omit<ShopEvent, 'n'>[] = [];
  for (let i = random.integer(0, 3); i > 0; i--) {
    const eventTime = at + random.integer(0, seconds(8));
    events.push({ eventTime, kind: 'view', session, what: `c${random.integer(0, 2)}` });
  }
  for (let i = random.integer(2, 4); i > 0; i--) {
    const eventTime = at + random.integer(0, seconds(1));
    const what = `p${i}`;
    events.push({ eventTime, kind: 'cart', session, what });
    if (!random.chance(0.75)) continue;
    const boughtAt = eventTime + WINDOWS.cart - random.integer(300, 2_500);
    events.push({ eventTime: boughtAt, kind: 'purchase', session, what });
  }
  return events;
}

function order(random: Random, session: string, at: Millis): Omit<ShopEvent, 'n'>[] {
  const events: Omit<ShopEvent, 'n'>[] = [];
  for (let i = random.integer(1, 2); i > 0; i--) {
    const eventTime = at + random.integer(0, seconds(1));
    const what = `${session}-${i}`;
    const add = (kind: ShopEvent['kind'], afterMs: Millis) =>
      events.push({ eventTime: eventTime + afterMs, kind, session, what });
    add('create', 0);
    // Some pay too late.
    if (random.chance(0.7)) add('pay', random.integer(1_000, WINDOWS.payment + 1_000));
    if (random.chance(0.25)) add('cancel', random.integer(500, 5_000));
  }
  return events;
}

function stepper(random: Random, session: string, durationMs: Millis): Omit<ShopEvent, 'n'>[] {
  const events: Omit<ShopEvent, 'n'>[] = [];
  for (let eventTime = 0, i = 0; eventTime < durationMs; i++) {
    const what = random.chance(0.3) ? random.pick(['a', 'b', 'c']) : 'abc'.charAt(i % 3);
    events.push({ eventTime, kind: 'step', session, what });
    eventTime += random.integer(STEP_MS / 2, STEP_MS * 1.5);
  }
  return events;
}

function delay(random: Random): Millis {
  if (random.chance(0.012)) return random.integer(OUT_OF_ORDERNESS_MS + 600, seconds(7));
  if (random.chance(0.25)) return random.integer(0, OUT_OF_ORDERNESS_MS - 500);
  return 0;
}
