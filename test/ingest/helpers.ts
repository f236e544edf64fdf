import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';
import { type SessionGateway, SessionRefused } from '../../src/ingest/gateway.js';
import { type IngestOptions, ingest } from '../../src/ingest/ingest.js';
import {
  MemoryProgressStore,
  type Publication,
  type StoredProgress,
} from '../../src/ingest/progress.js';
import type { Clock, RawRecord, Read } from '../../src/ingest/record.js';
import type { Reject } from '../../src/ingest/rejects.js';
import type { LogAttributes, Logger } from '../../src/log.js';
import { patterns } from '../../src/pattern/pattern.js';
import { type CompiledJourneys, compileJourneys } from '../../src/rules/compiled.js';
import { defineJourneys, type Journey, type JourneySet } from '../../src/rules/journey.js';
import type { Timestamp } from '../../src/time.js';
import type { EventBatch, PartitionProgress, SessionRef } from '../../src/workflows/messages.js';

/** The event of these tests: `type: 'a'` can begin a match, nothing else can. */
export type Item = { t: number; key?: string; type?: string; n?: number };

const { begin } = patterns<Item>();
const rule = {
  id: 'a-then-b',
  pattern: begin('a')
    .where((e) => e.type === 'a')
    .followedBy('b')
    .where((e) => e.type === 'b'),
};

/** A journey by the field `key`. */
export function journey(parts: Partial<Journey<Item>> = {}): Journey<Item> {
  return { id: 'shop', key: 'key', rules: [rule], ...parts };
}

export function journeysOf(
  journeys: readonly Journey<Item>[] = [journey()],
  set: Partial<Omit<JourneySet<Item>, 'journeys'>> = {},
): CompiledJourneys {
  return compileJourneys(defineJourneys<Item>({ eventTime: 't', ...set, journeys }) as JourneySet);
}

/** A record at 1970: far behind every clock, so neither live nor ahead. */
export function record(offset: number, value: RawRecord['value'], at: Timestamp = 1e12): RawRecord {
  return { source: 'test', partition: 0, offset, recordTime: at, value };
}

/** Items as records, their positions as offsets. */
export async function* recordsOf(items: Iterable<Item>): AsyncGenerator<Read> {
  let offset = 0;
  for (const item of items) yield record(offset++, item);
}

export interface Call {
  readonly how: 'start' | 'signal';
  readonly session: string;
  /** The batches of one signal. */
  readonly batches: readonly EventBatch[];
}

/** A server in memory: it can be slow, fail, refuse, and know no session. */
export class FakeGateway implements SessionGateway {
  /** Accepted calls, in order of acceptance. */
  readonly accepted: Call[] = [];
  /** Sessions with a call under way; two at once for one session are an error. */
  readonly inFlight = new Set<string>();
  inFlightMax = 0;
  calls = 0;
  readonly running = new Set<string>();
  /** Sessions that have something to do. */
  readonly busy = new Set<string>();
  /** Asked before each call: throws, waits, or lets it pass. */
  before: (call: Call) => void | Promise<void> = () => {};

  signalWithStart(ref: SessionRef, ...batches: EventBatch[]): Promise<void> {
    return this.#call('start', ref, batches).then(() => undefined);
  }

  signal(ref: SessionRef, ...batches: EventBatch[]): Promise<'accepted' | 'not-found'> {
    return this.#call('signal', ref, batches);
  }

  async isBusy({ journey, key }: SessionRef): Promise<boolean> {
    return this.busy.has(`${journey}/${key}`);
  }

  async #call(how: Call['how'], ref: SessionRef, batches: EventBatch[]) {
    const session = `${ref.journey}/${ref.key}`;
    if (this.inFlight.has(session)) throw new SessionRefused(`two calls at once for ${session}`);
    this.inFlight.add(session);
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight.size);
    this.calls++;
    try {
      const call: Call = { how, session, batches: structuredClone(batches) };
      await this.before(call);
      if (how === 'signal' && !this.running.has(session)) return 'not-found' as const;
      this.running.add(session);
      this.accepted.push(call);
      return 'accepted' as const;
    } finally {
      this.inFlight.delete(session);
    }
  }

  /** Accepted batches of one session. */
  batches(session: string): EventBatch[] {
    return this.accepted.filter((call) => call.session === session).flatMap((call) => call.batches);
  }

  /** Offsets accepted for one session, in order. */
  offsets(session: string): number[] {
    return this.batches(session).flatMap(({ events }) => events.map(({ offset }) => offset));
  }
}

/** A store that remembers everything ever published. */
export class RecordingStore extends MemoryProgressStore {
  readonly published: StoredProgress[] = [];
  /** Called at every publication. */
  check: (progress: StoredProgress) => void = () => {};

  override publish(publications: readonly Publication[]): Promise<Publication[]> {
    for (const { progress } of publications) {
      this.published.push(progress);
      this.check(progress);
    }
    return super.publish(publications);
  }

  /** What sessions can read of the last publication. */
  get last(): PartitionProgress | undefined {
    const last = this.published.at(-1);
    return last && { watermark: last.watermark, lowWater: last.lowWater, finished: last.finished };
  }
}

/** A logger that keeps what it is told. */
export function memoryLog(): Logger & { readonly lines: [string, string, LogAttributes][] } {
  const lines: [string, string, LogAttributes][] = [];
  const write =
    (level: string) =>
    (message: string, attributes: LogAttributes = {}) =>
      void lines.push([level, message, attributes]);
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
}

/** Two clocks that move only when told. */
export function manualClock(start: Timestamp): Clock & { passes(ms: number): void } {
  let elapsed = 0;
  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    passes: (ms) => {
      elapsed += ms;
    },
  };
}

/** Runs an ingest with everything in memory. */
export function run(options: Partial<IngestOptions> & Pick<IngestOptions, 'records'>) {
  const gateway = new FakeGateway();
  const store = new RecordingStore();
  const late: Reject[] = [];
  const dead: Reject[] = [];
  const log = memoryLog();
  const { dispatch } = options;
  const done = ingest({
    journeys: journeysOf(),
    gateway,
    store,
    late: (reject) => void late.push(reject),
    deadLetters: (reject) => void dead.push(reject),
    log,
    ...options,
    dispatch: { lingerMs: 5, patienceMs: 0, hotGapMs: 0, ...dispatch },
  });
  return { done, gateway, store, late, dead, log };
}

/** Waits until it is true, for 5 s at most. */
export async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 5_000;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error('it did not become true within 5 s');
    await sleep(2);
  }
}

/** A stream that is pushed by hand. */
export function pushable<T>(): AsyncIterable<T> & { push(...items: T[]): void; end(): void } {
  const items: T[] = [];
  let wake: (() => void) | undefined;
  let isOver = false;
  return {
    push: (...more) => {
      items.push(...more);
      wake?.();
    },
    end: () => {
      isOver = true;
      wake?.();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (items.length > 0) yield items.shift() as T;
        if (isOver) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** A folder that is removed after the file's tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-ingest-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
