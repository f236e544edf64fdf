// The ingestor's process: the real ingest, or for the naive design a signal per event. Both find the same records,
// decode and route them alike, and call over the same kind of connection.

import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { assert } from '../../src/assert.js';
import type { CepEvent } from '../../src/event.js';
import { decodeRecord } from '../../src/ingest/decode.js';
import type { DispatchSettings } from '../../src/ingest/dispatch.js';
import { type IngestCounts, ingest } from '../../src/ingest/ingest.js';
import { MemoryProgressStore, type ProgressStore } from '../../src/ingest/progress.js';
import { routeEvent } from '../../src/ingest/route.js';
import { temporalGateway } from '../../src/ingest/temporal-gateway.js';
import { loadJourneys } from '../../src/journeys-module.js';
import { createLogger } from '../../src/log.js';
import type { CompiledJourneys } from '../../src/rules/compiled.js';
import { quietTemporal } from '../../src/temporal-runtime.js';
import type { Millis } from '../../src/time.js';
import {
  EVENTS_SIGNAL,
  type EventBatch,
  type SessionRef,
  TASK_QUEUE,
} from '../../src/workflows/messages.js';
import { sessionWorkflowId } from '../../src/workflows/session-id.js';
import { answer, tell } from './calls.js';
import { type StreamSpec, streamOf } from './streams.js';
import { collect, ownUsage } from './usage.js';

export interface DriverStart {
  readonly address: string;
  /** URL of the journeys module. */
  readonly journeys: string;
}

/** Times of an ingestor. */
export interface IngestTimes {
  readonly outOfOrdernessMs: Millis;
  readonly graceMs: Millis;
  readonly publishMs: Millis;
  /** How long a publication may be under way, as sessions are told. */
  readonly publicationIntervalMs: Millis;
}

export interface Feed {
  readonly design: 'naive' | 'ours';
  readonly stream: StreamSpec;
  readonly dispatch: Partial<DispatchSettings>;
  readonly times: IngestTimes;
  readonly heldMax: number;
}

/** What was fed. */
export interface Fed {
  readonly events: number;
  readonly signals: number;
  /** Events that could begin nothing, for a session that did not run. */
  readonly skipped: number;
  readonly late: number;
}

/** As many as the ingestor has. */
const CALLS_MAX = 16;

let client: Client;
let journeys: CompiledJourneys;

async function start(options: DriverStart): Promise<void> {
  quietTemporal();
  const connection = await NativeConnection.connect({ address: options.address });
  client = new Client({ connection });
  ({ journeys } = await loadJourneys(options.journeys));
}

const memory = new MemoryProgressStore();
const store: ProgressStore = {
  claim: (source, partitions) => memory.claim(source, partitions),
  read: (source, partition) => memory.read(source, partition),
  publish: async (publications) => {
    tell({ publications });
    return memory.publish(publications);
  },
};

function feed(options: Feed): Promise<Fed> {
  return options.design === 'naive' ? feedNaive(options) : feedOurs(options);
}

async function feedOurs({ stream, dispatch, times, heldMax }: Feed): Promise<Fed> {
  const { publicationIntervalMs, ...ingestTimes } = times;
  const { outOfOrdernessMs } = times;
  const counts: IngestCounts = await ingest({
    journeys,
    records: streamOf(stream),
    gateway: temporalGateway({
      client,
      journeys,
      settings: { outOfOrdernessMs, publicationIntervalMs },
    }),
    store,
    ...ingestTimes,
    dispatch,
    heldMax,
    endWatermark: 'none',
    log: createLogger('warn'),
  });
  const { events, batches, skipped, late, undelivered, dead } = counts;
  assert(undelivered === 0, 'all was delivered');
  assert(Object.keys(dead).length === 0, `no dead letters: ${JSON.stringify(dead)}`);
  return { events, signals: batches, skipped, late };
}

async function feedNaive({ stream, heldMax }: Feed): Promise<Fed> {
  const sender = new NaiveSender();
  let events = 0;
  for await (const read of streamOf(stream)) {
    if (!('value' in read)) continue;
    const event = decodeRecord(read, journeys.set);
    events++;
    for (const { journey, key } of routeEvent(event, journeys).routes) {
      sender.add({ journey: journey.journey.id, key }, event);
    }
    while (sender.held > heldMax) await sender.oneSent();
    if (events % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  while (sender.held > 0) await sender.oneSent();
  return { events, signals: events, skipped: 0, late: 0 };
}

/** One signal in flight per session, as many over all as the ingestor has. */
class NaiveSender {
  readonly #waiting = new Map<string, { ref: SessionRef; events: CepEvent[] }>();
  readonly #ready: string[] = [];
  #calls = 0;
  #told: () => void = () => {};
  held = 0;

  add(ref: SessionRef, event: CepEvent): void {
    const id = sessionWorkflowId(ref);
    const queue = this.#waiting.get(id);
    this.held++;
    if (queue) queue.events.push(event);
    else {
      this.#waiting.set(id, { ref, events: [event] });
      this.#ready.push(id);
      this.#pump();
    }
  }

  oneSent(): Promise<void> {
    return new Promise((resolve) => {
      this.#told = resolve;
    });
  }

  #pump(): void {
    while (this.#calls < CALLS_MAX) {
      const id = this.#ready.shift();
      if (id === undefined) return;
      this.#calls++;
      this.#send(id).catch((error) => {
        process.stderr.write(`naive: ${error}\n`);
        process.exit(1);
      });
    }
  }

  async #send(id: string): Promise<void> {
    const queue = this.#waiting.get(id);
    assert(queue !== undefined, 'who is ready waits');
    const { source, partition, offset, timestamp, data } = queue.events.shift() as CepEvent;
    const batch: EventBatch = {
      source,
      partition,
      events: [{ offset, timestamp, data }],
      watermark: timestamp,
      lowWater: 0,
    };
    await client.workflow.signalWithStart('naive', {
      workflowId: id,
      taskQueue: TASK_QUEUE,
      args: [queue.ref],
      signal: EVENTS_SIGNAL,
      signalArgs: [batch],
    });
    this.#calls--;
    this.held--;
    if (queue.events.length > 0) this.#ready.push(id);
    else this.#waiting.delete(id);
    this.#told();
    this.#pump();
  }
}

answer({ start, feed, usage: ownUsage, collect });
