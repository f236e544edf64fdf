// What npm would publish, installed by npm into an empty folder: a user's journeys in TypeScript and in
// plain JavaScript, a worker of their own with an activity of their own, fed by `npx temporal-cep`. Runs
// against a dev server of the test; the types are checked by tsc as a user's would be.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { type RunningServer, startDevServer } from '../../src/servers/dev-server.js';
import { minutes } from '../../src/time.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { type Ended, environment, ROOT, startCommand } from './support/cli.js';

const JOURNEYS_TS = `import { defineJourneys, minutes, patterns } from 'temporal-cep';

type Click = { eventType: string; productId: string; price: number; userSession: string };
const { begin } = patterns<Click>();

export default defineJourneys<Click>({
  fields: { price: 'number' },
  journeys: [{
    id: 'shopping',
    key: 'userSession',
    rules: [{
      id: 'cart-abandonment',
      pattern: begin('cart')
        .where((e) => e.eventType === 'cart' && e.price > 200)
        .followedBy('purchase')
        .where((e, { cart }) => e.eventType === 'purchase' && e.productId === cart[0]?.productId)
        .within(minutes(10)),
      onTimeout: {
        alert: 'CART_ABANDONMENT',
        message: '{{cart.0.productId}} was left in the cart',
        effects: ['sendCoupon'],
      },
    }],
  }],
});
`;

// The same without types and without the effect, for the worker of the command line.
const JOURNEYS_JS = `import { defineJourneys, minutes, begin } from 'temporal-cep';

export default defineJourneys({
  journeys: [{
    id: 'plain',
    key: 'userSession',
    rules: [{
      id: 'cart-abandonment',
      pattern: begin('cart')
        .where((e) => e.eventType === 'cart' && e.price > 200)
        .followedBy('purchase')
        .where((e) => e.eventType === 'purchase')
        .within(minutes(10)),
      onTimeout: { alert: 'CART_ABANDONMENT' },
    }],
  }],
});
`;

const worker = (language: 'ts' | 'mjs') => `import { NativeConnection } from '@temporalio/worker';
import { openStore } from 'temporal-cep/store';
import { createWorker } from 'temporal-cep/worker';
${language === 'ts' ? "import type { Alert } from 'temporal-cep';\n" : ''}
const address = process.env.TEMPORAL_ADDRESS ?? 'localhost:7233';
const connection = await NativeConnection.connect({ address });
const store = await openStore(process.env.TEMPORAL_CEP_DATABASE ?? '');
const worker = await createWorker({
  journeys: './journeys.ts',
  store,
  activities: { sendCoupon },
  alerts: './alerts.ndjson',
  connection,
});
console.log('ready');
await worker.run();
await store.close();
await connection.close();

async function sendCoupon(alert${language === 'ts' ? ': Alert): Promise<void>' : ')'} {
  console.log(JSON.stringify({ couponFor: alert.id, key: alert.key, match: alert.match }));
}
`;

// What a type checker must find, if the types are there at all.
const WRONG_TS = `import { days, patterns, type Alert } from 'temporal-cep';
import { startJourneyTest } from 'temporal-cep/testing';
import type { PatternDocument } from 'temporal-cep/rules';
import { ingest } from 'temporal-cep/ingest';

const { begin } = patterns<{ price: number }>();
// @ts-expect-error: the field is called price
begin('cart').where((e) => e.cost > 1);
// @ts-expect-error: there is no such stage yet
begin('cart').where((e, { basket }) => basket.length > 0);
// @ts-expect-error: an alert's time is a number
export const wrong: Alert['at'] = 'noon';
// @ts-expect-error: which journeys?
export const harness = startJourneyTest({ journey: 'shopping' });
// @ts-expect-error: of what?
export const counts = ingest();
// @ts-expect-error: a document is an object
export const document: PatternDocument = 5;
export const week: number = days(7);
`;

const npm = promisify(execFile);
const folder = temporaryFolder();
const home = join(folder, 'shop');
let packed: { filename: string; files: { path: string }[] };
let server: RunningServer;
let postgres: TestPostgres;
let env: Record<string, string>;

beforeAll(async () => {
  // dist is built by the global set-up: no scripts.
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const pack = await npm('npm', ['pack', '--json', '--pack-destination', folder, ...quiet], {
    cwd: ROOT,
    env: environment(),
  });
  [packed] = JSON.parse(pack.stdout) as [typeof packed];
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{"private": true, "type": "module"}\n');
  const tarball = join(folder, packed.filename);
  await npm('npm', ['install', tarball, '--prefer-offline', ...quiet], {
    cwd: home,
    env: environment(),
  });

  server = await startDevServer({ env: environment(), ui: false, report: () => {} });
  postgres = await startPostgres();
  env = environment({ TEMPORAL_ADDRESS: server.address, TEMPORAL_CEP_DATABASE: postgres.url });
  const now = Date.now() - minutes(60);
  const click = (userSession: string, eventType: string, price: number, at: number) =>
    JSON.stringify({ eventTime: now + at, eventType, productId: 'lamp', price, userSession });
  const files = {
    'journeys.ts': JOURNEYS_TS,
    'plain.js': JOURNEYS_JS,
    'worker.mjs': worker('mjs'),
    'worker.ts': worker('ts'),
    'wrong.ts': WRONG_TS,
    'clicks.ndjson': [
      click('ann', 'cart', 250, 0),
      click('bob', 'cart', 250, 1_000),
      click('cem', 'cart', 150, 2_000),
      click('bob', 'purchase', 250, 3_000),
    ].join('\n'),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text);
});

afterAll(async () => {
  await server?.stop();
  await postgres?.stop();
});

/** `npx temporal-cep`, as a user types it. */
function npx(...args: string[]): Promise<Ended> {
  const quiet = ['--no-install', '--loglevel=error'];
  return startCommand('npx', [...quiet, 'temporal-cep', ...args], { env, cwd: home }).ended;
}

function alertsIn(name: string): Alert[] {
  const path = join(home, name);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Alert);
}

describe('the tarball', () => {
  test('holds what is run and read, and no tests, no sources of tests, no local files', () => {
    const paths = packed.files.map(({ path }) => path);
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
    };
    const entries = Object.values(exports).flatMap((entry) => Object.values(entry));
    const files = entries.filter((entry) => entry.startsWith('./')).map((entry) => entry.slice(2));
    expect(files.length).toBeGreaterThan(10);
    expect(paths).toEqual(expect.arrayContaining(files));
    expect(paths).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/cli/main.js']),
    );
    // The demo loads its journeys from there.
    expect(paths).toContain('examples/demo-journeys.ts');
    const allowed =
      /^(dist|examples|docs)\/|^(LICENSE|README\.md|ARCHITECTURE\.md|CHANGELOG\.md|package\.json)$/;
    expect(paths.filter((path) => !allowed.test(path))).toEqual([]);
    expect(paths.filter((path) => /\.(test|spec)\.|(^|\/)(test|tests|bench)\//.test(path))).toEqual(
      [],
    );
  });

  test('its command line runs', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(await npx('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test('its types resolve, in a strict project of modules', async () => {
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    const types = join(ROOT, 'node_modules/@types');
    const options = '--noEmit --strict --skipLibCheck --target ES2023 --module NodeNext';
    const args = [...options.split(' '), '--moduleResolution', 'NodeNext', '--typeRoots', types];
    const { code, stdout, stderr } = await startCommand(
      process.execPath,
      [tsc, ...args, '--types', 'node', 'journeys.ts', 'worker.ts', 'wrong.ts'],
      { env, cwd: home },
    ).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

describe('a worker of the user’s own', () => {
  test('an alert in the file once, and the own activity called once with it', async () => {
    expect((await npx('setup')).code).toBe(0);
    const own = startCommand(process.execPath, ['worker.mjs'], { env, cwd: home });
    await until('the worker is ready', () => own.stdout().includes('ready\n'), 60_000);
    const args = ['ingest', 'file', 'clicks.ndjson', '--journeys', './journeys.ts', '--json'];
    const fed = await npx(...args);
    expect({ code: fed.code, stderr: fed.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(fed.stdout)).toMatchObject({ read: 4, events: 4, late: 0, dead: {} });
    // Two activities that run beside each other: either may end first.
    const arrived = () =>
      own.stdout().includes('couponFor') && alertsIn('alerts.ndjson').length > 0;
    await until('the alert and the coupon', arrived, 60_000);

    const coupons = () =>
      own
        .stdout()
        .split('\n')
        .filter((line) => line.includes('couponFor'))
        .map((line) => JSON.parse(line) as { couponFor: string; key: string; match: object });
    const [alert, ...others] = alertsIn('alerts.ndjson');
    expect(others).toEqual([]);
    expect(alert).toMatchObject({
      journey: 'shopping',
      rule: 'cart-abandonment',
      type: 'CART_ABANDONMENT',
      key: 'ann',
      userSession: 'ann',
      message: 'lamp was left in the cart',
    });
    expect(coupons()).toEqual([{ couponFor: alert?.id, key: 'ann', match: alert?.match }]);

    own.child.kill('SIGTERM');
    const { code, stderr } = await own.ended;
    expect(code, stderr).toBe(0);
    expect(alertsIn('alerts.ndjson').length).toBe(1);
    expect(coupons().length).toBe(1);
  });

  test('a journeys module in plain JavaScript, everything in one process without a database', async () => {
    const { TEMPORAL_CEP_DATABASE: _, ...alone } = env;
    const args = ['--journeys', 'plain.js', '--task-queue', 'plain', '--with-worker'];
    const run = () =>
      startCommand(
        join(home, 'node_modules/.bin/temporal-cep'),
        ['ingest', 'file', 'clicks.ndjson', ...args, '--alerts', 'plain.ndjson', '--json'],
        { env: alone, cwd: home },
      ).ended;
    const first = await run();
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ read: 4, events: 4, late: 0, dead: {} });
    expect(alertsIn('plain.ndjson').map(({ key, type }) => [key, type])).toEqual([
      ['ann', 'CART_ABANDONMENT'],
    ]);
    // The same once more: what was published is known from the folder, whatever the file says.
    rmSync(join(home, 'plain.ndjson'));
    const second = await run();
    expect(second.code, second.stderr).toBe(0);
    expect(alertsIn('plain.ndjson')).toEqual([]);
  });

  test('the folder holds what the user put there, and what was asked for', () => {
    expect(
      readdirSync(home)
        .filter((name) => name !== 'node_modules')
        .sort(),
    ).toEqual(
      [
        '.temporal-cep',
        'alerts.ndjson',
        'clicks.ndjson',
        'journeys.ts',
        'package-lock.json',
        'package.json',
        'plain.js',
        'plain.ndjson',
        'worker.mjs',
        'worker.ts',
        'wrong.ts',
      ].sort(),
    );
  });
});
