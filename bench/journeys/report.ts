// The results for people.

import { table } from '../../src/cli/terminal.js';
import { minutes } from '../../src/time.js';
import { rounded } from '../support.js';
import { sumOf } from './actions.js';
import { PACE } from './clicks.js';
import type { Costs, Latency, OpenCosts } from './parts.js';
import type { CpuMs } from './processes.js';

/** What has to hold. */
export interface Bar {
  readonly bar: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
}

const NO_PROC = 'no /proc';

const shares = ({ server, worker, ingestor }: CpuMs, of: number) => [
  server === null ? NO_PROC : rounded(server / of),
  rounded(worker / of),
  rounded(ingestor / of),
];
const latency = (found: Latency | undefined) => (found ? [found.p50, found.p99] : ['', '']);

export function costsTable(costs: readonly Costs[]): string {
  const head = [
    'scenario',
    'design',
    'events/s',
    'CPU ms/event',
    'server',
    'worker',
    'ingestor',
    'actions/event',
    'history events/event',
    'bytes/event',
    'alerts p50 ms',
    'p99',
    'timeouts p50 ms',
    'p99',
    'load',
  ];
  return table(
    head,
    costs.map((of) => [
      of.scenario,
      of.design,
      Math.round(of.eventsPerSecond),
      rounded(of.cpuMsPerEvent),
      ...shares(of.cpuMs, of.events),
      rounded(of.actionsPerEvent),
      rounded(of.historyEventsPerEvent),
      Math.round(of.historyBytesPerEvent),
      ...latency(of.latencyMs.matches),
      ...latency(of.latencyMs.timeouts),
      rounded(of.load),
    ]),
  );
}

/** What a session of the peers' clickstream is made of. */
export function sessionLines(of: Costs): string {
  const { sessions, history, cpuMs } = of;
  const perSession = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${rounded(count / sessions)}`)
      .join(', ');
  const [server, worker, ingestor] = shares(cpuMs, sessions);
  return [
    `${of.scenario}, ${of.design}: ${of.events} events of ${sessions} sessions, ${of.signals} signals, ${of.skipped} skipped, ${of.late} late, ${of.alerts} alerts; ${history.runs} runs, ${history.closed} of them ended`,
    `  per session: ${rounded(of.events / sessions)} events, ${rounded((of.cpuMsPerEvent * of.events) / sessions)} ms of CPU (server ${server}, worker ${worker}, ingestor ${ingestor}), ${rounded(sumOf(history.actions) / sessions)} actions, ${Math.round(history.bytes / sessions)} bytes of history, open ${rounded((history.openMs * PACE) / sessions / minutes(1))} min of the clickstream's time`,
    `  of it idle: ${rounded((of.idleMsPerSecond * of.seconds) / sessions)} ms of CPU, at ${rounded(of.idleMsPerSecond)} ms per second`,
    `  actions: ${perSession(history.actions)}`,
    `  history events: ${perSession(history.kinds)}`,
  ].join('\n');
}

export function openTable(levels: readonly OpenCosts[]): string {
  const head = [
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
  ];
  return table(
    head,
    levels.map((of) => [
      of.open,
      rounded(of.cpuMsPerEvent),
      ...shares(of.cpuMs, of.events),
      rounded(of.cpuMsPerStart),
      Math.round(of.rssMb.worker),
      of.rssMb.server === null ? NO_PROC : Math.round(of.rssMb.server),
      Math.round(of.rssMb.ingestor),
      ...latency(of.latencyMs.matches),
      rounded(of.load),
    ]),
  );
}

/** MB that one more open session takes, from the first level to the last. */
export function mbPerOpen(levels: readonly OpenCosts[]): { worker: number; server: number } | null {
  const [first, last] = [levels[0], levels.at(-1)];
  if (!first || !last || first === last) return null;
  const more = last.open - first.open;
  return {
    worker: (last.rssMb.worker - first.rssMb.worker) / more,
    server: ((last.rssMb.server ?? 0) - (first.rssMb.server ?? 0)) / more,
  };
}

export function barsTable(bars: readonly Bar[]): string {
  return table(
    ['bar', 'measured', 'limit', ''],
    bars.map(({ bar, value, limit, isMet }) => [
      bar,
      rounded(value),
      limit,
      isMet ? 'met' : 'MISSED',
    ]),
  );
}

/** The rows of docs/scaling.md that are measured. */
export function planInputs(
  costs: readonly Costs[],
  levels: readonly OpenCosts[],
): Record<string, number> {
  const of = costs.find(({ scenario, design }) => scenario === 'peers' && design === 'ours');
  const memory = mbPerOpen(levels);
  const inputs: Record<string, number> = {};
  if (of) {
    const { sessions, history, cpuMs } = of;
    const each = {
      eventsPerSession: of.events,
      alertsPerSession: of.alerts,
      openMinutes: (history.openMs * PACE) / minutes(1),
      ...(cpuMs.server === null ? {} : { serverMs: cpuMs.server }),
      workerMs: cpuMs.worker,
      ingestorMs: cpuMs.ingestor,
      actions: sumOf(history.actions),
      historyKb: history.bytes / 1_024,
    };
    for (const [name, sum] of Object.entries(each)) inputs[name] = rounded(sum / sessions);
  }
  if (memory) inputs.workerMbPerOpen = rounded(memory.worker);
  return inputs;
}
