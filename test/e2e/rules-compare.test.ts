// A rule in the shadow beside the one that it may replace, by what the ledger has recorded of both.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Alert } from '../../src/rules/rule.js';
import { sqlAlertLedger } from '../../src/store/alert-ledger.js';
import { openStore } from '../../src/store/store.js';
import { startPostgres } from '../support/postgres.js';
import { environment, run } from './support/cli.js';

let server: Awaited<ReturnType<typeof startPostgres>>;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.stop());

const alert = (rule: string, at: number, price: number, shadow = false): Alert => ({
  id: `${rule} ${at}`,
  journey: 'carts',
  rule,
  ruleVersion: 1,
  key: 'k',
  userId: null,
  userSession: 'k',
  type: 'LEFT',
  message: `a cart of ${price}`,
  at,
  match: { cart: [{ price }] },
  ...(shadow && { shadow: true }),
});

test('what both have found, what only one has, since a time', async () => {
  const store = await openStore(server.url, { migrate: true });
  await sqlAlertLedger(store.database).record([
    alert('carts', 1_000, 900),
    alert('carts', 2_000, 250),
    alert('carts', 3_000, 300),
    alert('carts-next', 2_000, 250, true),
    alert('carts-next', 2_500, 150, true),
    alert('other', 2_500, 150),
  ]);
  await store.close();
  const env = environment({ TEMPORAL_CEP_DATABASE: server.url });
  const compare = ['rules', 'compare', 'carts', 'carts-next', '--since', '1500'];
  const { code, stdout, stderr } = await run(compare, { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trim().split('\n')).toEqual([
    '1 alert by both, 1 only by carts, 1 only by carts-next',
    'only by carts, such as',
    '  1970-01-01T00:00:03.000Z LEFT of k: a cart of 300',
    'only by carts-next, such as',
    '  1970-01-01T00:00:02.500Z LEFT of k: a cart of 150',
  ]);
  const json = JSON.parse((await run([...compare, '--json'], { env })).stdout);
  expect(json).toMatchObject({ both: 1, onlyNew: [{ at: 2_500, shadow: true }] });
  const wrong = await run(['rules', 'compare', 'a', 'b', '--since', 'yesterday'], { env });
  expect(wrong.stderr).toContain("'yesterday' is invalid. Write a time such as");
});
