// Restarts: however often an ingestor dies or is given its partitions anew, sessions end up with what an
// ingestor that never died would have given them, and at no moment was anything promised that did not hold.
// Records, crashes and interleavings are random; the sessions are models that drop repeats, read progress
// and end as the real ones do. In live streams silence moves watermarks as well: then an event may also be
// late because of a look that came before it, and nothing else may differ.

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import { ingest } from '../../src/ingest/ingest.js';
import { MemoryProgressStore, type Publication } from '../../src/ingest/progress.js';
import type { RawRecord, Read } from '../../src/ingest/record.js';
import type { Reject } from '../../src/ingest/rejects.js';
import type { CompiledJourney } from '../../src/rules/compiled.js';
import { Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';
import type { EventBatch, SessionRef } from '../../src/workflows/messages.js';
import { Sources } from '../../src/workflows/sources.js';
import { journeysOf, manualClock, memoryLog, record } from './helpers.js';

const DELAY = 10;
const GRACE = 5;
/** How far the events of a live stream are ahead of the clock at most. */
const AHEAD = 15;
const journeys = journeysOf();
const shop = journeys.byId.get('shop') as CompiledJourney;

/** One record: of an event, or of none. */
interface Row {
  readonly kind: 'a' | 'b' | 'nonsense' | 'tombstone' | 'keyless';
  readonly t: number;
  readonly key: string;
  /** When it comes into the log, on the wall clock; from the beginning where there is no silence. */
  readonly at: number;
}

interface Coordinates {
  readonly partition: number;
  readonly offset: number;
}

const nameOf = ({ partition, offset }: Coordinates) => `${partition}:${offset}`;
const byOrder = (x: CepEvent, y: CepEvent) =>
  x.timestamp - y.timestamp || x.partition - y.partition || x.offset - y.offset;

function rawOf({ partition, offset }: Coordinates, { kind, t, key }: Row): RawRecord {
  const value =
    kind === 'tombstone'
      ? null
      : kind === 'nonsense'
        ? 'nonsense'
        : { t, type: kind, ...(kind === 'keyless' ? {} : { key }) };
  return { ...record(offset, value), partition };
}

/** What must become of each record, by T1 and T2 alone. */
function expectedOf(partitions: readonly (readonly Row[])[]) {
  const late = new Set<string>();
  const dead = new Set<string>();
  const sessions = new Map<string, CepEvent[]>();
  partitions.forEach((rows, partition) => {
    let watermark: number = MIN_TIMESTAMP;
    rows.forEach(({ kind, t, key }, offset) => {
      const name = nameOf({ partition, offset });
      if (kind === 'nonsense') dead.add(name);
      if (kind === 'nonsense' || kind === 'tombstone') return;
      const isLate = t <= watermark;
      watermark = Math.max(watermark, t - DELAY - 1);
      if (isLate) late.add(name);
      else if (kind === 'keyless') dead.add(name);
      else {
        const event = {
          source: 'test',
          partition,
          offset,
          timestamp: t,
          data: { t, type: kind, key },
        };
        const session = sessions.get(key);
        if (session) session.push(event);
        else sessions.set(key, [event]);
      }
    });
  });
  for (const events of sessions.values()) events.sort(byOrder);
  return { late, dead, sessions };
}

function alertsOf(key: string, events: readonly CepEvent[]): string[] {
  const session = new Session(shop, key);
  for (const event of events) session.accept(event);
  return session.advance(MAX_TIMESTAMP).map(({ alert }) => alert.id);
}

/** The server with its sessions, and the sinks: all that outlives an ingestor. */
class World {
  readonly store = new MemoryProgressStore();
  readonly accepted = new Map<string, Set<string>>();
  readonly alerts = new Map<string, Set<string>>();
  readonly skipped = new Set<string>();
  /** Events that came to their session when it was past their time. */
  readonly sessionLate = new Set<string>();
  readonly late = new Set<string>();
  readonly dead = new Set<string>();
  readonly wrong: string[] = [];
  readonly #running = new Map<
    string,
    { sources: Sources; session: Session; since: CepEvent | null }
  >();
  readonly #kept = new Map<number, { watermark: number; lowWater: number }>();
  /** Records that the ingest has taken, in whichever life. */
  readonly #read = new Set<string>();
  /** And those of them for whose time a look had come before. */
  readonly #readInSilence = new Set<string>();
  /** Records that it has called late, whether or not their output has them. */
  readonly #calledLate = new Set<string>();
  /** Records that were promised not to come any more, before they were read. */
  readonly #ruledOut = new Set<string>();
  /** How far each partition's looks can have moved its watermark. */
  readonly #silence: number[];
  readonly #expected: ReturnType<typeof expectedOf>;
  readonly #partitions: readonly (readonly Row[])[];
  readonly #isKeyed: boolean;
  readonly #doEnd: boolean;

  constructor(partitions: readonly (readonly Row[])[], isKeyed: boolean, doEnd: boolean) {
    this.#expected = expectedOf(partitions);
    this.#partitions = partitions;
    this.#isKeyed = isKeyed;
    this.#doEnd = doEnd;
    this.#silence = partitions.map(() => MIN_TIMESTAMP);
  }

  /** The ingest has this record. */
  read(of: Coordinates): void {
    const name = nameOf(of);
    if (!this.#read.has(name) && this.#isInSilence(of)) this.#readInSilence.add(name);
    this.#read.add(name);
  }

  /** A look at this time found nothing more. */
  looked(partition: number, at: number): void {
    // As if the record before had come last, and its event were as far ahead as any.
    const until = at + AHEAD - DELAY - 1 - GRACE;
    this.#silence[partition] = Math.max(until, this.#silence[partition] as number);
  }

  /** The ingest calls it late. */
  callsLate(of: Coordinates): void {
    const name = nameOf(of);
    this.#calledLate.add(name);
    if (this.#expected.late.has(name) || this.#isInSilence(of)) return;
    this.wrong.push(`${name} is called late, and nothing says so`);
  }

  signal(how: 'start' | 'signal', { key }: SessionRef, batches: readonly EventBatch[]) {
    let running = this.#running.get(key);
    if (!running && how === 'signal') {
      for (const { partition, events } of batches) {
        for (const { offset } of events) this.skipped.add(nameOf({ partition, offset }));
      }
      return 'not-found';
    }
    if (!running) {
      running = { sources: new Sources(), session: new Session(shop, key), since: null };
      this.#running.set(key, running);
    }
    const accepted = this.#setOf(this.accepted, key);
    for (const batch of batches) {
      const { source, partition, lowWater, finished } = batch;
      if (!finished && lowWater > (this.#kept.get(partition)?.lowWater ?? 0)) {
        this.wrong.push(
          `a batch says ${partition} is settled below ${lowWater}, which is not kept`,
        );
      }
      for (const batched of batch.events) {
        if (!running.sources.take(batch, batched.offset)) continue;
        const event: CepEvent = { source, partition, ...batched };
        const name = nameOf(event);
        const isFromBefore =
          this.skipped.has(name) && running.since !== null && byOrder(event, running.since) < 0;
        if (this.#ruledOut.has(name)) this.wrong.push(`${key} gets ${name}, which was ruled out`);
        if (accepted.has(name)) this.wrong.push(`${key} gets ${name} once more after its end`);
        if (running.session.accept(event)) {
          accepted.add(name);
          running.since ??= event;
        } else if (this.#isInSilence(event)) this.sessionLate.add(name);
        else if (!isFromBefore) {
          this.wrong.push(`${key} gets ${name} at ${event.timestamp}, was promised more`);
        }
      }
      running.sources.promise(batch, batch);
    }
    this.#advance(key);
    return 'accepted';
  }

  /** Whatever is published must hold at this moment; some sessions go by it. */
  published(publications: readonly Publication[]): void {
    for (const { source, partition, progress } of publications) {
      const { watermark, lowWater, readTo } = progress;
      const before = this.#kept.get(partition);
      if (before && (watermark < before.watermark || lowWater < before.lowWater)) {
        const [from, to] = [before, progress].map((it) => `${it.watermark}, ${it.lowWater}`);
        this.wrong.push(`what is kept of ${partition} goes back from ${from} to ${to}`);
      }
      this.#kept.set(partition, { watermark, lowWater });
      this.#partitions.forEach((rows, of) => {
        rows.forEach((row, offset) => {
          const name = nameOf({ partition: of, offset });
          const isOwn = of === partition;
          // G1. Where partitions share sessions, W of one is about the events of all.
          if ((isOwn || !this.#isKeyed) && this.#isOpen(row, name) && row.t <= watermark) {
            this.wrong.push(`W of ${partition} is ${watermark}, but ${name} at ${row.t} is open`);
          }
          if (isOwn && offset >= readTo && row.t <= watermark) this.#ruledOut.add(name);
          // Kept as read, and its output may be under way: it may be decided anew (G4).
          else if (isOwn && this.#calledLate.has(name)) this.#ruledOut.delete(name);
          // G3.
          if (isOwn && offset < lowWater && !this.#isSettled(row, name)) {
            this.wrong.push(`${partition} is settled below ${lowWater}, but ${name} is not`);
          }
        });
      });
      for (const [key, { sources }] of this.#running) {
        if (!sources.has(source, partition)) continue;
        sources.promise({ source, partition }, progress);
        this.#advance(key);
      }
    }
  }

  /** What differs from a run without restarts. */
  check(): void {
    const { late, dead, sessions } = this.#expected;
    expect(this.wrong).toEqual([]);
    expect([...this.late].toSorted()).toEqual([...late].toSorted());
    expect([...this.dead].toSorted()).toEqual([...dead].toSorted());
    for (const [key, events] of sessions) {
      expect([...this.#setOf(this.alerts, key)].toSorted()).toEqual(
        alertsOf(key, events).toSorted(),
      );
      const begin = events.findIndex(({ data }) => data.type === 'a');
      const needed = begin < 0 || this.#doEnd ? [] : events.slice(begin).map(nameOf);
      // What begins nothing and comes before may have met a session or not.
      const found = [...this.#setOf(this.accepted, key)];
      expect(found.toSorted()).toEqual(expect.arrayContaining(needed));
      expect(events.map(nameOf)).toEqual(expect.arrayContaining(found));
    }
    expect([...this.accepted.keys()].filter((key) => !sessions.has(key))).toEqual([]);
  }

  /** What differs from a run without restarts by more than events that are late by silence. */
  checkWithSilence(): void {
    const { late, dead, sessions } = this.#expected;
    expect(this.wrong).toEqual([]);
    expect([...this.late]).toEqual(expect.arrayContaining([...late]));
    expect([...dead]).toEqual(expect.arrayContaining([...this.dead]));
    expect([...this.dead, ...this.late]).toEqual(expect.arrayContaining([...dead]));
    for (const [key, events] of sessions) {
      const accepted = this.#setOf(this.accepted, key);
      const isLate = (name: string) => this.late.has(name) || this.sessionLate.has(name);
      const names = events.map(nameOf);
      expect(names).toEqual(expect.arrayContaining([...accepted]));
      // Nothing is lost.
      expect(
        names.filter((it) => !accepted.has(it) && !isLate(it) && !this.skipped.has(it)),
      ).toEqual([]);
      // Late in a run without crashes, and yet taken: its session may have had it or not when others came.
      if ([...accepted].some((it) => isLate(it) || this.#readInSilence.has(it))) continue;
      const rest = events.filter((event) => !isLate(nameOf(event)));
      const begin = rest.findIndex(({ data }) => data.type === 'a');
      const needed = begin < 0 || this.#doEnd ? [] : rest.slice(begin).map(nameOf);
      expect([...accepted]).toEqual(expect.arrayContaining(needed));
      expect([...this.#setOf(this.alerts, key)].toSorted()).toEqual(alertsOf(key, rest).toSorted());
    }
    expect([...this.accepted.keys()].filter((key) => !sessions.has(key))).toEqual([]);
  }

  /** How often silence made a difference. */
  count(seen: { late: number; sessionLate: number; again: number }): void {
    const accepted = new Set([...this.accepted.values()].flatMap((names) => [...names]));
    const bySilence = [...this.late].filter((name) => !this.#expected.late.has(name));
    seen.late += bySilence.length;
    seen.sessionLate += this.sessionLate.size;
    seen.again += bySilence.filter((name) => accepted.has(name)).length;
  }

  /** Whether a look can have made it late. */
  #isInSilence({ partition, offset }: Coordinates): boolean {
    const row = this.#partitions[partition]?.[offset] as Row;
    return row.t <= (this.#silence[partition] as number);
  }

  /** Whether an event that may still come in time, or has, is not where it belongs. */
  #isOpen(row: Row, name: string): boolean {
    if (row.kind === 'nonsense' || row.kind === 'tombstone') return false;
    if (this.#expected.late.has(name) || this.#isSettled(row, name)) return false;
    // By T1 alone W can not have passed what is not read.
    if (this.#silence.every((until) => until === MIN_TIMESTAMP)) return true;
    return this.#read.has(name) && !this.#calledLate.has(name);
  }

  /** Whether everything that has to hear of the record has. */
  #isSettled({ kind, key }: Row, name: string): boolean {
    if (kind === 'tombstone') return true;
    if (kind === 'nonsense') return this.dead.has(name);
    if (this.late.has(name) || this.#expected.late.has(name)) return this.late.has(name);
    if (kind === 'keyless') return this.dead.has(name);
    const isAccepted = this.accepted.get(key)?.has(name) ?? false;
    return isAccepted || this.skipped.has(name) || this.sessionLate.has(name);
  }

  #advance(key: string): void {
    const running = this.#running.get(key);
    if (!running) return;
    const { sources, session } = running;
    for (const { alert } of session.advance(sources.watermark)) {
      const alerts = this.#setOf(this.alerts, key);
      if (alerts.has(alert.id)) this.wrong.push(`alert ${alert.id} of ${key} twice`);
      alerts.add(alert.id);
    }
    if (this.#doEnd && session.isIdle && sources.canForget) this.#running.delete(key);
  }

  #setOf(map: Map<string, Set<string>>, key: string): Set<string> {
    const known = map.get(key) ?? new Set<string>();
    map.set(key, known);
    return known;
  }
}

/** How an ingestor lives, and how it dies. */
interface Life {
  /** Which partition is read next. */
  readonly turns: readonly number[];
  /** Pauses between records, in ms; what is above 2 is none. */
  readonly pauses: readonly number[];
  /** From this call on the server does not answer. */
  readonly calls: number;
  /** Whether it has accepted the first that it does not answer. */
  readonly isAccepted: boolean;
  /** The server answers for no session whose key begins so, and the others go on. */
  readonly deaf: string;
  /** From this publication on the database is away. */
  readonly publications: number;
  /** From this reject on the sinks do not answer. */
  readonly rejects: number;
  /** Records after which nothing more is read. */
  readonly records: number;
  /** Records after which the partitions are assigned to it once more. */
  readonly reassignedAfter: number;
  readonly batchEventsMax: number;
  readonly heldMax: number;
  /** Where there is silence: how much time passes before each record or look. */
  readonly passes: readonly number[];
  /** And before anybody reads again. */
  readonly downtime: number;
}

const FOREVER: Pick<Life, 'calls' | 'deaf' | 'publications' | 'rejects' | 'records'> = {
  calls: 1e9,
  deaf: 'nobody',
  publications: 1e9,
  rejects: 1e9,
  records: 1e9,
};

/** @param clock - of a run with silence */
async function live(
  world: World,
  partitions: readonly (readonly Row[])[],
  isKeyed: boolean,
  life: Life,
  isLast: boolean,
  clock?: ReturnType<typeof manualClock>,
): Promise<void> {
  const crash = new AbortController();
  let isDead = false;
  const never = new Promise<never>(() => {});
  let calls = 0;
  const call = async (how: 'start' | 'signal', ref: SessionRef, batches: readonly EventBatch[]) => {
    calls++;
    await Promise.resolve();
    if (isDead || calls > life.calls + 1 || ref.key.startsWith(life.deaf)) return await never;
    if (calls === life.calls + 1) {
      if (life.isAccepted) world.signal(how, ref, batches);
      return await never;
    }
    return world.signal(how, ref, batches);
  };
  const gateway: SessionGateway = {
    signalWithStart: async (ref, ...batches) => void (await call('start', ref, batches)),
    signal: async (ref, ...batches) => await call('signal', ref, batches),
    isBusy: async () => false,
  };
  let publications = 0;
  const { store } = world;
  const storeOfLife = {
    claim: store.claim.bind(store),
    read: store.read.bind(store),
    publish: async (some: readonly Publication[]) => {
      if (isDead || ++publications > life.publications) throw new Error('no database');
      const refused = await store.publish(some);
      world.published(some.filter((one) => !refused.includes(one)));
      return refused;
    },
  };
  let rejects = 0;
  const sinkInto = (set: Set<string>) => async (reject: Reject) => {
    if (reject.reason === 'LATE') world.callsLate(reject);
    await sleep(rejects % 3);
    if (isDead || ++rejects > life.rejects) await never;
    set.add(nameOf(reject));
  };

  async function* records(): AsyncGenerator<Read> {
    let next: number[] = [];
    const assign = async (): Promise<Read> => {
      const claims = await store.claim('test', [...partitions.keys()]);
      next = claims.map(({ progress }) => progress?.lowWater ?? 0);
      return { assigned: claims, isKeyed };
    };
    yield await assign();
    for (let count = 0; count < life.records; count++) {
      if (count === life.reassignedAfter) yield await assign();
      const open = partitions.flatMap((rows, p) => ((next[p] as number) < rows.length ? [p] : []));
      if (open.length === 0) break;
      const turn = life.turns[count % life.turns.length] as number;
      const pause = life.pauses[count % life.pauses.length] as number;
      if (pause <= 2) await sleep(pause);
      // A partition that has come to its end is looked at as well.
      const among = clock && count % 3 === 2 ? [...partitions.keys()] : open;
      const partition = among[turn % among.length] as number;
      const offset = next[partition] as number;
      const row = partitions[partition]?.[offset];
      if (clock) {
        clock.passes(life.passes[count % life.passes.length] as number);
        if (!row || row.at > clock.now()) {
          const lookedAt = clock.monotonic();
          world.looked(partition, clock.now());
          clock.passes(1 + turn);
          yield { source: 'test', partition, endOfLog: true, lookedAt };
          continue;
        }
      }
      next[partition] = offset + 1;
      yield rawOf({ partition, offset }, row as Row);
      world.read({ partition, offset });
    }
    if (isLast) return;
    await sleep(6);
    isDead = true;
    crash.abort();
    await never;
  }

  const { batchEventsMax } = life;
  // Of a partition that is no longer waited for nothing is late by its own looks.
  const heldMax = clock ? 50_000 : life.heldMax;
  const running = ingest({
    journeys,
    records: records(),
    gateway,
    store: storeOfLife,
    outOfOrdernessMs: DELAY,
    publishMs: 1,
    heldMax,
    // The manual clock never lets a batch wait.
    dispatch: {
      lingerMs: clock ? 0 : 1,
      patienceMs: clock ? 0 : 3,
      hotGapMs: 0,
      hotGapMaxMs: clock ? 0 : 1,
      batchEventsMax,
    },
    ...(clock && { clock, graceMs: GRACE }),
    late: sinkInto(world.late),
    deadLetters: sinkInto(world.dead),
    // A publication that our own new claim outdates is refused; nobody else reads.
    onFenced: () => {},
    log: memoryLog(),
    signal: crash.signal,
    stopMs: 1,
  });
  // Where the server has gone reading may pause for good; that is a crash as well.
  const stuck = setTimeout(
    () => {
      isDead = true;
      crash.abort();
    },
    isLast ? 20_000 : 100,
  );
  await running;
  clearTimeout(stuck);
}

const step = fc.record({
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant('a' as const) },
    { weight: 5, arbitrary: fc.constant('b' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom('nonsense' as const, 'tombstone' as const, 'keyless' as const),
    },
  ),
  by: fc.oneof(
    { weight: 5, arbitrary: fc.nat(15) },
    { weight: 1, arbitrary: fc.integer({ min: -60, max: 60 }) },
  ),
  key: fc.constantFrom('x', 'y', 'z'),
});

const rows = (partition: number, isKeyed: boolean) =>
  fc.array(step, { maxLength: 25, size: 'max' }).map((steps) => {
    let time = 1_000;
    return steps.map(({ kind, by, key }): Row => {
      time += by;
      return { kind, t: time, key: isKeyed ? `${key}${partition}` : key, at: 0 };
    });
  });

const oftenNone = (arbitrary: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(1_000_000) }, { weight: 1, arbitrary });

const life = fc.record({
  turns: fc.array(fc.nat(11), { minLength: 1, maxLength: 12 }),
  pauses: fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }),
  calls: oftenNone(fc.nat(15)),
  isAccepted: fc.boolean(),
  deaf: fc.constantFrom('nobody', 'nobody', 'x', 'y'),
  publications: oftenNone(fc.nat(8)),
  rejects: oftenNone(fc.nat(4)),
  records: oftenNone(fc.nat(50)),
  reassignedAfter: oftenNone(fc.nat(40)),
  batchEventsMax: fc.integer({ min: 1, max: 4 }),
  heldMax: fc.constantFrom(0, 3, 50_000),
  passes: fc.array(
    fc.oneof({ weight: 4, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(80) }),
    { minLength: 1, maxLength: 8 },
  ),
  downtime: oftenNone(fc.nat(150)).map((ms) => (ms > 150 ? 0 : ms)),
});

const scenario = (crashes: number, rowsOf = rows, lifeOf: fc.Arbitrary<Life> = life) =>
  fc.boolean().chain((isKeyed) =>
    fc.record({
      isKeyed: fc.constant(isKeyed),
      doEnd: fc.boolean(),
      partitions: fc
        .integer({ min: 1, max: 3 })
        .chain((count) => fc.tuple(...Array.from({ length: count }, (_, p) => rowsOf(p, isKeyed)))),
      lives: fc.array(lifeOf, { minLength: crashes + 1, maxLength: crashes + 1 }),
    }),
  );

// At once: they mostly wait.
test.concurrent.each([
  ['no crash', 0, 60],
  ['one crash', 1, 150],
  ['two crashes', 2, 100],
  ['five crashes', 5, 30],
])(
  '%s: the same events, alerts, late events and dead letters; every promise holds',
  async (_, crashes, numRuns) => {
    await fc.assert(
      fc.asyncProperty(scenario(crashes), async ({ isKeyed, doEnd, partitions, lives }) => {
        const world = new World(partitions, isKeyed, doEnd);
        for (const [n, life] of lives.entries()) {
          const isLast = n === crashes;
          await live(world, partitions, isKeyed, isLast ? { ...life, ...FOREVER } : life, isLast);
          expect(world.wrong).toEqual([]);
        }
        world.check();
        for (const [partition, { length }] of partitions.entries()) {
          expect(await world.store.read('test', partition)).toEqual({
            watermark: MAX_TIMESTAMP,
            lowWater: length,
            finished: true,
            nextOffset: length,
            readTo: length,
            orderingWatermark: MAX_TIMESTAMP,
            quietSince: null,
          });
        }
      }),
      { numRuns },
    );
  },
  120_000,
);

const START = 1e9;

/** Crashes come in the midst of a stream, and often with rejects under way: what they hold silence passes. */
const liveLife = fc
  .tuple(life, fc.integer({ min: 3, max: 40 }), fc.constantFrom(0, 1, 2, 1_000_000))
  .map(([rest, records, rejects]): Life => ({ ...rest, records, rejects }));

const gap = fc.oneof(fc.nat(10), fc.integer({ min: 20, max: 120 }));

const liveRows = (partition: number, isKeyed: boolean) =>
  fc
    .record({
      // A partition may be far behind the present.
      lag: fc.constantFrom(0, 0, 0, 600_000),
      steps: fc.array(fc.tuple(step, gap, fc.integer({ min: -60, max: AHEAD })), {
        maxLength: 15,
        size: 'max',
      }),
    })
    .map(({ lag, steps }) => {
      let at = START;
      return steps.map(([{ kind, key }, gap, ahead]): Row => {
        at += gap;
        return { kind, t: at + ahead - lag, key: isKeyed ? `${key}${partition}` : key, at };
      });
    });

test.concurrent.each([
  ['no crash', 0, 40],
  ['one crash', 1, 200],
  ['three crashes', 3, 150],
])(
  'live streams, %s: only what silence makes late may differ; every promise holds',
  async (_, crashes, numRuns) => {
    const seen = { late: 0, sessionLate: 0, again: 0 };
    await fc.assert(
      fc.asyncProperty(
        scenario(crashes, liveRows, liveLife),
        async ({ isKeyed, doEnd, partitions, lives }) => {
          const world = new World(partitions, isKeyed, doEnd);
          const clock = manualClock(START);
          for (const [n, life] of lives.entries()) {
            const isLast = n === crashes;
            if (n > 0) clock.passes(life.downtime);
            const lived = isLast ? { ...life, ...FOREVER } : life;
            await live(world, partitions, isKeyed, lived, isLast, clock);
            expect(world.wrong).toEqual([]);
          }
          world.checkWithSilence();
          world.count(seen);
          for (const [partition, { length }] of partitions.entries()) {
            expect(await world.store.read('test', partition)).toMatchObject({
              watermark: MAX_TIMESTAMP,
              lowWater: length,
              readTo: length,
              finished: true,
            });
          }
        },
      ),
      { numRuns },
    );
    // Else nothing was tried.
    expect(seen.late).toBeGreaterThan(0);
  },
  120_000,
);
