// The example of a data converter that encrypts, with worker, ingest and status of the command line and with a worker of
// one's own: alerts are as without it, keys are rotated under open sessions, and no byte of what Temporal keeps or
// shows tells a field of an event. So that this can fail, the same is looked for where nothing is encrypted: there it is
// found everywhere.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readFileRecords } from '../../src/ingest/read-file.js';
import type { RawRecord } from '../../src/ingest/record.js';
import type { Alert } from '../../src/rules/rule.js';
import { minutes } from '../../src/time.js';
import { CONTINUE_SIGNAL, STATE_QUERY } from '../../src/workflows/messages.js';
import { sessionWorkflowId } from '../../src/workflows/session-id.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import {
  createWorker,
  loadDataConverter,
  loadJourneys,
  memoryLedger,
  openStore,
  runOffline,
  startJourneyTest,
  temporalGateway,
} from './support/built.js';
import { environment, ROOT, type Running, run, start } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';

const api = temporal.api.workflowservice.v1;
const RUNNING = temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING;
const JOURNEYS = join(ROOT, 'test/e2e/support/private-journeys.ts');
const EFFECTS = join(ROOT, 'test/e2e/support/private-effects.ts');
const CONVERTER = join(ROOT, 'examples/encryption/data-converter.ts');
/** Begins every text of every event. */
const MARK = 'xq7-';
const PRICE = 73519.25;
const SECRET = 'the name of nobody is told';
const key = (id: string) => `${id}=${randomBytes(32).toString('base64')}`;
const [OLD, NEW] = [key('old'), key('new')];
const T0 = Date.now() - minutes(60);

const folder = temporaryFolder();
const alertsFile = join(folder, 'alerts.ndjson');
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

const encrypting = (keys: string) => ({
  ...env,
  TEMPORAL_CEP_DATA_CONVERTER: CONVERTER,
  TEMPORAL_CEP_KEY_SECRET: SECRET,
  ENCRYPTION_KEYS: keys,
});

function click(customer: string, eventType: string, atMinute: number): object {
  return {
    eventTime: T0 + minutes(atMinute),
    eventType,
    customer: `${MARK}${customer}`,
    product: `${MARK}lamp`,
    price: PRICE,
  };
}

/** Ann's cart stays open, Bob buys, Cem leaves his. */
const CLICKS = [
  click('cem', 'cart', 0),
  click('bob', 'cart', 1),
  click('bob', 'purchase', 2),
  click('ann', 'cart', 15),
  click('dan', 'view', 16),
];

function file(name: string, clicks: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, clicks.map((each) => `${JSON.stringify(each)}\n`).join(''));
  return path;
}

async function startWorker(keys: string): Promise<Running> {
  const { TEMPORAL_CEP_DATA_CONVERTER: converter, ...rest } = encrypting(keys);
  const args = ['worker', '--journeys', JOURNEYS, '--alerts', alertsFile];
  const worker = start([...args, '--data-converter', converter], { env: rest });
  await worker.says(/^Worker is ready/m);
  return worker;
}

async function ingest(path: string, args: readonly string[], env: Record<string, string>) {
  const all = ['ingest', 'file', path, '--journeys', JOURNEYS, '--leave-open', ...args];
  const { code, stderr } = await run(all, { env, cwd: folder });
  expect(code, stderr).toBe(0);
}

function written(): Alert[] {
  const lines = readFileSync(alertsFile, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Alert);
}

async function offlineIds(path: string): Promise<string[]> {
  const records: RawRecord[] = [];
  for await (const read of readFileRecords({ path, format: 'ndjson' })) {
    records.push(read as RawRecord);
  }
  const { journeys } = await loadJourneys(JOURNEYS);
  return runOffline({ journeys, records, endWatermark: 'last-event' }).alerts.map(({ id }) => id);
}

/** All that the server has of the sessions of a task queue, in bytes, by what it is. */
async function rawOf(taskQueue: string): Promise<Record<string, Buffer>> {
  const { workflowService } = dev.connection;
  const namespace = 'default';
  const found: Record<string, Uint8Array[]> = { list: [], describe: [], history: [], queries: [] };
  const query = `TaskQueue = '${taskQueue}'`;
  const list = await workflowService.listWorkflowExecutions({ namespace, query });
  found.list?.push(api.ListWorkflowExecutionsResponse.encode(list).finish());
  for (const { execution = null, status } of list.executions) {
    const of = { namespace, execution };
    const described = await workflowService.describeWorkflowExecution(of);
    found.describe?.push(api.DescribeWorkflowExecutionResponse.encode(described).finish());
    const history = await workflowService.getWorkflowExecutionHistory(of);
    found.history?.push(api.GetWorkflowExecutionHistoryResponse.encode(history).finish());
    if (status !== RUNNING) continue;
    for (const queryType of ['__temporal_workflow_metadata', STATE_QUERY]) {
      const answer = await workflowService.queryWorkflow({ ...of, query: { queryType } });
      found.queries?.push(api.QueryWorkflowResponse.encode(answer).finish());
    }
  }
  return Object.fromEntries(
    Object.entries(found).map(([name, parts]) => [name, Buffer.concat(parts)]),
  );
}

/** Which of the marks are in which part. */
function marksIn(raw: Record<string, Buffer>): Record<string, string[]> {
  const marks = [`${MARK}ann`, `${MARK}bob`, `${MARK}cem`, `${MARK}lamp`, `${PRICE}`];
  return Object.fromEntries(
    Object.entries(raw).map(([name, bytes]) => [
      name,
      marks.filter((mark) => bytes.includes(mark)),
    ]),
  );
}

const NOTHING = { list: [], describe: [], history: [], queries: [] };
const annsId = sessionWorkflowId({ journey: 'private', key: `${MARK}ann` }, SECRET);

/** Has Ann's session go on in another run, with its state as input. */
async function continueAnn(workflowId: string): Promise<void> {
  const { runId } = await infoOf(workflowId);
  await dev.client.workflow.getHandle(workflowId).signal(CONTINUE_SIGNAL);
  await until('a task of another run', async () => {
    const now = await infoOf(workflowId);
    return now.runId !== runId && now.length > 3;
  });
}

/** As the client describes a session, but for what it can't decode. */
async function infoOf(workflowId: string) {
  const of = { namespace: 'default', execution: { workflowId } };
  const { workflowExecutionInfo: info } =
    await dev.connection.workflowService.describeWorkflowExecution(of);
  const { execution, historyLength, status } = info ?? {};
  const isRunning = status === RUNNING;
  return { runId: execution?.runId, length: Number(historyLength ?? 0), isRunning };
}

test('what is not encrypted can be found in every part of what Temporal has', async () => {
  const args = ['--with-worker', '--task-queue', 'plain', '--alerts', join(folder, 'plain.alerts')];
  const path = file('plain.ndjson', CLICKS);
  const plain = start(['ingest', 'file', path, '--journeys', JOURNEYS, ...args, '--follow'], {
    env,
    cwd: folder,
  });
  await until('Ann has her cart', async () => {
    const answer = await dev.client.workflow.getHandle(`private/${MARK}ann`).query(STATE_QUERY);
    return answer !== null;
  });
  await continueAnn(`private/${MARK}ann`);
  const all = [`${MARK}ann`, `${MARK}bob`, `${MARK}cem`];
  await until('all of it is listed', async () => {
    const { list } = marksIn(await rawOf('plain'));
    return list?.length === 3;
  });
  const found = marksIn(await rawOf('plain'));
  expect(found).toEqual({
    list: all,
    describe: all,
    history: [...all, `${MARK}lamp`, `${PRICE}`],
    // Sessions in which nothing is open have ended, or are about to.
    queries: expect.arrayContaining([`${MARK}ann`, `${MARK}lamp`, `${PRICE}`]),
  });
  plain.child.kill('SIGINT');
  await plain.ended;
});

test('encrypted, alerts are the same, keys are rotated under an open session, and nothing can be read', async () => {
  const first = file('first.ndjson', CLICKS);
  const before = await startWorker(OLD);
  await ingest(first, [], encrypting(OLD));
  const expected = (await offlineIds(first)).sort();
  expect(expected.length).toBe(2);
  await until('the alerts', () => written().length >= 2);
  expect(
    written()
      .map(({ id }) => id)
      .sort(),
  ).toEqual(expected);
  expect(
    written()
      .map(({ message }) => message)
      .sort(),
  ).toEqual([`${MARK}lamp for ${PRICE} by ${MARK}bob`, `${MARK}lamp left`]);
  await continueAnn(annsId);
  const raw = await rawOf('temporal-cep');
  expect(marksIn(raw)).toEqual(NOTHING);
  for (const bytes of Object.values(raw)) expect(bytes.length).toBeGreaterThan(1_000);

  const status = await run(['status', `${MARK}ann`], { env: encrypting(OLD) });
  expect(status.stdout, status.stderr).toMatch(`private/${MARK}ann: 1 event,`);
  const other = await run(['status', `private/${MARK}ann`], { env: encrypting(NEW) });
  expect([other.code, other.stdout]).toEqual([1, '']);
  expect(other.stderr).toBe(
    `temporal-cep: the payload codec of ${CONVERTER}: a payload was encrypted with the key "old", and ENCRYPTION_KEYS has only new: add it there\n`,
  );
  const { TEMPORAL_CEP_DATA_CONVERTER: _, ...without } = encrypting(OLD);
  const blind = await run(['status', `private/${MARK}ann`], { env: without });
  expect([blind.code, blind.stderr]).toEqual([
    1,
    'temporal-cep: what Temporal keeps of the sessions is encoded: name the module that encodes it by --data-converter or TEMPORAL_CEP_DATA_CONVERTER\n',
  ]);

  before.child.kill('SIGTERM');
  await before.ended;
  await startWorker(`${NEW},${OLD}`);
  // The same file, grown: another source would have to wait for what this one still promises.
  await ingest(
    file('first.ndjson', [...CLICKS, click('ann', 'purchase', 17)]),
    [],
    encrypting(`${NEW},${OLD}`),
  );
  await until('Ann has bought', () => written().length >= 3);
  expect(written()[2]).toMatchObject({
    type: 'BOUGHT',
    message: `${MARK}lamp for ${PRICE} by ${MARK}ann`,
  });

  const both = await rawOf('temporal-cep');
  expect(marksIn(both)).toEqual(NOTHING);
  expect(both.history?.includes('old') && both.history.includes('new')).toBe(true);
}, 240_000);

test('a worker of one’s own, with an effect whose error quotes the event', async () => {
  process.env.ENCRYPTION_KEYS = NEW;
  const dataConverter = await loadDataConverter(CONVERTER);
  delete process.env.ENCRYPTION_KEYS;
  const alerts: Alert[] = [];
  const { effects, close } = await openStore({ memory: true }, { migrate: true });
  dev.onStop(close);
  let tries = 0;
  const worker = await createWorker({
    journeys: EFFECTS,
    connection: dev.connection,
    taskQueue: 'effects',
    dataConverter,
    store: { progress: { read: async () => null }, ledger: memoryLedger(), effects },
    alerts: { publish: async (published) => void alerts.push(...published) },
    activities: {
      coupon: async ({ key, message }) => {
        if (++tries === 1) throw new Error(`not yet for ${key}: ${message}`);
        throw ApplicationFailure.nonRetryable(
          `no coupon for ${key}: ${message}`,
          'Coupon',
          message,
        );
      },
    },
  });
  const running = worker.run();
  const gateway = temporalGateway({
    client: new Client({ connection: dev.connection, dataConverter }),
    settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0 },
    taskQueue: 'effects',
    keySecret: SECRET,
  });
  const session = { journey: 'private', key: `${MARK}eve` };
  await gateway.signalWithStart(session, {
    source: 'clicks',
    partition: 0,
    events: [click('eve', 'cart', 0), click('eve', 'purchase', 1)].map((data, offset) => ({
      offset,
      timestamp: T0 + minutes(offset),
      data: data as Record<string, string>,
    })),
    watermark: T0 + minutes(1),
    lowWater: 2,
  });
  const handle = dev.client.workflow.getHandle(sessionWorkflowId(session, SECRET));
  await until('it has ended', async () => !(await infoOf(handle.workflowId)).isRunning);
  expect(alerts.map(({ key, type }) => [key, type])).toEqual([[`${MARK}eve`, 'BOUGHT']]);
  const id = alerts[0]?.id ?? '';
  const isDead = async () => (await effects.ofAlert(id))[0]?.state === 'dead';
  await until('its effect is dead', isDead);
  // The first failure was not the last: it stands in the history.
  const sent = dev.client.workflow.getHandle(`effect/${id}`);
  await until('its workflow has ended', async () => !(await infoOf(sent.workflowId)).isRunning);
  const { events } = await sent.fetchHistory();
  const failures = events?.filter((event) => event.activityTaskStartedEventAttributes?.lastFailure);
  expect(failures).toHaveLength(1);
  await until(
    'both are listed',
    async () => ((await rawOf('effects')).history?.length ?? 0) > 4_000,
  );
  const raw = await rawOf('effects');
  expect(Object.values(raw).filter((bytes) => bytes.includes(MARK))).toEqual([]);
  worker.shutdown();
  await running;
});

test('the test harness takes it', async () => {
  process.env.ENCRYPTION_KEYS = NEW;
  const dataConverter = await loadDataConverter(CONVERTER);
  delete process.env.ENCRYPTION_KEYS;
  const shop = await startJourneyTest({ journeys: JOURNEYS, journey: 'private', dataConverter });
  await shop.send({ eventType: 'cart', customer: 'ann', product: 'lamp' });
  await shop.skip(minutes(10));
  expect(shop.alerts.map(({ message }) => message)).toEqual(['lamp left']);
  await shop.stop();
});
