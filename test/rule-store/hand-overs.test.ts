// Hand-overs in each database: what excludes what, and when ingestors stand still and go on.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { IngestPause } from '../../src/ingest/pause.js';
import { HandOverWatch } from '../../src/rule-store/hand-over-watch.js';
import { type HandOvers, handOversOf } from '../../src/rule-store/hand-overs.js';
import { revisionReader } from '../../src/rule-store/revision-reader.js';
import type { RuleInForce } from '../../src/rules/revision.js';
import { ENGINES } from '../support/engines.js';
import { until } from '../support/until.js';
import { patternOf, rule } from './support/rules.js';
import { type TestRules, useRules } from './support/store.js';

const SOURCE = 'group/clicks@id';
const log = { debug() {}, info() {}, warn() {}, error() {} };
const start = (handOver: string) => ({ handOver, source: SOURCE, offsets: { 0: 7 } });
const edit = { ...rule('a'), state: 'on' as const };

describe.each(ENGINES)('%s', (engine) => {
  const at = useRules(engine);
  const open = async (id: string): Promise<HandOvers> => {
    const handOvers = handOversOf(at.store);
    await handOvers.begin({ id, source: SOURCE, author: 'ann' });
    return handOvers;
  };

  test('its rules are on, with their start, in the step that ends it', async () => {
    const handOvers = await open('h1');
    expect(await handOvers.beat('h1')).toBe(true);
    expect(await handOvers.open()).toMatchObject([{ id: 'h1', state: 'under-way', beat: 1 }]);
    const [row] = await handOvers.finish('h1', [{ ...edit, start: start('h1') }]);
    expect(row).toMatchObject({ state: 'on', start: JSON.stringify(start('h1')) });
    expect(await handOvers.open()).toMatchObject([{ id: 'h1', state: 'done' }]);
    expect(await handOvers.beat('h1')).toBe(false);
    // Too late to give it up.
    await handOvers.giveUp('h1');
    await handOvers.inForce('h1');
    expect(await handOvers.open()).toEqual([]);
    expect((await handOvers.find('h1'))?.state).toBe('in-force');
  });

  test('one that was given up writes nothing', async () => {
    const handOvers = await open('h1');
    await handOvers.beat('h1');
    // What was seen is not what is: somebody is at it.
    await handOvers.giveUp('h1', 0);
    expect((await handOvers.find('h1'))?.state).toBe('under-way');
    await handOvers.giveUp('h1', 1);
    await expect(handOvers.finish('h1', [edit])).rejects.toMatchObject({ code: 'HAND_OVER_LOST' });
    expect(await at.store.list()).toEqual([]);
  });

  test('a start stays with the content that it was given for', async () => {
    const handOvers = await open('h1');
    await handOvers.finish('h1', [{ ...edit, start: start('h1') }]);
    const [off] = await at.store.append([{ id: 'a', state: 'off', author: 'bob' }]);
    expect(off?.start).toBe(JSON.stringify(start('h1')));
    const [other] = await at.store.append([{ id: 'a', pattern: patternOf('cart'), author: 'bob' }]);
    expect(other?.start).toBe(null);
  });

  test('a preview says what would be written, and writes nothing', async () => {
    await at.store.append([rule('a')]);
    const next = { id: 'a', pattern: patternOf('cart'), author: 'bob' };
    const [preview] = await at.store.preview([next]);
    expect((await at.store.history('a')).map(({ change }) => change)).toEqual([1]);
    const [written] = await at.store.append([next]);
    expect({ ...preview, changedAt: null }).toEqual({ ...written, changedAt: null });
  });

  test('a session is told whether its rules begin, and with which revision', async () => {
    const handOvers = await open('h1');
    const reader = revisionReader(at.store, log);
    expect(await reader.handOver('shopping', 'h1')).toEqual({ isOver: false });
    await handOvers.finish('h1', [{ ...edit, start: start('h1') }]);
    // On, and nobody has given that a number.
    expect(await reader.handOver('shopping', 'h1')).toEqual({ isOver: false });
    const { revision } = await at.store.publishRevision([inForce('h1')]);
    await handOvers.inForce('h1');
    const newestHead = async () => {
      throw new Error('gone');
    };
    // Half an answer would have it drop what it holds.
    const away = revisionReader({ ...at.store, newestHead }, log);
    await expect(away.handOver('shopping', 'h1')).rejects.toThrow('gone');
    expect(await reader.handOver('shopping', 'h1')).toEqual({ revision });
    expect(await reader.handOver('shopping', 'unknown')).toEqual({ isOver: true });
    await open('h2');
    await handOvers.giveUp('h2');
    expect(await reader.handOver('shopping', 'h2')).toEqual({ isOver: true });
  });

  test('an ingestor stands still, says so, and goes on under the rules', async () => {
    const { pause, watch, begun } = watchOf(at);
    await watch.start();
    expect(pause.isPaused).toBe(false);
    const handOvers = await open('h1');
    await until('it stands still', () => pause.isPaused);
    await until('it says so', async () => (await handOvers.pausedPartitions('h1')).size === 2);
    await handOvers.finish('h1', [{ ...edit, start: start('h1') }]);
    await sleep(100);
    expect(pause.isPaused).toBe(true);
    begun.add('h1');
    await until('it goes on', () => !pause.isPaused);
    expect((await handOvers.find('h1'))?.state).toBe('in-force');
    await watch.stop();
  });

  test('each ingestor goes on under its own rules, whoever was the first', async () => {
    const handOvers = await open('h1');
    const [first, second] = [watchOf(at), watchOf(at)];
    for (const { watch } of [first, second]) await watch.start();
    await handOvers.finish('h1', [{ ...edit, start: start('h1') }]);
    first.begun.add('h1');
    await until('one goes on', () => !first.pause.isPaused);
    await sleep(100);
    expect(second.pause.isPaused).toBe(true);
    second.begun.add('h1');
    await until('the other does', () => !second.pause.isPaused);
    await Promise.all([first.watch.stop(), second.watch.stop()]);
  });

  test('one that starts in the middle stands still before it has begun, another topic moves on', async () => {
    await open('h1');
    const { pause, watch } = watchOf(at);
    await watch.start();
    expect(pause.isPaused).toBe(true);
    const other = watchOf(at, 'group/orders');
    await other.watch.start();
    expect(other.pause.isPaused).toBe(false);
    await Promise.all([watch.stop(), other.watch.stop()]);
  });

  test('a hand-over of which nothing is heard is given up; one that beats is not', async () => {
    const handOvers = await open('h1');
    const { pause, watch } = watchOf(at, 'group/clicks', 300);
    await watch.start();
    for (let i = 0; i < 10; i++) {
      await handOvers.beat('h1');
      await sleep(60);
    }
    expect(pause.isPaused).toBe(true);
    await until('it is given up', async () => (await handOvers.find('h1'))?.state === 'given-up');
    await until('it goes on', () => !pause.isPaused);
    await watch.stop();
  });
});

function watchOf({ store }: TestRules, source = 'group/clicks', silentMs = 10_000) {
  const pause = new IngestPause();
  const begun = new Set<string>();
  const watch = new HandOverWatch({
    ...{ store, source, owner: 'me', pause, log, silentMs, pollMs: 20 },
    isInForce: (id) => begun.has(id),
    partitions: () => [0, 1].map((partition) => ({ source: SOURCE, partition })),
  });
  return { pause, watch, begun };
}

function inForce(handOver: string): RuleInForce {
  return {
    row: { id: 'a', version: 1, journey: 'shopping', pattern: JSON.parse(patternOf('view')) },
    ...{ key: 'userSession', table: 'cep_rules', mode: 'on', onChange: 'finish' },
    start: start(handOver),
  };
}
