// A dev server of its own with workers and an ingestor, each a process, so that their CPU can be told apart.

import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { type RunningServer, startDevServer } from '../../src/servers/dev-server.js';
import { type Millis, minutes } from '../../src/time.js';
import { TASK_QUEUE } from '../../src/workflows/messages.js';
import { Child } from './calls.js';
import type { DriverStart, Fed, Feed } from './driver.js';
import { childWith, type Usage, usageOf } from './usage.js';
import type { Published, WorkerStart } from './worker.js';

/** Who uses what; the server's is unknown where there is no /proc. */
export interface Usages {
  readonly server: Usage | null;
  readonly worker: Usage;
  readonly ingestor: Usage;
}

/** CPU in ms of each between two moments. */
export interface CpuMs {
  readonly server: number | null;
  readonly worker: number;
  readonly ingestor: number;
}

export interface ProcessOptions {
  /** URL of the journeys module. */
  readonly journeys: string;
  /** In the one process; 1 by default. */
  readonly workers?: number;
  /** Of all workers. */
  readonly maxCachedWorkflows: number;
}

/** Of node: room for many sessions, and a way to free memory before it is measured. */
const FLAGS = ['--max-old-space-size=16384', '--expose-gc'];
/** How often CPU is looked at until it is quiet, and how much is quiet. */
const LOOK_MS: Millis = 250;
const QUIET_CPU_MS = 30;
const QUIET_LOOKS = 3;
const SETTLED_WITHIN_MS: Millis = minutes(30);

/** Runs `work` between the start of the three and their end. */
export async function withProcesses<T>(
  { journeys, workers = 1, maxCachedWorkflows }: ProcessOptions,
  work: (processes: Processes) => Promise<T>,
): Promise<T> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^TEMPORAL_(ADDRESS|PROFILE|CONFIG_FILE)$/.test(name),
    ),
  );
  // One of its own: nobody's server is measured by chance, and none keeps what another scenario left.
  const server = await startDevServer({ ui: false, env, report: () => {} });
  const worker = new Child(new URL('./worker.js', import.meta.url), FLAGS);
  const driver = new Child(new URL('./driver.js', import.meta.url), FLAGS, (news) =>
    worker.tell(news),
  );
  const connection = await Connection.connect({ address: server.address });
  try {
    const start: DriverStart = { address: server.address, journeys };
    await Promise.all([
      driver.call('start', start),
      worker.call('start', { ...start, workers, maxCachedWorkflows } satisfies WorkerStart),
    ]);
    return await work(new Processes(server, worker, driver, new Client({ connection })));
  } finally {
    await connection.close();
    await Promise.all([driver.stop(), worker.stop()]);
    await server.stop();
  }
}

export class Processes {
  readonly client: Client;
  readonly #worker: Child;
  readonly #driver: Child;
  readonly #serverPid: number | null;

  constructor(server: RunningServer, worker: Child, driver: Child, client: Client) {
    this.client = client;
    this.#worker = worker;
    this.#driver = driver;
    this.#serverPid = childWith('start-dev', server.address.split(':')[1] as string);
  }

  async usages(): Promise<Usages> {
    const [worker, ingestor] = await Promise.all([
      this.#worker.call<Usage>('usage'),
      this.#driver.call<Usage>('usage'),
    ]);
    return { server: usageOf(this.#serverPid), worker, ingestor };
  }

  feed(feed: Feed): Promise<Fed> {
    return this.#driver.call('feed', feed);
  }

  alertCount(): Promise<number> {
    return this.#worker.call('alertCount');
  }

  /** The alerts in the sink since the last `forget`. */
  alerts(): Promise<Published[]> {
    return this.#worker.call('alerts');
  }

  /** Has both processes free what nobody holds, so that what is left can be told. */
  async collect(): Promise<void> {
    await this.client.workflow.execute('collect', { workflowId: 'collect', taskQueue: TASK_QUEUE });
    await Promise.all([this.#worker.call('collect'), this.#driver.call('collect')]);
  }

  forget(): Promise<void> {
    return this.#worker.call('forget');
  }

  /**
   * Waits until there are so many alerts and nobody has anything to do.
   *
   * @param isEnding - whether all sessions end, which is then waited for
   * @returns when that began, as `performance.now()` says it
   */
  async settled(alerts: number, isEnding = false): Promise<number> {
    const giveUpAt = performance.now() + SETTLED_WITHIN_MS;
    let before = await this.usages();
    let quietSince = performance.now();
    for (let looks = 0; looks < QUIET_LOOKS; ) {
      await sleep(LOOK_MS);
      const now = await this.usages();
      const { server, worker } = cpuBetween(before, now);
      before = now;
      const have = await this.alertCount();
      const isQuiet = (server ?? 0) + worker < QUIET_CPU_MS && have >= alerts;
      // A task that was lost to a timeout is tried again after a while in which all is quiet.
      if (isQuiet && (looks > 0 || !isEnding || (await this.#running()) === 0)) looks++;
      else {
        looks = 0;
        quietSince = performance.now();
      }
      if (performance.now() > giveUpAt) {
        throw new Error(`not settled within ${SETTLED_WITHIN_MS} ms: ${have} of ${alerts} alerts`);
      }
    }
    return quietSince;
  }

  async #running(): Promise<number> {
    const { count } = await this.client.workflow.count("ExecutionStatus = 'Running'");
    return count;
  }
}

export function cpuBetween(before: Usages, after: Usages): CpuMs {
  return {
    server: before.server && after.server ? after.server.cpuMs - before.server.cpuMs : null,
    worker: after.worker.cpuMs - before.worker.cpuMs,
    ingestor: after.ingestor.cpuMs - before.ingestor.cpuMs,
  };
}

export function cpuSum({ server, worker, ingestor }: CpuMs): number {
  return (server ?? 0) + worker + ingestor;
}
