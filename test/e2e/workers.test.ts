// `temporal-cep worker --workers 2`: one process, two Temporal workers, which share the sessions and end with it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { minutes } from '../../src/time.js';
import { sessionWorkflowId } from '../../src/workflows/session-id.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { openStore } from './support/built.js';
import { environment, ROOT, run, start } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';
import { eventsOf } from './support/history.js';

const JOURNEYS = join(ROOT, 'test/e2e/support/journeys.ts');
const KEYS = Array.from({ length: 30 }, (_, index) => `key-${index}`);
const folder = temporaryFolder();
let dev: Dev;
let env: Record<string, string>;

beforeAll(async () => {
  dev = await startDev();
  const postgres = await startPostgres();
  dev.onStop(() => postgres.stop());
  await (await openStore(postgres.url, { migrate: true })).close();
  env = environment({ TEMPORAL_ADDRESS: dev.address, TEMPORAL_CEP_DATABASE: postgres.url });
});
afterAll(() => dev?.stop());

test('sessions are shared out to the workers of a process, which stop with it', async () => {
  const alerts = join(folder, 'alerts.ndjson');
  const worker = start(['worker', '--journeys', JOURNEYS, '--alerts', alerts, '--workers', '2'], {
    env,
  });
  await worker.says(/^Worker is ready/m);
  const carts = KEYS.map((userSession, index) => {
    const eventTime = Date.now() - minutes(60) + index;
    return JSON.stringify({
      eventTime,
      eventType: 'cart',
      productId: 'p',
      userSession,
      shop: 'quick',
    });
  });
  const clicks = join(folder, 'clicks.ndjson');
  writeFileSync(clicks, `${carts.join('\n')}\n`);
  const ingest = await run(['ingest', 'file', clicks, '--journeys', JOURNEYS], {
    env,
    cwd: folder,
  });
  expect(ingest.code, ingest.stderr).toBe(0);
  const written = () => readFileSync(alerts, 'utf8').split('\n').slice(0, -1);
  await until('all carts are told of', () => written().length >= KEYS.length);
  expect(
    written()
      .map((line) => (JSON.parse(line) as Alert).key)
      .sort(),
  ).toEqual([...KEYS].sort());
  const identities = await Promise.all(
    KEYS.map(async (key) => {
      const events = await eventsOf(dev.client, sessionWorkflowId({ journey: 'quick', key }));
      return events.flatMap((e) => e.workflowTaskStartedEventAttributes?.identity ?? []);
    }),
  );
  const names = [...new Set(identities.flat())].sort();
  expect(names).toEqual([
    expect.stringMatching(new RegExp(`^${worker.pid}@.+#1$`)),
    expect.stringMatching(new RegExp(`^${worker.pid}@.+#2$`)),
  ]);
  worker.child.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
});
