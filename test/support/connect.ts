// Kafka Connect with Debezium's connector for MariaDB, of the tests' own: one process with one connector, from Maven's jars.
//
// Measured on two cores: 6 s to a running connector.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, LOOPBACK } from '../../src/servers/ports.js';
import { describeExit, startGuarded } from '../../src/servers/process.js';
import { minutes } from '../../src/time.js';
import { KAFKA_VERSION, LOGGER } from '../kafka/find-kafka.js';
import { findJavaServer } from './maven.js';

export const DEBEZIUM_VERSION = '3.5.0.Final';

/** As Connect's REST interface takes it. */
export interface Connector {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
}

export interface ConnectOptions {
  readonly brokers: readonly string[];
  /** Where it keeps how far it is; it goes on from there. */
  readonly folder: string;
  readonly connector: Connector;
  /** What `${env:NAME}` in the connector's configuration stands for. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestConnect {
  /** SIGKILL: what it has read and not noted, the next one reads again. */
  kill(): Promise<void>;
}

/** Where Connect notes how far it is. */
export function offsetsFile(folder: string): string {
  return join(folder, 'offsets');
}

/** Its launcher, which {@link startConnect} fetches too: the first time that takes a while. */
export async function findConnect(): Promise<string> {
  return await findJavaServer({
    what: 'Kafka Connect with Debezium',
    name: 'connect',
    folder: `connect-${KAFKA_VERSION}-debezium-${DEBEZIUM_VERSION}`,
    jars: [
      `org.apache.kafka:connect-runtime:${KAFKA_VERSION}`,
      `org.apache.kafka:connect-json:${KAFKA_VERSION}`,
      `io.debezium:debezium-connector-mariadb:${DEBEZIUM_VERSION}`,
      LOGGER,
    ],
    main: 'org.apache.kafka.connect.cli.ConnectStandalone',
    remedy: 'Install Java 17 or later and Maven, so that `java` and `mvn` are on PATH.',
  });
}

/** Starts Connect, which ends with this process, and waits until its connector runs. */
export async function startConnect(options: ConnectOptions): Promise<TestConnect> {
  const { brokers, folder, connector, env = {} } = options;
  const launcher = await findConnect();
  const port = await freePort();
  const files = {
    worker: join(folder, 'worker.properties'),
    connector: join(folder, 'connector.json'),
  };
  const settings = {
    'bootstrap.servers': brokers.join(','),
    listeners: `http://${LOOPBACK}:${port}`,
    'offset.storage.file.filename': offsetsFile(folder),
    'offset.flush.interval.ms': '1000',
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'plugin.discovery': 'service_load',
    'config.providers': 'env',
    'config.providers.env.class': 'org.apache.kafka.common.config.provider.EnvVarConfigProvider',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(files.worker, lines.join(''));
  await writeFile(files.connector, JSON.stringify(connector));
  let pid = 0;
  const child = startGuarded(launcher, [files.worker, files.connector], {
    env: { ...process.env, ...env },
    onLine: (line) => {
      pid ||= Number(/^pid (\d+)$/.exec(line)?.[1] ?? 0);
    },
  });
  let ended: string | undefined;
  void child.exited.then((exit) => {
    ended = describeExit(exit);
  });
  const deadline = performance.now() + minutes(3);
  for (;;) {
    const states = await statesOf(`http://${LOOPBACK}:${port}/connectors/${connector.name}/status`);
    if (states.length === 2 && states.every((state) => state === 'RUNNING')) break;
    const isFailed = ended !== undefined || states.includes('FAILED');
    if (isFailed || performance.now() > deadline) {
      await child.stop();
      throw new Error(`Connect: ${ended ?? `connector and task ${states}`}\n${child.tail()}`);
    }
    await sleep(100);
  }
  return {
    async kill() {
      process.kill(pid, 'SIGKILL');
      await child.exited;
    },
  };
}

/** Of the connector and its task; none while nobody answers. */
async function statesOf(url: string): Promise<string[]> {
  try {
    const answer = await fetch(url);
    if (!answer.ok) return [];
    const { connector, tasks } = (await answer.json()) as {
      connector: { state: string };
      tasks: { state: string }[];
    };
    return [connector, ...tasks].map(({ state }) => state);
  } catch {
    return [];
  }
}
