// The console's server over a real PostgreSQL: who may look, what it answers, what listeners hear of and when, and what becomes of
// them when the database is away or they are slow. At the end the command as built.

import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { consoleAccess } from '../../src/console/access.js';
import { Feed, type Source } from '../../src/console/feed.js';
import { createLogger } from '../../src/log.js';
import { openRuleStore } from '../../src/rule-store/rule-store.js';
import { openStore, type Store } from '../../src/store/store.js';
import { environment, run, start } from '../e2e/support/cli.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { alert, prepareAnalytics, sourcesOf, startConsole, type TestConsole } from './support.js';

const TOKEN = 'a token of more than 16 characters';
const AN_HOUR_AGO = Date.now() - 3_600_000;

let postgres: TestPostgres;
let store: Store;

beforeAll(async () => {
  postgres = await startPostgres({ isOwnAndDurable: true });
  store = await openStore(postgres.url, { migrate: true });
});
afterAll(async () => {
  await store?.close();
  await postgres?.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const made = request({ port, path, method, headers, host: '127.0.0.1' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    made.on('error', reject).end(body);
  });
}

interface Heard {
  readonly id: string;
  readonly panel: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever a panel shows
  readonly state: any;
}

/** Listens as a page does, until the test is over. */
async function listen(port: number, headers: Record<string, string> = {}) {
  const events: Heard[] = [];
  let comments = 0;
  let isOver = false;
  const opened = await new Promise<{ made: ClientRequest; response: IncomingMessage }>(
    (resolve, reject) => {
      const made = request({ port, path: '/events', headers, host: '127.0.0.1' }, (response) =>
        resolve({ made, response }),
      );
      made.on('error', reject).end();
    },
  );
  const stop = () => void opened.made.destroy();
  onTestFinished(stop);
  let text = '';
  opened.response
    .on('error', () => {})
    .on('close', () => {
      isOver = true;
    });
  opened.response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      text = text.slice(end + 2);
      if (fields.has('')) comments += 1;
      const [id, panel, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
      if (id && panel && data) events.push({ id, panel, state: JSON.parse(data) });
    }
  });
  const latest = (panel: string) => events.findLast((event) => event.panel === panel)?.state;
  return {
    response: opened.response,
    events,
    latest,
    stop,
    comments: () => comments,
    isOver: () => isOver,
    /** Waits until a panel shows something. */
    shows: (panel: string, what: string, holds: (state: Heard['state']) => boolean) =>
      until(`${panel} ${what}`, () => {
        const state = latest(panel);
        return state !== undefined && holds(state);
      }),
  };
}

async function running(settings: Parameters<typeof startConsole>[1] = {}, sources?: Source[]) {
  const console = await startConsole(sources ?? (await sourcesOf(store)), settings);
  onTestFinished(() => console.stop());
  return console;
}

describe('who may look', () => {
  let open: TestConsole;
  let closed: TestConsole;
  beforeAll(async () => {
    open = await startConsole([]);
    closed = await startConsole([], { token: TOKEN });
  });
  afterAll(async () => {
    await open.stop();
    await closed.stop();
  });

  test('on loopback whoever is on this machine, by a name of loopback only', async () => {
    for (const host of ['localhost:8400', '127.0.0.1', '[::1]:1', 'LOCALHOST']) {
      expect(await ask(open.port, '/', { headers: { host } })).toMatchObject({ status: 200 });
    }
    for (const host of ['evil.example', '127.0.0.1.evil.example:8400', 'localhost.evil']) {
      for (const path of ['/', '/events', '/page.js']) {
        expect(await ask(open.port, path, { headers: { host } })).toMatchObject({ status: 403 });
      }
    }
  });

  test('no page of others', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' };
    expect(await ask(open.port, '/events', { headers })).toMatchObject({ status: 403 });
    const led = { ...headers, 'sec-fetch-mode': 'navigate' };
    expect(await ask(open.port, '/', { headers: led })).toMatchObject({ status: 200 });
  });

  test('with the token, as a header', async () => {
    const asked = (authorization: string, path = '/events') =>
      ask(closed.port, path, { method: 'HEAD', headers: { authorization } });
    expect(await ask(closed.port, '/events')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
    });
    // The token has spaces in it, which a header can't have.
    expect(await asked(`Bearer ${TOKEN}`)).toMatchObject({ status: 401 });
    expect(await asked('Bearer another-token-of-16')).toMatchObject({ status: 401 });
    const token = 'a-token-of-16-characters';
    const other = await startConsole([], { token });
    onTestFinished(() => other.stop());
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ['/', '/events', '/page.js']) {
      expect(await ask(other.port, path, { method: 'HEAD', headers })).toMatchObject({
        status: 200,
        body: '',
      });
    }
    expect(await ask(other.port, '/', { headers: { authorization: 'Bearer x' } })).toMatchObject({
      status: 401,
    });
  });

  test('with the token, by the form, and then by a cookie that does not tell it', async () => {
    expect(await ask(closed.port, '/')).toMatchObject({
      status: 303,
      headers: { location: '/login' },
    });
    const page = await ask(closed.port, '/login');
    expect(page).toMatchObject({ status: 200 });
    expect(page.body).toContain('name="token"');
    expect(await ask(closed.port, '/page.css')).toMatchObject({ status: 200 });
    const post = (token: string, headers = {}) =>
      ask(closed.port, '/login', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams({ token }).toString(),
      });
    const wrong = await post('another token of 16');
    expect(wrong).toMatchObject({ status: 303, headers: { location: '/login#wrong' } });
    expect(wrong.headers['set-cookie']).toBeUndefined();
    expect(await post(TOKEN, { origin: 'http://evil.example' })).toMatchObject({ status: 400 });
    expect(await post(TOKEN, { 'content-type': 'text/plain' })).toMatchObject({ status: 400 });
    expect(await post('x'.repeat(5_000))).toMatchObject({ status: 400 });

    const right = await post(TOKEN);
    expect(right).toMatchObject({ status: 303, headers: { location: '/' } });
    const [set = ''] = right.headers['set-cookie'] ?? [];
    expect(set).toMatch(
      /^temporal_cep_console=\d+\.[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    );
    expect(set).not.toContain(TOKEN.slice(0, 7));
    const cookie = set.split(';')[0] as string;
    const asked = (text: string) => ask(closed.port, '/', { headers: { cookie: text } });
    expect(await asked(`other=1; ${cookie}`)).toMatchObject({ status: 200 });
    const [end, signature] = cookie.slice('temporal_cep_console='.length).split('.');
    for (const forged of [
      `${end}`,
      `${Number(end) + 1}.${signature}`,
      `${end}.`,
      `.${signature}`,
    ]) {
      expect(await asked(`temporal_cep_console=${forged}`)).toMatchObject({ status: 303 });
    }
    const secure = await post(TOKEN, { 'x-forwarded-proto': 'https' });
    expect(secure.headers['set-cookie']?.[0]).toMatch(/; Secure$/);
  });

  test('with the token, by whatever name a proxy asks for it', async () => {
    const proxied = { host: 'console.example', 'x-forwarded-proto': 'https' };
    expect(await ask(closed.port, '/', { headers: proxied })).toMatchObject({ status: 303 });
    expect(await ask(closed.port, '/events', { headers: proxied })).toMatchObject({ status: 401 });
    const post = (headers: Record<string, string>) =>
      ask(closed.port, '/login', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams({ token: TOKEN }).toString(),
      });
    const origin = 'https://console.example';
    expect(await post({ ...proxied, origin })).toMatchObject({ headers: { location: '/' } });
    // One that asks by a name of its own: what the browser says of the form still holds.
    const rewritten = { ...proxied, host: '127.0.0.1:8400', origin };
    expect(await post({ ...rewritten, 'sec-fetch-site': 'same-origin' })).toMatchObject({
      headers: { location: '/' },
    });
    for (const site of ['cross-site', 'same-site', 'none']) {
      const { status } = await post({ ...rewritten, 'sec-fetch-site': site });
      expect([400, 403]).toContain(status);
    }
  });

  test('a cookie ends, and all of them with their token', () => {
    const about = (cookie: string) => ({ headers: { cookie } }) as IncomingMessage;
    const access = consoleAccess({ host: '0.0.0.0', token: TOKEN });
    const cookie = access.logIn(TOKEN, about(''))?.split(';')[0] as string;
    expect(access.isAllowed(about(cookie))).toBe(true);
    expect(consoleAccess({ host: '::', token: `${TOKEN}!` }).isAllowed(about(cookie))).toBe(false);
    const later = Date.now() + 13 * 3_600_000;
    const { now } = Date;
    Date.now = () => later;
    onTestFinished(() => {
      Date.now = now;
    });
    expect(access.isAllowed(about(cookie))).toBe(false);
  });

  test('only by GET and HEAD, and under a policy that lets nothing else in', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      for (const path of ['/', '/events']) {
        expect(await ask(open.port, path, { method })).toMatchObject({
          status: 405,
          headers: { allow: 'GET, HEAD' },
        });
      }
    }
    const paths = ['/', '/page.js', '/page.css', '/chart.js', '/icon.svg', '/none', '/login'];
    for (const path of [...paths, '/../package.json', '/%2e%2e/server.js', '//page.js']) {
      const { status, headers, body } = await ask(open.port, path);
      expect([path, status]).toEqual([path, expect.any(Number)]);
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
      if (status !== 200) expect(body).not.toContain('temporal-cep",');
    }
    expect((await ask(open.port, '/none')).status).toBe(404);
    expect((await ask(open.port, '/../package.json')).status).toBe(404);
    const { headers } = await ask(open.port, '/page.js');
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'no-cache',
    });
    const again = { 'if-none-match': String(headers.etag) };
    expect(await ask(open.port, '/page.js', { headers: again })).toMatchObject({
      status: 304,
      body: '',
    });
    const html = (await ask(open.port, '/')).body;
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style| on\w+=| style=/);
  });
});

test('a listener hears of all panels, and then of what changes', async () => {
  const id = `one-${Math.random()}`;
  const { port, feed } = await running({ heartbeatMs: 100 });
  const { response, shows, latest, events, comments } = await listen(port);
  expect(response.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  await shows('alerts', 'shown', ({ state }) => state === 'ok');
  await shows(
    'rules',
    'absent',
    ({ state, remedy }) => state === 'absent' && /rules apply/.test(remedy),
  );
  await shows('visits', 'absent', ({ remedy }) =>
    /no table result_cps.*temporal-cep analytics/.test(remedy),
  );
  await shows('recharge', 'absent', ({ remedy }) => /no table consume/.test(remedy));
  expect(latest('effects')).toEqual({ state: 'ok', data: { count: 0, rows: [] } });
  expect(latest('parked')).toEqual({ state: 'ok', data: { count: 0, rows: [] } });

  // Nothing is said while nothing changes, but that somebody is there.
  const count = events.length;
  const beats = comments();
  await sleep(400);
  expect(events.filter(({ panel }) => panel !== 'rates').length).toBeLessThanOrEqual(count);
  expect(comments()).toBeGreaterThan(beats);

  await store.ledger.record([
    alert(id, { timedOut: true, message: 'm'.repeat(1_000), at: AN_HOUR_AGO }),
  ]);
  await shows('alerts', 'has it', ({ data }) => data[0]?.id === id);
  expect(latest('alerts').data[0]).toEqual({
    ...{ id, journey: 'shopping', rule: 'cart', type: 'CART', key: `session ${id}` },
    message: `${'m'.repeat(399)}…`,
    at: AN_HOUR_AGO,
    recordedAt: expect.any(Number),
    ...{ timedOut: true, shadow: false, effects: null },
    session: `http://localhost:8233/${encodeURIComponent(`shopping/session ${id}`)}`,
  });
  // What was matched, and who it was, stays where it is.
  expect(JSON.stringify(events)).not.toContain('a-person');

  await store.parked.park({ journey: 'shopping', key: 'ann' }, 'too large');
  await shows('parked', 'has it', ({ data }) => data.count === 1);
  expect(latest('parked').data.rows).toEqual([
    {
      ...{ journey: 'shopping', key: 'ann', reason: 'too large', signals: 0 },
      at: expect.any(Number),
      session: 'http://localhost:8233/shopping%2Fann',
    },
  ]);
  await store.parked.unpark({ journey: 'shopping', key: 'ann' });
  await shows('parked', 'is empty', ({ data }) => data.count === 0);

  await store.progress.claim('kafka:clicks', [0], 'host/1', 'clicks');
  await shows('progress', 'has it', ({ data }) => data.count === 1);
  expect(latest('progress').data.rows).toEqual([
    {
      ...{ source: 'kafka:clicks', partition: 0, watermark: null, lowWater: 0, stream: 'historic' },
      ...{ ingestor: 'host/1', publishedAt: null, isSilent: false },
    },
  ]);

  // Numbers rise, and who comes again hears only of what it has not heard.
  const numbers = events.map((event) => Number(event.id.split('-')[1]));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  const last = events.at(-1) as Heard;
  expect(last.id).toBe(`${feed.id}-${numbers.at(-1)}`);
  const back = await listen(port, { 'last-event-id': last.id });
  await store.ledger.record([alert(`${id}-2`)]);
  await back.shows('alerts', 'has the next', ({ data }) => data[0]?.id === `${id}-2`);
  expect(back.events.map(({ panel }) => panel)).not.toContain('parked');
  const stranger = await listen(port, { 'last-event-id': `00000000-${numbers.at(-1)}` });
  await stranger.shows('parked', 'is told', ({ state }) => state === 'ok');
});

test('what is not there yet is shown once it is', async () => {
  const { port } = await running();
  const { shows, latest } = await listen(port);
  await shows('rules', 'absent', ({ state }) => state === 'absent');
  await shows('visits', 'absent', ({ state }) => state === 'absent');
  const db = await prepareAnalytics(store);
  const rules = await openRuleStore(store.database, { migrate: true });
  await shows('visits', 'empty', ({ state, data }) => state === 'ok' && data.days.length === 0);
  await shows('recharge', 'empty', ({ state }) => state === 'ok');
  await shows('rules', 'empty', ({ state, data }) => state === 'ok' && data.revision === null);

  const minute = (summary_date: string, summary_min: string, pv: number, uv: number) => ({
    ...{ summary_date, summary_min, pv, uv },
  });
  await db
    .insertInto('result_cps_total_summary_pvuv_min')
    .values([
      minute('2026-01-30', '23:58', 90, 9),
      minute('2026-01-30', '23:59', 100, 10),
      minute('2026-01-31', '00:01', 7, 3),
      minute('2026-01-31', '00:02', 12, 4),
    ] as never)
    .execute();
  await shows('visits', 'shown', ({ data }) => data.days.length === 2);
  const { days, minutes } = latest('visits').data;
  expect(days).toEqual([
    { day: '2026-01-30', pv: 100, uv: 10 },
    { day: '2026-01-31', pv: 12, uv: 4 },
  ]);
  expect(minutes.length).toBe(180);
  expect(minutes.slice(-6)).toEqual([
    { day: '2026-01-30', minute: '23:57', pv: 0, uv: 0 },
    { day: '2026-01-30', minute: '23:58', pv: 90, uv: 9 },
    { day: '2026-01-30', minute: '23:59', pv: 10, uv: 1 },
    { day: '2026-01-31', minute: '00:00', pv: 0, uv: 0 },
    { day: '2026-01-31', minute: '00:01', pv: 7, uv: 3 },
    { day: '2026-01-31', minute: '00:02', pv: 5, uv: 1 },
  ]);

  const apps = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  await db
    .insertInto('consume')
    .values(
      apps.flatMap((appkey, i) =>
        ['2026-01-30', '2026-01-31'].map((dt) => ({
          ...{ appkey, dt, serverid: '1', servertime: '1', roleid: '1' },
          amount: `${10 - i}.0001`,
        })),
      ),
    )
    .execute();
  await shows('recharge', 'shown', ({ data }) => data.apps.length > 0);
  const recharge = latest('recharge').data;
  expect(recharge.days).toEqual(['2026-01-30', '2026-01-31']);
  expect(recharge.totals).toEqual(['52.0008', '52.0008']);
  expect(recharge.apps.map(({ app }: { app: string }) => app)).toEqual(apps.slice(0, 6));
  expect(recharge.apps[0]).toEqual({ app: 'a', amounts: ['10.0001', '10.0001'], total: '20.0002' });
  expect(recharge.others).toEqual({ amounts: ['7.0002', '7.0002'], total: '14.0004' });

  const row = { id: 'cart', version: 3, journey: 'shopping', pattern: {}, description: 'A cart' };
  const { revision } = await rules.publishRevision([
    { row, table: 'cep_rules', mode: 'shadow', onChange: 'finish' },
  ]);
  await rules.setFaults(
    [
      {
        table: 'cep_rules',
        id: 'bad',
        version: 1,
        code: 'RULE_INVALID',
        path: null,
        message: 'no',
      },
    ],
    ['cep_rules'],
  );
  await shows('rules', 'shown', ({ data }) => data.count === 1 && data.faults.length === 1);
  expect(latest('rules').data).toEqual({
    ...{ revision, since: expect.any(Number), count: 1 },
    rows: [
      {
        ...{ rule: 'cart', version: 3, journey: 'shopping', mode: 'shadow', table: 'cep_rules' },
        description: 'A cart',
      },
    ],
    faults: [{ table: 'cep_rules', rule: 'bad', message: 'no', since: expect.any(Number) }],
  });
});

test('rates are by rule, minute and hour, also over a day of them', async () => {
  const { db } = store.database;
  await db.deleteFrom('cep_alerts').execute();
  const at = (minutesAgo: number) => new Date(Date.now() - minutesAgo * 60_000);
  const put = async (id: string, minutesAgo: number, rest = {}) => {
    await store.ledger.record([alert(id, rest)]);
    await db
      .updateTable('cep_alerts')
      .set({ recorded_at: at(minutesAgo) })
      .where('id', '=', id)
      .execute();
  };
  await put('now', 0);
  await put('now-out', 0, { timedOut: true });
  await put('ten', 10, { timedOut: true });
  await put('hours', 200);
  await put('days', 60 * 48);
  await put('other', 5, { rule: 'other', shadow: true });
  const { port } = await running();
  const { shows, latest } = await listen(port);
  const total = (counts: number[][]) =>
    counts.reduce(
      ([m = 0, t = 0], [matches = 0, timeouts = 0]) => [m + matches, t + timeouts],
      [0, 0],
    );
  await shows('rates', 'shown', ({ data }) => data.rules.length === 2);
  const { rules, all, others } = latest('rates').data;
  expect(others).toBe(0);
  expect(
    rules.map(({ rule, shadow }: { rule: string; shadow: boolean }) => [rule, shadow]),
  ).toEqual([
    ['cart', false],
    ['other', true],
  ]);
  expect([rules[0].minutes.length, rules[0].hours.length]).toEqual([60, 24]);
  expect(total(rules[0].minutes)).toEqual([1, 2]);
  expect(total(rules[0].minutes.slice(0, 55))).toEqual([0, 1]);
  expect(total(rules[0].hours)).toEqual([2, 2]);
  expect(total(rules[1].minutes)).toEqual([1, 0]);
  expect(total(all.hours)).toEqual([3, 2]);
  // What comes is added to what was read before.
  await store.ledger.record([alert('next'), alert('next-out', { timedOut: true })]);
  await shows('rates', 'goes on', ({ data }) => total(data.rules[0].hours).join() === '3,3');
});

test('what is silent is counted to the last partition, and shown first', async () => {
  const partitions = Array.from({ length: 150 }, (_, i) => i);
  const claims = await store.progress.claim('kafka:wide', partitions, 'host/1', 'wide');
  const { db } = store.database;
  onTestFinished(async () => {
    await db.deleteFrom('cep_progress').where('source', '=', 'kafka:wide').execute();
  });
  const since = (ms: number) => ({ updated_at: new Date(Date.now() - ms) });
  const change = (of: number[], set: Record<string, unknown>) =>
    db
      .updateTable('cep_progress')
      .set(set as never)
      .where('source', '=', 'kafka:wide')
      .where('partition', 'in', of)
      .execute();
  expect(claims).toHaveLength(150);
  await change([120, 149], since(120_000));
  await change([0], { ...since(120_000), finished: true });
  const { port } = await running();
  const { shows, latest } = await listen(port);
  await shows('progress', 'shown', ({ data }) => data.count >= 150);
  const { rows, silent } = latest('progress').data;
  expect(silent).toBe(2);
  expect(rows).toHaveLength(100);
  const wide = rows.filter(({ source }: { source: string }) => source === 'kafka:wide');
  expect(wide.slice(0, 3).map((row: { partition: number }) => row.partition)).toEqual([
    ...[120, 149, 1],
  ]);
  expect(wide).not.toContainEqual(expect.objectContaining({ partition: 0 }));
});

test('who stops listening twice keeps nothing from ending', async () => {
  let reads = 0;
  const source = { name: 'counted', panels: ['n'], read: async () => ({ n: ++reads }) };
  const feed = new Feed({ sources: [source], log: createLogger('silent'), pollMs: 10 });
  const stopListening = feed.listen(() => {});
  await until('it is read', () => reads > 0);
  stopListening();
  await sleep(200);
  // Its connection ends after it was told to end.
  stopListening();
  const ended = feed.stop().then(() => 'ended');
  expect(await Promise.race([ended, sleep(2_000, 'still running')])).toBe('ended');
});

test('nothing is read while nobody listens, and once for all who do', async () => {
  let reads = 0;
  const source = { name: 'counted', panels: ['n'], read: async () => ({ n: ++reads }) };
  const { port, feed } = await running({ pollMs: 100 }, [source]);
  await sleep(300);
  expect(reads).toBe(0);
  const listeners = await Promise.all([listen(port), listen(port), listen(port)]);
  await sleep(1_000);
  expect(reads).toBeGreaterThan(3);
  expect(reads).toBeLessThan(13);
  expect(feed.listeners).toBe(3);
  for (const { events } of listeners) expect(events.length).toBeGreaterThan(2);
  for (const { stop } of listeners) stop();
  await until('nobody listens', () => feed.listeners === 0);
  await sleep(200);
  const before = reads;
  await sleep(400);
  expect(reads).toBe(before);
  const { shows } = await listen(port);
  await shows('n', 'goes on', ({ data }) => data > before + 1);
});

describe('of what changes much and often', () => {
  const SIZE = 500_000;
  const source = () => {
    let number = 0;
    const read = async () => ({ large: { number: ++number, text: 'x'.repeat(SIZE) } });
    return { name: 'large', panels: ['large'], read, made: () => number };
  };
  /** Somebody who listens, and reads nothing until told to. */
  const lazy = (port: number) => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.pause();
    onTestFinished(() => void socket.destroy());
    return socket;
  };

  test('who reads slowly is told the newest only', async () => {
    const large = source();
    const { port, feed } = await running({ pollMs: 10 }, [large]);
    const socket = lazy(port);
    await until('it listens', () => feed.listeners === 1);
    await until('much was made', () => large.made() > 60);
    const madeBefore = large.made();
    const numbers: number[] = [];
    let received = 0;
    let text = '';
    socket.on('data', (chunk) => {
      received += chunk.length;
      text += chunk.toString('latin1');
      for (const [, number] of text.matchAll(/"number":(\d+),/g)) numbers.push(Number(number));
      text = text.slice(-20);
      if ((numbers.at(-1) ?? 0) > madeBefore) socket.pause();
    });
    socket.resume();
    await until('the newest has come', () => (numbers.at(-1) ?? 0) > madeBefore);
    // What the system held for it, and one batch of ours: far from all there was.
    expect(received).toBeLessThan((madeBefore * SIZE) / 2);
    expect(numbers.length).toBeLessThan(madeBefore / 2);
    expect(feed.listeners).toBe(1);
  });

  test('who reads nothing is sent away, and nobody else', async () => {
    const { port, feed } = await running({ pollMs: 10, stallMs: 500, heartbeatMs: 50 }, [source()]);
    const quick = await listen(port);
    lazy(port);
    await until('both listen', () => feed.listeners === 2);
    await until('one is sent away', () => feed.listeners === 1);
    expect(quick.isOver()).toBe(false);
    const before = quick.events.length;
    await until('the other hears on', () => quick.events.length > before + 3);
  });
});

test('a database that is away is said to be, and so is its return', async () => {
  const { port } = await running({ answerMs: 700 });
  const { shows, latest } = await listen(port);
  await shows('alerts', 'shown', ({ state }) => state === 'ok');
  const before = latest('alerts').data;
  await postgres.stopServer();
  await shows('alerts', 'away', ({ state }) => state === 'away');
  await shows('rates', 'away', ({ state }) => state === 'away');
  const { since, data } = latest('alerts');
  expect(Math.abs(Date.now() - since)).toBeLessThan(15_000);
  expect(data).toEqual(before);
  // Somebody who comes now is told the same.
  const late = await listen(port);
  await late.shows('alerts', 'away too', ({ state }) => state === 'away');
  expect(late.latest('alerts')).toEqual(latest('alerts'));
  await postgres.startServer();
  await shows('alerts', 'back', ({ state }) => state === 'ok');
  await shows('rates', 'back', ({ state }) => state === 'ok');

  // One that keeps connections and says nothing.
  postgres.freeze();
  await shows('alerts', 'silent', ({ state }) => state === 'away');
  postgres.thaw();
  await shows('alerts', 'speaks again', ({ state }) => state === 'ok');
});

describe('the command', () => {
  const env = (added: Record<string, string> = {}) => environment(added);

  test.each([
    [
      ['--host', '0.0.0.0'],
      {},
      /--host 0\.0\.0\.0 shows .* set TEMPORAL_CEP_CONSOLE_TOKEN to a token of 16/,
    ],
    [
      [],
      { TEMPORAL_CEP_CONSOLE_TOKEN: 'too short' },
      /TEMPORAL_CEP_CONSOLE_TOKEN must have at least 16/,
    ],
    [['--ui-url', 'javascript:alert(1)'], {}, /Write an address such as http:\/\/localhost:8233/],
  ])('%s %s', async (args, added, line) => {
    const database = ['--database', postgres.url];
    const { code, stdout, stderr } = await run(['console', ...database, ...args], {
      env: env(added),
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^temporal-cep: .+\n$/);
    expect(stderr).toMatch(line);
  });

  test('serves until Ctrl-C, with pages that listen', async () => {
    const args = ['console', '--port', '0', '--database', postgres.url, '--namespace', 'shop 1'];
    const added = { TEMPORAL_CEP_KEY_SECRET: 'a secret of 16 characters' };
    const command = start([...args, '--ui-url', 'https://ui.example/'], { env: env(added) });
    await command.says(/The console is at http:\/\/127\.0\.0\.1:\d+\/; Ctrl-C/);
    const port = Number(/:(\d+)\//.exec(command.stderr())?.[1]);
    const { shows, latest, isOver } = await listen(port);
    await shows('alerts', 'shown', ({ state }) => state === 'ok');
    expect(latest('alerts').data[0].session).toMatch(
      /^https:\/\/ui\.example\/namespaces\/shop%201\/workflows\/shopping%2F[0-9a-f]{64}$/,
    );
    // The port is taken now.
    const second = await run([...args.slice(0, 2), `${port}`, ...args.slice(3)], { env: env() });
    expect(second.stderr).toMatch(/^temporal-cep: the console cannot be served at .*--port\n$/);
    expect(second.code).toBe(1);
    process.kill(command.pid, 'SIGINT');
    const { code, stderr } = await command.ended;
    expect(code).toBe(0);
    expect(stderr.split('\n').slice(1)).toEqual(['Stopping (once more to stop at once)', '']);
    await until('the page is told', isOver);
  });
});
