// Records the histories of this release anew, on a dev server: `npm run build`, then `npx jiti test/replay/record.ts`. They
// go into the folder of the version in package.json, which a release closes: what lies in the folder of a version that
// is out stands for the sessions that run at its users', and is never written again.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { connectToServer, ensureSearchAttributes } from '../../src/servers/connection.js';
import { findTemporalCli } from '../../src/servers/dev-server.js';
import { freePort } from '../../src/servers/ports.js';
import { startGuarded } from '../../src/servers/process.js';
import { STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import {
  createWorker,
  memoryLedger,
  quietTemporal,
  temporalGateway,
} from '../e2e/support/built.js';
import { historyToJson } from '../e2e/support/history.js';
import { type Click, WINDOWS } from '../e2e/support/journeys.js';
import { until } from '../support/until.js';

const SOURCE = 'recorded';
const TASK_QUEUE = 'recorded';
/** History events after which this server suggests to continue as new: the recordings stay short. */
const SUGGEST_AFTER = 50;
const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };
const FOLDER = new URL(`${version}/`, import.meta.url);
mkdirSync(FOLDER, { recursive: true });

quietTemporal();
const address = `127.0.0.1:${await freePort()}`;
const server = startGuarded(await findTemporalCli(), [
  ...['server', 'start-dev', '--headless', '--log-level', 'error', '--ip', '127.0.0.1'],
  ...['--port', address.split(':')[1] as string],
  ...['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${SUGGEST_AFTER}`],
]);
const settings = { connectionOptions: { address }, namespace: 'default' };
const plain = await until('the server answers', () => connectToServer(settings).catch(() => null));
await ensureSearchAttributes(plain, 'default');
await plain.close();

// Names of our own wherever the SDK would write process id and host name.
const connection = await NativeConnection.connect({ address });
const client = new Client({ connection, identity: 'ingestor' });
const gateway = temporalGateway({
  client,
  settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0 },
  taskQueue: TASK_QUEUE,
});
const worker = await createWorker({
  journeys: new URL('../e2e/support/journeys.ts', import.meta.url),
  connection,
  identity: 'worker',
  taskQueue: TASK_QUEUE,
  alerts: { publish: async () => {} },
  store: {
    progress: {
      read: async () => ({ watermark: Date.now(), lowWater: 1_000, finished: false }),
    },
    ledger: memoryLedger(),
  },
});
const running = worker.run();

/** One session's end of the line: events in order, each with its time as the watermark. */
function sender(journey: string, key: string) {
  const startedAt = Date.now();
  let offset = 0;
  return {
    workflowId: `${journey}/${key}`,
    send: async (eventType: Click['eventType'], afterMs: number, lowWater = 0) => {
      const timestamp = startedAt + afterMs;
      const data = {
        eventType,
        eventTime: timestamp,
        productId: 'p1',
        userSession: key,
        shop: journey,
      };
      const batch = {
        source: SOURCE,
        partition: 0,
        events: [{ offset: offset++, timestamp, data }],
        watermark: timestamp,
        lowWater,
      };
      await gateway.signalWithStart({ journey, key }, batch);
      return batch;
    },
  };
}

async function save(name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  writeFileSync(new URL(`${name}.json`, FOLDER), `${historyToJson(history)}\n`);
  console.error(`${name}: ${history.events?.length} events`);
}

// A cart is left: timer, a read of the watermark by an activity, alert, end.
{
  const { workflowId, send } = sender('quick', 'leaver');
  await send('cart', 0);
  await client.workflow.getHandle(workflowId).result();
  await save('timeout', workflowId);
}

// A cart is bought, among repeats and late events; the session ends when its offsets are committed.
{
  const { workflowId, send } = sender('short', 'buyer');
  const cart = await send('cart', 0);
  await send('view', 500);
  await gateway.signal({ journey: 'short', key: 'buyer' }, cart);
  await send('view', 400);
  await send('purchase', 1_000);
  await client.workflow.getHandle(workflowId).result();
  await save('match', workflowId);
}

// So many clicks that the session continues as new with its cart open; the purchase comes to the next run.
{
  const { workflowId, send } = sender('long', 'hesitant');
  await send('cart', 0);
  const handle = client.workflow.getHandle(workflowId);
  const { runId } = await handle.describe();
  for (let i = 1; (await handle.describe()).runId === runId; i++) {
    await send('view', i * 100);
    await until('the session has taken it', async () => {
      const { counts } = await handle.query<SessionState>(STATE_QUERY);
      return counts.events === i + 1;
    });
    await sleep(50);
  }
  await send('purchase', WINDOWS.long - 1_000, 1_000);
  await handle.result();
  await save('continued-from', workflowId, runId);
  await save('continued-to', workflowId);
}

worker.shutdown();
await running;
await connection.close();
await server.stop();
