// What the workflows of a server have left in its histories.

import type { Client } from '@temporalio/client';
import type { Millis } from '../../src/time.js';
import { type ActionKind, type Actions, actionsOf, type HistoryEvent, kindsOf } from './actions.js';

const CALLS = 8;

/** One run of a workflow, with its history as far as that is new. */
export interface Run {
  readonly runId: string;
  readonly events: readonly HistoryEvent[];
  readonly bytes: number;
  readonly isClosed: boolean;
  /** From its start to its end, or until now. */
  readonly openMs: Millis;
}

/** Length and bytes of the history of each run, by run id. */
export type Sizes = ReadonlyMap<string, { readonly events: number; readonly bytes: number }>;

/** How large the histories are now. */
export async function sizesOf(client: Client, runs: number): Promise<Sizes> {
  const sizes = new Map<string, { events: number; bytes: number }>();
  await each(await listed(client, runs), async ({ workflowId, runId }) => {
    const { historyLength, historySize } = await client.workflow
      .getHandle(workflowId, runId)
      .describe();
    sizes.set(runId, { events: historyLength, bytes: historySize ?? 0 });
  });
  return sizes;
}

/**
 * Reads all histories that have anything new.
 *
 * @param least - so many runs there are at least; the server's list lags behind
 * @param before - what is left out: the histories as they were then
 */
export async function runsOf(client: Client, least: number, before: Sizes): Promise<Run[]> {
  const runs: Run[] = [];
  await each(await listed(client, least), async ({ workflowId, runId }) => {
    const handle = client.workflow.getHandle(workflowId, runId);
    const { historySize, startTime, closeTime } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const known = before.get(runId);
    const news = ((events ?? []) as HistoryEvent[]).slice(known?.events ?? 0);
    if (news.length === 0) return;
    runs.push({
      runId,
      events: news,
      bytes: (historySize ?? 0) - (known?.bytes ?? 0),
      isClosed: closeTime !== undefined,
      openMs: (closeTime?.getTime() ?? Date.now()) - startTime.getTime(),
    });
  });
  return runs;
}

/** Sums over runs. */
export interface HistorySums {
  readonly runs: number;
  readonly closed: number;
  readonly openMs: Millis;
  readonly events: number;
  readonly bytes: number;
  readonly actions: Actions;
  /** Events by kind, the most frequent first. */
  readonly kinds: Readonly<Record<string, number>>;
}

export function sumsOf(runs: readonly Run[]): HistorySums {
  const actions = actionsOf([]);
  const kinds = new Map<string, number>();
  for (const { events } of runs) {
    const own = actionsOf(events);
    for (const kind of Object.keys(own) as ActionKind[]) actions[kind] += own[kind];
    for (const [kind, count] of kindsOf(events)) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  }
  return {
    runs: runs.length,
    closed: runs.filter(({ isClosed }) => isClosed).length,
    openMs: runs.reduce((sum, { openMs }) => sum + openMs, 0),
    events: runs.reduce((sum, { events }) => sum + events.length, 0),
    bytes: runs.reduce((sum, { bytes }) => sum + bytes, 0),
    actions,
    kinds: Object.fromEntries([...kinds].sort((a, b) => b[1] - a[1])),
  };
}

interface Listed {
  readonly workflowId: string;
  readonly runId: string;
}

/** All runs; the list has to say so twice, because it lags behind. */
async function listed(client: Client, least: number): Promise<Listed[]> {
  for (let before = -1; ; ) {
    const runs: Listed[] = [];
    for await (const { workflowId, runId } of client.workflow.list()) {
      runs.push({ workflowId, runId });
    }
    if (runs.length >= least && runs.length === before) return runs;
    before = runs.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Some at a time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const next = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: CALLS }, next));
}
