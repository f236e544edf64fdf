// The ledger in SQL: each alert once, each effect once, whoever repeats what and whatever is in the text.

import { describe, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { sqlAlertLedger } from '../../src/store/alert-ledger.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import { ENGINES, useDatabase } from './support/database.js';

function alert(id: string, rest: Partial<Alert> = {}): Alert {
  return {
    id,
    journey: 'abandonment',
    rule: 'cart',
    ruleVersion: 1,
    key: 'u1',
    userId: 'u1',
    userSession: null,
    type: 'CART_ABANDONMENT',
    message: `cart ${id}`,
    at: 1_700_000_000_000,
    match: { cart: [{ productId: 7, price: 1.5 }] },
    ...rest,
  };
}

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);
  const open = () => sqlAlertLedger(at.database);
  const alerts = () => at.database.db.selectFrom('cep_alerts').selectAll().orderBy('id').execute();

  test('keeps an alert as it is, and says so until it has reached the sink', async () => {
    const ledger = open();
    const [a, b, c] = [
      alert('c'),
      alert('a', { at: MAX_TIMESTAMP, shadow: true }),
      alert('b', { userId: null, timedOut: true }),
    ];
    expect(await ledger.record([])).toEqual([]);
    expect(await ledger.record([a, b])).toEqual([a, b]);
    // What is there already stays; what has not reached the sink is handed out again, as it came.
    const other = alert('c', { message: 'other' });
    expect(await ledger.record([c, other, c])).toEqual([c, other]);
    await ledger.published([]);
    await ledger.published(['c', 'a', 'unknown']);
    const [first] = await alerts();
    await ledger.published(['a']);
    expect(await ledger.record([a, b, c])).toEqual([c]);

    const rows = await alerts();
    expect(rows[0]).toEqual(first);
    expect(rows.map(({ recorded_at, published_at, ...row }) => row)).toEqual(
      [b, c, a].map(({ userId, userSession, ruleVersion, timedOut, ...row }) => ({
        ...row,
        rule_version: ruleVersion,
        user_id: userId,
        user_session: userSession,
        shadow: row.shadow ?? false,
        timed_out: timedOut ?? false,
      })),
    );
    const now = new Date();
    expect(rows.map(({ published_at }) => published_at)).toEqual([
      expect.any(Date),
      null,
      expect.any(Date),
    ]);
    for (const { recorded_at } of rows) {
      expect(Math.abs(recorded_at.getTime() - now.getTime())).toBeLessThan(60_000);
    }
  });

  test('takes the same alerts from several at once', async () => {
    const ledger = open();
    const some = Array.from({ length: 300 }, (_, i) => alert(`id ${(i * 7919) % 300}`));
    const answers = await Promise.all(
      [some, [...some].reverse(), some.slice(100), some].map((part) => ledger.record(part)),
    );
    expect(answers).toEqual([some, [...some].reverse(), some.slice(100), some]);
    expect((await alerts()).length).toBe(300);
    await Promise.all([
      ledger.published(some.map(({ id }) => id)),
      ledger.published([...some].reverse().map(({ id }) => id)),
      ledger.record(some),
    ]);
    expect(await ledger.record(some)).toEqual([]);
  });

  test('takes 20,000 alerts at once', async () => {
    const ledger = open();
    const many = Array.from({ length: 20_000 }, (_, i) => alert(`id ${i}`));
    expect(await ledger.record(many)).toEqual(many);
    await ledger.published(many.slice(1).map(({ id }) => id));
    expect(await ledger.record(many)).toEqual([many[0]]);
    expect((await alerts()).length).toBe(20_000);
  });

  test('takes text that PostgreSQL refuses', async () => {
    const ledger = open();
    const nul = 'a\0b';
    const half = 'a\ud83db';
    const odd = alert(nul, {
      key: nul,
      userId: half,
      userSession: nul,
      message: `${half} and ${nul}`,
      match: {
        [nul]: [{ [half]: nul, path: 'c:\\u0000', emoji: '😀', low: '\udc00', quote: '"\n' }],
      },
    });
    expect(await ledger.record([odd])).toEqual([odd]);
    expect(await ledger.record([odd])).toEqual([odd]);
    const [row] = await alerts();
    expect(row).toMatchObject({
      id: 'a\ufffdb',
      key: 'a\ufffdb',
      user_id: 'a\ufffdb',
      user_session: 'a\ufffdb',
      message: 'a\ufffdb and a\ufffdb',
    });
    expect(row?.match).toEqual({
      'a\ufffdb': [
        { 'a\ufffdb': 'a\ufffdb', path: 'c:\\u0000', emoji: '😀', low: '\ufffd', quote: '"\n' },
      ],
    });
    await ledger.published([nul]);
    expect(await ledger.record([odd])).toEqual([]);
  });

  test('takes a key that is longer than an index entry', async () => {
    // Random, because what can be compressed would fit.
    const key = Array.from({ length: 20_000 }, () => Math.random().toString(36)[2]).join('');
    const long = alert('a', { key });
    expect(await open().record([long])).toEqual([long]);
    const { db } = at.database;
    const found = await db.selectFrom('cep_alerts').select('id').where('key', '=', key).execute();
    expect(found).toEqual([{ id: 'a' }]);
  });
});
