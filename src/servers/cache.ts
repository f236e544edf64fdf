// The folder where fetched servers are kept, shared by every process of the user.
//
//   C1. A folder in the cache is complete: it is filled under another name and renamed.
//   C2. One process fetches at a time; the others wait and then take what they find.
//   C3. The lock of a holder that died goes stale, so nobody waits for it long.

import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { CepError, messageOf } from '../errors.js';
import type { Millis } from '../time.js';
import { type Environment, isExecutable, type Report } from './process.js';

// The holder touches its lock every 5 s, also while it waits for a compiler.
const STALE_MS = 15_000;
const POLL_MS = 500;
const REPORT_EVERY_MS = 15_000;

/** The package's folder in the user's cache: by XDG on Linux, in Library/Caches on macOS. */
export function cacheFolder(env: Environment = process.env): string {
  const home = env.HOME ?? homedir();
  if (process.platform === 'win32') {
    return join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'temporal-cep');
  }
  if (process.platform === 'darwin') return join(home, 'Library', 'Caches', 'temporal-cep');
  // Setting it to nothing means the same as not setting it.
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'temporal-cep');
}

/** One way to come by an executable that is not there yet. */
export interface Source {
  /** What it is, for messages: `the SDK's download`. */
  readonly label: string;
  /** Name of its folder in the cache, `<what>-<version>`. */
  readonly folder: string;
  /** How long it may take, for people: `1-5 minutes`. */
  readonly takes: string;
  /** Why it can't even be tried here, or null when it can. */
  unavailable(): string | null;
  /** What a copy in the cache lacks to be run, or null; null when left out. */
  obstacle?(): string | null;
  /** Fills `folder` so that `entry` lies in it. Throws when it can't. */
  install(folder: string): Promise<void>;
  /** Work in the final folder that only makes the server better; its failure is only told. */
  polish?(folder: string): Promise<void>;
}

/** A step that was tried in vain, and why. */
export interface Attempt {
  readonly step: string;
  readonly outcome: string;
}

/** What {@link findOrFetch} is asked for. */
export interface Wanted {
  /** For messages: `Temporal dev server`. */
  readonly what: string;
  /** Base name of the lock. */
  readonly name: string;
  /** File name of the executable within its folder. */
  readonly entry: string;
  readonly sources: readonly Source[];
  /** Steps tried before. */
  readonly tried: readonly Attempt[];
  /** What a person can do when nothing worked. */
  readonly remedy: string;
  readonly env: Environment;
  readonly report: Report;
}

/**
 * The path of an executable: from the cache, or else from the first source that delivers.
 *
 * @throws CepError `SERVER_NOT_FOUND` with every step that was tried, also as `details.tried`
 */
export async function findOrFetch(wanted: Wanted): Promise<string> {
  const { what, report } = wanted;
  const root = cacheFolder(wanted.env);
  const before = findCached(root, wanted);
  if (before !== null) return before;

  return await withLock({ root, name: wanted.name, what, report }, async () => {
    const meanwhile = findCached(root, wanted);
    if (meanwhile !== null) return meanwhile;
    const tried: Attempt[] = [...wanted.tried, { step: `cache ${root}`, outcome: 'not there' }];
    for (const source of wanted.sources) {
      const obstacle = source.unavailable();
      if (obstacle !== null) {
        tried.push({ step: source.label, outcome: obstacle });
        continue;
      }
      report(`${what}: trying ${source.label} (${source.takes})`);
      try {
        await install(root, source, wanted);
      } catch (error) {
        report(`${what}: ${source.label} failed: ${messageOf(error)}`);
        tried.push({ step: source.label, outcome: messageOf(error) });
        continue;
      }
      report(`${what}: ready in ${join(root, source.folder)}`);
      return join(root, source.folder, wanted.entry);
    }
    const steps = tried.map(({ step, outcome }) => `\n  - ${step}: ${outcome}`).join('');
    throw new CepError(
      'SERVER_NOT_FOUND',
      `no ${what} was found, and none could be fetched. Tried:${steps}\n${wanted.remedy}`,
      { details: { tried } },
    );
  });
}

function findCached(root: string, { sources, entry }: Wanted): string | null {
  for (const source of sources) {
    const path = join(root, source.folder, entry);
    if (isExecutable(path) && (source.obstacle?.() ?? null) === null) return path;
  }
  return null;
}

async function install(root: string, source: Source, { what, entry, report }: Wanted) {
  const target = join(root, source.folder);
  const draft = await mkdtemp(join(root, `${source.folder}.draft-`));
  try {
    await source.install(draft);
    if (!isExecutable(join(draft, entry))) throw new Error(`it delivered no executable ${entry}`);
    // Whatever lies there has no executable in it, else it would have been taken.
    await rm(target, { recursive: true, force: true });
    await rename(draft, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  try {
    await source.polish?.(target);
  } catch (error) {
    report(`${what}: ${messageOf(error)} (it works all the same)`);
  }
}

interface LockOptions {
  readonly root: string;
  readonly name: string;
  readonly what: string;
  readonly report: Report;
}

async function withLock<T>({ root, name, what, report }: LockOptions, work: () => Promise<T>) {
  try {
    await mkdir(root, { recursive: true });
  } catch (error) {
    throw new CepError(
      'SETTING_INVALID',
      `the cache folder ${root} can't be made: ${messageOf(error)}; point XDG_CACHE_HOME to a folder that can be written`,
      { cause: error },
    );
  }
  const release = await acquire({ root, name, what, report });
  try {
    await removeDrafts(root, name);
    return await work();
  } finally {
    // A lock taken from us (after the machine slept, say) can't be given back, and need not be.
    await release().catch(() => {});
  }
}

async function acquire({ root, name, what, report }: LockOptions): Promise<() => Promise<void>> {
  let nextReport: Millis = 0;
  const start = performance.now();
  for (;;) {
    try {
      // One process may fetch several things at once, and a lock is known by the path that is locked.
      return await lock(join(root, name), {
        stale: STALE_MS,
        update: STALE_MS / 3,
        realpath: false,
        // By C1 a second fetcher does no harm, so there is no reason to end the process.
        onCompromised: (error) => report(`${what}: lost the lock of the cache: ${error.message}`),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
    }
    const waited = performance.now() - start;
    if (waited >= nextReport) {
      nextReport = waited + REPORT_EVERY_MS;
      report(
        `${what}: another process is fetching it; waiting (${Math.round(waited / 1000)} s so far)`,
      );
    }
    await sleep(POLL_MS);
  }
}

// Left by holders that died. A live holder's drafts can't be here, since we hold the lock; only one
// that lost its lock while it slept could have some, so young ones stay.
async function removeDrafts(root: string, name: string): Promise<void> {
  const old = Date.now() - 3_600_000;
  for (const entry of await readdir(root)) {
    if (!entry.startsWith(`${name}-`) || !entry.includes('.draft-')) continue;
    const path = join(root, entry);
    const age = await stat(path).catch(() => null);
    if (age !== null && age.mtimeMs < old) await rm(path, { recursive: true, force: true });
  }
}
