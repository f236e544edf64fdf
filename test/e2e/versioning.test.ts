// Worker versioning on a real server, with `temporal-cep worker --deployment --build-id` and the commands of the
// README: a session stays with the build that began its run, new ones go to the current build, and a session that
// continues as new goes on there, of itself or when it is asked to. What the rules of the new build can't take over
// is told.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import { findTemporalCli } from '../../src/servers/dev-server.js';
import { days } from '../../src/time.js';
import { type EventBatch, STATE_QUERY } from '../../src/workflows/messages.js';
import type { SessionState } from '../../src/workflows/session.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { openStore, temporalGateway } from './support/built.js';
import { environment, type Running, run, start } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';

/** Far enough ahead that no timer of a deadline fires. */
const T0 = Date.now() + days(1);
/** History events after which the server suggests to continue as new. */
const SUGGEST_AFTER = 60;

let dev: Dev;
let gateway: SessionGateway;
let temporal: (...args: string[]) => Promise<unknown>;
const workers: Running[] = [];
const offsets = new Map<string, number>();

beforeAll(async () => {
  dev = await startDev({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': SUGGEST_AFTER },
  });
  const cli = await findTemporalCli();
  temporal = (...args) => promisify(execFile)(cli, [...args, '--address', dev.address]);
  const postgres = await startPostgres();
  dev.onStop(() => postgres.stop());
  await (await openStore(postgres.url, { migrate: true })).close();
  const env = environment({ TEMPORAL_ADDRESS: dev.address, TEMPORAL_CEP_DATABASE: postgres.url });
  const settings = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };
  gateway = temporalGateway({ client: dev.client, settings });
  for (const build of ['1', '2']) {
    const journeys = `test/e2e/support/journeys-build-${build}.ts`;
    const args = ['worker', '--journeys', journeys, '--deployment', 'shop', '--build-id', build];
    workers.push(start(args, { env, outlives: true }));
  }
  dev.onStop(async () => {
    for (const { child } of workers) child.kill('SIGKILL');
  });
  for (const worker of workers) await worker.says(/^Worker is ready/m);
});
afterAll(() => dev?.stop());

async function makeCurrent(build: string): Promise<void> {
  const version = ['--deployment-name', 'shop', '--build-id', build];
  const command = ['worker', 'deployment', 'set-current-version', ...version, '--yes'];
  // The server learns of a version with the first poll of its worker.
  await until(`build ${build} is the current one`, () => temporal(...command).then(() => true));
}

/** Sends a session its next event, with its time as the watermark. */
async function send(key: string, eventType: string): Promise<void> {
  const offset = offsets.get(key) ?? 0;
  offsets.set(key, offset + 1);
  const timestamp = T0 + offset;
  const batch: EventBatch = {
    source: 'clicks',
    partition: 0,
    events: [{ offset, timestamp, data: { eventType, eventTime: timestamp, userSession: key } }],
    watermark: timestamp,
    lowWater: 0,
  };
  await gateway.signalWithStart({ journey: 'shop', key }, batch);
}

const handleOf = (key: string) => dev.client.workflow.getHandle(`shop/${key}`);

/** Waits until the session has taken all that was sent. */
function taken(key: string): Promise<SessionState> {
  return until(`${key} has taken its events`, async () => {
    const state = await handleOf(key).query<SessionState>(STATE_QUERY);
    return state.counts.events === offsets.get(key) && state.publishing === 0 ? state : null;
  });
}

/** The run of a session, and the build that does its tasks. */
async function runOf(key: string): Promise<{ runId: string; build: string | null }> {
  const { runId, raw } = await handleOf(key).describe();
  const { versioningInfo } = raw.workflowExecutionInfo ?? {};
  return { runId, build: versioningInfo?.deploymentVersion?.buildId ?? null };
}

const openOf = ({ rules }: SessionState) => rules.map(({ rule, openCount }) => [rule, openCount]);

test('a version says how it becomes the current one; half a version is refused', async () => {
  expect(workers[0]?.stderr()).toContain(
    'temporal worker deployment set-current-version --deployment-name shop --build-id 1\n',
  );
  const worker = ['worker', '--journeys', 'test/e2e/support/journeys-build-1.ts'];
  const half = await run([...worker, '--build-id', '1']);
  expect([half.code, half.stderr]).toEqual([
    1,
    'temporal-cep: a version has a deployment and a build: give both --deployment NAME and --build-id ID, or neither for a worker without a version\n',
  ]);
  const named = await run([...worker, '--build-id', '1', '--deployment', 'shop.eu']);
  expect([named.code, named.stderr]).toEqual([
    1,
    'temporal-cep: --deployment "shop.eu" must have neither "." nor ":" in it, by the rules of Temporal: rename it\n',
  ]);
});

test('sessions stay with the build that began them, until they continue as new', async () => {
  await makeCurrent('1');
  for (const key of ['ann', 'bob']) {
    await send(key, 'cart');
    await taken(key);
  }
  const before = { ann: await runOf('ann'), bob: await runOf('bob') };
  expect([before.ann.build, before.bob.build]).toEqual(['1', '1']);

  await makeCurrent('2');
  await send('ann', 'view');
  expect(openOf(await taken('ann'))).toEqual([
    ['same', 1],
    ['changed', 1],
    ['gone', 1],
  ]);
  expect(await runOf('ann')).toEqual(before.ann);
  await send('cem', 'cart');
  expect(openOf(await taken('cem'))).toEqual([
    ['same', 1],
    ['changed', 1],
    ['new', 1],
  ]);
  expect((await runOf('cem')).build).toBe('2');

  // The server suggests it: the run is full.
  for (let i = 0; i < SUGGEST_AFTER && (await runOf('ann')).runId === before.ann.runId; i++) {
    await send('ann', 'view');
    await taken('ann');
  }
  // An operator asks for it, in the words of the README.
  const sessions = "CepJourney = 'shop' AND ExecutionStatus = 'Running' AND CepKey = 'bob'";
  const ask = ['workflow', 'signal', '--name', 'continueAsNew', '--query', sessions];
  await temporal(...ask, '--reason', 'a new version', '--yes');

  for (const key of ['ann', 'bob'] as const) {
    await until(`${key} has moved`, async () => (await runOf(key)).build === '2');
    expect((await runOf(key)).runId).not.toBe(before[key].runId);
    const state = await taken(key);
    expect(openOf(state)).toEqual([
      ['same', 1],
      ['changed', 0],
      ['new', 0],
    ]);
    const [same, changed] = state.rules;
    expect([same?.counts.dropped, changed?.counts.dropped]).toEqual([0, 1]);
    expect(changed?.lastError).toBe('the rule changed while it had 1 open');
    await send(key, 'purchase');
    const { rules } = await taken(key);
    expect(rules.map(({ counts }) => counts.matches)).toEqual([1, 0, 0]);
  }
  const said = workers[1]?.stderr() ?? '';
  expect(said).toContain('a rule has changed, and its open matches are lost');
  expect(said).toContain('a rule is no longer there, and its open matches are lost');
});
