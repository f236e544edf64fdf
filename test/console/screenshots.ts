// Makes docs/console-light.png and docs/console-dark.png anew: `npm run screenshots`, after `npm run build`. The demo's shop goes through
// ingest, sessions and analytics as built, on servers of its own; only the moments at which alerts were recorded are made up.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { type Click, generateClickstream } from '../../src/demo/clickstream.js';
import { startDevServer } from '../../src/servers/dev-server.js';
import { openStore } from '../../src/store/store.js';
import { startBrowser } from '../support/browser.js';
import { startPostgres } from '../support/postgres.js';
import { sourcesOf, startConsole } from './support.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Many, since what is shown is minutes. */
const VISITS = 60_000;
const AGGREGATES = {
  aggregates: {
    visits: {
      kind: 'page-views',
      where: { eventType: 'view' },
      fields: { time: 'eventTime', visitor: 'userId' },
    },
    recharge: {
      kind: 'recharge',
      where: { eventType: 'purchase' },
      fields: {
        app: 'brand',
        server: 'categoryId',
        time: 'eventTime',
        role: 'userId',
        amount: 'price',
      },
    },
  },
};

const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-screenshots-'));
const postgres = await startPostgres();
const temporal = await startDevServer();

function cep(...args: string[]): void {
  const env = {
    ...process.env,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_CEP_DATABASE: postgres.url,
  };
  const cli = join(ROOT, 'dist/cli/main.js');
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

try {
  const endsAt = Date.now();
  const clicks = file('clicks.ndjson', generateClickstream({ seed: 1, endsAt }));
  const visits = file('visits.ndjson', generateClickstream({ seed: 2, events: VISITS, endsAt }));
  const aggregates = join(folder, 'aggregates.json');
  writeFileSync(aggregates, JSON.stringify(AGGREGATES));
  const journeys = 'test/console/shop-journeys.ts';
  cep('setup');
  cep('analytics', 'file', visits, '--aggregates', aggregates, '--batch', '2000');
  cep('rules', 'apply', 'examples/five.json', '--journeys', journeys, '--author', 'ann');
  for (const rule of ['cart-abandonment', 'purchase-intent', 'price-sensitivity', 'churn']) {
    cep('rules', 'on', rule, '--author', 'ann', '--note', 'live');
  }
  cep('rules', 'shadow', 'cross-sell', '--author', 'ann', '--note', 'tried out');
  const alerts = ['--alerts', join(folder, 'alerts.ndjson')];
  cep(
    'ingest',
    'file',
    clicks,
    '--journeys',
    journeys,
    '--with-worker',
    '--rules-database',
    ...alerts,
    '--leave-open',
    '--source',
    'clickstream',
  );

  const store = await openStore(postgres.url);
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
    await page.screenshot({ path: join(ROOT, `docs/console-${colorScheme}.png`), fullPage: true });
  }
  await browser.close();
  await site.stop();
  await store.close();
} finally {
  await temporal.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
