// The scenarios: what is fed, and what is measured of it.

import { existsSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { DISPATCH_DEFAULTS, type DispatchSettings } from '../../src/ingest/dispatch.js';
import { type Millis, seconds } from '../../src/time.js';
import { sumOf } from './actions.js';
import { PACE, WINDOW_MAX_MS } from './clicks.js';
import type { Fed, Feed, IngestTimes } from './driver.js';
import { type HistorySums, runsOf, type Sizes, sizesOf, sumsOf } from './histories.js';
import {
  type CpuMs,
  cpuBetween,
  cpuSum,
  type Processes,
  type Usages,
  withProcesses,
} from './processes.js';
import { alertsOf, type ClicksSpec, excerpt, type RoundsSpec } from './streams.js';
import type { Published } from './worker.js';

export type Design = 'naive' | 'ours';

/** What a scenario cost under one design. Per event means per event fed. */
export interface Costs {
  readonly scenario: string;
  readonly design: Design;
  /** How many keys there are. */
  readonly sessions: number;
  readonly events: number;
  readonly signals: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly cpuMsPerEvent: number;
  readonly cpuMs: CpuMs;
  readonly actionsPerEvent: number;
  readonly historyEventsPerEvent: number;
  readonly historyBytesPerEvent: number;
  readonly history: HistorySums;
  readonly alerts: number;
  readonly latencyMs: Readonly<Record<string, Latency>>;
  readonly skipped: number;
  readonly late: number;
  /** CPU of all three in ms, per second in which nothing happens: part of what is measured. */
  readonly idleMsPerSecond: number;
  /** Of the machine, over the last minute. */
  readonly load: number;
}

/** Of alerts of one kind, from event time (of the completing event, or of the deadline) to the sink, in ms. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}

const module = (name: string) => new URL(`./${name}.js`, import.meta.url).href;

/** No alerts of a bound stream wait for these. */
const AT_ONCE: IngestTimes = {
  outOfOrdernessMs: 0,
  graceMs: seconds(10),
  publishMs: seconds(1),
  publicationIntervalMs: seconds(2),
};
/** How long the three are watched doing nothing. */
const IDLE_S = 2;
/** Far above what sessions of these scenarios need. */
const CACHED_MAX = 4_000;

/** A batch is what the stream brings at one time, and goes at once. */
function batchesOf(perBatch: number): Partial<DispatchSettings> {
  return { lingerMs: 10, batchEventsMax: perBatch, hotGapMs: 0, hotGapMaxMs: 1 };
}

// ---- steady: sessions that stay open

export interface SteadyOptions {
  readonly sessions: number;
  /** Events of the measured part, over all sessions; a multiple of 100 for each session. */
  readonly events: number;
  /** 1 is for the naive design. */
  readonly perBatch: number;
  /** One alert for so many events of a session; a multiple of ten. */
  readonly eventsPerAlert: number;
  /** As fast as they are taken where there is none. */
  readonly eventsPerSecond?: number;
}

export async function steady(design: Design, options: SteadyOptions): Promise<Costs> {
  const { sessions, events, perBatch, eventsPerAlert, eventsPerSecond } = options;
  const journeys = module('visits');
  return withProcesses({ journeys, maxCachedWorkflows: CACHED_MAX }, async (processes) => {
    const feed = (stream: Feed['stream']) =>
      processes.feed({
        design,
        stream,
        times: AT_ONCE,
        dispatch: batchesOf(perBatch),
        heldMax: 32 * perBatch,
      });
    await feed({ type: 'open', from: 0, to: sessions });
    const warm: RoundsSpec = {
      type: 'rounds',
      sessions,
      perBatch,
      eventsPerAlert,
      rounds: perBatch === 1 ? 10 : 2,
    };
    await feed(warm);
    await processes.settled(alertsOf(warm));
    await processes.forget();
    const sizes = await sizesOf(processes.client, sessions);
    const rounds: RoundsSpec = {
      ...warm,
      rounds: events / sessions / perBatch,
      ...(eventsPerSecond === undefined ? {} : { eventsPerSecond }),
    };
    return measured(processes, {
      scenario: `steady, ${perBatch} per batch`,
      design,
      alerts: alertsOf(rounds),
      sessions,
      sizes,
      feed: () => feed(rounds),
    });
  });
}

// ---- peers: a clickstream at its own pace, faster

export interface PeersOptions {
  readonly file: string;
  readonly fromMin: number;
  readonly minutes: number;
  /** In the clickstream's own time, as all others. */
  readonly lingerMs: Millis;
}

/** Of event time. */
const WARM_MIN = 10;

export async function peers(design: Design, options: PeersOptions): Promise<Costs> {
  const { file, fromMin, lingerMs } = options;
  if (!existsSync(file)) {
    throw new Error(`no clickstream at ${file}: make it by bench/peers/build.sh and gen.sh small`);
  }
  const toMin = fromMin + options.minutes;
  const stream: ClicksSpec = {
    type: 'clicks',
    file,
    fromMin,
    toMin,
    endMin: toMin + options.minutes / 4,
    // Until the last window has closed, and sessions have asked whether they may end.
    tailMs: WINDOW_MAX_MS + seconds(10),
  };
  const sessions = new Set((await excerpt(stream)).map(({ userSession }) => userSession)).size;
  // Later in the file, and not measured: compilers and caches have seen some of it all.
  const warm: ClicksSpec = {
    ...stream,
    fromMin: stream.endMin,
    toMin: stream.endMin + WARM_MIN,
    endMin: stream.endMin + WARM_MIN,
  };
  const journeys = module('clicks');
  return withProcesses({ journeys, maxCachedWorkflows: CACHED_MAX }, async (processes) => {
    const feed = (clicks: ClicksSpec) =>
      processes.feed({
        design,
        stream: clicks,
        times: {
          outOfOrdernessMs: seconds(2) / PACE,
          graceMs: seconds(10) / PACE,
          publishMs: seconds(1) / PACE,
          publicationIntervalMs: seconds(2) / PACE,
        },
        dispatch: {
          lingerMs: lingerMs / PACE,
          hotGapMs: DISPATCH_DEFAULTS.hotGapMs / PACE,
          hotGapMaxMs: DISPATCH_DEFAULTS.hotGapMaxMs / PACE,
        },
        heldMax: 50_000,
      });
    const isEnding = design === 'ours';
    await feed(warm);
    await processes.settled(0, isEnding);
    await processes.forget();
    return measured(processes, {
      scenario: 'peers',
      design,
      alerts: 0,
      sessions,
      sizes: await sizesOf(processes.client, 1),
      isEnding,
      feed: () => feed(stream),
    });
  });
}

// ---- what is measured

interface Measured {
  readonly scenario: string;
  readonly design: Design;
  /** How many alerts there will be, at least. */
  readonly alerts: number;
  /** Sessions that are fed. */
  readonly sessions: number;
  /** Of the histories before. */
  readonly sizes: Sizes;
  /** Whether all sessions end. */
  readonly isEnding?: boolean;
  feed(): Promise<Fed>;
}

async function measured(processes: Processes, what: Measured): Promise<Costs> {
  const idleMsPerSecond = await idle(processes);
  const before = await processes.usages();
  const began = performance.now();
  const { events, signals, skipped, late } = await what.feed();
  const quietSince = await processes.settled(what.alerts, what.isEnding);
  const after = await processes.usages();
  const [load] = loadavg();
  const elapsed = (quietSince - began) / 1_000;
  const published = await processes.alerts();
  const history = sumsOf(await runsOf(processes.client, Math.max(1, what.sizes.size), what.sizes));
  const cpuMs = cpuBetween(before, after);
  return {
    scenario: what.scenario,
    design: what.design,
    sessions: what.sessions,
    events,
    signals,
    seconds: elapsed,
    eventsPerSecond: events / elapsed,
    cpuMsPerEvent: cpuSum(cpuMs) / events,
    cpuMs,
    actionsPerEvent: sumOf(history.actions) / events,
    historyEventsPerEvent: history.events / events,
    historyBytesPerEvent: history.bytes / events,
    history,
    alerts: published.length,
    latencyMs: latencies(published),
    skipped,
    late,
    idleMsPerSecond,
    load: load as number,
  };
}

async function idle(processes: Processes): Promise<number> {
  const before = await processes.usages();
  await sleep(IDLE_S * 1_000);
  return cpuSum(cpuBetween(before, await processes.usages())) / IDLE_S;
}

/** Timeouts wait for the watermark; they are told apart from matches. */
function latencies(published: readonly Published[]): Record<string, Latency> {
  const isTimeout = ({ type }: Published) => type === 'CART_ABANDONMENT';
  const groups = {
    matches: published.filter((each) => !isTimeout(each)),
    timeouts: published.filter(isTimeout),
  };
  return Object.fromEntries(
    Object.entries(groups)
      .filter(([, group]) => group.length > 0)
      .map(([name, group]) => {
        const sorted = group.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
        const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] as number;
        return [name, { count: group.length, p50: at(0.5), p99: at(0.99) }];
      }),
  );
}

// ---- open: by how many sessions are open

export interface OpenOptions {
  /** How many are open, one after the other. */
  readonly levels: readonly number[];
  readonly workers: number;
  readonly maxCachedWorkflows: number;
  /** Events of the measured part of each level, in batches of ten. */
  readonly events: number;
  readonly eventsPerSecond: number;
}

/** What one level cost. */
export interface OpenCosts {
  readonly open: number;
  readonly events: number;
  readonly cpuMsPerEvent: number;
  readonly cpuMs: CpuMs;
  readonly latencyMs: Readonly<Record<string, Latency>>;
  /** Of one session that was begun: start, first event, timer. */
  readonly cpuMsPerStart: number;
  readonly rssMb: {
    readonly server: number | null;
    readonly worker: number;
    readonly ingestor: number;
  };
  readonly load: number;
}

const OPEN_BATCH = 10;
const OPEN_EVENTS_PER_ALERT = 100;

/** One server on which ever more sessions are open. */
export async function open(options: OpenOptions, told: (costs: OpenCosts) => void) {
  const { levels, workers, maxCachedWorkflows, events, eventsPerSecond } = options;
  const levelsCosts: OpenCosts[] = [];
  const setup = {
    journeys: module('visits'),
    workers,
    maxCachedWorkflows,
  };
  await withProcesses(setup, async (processes) => {
    const feed = (stream: Feed['stream'], perBatch: number) =>
      processes.feed({
        design: 'ours',
        stream,
        times: AT_ONCE,
        dispatch: batchesOf(perBatch),
        heldMax: 50_000,
      });
    let opened = 0;
    for (const level of levels) {
      const first = await processes.usages();
      await feed({ type: 'open', from: opened, to: level }, 1);
      await processes.settled(0);
      const begun = await processes.usages();
      const started = level - opened;
      opened = level;
      // What opening them has left behind is part of what a start costs.
      await processes.collect();
      const stream: RoundsSpec = {
        type: 'rounds',
        sessions: level,
        perBatch: OPEN_BATCH,
        eventsPerAlert: OPEN_EVENTS_PER_ALERT,
        rounds: events / OPEN_BATCH / level,
        eventsPerSecond,
      };
      await processes.forget();
      const before = await processes.usages();
      const fed = await feed(stream, OPEN_BATCH);
      await processes.settled(0);
      const after = await processes.usages();
      const cpuMs = cpuBetween(before, after);
      await processes.collect();
      const costs = {
        open: level,
        events: fed.events,
        cpuMsPerEvent: cpuSum(cpuMs) / fed.events,
        cpuMs,
        latencyMs: latencies(await processes.alerts()),
        cpuMsPerStart: cpuSum(cpuBetween(first, begun)) / started,
        rssMb: rssOf(await processes.usages()),
        load: loadavg()[0] as number,
      };
      levelsCosts.push(costs);
      told(costs);
    }
  });
  return levelsCosts;
}

function rssOf({ server, worker, ingestor }: Usages): OpenCosts['rssMb'] {
  return { server: server?.rssMb ?? null, worker: worker.rssMb, ingestor: ingestor.rssMb };
}
