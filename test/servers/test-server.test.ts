// Where the time-skipping server comes from, step by step, with small scripts in the place of Maven and
// Java; then the real one: it skips time, has our search attributes, and does not stay behind.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { findTestServer, startTimeSkipping } from '../../src/servers/test-server.js';
import { until } from '../support/until.js';
import { answers, bareEnvironment, script, startFixture } from './helpers.js';

// Processes are started here, on machines that may be busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const FETCH_MS = 10 * 60_000;
const JAVA = (version: string) => `echo 'openjdk version "${version}"' >&2`;
const MAVEN = '/bin/mkdir lib; echo "$@" > arguments';

function collect(): { lines: string[]; report: (line: string) => void } {
  const lines: string[] = [];
  return { lines, report: (line) => lines.push(line) };
}

describe('where the executable comes from', () => {
  test('TEMPORAL_CEP_TEST_SERVER goes before everything', async () => {
    const { env, bin, cache } = bareEnvironment();
    script(join(cache, 'test-server-1.32.0', 'temporal-test-server'), '');
    const named = script(join(bin, 'mine'), '');
    const { lines, report } = collect();
    expect(await findTestServer(report, { ...env, TEMPORAL_CEP_TEST_SERVER: named })).toBe(named);
    expect(lines).toEqual([]);
  });

  test('TEMPORAL_CEP_TEST_SERVER must name an executable', async () => {
    const { env } = bareEnvironment();
    await expect(
      findTestServer(() => {}, { ...env, TEMPORAL_CEP_TEST_SERVER: '/nowhere/server' }),
    ).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message:
        'TEMPORAL_CEP_TEST_SERVER names /nowhere/server, which is no executable file: correct it, or unset it to have the server found or fetched',
    });
  });

  test('the download fails; Maven fetches the jars; without an archive of classes it works too', async () => {
    const { env, bin, cache } = bareEnvironment();
    script(join(bin, 'java'), JAVA('17.0.15'));
    script(join(bin, 'mvn'), MAVEN);
    const { lines, report } = collect();
    const folder = join(cache, 'test-server-1.32.0');
    expect(await findTestServer(report, env)).toBe(join(folder, 'temporal-test-server'));
    expect(lines).toEqual([
      "time-skipping test server: trying the SDK's download (about a minute; given up after 30 s without data)",
      expect.stringMatching(/^time-skipping test server: the SDK's download failed: .*connect/i),
      'time-skipping test server: trying Maven (io.temporal:temporal-test-server:1.32.0) (about a minute the first time)',
      expect.stringMatching(/\(it works all the same\)$/),
      `time-skipping test server: ready in ${folder}`,
    ]);
    expect(readFileSync(join(folder, 'arguments'), 'utf8')).toMatch(
      /copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib$/m,
    );
    expect(readFileSync(join(folder, 'pom.xml'), 'utf8')).toContain('<version>1.32.0</version>');

    // Now it is taken from the cache, as long as there is Java to run it.
    lines.length = 0;
    expect(await findTestServer(report, env)).toBe(join(folder, 'temporal-test-server'));
    expect(lines).toEqual([]);
  }, 60_000);

  test.each([
    ['nothing is installed', {}, 'no java in JAVA_HOME or on PATH'],
    ['there is no Maven', { java: JAVA('17') }, 'no mvn on PATH'],
    ['Java is old', { java: JAVA('1.8.0_392'), mvn: MAVEN }, 'Java 11 or later is needed, not 8'],
    [
      'Maven fails',
      { java: JAVA('21.0.1'), mvn: 'echo "[ERROR] offline"; exit 1' },
      'exit code 1: [ERROR] offline',
    ],
  ])(
    'when %s, the error says so',
    async (_, programs, outcome) => {
      const { env, bin, cache } = bareEnvironment();
      for (const [name, body] of Object.entries(programs)) script(join(bin, name), body);
      const error = await findTestServer(() => {}, env).catch((thrown) => thrown);
      expect(error).toMatchObject({
        code: 'SERVER_NOT_FOUND',
        details: {
          tried: [
            { step: 'TEMPORAL_CEP_TEST_SERVER', outcome: 'not set' },
            { step: `cache ${cache}`, outcome: 'not there' },
            { step: "the SDK's download", outcome: expect.stringMatching(/connect/i) },
            { step: 'Maven (io.temporal:temporal-test-server:1.32.0)', outcome },
          ],
        },
      });
      expect(error.message).toMatch(/Install Java 11 or later and Maven/);
    },
    30_000,
  );
});

describe('the real server', () => {
  test(
    'skips time, knows the search attributes, and is gone after teardown',
    async () => {
      const environment = await startTimeSkipping();
      const before = await environment.currentTimeMs();
      const start = performance.now();
      await environment.sleep('7 days');
      expect(performance.now() - start).toBeLessThan(5_000);
      expect((await environment.currentTimeMs()) - before).toBeGreaterThanOrEqual(7 * 86_400_000);

      await environment.client.workflow.start('session', {
        taskQueue: 'nobody-listens',
        workflowId: 'journey/key',
        searchAttributes: {
          CepJourney: ['journey'],
          CepRules: ['a', 'b'],
          CepNextDeadline: [new Date(0)],
          CepStages: ['a/b'],
          CepPaused: [true],
        },
      });
      await expect(
        environment.client.workflow.start('session', {
          taskQueue: 'nobody-listens',
          workflowId: 'journey/other',
          searchAttributes: { NotOurs: ['x'] },
        }),
      ).rejects.toThrow();

      await environment.teardown();
      expect(await answers(environment.address)).toBe(false);
    },
    FETCH_MS,
  );

  test(
    'starts again at once',
    async () => {
      const environment = await startTimeSkipping();
      await environment.teardown();
    },
    FETCH_MS,
  );

  test('does not outlive a parent that is killed', async () => {
    const { child, lines, exited } = startFixture('parent.ts', ['time-skipping']);
    await until('it runs', () => lines.length === 1, 60_000);
    const address = lines[0] as string;
    expect(await answers(address)).toBe(true);
    child.kill('SIGKILL');
    await exited;
    await until('it is gone', async () => !(await answers(address)));
  }, 90_000);
});
