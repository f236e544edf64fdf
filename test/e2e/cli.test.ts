// The command line with everything wrong that a user can get wrong: each time one line on standard error
// that says what to do, nothing on standard output, no stack, exit code 1. Then Ctrl-C, which leaves no
// process behind. Runs dist in processes of its own, where it needs one with a dev server of the test.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningServer, startDevServer } from '../../src/servers/dev-server.js';
import { LOOPBACK } from '../../src/servers/ports.js';
import type { SessionState } from '../../src/workflows/session.js';
import { answers, isAlive, temporaryFolder } from '../servers/helpers.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { descendantsOf, environment, ROOT, type Running, run, start } from './support/cli.js';

const JOURNEYS = join(ROOT, 'examples/literal-journeys.ts');
const NOWHERE = environment({
  TEMPORAL_ADDRESS: `${LOOPBACK}:1`,
  TEMPORAL_CEP_DATABASE: `postgres://${LOOPBACK}:1/none`,
});
const folder = temporaryFolder();

// As where the package is installed.
mkdirSync(join(folder, 'node_modules'));
symlinkSync(ROOT, join(folder, 'node_modules/temporal-cep'), 'junction');

/** Runs a command that must fail with one line. */
async function complaintOf(args: readonly string[], env = NOWHERE): Promise<string> {
  const { code, stdout, stderr } = await run(args, { env, cwd: folder });
  expect({ code, stdout }, `${args.join(' ')}\n${stderr}`).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^temporal-cep: .+\n$/);
  return stderr.slice('temporal-cep: '.length).trimEnd();
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

function journeysFile(name: string, pattern: string): string {
  return file(
    name,
    `import { begin, defineJourneys } from 'temporal-cep';
export default defineJourneys({
  journeys: [
    { id: 'shop', key: 'user', rules: [{ id: 'left-cart', pattern: ${pattern} }] },
  ],
});
`,
  );
}

describe('wrong arguments', () => {
  test.each([
    [['nothing'], "unknown command 'nothing'; see temporal-cep --help"],
    [['demos'], "unknown command 'demos' (Did you mean demo?); see temporal-cep --help"],
    [['--what'], "unknown option '--what'; see temporal-cep --help"],
    [
      ['worker'],
      "required option '--journeys <file>' not specified; see temporal-cep worker --help",
    ],
    [
      ['diagram'],
      "required option '--pattern <file>' not specified; see temporal-cep diagram --help",
    ],
    [
      ['worker', '--journeys', 'a.ts', '--quick'],
      "unknown option '--quick'; see temporal-cep worker --help",
    ],
    [
      ['ingest', 'files'],
      "unknown command 'files' (Did you mean file?); see temporal-cep ingest --help",
    ],
    [
      ['vectors', 'a.json', '--driver', 'fast'],
      "option '--driver <name>' argument 'fast' is invalid. Allowed choices are operator, json, roundtrip, session.; see temporal-cep vectors --help",
    ],
    [
      ['ingest', 'file', 'a', '--journeys', 'b.ts', '--out-of-orderness', '5y'],
      "option '--out-of-orderness <duration>' argument '5y' is invalid. \"5y\" is no duration: write a number and a unit, such as 500ms, 2s, 15m, 12h or 7d; see temporal-cep ingest file --help",
    ],
    [
      ['demo', '--events', '10'],
      "option '--events <n>' argument '10' is invalid. It must be at least 1000.; see temporal-cep demo --help",
    ],
    [
      ['demo', '--port', '70000'],
      "option '--port <n>' argument '70000' is invalid. A port lies from 1 to 65535.; see temporal-cep demo --help",
    ],
  ])('%j', async (args, line) => {
    expect(await complaintOf(args)).toBe(line);
  });

  test('without any, it says what there is', async () => {
    const { code, stdout, stderr } = await run([]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    for (const command of ['demo', 'setup', 'worker', 'ingest', 'status', 'diagram', 'vectors']) {
      expect(stderr).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
    }
  });

  test('each command has a help that says how it ends', async () => {
    for (const command of [
      ['demo'],
      ['worker'],
      ['ingest', 'file'],
      ['ingest', 'kafka'],
      ['status'],
      ['diagram'],
      ['vectors'],
    ]) {
      const { code, stdout, stderr } = await run([...command, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/\bexits\s+with\b/i);
    }
    expect((await run(['--help'])).stdout).toMatch(/Exit codes: 0 .*\b130\b/s);
  });
});

describe('journeys modules', () => {
  // The module is looked at before the server: nothing listens where these commands are told to go.
  const commands = (module: string) => [
    ['worker', '--journeys', module],
    ['ingest', 'file', join(ROOT, 'examples/data/orders.ndjson'), '--journeys', module],
  ];
  const complaint = async (module: string) => {
    const [worker, ingest] = await Promise.all(commands(module).map((args) => complaintOf(args)));
    expect(worker).toBe(ingest);
    return `${worker}`.replaceAll(join(folder, '/'), '');
  };

  test('a missing one', async () => {
    expect(await complaint('none.ts')).toBe(
      'no journeys module at none.ts: name the file whose default export is defineJourneys({ ... })',
    );
  });

  test('syntax errors', async () => {
    const text = 'const a = 1;\nexport default { a b };\n';
    expect(await complaint(file('syntax.ts', text))).toMatch(
      /^syntax\.ts:2 does not load: .*Unexpected token.*; correct the module, or install what it imports$/,
    );
    expect(await complaint(file('syntax.mjs', text))).toMatch(
      /^syntax\.mjs does not load: Unexpected identifier.*; correct the module, or install what it imports$/,
    );
  });

  test('an import that is not installed', async () => {
    const text = "import { x } from 'no-such-package';\nexport default x;\n";
    expect(await complaint(file('import.ts', text))).toBe(
      "import.ts:1 does not load: Cannot find module 'no-such-package'; correct the module, or install what it imports",
    );
    expect(await complaint(file('import.mjs', text))).toMatch(
      /^import\.mjs does not load: Cannot find package 'no-such-package'.*; correct the module, or install what it imports$/,
    );
  });

  test('an error that it throws, with its line', async () => {
    const text = 'const shop = undefined;\n\nexport default shop.journeys;\n';
    expect(await complaint(file('throws.ts', text))).toMatch(
      /^throws\.ts:3 does not load: Cannot read properties of undefined \(reading 'journeys'\)/,
    );
  });

  test('no default export, or another one', async () => {
    for (const module of [
      file('named.ts', 'export const journeys = [];\n'),
      file('named.mjs', 'export const journeys = [];\n'),
      file('number.mjs', 'export default 5;\n'),
    ]) {
      expect(await complaint(module)).toBe(
        `${module}: the journeys module has no default export made by defineJourneys(): write "export default defineJourneys({ journeys: [...] })"`,
      );
    }
  });

  test('a pattern that is refused as a whole: journey, rule and stage', async () => {
    const pattern = "begin('cart').where(() => true).notFollowedBy('buy').where(() => true)";
    expect(await complaint(journeysFile('endless.ts', pattern))).toBe(
      'endless.ts: journey "shop", rule "left-cart": stage "buy": a pattern that ends in notFollowedBy() waits for the end of its window: add within()',
    );
  });

  test('a pattern that is refused while it is written: stage and line', async () => {
    const pattern = "begin('cart').oneOrMore().times(2)";
    for (const name of ['twice.ts', 'twice.mjs']) {
      expect(await complaint(journeysFile(name, pattern))).toBe(
        `${name}:4: stage "cart": a stage takes one quantifier: drop the second`,
      );
    }
  });
});

describe('files', () => {
  const feed = (...args: string[]) => ['ingest', 'file', ...args, '--journeys', JOURNEYS];

  test('no input file, or a folder', async () => {
    expect(await complaintOf(feed('none.ndjson'))).toBe(
      "cannot read none.ndjson (ENOENT: no such file or directory, open 'none.ndjson'): name an NDJSON or CSV file, or - for standard input",
    );
    mkdirSync(join(folder, 'events'));
    expect(await complaintOf(feed('events'))).toBe(
      'cannot read events (it is a folder): name an NDJSON or CSV file, or - for standard input',
    );
  });

  test('outputs that cannot be written', async () => {
    const input = join(ROOT, 'examples/data/orders.ndjson');
    for (const option of ['--late', '--dead-letters']) {
      expect(await complaintOf(feed(input, option, 'nowhere/out.ndjson'))).toBe(
        "cannot write to nowhere/out.ndjson (ENOENT: no such file or directory, open 'nowhere/out.ndjson'): name a file in a folder that is there and may be written to",
      );
    }
    expect(
      await complaintOf(['worker', '--journeys', JOURNEYS, '--alerts', 'nowhere/out.ndjson']),
    ).toMatch(/^the alerts file nowhere\/out\.ndjson can't be used \(ENOENT.*\): name a file/);
  });

  test('no vector file', async () => {
    const remedy = 'name one in the form of test/vectors/FORMAT.md';
    expect(await complaintOf(['vectors', 'none.json'])).toBe(
      `none.json is no vector file (ENOENT: no such file or directory, open 'none.json'): ${remedy}`,
    );
    expect(await complaintOf(['vectors', join(ROOT, 'package.json')])).toBe(
      `${join(ROOT, 'package.json')} is no vector file (it has no "cases"): ${remedy}`,
    );
    expect(await complaintOf(['vectors', folder])).toMatch(/is no vector file \(EISDIR/);
    const [bad] = [file('bad.json', '{"cases": [}')];
    expect(await complaintOf(['vectors', bad])).toMatch(/^bad\.json is no vector file \(.*JSON/);
  });
});

describe('vectors', () => {
  const files = ['docs.json', 'clickstream.json'].map((name) => join(ROOT, 'test/vectors', name));

  test('all of them pass', async () => {
    const result = await run(['vectors', ...files]);
    expect(result).toEqual({ code: 0, stdout: '281 passed, 0 failed\n', stderr: '' });
  });

  test('one that was tampered with is named, and how it differs', async () => {
    const suite = JSON.parse(readFileSync(files[1] as string, 'utf8')) as {
      cases: { name: string; expected: { matches: unknown[] } }[];
    };
    const tampered = suite.cases.find(({ name }) => name === 'price-sensitivity-seed-rows');
    tampered?.expected.matches.pop();
    const copy = file('tampered.json', JSON.stringify(suite));
    const count = suite.cases.length;
    const options = { cwd: folder };
    const { code, stdout, stderr } = await run(['vectors', copy], options);
    expect({ code, stdout }).toEqual({ code: 1, stdout: `${count - 1} passed, 1 failed\n` });
    expect(stderr).toMatch(/^tampered\.json: price-sensitivity-seed-rows: .*match.*\n$/);
    const asJson = await run(['vectors', copy, '--json', '--driver', 'json'], options);
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.stdout)).toEqual({
      passed: count - 1,
      failed: 1,
      failures: [
        { file: copy, name: 'price-sensitivity-seed-rows', difference: expect.any(String) },
      ],
    });
  });
});

test('worker and ingest without a database that they share', async () => {
  const commands = [
    ['worker', '--journeys', JOURNEYS],
    ['ingest', 'file', join(ROOT, 'examples/data/orders.ndjson'), '--journeys', JOURNEYS],
    ['ingest', 'kafka', 'clicks', '--journeys', JOURNEYS],
  ];
  const env = environment({ TEMPORAL_ADDRESS: `${LOOPBACK}:1` });
  for (const line of await Promise.all(commands.map((args) => complaintOf(args, env)))) {
    expect(line).toBe(
      'worker and ingest are processes of their own and share what they know through a database: set TEMPORAL_CEP_DATABASE or --database to postgres://user:password@host/name, or run both in one process with temporal-cep ingest ... --with-worker',
    );
  }
});

test('no server where TEMPORAL_ADDRESS says', async () => {
  const commands = [
    ['worker', '--journeys', JOURNEYS],
    ['ingest', 'file', join(ROOT, 'examples/data/orders.ndjson'), '--journeys', JOURNEYS],
    ['status', 'ann'],
  ];
  for (const line of await Promise.all(commands.map((args) => complaintOf(args)))) {
    expect(line).toMatch(
      /^no Temporal server answered at 127\.0\.0\.1:1: the connection was refused\. Start a server there, .*TEMPORAL_ADDRESS/,
    );
  }
});

describe('ports of the demo', () => {
  let occupant: Server;
  let port = 0;

  beforeAll(async () => {
    occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen({ host: LOOPBACK, port: 0 }, resolve));
    port = (occupant.address() as { port: number }).port;
  });
  afterAll(() => new Promise<void>((resolve) => occupant.close(() => resolve())));

  test('one that is asked for and occupied is named', async () => {
    for (const option of ['--port', '--ui-port']) {
      const line = await complaintOf(['demo', option, `${port}`], environment());
      expect(line).toMatch(
        new RegExp(
          `^port ${port} \\(.*port\\) is already in use on this machine: stop the program`,
        ),
      );
    }
  });
});

describe('with a server', () => {
  let server: RunningServer;
  let postgres: TestPostgres;
  let env: Record<string, string>;

  beforeAll(async () => {
    postgres = await startPostgres();
    server = await startDevServer({ env: environment(), ui: false, report: () => {} });
    env = environment({ TEMPORAL_ADDRESS: server.address, TEMPORAL_CEP_DATABASE: postgres.url });
  });
  afterAll(async () => {
    await server?.stop();
    await postgres?.stop();
  });

  test('a database that is not set up, and setup, which may be run twice', async () => {
    const commands = [
      ['worker', '--journeys', JOURNEYS],
      ['ingest', 'file', join(ROOT, 'examples/data/orders.ndjson'), '--journeys', JOURNEYS],
    ];
    for (const line of await Promise.all(commands.map((args) => complaintOf(args, env)))) {
      expect(line).toMatch(/has not been set up.*temporal-cep setup/);
    }
    for (let times = 0; times < 2; times++) {
      expect(await run(['setup'], { env })).toEqual({
        code: 0,
        stdout: '',
        stderr: `Temporal at ${server.address}: namespace default has CepJourney, CepKey, CepRules, CepNextDeadline, CepStages, CepPaused\nDatabase: the tables are there\n`,
      });
    }
  });

  test('an effect that nobody registered', async () => {
    const module = journeysFile(
      'effect.ts',
      "begin('cart').where(() => true), onMatch: { alert: 'CART', effects: ['sendCoupon'] }",
    );
    expect(await complaintOf(['worker', '--journeys', module], env)).toBe(
      'rule "left-cart" of journey "shop" names the effect "sendCoupon", which is not registered: declare it under effects, or pass it to createWorker({ activities: { sendCoupon } })',
    );
  });

  test('status without a key: nothing yet', async () => {
    expect(await run(['status'], { env })).toEqual({
      code: 0,
      stdout: 'Nothing has been ingested\n',
      stderr: '',
    });
  });

  test('status of an unknown key', async () => {
    for (const key of ['ann', 'literal-session/ann', "o'hara\\", 'x'.repeat(400)]) {
      expect(await complaintOf(['status', key], env)).toBe(
        `no open session for "${key}": a session ends when nothing is open for its key. Name a key as the events have it, or <journey>/<key>`,
      );
    }
  });

  test('status without a worker, and with one; worker and --follow end with 0 by Ctrl-C', async () => {
    // A key that would end the query's string, were it not escaped.
    const key = "o'hara";
    const now = Date.now();
    const cart = { eventTime: now, eventType: 'cart', price: 300, userId: '1', userSession: key };
    const input = file('open.ndjson', `${JSON.stringify(cart)}\n`);
    const follow = start(
      ['ingest', 'file', input, '--journeys', JOURNEYS, '--follow', '--out-of-orderness', '0'],
      { env, cwd: folder },
    );
    await follow.says(/^Follows open\.ndjson; Ctrl-C ends it$/m);
    let line = '';
    await until(
      'a session',
      async () => {
        line = await complaintOf(['status', `literal-session/${key}`], env);
        return !line.startsWith('no open session');
      },
      60_000,
    );
    expect(line).toMatch(
      /^no worker says what session literal-session\/o'hara holds \(.*\): start one with temporal-cep worker/,
    );

    const worker = start(['worker', '--journeys', JOURNEYS], { env, cwd: folder });
    await worker.says(/^Worker is ready on task queue temporal-cep at .*; Ctrl-C stops it$/m);
    let status = await run(['status', key, '--json'], { env });
    await until('the session is listed', async () => {
      if (status.code !== 0) status = await run(['status', key, '--json'], { env });
      return status.code === 0;
    });
    const sessions = JSON.parse(status.stdout) as SessionState[];
    expect(sessions.map(({ journey, key: of }) => [journey, of])).toEqual([
      ['literal-session', key],
    ]);

    await interrupt(worker);
    expect(await worker.ended).toMatchObject({ code: 0, stdout: '' });
    await interrupt(follow);
    const { code, stdout } = await follow.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^file:open\.ndjson: 1 record, 1 event in time, 0 late, 0 dead letters$/m,
    );
  });

  test('a pipe that stays silent can be ended: 130, or 143 by SIGTERM', async () => {
    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const dead = file(`${signal}.ndjson`, '');
      const args = [
        'ingest',
        'file',
        '-',
        '--journeys',
        JOURNEYS,
        '--dead-letters',
        dead,
        '--json',
      ];
      const pipe = start(args, { env, cwd: folder, input: null });
      await pipe.says(/^Reads standard input; Ctrl-C ends it early$/m);
      pipe.child.stdin?.write('no JSON\n');
      await until('it reads', () => readFileSync(join(folder, dead), 'utf8') !== '');
      await interrupt(pipe, signal);
      const { code, stdout } = await pipe.ended;
      expect({ code, counts: JSON.parse(stdout) }).toMatchObject({
        code: expected,
        counts: { read: 1, events: 0, dead: { RECORD_NOT_JSON: 1 } },
      });
    }
  });
});

describe('Ctrl-C on the demo', () => {
  test.each([
    ['while it starts', /Temporal is ready at/],
    ['while it tells the past', /CROSS_UPSELL/],
  ])('%s: nothing is left behind, exit code 130', async (_, moment) => {
    const demo = start(['demo', '--events', '1000'], { env: environment() });
    await demo.says(moment);
    const [, address = ''] = /Temporal is ready at (\S+),/.exec(demo.stderr()) ?? [];
    const started = descendantsOf(demo.pid);
    expect(started.length).toBeGreaterThan(0);
    expect(await answers(address)).toBe(true);
    await interrupt(demo);
    expect(await demo.ended).toMatchObject({ code: 130, stdout: '' });
    await until('all it started has ended', () => !started.some(isAlive));
    expect(await answers(address)).toBe(false);
  });

  test('two demos at once do not get into each other’s way', async () => {
    const demos = [1, 2].map(() => start(['demo'], { env: environment() }));
    const addresses = await Promise.all(
      demos.map(async (demo) => {
        await demo.says(/Worker is ready/);
        return /Temporal is ready at (\S+), its UI at (\S+)/.exec(demo.stderr())?.slice(1) ?? [];
      }),
    );
    expect(new Set(addresses.flat()).size).toBe(4);
    await Promise.all(demos.map((demo) => interrupt(demo)));
    for (const demo of demos) expect((await demo.ended).code).toBe(130);
  });
});

/** Sends Ctrl-C and waits for the end, which should not take more than some seconds. */
async function interrupt(running: Running, signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
  running.child.kill(signal);
  await until(
    `the end of ${running.pid} after ${signal}`,
    () => running.child.exitCode !== null || running.child.signalCode !== null,
    15_000,
  );
}
