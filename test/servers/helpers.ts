import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll } from 'vitest';
import { probe } from '../../src/servers/ports.js';

/** A folder that is removed after the file's tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'temporal-cep-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An executable shell script. */
export function script(path: string, body: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** An environment with empty PATH and cache, in which every download is refused at once. */
export function bareEnvironment(): { env: Record<string, string>; bin: string; cache: string } {
  const root = temporaryFolder();
  const bin = join(root, 'bin');
  const proxy = 'http://127.0.0.1:1';
  const env = { PATH: bin, HOME: root, XDG_CACHE_HOME: join(root, 'cache'), HTTPS_PROXY: proxy };
  return { env, bin, cache: join(root, 'cache', 'temporal-cep') };
}

const jiti = createRequire(import.meta.url).resolve('jiti/package.json');

/** Runs a fixture in a Node process of its own. */
export function startFixture(
  name: string,
  args: readonly string[],
  env: Record<string, string | undefined> = process.env,
): { child: ChildProcessWithoutNullStreams; lines: string[]; exited: Promise<number | null> } {
  const file = new URL(`fixtures/${name}`, import.meta.url).pathname;
  const cli = join(dirname(jiti), 'lib', 'jiti-cli.mjs');
  const child = spawn(process.execPath, [cli, file, ...args], { env });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  // What goes wrong in a fixture should be seen; the error it ends with on purpose should not.
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (process.env.DEBUG_FIXTURES) process.stderr.write(`${name}: ${line}\n`);
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, lines, exited };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function answers(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  return (await probe(host, Number(port), 1_000)) === null;
}
