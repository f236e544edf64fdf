// The world of a chaos run: broker, database, Temporal, two workers and two ingestors, and what is done to
// them.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../src/errors.js';
import { ensureTopics } from '../../src/kafka/admin.js';
import type { Millis } from '../../src/time.js';
import { openStore } from '../e2e/support/built.js';
import { environment } from '../e2e/support/cli.js';
import { startKafka, type TestKafka } from '../support/kafka.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';
import { Armings } from './armings.js';
import {
  type Fault,
  INGESTORS,
  type Schedule,
  type Server,
  type Target,
  WORKERS,
} from './schedule.js';
import { Slot } from './slot.js';
import { PARTITIONS } from './stream.js';
import { type KillableTemporal, startTemporal } from './temporal.js';
import { overlaps, type Span, Uptime } from './uptime.js';

export const JOURNEYS = fileURLToPath(new URL('journeys.ts', import.meta.url));
export const TOPICS = {
  events: 'events',
  alerts: 'alerts',
  late: 'late',
  dead: 'dead',
  /** What sessions did not take: always empty, for their ingestor has called late what is. */
  refused: 'refused',
} as const;

const READY_MS: Millis = 120_000;
const START_TRIES = 10;

/** A server that keeps what it has acknowledged when it is killed. */
export interface KillableServer {
  kill(): Promise<void>;
  start(): Promise<void>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface World {
  readonly kafka: TestKafka;
  readonly postgres: TestPostgres;
  /** Logs and the Temporal server's database. */
  readonly folder: string;
  readonly armings: Armings;
  /** The source that the ingestors read, as it is in coordinates. */
  readonly source: string;
  /** Does it, and waits until it is over and what was killed runs again. */
  perform(fault: Fault): Promise<void>;
  /** When no ingestor ran, and when Temporal did not. */
  outages(): { ingestors: readonly Span[]; temporal: readonly Span[] };
  /** Last words of processes that ended by themselves. */
  endedAlone(): string[];
  /** Processes started, faults apart from failpoints included. */
  starts(): number;
  stop(): Promise<void>;
}

export async function startWorld(
  schedule: Schedule,
  report: (line: string) => void,
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'temporal-cep-chaos-'));
  const [postgres, kafka, temporal] = await Promise.all([
    startPostgres({ isOwnAndDurable: true }),
    startKafka(),
    startTemporal(folder),
  ]);
  const servers: Record<Server, KillableServer> = {
    postgres: { ...postgres, start: () => postgres.startServer() },
    broker: kafka,
    temporal,
  };
  const store = await openStore(postgres.url, { migrate: true });
  await store.close();
  await makeTopics(kafka);
  const env = environment({
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_CEP_DATABASE: postgres.url,
    KAFKA_BROKERS: kafka.brokers.join(','),
  });
  const armings = new Armings(schedule.armings);
  const common = { env, folder, armings, report };
  const ingestors = INGESTORS.map(
    (name) =>
      new Slot({
        ...{ ...common, name, role: 'ingestor', args: ingestArgs },
        ready: /^Reads (.*); Ctrl-C ends it$/m,
      }),
  );
  const workers = WORKERS.map(
    (name) =>
      new Slot({
        ...{ ...common, name, role: 'worker', args: workerArgs },
        ready: /^Worker is ready/m,
      }),
  );
  const slots = [...ingestors, ...workers];
  for (const slot of slots) slot.start();
  const source = await until(
    'each process is ready',
    () => (slots.every(({ ready }) => ready) ? ingestors[0]?.ready?.[1] : undefined),
    READY_MS,
  );
  const doers = Object.fromEntries(
    (Object.keys(servers) as Server[]).map((name) => [name, new Doer(servers[name])]),
  ) as Record<Server, Doer>;
  const unwatch = restartedWhereSilent(temporal, doers.temporal, report);
  const slotsOf = (target: Target): Slot[] => {
    if (target === 'ingestors') return ingestors;
    if (target === 'workers') return workers;
    return slots.filter((_, i) => [...INGESTORS, ...WORKERS][i] === target);
  };
  return {
    ...{ kafka, postgres, folder, armings, source },
    perform: async ({ target, kind, forMs }) => {
      if (target in doers) await doers[target as Server].perform(kind, forMs);
      else await Promise.all(slotsOf(target).map((slot) => slot[kind](forMs)));
    },
    outages: () => {
      const [one, other] = ingestors.map(({ uptime }) => uptime.downs) as [Span[], Span[]];
      return { ingestors: overlaps(one, other), temporal: doers.temporal.uptime.downs };
    },
    endedAlone: () => slots.flatMap(({ endedAlone }) => endedAlone),
    starts: () => slots.reduce((sum, slot) => sum + slot.starts, 0),
    stop: async () => {
      unwatch();
      await Promise.all(slots.map((slot) => slot.stop()));
      await Promise.allSettled([kafka.stop(), postgres.stop(), temporal.stop()]);
    },
  };
}

/**
 * On a machine that is too busy SQLite can be left interrupted for good: each of the dev server's queries fails then. Whoever runs
 * it would start it again, and so does this; it is an outage as any other.
 */
function restartedWhereSilent(
  temporal: KillableTemporal,
  doer: Doer,
  report: (line: string) => void,
): () => void {
  let isOver = false;
  const watch = async () => {
    for (let silent = 0; !isOver; ) {
      await sleep(5_000);
      silent = !doer.uptime.isUp || (await temporal.answers()) ? 0 : silent + 1;
      if (silent < 3 || isOver) continue;
      report('temporal has not answered for a minute, and is started again');
      await doer.perform('kill', 1_000);
      silent = 0;
    }
  };
  watch().catch((error) => report(`temporal could not be started again: ${messageOf(error)}`));
  return () => {
    isOver = true;
  };
}

const ingestArgs = [
  ...['ingest', 'kafka', TOPICS.events, '--journeys', JOURNEYS, '--keyed', '--json'],
  ...['--late-topic', TOPICS.late, '--dead-letters-topic', TOPICS.dead],
  // A broker that is away longer than the grace makes events late by silence, once it is back before they are.
  ...['--session-timeout', '6s', '--grace', '60s'],
];

const workerArgs = [
  ...['worker', '--journeys', JOURNEYS],
  ...['--alerts-topic', TOPICS.alerts, '--session-late-topic', TOPICS.refused],
];

async function makeTopics(kafka: TestKafka): Promise<void> {
  const admin = kafka.kafka().admin();
  await admin.connect();
  const { events, ...others } = TOPICS;
  await ensureTopics(admin, [
    { topic: events, partitions: PARTITIONS },
    ...Object.values(others).map((topic) => ({ topic })),
  ]);
  await admin.disconnect();
}

/** Does things to a server, one at a time. */
class Doer {
  readonly uptime = new Uptime(true);
  readonly #server: KillableServer;
  #last: Promise<void> = Promise.resolve();

  constructor(server: KillableServer) {
    this.#server = server;
  }

  perform(kind: Fault['kind'], forMs: Millis): Promise<void> {
    this.#last = this.#last.then(() => (kind === 'kill' ? this.#kill(forMs) : this.#pause(forMs)));
    return this.#last;
  }

  async #pause(forMs: Millis): Promise<void> {
    this.uptime.set(false);
    this.#server.freeze();
    await sleep(forMs);
    this.uptime.set(true);
    this.#server.thaw();
  }

  async #kill(forMs: Millis): Promise<void> {
    this.uptime.set(false);
    await this.#server.kill();
    await sleep(forMs);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#server.start();
        break;
      } catch (error) {
        // What it has left behind may need a moment to go away.
        if (attempt === START_TRIES) throw error;
        await sleep(500);
      }
    }
    this.uptime.set(true);
  }
}
