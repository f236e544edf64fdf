// A Kafka of the tests' own: one process that is broker and controller, from Kafka's jars as Maven has
// them. Or the brokers that TEMPORAL_CEP_TEST_BROKERS names (host:port, comma separated).
//
// Measured on two cores: 2.3 s to the first answer, 0.8 s with the archive of classes that the first
// start leaves in the cache.

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, Kafka, logLevel, Partitioners } from 'kafkajs';
import { freePort, LOOPBACK, waitForPort } from '../../src/servers/ports.js';
import {
  describeExit,
  describeFailure,
  type Environment,
  type GuardedProcess,
  run,
  startGuarded,
} from '../../src/servers/process.js';
import { minutes, seconds } from '../../src/time.js';
import { findKafka } from '../kafka/find-kafka.js';
import { type Authority, type Certificate, pemOf } from './authority.js';

/** User and password of {@link TestKafka.saslBroker} and {@link TlsBrokers}, whatever the mechanism. */
export const SASL_USER = { username: 'temporal-cep', password: 'open-sesame' };

/** How {@link startKafka} starts a broker. */
export interface KafkaOptions {
  /** Further lines for the broker's properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Adds `saslBroker` and `misleadingBroker`. */
  readonly moreListeners?: boolean;
  /** Adds `tls`, whose certificates it signs. */
  readonly authority?: Authority;
}

/** The addresses at which a broker speaks TLS. */
export interface TlsBrokers {
  /** SASL_SSL with PLAIN alone. */
  readonly plain: string;
  /** SASL_SSL with SCRAM-SHA-256 and SCRAM-SHA-512. */
  readonly scram: string;
  /** SASL_SSL with PLAIN and a certificate that is {@link OTHER_HOST}'s. */
  readonly otherHost: string;
  /** SSL for clients with a certificate. */
  readonly mutual: string;
}

/** Whom the certificate of {@link TlsBrokers.otherHost} is for. */
export const OTHER_HOST = 'kafka.example';

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
  /** Where an authority was given. */
  readonly tls: TlsBrokers;
  /** Where it keeps its data. */
  readonly folder: string;
  /** A new client that says nothing. */
  kafka(): Kafka;
  /** SIGKILL. The data stay. */
  kill(): Promise<void>;
  /**
   * Starts it again after `kill`, on the same port with the same data, and waits until it answers, also for its topics.
   *
   * @param changed - lines of its properties that are others from now on
   */
  start(changed?: Readonly<Record<string, string>>): Promise<void>;
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
    get tls() {
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
  { properties = {}, moreListeners = false, authority }: KafkaOptions,
  env: Environment = process.env,
): Promise<TestKafka> {
  const folder = await mkdtemp(join(tmpdir(), 'temporal-cep-kafka-'));
  const data = join(folder, 'data');
  const address = async () => `${LOOPBACK}:${await freePort()}`;
  const plain = await address();
  const brokers = [plain];
  const controller = await address();
  const more = { sasl: await address(), misleading: await address(), nowhere: await address() };
  const tls = {
    plain: await address(),
    scram: await address(),
    otherHost: await address(),
    mutual: await address(),
  };
  const config = joined(
    propertiesOf({ data, plain, controller }),
    moreListeners ? listenersOf(more) : {},
    authority ? tlsListenersOf(tls, await certificatesOf(authority, folder)) : {},
    properties,
  );
  const file = join(folder, 'server.properties');
  const configure = async (changed: Readonly<Record<string, string>> = {}) => {
    const lines = Object.entries({ ...config, ...changed }).map(([k, v]) => `${k}=${v}\n`);
    await writeFile(file, lines.join(''));
  };
  await configure();
  await (authority ? formatWithUsers(launcher, file, env) : format(data));

  let broker: Running | null = await launch(launcher, { file, brokers, env });
  const signal = (name: NodeJS.Signals) => {
    if (broker !== null) process.kill(broker.pid, name);
  };
  return {
    brokers,
    saslBroker: more.sasl,
    misleadingBroker: more.misleading,
    nowhere: more.nowhere,
    tls,
    folder: data,
    kafka: () => quietKafka(brokers),
    async kill() {
      signal('SIGKILL');
      await broker?.child.exited;
      broker = null;
    },
    async start(changed) {
      if (changed) await configure(changed);
      if (broker !== null) return;
      broker = await launch(launcher, { file, brokers, env });
      await untilLeads(brokers);
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
    'advertised.listeners': `PLAINTEXT://${of.plain}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
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

type Properties = Readonly<Record<string, string>>;

/** Properties that several parts add to, each with what it adds, by commas; of any other the last one holds. */
const LISTS = ['listeners', 'advertised.listeners', 'listener.security.protocol.map'];

function joined(...parts: readonly Properties[]): Properties {
  const all: Record<string, string> = {};
  for (const [name, value] of parts.flatMap((part) => Object.entries(part))) {
    const before = LISTS.includes(name) ? all[name] : undefined;
    all[name] = before === undefined ? value : `${before},${value}`;
  }
  return all;
}

function listenersOf(of: { sasl: string; misleading: string; nowhere: string }): Properties {
  return {
    listeners: `SASL://${of.sasl},MISLEADING://${of.misleading}`,
    'advertised.listeners': `SASL://${of.sasl},MISLEADING://${of.nowhere}`,
    'listener.security.protocol.map': 'MISLEADING:PLAINTEXT,SASL:SASL_PLAINTEXT',
    ...plainUsers('sasl'),
  };
}

/** Who is let in by PLAIN: {@link SASL_USER}, with this password. */
export function plainUsers(listener: string, password = SASL_USER.password): Properties {
  const { username } = SASL_USER;
  const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule';
  return {
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: 'PLAIN',
    [`listener.name.${listener}.plain.sasl.jaas.config`]: `${jaas} required user_${username}="${password}";`,
  };
}

/** Paths of what a broker shows its clients, and of what it trusts. */
interface BrokerCertificates {
  readonly own: string;
  readonly otherHost: string;
  readonly authority: string;
}

async function certificatesOf(authority: Authority, folder: string): Promise<BrokerCertificates> {
  const keep = async (certificate: Certificate, name: string) => {
    const file = join(folder, name);
    await writeFile(file, await pemOf(certificate));
    return file;
  };
  return {
    own: await keep(await authority.sign('broker', [`IP:${LOOPBACK}`]), 'broker.pem'),
    otherHost: await keep(await authority.sign('other', [`DNS:${OTHER_HOST}`]), 'other.pem'),
    authority: authority.certificate,
  };
}

function tlsListenersOf(
  { plain, scram, otherHost, mutual }: TlsBrokers,
  certificates: BrokerCertificates,
): Properties {
  const at = `TLSPLAIN://${plain},TLSSCRAM://${scram},TLSOTHER://${otherHost},TLSMUTUAL://${mutual}`;
  const of = (listener: string) => `listener.name.${listener}`;
  const scramModule = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return {
    listeners: at,
    'advertised.listeners': at,
    'listener.security.protocol.map':
      'TLSPLAIN:SASL_SSL,TLSSCRAM:SASL_SSL,TLSOTHER:SASL_SSL,TLSMUTUAL:SSL',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.own,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.authority,
    ...plainUsers('tlsplain'),
    ...plainUsers('tlsother'),
    [`${of('tlsother')}.ssl.keystore.type`]: 'PEM',
    [`${of('tlsother')}.ssl.keystore.location`]: certificates.otherHost,
    [`${of('tlsscram')}.sasl.enabled.mechanisms`]: 'SCRAM-SHA-256,SCRAM-SHA-512',
    [`${of('tlsscram')}.scram-sha-256.sasl.jaas.config`]: scramModule,
    [`${of('tlsscram')}.scram-sha-512.sasl.jaas.config`]: scramModule,
    [`${of('tlsmutual')}.ssl.client.auth`]: 'required',
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

/** The same by the StorageTool itself, which alone can write users with SCRAM before the first start. */
async function formatWithUsers(launcher: string, file: string, env: Environment): Promise<void> {
  const { username, password } = SASL_USER;
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${username},password=${password}]`,
  ]);
  const java = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : 'java';
  const outcome = await run(
    java,
    [
      ...['-XX:TieredStopAtLevel=1', '-cp', join(dirname(launcher), 'lib', '*')],
      ...['kafka.tools.StorageTool', 'format', '--config', file],
      // In one word: it may begin with a dash.
      ...[`--cluster-id=${randomBytes(16).toString('base64url')}`, ...users],
    ],
    { env, timeoutMs: minutes(1) },
  );
  if (outcome.code !== 0) throw new Error(`kafka.tools.StorageTool: ${describeFailure(outcome)}`);
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

/** Waits for what comes back after a kill: a broker that answers may still say of its partitions that it does not lead them. */
async function untilLeads(brokers: string[]): Promise<void> {
  const deadline = performance.now() + minutes(1);
  const admin = quietKafka(brokers).admin();
  await admin.connect();
  try {
    for (const topic of await admin.listTopics()) {
      while (!(await isLed(admin, topic, deadline))) await sleep(50);
    }
  } finally {
    await admin.disconnect();
  }
}

async function isLed(admin: Admin, topic: string, deadline: number): Promise<boolean> {
  try {
    await admin.fetchTopicOffsets(topic);
    return true;
  } catch (error) {
    if (performance.now() > deadline) throw error;
    return false;
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
