// A seeded stream, out of order and partly late, makes exactly what a plain query over the same events makes: counted in one go, by several at
// once, and by processes that were killed in the middle of their work. TEMPORAL_CEP_EVENTS and TEMPORAL_CEP_KILLS make it longer.

import { createWriteStream, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { aggregatesOf } from '../../src/analytics/aggregate.js';
import { readAnalytics } from '../../src/analytics/declaration.js';
import { openAnalyticsStore } from '../../src/analytics-store/analytics-store.js';
import type { AnalyticsDatabase } from '../../src/analytics-store/schema.js';
import { run, start } from '../e2e/support/cli.js';
import { temporaryFolder } from '../servers/helpers.js';
import { SERVERS } from '../support/engines.js';
import { consume, count, countInto, recordsOf, summary } from './support/counting.js';
import { useDatabase } from './support/database.js';
import {
  consumeBySql,
  DECLARATION,
  keptBySql,
  lineOf,
  loadRaw,
  seeded,
  streamOf,
  summaryBySql,
} from './support/stream.js';

const EVENTS = Number(process.env.TEMPORAL_CEP_EVENTS ?? 100_000);
const KILLS = Number(process.env.TEMPORAL_CEP_KILLS ?? 5);
const SEED = 20_211_201;
const LONG = { timeout: 1_800_000 };

/** What PostgreSQL says of the same events: MariaDB takes minutes for a running maximum. */
const reference = useDatabase('PostgreSQL');

/** The tables hold what the query says; compared as text, which is quick for many rows. */
async function expectEqualsSql(database: AnalyticsDatabase): Promise<void> {
  const sums = await consumeBySql(reference.database);
  const found = await consume(database);
  expect(found.length).toBeGreaterThan(100);
  const byKey = (rows: typeof found) => rows.map((row) => JSON.stringify(sorted(row))).sort();
  expect(byKey(found)).toEqual(byKey(sums as typeof found));
  const minutes = await summaryBySql(reference.database);
  expect(minutes.length).toBeGreaterThan(1_000);
  expect(await summary(database)).toEqual(minutes);
}

const sorted = (row: object) => Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));

describe.each(SERVERS)('%s', (engine) => {
  const at = useDatabase(engine);
  const folder = temporaryFolder();

  test('three that all read the whole stream at once count it once', LONG, async () => {
    const events = [...streamOf(Math.min(EVENTS, 20_000), SEED)];
    await loadRaw(reference.database, events);
    const records = recordsOf(events.map(lineOf));
    const all = await Promise.all(
      [700, 1_100, 333].map((batch) => count(at.at as string, DECLARATION, records, { batch })),
    );
    await expectEqualsSql(at.database);
    const kept = await keptBySql(reference.database);
    expect(kept).toBeLessThan(events.length);
    for (const name of ['recharge', 'page-views']) {
      const sum = (of: 'counted' | 'late') =>
        all.reduce((total, { aggregates }) => total + (aggregates[name]?.[of] ?? 0), 0);
      expect(sum('counted')).toBe(kept);
      expect(sum('late')).toBe(events.length - kept);
    }
    // Each of them in the late output once for each aggregate, since nothing had to be done again.
    const retries = all.reduce((total, { retries }) => total + retries, 0);
    const late = all.flatMap(({ rejected }) => rejected.late).length;
    expect(late).toBeGreaterThanOrEqual(2 * (events.length - kept));
    if (retries === 0) expect(late).toBe(2 * (events.length - kept));
  });

  test(`${EVENTS} events, ${KILLS} kills`, LONG, async () => {
    const file = join(folder, 'stream.ndjson');
    const declaration = join(folder, 'analytics.json');
    writeFileSync(declaration, JSON.stringify(DECLARATION));
    await pipeline(function* () {
      for (const event of streamOf(EVENTS, SEED)) yield `${lineOf(event)}\n`;
    }, createWriteStream(file));
    await loadRaw(reference.database, streamOf(EVENTS, SEED));
    const args = ['analytics', 'file', file, '--aggregates', declaration, '--json'];
    args.push('--database', at.at as string, '--source', 'file:stream', '--batch', '500');
    args.push('--late', join(folder, 'late.ndjson'));
    const store = await openAnalyticsStore(
      at.at as string,
      aggregatesOf(readAnalytics(DECLARATION)),
    );
    const reached = async () => (await store.reached('file:stream')).get(0)?.next ?? 0;
    const random = seeded(SEED);
    const began = performance.now();
    for (let kill = 0; kill < KILLS; kill++) {
      // Somewhere in its share of the stream, and in whatever it is doing there.
      const target = ((kill + random()) / (KILLS + 1)) * EVENTS;
      const process = start(args);
      while ((await reached()) < target) await sleep(5);
      await sleep(random() * 30);
      process.child.kill('SIGKILL');
      expect(await process.ended).toMatchObject({ code: null, stdout: '' });
      expect(await reached()).toBeLessThan(EVENTS);
    }
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr: stderr.replace(/npm warn.*\n/g, '') }).toEqual({ code: 0, stderr: '' });
    const took = performance.now() - began;
    console.log(`${engine}: ${EVENTS} events, ${KILLS} kills, ${Math.round(took / 1_000)} s`);
    await expectEqualsSql(at.database);
    const counts = JSON.parse(stdout);
    expect(counts.read).toBe(EVENTS);
    const { counted, late, repeats, skipped, dead } = counts.aggregates['page-views'];
    expect({ skipped, dead }).toEqual({ skipped: 0, dead: {} });
    expect(counted + late + repeats).toBe(EVENTS);
    expect(repeats).toBeGreaterThan(0);
    await store.close();
    rmSync(file);
  });

  test('a server that goes away in the middle', LONG, async () => {
    const events = [...streamOf(20_000, SEED + 1)];
    await loadRaw(reference.database, events);
    const store = await openAnalyticsStore(
      at.at as string,
      aggregatesOf(readAnalytics(DECLARATION)),
    );
    let batches = 0;
    let outage: Promise<void> | null = null;
    const onProgress = () => {
      if (++batches !== 20) return;
      outage = (async () => {
        await at.server.stopServer();
        await sleep(300);
        await at.server.startServer();
      })();
    };
    const counts = await countInto(store, recordsOf(events.map(lineOf)), {
      batch: 300,
      onProgress,
    });
    await outage;
    expect(counts.retries).toBeGreaterThan(0);
    expect(counts.uncounted).toBe(0);
    await expectEqualsSql(at.database);
    await store.close();
  });
});
