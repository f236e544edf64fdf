// Whatever becomes of the tables of rules, the stream goes on under the last good ones, and `rules list`, metrics and log tell: a bad row,
// an empty table, a database that goes away, a locked table, one after the other under one stream. Everything by the command line, with
// the table in MariaDB.

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import type { Alert } from '../../src/rules/rule.js';
import { minutes } from '../../src/time.js';
import { flinkRow, flinkTable } from '../rule-store/support/rules.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startMariadb, type TestMariadb } from '../support/mariadb.js';
import { until } from '../support/until.js';
import { openRuleStore } from './support/built.js';
import { environment, type Running, run, start } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';

const MODULE = fileURLToPath(new URL('support/table-journeys.ts', import.meta.url));
const TABLE = 'rds_demo2';
const KEYS = ['ann', 'bob', 'cid'];
const PRICES = [1, 2, 3, 4, 5];
const UNREAD = 'A rule table cannot be read: its rules stay as they are';

const folder = temporaryFolder();
const alertsFile = join(folder, 'alerts.ndjson');
const clicksFile = join(folder, 'clicks.ndjson');
let dev: Dev;
let mariadb: TestMariadb;
let env: Record<string, string>;

beforeAll(async () => {
  [dev, mariadb] = await Promise.all([startDev(), startMariadb()]);
  env = environment({ TEMPORAL_ADDRESS: dev.address });
  await (await openRuleStore(mariadb.url, { migrate: true })).close();
  await execute(flinkTable(TABLE));
});
afterAll(async () => {
  await dev?.stop();
  await mariadb?.stop();
});

/** Stages one after the other, with whatever in between. */
function patternOf(stages: Readonly<Record<string, string>>): string {
  const names = Object.keys(stages);
  return JSON.stringify({
    type: 'COMPOSITE',
    version: 1,
    nodes: names.map((name) => ({
      name,
      type: 'ATOMIC',
      quantifier: { consumingStrategy: 'SKIP_TILL_NEXT', properties: ['SINGLE'] },
      condition: { type: 'AVIATOR', expression: stages[name] },
    })),
    edges: names
      .slice(1)
      .map((target, i) => ({ source: names[i], target, type: 'SKIP_TILL_NEXT' })),
    window: { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 10 } },
    afterMatchStrategy: { type: 'NO_SKIP', patternName: null },
  });
}
const seen = (price: number) => patternOf({ view: `eventType == 'view' && price == ${price}` });
const BOUGHT = patternOf({ cart: "eventType == 'cart'", purchase: "eventType == 'purchase'" });

/** Each time over a connection of its own: the server comes and goes. */
async function execute(...statements: string[]): Promise<void> {
  const connection = await mysql.createConnection(mariadb.url);
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    await connection.end();
  }
}
/** Both at once: an ingestor could look in between. */
const insertRules = (price: number) =>
  execute(
    'start transaction',
    flinkRow(TABLE, 'seen', 1, seen(price), 'shop.rules.Tell'),
    flinkRow(TABLE, 'bought', 1, BOUGHT, 'shop.rules.Tell'),
    'commit',
  );
const changeSeen = (pattern: string) =>
  `update ${TABLE} set version = version + 1, pattern = ${mysql.escape(pattern)} where id = 'seen'`;

/** The stream, what became of it, and what should have. */
class Stream {
  readonly #expected: string[] = [];
  readonly #carts = new Map<string, string>();
  sent = 0;

  #send(userSession: string, eventType: string, price = 0): string {
    const productId = `${this.sent++}`;
    const click = { eventTime: Date.now(), eventType, productId, price, userId: 'u', userSession };
    appendFileSync(clicksFile, `${JSON.stringify(click)}\n`);
    return productId;
  }

  /** Of no rule's interest. */
  tick(): void {
    this.#send('clock', 'tick');
  }

  /** Everybody looks at something of each price: one of them is what `seen` asks for, or none. */
  look(price: number | null): void {
    for (const key of KEYS) {
      for (const each of PRICES) {
        const product = this.#send(key, 'view', each);
        if (each === price) this.#expected.push(`seen ${key} ${product}`);
      }
    }
  }

  /** Everybody has a match open from now on. */
  fill(): void {
    for (const key of KEYS) this.#carts.set(key, this.#send(key, 'cart'));
  }

  /** What is open ends. */
  buy({ isRuleGone = false } = {}): void {
    for (const key of KEYS) {
      const product = this.#send(key, 'purchase');
      if (!isRuleGone) this.#expected.push(`bought ${key} ${this.#carts.get(key)} ${product}`);
    }
  }

  /** All alerts that there should be by now, and no other; each once. */
  async isTold(): Promise<void> {
    await until('all alerts have come', () => alerts().length >= this.#expected.length, 60_000);
    expect(alerts().sort()).toEqual(this.#expected.toSorted());
  }
}

function alerts(): string[] {
  const lines = readFileSync(alertsFile, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const { rule, key, match } = JSON.parse(line) as Alert;
    const products = Object.values(match)
      .flat()
      .map((event) => (event as { productId: string }).productId);
    return `${rule} ${key} ${products.join(' ')}`;
  });
}

/** The ingest, and what it tells. */
class Ingest {
  readonly process: Running;
  #port = '';

  constructor() {
    this.process = start(
      [
        ...['ingest', 'file', clicksFile, '--follow', '--with-worker', '--journeys', MODULE],
        ...['--rules-database', mariadb.url, '--rule-table', `${TABLE}=demo2`],
        ...['--journey', 'demo2', '--alerts', alertsFile, '--data-folder', join(folder, 'data')],
        ...['--out-of-orderness', '500ms', '--patience', '100ms'],
        ...['--metrics-port', '0', '--json'],
      ],
      { env },
    );
  }

  async isUp(): Promise<void> {
    await this.process.says(/Metrics at/);
    this.#port = /localhost:(\d+)/.exec(this.process.stderr())?.[1] as string;
  }

  /** The sum over all labels. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/metrics`);
    const found = (await response.text()).matchAll(
      new RegExp(`^temporal_cep_${name}(?:{.*})? (\\S+)$`, 'gm'),
    );
    return [...found].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async metricIs(name: string, is: (value: number) => boolean): Promise<void> {
    await until(`${name} says so`, async () => is(await this.metric(name)), 60_000);
  }

  /** How often the log has said it. */
  said(message: string): number {
    return this.process.stderr().split(`"msg":"${message}"`).length - 1;
  }

  /** Waits until what an act changes is in force. */
  async takesUp(act: () => Promise<unknown>): Promise<void> {
    const before = await this.metric('rules_revision');
    await act();
    await this.metricIs('rules_revision', (revision) => revision > before);
  }

  /** Waits until rules were looked at in vain. @returns when they were last read, which is to stay as it is */
  async readsInVain(): Promise<number> {
    const before = await this.metric('rules_poll_failures_total');
    await this.metricIs('rules_poll_failures_total', (failures) => failures > before);
    return await this.metric('rules_read_seconds');
  }
}

/** Nothing is open, so that they end when all is done. */
async function noSessionIsOpen(): Promise<void> {
  await until('sessions have ended', async () => {
    const sessions = KEYS.map((key) => dev.client.workflow.getHandle(`demo2/${key}`).describe());
    return (await Promise.all(sessions)).every(({ status }) => status.name === 'COMPLETED');
  });
}

async function rulesList(): Promise<string> {
  const { code, stdout, stderr } = await run(['rules', 'list', '--rules-database', mariadb.url], {
    env,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

test('under one stream: a bad row, an empty table, a database that goes, a locked table', {
  timeout: minutes(4),
}, async () => {
  await insertRules(1);
  writeFileSync(clicksFile, '');
  writeFileSync(alertsFile, '');
  const ingest = new Ingest();
  await ingest.isUp();
  const stream = new Stream();
  const ticking = setInterval(() => stream.tick(), 100);
  onTestFinished(() => clearInterval(ticking));
  const goesOn = async () => {
    const { sent } = stream;
    await ingest.metricIs('events_total', (events) => events >= sent);
    expect(ingest.process.child.exitCode).toBeNull();
  };

  stream.fill();
  stream.look(1);
  await stream.isTold();

  // A bad row: its rule stays as it was, the other one is not touched.
  const revision = await ingest.metric('rules_revision');
  await execute(changeSeen(seen(2).replace('price ==', 'price =')));
  await ingest.metricIs('rules_quarantined', (count) => count === 1);
  stream.look(1);
  stream.buy();
  await stream.isTold();
  const faulty = await rulesList();
  expect(faulty).toContain(
    `Fault in ${TABLE}, rule "seen": $.pattern.nodes[0].condition: AVIATOR expression, column 30: it assigns`,
  );
  expect(faulty).toContain('2 rules in force');
  expect(ingest.said('A row of a rule table cannot be used')).toBe(1);
  expect(await ingest.metric('rules_revision')).toBe(revision);
  await ingest.takesUp(() => execute(changeSeen(seen(2))));
  expect(await ingest.metric('rules_quarantined')).toBe(0);
  expect(await rulesList()).not.toContain('Fault');
  stream.fill();
  stream.look(2);
  await stream.isTold();

  // An empty table: no rules, and nothing that was open either.
  await ingest.takesUp(() => execute(`delete from ${TABLE}`));
  expect(await rulesList()).toContain('0 rules in force');
  stream.look(null);
  stream.buy({ isRuleGone: true });
  await goesOn();
  await ingest.metricIs('dropped_partial_matches_total', (dropped) => dropped === KEYS.length);
  await noSessionIsOpen();
  await stream.isTold();
  expect(await ingest.metric('rules_poll_failures_total')).toBe(0);
  await ingest.takesUp(() => insertRules(3));
  stream.fill();
  stream.look(3);
  await stream.isTold();

  // The database goes: the rules stay, for sessions that begin meanwhile too.
  await mariadb.stopServer();
  let readAt = await ingest.readsInVain();
  stream.look(3);
  stream.buy();
  await stream.isTold();
  await noSessionIsOpen();
  stream.look(3);
  await stream.isTold();
  await noSessionIsOpen();
  stream.fill();
  await goesOn();
  expect(await ingest.readsInVain()).toBe(readAt);
  await mariadb.startServer();
  await ingest.takesUp(() => execute(changeSeen(seen(4))));
  stream.look(4);
  await stream.isTold();
  expect(ingest.said('The rule database did not answer: the rules stay as they are')).toBe(1);
  expect(ingest.said('The rule database answers again')).toBe(1);
  // The worker's word, which asks only as often as its sessions do.
  expect(
    ingest.said('The newest revision of the rules is not known: sessions stay at what they have'),
  ).toBe(1);

  // A locked table: the same, for as long as it takes.
  const holder = await mysql.createConnection(mariadb.url);
  onTestFinished(() => holder.destroy());
  // The database may have gone in the middle of a look: then that was said of the table too.
  const saidBefore = ingest.said(UNREAD);
  await holder.query(`lock tables ${TABLE} write`);
  readAt = await ingest.readsInVain();
  await until('it is logged', () => ingest.said(UNREAD) === saidBefore + 1);
  stream.look(4);
  stream.buy();
  await stream.isTold();
  await goesOn();
  expect(await ingest.metric('rules_read_seconds')).toBe(readAt);
  await ingest.takesUp(async () => {
    await holder.query(changeSeen(seen(5)));
    await holder.query('unlock tables');
  });
  stream.look(5);
  await stream.isTold();
  expect(ingest.said(UNREAD)).toBe(saidBefore + 1);
  expect(ingest.said('A rule table can be read again')).toBe(saidBefore + 1);

  // Nothing was lost on the way.
  clearInterval(ticking);
  await goesOn();
  ingest.process.child.kill('SIGINT');
  const { code, stdout } = await ingest.process.ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout) as IngestCounts).toMatchObject({
    read: stream.sent,
    events: stream.sent,
    late: 0,
    dead: {},
    parked: 0,
    undelivered: 0,
  });
  await stream.isTold();
});
