// What sessions cost on a real server, beside the naive design: a signal per event, a timer made anew for each, no end.
// Dev server, worker and ingestor are processes of their own, so that CPU can be told apart. What workers read of the
// ingestors goes by a pipe in place of SQL, and the ledger is in memory, under both designs: no database is measured.
//
//   npm run bench:journeys [-- --only steady,peers,open] [--json]

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { note, print, table } from '../src/cli/terminal.js';
import { DISPATCH_DEFAULTS } from '../src/ingest/dispatch.js';
import { parseDuration } from '../src/time.js';
import { sumOf } from './journeys/actions.js';
import { type Costs, type OpenCosts, open, peers, steady } from './journeys/parts.js';
import { rounded } from './support.js';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: 'steady,peers,open' },
    sessions: { type: 'string', default: '200' },
    events: { type: 'string', default: '20000' },
    file: {
      type: 'string',
      default: fileURLToPath(new URL('../../peers/data/clicks-100k.ndjson', import.meta.url)),
    },
    from: { type: 'string', default: '720' },
    minutes: { type: 'string', default: '60' },
    linger: { type: 'string', default: `${DISPATCH_DEFAULTS.lingerMs}ms` },
    open: { type: 'string', default: '100,1000,10000' },
    cached: { type: 'string', default: '12000' },
    json: { type: 'boolean', default: false },
  },
});

/** CPU of an event in the naive design; outside it this machine is not the one that the bars are for. */
const NAIVE_MS = [2.5, 4.2] as const;

interface Bar {
  readonly bar: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
}

const only = flags.only.split(',');
const costs: Costs[] = [];
const levels: OpenCosts[] = [];
const bars: Bar[] = [];

function atLeast(bar: string, value: number, limit: number): void {
  bars.push({ bar, value, limit, isMet: value >= limit });
}
function atMost(bar: string, value: number, limit: number): void {
  bars.push({ bar, value, limit, isMet: value <= limit });
}
function tell(found: Costs): Costs {
  costs.push(found);
  note(
    `${found.scenario}, ${found.design}: ${found.events} events, ${rounded(found.cpuMsPerEvent)} ms of CPU per event, load ${rounded(found.load)}`,
  );
  return found;
}

let isVoid = false;
if (only.includes('steady')) {
  const sessions = Number(flags.sessions);
  const events = Number(flags.events);
  const naive = tell(await steady('naive', { sessions, events, perBatch: 1 }));
  const tens = tell(await steady('ours', { sessions, events: events * 2, perBatch: 10 }));
  const hundreds = tell(await steady('ours', { sessions, events: events * 10, perBatch: 100 }));
  const [low, high] = NAIVE_MS;
  isVoid = naive.cpuMsPerEvent < low || naive.cpuMsPerEvent > high;
  atLeast('CPU, naive / ours, 10 per batch', naive.cpuMsPerEvent / tens.cpuMsPerEvent, 6);
  atLeast('CPU, naive / ours, 100 per batch', naive.cpuMsPerEvent / hundreds.cpuMsPerEvent, 30);
  atMost('history events per event, 10 per batch', tens.historyEventsPerEvent, 0.25);
  atMost('history events per event, 100 per batch', hundreds.historyEventsPerEvent, 0.05);
}
if (only.includes('peers')) {
  const options = {
    file: flags.file,
    fromMin: Number(flags.from),
    minutes: Number(flags.minutes),
    lingerMs: parseDuration(flags.linger),
  };
  const naive = tell(await peers('naive', options));
  const ours = tell(await peers('ours', options));
  atLeast('CPU, naive / ours, peers', naive.cpuMsPerEvent / ours.cpuMsPerEvent, 3);
}
if (only.includes('open')) {
  await open(
    {
      levels: flags.open.split(',').map(Number),
      maxCachedWorkflows: Number(flags.cached),
      events: 20_000,
      eventsPerSecond: 1_000,
    },
    (found) => {
      levels.push(found);
      note(`${found.open} open: ${rounded(found.cpuMsPerEvent)} ms of CPU per event`);
    },
  );
  const all = levels.filter(({ open: n }) => n <= 10_000).map(({ cpuMsPerEvent }) => cpuMsPerEvent);
  atMost(
    'CPU per event, dearest / cheapest level of open sessions',
    Math.max(...all) / Math.min(...all),
    1.5,
  );
}

print(
  table(
    [
      'scenario',
      'design',
      'events/s',
      'CPU ms/event',
      'server',
      'worker',
      'ingestor',
      'actions/event',
      'history events',
      'bytes',
      'alerts p50 ms',
      'p99',
      'timeouts p50',
      'p99',
      'load',
    ],
    costs.map((c) => [
      c.scenario,
      c.design,
      Math.round(c.eventsPerSecond),
      rounded(c.cpuMsPerEvent),
      c.cpuMs.server === null ? 'no /proc' : rounded(c.cpuMs.server / c.events),
      rounded(c.cpuMs.worker / c.events),
      rounded(c.cpuMs.ingestor / c.events),
      rounded(c.actionsPerEvent),
      rounded(c.historyEventsPerEvent),
      Math.round(c.historyBytesPerEvent),
      rounded(c.latencyMs.matches?.p50 ?? 0),
      rounded(c.latencyMs.matches?.p99 ?? 0),
      rounded(c.latencyMs.timeouts?.p50 ?? 0),
      rounded(c.latencyMs.timeouts?.p99 ?? 0),
      rounded(c.load),
    ]),
  ),
);
for (const c of costs.filter(({ scenario }) => scenario === 'peers')) {
  const { runs, closed, actions, kinds, bytes } = c.history;
  print(
    `peers, ${c.design}: ${c.events} events, ${c.signals} signals, ${c.skipped} skipped, ${c.late} late, ${c.alerts} alerts; ${runs} runs of workflows, ${closed} ended`,
  );
  print(
    `  per run: ${rounded(c.events / runs)} events, ${rounded((c.cpuMsPerEvent * c.events) / runs)} ms of CPU, ${rounded(sumOf(actions) / runs)} actions, ${Math.round(bytes / runs)} bytes of history`,
  );
  const perRun = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${rounded(count / runs)}`)
      .join(', ');
  print(`  actions per run: ${perRun(actions)}`);
  print(`  history events per run: ${perRun(kinds)}`);
}
if (levels.length > 0) {
  print(
    table(
      [
        'open',
        'CPU ms/event',
        'server',
        'worker',
        'ingestor',
        'CPU ms/start',
        'worker MB',
        'server MB',
        'ingestor MB',
        'alerts p50 ms',
        'p99',
        'load',
      ],
      levels.map((l) => [
        l.open,
        rounded(l.cpuMsPerEvent),
        l.cpuMs.server === null ? 'no /proc' : rounded(l.cpuMs.server / l.events),
        rounded(l.cpuMs.worker / l.events),
        rounded(l.cpuMs.ingestor / l.events),
        rounded(l.cpuMsPerStart),
        Math.round(l.rssMb.worker),
        l.rssMb.server === null ? 'no /proc' : Math.round(l.rssMb.server),
        Math.round(l.rssMb.ingestor),
        rounded(l.latencyMs.matches?.p50 ?? 0),
        rounded(l.latencyMs.matches?.p99 ?? 0),
        rounded(l.load),
      ]),
    ),
  );
}
print(
  table(
    ['bar', 'measured', 'limit', ''],
    bars.map(({ bar, value, limit, isMet }) => [
      bar,
      rounded(value),
      limit,
      isMet ? 'met' : 'MISSED',
    ]),
  ),
);
if (isVoid) print(`void: the naive design did not cost ${NAIVE_MS.join(' to ')} ms per event`);
if (flags.json)
  print(JSON.stringify({ bench: 'journeys', node: process.version, costs, levels, bars, isVoid }));
process.exit(isVoid || bars.some(({ isMet }) => !isMet) ? 1 : 0);
