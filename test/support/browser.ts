// Chromium for tests: the one on PATH, or Debian's.

import { type Browser, chromium } from 'playwright-core';
import { findOnPath } from '../../src/servers/process.js';
import { installFromDebian } from './own-server.js';

/** Starts it without a window. The caller closes it. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = find() ?? (await install());
  // Where root runs it, as in a container, it has no sandbox.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath, args });
}

function find(): string | null {
  return ['chromium', 'chromium-browser', 'google-chrome']
    .map((name) => findOnPath(name, process.env))
    .reduce((found, path) => found ?? path, null);
}

async function install(): Promise<string> {
  const remedy = 'install Chromium (Debian: apt-get install chromium)';
  await installFromDebian(['chromium'], { missing: 'no Chromium was found on PATH', remedy });
  const found = find();
  if (found === null) throw new Error(`the package chromium has no program in it: ${remedy}`);
  return found;
}
