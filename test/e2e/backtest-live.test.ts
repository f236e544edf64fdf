// What a backtest says would have been, and what a live run of the same file alerts: the same ids, for every rule of the shop, with
// events out of order and too late among them. Both by the command line; sessions on a real Temporal.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BacktestResult } from '../../src/backtest/backtest.js';
import { type Click, generateClickstream, Random } from '../../src/demo/clickstream.js';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import type { Reject } from '../../src/ingest/rejects.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, minutes, seconds } from '../../src/time.js';
import { temporaryFolder } from '../servers/helpers.js';
import { loadJourneys } from './support/built.js';
import { environment, ROOT, run } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';

const JOURNEYS = join(ROOT, 'examples/journeys.ts');
const EVENTS = 20_000;
const USERS = 200;
/** Of the command line, where nothing else is said. */
const OUT_OF_ORDERNESS_MS = seconds(2);

const folder = temporaryFolder();
let dev: Dev;

beforeAll(async () => {
  dev = await startDev();
});
afterAll(() => dev?.stop());

/** As they arrive: each under way for less than two seconds, but one in a hundred for minutes. */
function arrivals(): Click[] {
  const random = new Random(11);
  const delayMs = () =>
    random.chance(0.01) ? random.integer(minutes(1), minutes(10)) : random.integer(0, 1_900);
  return generateClickstream({ seed: 11, events: EVENTS, endsAt: Date.UTC(2026, 0, 20) })
    .map(asOfFewer)
    .map((click) => ({ click, at: click.eventTime + delayMs() }))
    .sort((a, b) => a.at - b.at)
    .map(({ click }) => click);
}

/** A third of the users do it all, and half a week of each is one session: as many events in fewer workflows, each of which costs. */
function asOfFewer(click: Click): Click {
  const userId = String(Number(/\d+/.exec(click.userId)?.[0]) % USERS);
  const userSession = `${userId}-${Math.floor(click.eventTime / days(3.5))}`;
  return { ...click, userId, userSession };
}

/** Numbers of those behind the watermark of all before them. */
function lateOnes(clicks: readonly Click[]): number[] {
  let largest = Number.NEGATIVE_INFINITY;
  return clicks.flatMap(({ eventTime }, offset) => {
    const isLate = eventTime < largest - OUT_OF_ORDERNESS_MS;
    largest = Math.max(largest, eventTime);
    return isLate ? [offset] : [];
  });
}

function linesOf<T>(path: string): T[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as T);
}

test('20,000 events: the ids of a backtest are those of a live run', {
  timeout: minutes(8),
}, async () => {
  const clicks = arrivals();
  const late = lateOnes(clicks);
  expect(late.length).toBeGreaterThanOrEqual(50);
  const events = join(folder, 'clicks.ndjson');
  writeFileSync(events, clicks.map((click) => `${JSON.stringify(click)}\n`).join(''));
  const path = (name: string) => join(folder, name);

  const offline = await run([
    ...['backtest', '--rules', JOURNEYS, '--events', events, '--threads', '2'],
    ...['--alerts', path('backtest.ndjson'), '--json'],
  ]);
  expect(offline.code, offline.stderr).toBe(0);
  const live = await run(
    [
      ...['ingest', 'file', events, '--journeys', JOURNEYS, '--with-worker', '--json'],
      ...['--data-folder', path('data'), '--alerts', path('live.ndjson')],
      ...['--late', path('late.ndjson')],
    ],
    { env: environment({ TEMPORAL_ADDRESS: dev.address }) },
  );
  expect(live.code, live.stderr).toBe(0);

  const report = JSON.parse(offline.stdout) as BacktestResult;
  const counts = JSON.parse(live.stdout) as IngestCounts;
  expect(report).toMatchObject({ records: EVENTS, bad: 0, late: late.length });
  expect(counts).toMatchObject({ read: EVENTS, dead: {}, late: late.length, undelivered: 0 });
  expect(counts.sessions).toBe(report.sessions);
  expect(linesOf<Reject>(path('late.ndjson')).map(({ offset }) => offset)).toEqual(late);

  const found = linesOf<Alert>(path('backtest.ndjson'));
  const alerted = linesOf<Alert>(path('live.ndjson'));
  const ids = (alerts: readonly Alert[]) => alerts.map(({ id }) => id).sort();
  // Each id once: what is there twice would make one list longer than its set.
  expect(new Set(ids(found)).size).toBe(found.length);
  expect(ids(alerted)).toEqual(ids(found));
  expect(found.length).toBeGreaterThan(3_000);
  const ruleOf = ({ journey, rule }: { journey: string; rule: string }) => `${journey}/${rule}`;
  const { journeys } = await loadJourneys(JOURNEYS);
  const all = [...journeys.byId].flatMap(([journey, { rules }]) =>
    rules.map(({ rule }) => ruleOf({ journey, rule: rule.id })),
  );
  expect([...new Set(found.map(ruleOf))].sort()).toEqual(all.sort());
});
