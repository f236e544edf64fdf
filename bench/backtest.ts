// How fast a backtest is: the five rules of examples/five.json over a clickstream, on one thread and on two, beside node's
// JSON.parse of the same lines on one. Without --events over clicks that are made up, as the demo's are.
//
//   npm run bench:backtest [-- --events FILE] [--rules FILE] [--only RULE] [--threads 1,2]

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type * as Backtest from '../src/backtest/backtest.js';
import { generateClickstream } from '../src/demo/clickstream.js';
import { report, rounded, START, show } from './support.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string' },
    rules: { type: 'string', default: 'examples/five.json' },
    /** One rule of the rule set, without the others. */
    only: { type: 'string' },
    threads: { type: 'string', default: '1,2' },
  },
});

const MADE_UP = 200_000;

interface RuleSet {
  journeys: { id: string }[];
  rules: { id: string; journey: string }[];
}

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** The rule set, or a copy of it in the folder with one rule. */
function rulesIn(folder: string): string {
  if (values.only === undefined) return values.rules;
  const set = JSON.parse(readFileSync(values.rules, 'utf8')) as RuleSet;
  const rules = set.rules.filter(({ id }) => id === values.only);
  const journeys = set.journeys.filter(({ id }) => rules.some(({ journey }) => journey === id));
  const path = join(folder, 'rules.json');
  writeFileSync(path, JSON.stringify({ ...set, journeys, rules }));
  return path;
}

function eventsIn(folder: string): string {
  if (values.events !== undefined) return values.events;
  const path = join(folder, 'clicks.ndjson');
  const clicks = generateClickstream({ seed: 1, events: MADE_UP, endsAt: START });
  writeFileSync(path, clicks.map((click) => `${JSON.stringify(click)}\n`).join(''));
  return path;
}

function parsing(path: string) {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  const [began, cpu] = [performance.now(), cpuSeconds()];
  for (const line of lines) JSON.parse(line);
  const seconds = (performance.now() - began) / 1_000;
  return row('JSON.parse, 1 thread', lines.length, seconds, cpuSeconds() - cpu);
}

function row(what: string, events: number, seconds: number, cpu: number) {
  return {
    what,
    events,
    'events/s': Math.round(events / seconds),
    'CPU us/event': rounded((cpu * 1e6) / events),
  };
}

async function main(): Promise<void> {
  // The threads are files of the package, as its users have it.
  const built = pathToFileURL(resolve('dist/backtest/backtest.js')).href;
  const { backtest } = (await import(built)) as typeof Backtest;
  const folder = mkdtempSync(join(tmpdir(), 'bench-backtest-'));
  try {
    const [rules, events] = [rulesIn(folder), eventsIn(folder)];
    const rows = [parsing(events)];
    for (const threads of values.threads.split(',').map(Number)) {
      const found = await backtest({ rules, events: [events], threads });
      const what = `backtest, ${threads} thread${threads === 1 ? '' : 's'}`;
      rows.push(row(what, found.events, found.seconds, found.cpuSeconds));
    }
    show(`${values.only ?? values.rules} over a clickstream`, rows);
    report('backtest', { rules: values.rules, only: values.only ?? null, rows });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
