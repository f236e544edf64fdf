// Where alerts go: a file that has each alert once, over restarts and after half a write, and the console.
// Activities are retried, so a sink sees the same alerts again.

import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { consoleAlerts, fileAlerts, loggedLate } from '../../src/activities/index.js';
import { CepError } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import type { Alert } from '../../src/rules/rule.js';

const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-sinks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newPath = () => join(folder, `${files++}.ndjson`);

function alert(id: string, message = `cart of ${id}`): Alert {
  return {
    id,
    journey: 'shopping',
    rule: 'cart-abandonment',
    ruleVersion: 1,
    key: 'session-1',
    userId: '1',
    userSession: 'session-1',
    type: 'CART_ABANDONMENT',
    message,
    at: Date.UTC(2026, 0, 31, 12),
    match: { cart: [{ productId: '1', name: 'Kaffeemühle ☕' }] },
  };
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n');
const idsIn = (path: string) =>
  linesOf(path)
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as Alert).id);

test('a file gets one JSON line per alert, each id once', async () => {
  const path = newPath();
  const sink = fileAlerts(path);
  await sink.publish([alert('a'), alert('b')]);
  await sink.publish([alert('b'), alert('c')]);
  await Promise.all([sink.publish([alert('d')]), sink.publish([alert('d')])]);
  await sink.publish([]);
  await sink.close?.();
  expect(linesOf(path)).toEqual([
    ...['a', 'b', 'c', 'd'].map((id) => JSON.stringify(alert(id))),
    '',
  ]);
});

test('an id that comes twice in one call is written once', async () => {
  const path = newPath();
  const sink = fileAlerts(path);
  await sink.publish([alert('a'), alert('a')]);
  await sink.close?.();
  expect(idsIn(path)).toEqual(['a']);
});

test('a restarted process writes none that is there', async () => {
  const path = newPath();
  for (const ids of [
    ['a', 'b'],
    ['a', 'b', 'c'],
    ['c', 'd'],
  ]) {
    const sink = fileAlerts(path);
    await sink.publish(ids.map((id) => alert(id)));
    await sink.close?.();
  }
  expect(idsIn(path)).toEqual(['a', 'b', 'c', 'd']);
});

test('half a last line is cut off, and its alert written again whole', async () => {
  // In the middle of a character, too: what is behind the last line's end is bytes, not text.
  const whole = Buffer.from(JSON.stringify(alert('b')));
  for (const length of [1, whole.length - 1, whole.indexOf('☕') + 1]) {
    const path = newPath();
    writeFileSync(path, `${JSON.stringify(alert('a'))}\n`);
    appendFileSync(path, whole.subarray(0, length));
    const sink = fileAlerts(path);
    await sink.publish([alert('a'), alert('b')]);
    await sink.close?.();
    expect(linesOf(path)).toEqual([JSON.stringify(alert('a')), JSON.stringify(alert('b')), '']);
  }
});

test('a file that was only half a line', async () => {
  const path = newPath();
  writeFileSync(path, '{"id":"a"');
  const sink = fileAlerts(path);
  await sink.publish([alert('a')]);
  await sink.close?.();
  expect(idsIn(path)).toEqual(['a']);
});

test('a last line that is whole but for its end is not lost', async () => {
  const path = newPath();
  writeFileSync(path, JSON.stringify(alert('a')));
  const sink = fileAlerts(path);
  await sink.publish([alert('a'), alert('b')]);
  await sink.close?.();
  expect(idsIn(path)).toEqual(['a', 'b']);
});

test('an existing file with blank lines is taken as it is', async () => {
  const path = newPath();
  writeFileSync(path, `${JSON.stringify(alert('a'))}\n\n`);
  const sink = fileAlerts(path);
  await sink.publish([alert('a'), alert('b')]);
  await sink.close?.();
  expect(idsIn(path)).toEqual(['a', 'b']);
});

test('a path that cannot be used is refused when the sink is made, with the remedy', () => {
  const noJson = newPath();
  writeFileSync(noJson, 'id,type\n1,CART\n');
  const noAlerts = newPath();
  writeFileSync(noAlerts, '{"type":"CART"}\n');
  const paths = [join(folder, 'missing', 'alerts.ndjson'), folder, noJson, noAlerts];
  for (const path of paths) {
    let error: unknown;
    try {
      fileAlerts(path);
    } catch (thrown) {
      error = thrown;
    }
    expect(error, path).toBeInstanceOf(CepError);
    expect(error).toMatchObject({ code: 'SETTING_INVALID', details: { path } });
    expect((error as CepError).message).toMatch(
      /^the alerts file .* can't be used \(.+\): name a file this process may write, with one alert per line$/,
    );
  }
  // What is not ours stays as it was.
  expect(readFileSync(noJson, 'utf8')).toBe('id,type\n1,CART\n');
});

test('a write that fails fails the activity, and the next try writes the alert', async () => {
  const path = newPath();
  const sink = fileAlerts(path);
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  await expect(sink.publish([{ ...alert('a'), match: { cart: [cyclic] } }])).rejects.toThrow();
  await sink.publish([alert('a')]);
  await sink.close?.();
  expect(idsIn(path)).toEqual(['a']);
});

test('the console gets a line per alert: time, type, key, message; each id once', async () => {
  const lines: string[] = [];
  const sink = consoleAlerts((line) => lines.push(line));
  await sink.publish([alert('a', 'Product 1 was left in the cart')]);
  await sink.publish([alert('a'), alert('b', 'and product 2')]);
  expect(lines).toEqual([
    '2026-01-31T12:00:00.000Z  CART_ABANDONMENT  session-1  Product 1 was left in the cart',
    '2026-01-31T12:00:00.000Z  CART_ABANDONMENT  session-1  and product 2',
  ]);
});

test('an alert stays one line on the console, whatever its message holds', async () => {
  const lines: string[] = [];
  const sink = consoleAlerts((line) => lines.push(line));
  await sink.publish([alert('a', 'first\nsecond\u001b[2J\tthird')]);
  expect(lines).toEqual([
    '2026-01-31T12:00:00.000Z  CART_ABANDONMENT  session-1  first second [2J third',
  ]);
});

test('late events are logged with their coordinates', async () => {
  const logged: [string, unknown][] = [];
  const log = {
    warn: (message: string, attributes: unknown) => logged.push([message, attributes]),
  };
  const event = { timestamp: 5, source: 'file:a', partition: 0, offset: 7, data: {} };
  const late = loggedLate(log as unknown as Logger);
  await late.publish({ journey: 'shopping', key: '1' }, [event], 'LATE_FOR_SESSION');
  expect(logged).toEqual([
    [
      'event not taken',
      {
        reason: 'it came too late for the session',
        journey: 'shopping',
        key: '1',
        event: 'file:a/0/7',
        timestamp: 5,
      },
    ],
  ]);
});
