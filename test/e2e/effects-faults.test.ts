// Effects of many alerts, told to receivers that fail in every way that receivers do, by workers that are killed meanwhile: at each
// failpoint of an effect, and at random. In the end what the ledger says is what the receivers have in their own logs.
//
// TEMPORAL_CEP_SEED repeats the faults of a run; when a worker is killed is not repeated to the millisecond.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EffectsDocument } from '../../src/effects/declaration.js';
import type { EffectRecord } from '../../src/effects/ledger.js';
import { FAILPOINT_VARIABLE, type Failpoint } from '../../src/failpoints.js';
import type { Alert } from '../../src/rules/rule.js';
import type { Store } from '../../src/store/index.js';
import { EFFECT_WORKFLOW, effectWorkflowId } from '../../src/workflows/effect-messages.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { bundleJourneys, openStore } from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import { drawn, type FaultyReceiver, faultyHttp, faultyMail } from './support/faulty-receivers.js';
import { startUntilReady, type WorkerProcess } from './support/worker-process.js';

const SEED = Number(process.env.TEMPORAL_CEP_SEED ?? Date.now() % 1_000_000);
const ALERTS = 150;
/** Some of them have two alerts. */
const USERS = 100;
const BUDGET = 300;
const VALUE = 5;
const COUPONS_PER_USER = 1;
const TRY_MS = 1_500;
const TASK_QUEUE = 'faults';
const FAILPOINTS = ['effect-begun', 'effect-sent', 'effect-recorded'] as const;
const EFFECTS = ['told', 'coupon', 'mail', 'once'];

const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-effects-faults-'));
let dev: Dev;
let store: Store;
let database: string;
let sql: pg.Client;
let receivers: Record<'told' | 'coupon' | 'mail' | 'once', FaultyReceiver>;

beforeAll(async () => {
  const postgres = await startPostgres();
  database = postgres.url;
  store = await openStore(database, { migrate: true });
  sql = new pg.Client({ connectionString: database });
  await sql.connect();
  dev = await startDev();
  dev.onStop(() => postgres.stop());
  dev.onStop(() => sql.end());
  dev.onStop(() => store.close());
  const options = { seed: SEED, share: 0.35, lateMs: TRY_MS + 500 };
  const refuses = (of: string) => drawn(SEED, 'refused', of) < 0.05;
  receivers = {
    told: await faultyHttp({ ...options, knowsKeys: true }),
    coupon: await faultyHttp({ ...options, knowsKeys: true, refuses }),
    mail: await faultyMail({ ...options, refuses }),
    once: await faultyHttp({ ...options, knowsKeys: false }),
  };
  for (const { stop } of Object.values(receivers)) dev.onStop(stop);
  // Once for all workers, which are to be there soon.
  const bundle = await bundleJourneys(new URL('support/journeys.ts', import.meta.url));
  writeFileSync(join(folder, 'bundle.json'), JSON.stringify(bundle));
  writeFileSync(join(folder, 'effects.json'), JSON.stringify(declaration()));
});
afterAll(async () => {
  await dev?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function declaration(): EffectsDocument {
  const common = {
    timeout: `${TRY_MS}ms`,
    retry: { for: '10m', first: '100ms', longest: '1s' },
  };
  return {
    effects: {
      told: { ...common, send: { kind: 'webhook', url: receivers.told.address } },
      coupon: {
        ...common,
        send: {
          ...{ kind: 'coupon', url: receivers.coupon.address, code: 'C-{{ user.id }}' },
          ...{ value: `${VALUE}.00`, currency: 'EUR' },
        },
        budget: { campaign: 'spring', value: `${VALUE}.00`, limit: `${BUDGET}.00` },
        caps: [{ max: COUPONS_PER_USER, per: '1d', of: 'channel' }],
      },
      mail: {
        ...common,
        send: {
          ...{ kind: 'email', server: { env: 'CEP_TEST_SMTP' }, from: 'shop@example.com' },
          ...{ subject: 'For {{ user.id }}', text: '{{ alert.message }}' },
        },
      },
      once: {
        ...common,
        send: { kind: 'webhook', url: receivers.once.address, idempotent: false },
      },
    },
  };
}

function alerts(): Alert[] {
  return Array.from({ length: ALERTS }, (_, i) => {
    const user = `u${i % USERS}`;
    const at = Date.now();
    return {
      id: `alert-${i}`,
      ...{ journey: 'carts', rule: 'abandoned', ruleVersion: 1 },
      ...{ key: user, userId: user, userSession: null },
      ...{ type: 'CART_ABANDONMENT', message: `cart ${i}`, at },
      match: { cart: [{ userId: user, email: `alert-${i}@example.com`, eventTime: at }] },
    };
  });
}

const startWorker = (failpoint?: `${Failpoint}:${number}`): Promise<WorkerProcess> =>
  startUntilReady(
    [
      fileURLToPath(new URL('support/effect-worker.mjs', import.meta.url)),
      JSON.stringify({ address: dev.address, database, taskQueue: TASK_QUEUE, folder }),
    ],
    {
      CEP_TEST_SMTP: receivers.mail.address,
      ...(failpoint ? { [FAILPOINT_VARIABLE]: failpoint } : {}),
    },
  );

async function startAlerts(all: readonly Alert[]): Promise<void> {
  await store.ledger.record(all);
  for (const alert of all) {
    await dev.client.workflow.start(EFFECT_WORKFLOW, {
      workflowId: effectWorkflowId(alert.id),
      taskQueue: TASK_QUEUE,
      args: [{ alert, effects: EFFECTS }],
    });
    await sleep(20);
  }
  await store.ledger.published(all.map(({ id }) => id));
}

/** Ids of a receiver's log. */
const idsOf = ({ taken }: FaultyReceiver) => taken.map(({ id }) => id).sort();

test('each effect takes place once, or at most once, whatever fails', async () => {
  console.log(`TEMPORAL_CEP_SEED=${SEED}`);
  const began = performance.now();
  const since = () => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
  const all = alerts();
  const starting = startAlerts(all);

  const told = (what: string) => console.log(`${what} at ${since()}`);
  const killed = async (worker: WorkerProcess, name: string) => {
    await sleep(drawn(SEED, name) * 2_000);
    await worker.kill();
    told(`SIGKILL of the ${name}`);
  };
  await Promise.all([
    ...FAILPOINTS.map(async (failpoint) => {
      const nth = 5 + Math.floor(drawn(SEED, failpoint) * 15);
      const worker = await startWorker(`${failpoint}:${nth}`);
      told(`ready, with ${failpoint}:${nth}`);
      await worker.exited;
      told(`${failpoint}:${nth}`);
    }),
    startWorker().then((worker) => killed(worker, 'fourth')),
  ]);
  const [fifth, last] = await Promise.all([startWorker(), startWorker()]);
  told('two others ready');
  await killed(fifth, 'fifth');
  await starting;

  const progress = await Promise.all(
    all.map(({ id }) => dev.client.workflow.getHandle(effectWorkflowId(id)).result()),
  );
  told('all over');
  await last.kill();
  await until('the receivers are done', () =>
    Object.values(receivers).every(({ busy }) => busy() === 0),
  );

  const records = (await Promise.all(all.map(({ id }) => store.effects.ofAlert(id)))).flat();
  const of = (effect: string, ...states: EffectRecord['state'][]) =>
    records.filter((r) => r.effect === effect && (states.length === 0 || states.includes(r.state)));
  const ids = (some: readonly EffectRecord[]) => some.map(({ id }) => id).sort();
  for (const effect of EFFECTS) {
    const counts: Record<string, number> = {};
    for (const { state, reason } of of(effect)) {
      const name = reason === null ? state : `${state}/${reason}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    console.log(effect, JSON.stringify(counts));
    console.log(JSON.stringify(receivers[effect as keyof typeof receivers].played));
  }

  // Nothing is left over, and the workflows say so, too.
  expect(progress.flat()).toHaveLength(ALERTS * EFFECTS.length);
  expect(records).toHaveLength(ALERTS * EFFECTS.length);
  expect(records.filter(({ endedAt }) => endedAt === null)).toEqual([]);
  expect(records.filter(({ state }) => !['delivered', 'dead', 'capped'].includes(state))).toEqual(
    [],
  );

  // The receiver knows keys: exactly once.
  expect(idsOf(receivers.told)).toEqual(all.map(({ id }) => `${id}/told`).sort());
  expect(ids(of('told', 'delivered'))).toEqual(idsOf(receivers.told));
  expect(idsOf(receivers.coupon)).toEqual(ids(of('coupon', 'delivered')));
  const dead = of('coupon', 'dead');
  expect(dead.filter(({ reason }) => reason !== 'REFUSED')).toEqual([]);
  expect(ids(dead)).toEqual([...receivers.coupon.refused].sort());

  // It does not: at most once, and what nobody knows is not told as delivered.
  for (const effect of ['mail', 'once'] as const) {
    const log = idsOf(receivers[effect]);
    expect(new Set(log).size).toBe(log.length);
    const logged = new Set(log);
    expect(of(effect, 'delivered').filter(({ id }) => !logged.has(id))).toEqual([]);
    const others = of(effect).filter(({ id, state }) => state !== 'delivered' && logged.has(id));
    expect(new Set(others.map(({ state, reason }) => `${state}/${reason}`))).toEqual(
      new Set(['dead/RESULT_UNKNOWN']),
    );
    expect(of(effect, 'capped')).toEqual([]);
  }

  // Budget and caps, by what the receiver honoured.
  const honoured = receivers.coupon.taken.map(({ body }) => JSON.parse(body));
  expect(honoured.length * VALUE).toBeLessThanOrEqual(BUDGET);
  const byUser = new Map<string, number>();
  for (const { user } of honoured) byUser.set(user.id, (byUser.get(user.id) ?? 0) + 1);
  expect(Math.max(...byUser.values())).toBe(COUPONS_PER_USER);
  expect(new Set(of('coupon', 'capped').map(({ reason }) => reason))).toEqual(
    new Set(['CAP', 'BUDGET']),
  );
  const { rows } = await sql.query(
    `select (select spent from cep_budgets where campaign = 'spring' and user_id = '')::float as spent,
      (select sum(value::numeric) from cep_effects where counted and campaign = 'spring')::float as counted`,
  );
  expect(rows[0].spent).toBe(rows[0].counted);
  expect(rows[0].spent).toBeLessThanOrEqual(BUDGET);
  expect(rows[0].spent).toBeGreaterThanOrEqual(honoured.length * VALUE);
}, 180_000);
