// One chaos run from its seed to its verdict. The seed decides what happens in the shop and what is done
// to the processes and when; how the processes interleave is the machine's affair.

import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Reject } from '../../src/ingest/rejects.js';
import type { Alert } from '../../src/rules/rule.js';
import { type Millis, minutes, seconds } from '../../src/time.js';
import { loadJourneys, runOffline } from '../e2e/support/built.js';
import { readTopic, type TopicRecord } from '../support/topics.js';
import type { Armings } from './armings.js';
import { LONGEST_WINDOW_MS } from './journeys.js';
import { startProducer } from './producer.js';
import { ALL_FAILPOINTS, type Fault, planSchedule } from './schedule.js';
import { OUT_OF_ORDERNESS_MS, PARTITIONS, planStream } from './stream.js';
import {
  type Counts,
  coordinatesOf,
  type Faults,
  judge,
  type LedgerRow,
  lateByDisorder,
} from './verdict.js';
import { JOURNEYS, startWorld, TOPICS, type World } from './world.js';

/** What a run must have seen to count. */
export interface Minima {
  readonly alerts: number;
  readonly timeouts: number;
  readonly kept: number;
  /** Of each failpoint. */
  readonly hits: number;
}

export const MINIMA: Minima = { alerts: 500, timeouts: 100, kept: 50, hits: 3 };

export interface ChaosOptions {
  readonly seed: number;
  /** How long things are done to the processes. */
  readonly durationMs: Millis;
  readonly minima?: Minima;
  readonly report?: (line: string) => void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly counts: Counts;
  readonly hits: Readonly<Record<string, number>>;
  readonly faults: Faults;
  /** Processes that ended by themselves and were started again: a server was away at their start. */
  readonly endedAlone: readonly string[];
  readonly starts: number;
  /** From the end of the stream until the last alert was there. */
  readonly settledMs: Millis;
  /** One line for each thing that is not as it must be; none in a good run. */
  readonly failures: readonly string[];
  /** Logs of the processes; removed after a good run. */
  readonly folder: string;
}

/** For how much longer the stream goes on at most, where failpoints were not hit often enough. */
const RESERVE_MS: Millis = minutes(3);
/** How long no alert may come before those that are missing count as lost; twice the longest wait of a session. */
const SETTLE_MS: Millis = minutes(2);
/** How long a run that has all its alerts is watched for one too many. */
const WATCH_MS: Millis = seconds(8);
const IDS_SHOWN = 5;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, durationMs, minima = MINIMA, report = () => {} } = options;
  // More than must be, so that processes end at failpoints for most of the run.
  const hits = minima.hits + Math.ceil(durationMs / minutes(1));
  const schedule = planSchedule({ seed, durationMs, hits });
  const plan = planStream(seed, durationMs + RESERVE_MS);
  let startedAt = Date.now();
  let isGood = false;
  const say = (line: string) =>
    report(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const world = await startWorld(schedule, say);
  try {
    say('each process is ready: the run begins');
    startedAt = Date.now();
    const { brokers } = world.kafka;
    const producer = await startProducer(brokers, TOPICS.events, plan, startedAt);
    const faults = schedule.faults.map((fault) => performAt(world, fault, startedAt, say));
    await Promise.all([sleep(durationMs), ...faults]);
    await hitAll(world.armings, minima.hits);
    await producer.finish();
    const endedAt = Date.now();
    say('the stream has ended, everything runs again');
    // Heartbeats go on: they end the last windows.
    await sleep(LONGEST_WINDOW_MS + OUT_OF_ORDERNESS_MS);
    const hasSettled = await settle(world);
    const settledMs = Date.now() - endedAt;
    say(hasSettled ? 'all alerts are there' : 'alerts are missing, and waited for no longer');
    await sleep(WATCH_MS);
    await producer.stop();
    const result = await resultOf(world, { seed, minima, settledMs });
    isGood = result.failures.length === 0;
    return result;
  } finally {
    await world.stop();
    if (isGood) await rm(world.folder, { recursive: true, force: true });
  }
}

async function performAt(
  world: World,
  fault: Fault,
  startedAt: number,
  say: (line: string) => void,
): Promise<void> {
  await sleep(startedAt + fault.at - Date.now());
  say(`${fault.kind} ${fault.target}, ${(fault.forMs / 1000).toFixed(1)} s`);
  await world.perform(fault);
}

/** A slow machine needs longer until each failpoint was hit: the stream goes on for that. */
async function hitAll(armings: Armings, wanted: number): Promise<void> {
  armings.leaveOutAt(wanted);
  const deadline = Date.now() + RESERVE_MS;
  const isMissing = () => ALL_FAILPOINTS.some((name) => armings.hits(name) < wanted);
  while (isMissing() && Date.now() < deadline) await sleep(100);
}

/** Waits until ledger and late output have as much as they should. @returns whether they have */
async function settle(world: World): Promise<boolean> {
  const kafka = world.kafka.kafka();
  const records = await readTopic(kafka, TOPICS.events);
  const late = lateByDisorder(records, OUT_OF_ORDERNESS_MS);
  const wanted = (await truthOf(world, records, late)).length + late.length;
  let there = -1;
  let lastCameAt = Date.now();
  while (there < wanted && Date.now() - lastCameAt < SETTLE_MS) {
    await sleep(1_000);
    const published = (await readLedger(world)).filter(({ isPublished }) => isPublished);
    const found = rejects(await readTopic(kafka, TOPICS.late)).map(coordinatesOf);
    const now = published.length + new Set(found).size;
    if (now > there) lastCameAt = Date.now();
    there = now;
  }
  return there >= wanted;
}

/** The automaton over the records that are not late, each partition in its own order. */
async function truthOf(
  { source }: World,
  records: readonly TopicRecord[],
  late: readonly string[],
): Promise<Alert[]> {
  const { journeys } = await loadJourneys(JOURNEYS);
  const isLate = new Set(late);
  const inTime = records
    .filter((record) => !isLate.has(coordinatesOf(record)))
    .map(({ timestamp, ...record }) => ({ ...record, source, recordTime: timestamp }));
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    runOffline({
      journeys,
      records: inTime.filter((record) => record.partition === partition),
      outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
    }),
  ).flatMap(({ alerts }) => alerts);
}

async function readLedger({ postgres }: World): Promise<LedgerRow[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; recorded_at: Date; published_at: unknown }>(
      'select id, recorded_at, published_at from cep_alerts',
    );
    return rows.map(({ id, recorded_at, published_at }) => ({
      id,
      recordedAt: recorded_at.getTime(),
      isPublished: published_at !== null,
    }));
  } finally {
    await client.end();
  }
}

async function resultOf(
  world: World,
  of: { seed: number; minima: Minima; settledMs: Millis },
): Promise<ChaosResult> {
  const kafka = world.kafka.kafka();
  const [records, late, published, dead, refused] = await Promise.all([
    readTopic(kafka, TOPICS.events),
    readTopic(kafka, TOPICS.late).then(rejects),
    readTopic(kafka, TOPICS.alerts),
    readTopic(kafka, TOPICS.dead).then(rejects),
    readTopic(kafka, TOPICS.refused).then(rejects),
  ]);
  const lateCoordinates = late.map(coordinatesOf);
  const { ingestors, temporal } = world.outages();
  const verdict = judge({
    records,
    outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
    late: lateCoordinates,
    truth: await truthOf(world, records, lateCoordinates),
    ledger: await readLedger(world),
    published: published.map(({ key, timestamp }) => ({ id: key as string, timestamp })),
    outages: [...ingestors, ...temporal],
  });
  const hits = Object.fromEntries(
    ALL_FAILPOINTS.map((failpoint) => [failpoint, world.armings.hits(failpoint)]),
  );
  const { seed, minima, settledMs } = of;
  return {
    ...{ seed, ...verdict, hits, settledMs },
    endedAlone: world.endedAlone(),
    starts: world.starts(),
    failures: [
      ...wrong(verdict.faults),
      ...wrong({ deadLetters: dead.map(describe), refusedBySessions: refused.map(describe) }),
      ...tooSmall(verdict.counts, hits, minima),
    ],
    folder: world.folder,
  };
}

function rejects(records: readonly TopicRecord[]): Reject[] {
  return records.map(({ value }) => JSON.parse(value) as Reject);
}

function describe({ partition, offset, reason, message }: Reject): string {
  return `${partition}/${offset} ${reason}: ${message}`;
}

function wrong(faults: object): string[] {
  return Object.entries(faults as Record<string, readonly string[]>)
    .filter(([, ids]) => ids.length > 0)
    .map(([name, ids]) => {
      const more = ids.length > IDS_SHOWN ? ', ...' : '';
      return `${name}: ${ids.length} (${ids.slice(0, IDS_SHOWN).join(', ')}${more})`;
    });
}

function tooSmall(
  counts: Counts,
  hits: Readonly<Record<string, number>>,
  minima: Minima,
): string[] {
  const failures: string[] = [];
  for (const name of ['alerts', 'timeouts', 'kept'] as const) {
    if (counts[name] < minima[name]) {
      failures.push(`too small: ${counts[name]} ${name}, at least ${minima[name]} are wanted`);
    }
  }
  for (const [failpoint, times] of Object.entries(hits)) {
    if (times >= minima.hits) continue;
    failures.push(`too small: ${failpoint} hit ${times} times, at least ${minima.hits} are wanted`);
  }
  return failures;
}
