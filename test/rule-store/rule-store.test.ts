// Rules, their history and revisions in each database: what was written stays, and of two who write at once neither is lost.

import { describe, expect, test } from 'vitest';
import type { RuleInForce } from '../../src/rules/revision.js';
import { ENGINES } from '../support/engines.js';
import { patternOf, rule } from './support/rules.js';
import { useRules } from './support/store.js';

const inForce = (id: string, type = 'view'): RuleInForce => ({
  row: { id, version: 1, journey: 'shopping', pattern: JSON.parse(patternOf(type)) },
  key: 'userSession',
  table: 'cep_rules',
  mode: 'on',
  onChange: 'finish',
});

describe.each(ENGINES)('%s', (engine) => {
  const at = useRules(engine);
  const versions = async (id: string) =>
    (await at.store.history(id)).map(({ change, version, state, author }) => [
      change,
      version,
      state,
      author,
    ]);

  test('a rule has what it was given, and defaults', async () => {
    const [written] = await at.store.append([
      rule('a', {
        function: 'sendCoupon',
        description: 'What is "seen", für alle 🛒',
        note: 'first',
      }),
    ]);
    expect(await at.store.list()).toEqual([written]);
    expect(written).toMatchObject({
      id: 'a',
      change: 1,
      version: 1,
      journey: 'shopping',
      key: 'userSession',
      state: 'draft',
      onChange: 'finish',
      pattern: patternOf('view'),
      function: 'sendCoupon',
      onMatch: '{"alert":"SEEN"}',
      onTimeout: null,
      description: 'What is "seen", für alle 🛒',
      author: 'ann',
      note: 'first',
    });
    expect(written?.hash).toMatch(/^[0-9a-f]{32}$/);
    expect(Math.abs(Date.now() - (written?.changedAt.getTime() ?? 0))).toBeLessThan(60_000);
  });

  test('a version is a content; every change is kept', async () => {
    await at.store.append([rule('a')]);
    await at.store.append([{ id: 'a', state: 'on', author: 'bob' }]);
    await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'bob' }]);
    await at.store.append([
      { id: 'a', pattern: JSON.stringify(JSON.parse(patternOf('cart')), null, 2), author: 'cy' },
    ]);
    await at.store.append([{ id: 'a', pattern: patternOf('view'), version: 7, author: 'cy' }]);
    expect(await versions('a')).toEqual([
      [1, 1, 'draft', 'ann'],
      [2, 1, 'on', 'bob'],
      [3, 2, 'on', 'bob'],
      [4, 2, 'on', 'cy'],
      [5, 7, 'on', 'cy'],
    ]);
    const [first, , , , last] = await at.store.history('a');
    expect(last?.hash).toBe(first?.hash);
    expect(await at.store.list()).toEqual([last]);
    expect(await at.store.history('none')).toEqual([]);
  });

  test('ids differ by case', async () => {
    await at.store.append([rule('a'), rule('A', { pattern: patternOf('cart') })]);
    expect((await at.store.list()).map(({ id }) => id)).toEqual(['A', 'a']);
  });

  test('null takes away', async () => {
    await at.store.append([rule('a', { onTimeout: '{"alert":"GONE"}' })]);
    const [changed] = await at.store.append([{ id: 'a', onTimeout: null, author: 'ann' }]);
    expect(changed).toMatchObject({ version: 2, onTimeout: null, onMatch: '{"alert":"SEEN"}' });
  });

  test('all of several, or none', async () => {
    await expect(
      at.store.append([rule('a'), { id: 'b', state: 'on', author: 'ann' }]),
    ).rejects.toMatchObject({
      code: 'RULE_UNKNOWN',
      message:
        'there is no rule "b": temporal-cep rules list names those there are, rules apply adds one',
    });
    expect(await at.store.list()).toEqual([]);
  });

  test('of two who have seen the same change one is refused', async () => {
    await at.store.append([rule('a')]);
    const other = await at.another();
    const outcomes = await Promise.allSettled([
      at.store.append([{ id: 'a', state: 'on', author: 'bob', expectedChange: 1 }]),
      other.append([{ id: 'a', state: 'off', author: 'cy', expectedChange: 1 }]),
    ]);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(1);
    expect((refused[0] as PromiseRejectedResult).reason).toMatchObject({
      code: 'RULE_CHANGED',
      message: expect.stringMatching(
        /^rule "a" was changed meanwhile by (bob|cy) \(change 2\): look at it with temporal-cep rules diff, and do it again$/,
      ),
    });
    expect(await at.store.history('a')).toHaveLength(2);
  });

  test('of many who write at once none is lost', async () => {
    await at.store.append([rule('a'), rule('b')]);
    const writers = [at.store, await at.another(), await at.another(), await at.another()];
    await Promise.all(
      writers.flatMap((store, w) =>
        [0, 1, 2].map((i) =>
          store.append([
            { id: i % 2 ? 'a' : 'b', author: `w${w}.${i}` },
            { id: i % 2 ? 'b' : 'a', author: `w${w}.${i}` },
          ]),
        ),
      ),
    );
    for (const id of ['a', 'b']) {
      const history = await at.store.history(id);
      expect(history.map(({ change }) => change)).toEqual([...Array(13).keys()].map((i) => i + 1));
      expect(new Set(history.map(({ author }) => author)).size).toBe(13);
    }
  });

  test('a row may be written by hand', async () => {
    await at.run(
      `insert into cep_rules (id, journey, pattern) values ('hand', 'shopping', '{"nodes": 1}')`,
    );
    expect(await at.store.list()).toMatchObject([
      { id: 'hand', change: 1, version: 1, state: 'draft', onChange: 'finish', hash: null },
    ]);
    await expect(
      at.run(
        `insert into cep_rules (id, journey, pattern, state) values ('b', 'shopping', '{}', 'live')`,
      ),
    ).rejects.toThrow(/cep_rules_state/);
  });

  test('a revision is what differs from the one before', async () => {
    expect(await at.store.newestRevision()).toBeNull();
    const first = await at.store.publishRevision([inForce('a')]);
    expect(first).toEqual({ revision: 1, rules: [inForce('a')] });
    expect(await at.store.publishRevision([inForce('a')])).toEqual(first);
    const second = await at.store.publishRevision([inForce('a', 'cart')]);
    expect(second.revision).toBe(2);
    expect(await at.store.newestRevision()).toEqual(second);
    expect(await at.store.revision(1)).toEqual(first);
    expect(await at.store.revision(3)).toBeNull();
    expect(await at.store.newestHead()).toMatchObject({ revision: 2 });
  });

  test('who read before another published publishes nothing', async () => {
    await at.store.publishRevision([inForce('a')]);
    const theirs = await at.store.publishRevision([inForce('b')], 1);
    expect(await at.store.publishRevision([inForce('c')], 1)).toEqual(theirs);
    expect(theirs.revision).toBe(2);
  });

  test('of several processes that find the same, one gives it a number', async () => {
    const processes = [at.store, await at.another(), await at.another(), await at.another()];
    const published = await Promise.all(
      processes.map((store) => store.publishRevision([inForce('a')])),
    );
    expect(published.map(({ revision }) => revision)).toEqual([1, 1, 1, 1]);
    const others = await Promise.all(
      processes.map((store, i) => store.publishRevision([inForce(`r${i}`)])),
    );
    expect(others.map(({ revision }) => revision).sort()).toEqual([2, 3, 4, 5]);
  });

  test('a fault keeps its time while it lasts', async () => {
    const fault = (id: string, message = 'it is no JSON') => ({
      table: 'cep_rules',
      id,
      version: 1,
      code: 'DOCUMENT_INVALID',
      path: '$.pattern',
      message,
    });
    await at.store.setFaults([fault('a'), fault('b')], ['cep_rules']);
    const [before] = await at.store.faults();
    expect(before).toMatchObject({ ...fault('a'), since: expect.any(Date) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await at.store.setFaults(
      [fault('a'), fault('b', 'another'), fault('x'.repeat(300))],
      ['cep_rules'],
    );
    const after = await at.store.faults();
    expect(after.map(({ id }) => id.slice(0, 1))).toEqual(['a', 'b', 'x']);
    expect(after[0]).toEqual(before);
    expect(after[1]?.since.getTime()).toBeGreaterThan(before?.since.getTime() ?? 0);
    await at.store.setFaults([], ['cep_rules']);
    expect(await at.store.faults()).toEqual([]);
  });
});
