// The events of the scenarios, as records with the JSON text that a reader would find.

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawRecord, Read } from '../../src/ingest/record.js';
import { type Millis, minutes, type Timestamp } from '../../src/time.js';
import type { Click } from '../patterns.js';
import { PACE } from './clicks.js';
import type { Step } from './visits.js';

export const SOURCE = 'bench';
/** How often an idle reader says that there is nothing more. */
const LOOK_MS: Millis = 25;

let offset = 0;

function record(value: string): RawRecord {
  return { source: SOURCE, partition: 0, offset: offset++, recordTime: Date.now(), value };
}

/** Sessions that stay open. */
export interface OpenSpec {
  readonly type: 'open';
  readonly from: number;
  readonly to: number;
}

/** Events of open sessions in rounds: `perBatch` of the first session, of the second, and so on. */
export interface RoundsSpec {
  readonly type: 'rounds';
  readonly sessions: number;
  readonly perBatch: number;
  readonly rounds: number;
  /** One alert for so many events of a session; a multiple of ten. */
  readonly eventsPerAlert: number;
  /** As fast as they are taken where there is none. */
  readonly eventsPerSecond?: number;
}

/** An excerpt of a clickstream, played faster. */
export interface ClicksSpec {
  readonly type: 'clicks';
  readonly file: string;
  /** Minutes of event time since the file's first event: sessions that begin in them are played. */
  readonly fromMin: number;
  readonly toMin: number;
  /** What is later of those sessions is left out. */
  readonly endMin: number;
  /** How long the reader stays on when all is read. */
  readonly tailMs: Millis;
}

export type StreamSpec = OpenSpec | RoundsSpec | ClicksSpec;

export function streamOf(spec: StreamSpec): AsyncGenerator<Read> {
  if (spec.type === 'open') return opened(spec);
  return spec.type === 'rounds' ? rounds(spec) : clicks(spec);
}

function step(type: Step['type'], session: number, eventTime: Timestamp): RawRecord {
  const data: Step = { type, key: `s${session}`, eventTime };
  return record(JSON.stringify(data));
}

let lastTime: Timestamp = 0;

/** Now, and later than before: what is read at one time is released as one. */
function nextTime(): Timestamp {
  lastTime = Math.max(Date.now(), lastTime + 1);
  return lastTime;
}

async function* opened({ from, to }: OpenSpec): AsyncGenerator<Read> {
  for (let session = from; session < to; session++) yield step('login', session, nextTime());
}

async function* rounds(spec: RoundsSpec): AsyncGenerator<Read> {
  const { sessions, perBatch, eventsPerSecond, eventsPerAlert } = spec;
  const began = performance.now();
  const all = sessions * spec.rounds * perBatch;
  for (let n = 0; n < all; n += perBatch) {
    if (eventsPerSecond !== undefined) {
      const wait = began + (n * 1_000) / eventsPerSecond - performance.now();
      if (wait > 1) await sleep(wait);
    }
    const batch = Math.floor(n / perBatch);
    const session = batch % sessions;
    const first = Math.floor(batch / sessions) * perBatch + phase(session, eventsPerAlert);
    const time = nextTime();
    for (let i = 0; i < perBatch; i++) {
      yield step(stepType(first + i, eventsPerAlert), session, time);
    }
  }
}

/** Not all sessions have their alerts at one time; in tens, so that no pair straddles a batch. */
function phase(session: number, eventsPerAlert: number): number {
  return (session * 10) % eventsPerAlert;
}

function stepType(n: number, eventsPerAlert: number): Step['type'] {
  const place = n % eventsPerAlert;
  if (place === eventsPerAlert - 2) return 'cart';
  return place === eventsPerAlert - 1 ? 'purchase' : 'view';
}

/** How many alerts the rounds lead to. */
export function alertsOf(spec: RoundsSpec): number {
  const { sessions, eventsPerAlert } = spec;
  let alerts = 0;
  for (let session = 0; session < sessions; session++) {
    const first = phase(session, eventsPerAlert);
    const end = first + spec.rounds * spec.perBatch;
    alerts += Math.floor(end / eventsPerAlert) - Math.floor(first / eventsPerAlert);
  }
  return alerts;
}

async function* clicks(spec: ClicksSpec): AsyncGenerator<Read> {
  const found = await excerpt(spec);
  const [first] = found as [Click];
  const began = Date.now() + 100;
  const at = (eventTime: Timestamp) => began + (eventTime - first.eventTime) / PACE;
  for (const each of found) {
    const eventTime = Math.round(at(each.eventTime));
    yield* quiet(eventTime);
    yield record(JSON.stringify({ ...each, eventTime }));
  }
  yield* quiet(Date.now() + spec.tailMs);
}

/** Until that time there is nothing to read. */
async function* quiet(until: Timestamp): AsyncGenerator<Read> {
  for (let left = until - Date.now(); left > 0; left = until - Date.now()) {
    const lookedAt = performance.now();
    if (left < LOOK_MS) await sleep(left);
    else {
      yield { endOfLog: true, source: SOURCE, partition: 0, lookedAt };
      await sleep(LOOK_MS);
    }
  }
}

/** The events of the sessions that begin in a stretch of the file. */
export async function excerpt({ file, fromMin, toMin, endMin }: ClicksSpec): Promise<Click[]> {
  const seen = new Map<string, boolean>();
  const found: Click[] = [];
  let start: Timestamp | null = null;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const click = JSON.parse(line) as Click;
    start ??= click.eventTime;
    const afterMs = click.eventTime - start;
    if (afterMs >= minutes(endMin)) break;
    const isPlayed =
      seen.get(click.userSession) ?? (afterMs >= minutes(fromMin) && afterMs < minutes(toMin));
    seen.set(click.userSession, isPlayed);
    if (isPlayed) found.push(click);
  }
  return found;
}
