// From what a session costs to what a number of sessions a day needs. docs/scaling.md explains the figures.

/** What the plan is made of: docs/scaling.md has a row for each, with its unit. */
export const INPUTS = [
  'eventsPerSession',
  'alertsPerSession',
  'openMinutes',
  'serverMs',
  'workerMs',
  'ingestorMs',
  'actions',
  'historyKb',
  'workerMbPerOpen',
  'peak',
  'utilization',
  'coresPerWorker',
  'openPerWorker',
  'coresPerIngestor',
  'priceUsd',
] as const;

export type Inputs = Readonly<Record<(typeof INPUTS)[number], number>>;

/** What a day of so many sessions needs; rates and machines at the peak. */
export interface Plan {
  readonly sessionsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly actionsPerSecond: number;
  readonly actionsPerMonth: number;
  readonly usdPerMonth: number;
  readonly openSessions: number;
  readonly workerCores: number;
  readonly workerGb: number;
  readonly workers: number;
  readonly ingestorCores: number;
  readonly ingestors: number;
  readonly partitions: number;
  readonly serverCores: number;
  readonly historyGbPerDay: number;
  readonly sqlPerSecond: number;
}

const DAY_S = 86_400;
const MONTH_DAYS = 30;
/** So that an ingestor that goes leaves its partitions to the others in even parts. */
const PARTITIONS_PER_INGESTOR = 3;

export function planOf(inputs: Inputs, sessionsPerDay: number): Plan {
  const sessionsPerSecond = (sessionsPerDay / DAY_S) * inputs.peak;
  const coresFor = (msPerSession: number) =>
    (sessionsPerSecond * msPerSession) / 1_000 / inputs.utilization;
  const openSessions = sessionsPerSecond * inputs.openMinutes * 60;
  const actionsPerMonth = sessionsPerDay * MONTH_DAYS * inputs.actions;
  const workerCores = coresFor(inputs.workerMs);
  const workers = Math.ceil(
    Math.max(workerCores / inputs.coresPerWorker, openSessions / inputs.openPerWorker, 2),
  );
  const ingestorCores = coresFor(inputs.ingestorMs);
  const ingestors = Math.ceil(Math.max(ingestorCores / inputs.coresPerIngestor, 2));
  const partitions = ingestors * PARTITIONS_PER_INGESTOR;
  // Each partition publishes once a second and each worker reads once; an alert is recorded, then noted as published.
  const sqlPerSecond = partitions + workers + 2 * sessionsPerSecond * inputs.alertsPerSession;
  return {
    sessionsPerSecond,
    eventsPerSecond: sessionsPerSecond * inputs.eventsPerSession,
    actionsPerSecond: sessionsPerSecond * inputs.actions,
    actionsPerMonth,
    usdPerMonth: (actionsPerMonth / 1e6) * inputs.priceUsd,
    openSessions,
    workerCores,
    workerGb: (openSessions * inputs.workerMbPerOpen) / 1_024,
    workers,
    ingestorCores,
    ingestors,
    partitions,
    serverCores: coresFor(inputs.serverMs),
    historyGbPerDay: (sessionsPerDay * inputs.historyKb) / 1_024 / 1_024,
    sqlPerSecond,
  };
}

/**
 * Reads the inputs from a document's tables: rows that begin with a name in backticks, then the value.
 *
 * @throws Error that names what is missing
 */
export function inputsFrom(markdown: string): Inputs {
  const found = new Map<string, number>();
  for (const [, name, value] of markdown.matchAll(/^\| `(\w+)` \| ([\d.,]+) \|/gm)) {
    found.set(name as string, Number((value as string).replaceAll(',', '')));
  }
  const missing = INPUTS.filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`no value for ${missing.join(', ')}`);
  return Object.fromEntries(INPUTS.map((name) => [name, found.get(name)])) as unknown as Inputs;
}

const ROWS: readonly [name: string, value: (plan: Plan) => number][] = [
  ['sessions begun per second', (plan) => plan.sessionsPerSecond],
  ['events per second', (plan) => plan.eventsPerSecond],
  ['Temporal actions per second', (plan) => plan.actionsPerSecond],
  ['actions a month, millions', (plan) => plan.actionsPerMonth / 1e6],
  ['price of the actions a month, USD', (plan) => plan.usdPerMonth],
  ['sessions open', (plan) => plan.openSessions],
  ['cores of workers', (plan) => plan.workerCores],
  ['memory of workers for open sessions, GB', (plan) => plan.workerGb],
  ['worker processes', (plan) => plan.workers],
  ['cores of ingestors', (plan) => plan.ingestorCores],
  ['ingestor processes', (plan) => plan.ingestors],
  ['partitions of the topic', (plan) => plan.partitions],
  ['cores of the Temporal server', (plan) => plan.serverCores],
  ['history written a day, GB', (plan) => plan.historyGbPerDay],
  ['SQL statements per second', (plan) => plan.sqlPerSecond],
];

/** The plans for several numbers of sessions, as a table in Markdown. */
export function planTable(inputs: Inputs, sessionsPerDay: readonly number[]): string {
  const plans = sessionsPerDay.map((sessions) => planOf(inputs, sessions));
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['sessions a day', ...sessionsPerDay.map(shown)]),
    `|---${'|--:'.repeat(plans.length)}|`,
    ...ROWS.map(([name, value]) => row([name, ...plans.map((plan) => shown(value(plan)))])),
  ].join('\n');
}

/** To three digits. */
function shown(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString('en-US', { maximumFractionDigits: 2 });
}
