// The id that Kafka gives a topic when it is created: a topic that was deleted and created again has
// another one, so that its offsets are not taken for those of the topic before.
//
// kafkajs asks for metadata in version 6, ids came with version 10 (Kafka 2.8). So here is that one
// request, sent over a broker connection of kafkajs, which sees to addresses, TLS and authentication.
// `Broker.connectionPool` and `Broker.versions` are not in its types; they are checked before use.
//
// Layouts, all numbers big-endian; `compact` lengths are unsigned varints of length + 1, 0 for null; a tag
// buffer is a varint count, always 0 as we send it:
//
//   request header v2    key i16, version i16, correlation i32, client id string (by kafkajs), tag buffer (by us)
//   request body v10     topics compact[ id 16 bytes, name compact string, tag buffer ],
//                        create topic bool, cluster operations bool, topic operations bool, tag buffer
//   response header v1   correlation i32 (taken off by kafkajs), tag buffer
//   response body v10    throttle i32, brokers compact[ id i32, host compact string, port i32,
//                        rack compact string, tag buffer ], cluster id compact string, controller i32,
//                        topics compact[ error i16, name compact string, id 16 bytes, is internal bool,
//                        partitions compact[ ... ], ... ]

import type { Cluster } from 'kafkajs';
import { CepError } from '../errors.js';
import { topicMissing } from './failure.js';

const METADATA = 3;
const VERSION = 10;
const ID_BYTES = 16;
const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** What we use of kafkajs' Broker. */
interface Connected {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>>;
  readonly connectionPool: { send(protocol: unknown): Promise<TopicAnswer> };
}

/** What a broker says of one topic. */
interface TopicAnswer {
  /** Kafka's number of the error, 0 for none. */
  readonly errorCode: number;
  readonly id: Buffer;
  readonly partitions: number;
}

/** Which topic it is at this moment, and how many partitions it has. */
export interface TopicIdentity {
  /** As Kafka prints it: base64url, 22 characters. */
  readonly id: string;
  readonly partitions: number;
}

/**
 * The topic's id and the number of its partitions, or null when the cluster has no topic ids, being older than
 * Kafka 2.8. Never creates the topic.
 *
 * @param cluster - of a client of kafkajs, such as a partition assigner is given
 * @param partition - asks its leader, as far as it is known and can be reached; by default any broker
 * @throws CepError `INPUT_MISSING` when the topic is not there
 * @throws Error when kafkajs is not built as expected, and its own errors when no broker answers
 */
export async function topicIdentity(
  cluster: Cluster,
  topic: string,
  partition?: number,
): Promise<TopicIdentity | null> {
  const leaders = partition === undefined ? [] : leadersOf(cluster, topic, partition);
  const { versions, connectionPool } = await anyBroker(cluster, leaders);
  if ((versions[METADATA]?.maxVersion ?? 0) < VERSION) return null;

  const body = encodeRequest(topic);
  const { errorCode, id, partitions } = await connectionPool.send({
    request: {
      apiKey: METADATA,
      apiVersion: VERSION,
      apiName: 'Metadata',
      // As much of kafkajs' Encoder as it looks at.
      encode: async () => ({ buf: body, buffer: body }),
    },
    response: {
      decode: async (raw: Buffer) => decodeResponse(raw),
      parse: async (data: unknown) => data,
    },
  });
  if (errorCode === UNKNOWN_TOPIC_OR_PARTITION) throw topicMissing(topic);
  // Without a leader the topic has its id all the same, and the error comes with it.
  if (id.some((byte) => byte !== 0)) return { id: id.toString('base64url'), partitions };
  if (errorCode === 0) return null;
  throw new CepError(
    'INPUT_MISSING',
    `the topic ${topic} can't be described (error ${errorCode} of Kafka's protocol): see whether this Kafka user may read it`,
    { details: { topic, errorCode } },
  );
}

function leadersOf(cluster: Cluster, topic: string, partition: number): string[] {
  try {
    return Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  } catch {
    // There is none at this moment.
    return [];
  }
}

async function anyBroker(cluster: Cluster, first: readonly string[]): Promise<Connected> {
  await cluster.connect();
  if (cluster.getNodeIds().length === 0) await cluster.refreshMetadata();
  let failure: unknown = new Error('the cluster names no broker');
  for (const nodeId of new Set([...first, ...cluster.getNodeIds().map(String)])) {
    try {
      return checked(await cluster.findBroker({ nodeId }));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function checked(broker: unknown): Connected {
  const { versions, connectionPool } = broker as Partial<Connected>;
  if (typeof versions !== 'object' || typeof connectionPool?.send !== 'function') {
    throw new Error(
      'kafkajs is not built as temporal-cep expects (a Broker without versions or connectionPool): use kafkajs 2.2.4',
    );
  }
  return broker as Connected;
}

function encodeRequest(topic: string): Buffer {
  const name = Buffer.from(topic, 'utf8');
  const none = Buffer.alloc(1);
  return Buffer.concat([
    none, // tag buffer of the header
    unsignedVarint(1 + 1), // one topic
    Buffer.alloc(ID_BYTES), // asked for by name
    unsignedVarint(name.length + 1),
    name,
    none, // tag buffer of the topic
    none, // don't create it
    none, // nothing of what we may do to the cluster
    none, // nor to the topic
    none, // tag buffer of the body
  ]);
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function decodeResponse(raw: Buffer): TopicAnswer {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = raw.readUInt8(at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const skip = (bytes: number) => {
    at += bytes;
  };
  const skipString = () => skip(Math.max(varint() - 1, 0));
  const skipTags = () => {
    for (let count = varint(); count > 0; count--) {
      varint();
      skip(varint());
    }
  };
  skipTags();
  skip(4); // throttle time
  for (let brokers = varint() - 1; brokers > 0; brokers--) {
    skip(4); // id
    skipString(); // host
    skip(4); // port
    skipString(); // rack
    skipTags();
  }
  skipString(); // cluster id
  skip(4); // controller
  const topics = varint() - 1;
  if (topics !== 1) throw new Error(`Kafka described ${topics} topics when asked for one`);
  const errorCode = raw.readInt16BE(at);
  skip(2);
  skipString(); // name
  const id = raw.subarray(at, at + ID_BYTES);
  skip(ID_BYTES);
  skip(1); // whether it is internal
  return { errorCode, id, partitions: Math.max(varint() - 1, 0) };
}
