import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, IResourceConfigEntry } from 'kafkajs';
import { CepError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Millis } from '../time.js';
import { brokerUnreachable, isFinal, rootFailure, topicFailure, topicMissing } from './failure.js';
import { createKafka, type KafkaSettings } from './settings.js';

const POLL_MS = 300;
const APPEARS_WITHIN_MS: Millis = 10_000;

/**
 * Makes sure that Kafka answers: connects, authenticates and asks for the cluster. It waits for
 * brokers that are being started, but not for a password or certificate to come right.
 *
 * @param timeoutMs - 10 s by default
 * @throws CepError `BROKER_UNREACHABLE`, one line that names the brokers, what failed and the remedy
 */
export async function checkBrokers(
  settings: KafkaSettings,
  log: Logger,
  timeoutMs: Millis = 10_000,
): Promise<void> {
  // No retries by kafkajs: the loop below is shorter, knows what is final and keeps the last reason.
  const kafka = createKafka(settings, attemptsOf(log), {
    retry: { retries: 0 },
    requestTimeout: timeoutMs,
  });
  const admin = kafka.admin();
  const overdue = new AbortController();
  let last: unknown = new Error(`no answer within ${timeoutMs / 1000} s`);
  const attempts = async () => {
    for (;;) {
      try {
        await admin.connect();
        await admin.describeCluster();
        return;
      } catch (error) {
        // What kafkajs does about a connection lost between its two requests; it tells nobody anything.
        if (!(error instanceof TypeError)) last = error;
        if (overdue.signal.aborted || isFinal(error)) throw error;
      }
      await sleep(POLL_MS, undefined, { signal: overdue.signal });
    }
  };
  try {
    await Promise.race([
      attempts(),
      sleep(timeoutMs, undefined, { signal: overdue.signal }).then(() => {
        throw last;
      }),
    ]);
  } catch {
    throw brokerUnreachable(settings, last);
  } finally {
    overdue.abort();
    // It waits for answers under way, which a broker that hangs never gives.
    admin.disconnect().catch(() => {});
  }
}

/** Who looks for brokers tells at its end what has failed: what it tried in between is of no interest. */
function attemptsOf(log: Logger): Logger {
  const debug: Logger['debug'] = (message, attributes) => log.debug(message, attributes);
  return { debug, info: debug, warn: debug, error: debug };
}

/** A topic that is there. */
export interface TopicDescription {
  readonly topic: string;
  /** Ids of its partitions, ascending. */
  readonly partitions: readonly number[];
}

/** Describes those of the topics that are there. Creates none. */
export async function describeTopics(
  admin: Admin,
  topics: readonly string[],
): Promise<TopicDescription[]> {
  const found: TopicDescription[] = [];
  for (const topic of topics) {
    // One at a time: asked for several, kafkajs tells nothing of any if one is missing.
    const partitions = await partitionsOf(admin, topic);
    if (partitions !== null) found.push({ topic, partitions });
  }
  return found;
}

/**
 * The ids of a topic's partitions, ascending. Never creates the topic, even where brokers create topics
 * that clients ask for.
 *
 * @throws CepError `INPUT_MISSING` when it is not there, `SETTING_INVALID` when it may not be read or
 * the name is none
 */
export async function requireTopic(admin: Admin, topic: string): Promise<number[]> {
  const partitions = await partitionsOf(admin, topic);
  if (partitions === null) throw topicMissing(topic);
  return partitions;
}

async function partitionsOf(admin: Admin, topic: string): Promise<number[] | null> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const { partitions } = topics[0] ?? { partitions: [] };
    return partitions.map(({ partitionId }) => partitionId).sort((a, b) => a - b);
  } catch (error) {
    if (rootFailure(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') return null;
    throw topicFailure(topic, 'described', error) ?? error;
  }
}

/** A topic that should be there. */
export interface WantedTopic {
  readonly topic: string;
  /** Number of partitions; the broker's default when left out. */
  readonly partitions?: number;
  /** Such as `{ name: 'retention.ms', value: '604800000' }`. Not applied to a topic that is there. */
  readonly configEntries?: IResourceConfigEntry[];
}

/** What {@link ensureTopics} found or did. */
export interface EnsuredTopic {
  readonly topic: string;
  /** `too-few-partitions`: it was there, with fewer than wanted, and was left as it is. */
  readonly outcome: 'created' | 'present' | 'too-few-partitions';
  /** How many partitions it has. */
  readonly partitions: number;
}

/**
 * Creates the topics that are missing, with the broker's default replication. One that is there is left
 * as it is: adding partitions would send the same key elsewhere. May run twice, and at the same time.
 *
 * @returns one entry for each topic, in the order asked for
 * @throws CepError `SETTING_INVALID` when the cluster refuses a topic, with its reason
 */
export async function ensureTopics(
  admin: Admin,
  wanted: readonly WantedTopic[],
): Promise<EnsuredTopic[]> {
  const ensured: EnsuredTopic[] = [];
  for (const { topic, partitions: count, configEntries } of wanted) {
    // Looked for first: who may describe a topic need not have the right to create one.
    let partitions = await partitionsOf(admin, topic);
    let created = false;
    if (partitions === null) {
      created = await create(admin, { topic, partitions: count ?? -1, configEntries });
      partitions = await appeared(admin, topic);
    }
    const tooFew = !created && count !== undefined && partitions.length < count;
    const outcome = created ? 'created' : tooFew ? 'too-few-partitions' : 'present';
    ensured.push({ topic, outcome, partitions: partitions.length });
  }
  return ensured;
}

/** What the controller has created, a broker hears of a moment later. */
async function appeared(admin: Admin, topic: string): Promise<number[]> {
  const deadline = performance.now() + APPEARS_WITHIN_MS;
  for (;;) {
    const partitions = await partitionsOf(admin, topic);
    if (partitions !== null) return partitions;
    if (performance.now() > deadline) throw topicMissing(topic);
    await sleep(POLL_MS);
  }
}

/** False when somebody else created it meanwhile. */
async function create(
  admin: Admin,
  wanted: { topic: string; partitions: number; configEntries: IResourceConfigEntry[] | undefined },
): Promise<boolean> {
  const { topic, partitions, configEntries = [] } = wanted;
  try {
    return await admin.createTopics({
      // -1: as many replicas as the cluster wants by default.
      topics: [{ topic, numPartitions: partitions, replicationFactor: -1, configEntries }],
      // kafkajs gives up at once where the broker has not heard of the topic yet.
      waitForLeaders: false,
    });
  } catch (error) {
    const [reason] = (error as { errors?: unknown[] }).errors ?? [error];
    throw (
      topicFailure(topic, 'created', reason) ??
      new CepError(
        'SETTING_INVALID',
        `the topic ${topic} can't be created with ${partitions} partitions (${messageOf(reason)}): change its settings, or create it with Kafka's own tools`,
        { details: { topic }, cause: error },
      )
    );
  }
}
