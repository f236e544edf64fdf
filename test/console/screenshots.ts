// Makes docs/console-light.png and docs/console-dark.png anew: `npm run screenshots`, after `npm run build`. The demo's shop goes through
// ingest, sessions and analytics as built, on servers of its own; only the moments at which alerts were recorded are made up.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { type Click, generateClickstream } from '../../src/demo/clickstream.js';
import { startDevServer } from '../../src/servers/dev-server.js';
import { findOnPath } from '../../src/servers/process.js';
import { openStore, type Store } from '../../src/store/store.js';
import { minutes } from '../../src/time.js';
import { startBrowser } from '../support/browser.js';
import { startPostgres } from '../support/postgres.js';
import { sourcesOf, startConsole } from './support.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Visits come at the beginnings of slots of two hours: of so many shops, each a little later, some are visited at all times. */
const SHOPS = 8;

const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-screenshots-'));
const postgres = await startPostgres();
const temporal = await startDevServer();

const cli = join(ROOT, 'dist/cli/main.js');
const env = {
  ...process.env,
  TEMPORAL_ADDRESS: temporal.address,
  TEMPORAL_CEP_DATABASE: postgres.url,
};

function cep(...args: string[]): void {
  const { status } = spawnSync(process.execPath, [cli, ...args], {
    cwd: ROOT,
    env,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`temporal-cep ${args.join(' ')} ended with ${status}`);
}

function file(name: string, clicks: readonly Click[]): string {
  const path = join(folder, name);
  writeFileSync(path, clicks.map((click) => `${JSON.stringify(click)}\n`).join(''));
  return path;
}

/** Waits until no more alerts come. */
async function settled({ database }: Store): Promise<void> {
  for (let before = -1, count = 0; count === 0 || count !== before; ) {
    await sleep(8_000);
    before = count;
    const { rows } = await sql<{ count: number }>`select count(*) from cep_alerts`.execute(
      database.db,
    );
    count = Number(rows[0]?.count);
  }
}

try {
  const endsAt = Date.now();
  const clicks = file('clicks.ndjson', generateClickstream({ seed: 1, endsAt }));
  const shops = Array.from({ length: SHOPS }, (_, i) =>
    generateClickstream({
      ...{ seed: i, events: 8_000 },
      // Into the future: the last slot of a stream is empty but for its end.
      endsAt: endsAt + minutes(120) + (i * minutes(120)) / SHOPS,
    }),
  );
  const all = shops
    .flat()
    .filter(({ eventTime }) => eventTime <= endsAt)
    .sort((a, b) => a.eventTime - b.eventTime);
  const visits = file('visits.ndjson', all);
  const aggregates = join(ROOT, 'examples/clickstream-analytics.json');
  const journeys = 'test/console/shop-journeys.ts';
  cep('setup');
  cep('analytics', 'file', visits, '--aggregates', aggregates, '--batch', '2000');
  cep('rules', 'apply', 'examples/five.json', '--journeys', journeys, '--author', 'ann');
  for (const rule of ['cart-abandonment', 'cross-sell', 'purchase-intent', 'churn']) {
    cep('rules', 'on', rule, '--author', 'ann', '--note', 'live');
  }
  cep('rules', 'shadow', 'price-sensitivity', '--author', 'ann', '--note', 'tried out');
  const ingest = [
    ...['ingest', 'file', clicks, '--follow', '--with-worker', '--rules-database'],
    ...['--journeys', journeys, '--alerts', join(folder, 'alerts.ndjson'), '--source', 'clicks'],
  ];
  const running = spawn(process.execPath, [cli, ...ingest], { cwd: ROOT, env, stdio: 'inherit' });
  const store = await openStore(postgres.url);
  await settled(store);
  // Ten days went by in a minute. A stream of the present would have brought the last of them over the last hours.
  await sql`
    update cep_alerts set recorded_at = current_timestamp - (nth * nth * interval '1 s') * 1.3
    from (select id, row_number() over (order by at desc) as nth from cep_alerts) as numbered
    where numbered.id = cep_alerts.id`.execute(store.database.db);
  const site = await startConsole(await sourcesOf(store));
  const browser = await startBrowser();
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({
      ...{ colorScheme, viewport: { width: 1280, height: 900 } },
      ...{ locale: 'en-GB', timezoneId: 'UTC' },
    });
    await page.goto(site.url);
    await page.locator('#connection[data-state="live"]').waitFor();
    await page.locator('#rules-rows tr').first().waitFor();
    await page.waitForTimeout(1_000);
    const path = join(ROOT, `docs/console-${colorScheme}.png`);
    await page.screenshot({ path, fullPage: true });
    // A third of the size, and the same to the eye.
    const small = ['--force', '--ext', '.png', '--strip', '256', path];
    if (findOnPath('pngquant', process.env) !== null) spawnSync('pngquant', small);
  }
  running.kill('SIGINT');
  await new Promise((resolve) => running.once('close', resolve));
  await browser.close();
  await site.stop();
  await store.close();
} finally {
  await temporal.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
