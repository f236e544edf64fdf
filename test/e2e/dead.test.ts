// What people do about what was given up, through the command line against a server and a database: list, show, try again,
// discard; effects first, then the suppression list, and what the report makes of it all; then parked sessions and dead letters.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isInControlGroup, saltOf } from '../../src/effects/control-group.js';
import type { EffectRecord } from '../../src/effects/ledger.js';
import type { Reject } from '../../src/ingest/rejects.js';
import type { Alert } from '../../src/rules/rule.js';
import type { Store } from '../../src/store/store.js';
import { days, hours } from '../../src/time.js';
import { EFFECT_WORKFLOW, effectWorkflowId } from '../../src/workflows/effect-messages.js';
import { TASK_QUEUE } from '../../src/workflows/messages.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { createWorker, openStore } from './support/built.js';
import { environment, run } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';

const JOURNEYS = fileURLToPath(new URL('support/effect-journeys.ts', import.meta.url));
const EFFECT = 'sendCoupon';
const RULE = { journey: 'cart', rule: 'left-cart' };
const CONTROL = 30;
const MATCHED_AT = Date.now() - days(1);
const DAY = new Date(MATCHED_AT).toISOString().slice(0, 10);

const users = Array.from({ length: 100 }, (_, i) => `user-${i}`);
const inControl = (user: string) =>
  isInControlGroup(user, saltOf({ ...RULE, effect: EFFECT }), CONTROL);
const [ann, bob, cid] = users.filter((user) => !inControl(user)) as [string, string, string];
const [dot, eve] = users.filter(inControl) as [string, string];

const folder = temporaryFolder();
const broken = new Set([ann, bob]);
const sent: string[] = [];
let dev: Dev;
let store: Store;
let env: Record<string, string>;

const cep = (...args: string[]) => run(args, { env });
const idOf = (user: string) => `alert-${user}/${EFFECT}`;
const json = async <T>(...args: string[]): Promise<T> => {
  const { code, stdout, stderr } = await cep(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
};
const alertFor = (user: string): Alert => ({
  ...{ id: `alert-${user}`, ...RULE, ruleVersion: 2, key: user, userId: user, userSession: null },
  ...{ type: 'LEFT_CART', message: `${user} has left`, at: MATCHED_AT },
  match: { cart: [{ eventType: 'cart', userId: user }] },
});

beforeAll(async () => {
  const [server, postgres] = await Promise.all([startDev(), startPostgres()]);
  dev = server;
  dev.onStop(() => postgres.stop());
  store = await openStore(postgres.url, { migrate: true });
  dev.onStop(() => store.close());
  env = environment({ TEMPORAL_ADDRESS: dev.address, TEMPORAL_CEP_DATABASE: postgres.url });
  const worker = await createWorker({
    journeys: JOURNEYS,
    connection: dev.connection,
    store,
    alerts: { publish: async () => {} },
    effects: {
      goals: { bought: { when: "event.eventType == 'purchase'" } },
      effects: {
        [EFFECT]: { send: { kind: 'function', name: EFFECT }, goal: 'bought', control: CONTROL },
      },
    },
    activities: {
      [EFFECT]: async ({ key }) => {
        if (broken.has(key)) throw ApplicationFailure.nonRetryable('the coupons are sold out');
        sent.push(key);
      },
    },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });

  const alerts = [ann, bob, cid, dot, eve].map(alertFor);
  await store.ledger.record(alerts);
  await Promise.all(
    alerts.map((alert) =>
      dev.client.workflow.execute(EFFECT_WORKFLOW, {
        workflowId: effectWorkflowId(alert.id),
        taskQueue: TASK_QUEUE,
        args: [{ alert, effects: [EFFECT] }],
      }),
    ),
  );
});
afterAll(() => dev?.stop());

test('what is dead is listed and shown, with what was parked and never taken', async () => {
  const file = join(folder, 'dead.ndjson');
  const letter = {
    ...{ source: 'clicks', partition: 0, offset: 7, reason: 'RECORD_NOT_JSON' },
    ...{ message: 'no JSON', record: '{' },
  };
  writeFileSync(file, `${JSON.stringify(letter)}\n{"source":`);
  await store.parked.park({ journey: 'cart', key: 'zoe' }, 'too many signals');
  const [listed, text, others, shown, unknown] = await Promise.all([
    json<{ effects: EffectRecord[]; parked: object[]; deadLetters: object[] }>(
      ...['dead', 'list', '--rule', RULE.rule, '--reason', 'REFUSED', '--dead-letters', file],
    ),
    cep('dead', 'list', '--dead-letters', file),
    json<{ effects: object[] }>('dead', 'list', '--since', String(Date.now() + days(1))),
    cep('dead', 'show', idOf(ann)),
    cep('dead', 'show', 'none/mail'),
  ]);
  expect(listed.effects.map(({ id }) => id).sort()).toEqual([idOf(ann), idOf(bob)].sort());
  expect(listed.effects[0]).toMatchObject({
    ...{ state: 'dead', reason: 'REFUSED', attempts: 1, mayHaveArrived: false },
    detail: expect.stringContaining('the coupons are sold out'),
  });
  expect(listed).toMatchObject({
    parked: [{ key: 'zoe', reason: 'too many signals' }],
    deadLetters: [letter],
  });
  for (const what of [idOf(bob), 'too many signals', 'RECORD_NOT_JSON']) {
    expect(text.stdout).toContain(what);
  }
  expect(others.effects).toEqual([]);
  expect(shown.stdout).toContain('the coupons are sold out');
  expect(shown.stdout).toContain(`${ann} has left`);
  expect(unknown).toMatchObject({
    code: 1,
    stderr:
      'temporal-cep: neither an effect nor a parked session has the id "none/mail": temporal-cep dead list names those there are\n',
  });
});

test('what is tried again is delivered, what is discarded is listed no more', async () => {
  const [vague, alive, unexplained] = await Promise.all([
    cep('dead', 'retry'),
    cep('dead', 'retry', idOf(cid)),
    cep('dead', 'discard', idOf(bob)),
  ]);
  expect(vague.stderr).toContain('say which effects');
  expect(alive).toMatchObject({
    code: 1,
    stdout: `${idOf(cid)}: it is delivered, not dead: nothing was done\n`,
  });
  expect(unexplained.stderr).toContain("required option '--reason <text>' not specified");

  broken.clear();
  const why = ['--author', 'ann', '--reason', 'there are coupons again'];
  const [retried, discarded] = await Promise.all([
    cep('dead', 'retry', idOf(ann), ...why),
    cep('dead', 'discard', idOf(bob), '--author', 'ann', '--reason', 'too late'),
  ]);
  expect(retried).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: `${idOf(ann)}: planned again, by workflow effect/alert-${ann}\n`,
  });
  expect(discarded).toMatchObject({ code: 0, stdout: `${idOf(bob)}: discarded\n`, stderr: '' });
  const record = await until('delivered', async () => {
    const found = await store.effects.read(idOf(ann));
    return found?.state === 'delivered' ? found : null;
  });
  expect(record).toMatchObject({
    attempts: 2,
    handled: { author: 'ann', reason: 'there are coupons again' },
  });
  expect(sent.sort()).toEqual([ann, cid].sort());

  const [none, shown] = await Promise.all([
    json<{ effects: object[] }>('dead', 'list'),
    json<{ effect: EffectRecord }>('dead', 'show', idOf(bob)),
  ]);
  expect(none.effects).toEqual([]);
  expect(shown.effect).toMatchObject({
    ...{ state: 'dead', isDiscarded: true, handled: { author: 'ann', reason: 'too late' } },
  });
});

test('the report tells what became of the matches', async () => {
  await store.effects.goalReached(ann, 'bought', MATCHED_AT + hours(1));
  // The window counts from the match, and the first goal behind it is not hidden by a later one.
  await store.effects.goalReached(ann, 'bought', MATCHED_AT + days(8));
  await store.effects.goalReached(cid, 'bought', MATCHED_AT - 1);
  await store.effects.goalReached(dot, 'bought', MATCHED_AT + days(8));
  const [report, text, wider, none] = await Promise.all([
    json<{ rows: object[] }>('report'),
    cep('report', '--zone', 'Pacific/Kiritimati'),
    json<{ rows: object[] }>('report', '--rule', RULE.rule, '--convert-within', '9d'),
    cep('report', '--rule', 'other'),
  ]);
  const row = {
    ...{ ...RULE, ruleVersion: 2, day: DAY, matched: 5 },
    states: {
      ...{ planned: 0, held: 0, sent: 0, delivered: 2 },
      ...{ capped: 0, suppressed: 2, failed: 0, dead: 1 },
    },
    suppressedBy: { CONTROL_GROUP: 2 },
    delivered: { users: 2, reached: 1 },
    control: { users: 2, reached: 0 },
  };
  expect(report.rows).toEqual([row]);
  expect(wider.rows).toEqual([{ ...row, control: { users: 2, reached: 1 } }]);
  expect(text.stdout).toMatch(/1 of 2 \(50\.0 %\).*0 of 2 \(0\.0 %\)/);
  const there = new Date(MATCHED_AT + hours(14)).toISOString().slice(0, 10);
  expect(text.stdout).toContain(there);
  expect(text.stderr).toContain('may yet convert');
  expect(none.stdout).toBe('No match, and no effect\n');
});

test('who is put on the suppression list is sent nothing', async () => {
  const why = ['--author', 'ann', '--reason', 'asked for it'];
  const added = await cep('suppress', 'add', bob, ...why);
  expect(added).toMatchObject({ code: 0, stdout: `${bob} is sent nothing any more\n` });
  const [listed, retried] = await Promise.all([
    json<object[]>('suppress', 'list', bob),
    cep('dead', 'retry', idOf(bob)),
  ]);
  expect(listed).toMatchObject([{ user: bob, channel: null, author: 'ann' }]);
  // The discarded one, too, if it is asked for by its id.
  expect(retried).toMatchObject({ code: 0 });
  await until('suppressed', async () => {
    const found = await store.effects.read(idOf(bob));
    return found?.reason === 'SUPPRESSION_LIST';
  });
  const removed = await cep('suppress', 'remove', bob, '--reason', 'asked back');
  expect(removed).toMatchObject({ code: 0, stdout: `${bob} is off the list\n` });
});

const click = (userId: string, eventType: string, after = 0) => ({
  ...{ eventTime: MATCHED_AT + after, eventType, userId },
});
const lettersIn = (file: string): Reject[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Reject);

test('a parked session is shown, sent what was kept, or gives it up to a file', async () => {
  const keep = (key: string, offset: number) =>
    store.parked.keep(
      { journey: 'cart', key },
      {
        batches: [
          {
            ...{ source: 'clicks', partition: 0, watermark: MATCHED_AT, lowWater: 0 },
            events: [{ offset, timestamp: MATCHED_AT, data: click(key, 'cart') }],
          },
        ],
        begins: true,
      },
    );
  await store.parked.park({ journey: 'cart', key: 'yan' }, 'too large');
  await keep('yan', 1);
  for (const offset of [2, 3]) expect(await keep('zoe', offset)).toBe(true);
  const to = join(folder, 'given-up.ndjson');
  const why = ['--author', 'ann', '--reason', 'a robot'];
  const [shown, nowhere, retried] = await Promise.all([
    cep('dead', 'show', 'cart/zoe'),
    cep('dead', 'discard', 'cart/zoe', ...why),
    cep('dead', 'retry', 'cart/yan'),
  ]);
  expect(shown.stdout).toMatch(/state {3}parked\n[\s\S]*too many signals[\s\S]*"userId":"zoe"/);
  expect(nowhere).toMatchObject({
    code: 1,
    stderr:
      'temporal-cep: cart/zoe: say with --to <file> where the events go that are kept, as dead letters\n',
  });
  expect(retried).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: 'cart/yan: 1 signal sent, events flow again\n',
  });
  await dev.client.workflow.getHandle('cart/yan').describe();

  const discarded = await cep('dead', 'discard', 'cart/zoe', '--to', to, ...why);
  expect(discarded).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: `cart/zoe: parked no longer; in ${to}: 2 events\n`,
  });
  expect(lettersIn(to)).toEqual(
    [2, 3].map((offset) => ({
      ...{ source: 'clicks', partition: 0, offset, reason: 'SESSION_DISCARDED', journey: 'cart' },
      ...{ message: 'session cart/zoe: too many signals', record: click('zoe', 'cart') },
      discarded: { author: 'ann', reason: 'a robot', at: expect.any(Number) },
    })),
  );
  expect([await store.parked.list(), await store.parked.counts()]).toEqual([[], []]);
});

test('dead letters are shown, discarded and tried again, once each whoever is killed', async () => {
  const file = join(folder, 'letters.ndjson');
  const letter = (offset: number, record: unknown, more: Partial<Reject> = {}): Reject => ({
    ...{
      source: 'clicks',
      partition: 0,
      offset,
      reason: 'RECORD_WRONG_TYPE',
      message: 'no number',
    },
    record,
    ...more,
  });
  // Who has bought is no cart that was left, though the purchase stands first.
  const bought = letter(1, JSON.stringify(click('max', 'purchase', 60_000)));
  const cart = letter(2, click('max', 'cart'), { journey: 'cart' });
  const left = letter(3, JSON.stringify(click('lea', 'cart', 1_000)));
  const broken = letter(4, '{"eventTime":', { reason: 'RECORD_NOT_JSON' });
  const refused = letter(5, click('pam', 'cart'), { reason: 'SESSION_REFUSED', journey: 'cart' });
  const junk = letter(6, 'junk');
  const all = [bought, cart, left, broken, refused, junk];
  const write = (letters: readonly Reject[]) =>
    writeFileSync(file, letters.map((each) => `${JSON.stringify(each)}\n`).join(''));
  write(all);
  const from = ['--dead-letters', file];
  const why = ['--author', 'ann', '--reason', 'a test'];
  const [shown, unknown, aimless, discarded] = await Promise.all([
    cep('dead', 'show', ...from, 'clicks/0/4'),
    cep('dead', 'show', ...from, 'clicks/0/9'),
    cep('dead', 'retry', ...from, '--all'),
    cep('dead', 'discard', ...from, 'clicks/0/6', ...why),
  ]);
  expect(shown.stdout).toMatch(/^clicks\/0\/4\n[\s\S]*RECORD_NOT_JSON[\s\S]*\{"eventTime":\n$/);
  expect(unknown.stderr).toContain(`no record in ${file} has the id "clicks/0/9"`);
  expect(aimless.stderr).toContain('name the module that the workers run with --journeys <file>');
  expect(discarded).toMatchObject({ code: 0, stdout: 'clicks/0/6: discarded\n', stderr: '' });
  expect(lettersIn(`${file}.discarded`)).toMatchObject([
    { ...junk, discarded: { author: 'ann', reason: 'a test' } },
  ]);

  const retry = ['dead', 'retry', ...from, '--journeys', JOURNEYS];
  const killed = await run([...retry, '--all'], {
    env: { ...env, TEMPORAL_CEP_FAILPOINT: 'acknowledged' },
  });
  expect(killed.code).not.toBe(0);
  expect(existsSync(`${file}.retrying`)).toBe(true);
  const [known] = lettersIn(file);
  expect(known).toEqual(bought);

  // The same command goes on with what was begun.
  const again = await cep(...retry, '--all', '--json');
  expect(again.code).toBe(0);
  expect(again.stderr).toContain('Goes on with 4 records of an earlier retry');
  const result = JSON.parse(again.stdout);
  expect(result).toMatchObject({ tried: 4, late: 0, unrouted: 0, isDone: true });
  const brokenAgain = { ...broken, message: expect.stringContaining('not JSON'), retried: 1 };
  expect(new Set(lettersIn(file).map((each) => JSON.stringify(each))).size).toBe(2);
  expect(lettersIn(file)).toEqual(expect.arrayContaining([refused, brokenAgain]));

  const alerts = () =>
    store.database.db
      .selectFrom('cep_alerts')
      .select(['key', 'id'])
      .where('key', 'in', ['lea', 'max'])
      .execute();
  const [alert] = await until('an alert', async () => {
    const found = await alerts();
    return found.length > 0 ? found : null;
  });
  expect(alert?.key).toBe('lea');
  await dev.client.workflow.getHandle('cart/max').result();

  // The same records once more are the same source: no alert is added. Their own partition is further by now, and its
  // watermark is the end: as far as that the windows end.
  const watermark = MATCHED_AT + hours(1);
  const [claim] = await store.progress.claim('clicks', [0], 'a test');
  const progress = {
    ...{ watermark, lowWater: 9, finished: false, nextOffset: 9, readTo: 9 },
    ...{ orderingWatermark: watermark, quietSince: null },
  };
  const of = { source: 'clicks', partition: 0, generation: claim?.generation ?? -1, progress };
  expect(await store.progress.publish([of])).toEqual([]);
  write([bought, cart, left, broken]);
  const { stdout, stderr, code } = await cep(...retry, '--all');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.split('\n')).toEqual([
    `${result.source}: 4 tried, 3 taken, 0 late, 1 RECORD_NOT_JSON dead again`,
    expect.stringMatching(/^3 are behind what their partition has promised: .*LATE_FOR_SESSION/),
    '',
  ]);
  await Promise.all(
    ['lea', 'max'].map((key) => dev.client.workflow.getHandle(`cart/${key}`).result()),
  );
  expect(await alerts()).toEqual([alert]);
});
