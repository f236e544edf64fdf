// temporal-cep backtest: the alerts of the past, whatever the number of threads, and what two versions of rules make of it.
// Runs dist in processes and threads of its own; needs no server.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { generateClickstream } from '../../src/demo/clickstream.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';
import { temporaryFolder } from '../servers/helpers.js';
import { backtest, loadJourneys, runOffline } from './support/built.js';
import { ROOT, run } from './support/cli.js';

const folder = temporaryFolder();
const T1 = Date.UTC(2026, 0, 20) as Timestamp;
const FIVE = join(ROOT, 'examples/five.json');
const clicks = generateClickstream({ seed: 11, events: 20_000, endsAt: T1 });
// One in fifty comes up to six seconds after its time, with two allowed: late ones are among them.
const arrivals = clicks
  .map((click, i) => ({ click, at: click.eventTime + (i % 50 === 0 ? 6_000 : 0) }))
  .sort((a, b) => a.at - b.at)
  .map(({ click }) => click);

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const events = file('clicks.ndjson', lines(arrivals));
interface Rules {
  rules: { pattern: { nodes: { condition: object }[] } }[];
}
const five = JSON.parse(readFileSync(FIVE, 'utf8')) as Rules;
const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
/** What an alert is about: the ids of two forms of a rule differ. */
const about = ({ id: _, ...alert }: Alert) => JSON.stringify(alert);

test('its alerts are those of a live run, by id, however many threads there are', async () => {
  const journeys = join(ROOT, 'examples/journeys.ts');
  const offline = runOffline({
    journeys: (await loadJourneys(journeys)).journeys,
    records: arrivals.map((value, offset) => ({
      ...{ source: 'file:clicks.ndjson', partition: 0, offset, recordTime: MAX_TIMESTAMP },
      value: JSON.stringify(value),
    })),
  });
  expect(offline.late.length).toBeGreaterThan(10);
  expect(offline.alerts.length).toBeGreaterThan(500);
  for (const threads of [1, 3]) {
    const found = await backtest({ rules: journeys, events: [events], threads, keepsAlerts: true });
    expect(found.alerts.toSorted(byId)).toEqual(offline.alerts.toSorted(byId));
    expect(found).toMatchObject({
      events: arrivals.length,
      bad: 0,
      late: offline.late.length,
      sessions: offline.sessions,
      open: offline.open.size,
      rules: Object.fromEntries(offline.rules),
    });
  }
});

test('the five rules as data find what the five in TypeScript find', async () => {
  const alertsOf = async (rules: string) => {
    const { alerts } = await backtest({ rules, events: [events], keepsAlerts: true });
    return alerts
      .filter(({ journey }) => journey !== 'order')
      .map(about)
      .sort();
  };
  const found = await alertsOf(FIVE);
  expect(found.length).toBeGreaterThan(500);
  expect(found).toEqual(await alertsOf(join(ROOT, 'examples/journeys.ts')));
});

test('the report adds up, as text and as JSON', async () => {
  const args = ['backtest', '--rules', FIVE, '--events', events, '--threads', '2'];
  const asJson = await run([...args, '--json', '--alerts', 'alerts.ndjson'], { cwd: folder });
  expect(asJson.code).toBe(0);
  const report = JSON.parse(asJson.stdout);
  const alerts = readFileSync(join(folder, 'alerts.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Alert);
  const counts: Record<string, number> = {};
  for (const { type } of alerts) counts[type] = (counts[type] ?? 0) + 1;
  expect(report.alertCounts).toEqual(counts);
  const sum = (of: { count: number }[]) => of.reduce((total, { count }) => total + count, 0);
  expect(sum(report.alertsOver)).toBe(alerts.length);
  expect(asJson.stderr).toContain(`alerts.ndjson has ${alerts.length} alerts`);
  const { starts, signals } = report.actions;
  expect(signals).toBeGreaterThan(starts);
  expect(signals).toBeLessThan(3 * report.events);
  const asText = await run(args);
  expect(asText.code).toBe(0);
  expect(asText.stdout).toContain('20,000 events of 20,000 records');
  expect(asText.stdout).toMatch(new RegExp(`CART_ABANDONMENT +│ +${counts.CART_ABANDONMENT}`));
  expect(asText.stdout).toContain('shopping/cross-sell');
});

test('--from and --to take a part, as if there were no more', async () => {
  const from = (T1 - days(2)) as Timestamp;
  const to = (T1 - days(1)) as Timestamp;
  const {
    events: count,
    span,
    alertCounts,
  } = await backtest({ rules: FIVE, events: [events], from, to });
  const part = clicks.filter(({ eventTime }) => eventTime >= from && eventTime < to);
  expect(count).toBe(part.length);
  expect(span).toEqual({ from: part[0]?.eventTime, to: part.at(-1)?.eventTime });
  const args = ['backtest', '--rules', FIVE, '--events', events, '--json', '--threads', '1'];
  const { stdout } = await run([
    ...args,
    '--from',
    new Date(from).toISOString(),
    '--to',
    String(to),
  ]);
  expect(JSON.parse(stdout).alertCounts).toEqual(alertCounts);
});

test('two versions: what both, and only one of them would have alerted', async () => {
  const cheaper = structuredClone(five);
  Object.assign(cheaper.rules[0]?.pattern.nodes[0] as object, {
    condition: { type: 'AVIATOR', expression: "eventType == 'cart' && price > 100" },
  });
  const rules = file('cheaper.json', JSON.stringify(cheaper));
  const args = ['backtest', '--rules', rules, '--against', FIVE, '--events', events];
  const { code, stdout } = await run([...args, '--json']);
  expect(code).toBe(0);
  const { both, onlyOld, onlyNew } = JSON.parse(stdout).comparison as {
    both: number;
    onlyOld: Alert[];
    onlyNew: Alert[];
  };
  expect(both).toBeGreaterThan(500);
  expect(onlyOld).toEqual([]);
  expect(onlyNew.length).toBeGreaterThan(0);
  for (const { rule, match } of onlyNew) {
    const [cart] = match.cart as { price: number }[];
    expect(rule).toBe('cart-abandonment');
    expect(cart?.price).toBeGreaterThan(100);
    expect(cart?.price).toBeLessThanOrEqual(200);
  }
  const text = await run(args);
  expect(text.stdout).toContain(
    `${both} alerts by both, 0 only by --against, ${onlyNew.length} only by --rules`,
  );
});

test.each([
  [['--rules', 'none.json'], /none\.json is no rule set \(.*no such file.*\): name a JSON file/],
  [['--rules', 'none.ts'], /no journeys module at .*none\.ts/],
  [['--events', 'none.ndjson'], /cannot read none\.ndjson/],
  [['--from', 'yesterday'], /'--from <time>' argument 'yesterday' is invalid. Write a time/],
  [['--threads', '0'], /'--threads <n>' argument '0' is invalid. It must be a whole number from 1/],
])('%j: one line that says what is wrong', async (flags, message) => {
  const given = new Map([
    ['--rules', FIVE],
    ['--events', events],
    [flags[0] as string, flags[1] as string],
  ]);
  const { code, stdout, stderr } = await run(['backtest', ...[...given].flat()], { cwd: folder });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});

test('a rule that is refused is named, with its place', async () => {
  const wrong = structuredClone(five);
  Object.assign(wrong.rules[3]?.pattern.nodes[2] as object, {
    condition: { type: 'AVIATOR', expression: "eventType = 'cart'" },
  });
  const rules = file('wrong.json', JSON.stringify(wrong));
  const { code, stderr } = await run(['backtest', '--rules', rules, '--events', events]);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'wrong.json: $.rules[3].pattern.nodes[2].condition: AVIATOR expression, column 11: it assigns: equality is ==',
  );
});

describe('conditions that a rule set names', () => {
  const named = structuredClone(five);
  Object.assign(named.rules[0]?.pattern.nodes[0] as object, {
    condition: { type: 'CLASS', className: 'shop.CartOver', args: ['200'] },
  });
  const rules = file('named.json', JSON.stringify(named));
  const conditions = file(
    'conditions.mjs',
    `import { defineJourneys } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/index.js')))};
import { begin } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/index.js')))};
export default defineJourneys({
  conditions: {
    'shop.CartOver': { create: ([limit]) => (event) => event.eventType === 'cart' && event.price > Number(limit) },
  },
  journeys: [{ id: 'none', key: 'userId', rules: [{ id: 'none', pattern: begin('a') }] }],
});
`,
  );

  test('are those of --conditions', async () => {
    const alertsOf = async (options: { rules: string; conditions?: string }) => {
      const { alerts } = await backtest({
        ...options,
        events: [events],
        keepsAlerts: true,
        threads: 2,
      });
      return alerts.map(about).sort();
    };
    expect(await alertsOf({ rules, conditions })).toEqual(await alertsOf({ rules: FIVE }));
    const validated = await run(['rules', 'validate', rules, '--conditions', conditions]);
    expect(validated).toMatchObject({ code: 0, stdout: '0 errors, 0 warnings\n' });
  });

  test('are missed without them', async () => {
    const { code, stdout } = await run(['rules', 'validate', rules]);
    expect(code).toBe(1);
    expect(stdout).toContain(
      'named.json: error at $.rules[0].pattern.nodes[0].condition.className (cart-abandonment): no condition is registered as shop.CartOver',
    );
    expect(stdout).toContain('1 error, 0 warnings');
  });
});

test('--effects: what the retention example would have sent, as its demo sends it', async () => {
  const hour = 3_600_000;
  const start = Date.UTC(2026, 10, 2, 9); // ten o'clock in Berlin
  const cart = (at: Timestamp, userId: string, boughtAfter?: number) => {
    const click = { productId: 'lamp', price: 49, userId, email: `${userId}@example.com` };
    const put = { ...click, eventTime: at, eventType: 'cart' };
    if (boughtAfter === undefined) return [put];
    return [put, { ...click, eventTime: at + boughtAfter, eventType: 'purchase' }];
  };
  const stories = [
    ...cart(start, 'ann'),
    ...cart(start + days(2), 'bob', 25 * 60_000),
    ...cart(start + days(4) + 5 * hour, 'ann'),
    ...cart(start + days(6) + 11 * hour, 'cid'),
    ...cart(start + days(9), 'dot', 5 * hour),
    ...cart(start + days(11), 'eve'),
  ];
  const args = [
    ...['backtest', '--rules', join(ROOT, 'examples/retention.ts')],
    ...['--events', file('carts.ndjson', lines(stories)), '--threads', '2'],
  ];
  const effects = ['--effects', join(ROOT, 'examples/retention-effects.json')];
  const asJson = await run([...args, ...effects, '--json'], { cwd: folder });
  expect(asJson.code, asJson.stderr).toBe(0);
  const found = JSON.parse(asJson.stdout) as { effects: Record<string, unknown>[] };
  expect(found.effects.map((row) => Object.values(row))).toEqual([
    ['cart-coupon', 'sent', null, 2, 2],
    ['cart-coupon', 'suppressed', 'GOAL_REACHED', 1, 1],
    ['cart-coupon', 'capped', 'BUDGET', 1, 1],
    ['cart-reminder', 'sent', null, 4, 4],
    ['cart-reminder', 'suppressed', 'GOAL_REACHED', 1, 1],
    ['cart-reminder', 'capped', 'REENTRY', 1, 1],
  ]);
  const asText = await run([...args, ...effects], { cwd: folder });
  expect(asText.stdout).toMatch(/cart-coupon +│? *capped +│? *BUDGET +│? *1/);

  const none = file('none.json', '{"effects": {}}');
  const refused = await run([...args, '--effects', none], { cwd: folder });
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^temporal-cep: rule "cart-abandonment".*"cart-reminder"/);
});
