// Late events and dead letters in a topic.
//
//   R1. put() resolves when Kafka has acknowledged the reject: only then may its offset be committed.
//   R2. While Kafka is away, or refuses, what waits is tried again without end; put() rejects only
//       once the topic is closed.
//   R3. What waits is written in the order it was put, one request at a time: all that came while
//       one was under way goes with the next.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import type { LateSink } from '../activities/sinks.js';
import { messageOf } from '../errors.js';
import type { Reject } from '../ingest/rejects.js';
import type { Logger } from '../log.js';
import { NOT_TAKEN } from '../workflows/messages.js';
import { type Outgoing, topicWriter } from './topic-writer.js';

/** Largest record that is kept whole, as JSON. */
const RECORD_BYTES_MAX = 500_000;
/** What is kept of a larger one: at six bytes a character in JSON still less than Kafka takes. */
const RECORD_LENGTH_KEPT = 100_000;
/** What is kept when the topic takes even less. */
const RECORD_LENGTH_LEAST = 100;
const PAUSE_MS = 500;
const WARN_EVERY_MS = 5_000;
const CLOSE_WITHIN_MS = 5_000;

/** Takes rejects for a topic. */
export interface RejectTopic {
  /** Resolves when Kafka has acknowledged it. Rejects only after `close`. */
  put(reject: Reject): Promise<void>;
  /** Rejects what still waits, and disconnects. */
  close(): Promise<void>;
}

/** What {@link rejectTopic} is made of. */
export interface RejectTopicOptions {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly log: Logger;
}

interface Waiting {
  readonly message: Outgoing;
  readonly done: PromiseWithResolvers;
}

/** ES2024 has it built in. */
interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Writes rejects to a Kafka topic, at least once. The key is `source/partition/offset`; headers
 * `reason`, `source`, `partition`, `offset`; the value is the reject as JSON. Of a record over 500 kB the
 * first 100,000 characters are kept, and `recordLength` says how many it had.
 *
 * A warning names the reason every 5 s while nothing can be written.
 */
export function rejectTopic({ kafka, topic, log }: RejectTopicOptions): RejectTopic {
  const writer = topicWriter({ kafka, topic });
  // By content: an activity that timed out here and is tried again joins what waits already.
  const waiting = new Map<string, Waiting>();
  const closing = new AbortController();
  let flushing: Promise<void> | null = null;

  const flush = async () => {
    let reason = 'no answer yet';
    const warning = setInterval(
      () => log.warn('rejects wait for Kafka', { topic, waiting: waiting.size, reason }),
      WARN_EVERY_MS,
    );
    try {
      // So that what is put in the same turn goes together.
      await sleep(0);
      while (waiting.size > 0) {
        const batch = [...waiting];
        let written = 0;
        try {
          await writer.write(
            batch.map(([, { message }]) => message),
            (count) => {
              for (const [id, { done }] of batch.slice(written, written + count)) {
                waiting.delete(id);
                done.resolve();
              }
              written += count;
            },
          );
        } catch (error) {
          reason = messageOf(error);
          await sleep(PAUSE_MS, undefined, { signal: closing.signal }).catch(() => {});
        }
      }
    } finally {
      clearInterval(warning);
      flushing = null;
    }
  };

  return {
    put(reject) {
      if (closing.signal.aborted) return Promise.reject(new Error(`the topic ${topic} was closed`));
      const { source, partition, offset, reason, message } = reject;
      const id = JSON.stringify([source, partition, offset, reason, message]);
      const same = waiting.get(id);
      if (same !== undefined) return same.done.promise;
      const done = withResolvers();
      waiting.set(id, { message: messageFor(reject), done });
      flushing ??= flush();
      return done.promise;
    },
    async close() {
      closing.abort();
      const error = new Error(`the topic ${topic} was closed before this was written`);
      for (const { done } of waiting.values()) done.reject(error);
      waiting.clear();
      // An attempt to connect goes on for a while; nobody has to wait for it.
      const grace = new AbortController();
      await Promise.race([
        (flushing ?? Promise.resolve()).then(() => writer.close()),
        sleep(CLOSE_WITHIN_MS, undefined, { ref: false, signal: grace.signal }).catch(() => {}),
      ]);
      grace.abort();
    },
  };
}

/**
 * The late output of sessions in a topic of rejects: an event each, with the reason (`LATE_FOR_SESSION` or
 * `NO_ROOM_IN_SESSION`) and its data as the record.
 */
export function lateTopic(options: RejectTopicOptions): LateSink & { close(): Promise<void> } {
  const rejects = rejectTopic(options);
  return {
    publish: async ({ journey, key }, events, reason) => {
      const message = `${NOT_TAKEN[reason]} ${journey}/${key}`;
      await Promise.all(
        events.map(({ source, partition, offset, data: record }) =>
          rejects.put({ source, partition, offset, reason, message, record }),
        ),
      );
    },
    close: () => rejects.close(),
  };
}

function messageFor(reject: Reject): Outgoing {
  const { source, partition, offset, reason, record } = reject;
  const json = JSON.stringify(record) ?? 'null';
  const text = typeof record === 'string' ? record : json;
  const cut = (length: number) =>
    JSON.stringify({ ...reject, record: text.slice(0, length), recordLength: text.length });
  const isLarge = Buffer.byteLength(json) > RECORD_BYTES_MAX;
  return {
    key: `${source}/${partition}/${offset}`,
    headers: { reason, source, partition: `${partition}`, offset: `${offset}` },
    value: isLarge ? cut(RECORD_LENGTH_KEPT) : JSON.stringify(reject),
    smaller: () => cut(RECORD_LENGTH_LEAST),
  };
}

function withResolvers(): PromiseWithResolvers {
  let resolve = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((...functions) => {
    [resolve, reject] = functions;
  });
  return { promise, resolve, reject };
}
