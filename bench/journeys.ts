// What sessions cost on a real server, beside the naive design: a signal per event, a timer made anew for each, no end.
// Dev server, worker and ingestor are processes of their own, so that CPU can be told apart. What workers ask of the
// ingestors goes by a pipe in place of SQL, and the ledger is in memory, under both designs: no database is measured.
//
//   npm run bench:journeys [-- --only steady,peers,open] [--json]
//     --sessions 200 --events 8000 --events-per-alert 100
//     --naive-pace N                           of steady: events of the naive design per second, as fast as they are taken by default;
//                                              ours gets four and twenty times as many. At 250 a second nothing waits, so no two
//                                              signals share a task, and an event costs half as much again
//     --file clicks.ndjson --from 0 --minutes 60 --linger 100ms
//                                              of peers: sessions that begin in that hour; times are the clickstream's own
//     --open 100,1000,10000 --workers 4 --cached 14000
//                                              of open: how many are open, and how many of them so many workers hold; some more than
//                                              there are, as they do not get the same number
//
// Ends with 1 when a bar is missed, or when the naive design does not cost what it costs on the machine that the bars
// are for: then the run is void.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { note, print } from '../src/cli/terminal.js';
import { messageOf } from '../src/errors.js';
import { DISPATCH_DEFAULTS } from '../src/ingest/dispatch.js';
import { parseDuration } from '../src/time.js';
import { type Costs, type OpenCosts, open, peers, steady } from './journeys/parts.js';
import {
  type Bar,
  barsTable,
  costsTable,
  mbPerOpen,
  openTable,
  planInputs,
  sessionLines,
} from './journeys/report.js';
import { rounded } from './support.js';

const CLICKS = fileURLToPath(new URL('../../peers/data/clicks-100k.ndjson', import.meta.url));

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: 'steady,peers,open' },
    sessions: { type: 'string', default: '200' },
    events: { type: 'string', default: '8000' },
    'naive-pace': { type: 'string' },
    'events-per-alert': { type: 'string', default: '100' },
    file: { type: 'string', default: CLICKS },
    from: { type: 'string', default: '0' },
    minutes: { type: 'string', default: '60' },
    linger: { type: 'string', default: `${DISPATCH_DEFAULTS.lingerMs}ms` },
    open: { type: 'string', default: '100,1000,10000' },
    workers: { type: 'string', default: '4' },
    cached: { type: 'string', default: '14000' },
    json: { type: 'boolean', default: false },
  },
});

/** CPU of an event in the naive design; outside it this machine is not the one that the bars are for. */
const NAIVE_MS = [2.5, 4.2] as const;
/** Up to so many open sessions the bar holds. */
const OPEN_MAX = 10_000;

const costs: Costs[] = [];
const levels: OpenCosts[] = [];
const bars: Bar[] = [];
let isVoid = false;

function atLeast(bar: string, value: number, limit: number): void {
  bars.push({ bar, value, limit, isMet: value >= limit });
}
function atMost(bar: string, value: number, limit: number): void {
  bars.push({ bar, value, limit, isMet: value <= limit });
}
function told(found: Costs): Costs {
  costs.push(found);
  const cpu = rounded(found.cpuMsPerEvent);
  note(`${found.scenario}, ${found.design}: ${found.events} events, ${cpu} ms of CPU per event`);
  return found;
}

async function runSteady(): Promise<void> {
  const sessions = Number(flags.sessions);
  const events = Number(flags.events);
  const each = { sessions, eventsPerAlert: Number(flags['events-per-alert']) };
  const pace = flags['naive-pace'];
  const paced = pace === undefined ? {} : { eventsPerSecond: Number(pace) };
  const naive = told(await steady('naive', { ...each, ...paced, events, perBatch: 1 }));
  const tens = told(await steady('ours', { ...each, events: events * 4, perBatch: 10 }));
  const hundreds = told(await steady('ours', { ...each, events: events * 20, perBatch: 100 }));
  const [low, high] = NAIVE_MS;
  isVoid = naive.cpuMsPerEvent < low || naive.cpuMsPerEvent > high;
  atLeast('CPU, naive / ours, 10 per batch', naive.cpuMsPerEvent / tens.cpuMsPerEvent, 6);
  atLeast('CPU, naive / ours, 100 per batch', naive.cpuMsPerEvent / hundreds.cpuMsPerEvent, 30);
  atMost('history events per event, 10 per batch', tens.historyEventsPerEvent, 0.25);
  atMost('history events per event, 100 per batch', hundreds.historyEventsPerEvent, 0.05);
}

async function runPeers(): Promise<void> {
  const options = {
    file: flags.file,
    fromMin: Number(flags.from),
    minutes: Number(flags.minutes),
    lingerMs: parseDuration(flags.linger),
  };
  const naive = told(await peers('naive', options));
  const ours = told(await peers('ours', options));
  if (naive.alerts !== ours.alerts) {
    note(
      `peers: ${naive.alerts} alerts by the naive design, ${ours.alerts} by ours: one fell behind`,
    );
  }
  atLeast('CPU, naive / ours, peers', naive.cpuMsPerEvent / ours.cpuMsPerEvent, 3);
}

async function runOpen(): Promise<void> {
  const options = {
    levels: flags.open.split(',').map(Number),
    workers: Number(flags.workers),
    maxCachedWorkflows: Number(flags.cached),
    events: 20_000,
    eventsPerSecond: 1_000,
  };
  await open(options, (found) => {
    levels.push(found);
    note(`${found.open} open: ${rounded(found.cpuMsPerEvent)} ms of CPU per event`);
  });
  const each = levels
    .filter((level) => level.open <= OPEN_MAX)
    .map(({ cpuMsPerEvent }) => cpuMsPerEvent);
  if (each.length > 1) {
    atMost('CPU per event, dearest / cheapest level', Math.max(...each) / Math.min(...each), 1.5);
  }
}

function tellAll(): void {
  if (costs.length > 0) print(costsTable(costs));
  for (const found of costs) if (found.scenario === 'peers') print(sessionLines(found));
  if (levels.length > 0) {
    print(`open sessions; ${flags.workers} workers hold at most ${flags.cached} of them`);
    print(openTable(levels));
    const memory = mbPerOpen(levels);
    if (memory) {
      print(
        `an open session takes ${rounded(memory.worker)} MB in the worker, ${rounded(memory.server)} in the server`,
      );
    }
  }
  if (bars.length > 0) print(barsTable(bars));
  print(`for docs/scaling.md: ${JSON.stringify(planInputs(costs, levels))}`);
  if (isVoid) print(`void: the naive design did not cost ${NAIVE_MS.join(' to ')} ms per event`);
  if (flags.json) {
    print(
      JSON.stringify({ bench: 'journeys', node: process.version, costs, levels, bars, isVoid }),
    );
  }
}

const RUNS = { steady: runSteady, peers: runPeers, open: runOpen };

try {
  for (const name of flags.only.split(',')) {
    const run = RUNS[name as keyof typeof RUNS];
    if (!run) throw new Error(`--only ${name}: name some of ${Object.keys(RUNS).join(',')}`);
    await run();
  }
  tellAll();
  process.exit(isVoid || bars.some(({ isMet }) => !isMet) ? 1 : 0);
} catch (error) {
  note(`bench:journeys: ${messageOf(error)}`);
  process.exit(1);
}
