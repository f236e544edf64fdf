// The discoverer over each database: what is in force after each change of a table, and that whatever is wrong with a row, a table or
// the database leaves the rest as it was.

import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { LogAttributes } from '../../src/log.js';
import { type DiscovererOptions, RuleDiscoverer } from '../../src/rule-store/discover.js';
import type { RuleRevision } from '../../src/rules/revision.js';
import * as ruleSet from '../../src/rules/rule-set.js';
import { ENGINES, SERVERS } from '../support/engines.js';
import { FIVE, flinkRow, flinkTable, patternOf, rule } from './support/rules.js';
import { type TestRules, useRules } from './support/store.js';

const DYNAMIC = JSON.parse(
  readFileSync(new URL('../rules/dynamic-cep.json', import.meta.url), 'utf8'),
) as Record<'leave' | 'hesitate', object>;

interface Discovering {
  readonly discoverer: RuleDiscoverer;
  readonly first: RuleRevision;
  readonly revisions: RuleRevision[];
  readonly logged: string[];
  /** Waits for the revision, and says what is in force. */
  until(revision: number): Promise<string[]>;
  /** Waits until so many more polls have ended. */
  polls(count: number): Promise<void>;
}

/** Id, version, mode and the event type that the first stage asks for. */
function inShort({ rules }: RuleRevision): string[] {
  return rules.map(({ row, mode }) => {
    const type = /eventType == '(\w+)'/.exec(JSON.stringify(row.pattern))?.[1] ?? '';
    return `${row.journey}/${row.id} ${row.version} ${mode} ${type}`;
  });
}

async function discover(
  at: TestRules,
  options: Partial<DiscovererOptions> = {},
): Promise<Discovering> {
  const revisions: RuleRevision[] = [];
  const logged: string[] = [];
  const log =
    (level: string) =>
    (message: string, about: LogAttributes = {}) =>
      void logged.push(`${level}: ${message}${about.table ? ` (${about.table})` : ''}`);
  const discoverer = new RuleDiscoverer({
    store: at.store,
    journeys: [],
    pollMs: 30,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    onRevision: (revision) => void revisions.push(revision),
    ...options,
  });
  onTestFinished(() => discoverer.stop());
  const first = await discoverer.start();
  return {
    discoverer,
    first,
    revisions,
    logged,
    until: async (revision) => {
      await expect.poll(() => discoverer.counters.revision, WAIT).toBe(revision);
      await expect.poll(() => revisions.at(-1)?.revision, WAIT).toBe(revision);
      return inShort(revisions.at(-1) as RuleRevision);
    },
    polls: async (count) => {
      const wanted = discoverer.counters.polls + count;
      await expect.poll(() => discoverer.counters.polls, WAIT).toBeGreaterThanOrEqual(wanted);
    },
  };
}

const WAIT = { timeout: 20_000, interval: 10 };

describe.each(ENGINES)('%s', (engine) => {
  const at = useRules(engine);

  test('of the own table, rules that are on or in the shadow are in force', async () => {
    await at.store.append([
      rule('a', { state: 'on' }),
      rule('b', { state: 'shadow', onChange: 'reset', function: 'f' }),
      rule('c', { state: 'off' }),
      rule('d', { pattern: 'not even JSON' }),
    ]);
    const { first, discoverer } = await discover(at);
    expect(first).toEqual({
      revision: 1,
      rules: [
        {
          row: {
            id: 'a',
            version: 1,
            journey: 'shopping',
            pattern: JSON.parse(patternOf('view')),
            onMatch: { alert: 'SEEN' },
          },
          key: 'userSession',
          table: 'cep_rules',
          mode: 'on',
          onChange: 'finish',
        },
        expect.objectContaining({ mode: 'shadow', onChange: 'reset' }),
      ],
    });
    expect(discoverer.counters).toMatchObject({ failures: 0, quarantined: 0, revision: 1 });
    expect(await at.store.newestRevision()).toEqual(first);
  });

  test('each change is a revision, and what changes nothing is none', async () => {
    await at.store.append([rule('a', { state: 'on' })]);
    const { until, polls } = await discover(at);
    await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'ann' }]);
    expect(await until(2)).toEqual(['shopping/a 2 on cart']);
    await at.store.append([{ id: 'a', state: 'shadow', author: 'ann' }]);
    expect(await until(3)).toEqual(['shopping/a 2 shadow cart']);
    await at.store.append([{ id: 'a', author: 'bob', note: 'nothing' }, rule('b')]);
    await polls(3);
    await at.run(
      `update cep_rules set pattern = '${patternOf('love').replaceAll("'", "''")}' where id = 'a'`,
    );
    expect(await until(4)).toEqual(['shopping/a 2 shadow love']);
    await at.store.append([{ id: 'a', state: 'off', author: 'ann' }]);
    expect(await until(5)).toEqual([]);
  });

  test('what stays as it was is not parsed again', async () => {
    await at.store.append([rule('a', { state: 'on' }), rule('b', { state: 'on' })]);
    const parse = vi.spyOn(ruleSet, 'ruleOf');
    onTestFinished(() => parse.mockRestore());
    const { polls, until } = await discover(at);
    await polls(3);
    expect(parse).toHaveBeenCalledTimes(2);
    await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'ann' }]);
    await until(2);
    expect(parse).toHaveBeenCalledTimes(3);
  });

  test("Flink's own tables are read as they are, one for each rule", async () => {
    for (const [i, { id, pattern }] of FIVE.rules.entries()) {
      const table = `rds_demo${i + 1}`;
      await at.run(flinkTable(table));
      await at.run(flinkRow(table, id, 1, patternOf('old'), 'shop.Old'));
      await at.run(flinkRow(table, id, 3, JSON.stringify(pattern), `shop.Notify${i}`));
    }
    const { first, until } = await discover(at, {
      journeys: [{ id: 'shopping', rules: [] }],
      tables: [
        { table: 'rds_demo1', journey: 'shopping' },
        { table: 'rds_demo2', journey: 'shopping', onChange: 'reset' },
        { table: 'rds_demo3', journey: 'shopping' },
        { table: 'rds_demo4', journey: 'pricing', key: 'userId' },
        { table: 'rds_demo5', journey: 'loyalty', key: 'userId' },
      ],
    });
    expect(inShort(first).map((text) => text.split(' ').slice(0, 3).join(' '))).toEqual([
      'loyalty/churn 3 on',
      'pricing/price-sensitivity 3 on',
      'shopping/cart-abandonment 3 on',
      'shopping/cross-sell 3 on',
      'shopping/purchase-intent 3 on',
    ]);
    expect(first.rules[2]).toEqual({
      row: {
        id: 'cart-abandonment',
        version: 3,
        journey: 'shopping',
        function: 'shop.Notify0',
        pattern: (FIVE.rules[0] as { pattern: object }).pattern,
      },
      table: 'rds_demo1',
      mode: 'on',
      onChange: 'finish',
    });
    expect(first.rules.map(({ key, onChange }) => `${key} ${onChange}`)).toEqual([
      'userId finish',
      'userId finish',
      'undefined finish',
      'undefined reset',
      'undefined finish',
    ]);
    // As somebody does it who knows of no versions.
    await at.run(`update rds_demo1 set pattern = replace(pattern, '200.0', '100.0')`);
    await until(2);
    expect(JSON.stringify(await at.store.newestRevision())).toContain('event.price > 100.0');
    await at.run(`delete from rds_demo5 where id = 'churn' and version = 3`);
    expect((await until(3)).map((text) => text.slice(0, 15))).toContain('loyalty/churn 1');
  });

  test("documents of Flink's with conditions of one's own", async () => {
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'leave', 1, JSON.stringify(DYNAMIC.leave), 'coupon'));
    await at.run(flinkRow('flink', 'hesitate', 1, JSON.stringify(DYNAMIC.hesitate), 'mail'));
    const { discoverer } = await discover(at, {
      tables: [{ table: 'flink', journey: 'shopping', key: 'userSession' }],
      effects: ['coupon'],
    });
    expect(await at.store.faults()).toMatchObject([
      {
        table: 'flink',
        id: 'hesitate',
        version: 1,
        code: 'RULE_INVALID',
        path: '$.function',
        message: '$.function: no effect is registered as "mail": name one of coupon',
      },
      {
        id: 'leave',
        code: 'CONDITION_UNKNOWN',
        path: '$.pattern.nodes[1].condition.nestedConditions[1].className',
      },
    ]);
    expect(discoverer.counters).toMatchObject({ quarantined: 2, revision: 1, failures: 0 });
    const other = await discover(at, {
      tables: [{ table: 'flink', journey: 'shopping', key: 'userSession' }],
      classes: { 'shop.rules.WishlistOver': { create: () => () => true } },
    });
    expect(inShort(other.first).map((text) => text.split(' ')[0])).toEqual([
      'shopping/hesitate',
      'shopping/leave',
    ]);
    expect(await at.store.faults()).toEqual([]);
  });

  test('of a version that is there twice nobody can say which is meant', async () => {
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'a', 2, patternOf('view')));
    await at.run(flinkRow('flink', 'a', 2, patternOf('view')));
    await at.run(flinkRow('flink', 'b', 2, patternOf('view')));
    await at.run(flinkRow('flink', 'b', 2, patternOf('cart')));
    await at.run(flinkRow('flink', 'b', 1, patternOf('cart')));
    await at.run(`insert into flink (id, pattern) values ('c', '{}')`);
    await at.run(`insert into flink (version, pattern) values (1, '{}')`);
    const { first } = await discover(at, {
      tables: [{ table: 'flink', journey: 'shopping', key: 'k' }],
    });
    expect(inShort(first)).toEqual(['shopping/a 2 on view']);
    expect((await at.store.faults()).map(({ id, message }) => `${id}: ${message}`)).toEqual([
      ': $.id: it is empty: give it a value',
      'b: $.version: version 2 is there twice and the two differ: delete one of them, or raise the version of the one that is meant',
      'c: $.version: it is empty: give it a value',
    ]);
  });

  test('a bad row leaves its rule as it was, and the others run on', async () => {
    await at.store.append([rule('a', { state: 'on' }), rule('b', { state: 'on' })]);
    const { until, discoverer, logged } = await discover(at);
    await at.store.append([
      { id: 'a', pattern: '{"nodes": [', author: 'ann' },
      { id: 'b', pattern: patternOf('cart'), author: 'ann' },
    ]);
    expect(await until(2)).toEqual(['shopping/a 1 on view', 'shopping/b 2 on cart']);
    await expect.poll(() => discoverer.counters.quarantined, WAIT).toBe(1);
    await expect
      .poll(() => at.store.faults(), WAIT)
      .toMatchObject([
        { table: 'cep_rules', id: 'a', version: 2, code: 'DOCUMENT_INVALID', path: '$.pattern' },
      ]);
    expect(logged).toContain('warn: A row of a rule table cannot be used (cep_rules)');
    // Whoever comes now knows the last good one from the revision.
    const second = await discover(at);
    expect(inShort(second.first)).toEqual(['shopping/a 1 on view', 'shopping/b 2 on cart']);
    await at.store.append([{ id: 'a', pattern: patternOf('love'), author: 'ann' }]);
    expect(await until(3)).toEqual(['shopping/a 3 on love', 'shopping/b 2 on cart']);
    await expect.poll(() => at.store.faults(), WAIT).toEqual([]);
    // One that never was good is not in force.
    await at.store.append([rule('c', { state: 'on', pattern: '{}' })]);
    await expect.poll(() => discoverer.counters.quarantined, WAIT).toBe(1);
    expect(discoverer.counters.revision).toBe(3);
    await at.store.append([{ id: 'c', state: 'off', author: 'ann' }]);
    await expect.poll(() => at.store.faults(), WAIT).toEqual([]);
  });

  test('what is wrong between rows is said of the later one', async () => {
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'a', 1, patternOf('cart')));
    await at.run(flinkRow('flink', 'z', 1, patternOf('cart')));
    await at.store.append([
      rule('a', { state: 'on' }),
      rule('b', { state: 'on', key: 'userId' }),
      rule('c', { state: 'on', journey: 'none', key: null }),
      rule('d', { state: 'on', journey: 'no good', key: 'x' }),
      rule('e', { state: 'on', onMatch: '{"alert": 7}' }),
      rule('f', { state: 'on', onMatch: '{"alert": "A", "when": "match.first["}' }),
      rule('g', { state: 'on', journey: 'known', key: 'other' }),
      rule('h', { state: 'on', pattern: '"text"' }),
    ]);
    const { first } = await discover(at, {
      journeys: [{ id: 'known', rules: [] }],
      tables: [{ table: 'flink', journey: 'shopping', key: 'userSession' }],
    });
    expect(inShort(first)).toEqual([
      'known/g 1 on view',
      'shopping/a 1 on view',
      'shopping/z 1 on cart',
    ]);
    expect(first.rules[0]?.key).toBeUndefined();
    expect(
      (await at.store.faults()).map(({ table, id, path, message }) => [
        `${table} ${id}`,
        path,
        message.replace(`${path}: `, ''),
      ]),
    ).toEqual([
      [
        'cep_rules b',
        '$.key',
        'another rule of journey "shopping" has the key "userSession", and a journey has one: write that',
      ],
      [
        'cep_rules c',
        '$.journey',
        'no journey is called "none": name one of known, or give the row a key, the field of events that says whose they are',
      ],
      ['cep_rules d', '$.journey', '"no good": use letters, digits, "-", "_" and "." only'],
      ['cep_rules e', '$.onMatch.alert', expect.stringContaining('expected string')],
      ['cep_rules f', '$.onMatch.when', expect.any(String)],
      ['cep_rules h', '$.pattern', 'a pattern document was expected, and this is a text in quotes'],
      [
        'flink a',
        '$.id',
        'the table cep_rules has a rule of that id for journey "shopping": rename one',
      ],
    ]);
  });

  test('a rule that the journeys module has too is not in force a second time', async () => {
    const journeys = [{ id: 'shopping', rules: [{ id: 'a' }] }];
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'old', 1, patternOf('view')));
    await at.store.append([rule('a', { state: 'on' }), rule('b', { state: 'on' })]);
    // The table had it first: whoever knows the module takes it out of force.
    const tables = [{ table: 'flink', journey: 'shopping', key: 'userSession' }];
    const { first: before, discoverer } = await discover(at, { tables });
    expect(inShort(before)).toHaveLength(3);
    await discoverer.stop();
    const { first, until } = await discover(at, { journeys, tables });
    expect(inShort(first)).toEqual(['shopping/b 1 on view', 'shopping/old 1 on view']);
    expect(await at.store.faults()).toMatchObject([
      {
        table: 'cep_rules',
        id: 'a',
        code: 'RULE_INVALID',
        path: '$.id',
        message:
          '$.id: the journeys module has a rule of that id for journey "shopping": take it out there, or rename this one',
      },
    ]);
    // Off, or another journey's, it is in nobody's way.
    await at.store.append([{ id: 'a', journey: 'other', author: 'ann' }]);
    expect(await until(3)).toContain('other/a 2 on view');
    await expect.poll(() => at.store.faults(), WAIT).toEqual([]);
    await at.store.append([{ id: 'a', journey: 'shopping', state: 'off', author: 'ann' }]);
    await until(4);
    expect(await at.store.faults()).toEqual([]);
    // Nor is one that a table brought which nobody reads any more.
    const { first: last, logged } = await discover(at, {
      journeys: [{ id: 'shopping', rules: [{ id: 'a' }, { id: 'old' }] }],
    });
    expect(inShort(last)).toEqual(['shopping/b 1 on view']);
    expect(logged.filter((line) => line.startsWith('warn'))).toEqual([
      'warn: A rule of a table that is not read here is out of force: the journeys module or the table of rules has one of that id (flink)',
    ]);
  });

  test("a row that is copied from a table of Flink's takes its place, whoever still reads that", async () => {
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'a', 1, patternOf('view'), 'coupon'));
    const tables = [{ table: 'flink', journey: 'shopping', key: 'userSession' }];
    const before = await discover(at, { tables });
    const { first, until, logged } = await discover(at);
    expect(first.rules.map(({ table }) => table)).toEqual(['flink']);
    await before.discoverer.stop();
    await at.store.append([rule('a', { state: 'on', function: 'coupon', onMatch: null })]);
    expect(await until(2)).toEqual(['shopping/a 1 on view']);
    expect((await at.store.newestRevision())?.rules.map(({ table }) => table)).toEqual([
      'cep_rules',
    ]);
    expect(logged.filter((line) => line.startsWith('warn'))).toEqual([
      'warn: A rule of a table that is not read here is out of force: the journeys module or the table of rules has one of that id (flink)',
    ]);
    // Who reads both says the same, and what is wrong with the row.
    const after = await discover(at, { tables });
    expect(after.first.revision).toBe(2);
    expect((await at.store.faults()).map(({ table, id }) => `${table} ${id}`)).toEqual(['flink a']);
    await at.store.append([{ id: 'a', state: 'off', author: 'ann' }]);
    await expect
      .poll(async () => (await at.store.newestRevision())?.rules.map(({ table }) => table), WAIT)
      .toEqual(['flink']);
  });

  test('of two tables that different ingestors read, the one that brought an id first has it', async () => {
    for (const name of ['one', 'two']) await at.run(flinkTable(name));
    await at.run(flinkRow('one', 'a', 1, patternOf('view')));
    await at.run(flinkRow('two', 'a', 1, patternOf('view')));
    await at.run(flinkRow('two', 'b', 1, patternOf('cart')));
    const of = (table: string) => [{ table, journey: 'shopping', key: 'userSession' }];
    const one = await discover(at, { tables: of('one') });
    const two = await discover(at, { tables: of('two') });
    const inForce = async () =>
      (await at.store.newestRevision())?.rules.map(({ row, table }) => `${table} ${row.id}`);
    expect(await inForce()).toEqual(['one a', 'two b']);
    expect((await at.store.faults()).map(({ table, message }) => `${table} ${message}`)).toEqual([
      'two $.id: the table one, which another ingestor reads or has read, has a rule of that id for journey "shopping": rename this one, or delete that one while an ingestor reads it',
    ]);
    await two.polls(3);
    expect(two.discoverer.counters.revision).toBe(2);
    // As the remedy has it: the row that gave way need not change.
    await at.run(`delete from one where id = 'a'`);
    await expect.poll(inForce, WAIT).toEqual(['two a', 'two b']);
    await expect.poll(() => at.store.faults(), WAIT).toEqual([]);
    const { revision } = one.discoverer.counters;
    await one.polls(3);
    expect(one.discoverer.counters.revision - revision).toBeLessThanOrEqual(1);
  });

  test('a table is empty when it was found so twice', async () => {
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'a', 1, patternOf('view')));
    await at.store.append([rule('b', { state: 'on' })]);
    const { until, discoverer } = await discover(at, {
      tables: [{ table: 'flink', journey: 'shopping', key: 'userSession' }],
    });
    await at.run('delete from flink');
    expect(await until(2)).toEqual(['shopping/b 1 on view']);
    await at.run('delete from cep_rules');
    expect(await until(3)).toEqual([]);
    expect(discoverer.counters.failures).toBe(0);
    await at.run(flinkRow('flink', 'a', 1, patternOf('cart')));
    expect(await until(4)).toEqual(['shopping/a 1 on cart']);
  });

  test('a table that is found empty once is not', async () => {
    await at.store.append([rule('b', { state: 'on' })]);
    const list = at.store.list;
    let empty = 0;
    const store = {
      ...at.store,
      list: async () => {
        if (empty === 0) return await list();
        empty -= 1;
        return [];
      },
    };
    const { polls, discoverer } = await discover(at, { store });
    empty = 1;
    await polls(4);
    expect(discoverer.counters.revision).toBe(1);
    await discoverer.stop();
    // Nor by who has just begun.
    empty = 1;
    expect((await discover(at, { store })).first.revision).toBe(1);
  });

  test('a table that is not there leaves its rules as they are', async () => {
    const tables = [{ table: 'flink', journey: 'shopping', key: 'userSession' }];
    await expect(discover(at, { tables })).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message: expect.stringMatching(
        /^the rules of flink in .* can't be read \(.*flink.*\): correct the name of the table, or make it$/,
      ),
    });
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'a', 1, patternOf('view')));
    const { until, polls, discoverer, logged } = await discover(at, { tables });
    await at.run('drop table flink');
    await expect.poll(() => discoverer.counters.failures, WAIT).toBeGreaterThan(2);
    await at.store.append([rule('b', { state: 'on' })]);
    expect(await until(2)).toEqual(['shopping/a 1 on view', 'shopping/b 1 on view']);
    const since = discoverer.counters.lastSuccessAt ?? 0;
    await polls(2);
    expect(discoverer.counters.lastSuccessAt).toBe(since);
    // Whoever begins now takes what is in force.
    const second = await discover(at, { tables });
    expect(inShort(second.first)).toEqual(['shopping/a 1 on view', 'shopping/b 1 on view']);
    await at.run(flinkTable('flink'));
    await at.run(flinkRow('flink', 'a', 1, patternOf('cart')));
    expect(await until(3)).toEqual(['shopping/a 1 on cart', 'shopping/b 1 on view']);
    const of = (word: string) => logged.filter((line) => line.includes(word));
    expect(of('cannot be read')).toEqual([
      'error: A rule table cannot be read: its rules stay as they are (flink)',
    ]);
    expect(of('again')).toEqual(['info: A rule table can be read again (flink)']);
  });

  test('a revision that the database has lost is written again, and the next one follows it', async () => {
    await at.store.append([rule('a', { state: 'on' })]);
    const { until, revisions, logged } = await discover(at);
    await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'ann' }]);
    await until(2);
    // As a server does that takes the place of one which had not handed everything on to it.
    await at.run('delete from cep_rule_revisions where revision = 2');
    await expect.poll(() => at.store.newestRevision(), WAIT).toEqual(revisions.at(-1));
    await at.store.append([{ id: 'a', pattern: patternOf('love'), author: 'ann' }]);
    expect(await until(3)).toEqual(['shopping/a 3 on love']);
    expect(logged.filter((line) => line.startsWith('warn'))).toEqual([
      'warn: The rule database has lost the revision in force: it is written again',
    ]);
  });

  test('several find the same, and each has every revision', async () => {
    await at.store.append([rule('a', { state: 'on' })]);
    const [one, two] = [await discover(at), await discover(at, { store: await at.another() })];
    expect([one.first.revision, two.first.revision]).toEqual([1, 1]);
    for (const [i, type] of ['b', 'c', 'd', 'e', 'f'].entries()) {
      await at.store.append([{ id: 'a', pattern: patternOf(type), author: 'ann' }]);
      for (const { until } of [one, two]) {
        expect(await until(i + 2)).toEqual([`shopping/a ${i + 2} on ${type}`]);
      }
    }
    expect((await at.store.newestHead())?.revision).toBe(6);
  });
});

describe.each(SERVERS)('%s', (engine) => {
  const at = useRules(engine);

  test('a locked table leaves its rules as they are, for as long as it takes', async () => {
    await at.store.append([rule('a', { state: 'on' })]);
    const { until, discoverer, logged } = await discover(at);
    const holder = await at.another();
    const isMysql = engine === 'MariaDB';
    await holder.database.db.connection().execute(async (connection) => {
      const run = (text: string) => connection.executeQuery({ sql: text, parameters: [] } as never);
      if (isMysql) await run('lock tables cep_rules write');
      else await run('begin; lock table cep_rules in access exclusive mode');
      await expect.poll(() => discoverer.counters.failures, WAIT).toBeGreaterThan(0);
      expect(discoverer.counters.revision).toBe(1);
      await run(isMysql ? 'unlock tables' : 'commit');
    });
    await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'ann' }]);
    expect(await until(2)).toEqual(['shopping/a 2 on cart']);
    expect(logged.filter((line) => line.includes('cannot be read'))).toHaveLength(1);
  });

  test('a server that goes away and comes back', async () => {
    await at.store.append([rule('a', { state: 'on' })]);
    const { until, discoverer, logged } = await discover(at);
    await at.server.stopServer();
    await expect.poll(() => discoverer.counters.failures, WAIT).toBeGreaterThan(2);
    expect(discoverer.counters.revision).toBe(1);
    await expect(discover(at)).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: expect.stringMatching(/^the rules in .* can't be read \(.+\): start the database/),
    });
    await at.server.startServer();
    await expect.poll(() => logged.at(-1), WAIT).toBe('info: The rule database answers again');
    await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'ann' }]);
    expect(await until(2)).toEqual(['shopping/a 2 on cart']);
    expect(logged.filter((line) => line.includes('did not answer'))).toHaveLength(1);
  });
});
