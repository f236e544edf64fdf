// The page in a browser, over the embedded database: what it shows, that it follows by itself, that text stays text, and that keyboard,
// screen reader, phone and either scheme are served.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Source } from '../../src/console/feed.js';
import { openRuleStore } from '../../src/rule-store/rule-store.js';
import { openStore, type Store } from '../../src/store/store.js';
import { startBrowser } from '../support/browser.js';
import { until } from '../support/until.js';
import { alert, prepareAnalytics, sourcesOf, startConsole, type TestConsole } from './support.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { width: 390, height: 844 };
const MARKUP = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">';

let browser: Browser;
let store: Store;
let site: TestConsole;
let isAway = false;

beforeAll(async () => {
  browser = await startBrowser();
  store = await openStore({ memory: true }, { migrate: true });
  await fill();
  const sources = (await sourcesOf(store)).map((source): Source => {
    const read = async () => {
      if (isAway) throw new Error('connection refused');
      return await source.read();
    };
    return { ...source, read };
  });
  site = await startConsole(sources);
});
afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await store?.close();
});

async function fill(): Promise<void> {
  const db = await prepareAnalytics(store);
  await db
    .insertInto('result_cps_total_summary_pvuv_min')
    .values([
      { summary_date: '2026-01-30', summary_min: '23:59', pv: 12_345, uv: 678 },
      { summary_date: '2026-01-31', summary_min: '09:30', pv: 1_000, uv: 100 },
      { summary_date: '2026-01-31', summary_min: '09:31', pv: 1_234, uv: 123 },
    ] as never)
    .execute();
  const recharge = (appkey: string, dt: string, amount: string) => ({
    ...{ appkey, dt, amount, serverid: '1', servertime: '1', roleid: '1' },
  });
  await db
    .insertInto('consume')
    .values([
      recharge('arena', '2026-01-30', '10.5'),
      recharge('arena', '2026-01-31', '1234567.89'),
      recharge('bastion', '2026-01-31', '0.11'),
    ])
    .execute();
  const rules = await openRuleStore(store.database, { migrate: true });
  await rules.publishRevision([
    {
      row: { id: 'cart', version: 2, journey: 'shopping', pattern: {}, description: 'A cart' },
      ...{ table: 'cep_rules', mode: 'on', onChange: 'finish' },
    },
  ]);
  await store.ledger.record([
    alert('first', { message: 'the first one' }),
    alert('second', { timedOut: true, type: 'CART_LEFT', message: 'the second one' }),
  ]);
  await store.progress.claim('kafka:clicks', [0, 1], 'host/1', 'clicks');
  await store.parked.park({ journey: 'shopping', key: 'ann' }, 'the signal is too large');
  const { db: all } = store.database;
  await all
    .insertInto('cep_effects')
    .values({
      ...{ alert_id: 'first', effect: 'remind', rule: 'cart', channel: 'email', state: 'dead' },
      ...{ reason: 'REFUSED', detail: 'no such mailbox: a-person@example.com', ended_at: 1_000 },
      ...{ journey: 'shopping', key: 'session first', user_id: 'a-person', goal: null },
      ...{ campaign: null, value: null, rule_version: 1, matched_at: 1, planned_at: 1 },
      ...{ held_until: null, decided_at: null, workflow_id: null, run_id: null },
      ...{ handled_by: null, handled_why: null, handled_at: null },
    })
    .execute();
}

/** Opens the page. Whatever the browser complains of fails the test at its end, as does a request to anybody else. */
async function open(options: BrowserContextOptions = {}, url = site.url): Promise<Page> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(request.url());
  });
  onTestFinished(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(url);
  return page;
}

async function shown(options: BrowserContextOptions = {}): Promise<Page> {
  const page = await open(options);
  await page.locator('#connection[data-state="live"]').waitFor();
  await page.locator('#alerts-list li').first().waitFor();
  return page;
}

/** The text of a table's rows. */
const rows = (page: Page, body: string) =>
  page
    .locator(`${body} > tr`)
    .evaluateAll((all) =>
      all.map((row) => [...row.children].map((cell) => (cell.textContent ?? '').trim())),
    );

/** What runs in the page is text: the types here know no browser. */
const COLOURS = `(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const found = new Map();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] !== 255) continue;
    const colour = data.slice(i, i + 3).join(' ');
    found.set(colour, (found.get(colour) ?? 0) + 1);
  }
  return [...found].filter(([, pixels]) => pixels > 20).map(([colour]) => colour);
}`;

/** Each colour that more than a few pixels of a chart have. */
const colours = (page: Page, canvas: string): Promise<string[]> =>
  page.evaluate(`(${COLOURS})(document.querySelector('${canvas}'))`);

const FOCUSED = `(() => {
  const element = document.activeElement;
  const next = element.nextElementSibling;
  const { outlineStyle } = getComputedStyle(next?.matches('.segments span') ? next : element);
  return {
    id: element.id || element.getAttribute('aria-label') || element.textContent.trim(),
    isVisible: outlineStyle !== 'none' || element.matches('.skip, main'),
  };
})()`;

test('it shows the figures, with links and without what is nobody’s business', async () => {
  const page = await shown();
  const text = (id: string) => page.locator(`#${id}`).textContent();
  expect(await text('glance-views')).toBe('1,234');
  expect(await text('glance-visitors')).toBe('123');
  expect(await text('glance-recharge')).toBe('1,234,568.00');
  expect(await text('glance-alerts')).toBe('2');
  expect(await text('glance-timeouts')).toBe('50%');
  expect(await text('glance-attention')).toBe('2');

  expect((await rows(page, '#visits-minutes-rows')).slice(0, 3)).toEqual([
    ['31 Jan, 09:31', '234', '23'],
    ['31 Jan, 09:30', '1,000', '100'],
    ['31 Jan, 09:29', '0', '0'],
  ]);
  expect(await rows(page, '#visits-days-rows')).toEqual([
    ['31 Jan', '1,234', '123'],
    ['30 Jan', '12,345', '678'],
  ]);
  expect(await rows(page, '#recharge-rows')).toEqual([
    ['31 Jan', '1,234,567.89', '0.11', '1,234,568.00'],
    ['30 Jan', '10.50', '0.00', '10.50'],
  ]);
  expect(await rows(page, '#rates-rows')).toEqual([['cartshopping', '1', '1', '1', '1', '50%']]);
  expect(await rows(page, '#rules-rows')).toEqual([['cartA cart', 'shopping', '2', 'on']]);
  expect(await rows(page, '#effects-rows')).toEqual([
    ['remindemail', 'cart', 'REFUSED', '0', '1 Jan, 00:00', 'Workflow'],
  ]);
  expect((await rows(page, '#parked-rows'))[0]?.slice(0, 3)).toEqual([
    'annshopping',
    'the signal is too large',
    '0',
  ]);
  expect((await rows(page, '#progress-rows')).map((row) => row.slice(0, 3))).toEqual([
    ['kafka:clicks', '0', 'historic'],
    ['kafka:clicks', '1', 'historic'],
  ]);
  for (const chart of ['#visits-minutes', '#visits-days', '#recharge-chart', '#rates-chart']) {
    expect((await colours(page, chart)).length).toBeGreaterThan(2);
  }
  const first = page.locator('#alerts-list li[data-id="first"]');
  expect(
    await first.getByRole('link').evaluateAll((all) => all.map((a) => a.getAttribute('href'))),
  ).toEqual([
    'http://localhost:8233/shopping%2Fsession%20first',
    'http://localhost:8233/effect%2Ffirst',
  ]);
  expect(await page.content()).not.toContain('a-person');
});

test('what comes appears by itself, in place, and as text', async () => {
  const page = await shown();
  const link = page.locator('#alerts-list li[data-id="second"] a').first();
  await link.focus();
  await store.ledger.record([
    alert('markup', { message: MARKUP, type: `<b>${MARKUP}`, key: MARKUP, rule: MARKUP }),
  ]);
  const added = page.locator('#alerts-list li').first();
  await page.locator('#alerts-list li[data-id="markup"]').waitFor();
  expect(await added.getAttribute('data-id')).toBe('markup');
  expect(await added.locator('.message').textContent()).toBe(MARKUP);
  expect(await added.locator('.type').textContent()).toBe(`<b>${MARKUP}`);
  await until('the rule is in the table', async () =>
    (await rows(page, '#rates-rows')).some(([name]) => name?.startsWith(MARKUP)),
  );
  expect(await page.locator('main').locator('script, img, b').count()).toBe(0);
  expect(await page.evaluate("'hacked' in window")).toBe(false);
  // Who was reading, or about to follow a link, still is.
  expect(await page.evaluate("document.activeElement.closest('li').dataset.id")).toBe('second');
  await until('it is announced', async () =>
    /^1 new alert, the latest <b>/.test((await page.locator('#announcements').textContent()) ?? ''),
  );

  await page.getByRole('button', { name: 'Pause' }).click();
  await store.ledger.record([alert('meanwhile')]);
  await page.waitForTimeout(500);
  expect(await page.locator('li[data-id="meanwhile"]').count()).toBe(0);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('li[data-id="meanwhile"]').waitFor();
});

test('the keyboard reaches everything, and does everything', async () => {
  const page = await shown();
  const focused = (): Promise<{ id: string; isVisible: boolean }> => page.evaluate(FOCUSED);
  const reached: string[] = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const { id, isVisible } = await focused();
    if (id.startsWith('Skip') && reached.length > 0) break;
    expect([id, isVisible]).toEqual([id, true]);
    reached.push(id);
    if (id.startsWith('Skip')) {
      await page.keyboard.press('Enter');
      expect((await focused()).id).toBe('main');
      // Back before it: the button is next.
      await page.keyboard.press('Shift+Tab');
      await page.keyboard.press('Shift+Tab');
    }
    if (reached.length > 1 && id === 'progress-table') break;
  }
  for (const wanted of [
    /^Skip/,
    /^pause$/,
    /^As a table$/,
    /^Latest alerts$/,
    /^Session of session first/,
    /^Effects of alert first/,
    /^rates-rule$/,
    /^Matches and timeouts by rule$/,
    /^Workflow of effect/,
    /^Session of ann/,
    /^progress-table$/,
  ]) {
    expect(reached).toEqual(expect.arrayContaining([expect.stringMatching(wanted)]));
  }

  await page.locator('input[value="minutes"]').focus();
  await page.keyboard.press('ArrowRight');
  expect((await rows(page, '#rates-chart-rows')).length).toBe(24);
  await page.locator('#rates-rule').focus();
  await page.keyboard.press('ArrowDown');
  const label = await page.locator('#rates-chart').getAttribute('aria-label');
  expect(label).toMatch(
    /^Stacked bar chart, cart \(shopping\): \d+ match(es)? and 1 timeout in 24 hours\./,
  );
  await page.locator('#visits summary').focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('#visits-minutes-rows').isVisible()).toBe(true);
});

test('axe finds nothing to complain of, in the light and in the dark', async () => {
  const page = await shown({ colorScheme: 'light' });
  for (const summary of await page.locator('summary').all()) await summary.click();
  await page.evaluate(AXE);
  const violations = async (options = '{}') =>
    (await page.evaluate<{ violations: unknown[] }>(`axe.run(${options})`)).violations;
  expect(await violations()).toEqual([]);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await violations("{ runOnly: ['color-contrast'] }")).toEqual([]);
});

test('charts follow the scheme, and a phone has room for all', async () => {
  const page = await shown({ colorScheme: 'light' });
  const light = await colours(page, '#recharge-chart');
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(light.length).toBeGreaterThan(1);
  // The page hears of it a moment later.
  await expect
    .poll(async () => {
      const dark = await colours(page, '#recharge-chart');
      return dark.length > 1 && dark.every((colour) => !light.includes(colour));
    })
    .toBe(true);
  await page.setViewportSize(PHONE);
  await expect.poll(() => page.evaluate('document.documentElement.scrollWidth')).toBe(PHONE.width);
});

test('it says when the database is away, keeps what it had, and recovers', async () => {
  const page = await shown();
  isAway = true;
  onTestFinished(() => {
    isAway = false;
  });
  await page.locator('#connection[data-state="away"]').waitFor();
  expect(await page.locator('#connection-text').textContent()).toMatch(
    /^The database has not answered since \d\d:\d\d:\d\d$/,
  );
  expect(await page.locator('#alerts .notice').textContent()).toMatch(
    /^As of .*does not answer\.$/,
  );
  expect(await page.locator('#alerts-list li').count()).toBeGreaterThan(1);
  // Why stands in the log of the server alone.
  expect(await page.content()).not.toContain('refused');
  isAway = false;
  await page.locator('#connection[data-state="live"]').waitFor();
  expect(await page.locator('#alerts .notice').isHidden()).toBe(true);
});

test('a panel that cannot be shown stops no other, and all silent partitions are counted', async () => {
  const site = await startConsole([
    { name: 'odd', panels: ['visits'], read: async () => ({ visits: { days: 'none' } }) },
    {
      ...{ name: 'even', panels: ['progress'] },
      read: async () => ({ progress: { count: 150, silent: 3, rows: [] } }),
    },
  ]);
  onTestFinished(() => site.stop());
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  await page.goto(site.url);
  await expect.poll(() => page.locator('#glance-attention').textContent()).toBe('3');
  expect(await page.locator('#visits .notice').textContent()).toMatch(/cannot be shown/);
  expect(await page.locator('#connection').getAttribute('data-state')).toBe('live');
  expect(errors).toEqual([]);
});

test('with a token there is a form, and then the page', async () => {
  const token = 'the token of this test';
  const closed = await startConsole(await sourcesOf(store), { token });
  onTestFinished(() => closed.stop());
  const page = await open({}, closed.url);
  expect(new URL(page.url()).pathname).toBe('/login');
  const send = async (text: string) => {
    await page.getByLabel('Token').fill(text);
    await page.keyboard.press('Enter');
  };
  await send('something else altogether');
  await page.getByText('That was not the token.').waitFor();
  await send(token);
  await page.locator('#connection[data-state="live"]').waitFor();
  expect(await page.evaluate('document.cookie')).toBe('');
});
