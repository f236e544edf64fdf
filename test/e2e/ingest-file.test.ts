// `temporal-cep ingest file` from end to end: dist's command line feeds a dev server, a worker in this
// process runs the sessions and writes alerts to a file. The rows of the sample system must give what
// Flink made of them (test/vectors/clickstream.json), and id by id what the rules give offline.

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileAlerts } from '../../src/activities/index.js';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import { type FileFormat, readFileRecords } from '../../src/ingest/read-file.js';
import type { RawRecord } from '../../src/ingest/record.js';
import type { Reject } from '../../src/ingest/rejects.js';
import type { Alert } from '../../src/rules/rule.js';
import { type RunningServer, startDevServer } from '../../src/servers/dev-server.js';
import { runWorker } from '../../src/temporal-runtime.js';
import { formatTimestamp, minutes } from '../../src/time.js';
import type { SessionState } from '../../src/workflows/session.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import {
  createWorker,
  loadJourneys,
  openStore,
  quietTemporal,
  runOffline,
} from './support/built.js';
import { type Ended, environment, ROOT, run, start } from './support/cli.js';
import { ALERTS_BY_TYPE, byType, expectFlinksAlerts, withoutIds } from './support/flink-rows.js';
import {
  eventsOf,
  type HistoryEvent,
  localActivity,
  scheduledActivity,
} from './support/history.js';

const LITERAL = join(ROOT, 'examples/literal-journeys.ts');
const LIVE = join(ROOT, 'test/e2e/support/journeys.ts');
const LIVE_QUEUE = 'live';
const SAMPLE = join(ROOT, 'examples/data/sample-rows');
const ORDERS = join(ROOT, 'examples/data/orders.ndjson');

const folder = temporaryFolder();
const alertsFile = join(folder, 'alerts.ndjson');
const cleanUp: (() => Promise<unknown>)[] = [];
let server: RunningServer;
let client: Client;
let env: Record<string, string>;

beforeAll(async () => {
  quietTemporal();
  server = await startDevServer({ env: environment(), ui: false, report: () => {} });
  cleanUp.push(() => server.stop());
  const postgres = await startPostgres();
  cleanUp.push(() => postgres.stop());
  const store = await openStore(postgres.url, { migrate: true });
  cleanUp.push(() => store.close());
  env = environment({ TEMPORAL_ADDRESS: server.address, TEMPORAL_CEP_DATABASE: postgres.url });
  const connection = await NativeConnection.connect(server.connectionOptions);
  cleanUp.push(() => connection.close());
  client = new Client({ connection, namespace: server.namespace });
  const alerts = fileAlerts(alertsFile);
  const journeysOf = { [LITERAL]: 'temporal-cep', [LIVE]: LIVE_QUEUE };
  for (const [journeys, taskQueue] of Object.entries(journeysOf)) {
    const worker = await createWorker({ journeys, taskQueue, connection, store, alerts });
    cleanUp.push(runWorker(worker).stop);
  }
});

afterAll(async () => {
  for (const step of cleanUp.reverse()) await step();
});

/** All alerts that were written, in order. */
function written(): Alert[] {
  return linesOf<Alert>(alertsFile);
}

function linesOf<T>(path: string): T[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as T);
}

function inFolder(name: string, lines: readonly (object | string)[]): string {
  const path = join(folder, name);
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(path, text.map((line) => `${line}\n`).join(''));
  return path;
}

function feed(path: string, args: readonly string[] = [], input = ''): Promise<Ended> {
  const options = { env, cwd: folder, input };
  return run(['ingest', 'file', path, '--journeys', LITERAL, ...args], options);
}

/** Feeds a file and waits until no session is open; what was written meanwhile. */
async function alertsOf(feeding: Promise<Ended>): Promise<Alert[]> {
  const before = written().length;
  const { code, stderr } = await feeding;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  await noSessionIsOpen();
  return written().slice(before);
}

async function noSessionIsOpen(): Promise<void> {
  const open = () => client.workflow.count("ExecutionStatus = 'Running'");
  // The list lags behind: it has to say so twice.
  let times = 0;
  await until('all sessions end', async () => {
    times = (await open()).count === 0 ? times + 1 : 0;
    return times > 4;
  });
}

async function offline(path: string, source: string, format: FileFormat): Promise<Alert[]> {
  const records: RawRecord[] = [];
  for await (const read of readFileRecords({ path, source, format }))
    records.push(read as RawRecord);
  return [...runOffline({ journeys: (await loadJourneys(LITERAL)).journeys, records }).alerts];
}

const idsOf = (alerts: readonly Alert[]) => alerts.map(({ id }) => id).sort();

/** Type, key, time and events, in an order of their own: everything but what depends on the source. */
const contentOf = (alerts: readonly Alert[]) =>
  alerts
    .map(({ type, key, at, match }) => JSON.stringify({ type, key, at, match: withoutIds(match) }))
    .sort();

describe('the rows of the sample system, by the rules to the letter', () => {
  let fromJson: Alert[];

  test('NDJSON: as many as by hand, the same as offline', async () => {
    fromJson = await alertsOf(feed(`${SAMPLE}.ndjson`));
    expect(byType(fromJson)).toEqual(ALERTS_BY_TYPE);
    expect(fromJson.length).toBe(16);
    const expected = await offline(`${SAMPLE}.ndjson`, 'file:sample-rows.ndjson', 'ndjson');
    expect(idsOf(fromJson)).toEqual(idsOf(expected));
  });

  test('NDJSON: event by event what Flink made of the seed rows', () => {
    expectFlinksAlerts(fromJson);
  });

  test('CSV: the same types, keys, times and events', async () => {
    const fromCsv = await alertsOf(feed(`${SAMPLE}.csv`));
    expect(byType(fromCsv)).toEqual(ALERTS_BY_TYPE);
    const expected = await offline(`${SAMPLE}.csv`, 'file:sample-rows.csv', 'csv');
    expect(idsOf(fromCsv)).toEqual(idsOf(expected));
    expect(contentOf(fromCsv)).toEqual(contentOf(fromJson));
  });

  test('standard input, under another name of the source', async () => {
    const text = readFileSync(`${SAMPLE}.csv`, 'utf8');
    const args = ['--format', 'csv', '--source', 'topic'];
    const before = written().length;
    const { code, stdout, stderr } = await feed('-', [...args, '--json'], text);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Reads standard input; Ctrl-C ends it early\n',
    });
    expect(JSON.parse(stdout)).toMatchObject({ read: 25, events: 25, late: 0, dead: {} });
    await noSessionIsOpen();
    const piped = written().slice(before);
    expect(idsOf(piped)).toEqual(idsOf(await offline(`${SAMPLE}.csv`, 'topic', 'csv')));
    expect(contentOf(piped)).toEqual(contentOf(fromJson));
  });

  test('orders: paid by the very next event within a second, or not at all', async () => {
    // User 1 orders three times and never pays; user 2 pays exactly a second later, which is too late, and
    // then orders once more. The vectors: order-payment-user-1 and order-payment-user-2.
    const alerts = await alertsOf(feed(ORDERS));
    expect(alerts.map(({ type, key, at }) => [type, key, at]).sort()).toEqual(
      [
        ['PAYMENT_TIMEOUT', '1', 1577836801000],
        ['PAYMENT_TIMEOUT', '1', 1577836804000],
        ['PAYMENT_TIMEOUT', '1', 1577836807000],
        ['PAYMENT_TIMEOUT', '2', 1577836802000],
        ['PAYMENT_TIMEOUT', '2', 1577836805000],
      ].sort(),
    );
  });

  test('the same files once more: no alert is added', async () => {
    expect(await alertsOf(feed(`${SAMPLE}.ndjson`))).toEqual([]);
    expect(await alertsOf(feed(`${SAMPLE}.csv`))).toEqual([]);
    expect(await alertsOf(feed(ORDERS))).toEqual([]);
  });

  test('the summary for people', async () => {
    const { stdout } = await feed(ORDERS);
    expect(stdout).toMatch(
      /^file:orders\.ndjson: 7 records, 7 events in time, 0 late, 0 dead letters\n\d+ signals; .*\nEvent time reached the end of the stream\n$/,
    );
    await noSessionIsOpen();
  });
});

describe('records that cannot be used', () => {
  const cart = {
    eventTime: 1577836860000,
    eventType: 'cart',
    price: 250,
    userId: '7',
    userSession: 'bad-records',
  };

  test('dead letters, with source, partition, offset and reason', async () => {
    const { userSession: _, ...withoutKey } = cart;
    const { eventTime: __, ...withoutTime } = cart;
    const path = inFolder('bad.ndjson', [
      cart,
      '{"eventTime": 1577836860000,',
      '[1, 2]',
      '',
      withoutKey,
      withoutTime,
      { ...cart, eventTime: 'yesterday' },
      { ...cart, price: 'cheap' },
      { ...cart, eventTime: '2100-01-01T00:00:00Z' },
      { ...cart, eventTime: 1577836861000, eventType: 'purchase' },
    ]);
    const dead = join(folder, 'dead.ndjson');
    const args = ['--dead-letters', dead, '--json'];
    const before = written().length;
    const { code, stdout, stderr } = await feed(path, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      read: 9,
      // The one without a session has a user, and so it is an event for the journeys by user.
      events: 3,
      late: 0,
      dead: {
        RECORD_NOT_JSON: 2,
        RECORD_WITHOUT_KEY: 1,
        RECORD_WITHOUT_TIME: 2,
        RECORD_WRONG_TYPE: 1,
        RECORD_TIME_AHEAD: 1,
      },
    } satisfies Partial<IngestCounts>);
    const source = 'file:bad.ndjson';
    const letters = linesOf<Reject>(dead).sort((a, b) => a.offset - b.offset);
    expect(letters.map(({ message: _, record: __, ...rest }) => rest)).toEqual(
      (
        [
          [1, 'RECORD_NOT_JSON'],
          [2, 'RECORD_NOT_JSON'],
          [4, 'RECORD_WITHOUT_KEY'],
          [5, 'RECORD_WITHOUT_TIME'],
          [6, 'RECORD_WITHOUT_TIME'],
          [7, 'RECORD_WRONG_TYPE'],
          [8, 'RECORD_TIME_AHEAD'],
        ] as const
      ).map(([offset, reason]) => ({
        ...{ source, partition: 0, offset, reason },
        ...(offset === 4 ? { journey: 'literal-session' } : {}),
      })),
    );
    const said = Object.fromEntries(letters.map(({ offset, message }) => [offset, message]));
    expect(said[2]).toBe('expected a JSON object with fields, found an array');
    expect(said[4]).toMatch(/journey "literal-session" .* field "userSession" gives no key/);
    expect(said[7]).toBe('field "price" should be a number, found "cheap"');
    expect(letters[0]?.record).toBe('{"eventTime": 1577836860000,');

    // The stream went on behind them.
    await noSessionIsOpen();
    const alerts = written().slice(before);
    expect(alerts.map(({ type, key }) => [type, key])).toEqual([
      ['PURCHASE_COMPLETION', 'bad-records'],
    ]);
  });

  test('without --dead-letters they stand in the log', async () => {
    const { code, stdout, stderr } = await feed(inFolder('worse.ndjson', ['nonsense']));
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^file:worse\.ndjson: 1 record, 0 events in time, 0 late, 1 RECORD_NOT_JSON dead letters$/m,
    );
    expect(JSON.parse(stderr)).toMatchObject({
      msg: 'dead letter',
      source: 'file:worse.ndjson',
      offset: 0,
      reason: 'RECORD_NOT_JSON',
      record: 'nonsense',
    });
  });

  test('late events go to --late: behind the watermark, by more than the out-of-orderness', async () => {
    const at = (ms: number, productId: string) => ({
      ...cart,
      eventTime: cart.eventTime + ms,
      eventType: 'view',
      productId,
    });
    const path = inFolder('late.ndjson', [
      at(10_000, 'first'),
      at(8_000, 'two seconds out of order: in time'),
      at(7_999, 'a millisecond more: late'),
      at(0, 'very late'),
    ]);
    const late = join(folder, 'late-events.ndjson');
    const { code, stdout, stderr } = await feed(path, ['--late', late, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ read: 4, events: 2, late: 2, dead: {} });
    const source = 'file:late.ndjson';
    expect(linesOf<Reject>(late)).toMatchObject([
      {
        source,
        partition: 0,
        offset: 2,
        reason: 'LATE',
        record: at(7_999, 'a millisecond more: late'),
      },
      { source, partition: 0, offset: 3, reason: 'LATE', record: at(0, 'very late') },
    ]);

    const strict = join(folder, 'strict-events.ndjson');
    const again = ['--late', strict, '--out-of-orderness', '1s', '--source', 'strict', '--json'];
    expect(JSON.parse((await feed(path, again)).stdout)).toMatchObject({ events: 1, late: 3 });
    await noSessionIsOpen();
  });
});

describe('a file that grows', () => {
  test('--follow: a window ends by its durable timer while the stream goes on; Ctrl-C ends it', async () => {
    const click = (userSession: string, eventType: string, eventTime = Date.now()) => ({
      eventTime,
      eventType,
      productId: 'lamp',
      userSession,
      shop: 'short',
    });
    const path = inFolder('live.ndjson', []);
    const append = (...events: object[]) =>
      appendFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    const args = ['ingest', 'file', path, '--journeys', LIVE, '--task-queue', LIVE_QUEUE];
    const follow = start([...args, '--follow', '--out-of-orderness', '500ms', '--json'], { env });
    await follow.says(/Follows .*live\.ndjson; Ctrl-C ends it/);
    const before = written().length;
    const live = () =>
      written()
        .slice(before)
        .map(({ type, key }) => `${type} ${key}`);

    // Bob buys in time. Then others keep the stream going until Ann's four seconds are over.
    const begunAt = Date.now();
    append(click('bob', 'cart'), click('ann', 'cart'));
    append(click('bob', 'purchase', begunAt + 100));
    await until(
      'both alerts',
      () => {
        append(click('others', 'view'));
        return live().length === 2;
      },
      30_000,
    );
    expect(live().sort()).toEqual(['CART_ABANDONMENT ann', 'PURCHASE_COMPLETION bob']);

    // The alert is out before the task that published it is done.
    let history: HistoryEvent[] = [];
    await until('the task is done', async () => {
      history = await eventsOf(client, 'short/ann');
      return history.some((event) => localActivity(event) === 'publishAlerts');
    });
    const fired = history.findIndex((event) => event.timerFiredEventAttributes);
    const asked = history.findIndex((event) => scheduledActivity(event) === 'readProgress');
    const alerted = history.findIndex((event) => localActivity(event) === 'publishAlerts');
    expect(fired).toBeGreaterThan(0);
    expect(asked).toBeGreaterThan(fired);
    expect(alerted).toBeGreaterThan(asked);

    follow.child.kill('SIGINT');
    const { code, stdout } = await follow.ended;
    expect(code).toBe(0);
    const counts = JSON.parse(stdout) as IngestCounts;
    expect(counts).toMatchObject({ late: 0, dead: {} });
    // All that was read was delivered; the last lines may have come after the last look.
    expect(counts.events).toBe(counts.read);
    expect(counts.read).toBeGreaterThan(3);
    expect(counts.read).toBeLessThan(readFileSync(path, 'utf8').split('\n').length);
  });

  test('--leave-open: the session stays, status shows it, and the source may end later', async () => {
    const eventTime = 1577836860000;
    const cart = { eventTime, eventType: 'cart', price: 250, userId: '8', userSession: 'open-1' };
    const path = inFolder('open.ndjson', [cart]);
    const before = written().length;
    const { code, stdout } = await feed(path, ['--leave-open', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ read: 1, events: 1, batches: 1 });

    const deadline = eventTime + minutes(10);
    const text = await run(['status', 'literal-session/open-1'], { env });
    expect({ code: text.code, stderr: text.stderr }).toEqual({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/^literal-session\/open-1: 1 event, 0 alerts; event time /);
    expect(text.stdout).toContain('cart-abandonment');
    expect(text.stdout).toContain(formatTimestamp(deadline).slice(11, 19));

    const asJson = await run(['status', 'literal-session/open-1', '--json'], { env });
    const [session, ...others] = JSON.parse(asJson.stdout) as SessionState[];
    expect(others).toEqual([]);
    expect(session).toMatchObject({
      journey: 'literal-session',
      key: 'open-1',
      nextDeadline: deadline,
      counts: { events: 1, alerts: 0 },
    });
    const open = session?.rules.filter((rule) => rule.open.length > 0);
    expect(open?.map((rule) => [rule.rule, rule.open.map(({ stage }) => stage)])).toEqual([
      ['cart-abandonment', ['purchase']],
    ]);
    expect(written().slice(before)).toEqual([]);

    // The same source again, with its end: the event is known, the window ends.
    const alerts = await alertsOf(feed(path));
    expect(alerts.map(({ type, key, at }) => [type, key, at])).toEqual([
      ['CART_ABANDONMENT', 'open-1', deadline],
    ]);
    const gone = await run(['status', 'literal-session/open-1'], { env });
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toMatch(/^temporal-cep: no open session for "literal-session\/open-1"/);
  });

  test('a file cut short while it is followed ends it in one line', async () => {
    const path = inFolder('cut.ndjson', ['{}', '{}', '{}']);
    const args = [
      'ingest',
      'file',
      path,
      '--journeys',
      LIVE,
      '--task-queue',
      LIVE_QUEUE,
      '--follow',
    ];
    const follow = start([...args, '--dead-letters', join(folder, 'cut-dead.ndjson')], { env });
    await follow.says(/Follows/);
    await until('it has read them', () => {
      try {
        return linesOf(join(folder, 'cut-dead.ndjson')).length === 3;
      } catch {
        return false;
      }
    });
    writeFileSync(path, '{}\n');
    const { code, stdout, stderr } = await follow.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      new RegExp(`^temporal-cep: .*${basename(path)} was truncated\\b.* while it was followed`),
    );
  });
});
