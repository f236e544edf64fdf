// Children end with their parent, however it ends; real processes, looked up by their numbers.

import { describe, expect, test, vi } from 'vitest';
import { describeFailure, findOnPath, run, startGuarded } from '../../src/servers/process.js';
import { until } from '../support/until.js';
import { isAlive, script, startFixture, temporaryFolder } from './helpers.js';

// Processes are started here, on machines that may be busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** A child that prints its number and its own child's, once both are there. */
async function startFamily(before = ''): Promise<{
  family: ReturnType<typeof startGuarded>;
  pids: number[];
}> {
  const pids: number[] = [];
  const family = startGuarded('/bin/sh', ['-c', `${before} sleep 600 & echo "$$ $!"; wait`], {
    onLine: (line) => pids.push(...line.split(' ').map(Number)),
  });
  await until('numbers are printed', () => pids.length === 2);
  return { family, pids };
}

describe('stop', () => {
  test('ends the child and what it started, and waits for it', async () => {
    const { family, pids } = await startFamily();
    expect(pids.map(isAlive)).toEqual([true, true]);
    await family.stop();
    expect(await family.exited).toEqual({ code: null, signal: 'SIGTERM' });
    await until('both are gone', () => !pids.some(isAlive));
    await family.stop();
  });

  test('kills a child that ignores SIGTERM, after the grace period', async () => {
    const { family, pids } = await startFamily("trap '' TERM;");
    const start = performance.now();
    await family.stop(400);
    expect(performance.now() - start).toBeGreaterThan(350);
    expect((await family.exited).signal).toBe('SIGKILL');
    await until('both are gone', () => !pids.some(isAlive));
  });
});

describe('the end of the parent', () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const) {
    test(`by ${signal} ends the child and what it started`, async () => {
      const { child, lines, exited } = startFixture('parent.ts', ['process', 'stay']);
      await until('numbers are printed', () => lines.length === 1, 20_000);
      const pids = (lines[0] as string).split(' ').map(Number);
      expect(pids.map(isAlive)).toEqual([true, true]);
      child.kill(signal);
      await exited;
      await until('both are gone', () => !pids.some(isAlive));
    }, 30_000);
  }

  for (const end of ['throw', 'exit'] as const) {
    test(`by ${end} ends the child and what it started`, async () => {
      const { lines, exited } = startFixture('parent.ts', ['process', end]);
      expect(await exited).toBe(end === 'throw' ? 1 : 0);
      const pids = (lines[0] as string).split(' ').map(Number);
      await until('both are gone', () => pids.length === 2 && !pids.some(isAlive));
    }, 30_000);
  }
});

describe('run', () => {
  test('gives the exit code and the last lines', async () => {
    const outcome = await run('/bin/sh', ['-c', 'echo out; echo err >&2; exit 3'], {
      timeoutMs: 5_000,
    });
    expect(outcome).toMatchObject({ code: 3, signal: null, timedOut: false });
    expect(outcome.output.split('\n').sort()).toEqual(['err', 'out']);
    expect(describeFailure(outcome)).toMatch(/^exit code 3: /);
  });

  test('stops what takes too long', async () => {
    const outcome = await run('/bin/sh', ['-c', 'sleep 600'], { timeoutMs: 200 });
    expect(outcome.timedOut).toBe(true);
    expect(describeFailure(outcome)).toBe('it took too long and was stopped');
  });

  test('says that there is no such program', async () => {
    const outcome = await run('/nowhere/program', [], { timeoutMs: 5_000 });
    expect(describeFailure(outcome)).toMatch(/exit code 127: .*\/nowhere\/program.*not found/i);
  });
});

test('findOnPath takes the first executable file and skips folders and the empty entry', () => {
  const root = temporaryFolder();
  script(`${root}/a/tool/inside`, '');
  const second = script(`${root}/b/tool`, '');
  script(`${root}/c/tool`, '');
  expect(findOnPath('tool', { PATH: `:${root}/a:${root}/b:${root}/c` })).toBe(second);
  expect(findOnPath('tool', { PATH: `${root}/a` })).toBeNull();
  expect(findOnPath('tool', {})).toBeNull();
});
