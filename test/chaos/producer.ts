// Sends the planned records when their time has come. While the broker is away they wait and go out later,
// in order within their partition; one whose answer was lost is sent twice, and then is two records.
// Between them each partition has a heartbeat, so that event time goes on.

import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import type { Millis } from '../../src/time.js';
import type { ShopEvent } from './journeys.js';
import { PARTITIONS, type PlannedRecord, partitionOf } from './stream.js';

const BEAT_MS: Millis = 250;
const TICK_MS: Millis = 25;
const BATCH_MAX = 500;
const AGAIN_MS: Millis = 200;

interface Outgoing {
  readonly key: string;
  readonly value: string;
}

export interface LiveProducer {
  /** Sends no more of the plan. Resolves when all that was begun is in the topic. */
  finish(): Promise<void>;
  /** Ends the heartbeats. */
  stop(): Promise<void>;
}

/** @param startedAt - ms since the epoch: what the plan's times count from */
export async function startProducer(
  brokers: string[],
  topic: string,
  plan: readonly PlannedRecord[],
  startedAt: number,
): Promise<LiveProducer> {
  const producer = new Kafka({
    ...{ brokers, clientId: 'chaos', logLevel: logLevel.NOTHING },
    ...{ connectionTimeout: 1_000, requestTimeout: 3_000, retry: { retries: 1 } },
  }).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const queues = Array.from({ length: PARTITIONS }, (): Outgoing[] => []);
  const stopping = new AbortController();
  const senders = queues.map((queue, partition) =>
    sendAll(producer, { topic, partition, queue, signal: stopping.signal }),
  );
  let isFinished = false;
  const feed = async () => {
    for (let next = 0; next < plan.length && !isFinished; ) {
      const { sendAt, event } = plan[next] as PlannedRecord;
      if (startedAt + sendAt > Date.now()) {
        await sleep(TICK_MS);
        continue;
      }
      queues[partitionOf(event.session)]?.push(outgoing(event, startedAt));
      next++;
    }
  };
  const feeding = feed();
  const beat = setInterval(() => {
    for (const queue of queues) {
      const eventTime = Date.now() - startedAt;
      queue.push(outgoing({ n: 0, eventTime, kind: 'beat', session: 'beat', what: '' }, startedAt));
    }
  }, BEAT_MS);
  return {
    finish: async () => {
      isFinished = true;
      await feeding;
      const last = queues.map((queue) => queue.at(-1));
      while (queues.some((queue, i) => queue.includes(last[i] as Outgoing))) await sleep(TICK_MS);
    },
    stop: async () => {
      clearInterval(beat);
      stopping.abort();
      await Promise.all(senders);
      await producer.disconnect();
    },
  };
}

function outgoing(event: ShopEvent, startedAt: number): Outgoing {
  const value = JSON.stringify({ ...event, eventTime: startedAt + event.eventTime });
  return { key: event.session, value };
}

/** One request of a partition at a time, so that none overtakes another. */
async function sendAll(
  producer: Producer,
  of: { topic: string; partition: number; queue: Outgoing[]; signal: AbortSignal },
): Promise<void> {
  const { topic, partition, queue, signal } = of;
  while (!signal.aborted) {
    const batch = queue.slice(0, BATCH_MAX);
    if (batch.length === 0) {
      await sleep(TICK_MS);
      continue;
    }
    try {
      const messages = batch.map((message) => ({ ...message, partition }));
      await producer.send({ topic, messages, acks: -1, timeout: 3_000 });
      queue.splice(0, batch.length);
    } catch {
      await sleep(AGAIN_MS);
    }
  }
}
