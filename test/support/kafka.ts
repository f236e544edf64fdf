// A Kafka of the tests' own: one process that is broker and controller, from Kafka's jars as Maven has
// them. Or the brokers that TEMPORAL_CEP_TEST_BROKERS names (host:port, comma separated).
//
// Measured on two cores: 2.3 s to the first answer, 0.8 s with the archive of classes that the first
// start leaves in the cache.

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { freePort, LOOPBACK, waitForPort } from '../../src/servers/ports.js';
import {
  describeExit,
  type Environment,
  type GuardedProcess,
  startGuarded,
} from '../../src/servers/process.js';
import { minutes, seconds } from '../../src/time.js';
import { findKafka } from '../kafka/find-kafka.js';

/** User and password of {@link TestKafka.saslBroker}. */
export const SASL_USER = { username: 'temporal-cep', password: 'open-sesame' };

/** How {@link startKafka} starts a broker. */
export interface KafkaOptions {
  /** Further lines for the broker's properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Adds `saslBroker` and `misleadingBroker`. */
  readonly moreListeners?: boolean;
}

/** A running broker. What shows or changes more than a client can refuses when the brokers are not ours. */
export interface TestKafka {
  /** For settings: `127.0.0.1:port`. */
  readonly brokers: string[];
  /** Wants the mechanism PLAIN and {@link SASL_USER}. */
  readonly saslBroker: string;
  /** Sends its clients on to `nowhere`, as a port forwarded to a container often does. */
  readonly misleadingBroker: string;
  /** An address where nobody listens. */
  readonly nowhere: string;
  /** Where it keeps its data. */
  readonly folder: string;
  /** A new client that says nothing. */
  kafka(): Kafka;
  /** SIGKILL. The data stay. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port with the same data, and waits until it answers. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** A name that no other test uses, since the brokers may be shared. */
export function uniqueName(name: string): string {
  return `${name}-${randomBytes(6).toString('hex')}`;
}

/** Starts a broker that ends with this process, and waits until it answers a client. */
export async function startKafka(options: KafkaOptions = {}): Promise<TestKafka> {
  const named = process.env.TEMPORAL_CEP_TEST_BROKERS;
  if (named) return await foreignKafka(named.split(','));
  return await startBroker(await findKafka(trialRun), options);
}

async function foreignKafka(brokers: string[]): Promise<TestKafka> {
  const refuse = (): never => {
    throw new Error('unset TEMPORAL_CEP_TEST_BROKERS: this test needs a broker of its own');
  };
  await untilAnswers(brokers, new AbortController().signal);
  return {
    brokers,
    get saslBroker() {
      return refuse();
    },
    get misleadingBroker() {
      return refuse();
    },
    get nowhere() {
      return refuse();
    },
    get folder() {
      return refuse();
    },
    kafka: () => quietKafka(brokers),
    kill: async () => refuse(),
    start: async () => refuse(),
    freeze: refuse,
    thaw: refuse,
    stop: async () => {},
  };
}

async function startBroker(
  launcher: string,
  { properties = {}, moreListeners = false }: KafkaOptions,
  env: Environment = process.env,
): Promise<TestKafka> {
  const folder = await mkdtemp(join(tmpdir(), 'temporal-cep-kafka-'));
  const data = join(folder, 'data');
  const address = async () => `${LOOPBACK}:${await freePort()}`;
  const plain = await address();
  const brokers = [plain];
  const controller = await address();
  const more = { sasl: await address(), misleading: await address(), nowhere: await address() };
  const config = {
    ...propertiesOf({ data, plain, controller }),
    ...(moreListeners ? listenersOf({ plain, controller, ...more }) : {}),
    ...properties,
  };
  const file = join(folder, 'server.properties');
  const lines = Object.entries(config).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(file, lines.join(''));
  await format(data);

  let broker: Running | null = await launch(launcher, { file, brokers, env });
  const signal = (name: NodeJS.Signals) => {
    if (broker !== null) process.kill(broker.pid, name);
  };
  return {
    brokers,
    saslBroker: more.sasl,
    misleadingBroker: more.misleading,
    nowhere: more.nowhere,
    folder: data,
    kafka: () => quietKafka(brokers),
    async kill() {
      signal('SIGKILL');
      await broker?.child.exited;
      broker = null;
    },
    async start() {
      broker ??= await launch(launcher, { file, brokers, env });
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async stop() {
      // A process that stands still can't end in good order.
      signal('SIGCONT');
      await broker?.child.stop(seconds(30));
      broker = null;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function propertiesOf(of: { data: string; plain: string; controller: string }) {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${of.controller}`,
    listeners: `PLAINTEXT://${of.plain},CONTROLLER://${of.controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': of.data,
    // After a kill the controller waits until the broker that was is given up: 9 s by default.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': '0',
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'message.max.bytes': '5000000',
    // Records may be as old as a test wants them.
    'log.retention.ms': '-1',
    'log.segment.delete.delay.ms': '100',
    'log.index.size.max.bytes': '1048576',
  };
}

interface Addresses {
  readonly plain: string;
  readonly controller: string;
  readonly sasl: string;
  readonly misleading: string;
  readonly nowhere: string;
}

function listenersOf({ plain, controller, sasl, misleading, nowhere }: Addresses) {
  const { username, password } = SASL_USER;
  const same = `PLAINTEXT://${plain},SASL://${sasl}`;
  const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule';
  return {
    listeners: `${same},MISLEADING://${misleading},CONTROLLER://${controller}`,
    'advertised.listeners': `${same},MISLEADING://${nowhere}`,
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MISLEADING:PLAINTEXT,SASL:SASL_PLAINTEXT',
    'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.sasl.plain.sasl.jaas.config': `${jaas} required user_${username}="${password}";`,
  };
}

/** What Kafka's StorageTool writes; without its start of another Java, which takes as long as Kafka's. */
async function format(data: string): Promise<void> {
  const uuid = () => randomBytes(16).toString('base64url');
  const meta = { version: '1', 'cluster.id': uuid(), 'node.id': '1', 'directory.id': uuid() };
  await mkdir(data);
  const lines = Object.entries(meta).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(data, 'meta.properties'), lines.join(''));
}

interface Running {
  readonly child: GuardedProcess;
  readonly pid: number;
}

async function launch(
  launcher: string,
  { file, brokers, env }: { file: string; brokers: string[]; env: Environment },
): Promise<Running> {
  let pid = 0;
  const child = startGuarded(launcher, [file], {
    env,
    onLine: (line) => {
      pid ||= Number(/^pid (\d+)$/.exec(line)?.[1] ?? 0);
    },
  });
  const done = new AbortController();
  const ended = child.exited.then((exit) => {
    throw new Error(`Kafka ended early (${describeExit(exit)}):\n${child.tail()}`);
  });
  ended.catch(() => {});
  try {
    await Promise.race([untilAnswers(brokers, done.signal), ended]);
  } catch (error) {
    await child.stop();
    throw error;
  } finally {
    done.abort();
  }
  return { child, pid };
}

/** Waits for a client's view: topics can be made and groups joined, not just the port be opened. */
async function untilAnswers(brokers: string[], signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + minutes(1);
  const port = Number(brokers[0]?.split(':')[1]);
  await waitForPort(port, { timeoutMs: minutes(1), signal });
  for (;;) {
    const admin = quietKafka(brokers, { retries: 0 }).admin();
    try {
      await admin.connect();
      const { brokers: known } = await admin.describeCluster();
      if (known.length > 0) return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    } finally {
      await admin.disconnect();
    }
    await sleep(50, undefined, { signal });
  }
}

function quietKafka(brokers: string[], retry: { retries?: number } = {}): Kafka {
  return new Kafka({
    brokers,
    clientId: 'test',
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20, ...retry },
  });
}

/** Lets a message through, so that the classes for it are loaded too. */
async function trialRun(launcher: string, env: Environment): Promise<void> {
  const broker = await startBroker(launcher, {}, env);
  try {
    await roundTrip(broker.kafka());
  } finally {
    await broker.stop();
  }
}

async function roundTrip(kafka: Kafka): Promise<void> {
  const topic = 'trial';
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({ groupId: 'trial', maxWaitTimeInMs: 100 });
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic }] });
    await producer.connect();
    await producer.send({ topic, messages: [{ value: 'hello' }] });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.run({ eachMessage: async () => resolve() }).catch(reject);
    });
  } finally {
    await Promise.all([consumer.disconnect(), producer.disconnect(), admin.disconnect()]);
  }
}
