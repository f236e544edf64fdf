// Records snapshots of this release, as record.ts does histories: `npx jiti test/replay/record-snapshots.ts`. Each is what a
// session in the middle of its stream handed to its next run.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTINUE_SIGNAL, STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { createWorker, memoryLedger, temporalGateway } from '../e2e/support/built.js';
import { startDev } from '../e2e/support/dev.js';
import { eventsOf } from '../e2e/support/history.js';
import { SIGNALS } from '../e2e/support/snapshot-journeys.js';
import { until } from '../support/until.js';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };
const FOLDER = new URL(`${version}/snapshots/`, import.meta.url);
mkdirSync(FOLDER, { recursive: true });
const REF = { journey: 'every-kind', key: 'k' };
const WORKFLOW = 'every-kind/k';

const dev = await startDev();
const settings = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };
const gateway = temporalGateway({ client: dev.client, settings });
let isOpen = true;
const worker = await createWorker({
  journeys: new URL('../e2e/support/snapshot-journeys.ts', import.meta.url),
  connection: dev.connection,
  store: { progress: { read: async () => null }, ledger: memoryLedger() },
  alerts: { publish: () => until('alerts are let through', () => isOpen).then(() => {}) },
});
const running = worker.run();
const handle = dev.client.workflow.getHandle(WORKFLOW);
const stateOf = () => handle.query<SessionState>(STATE_QUERY);

/** @param before - signals that are taken; @param after - signals that are carried in the inbox */
async function record(name: string, before: number, after: number): Promise<void> {
  isOpen = true;
  for (let i = 0; i < before; i++) {
    if (i === before - 1) isOpen = after === 0;
    await gateway.signalWithStart(REF, ...(SIGNALS[i] ?? []));
    const taken = SIGNALS.slice(0, i + 1)
      .flat()
      .flatMap(({ events }) => events);
    await until('it is taken', async () => (await stateOf()).counts.events === taken.length);
  }
  const { runId } = await handle.describe();
  await handle.signal(CONTINUE_SIGNAL);
  for (let i = before; i < before + after; i++) {
    await gateway.signal(REF, ...(SIGNALS[i] ?? []));
  }
  await sleep(1_000);
  isOpen = true;
  await until('another run', async () => (await handle.describe()).runId !== runId);
  const [started] = await eventsOf(dev.client, WORKFLOW);
  const [input] = started?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const { carried } = JSON.parse(Buffer.from(input?.data ?? []).toString());
  writeFileSync(
    new URL(`${name}.json`, FOLDER),
    `${JSON.stringify({ next: before + after, carried }, null, 1)}\n`,
  );
  console.error(
    `${name}: ${carried.counts.alerts} alerts so far, ${carried.inbox.length} signals in its inbox`,
  );
  await handle.terminate();
}

await record('early', 2, 0);
await record('half', 6, 0);
await record('inbox', 7, 2);

worker.shutdown();
await running;
await dev.stop();
