// Writes to a topic at least once.
//
//   W1. write() resolves when every in-sync replica has every message, and not before.
//   W2. What failed is sent again as a whole, by the caller, through a new producer. The retries of
//       kafkajs are off: within one call it asks no broker twice that has answered, so a partition whose
//       leader moved to such a broker meanwhile would be reported as written and never be sent.
//   W3. The producer is not idempotent. After a failure kafkajs counts its sequence back and gives the
//       same numbers to the next batch, another one perhaps; a broker that has the first would take the
//       second for its repetition, acknowledge it and drop it. Repetitions are what ids are for.
//   W4. No request holds more than one message beyond BATCH_BYTES_MAX. A topic that takes less than
//       that gets smaller batches, down to one message, and at last the smaller form of that message.
//   W5. A message for a partition that kafkajs has not heard of yet is left out by it without a word. So what was
//       acknowledged is compared with what was sent; a new producer asks the brokers anew.

import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import { isTooLarge, notWritten, topicFailure } from './failure.js';

/** Below Kafka's default limit of 1,048,588 bytes for a batch, with room for its own bytes. */
const BATCH_BYTES_MAX = 900_000;
/** Kafka's own bytes of a message and of its headers, generously. */
const ENVELOPE_BYTES = 200;
const ACKNOWLEDGE_WITHIN_MS = 10_000;

/** A message for {@link TopicWriter.write}. */
export interface Outgoing {
  readonly key: string;
  /** By the key where it is left out. */
  readonly partition?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
  /** The value to write instead, when the topic takes no message of this size. */
  readonly smaller?: () => string;
}

/** Writes to one topic. */
export interface TopicWriter {
  /**
   * @param onWritten - told how many messages more were acknowledged, from the first one on
   * @throws CepError `INPUT_MISSING`, `SETTING_INVALID` or `BROKER_UNREACHABLE`; some messages may have
   * been written
   */
  write(messages: readonly Outgoing[], onWritten?: (count: number) => void): Promise<void>;
  /** Disconnects, when what is under way has ended. */
  close(): Promise<void>;
}

/** A writer that connects with its first message. The topic must be there: it is never created. */
export function topicWriter({ kafka, topic }: { kafka: Kafka; topic: string }): TopicWriter {
  let current: Promise<Producer> | null = null;
  const underWay = new Set<Promise<unknown>>();

  const connect = async () => {
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
    });
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      // An attempt may have left a socket behind.
      producer.disconnect().catch(() => {});
      throw error;
    }
  };

  const discard = (producer: Promise<Producer>) => {
    if (current === producer) current = null;
    producer.then((each) => each.disconnect()).catch(() => {});
  };

  const send = async (batch: readonly Outgoing[]) => {
    current ??= connect();
    const producer = current;
    try {
      const acknowledged = await (await producer).send({
        topic,
        acks: -1,
        timeout: ACKNOWLEDGE_WITHIN_MS,
        messages: batch.map(({ key, headers, value, partition }) => ({
          ...{ key, headers: { ...headers }, value },
          ...(partition === undefined ? {} : { partition }),
        })),
      });
      requireAll(batch, acknowledged);
    } catch (error) {
      if (!isTooLarge(error)) discard(producer);
      throw error;
    }
  };

  const writeBatch = async (batch: readonly Outgoing[]): Promise<void> => {
    try {
      await send(batch);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      const [first, ...others] = batch;
      if (others.length > 0) {
        const middle = batch.length >> 1;
        await writeBatch(batch.slice(0, middle));
        await writeBatch(batch.slice(middle));
      } else {
        if (first?.smaller === undefined) throw error;
        const { smaller, ...same } = first;
        await writeBatch([{ ...same, value: smaller() }]);
      }
    }
  };

  const writeAll = async (messages: readonly Outgoing[], onWritten?: (count: number) => void) => {
    for (const batch of batchesOf(messages)) {
      await writeBatch(batch);
      onWritten?.(batch.length);
    }
  };

  return {
    async write(messages, onWritten) {
      const writing = writeAll(messages, onWritten);
      underWay.add(writing);
      try {
        await writing;
      } catch (error) {
        throw topicFailure(topic, 'written to', error) ?? notWritten(topic, error);
      } finally {
        underWay.delete(writing);
      }
    },
    async close() {
      await Promise.allSettled(underWay);
      const producer = current;
      current = null;
      await producer?.then((each) => each.disconnect()).catch(() => {});
    },
  };
}

/** W5. */
function requireAll(
  batch: readonly Outgoing[],
  acknowledged: readonly { readonly partition: number }[],
): void {
  const written = new Set(acknowledged.map(({ partition }) => partition));
  const missing = batch.find(
    ({ partition = null }) => partition !== null && !written.has(partition),
  );
  if (missing) throw new Error(`partition ${missing.partition} is not known to the producer yet`);
}

/** Cuts where a request would grow beyond {@link BATCH_BYTES_MAX}. */
function* batchesOf(messages: readonly Outgoing[]): Generator<readonly Outgoing[]> {
  let batch: Outgoing[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = sizeOf(message);
    if (batch.length > 0 && bytes + size > BATCH_BYTES_MAX) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function sizeOf({ key, headers, value }: Outgoing): number {
  let size = ENVELOPE_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value);
  for (const [name, text] of Object.entries(headers)) {
    size += Buffer.byteLength(name) + Buffer.byteLength(text);
  }
  return size;
}
