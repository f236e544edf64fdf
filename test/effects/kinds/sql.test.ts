// Rows in real databases, PostgreSQL and MariaDB: one per effect however often it is tried, and what each fault leads to.

import { sql as query } from 'kysely';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openSqlDatabase, type SqlDatabase } from '../../../src/store/sql-database.js';
import { startMariadb } from '../../support/mariadb.js';
import { startPostgres } from '../../support/postgres.js';
import { alert, delivery, failureOf, senderOf } from './support/delivery.js';

interface Server {
  readonly url: string;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

const columns = { user_id: '{{ user.id }}', said: '{{ alert.message }}', price: 19.9, seen: null };

for (const [name, start] of [
  ['PostgreSQL', () => startPostgres({ isOwnAndDurable: true })],
  ['MariaDB', startMariadb],
] as const) {
  describe(name, () => {
    let server: Server;
    let database: SqlDatabase<unknown>;
    beforeAll(async () => {
      server = await start();
      database = await openSqlDatabase(server.url);
    });
    afterAll(async () => {
      await database?.close();
      await server?.stop();
    });

    const run = async (text: string) => (await query.raw(text).execute(database.db)).rows;
    /** A table of its own for a test. */
    async function table(key = 'unique'): Promise<string> {
      const made = `t${Math.random().toString(36).slice(2)}`;
      await run(
        `create table ${made} (id varchar(100) ${key}, user_id varchar(10) not null, said varchar(100), price numeric(6,2), seen int)`,
      );
      return made;
    }
    function writing(into: string, more: object = {}, url = server.url) {
      const send = { kind: 'sql', database: { env: 'DB' }, table: into, columns, ...more };
      const sender = senderOf(send, { DB: url });
      onTestFinished(() => sender.close?.());
      return sender;
    }

    test('one row, however often it is tried', async () => {
      const into = await table();
      const sender = writing(into);
      expect(sender.isIdempotent).toBe(true);
      expect(await sender.send(delivery())).toEqual({ row: 'written' });
      expect(await sender.send(delivery({ attempt: 2 }))).toEqual({ row: 'there already' });
      // By a worker of its own.
      expect(await writing(into).send(delivery({ attempt: 3 }))).toEqual({ row: 'there already' });
      const rows = (await run(`select * from ${into}`)) as { price: unknown }[];
      expect(rows.map((row) => ({ ...row, price: Number(row.price) }))).toEqual([
        { id: 'a1b2/remind', user_id: 'u1', said: alert.message, price: 19.9, seen: null },
      ]);
    });

    test('at the same time, too', async () => {
      const into = await table();
      const tries = Array.from({ length: 8 }, () => writing(into).send(delivery()));
      const answers = (await Promise.all(tries)).map(({ row }) => row);
      expect(answers.filter((row) => row === 'written')).toHaveLength(1);
      expect(await run(`select id from ${into}`)).toHaveLength(1);
    });

    test('values are values, and names are names', async () => {
      const into = await table();
      const evil = "'); drop table x; -- \\' ` \" é\n";
      const more = { columns: { user_id: 'u', said: '{{ alert.message }}' } };
      await writing(into, more).send(delivery({ alert: { ...alert, message: evil } }));
      expect(await run(`select said from ${into}`)).toEqual([{ said: evil }]);
      const odd = { columns: { user_id: 'u', 'said") values (1); --`': 'x' } };
      expect(await failureOf(writing(into, odd).send(delivery()))).toMatchObject({
        is: 'not-sent',
      });
    });

    test('the column of the id may be called otherwise, and has to be unique', async () => {
      const into = await table('');
      await run(`alter table ${into} add effect_id varchar(100) unique`);
      expect(await writing(into, { id: 'effect_id' }).send(delivery())).toEqual({ row: 'written' });
      const failure = await failureOf(writing(into).send(delivery()));
      expect(failure).toMatchObject({ is: 'not-sent' });
      expect(failure.message).toMatch(/unique/);
      expect(await run(`select 1 from ${into}`)).toHaveLength(1);
    });

    test('faults of the values refuse it, faults of the table do not', async () => {
      const into = await table();
      await run(`alter table ${into} add other varchar(10) unique`);
      const outcome = async (more: object, of = into) =>
        (await failureOf(writing(of, more).send(delivery()))).is;
      expect(await outcome({ columns: { user_id: null } })).toBe('refused');
      expect(await outcome({ columns: { user_id: 'far too long a name' } })).toBe('refused');
      expect(await outcome({ columns: { user_id: 'u', seen: 'many' } })).toBe('refused');
      expect(await outcome({ columns: { said: 'x' } })).toBe('refused');
      expect(await outcome({ columns: { user_id: '{{ nope }}' } })).toBe('refused');
      expect(await outcome({ columns: { user_id: 'u', none: 'x' } })).toBe('not-sent');
      expect(await outcome({}, 'no_such_table')).toBe('not-sent');
      expect(await run(`select 1 from ${into}`)).toEqual([]);
      // Another unique column is no repetition.
      await run(`insert into ${into} (id, user_id, other) values ('before', 'u', 'taken')`);
      expect(await outcome({ columns: { user_id: 'u', other: 'taken' } })).toBe('refused');
    });

    test('a preview has the row', async () => {
      expect(writing('coupons').preview(delivery())).toBe(
        `insert into coupons\n  id: "a1b2/remind"\n  user_id: "u1"\n  said: ${JSON.stringify(alert.message)}\n  price: 19.9\n  seen: null`,
      );
    });

    test('a server that hangs leaves it unknown; one that is down has not got it', async () => {
      const into = await table();
      const sender = writing(into);
      await sender.send(delivery());
      const next = delivery({ timeoutMs: 500 });
      const other = { ...next, effect: { ...next.effect, id: 'c3/remind' } };
      server.freeze();
      try {
        // To MariaDB the first question is about the table.
        const is = name === 'PostgreSQL' ? 'unknown' : 'not-sent';
        expect(await failureOf(sender.send(other))).toMatchObject({ is });
        const fresh = writing(into);
        expect(await failureOf(fresh.send(other))).toMatchObject({ is: 'not-sent' });
      } finally {
        server.thaw();
      }
      await server.stopServer();
      const down = writing(into, {}, server.url.replace(/\/\/\w+@/, '//root:s3cret@'));
      const failure = await failureOf(down.send(other));
      expect(failure).toMatchObject({ is: 'not-sent' });
      expect(failure.all).not.toContain('s3cret');
      await server.startServer();
      expect(await sender.send({ ...other, timeoutMs: 20_000 })).toMatchObject({
        row: expect.stringMatching(/written|there already/),
      });
      expect(await run(`select 1 from ${into}`)).toHaveLength(2);
    });
  });
}
