// The cache: one process fetches, the others wait; a dead holder's lock is taken over; a failed fetch
// leaves nothing. The competitors are real processes.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { cacheFolder, findOrFetch, type Source } from '../../src/servers/cache.js';
import { until } from '../support/until.js';
import { bareEnvironment, script, startFixture, temporaryFolder } from './helpers.js';

// Processes are started here, on machines that may be busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

function source(folder: string, install: Source['install'], more: Partial<Source> = {}): Source {
  return {
    label: `source ${folder}`,
    folder,
    takes: 'no time',
    unavailable: () => null,
    install,
    ...more,
  };
}

function wanted(sources: readonly Source[]) {
  const { env, cache } = bareEnvironment();
  const lines: string[] = [];
  const options = {
    what: 'thing',
    name: 'thing',
    entry: 'run',
    sources,
    tried: [{ step: 'thing on PATH', outcome: 'not there' }],
    remedy: 'Install a thing.',
    env,
    report: (line: string) => void lines.push(line),
  };
  return { options, cache, lines };
}

test('of two processes one installs, the other waits, says so, and takes the result', async () => {
  const { env, cache } = bareEnvironment();
  const log = join(temporaryFolder(), 'installs');
  const both = [1, 2].map(() => startFixture('installer.ts', [log, '2000'], env));
  expect(await Promise.all(both.map(({ exited }) => exited))).toEqual([0, 0]);

  expect(readFileSync(log, 'utf8').trim().split('\n')).toHaveLength(1);
  const said = both.map(({ lines }) => lines.map((line) => JSON.parse(line)));
  for (const lines of said) expect(lines.at(-1)).toEqual({ path: join(cache, 'thing-1', 'run') });
  const waiting = {
    line: expect.stringMatching(/^thing: another process is fetching it; waiting/),
  };
  expect(said.filter((lines) => lines.length === 2)).toEqual([[waiting, expect.anything()]]);
  expect(readdirSync(cache)).toEqual(['thing-1']);
}, 30_000);

test('a process that fetches two things keeps the lock of the one when it has the other', async () => {
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const { options, cache } = wanted([
    source('slow-1', async (folder) => {
      await finished;
      script(join(folder, 'run'), 'exit 0');
    }),
  ]);
  const slow = findOrFetch({ ...options, name: 'slow' });
  await until('the slow one is being fetched', () => existsSync(join(cache, 'slow.lock')));
  const sources = [source('quick-1', async (folder) => void script(join(folder, 'run'), 'exit 0'))];
  expect(await findOrFetch({ ...options, name: 'quick', sources })).toBe(
    join(cache, 'quick-1', 'run'),
  );
  expect(existsSync(join(cache, 'slow.lock'))).toBe(true);
  finish();
  expect(await slow).toBe(join(cache, 'slow-1', 'run'));
  expect(readdirSync(cache).sort()).toEqual(['quick-1', 'slow-1']);
});

test("a killed holder's lock goes stale and its half-filled folder is never taken", async () => {
  const { env, cache } = bareEnvironment();
  const log = join(temporaryFolder(), 'installs');
  const first = startFixture('installer.ts', [log, '600000'], env);
  await until('the first installs', () => existsSync(log), 20_000);
  first.child.kill('SIGKILL');
  await first.exited;
  expect(readdirSync(cache)).toContain('thing.lock');

  const start = performance.now();
  const second = startFixture('installer.ts', [log, '0'], env);
  expect(await second.exited).toBe(0);
  expect(performance.now() - start).toBeLessThan(25_000);
  expect(JSON.parse(second.lines.at(-1) as string)).toEqual({
    path: join(cache, 'thing-1', 'run'),
  });
  expect(readFileSync(log, 'utf8').trim().split('\n')).toHaveLength(2);
}, 60_000);

test('sources are tried in order; what was there before is taken without a word', async () => {
  const { options, cache, lines } = wanted([
    source('thing-a', async () => {}, { unavailable: () => 'no compiler' }),
    source('thing-b', async () => {
      throw new Error('no network');
    }),
    source('thing-c', async (folder) => void script(join(folder, 'run'), 'echo c')),
  ]);
  const path = join(cache, 'thing-c', 'run');
  expect(await findOrFetch(options)).toBe(path);
  expect(lines).toEqual([
    'thing: trying source thing-b (no time)',
    'thing: source thing-b failed: no network',
    'thing: trying source thing-c (no time)',
    `thing: ready in ${join(cache, 'thing-c')}`,
  ]);
  expect(readdirSync(cache)).toEqual(['thing-c']);

  lines.length = 0;
  expect(await findOrFetch(options)).toBe(path);
  expect(lines).toEqual([]);
});

test('a folder without the executable is replaced, and a source that delivers none has failed', async () => {
  const { options, cache } = wanted([
    source('thing-a', async () => {}),
    source('thing-b', async (folder) => void script(join(folder, 'run'), '')),
  ]);
  mkdirSync(join(cache, 'thing-b', 'rubbish'), { recursive: true });
  expect(await findOrFetch(options)).toBe(join(cache, 'thing-b', 'run'));
  expect(readdirSync(join(cache, 'thing-b'))).toEqual(['run']);
});

test('when nothing works one error says what was tried and what to do', async () => {
  const { options, cache } = wanted([
    source('thing-a', async () => {}, { unavailable: () => 'no compiler' }),
    source('thing-b', async () => {
      throw new Error('no network');
    }),
  ]);
  const tried = [
    { step: 'thing on PATH', outcome: 'not there' },
    { step: `cache ${cache}`, outcome: 'not there' },
    { step: 'source thing-a', outcome: 'no compiler' },
    { step: 'source thing-b', outcome: 'no network' },
  ];
  await expect(findOrFetch(options)).rejects.toMatchObject({
    code: 'SERVER_NOT_FOUND',
    message: [
      'no thing was found, and none could be fetched. Tried:',
      ...tried.map(({ step, outcome }) => `  - ${step}: ${outcome}`),
      'Install a thing.',
    ].join('\n'),
    details: { tried },
  });
  expect(readdirSync(cache)).toEqual([]);
});

test('the folder is where the platform keeps caches', () => {
  const env = { XDG_CACHE_HOME: '/c', HOME: '/h', LOCALAPPDATA: '/l' };
  const bare = { XDG_CACHE_HOME: '', HOME: '/h' };
  const [full, fallback] = {
    darwin: ['/h/Library/Caches/temporal-cep', '/h/Library/Caches/temporal-cep'],
    win32: ['\\l\\temporal-cep', '\\h\\AppData\\Local\\temporal-cep'],
  }[process.platform as string] ?? ['/c/temporal-cep', '/h/.cache/temporal-cep'];
  expect(cacheFolder(env)).toBe(full);
  expect(cacheFolder(bare)).toBe(fallback);
});
