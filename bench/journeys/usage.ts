// CPU and memory of a process: of this one by Node, of another by Linux.

import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used since it began, and holds now. */
export interface Usage {
  /** User and system time of all its threads, in ms. */
  readonly cpuMs: number;
  /** Resident memory, in MB. */
  readonly rssMb: number;
}

/** Linux counts CPU time in ticks of 10 ms, whatever the kernel's own rate. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;
const MB = 1024 * 1024;

export function ownUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1_000, rssMb: process.memoryUsage().rss / MB };
}

/** Frees what nobody holds; node must run with --expose-gc. */
export function collect(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

/** @returns null where there is no /proc */
export function usageOf(pid: number | null): Usage | null {
  if (pid === null) return null;
  const fields = statOf(pid);
  if (fields === null) return null;
  // Fields 14 and 15 of proc(5), user and system time; 24, resident pages.
  const [user, system, pages] = [fields[11], fields[12], fields[21]].map(Number);
  return {
    cpuMs: ((user as number) + (system as number)) * TICK_MS,
    rssMb: ((pages as number) * PAGE_BYTES) / MB,
  };
}

/** The child of this process that was started with these words; null where there is no /proc. */
export function childWith(...words: readonly string[]): number | null {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return null;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(statOf(Number(name))?.[1]) !== process.pid) continue;
    const said = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
    if (words.every((word) => said.includes(word))) return Number(name);
  }
  return null;
}

/** The fields of /proc/<pid>/stat from the third on: the second, a name, may hold anything. */
function statOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}
