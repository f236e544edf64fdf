// Where the development server comes from, step by step, with small scripts in the place of `temporal`
// and `go`; then the real one: what it promises once it is started, and that it does not stay behind.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectToServer, ensureSearchAttributes } from '../../src/servers/connection.js';
import {
  findTemporalCli,
  type RunningServer,
  startDevServer,
} from '../../src/servers/dev-server.js';
import { freePort } from '../../src/servers/ports.js';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/messages.js';
import { until } from '../support/until.js';
import { answers, bareEnvironment, script, startFixture, temporaryFolder } from './helpers.js';

// Processes are started here, on machines that may be busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

// A build from source, on a machine that has neither `temporal` nor a cached copy, takes minutes.
const FETCH_MS = 15 * 60_000;
const CLI =
  'case "$1" in --version) echo "temporal version 9.9.9";; *) echo "no database" >&2; exit 7;; esac';

function listenOn(port: number): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
  });
}

describe('where the executable comes from', () => {
  test('PATH goes before the cache', async () => {
    const { env, bin, cache } = bareEnvironment();
    const onPath = script(join(bin, 'temporal'), CLI);
    script(join(cache, 'temporal-cli-1.5.1', 'temporal'), CLI);
    expect(await findTemporalCli({ env, report: failOnReport })).toBe(onPath);
  });

  test('the cache goes before anything that has to be fetched', async () => {
    const { env, bin, cache } = bareEnvironment();
    script(join(bin, 'go'), 'echo "go must not run" >&2; exit 1');
    const cached = script(join(cache, 'temporal-cli-1.5.1', 'temporal'), CLI);
    expect(await findTemporalCli({ env, report: failOnReport })).toBe(cached);
  });

  test('another program of the name is passed over; the download fails; go builds into the cache', async () => {
    const { env, bin, cache } = bareEnvironment();
    script(join(bin, 'temporal'), 'echo "temporal: a calendar"');
    const log = join(temporaryFolder(), 'go.log');
    // A stand-in with the two things we rely on: it gets the module, and fills GOBIN.
    script(
      join(bin, 'go'),
      `echo "$@ cgo=$CGO_ENABLED" > ${log}
      printf '#!/bin/sh\\necho "temporal version 9.9.9"\\n' > "$GOBIN/temporal"
      /bin/chmod 755 "$GOBIN/temporal"`,
    );
    const lines: string[] = [];
    const path = await findTemporalCli({ env, report: (line) => lines.push(line) });
    expect(path).toBe(join(cache, 'temporal-cli-1.5.1', 'temporal'));
    expect(readFileSync(log, 'utf8')).toBe(
      'install github.com/temporalio/cli/cmd/temporal@v1.5.1 cgo=0\n',
    );
    expect(lines).toEqual([
      `Temporal dev server: ${bin}/temporal can't be used: it is not the Temporal CLI`,
      "Temporal dev server: trying the SDK's download (about a minute; given up after 30 s without data)",
      expect.stringMatching(/^Temporal dev server: the SDK's download failed: .*connect/i),
      'Temporal dev server: trying go install github.com/temporalio/cli/cmd/temporal@v1.5.1 (2-5 minutes the first time)',
      `Temporal dev server: ready in ${cache}/temporal-cli-1.5.1`,
    ]);
    expect(readdirSync(cache)).toEqual(['temporal-cli-1.5.1']);
  }, 30_000);

  test('nothing works: every step and the remedy are named', async () => {
    const { env, bin, cache } = bareEnvironment();
    script(join(bin, 'go'), 'echo "go: no network" >&2; exit 1');
    const error = await startDevServer({ env, report: () => {} }).catch((thrown) => thrown);
    expect(error).toMatchObject({
      name: 'CepError',
      code: 'SERVER_NOT_FOUND',
      details: {
        tried: [
          { step: 'TEMPORAL_ADDRESS', outcome: 'not set' },
          { step: 'temporal on PATH', outcome: 'not there' },
          { step: `cache ${cache}`, outcome: 'not there' },
          { step: "the SDK's download", outcome: expect.stringMatching(/connect/i) },
          {
            step: 'go install github.com/temporalio/cli/cmd/temporal@v1.5.1',
            outcome: 'exit code 1: go: no network',
          },
        ],
      },
    });
    expect(error.message).toMatch(/Install the Temporal CLI .* set TEMPORAL_ADDRESS/);
  }, 30_000);
});

describe('what goes wrong', () => {
  test('a port that was asked for and is in use is named, before anything is fetched', async () => {
    const port = await freePort();
    const server = await listenOn(port);
    const { env } = bareEnvironment();
    const options = { env, report: failOnReport };
    for (const [setting, name] of [
      ['port', 'port'],
      ['uiPort', 'UI port'],
    ] as const) {
      await expect(startDevServer({ ...options, [setting]: port })).rejects.toMatchObject({
        code: 'PORT_OCCUPIED',
        message: `port ${port} (${name}) is already in use on this machine: stop the program that listens on it, or choose another port, or none to have a free one chosen`,
      });
    }
    server.close();
  });

  test('an unreachable TEMPORAL_ADDRESS is an error; nothing is started in its place', async () => {
    const { env, bin } = bareEnvironment();
    const address = `127.0.0.1:${await freePort()}`;
    script(join(bin, 'temporal'), `touch ${bin}/started`);
    await expect(
      startDevServer({
        env: { ...env, TEMPORAL_ADDRESS: address },
        report: () => {},
        startTimeoutMs: 1_000,
      }),
    ).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringContaining(`no Temporal server answered at ${address}`),
    });
    expect(existsSync(join(bin, 'started'))).toBe(false);
  });

  test('a server that ends early is quoted', async () => {
    const { env, bin } = bareEnvironment();
    const path = script(join(bin, 'temporal'), CLI);
    await expect(startDevServer({ env, report: () => {} })).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: `the Temporal dev server (${path}) ended before it could be used (exit code 7). Its last words:\nno database`,
    });
  });

  test('a port that was taken meanwhile: it is tried again with others, up to three times', async () => {
    const { env, bin } = bareEnvironment();
    // As the real one does: the reason first, then a stack far longer than what is kept for messages.
    const panic = `echo "listen tcp: bind: address already in use" >&2
      i=0; while [ $i -lt 100 ]; do echo "goroutine $i" >&2; i=$((i+1)); done; exit 2`;
    script(
      join(bin, 'temporal'),
      `case "$1" in --version) echo "temporal version 9";; *) ${panic};; esac`,
    );
    const reported: string[] = [];
    const start = startDevServer({ env, report: (line) => reported.push(line) });
    await expect(start).rejects.toMatchObject({ code: 'PORT_OCCUPIED' });
    const again = 'Temporal dev server: a port was taken meanwhile; trying others';
    expect(reported).toEqual([again, again]);
  });

  test('a server that never answers is given up and stopped', async () => {
    const { env, bin } = bareEnvironment();
    const marker = `600.${await freePort()}`;
    script(
      join(bin, 'temporal'),
      `case "$1" in --version) echo "temporal version 9";; *) exec /bin/sleep ${marker};; esac`,
    );
    await expect(
      startDevServer({ env, report: () => {}, ui: false, startTimeoutMs: 500 }),
    ).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringMatching(/did not answer on port \d+ within 0.5 s/),
    });
    expect(execFileSync('ps', ['-axo', 'command='], { encoding: 'utf8' })).not.toContain(marker);
  });
});

describe('the real server', () => {
  let server: RunningServer;
  let preferredPort: number;

  beforeAll(async () => {
    preferredPort = await freePort();
    server = await startDevServer({ preferredPort, env: withoutAddress() });
  }, FETCH_MS);
  afterAll(() => server?.stop());

  test('has the preferred port, a UI, the namespace and the search attributes', async () => {
    expect(server).toMatchObject({
      address: `127.0.0.1:${preferredPort}`,
      namespace: 'default',
      external: false,
      version: expect.stringMatching(/^1\.\d+\.\d+/),
      uiUrl: expect.stringMatching(/^http:\/\/localhost:\d+$/),
    });
    expect((await fetch(server.uiUrl as string)).status).toBe(200);
    const connection = await Connection.connect(server.connectionOptions);
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    expect(Object.keys(customAttributes ?? {}).sort()).toEqual(
      Object.keys(SEARCH_ATTRIBUTES).sort(),
    );
    await connection.close();
  });

  test('a second one with the same wishes gets other ports', async () => {
    const second = await startDevServer({ preferredPort, ui: false, env: withoutAddress() });
    expect(second.address).not.toBe(server.address);
    expect(second.uiUrl).toBeNull();
    await second.stop();
    expect(await answers(second.address)).toBe(false);
    await second.stop();
  }, 30_000);

  test('as an external one it gets what it lacks, and is left running', async () => {
    const env = { ...withoutAddress(), TEMPORAL_ADDRESS: server.address };
    const connection = await connectToServer(server);
    // No server of ours lacks them, so one is taken away.
    await connection.operatorService.removeSearchAttributes({
      namespace: 'default',
      searchAttributes: ['CepNextDeadline'],
    });
    const external = await startDevServer({ env, report: () => {} });
    expect(external).toMatchObject({ address: server.address, uiUrl: null, external: true });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    expect(customAttributes?.CepNextDeadline).toBe(6);
    await connection.close();
    await external.stop();
    expect(await answers(server.address)).toBe(true);
  }, 60_000);

  test('an unknown namespace is named with the command that makes it', async () => {
    await expect(
      connectToServer({ connectionOptions: server.connectionOptions, namespace: 'shop' }),
    ).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message: `the Temporal server at ${server.address} has no namespace "shop": correct TEMPORAL_NAMESPACE, or create it with: temporal operator namespace create --namespace shop --address ${server.address}`,
    });
  });

  test('when the search attributes are refused, the commands are named', async () => {
    const connection = await connectToServer(server);
    await expect(ensureSearchAttributes(connection, 'shop')).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message: expect.stringContaining(
        'temporal operator search-attribute create --namespace shop --name CepRules --type KeywordList',
      ),
    });
    await connection.close();
  });

  test('keeps its state in a file, when asked to', async () => {
    const dbFile = join(temporaryFolder(), 'state', 'temporal.db');
    const options = { dbFile, ui: false, env: withoutAddress(), report: () => {} };
    const first = await startDevServer(options);
    await first.stop();
    expect(existsSync(dbFile)).toBe(true);
    const again = await startDevServer(options);
    await again.stop();
  }, 60_000);

  test('does not outlive a parent that is killed', async () => {
    const { child, lines, exited } = startFixture('parent.ts', ['dev-server'], withoutAddress());
    await until('it runs', () => lines.length === 1, 60_000);
    const address = lines[0] as string;
    expect(await answers(address)).toBe(true);
    child.kill('SIGKILL');
    await exited;
    await until('it is gone', async () => !(await answers(address)));
  }, 90_000);
});

function withoutAddress(): Record<string, string | undefined> {
  const { TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, ...env } = process.env;
  return env;
}

function failOnReport(line: string): void {
  throw new Error(`nothing should be reported: ${line}`);
}
