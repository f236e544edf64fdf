// The SDK downloads its servers as a side effect of starting them, in native code that can't be
// stopped and that fixes the process-wide runtime on first use. So it runs in a process of its own.

import { chmod, readdir, rename, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Millis } from '../time.js';
import type { Source } from './cache.js';
import {
  describeExit,
  type Environment,
  type Report,
  startGuarded,
  withProgress,
} from './process.js';

const require = createRequire(import.meta.url);

// Without a byte for so long, the network is taken for closed.
const STALL_MS = 30_000;
const CHECK_MS = 1_000;

/** Version of Temporal's TypeScript SDK, which decides what it downloads. */
const SDK_VERSION = (require('@temporalio/testing/package.json') as { version: string }).version;

const SCRIPT = `
const [, testing, method, downloadDir] = process.argv;
require(testing).TestWorkflowEnvironment[method]({
  server: { executable: { type: 'cached-download', downloadDir } },
}).then((environment) => environment.teardown()).then(
  () => process.exit(0),
  (error) => { console.error('FAILED ' + error.message); process.exit(1); },
);`;

/** What is downloaded, and where it goes. */
export interface Download {
  readonly method: 'createLocal' | 'createTimeSkipping';
  /** Prefix of the folder in the cache. */
  readonly name: string;
  readonly entry: string;
  readonly env: Environment;
  readonly report: Report;
  /** How long no byte may arrive; 30 s by default. */
  readonly stallMs?: Millis;
}

/** The SDK's own download as a {@link Source}. */
export function sdkDownload(download: Download): Source {
  const { method, name, entry, env, report, stallMs = STALL_MS } = download;
  return {
    label: "the SDK's download",
    folder: `${name}-sdk-${SDK_VERSION}`,
    takes: `about a minute; given up after ${stallMs / 1000} s without data`,
    unavailable: () => null,
    async install(folder) {
      let failure = '';
      const child = startGuarded(
        process.execPath,
        ['-e', SCRIPT, require.resolve('@temporalio/testing'), method, folder],
        {
          env,
          onLine: (line) => {
            if (line.startsWith('FAILED ')) failure = line.slice('FAILED '.length);
          },
        },
      );
      let size = 0;
      let lastGrowth = performance.now();
      let stalled = false;
      const timer = setInterval(async () => {
        const now = await sizeOf(folder);
        if (now > size) lastGrowth = performance.now();
        size = now;
        if (performance.now() - lastGrowth < stallMs) return;
        stalled = true;
        void child.stop();
      }, CHECK_MS);
      const exit = await withProgress(
        report,
        (elapsedS) => `  ${(size / 1e6).toFixed(0)} MB after ${elapsedS} s`,
        () => child.exited,
      );
      clearInterval(timer);
      if (stalled) throw new Error(`no data for ${stallMs / 1000} s`);
      if (failure !== '') throw new Error(shorten(failure));
      if (exit.code !== 0) throw new Error(describeExit(exit));
      const [file] = await readdir(folder);
      if (file === undefined) throw new Error('it left no file');
      await rename(join(folder, file), join(folder, entry));
      await chmod(join(folder, entry), 0o755);
    },
  };
}

// The native error repeats the address and the names of its layers before it comes to the point.
function shorten(message: string): string {
  return message
    .replace(/^.*failed to download ephemeral server executable: /, '')
    .replace(/error sending request for url \([^)]*\): /g, '');
}

async function sizeOf(folder: string): Promise<number> {
  let size = 0;
  for (const file of await readdir(folder).catch(() => [])) {
    size += (await stat(join(folder, file)).catch(() => null))?.size ?? 0;
  }
  return size;
}
