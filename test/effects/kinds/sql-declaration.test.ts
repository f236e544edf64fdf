// What is wrong with a declaration of the kind `sql`, found before there is a database.

import { expect, test } from 'vitest';
import { faultOf, senderOf } from './support/delivery.js';

const send = { kind: 'sql', database: { env: 'DB' }, table: 'coupons', columns: {} };
const faultIn = (more: object, url = 'postgres://me:s3cret@db/shop') =>
  faultOf(() => senderOf({ ...send, ...more }, { DB: url })).message;

test('each fault is said with its path', () => {
  expect(faultIn({}, 'oracle://me:s3cret@db')).toBe(
    '$.effects.remind.send.database: DB is no address of a database: write postgres://user:password@host:5432/database, or mysql://',
  );
  expect(faultIn({ table: 'a.b.c' })).toBe(
    '$.effects.remind.send.table: write table, or schema.table',
  );
  expect(faultIn({ columns: { id: 'x' } })).toBe(
    '$.effects.remind.send.columns.id: this column holds the id of the effect: leave it out',
  );
  expect(faultIn({ columns: { a: '{{ x | nope }}' } })).toBe(
    '$.effects.remind.send.columns.a: undefined filter: nope (line 1, column 1): correct the template',
  );
  expect(faultIn({ columns: { a: {} } })).toBe(
    '$.effects.remind.send.columns.a: write a template, a number, true, false or null',
  );
});
