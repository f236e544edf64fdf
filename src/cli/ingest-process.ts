// What the ingest commands share: their options, the process around the ingest, and what it says at its end.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import type { Kafka } from 'kafkajs';
import { Registry } from 'prom-client';
import { counted, countedByName } from '../counted.js';
import { goalsOf } from '../effects/goals.js';
import { loadEffects } from '../effects-module.js';
import { GoalWatch } from '../ingest/goals.js';
import { type IngestCounts, type IngestOptions, ingest } from '../ingest/ingest.js';
import { patienceOf } from '../ingest/patience.js';
import { IngestPause } from '../ingest/pause.js';
import type { Lag, PartitionCount } from '../ingest/read-kafka.js';
import type { RejectSink } from '../ingest/rejects.js';
import { temporalGateway, temporalGoals } from '../ingest/temporal-gateway.js';
import { loadJourneys } from '../journeys-module.js';
import { createLogger, type Logger } from '../log.js';
import { ingestMetrics } from '../metrics.js';
import { HandOverWatch } from '../rule-store/hand-over-watch.js';
import { revisionReader } from '../rule-store/revision-reader.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import type { Store } from '../store/store.js';
import { formatTimestamp, type Millis, seconds } from '../time.js';
import { EFFECT_WORKFLOW } from '../workflows/effect-messages.js';
import { SESSION_WORKFLOW, TASK_QUEUE } from '../workflows/messages.js';
import { type AlertFlags, addAlertOptions, needsKafka, openSinks } from './alerts.js';
import {
  addDataConverterOption,
  type DataConverterFlags,
  dataConverterOf,
  keySecret,
  openClient,
} from './client.js';
import { connectKafka } from './kafka.js';
import { ownerName, showMetrics } from './observed.js';
import { duration, portNumber } from './option-values.js';
import {
  addRejectOptions,
  namesRejectTopic,
  openRejects,
  type RejectFlags,
  rejectFiles,
} from './rejects.js';
import {
  addRuleTablesOptions,
  discoverRules,
  openRules,
  type RuleTablesFlags,
} from './rules-in-force.js';
import { connectNative } from './server.js';
import { EFFECTS_HELP, startSessionWorkers } from './session-worker.js';
import { openPlace, ownStore, type StorePlace, sharedStore } from './store.js';
import { note, progress } from './terminal.js';

/** How far Temporal's list of workflows may lag behind them. */
const VISIBILITY_MS: Millis = 1_000;
/** How long a process that ends waits for effects. */
const EFFECTS_MS: Millis = seconds(5);
/** How long a publication may be under way, as sessions are told. */
export const PUBLICATION_INTERVAL_MS: Millis = seconds(2);

export interface IngestFlags extends AlertFlags, DataConverterFlags, RejectFlags, RuleTablesFlags {
  readonly journeys: string;
  readonly effects?: string;
  readonly taskQueue: string;
  readonly database?: string;
  readonly withWorker?: boolean;
  readonly dataFolder?: string;
  readonly brokers?: string;
  readonly outOfOrderness: Millis;
  readonly patience?: Millis;
  readonly metricsPort?: number;
  readonly json?: boolean;
}

export function addIngestOptions(command: Command): Command {
  command
    .requiredOption('--journeys <file>', 'the journeys module that the workers run')
    .option(
      '--database <address>',
      'the database shared with the workers (default: the environment)',
    )
    .option('--with-worker', 'run a worker in this process too: then no database has to be named')
    .option('--data-folder <folder>', 'where that one process keeps what it knows', '.temporal-cep')
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: the environment)',
    )
    .option('--out-of-orderness <duration>', 'how late an event may be', duration, seconds(2))
    .option(
      '--patience <duration>',
      'how long an event that can complete no match may wait for others of its session, which holds back timeouts (default: a hundredth of the shortest window, 30 s at most)',
      duration,
    )
    .option('--effects <file>', EFFECTS_HELP)
    .option('--task-queue <name>', 'task queue of the workers', TASK_QUEUE)
    .option('--metrics-port <port>', 'serve Prometheus metrics at /metrics', portNumber)
    .option('--json', 'print the counts as JSON');
  return addAlertOptions(addDataConverterOption(addRuleTablesOptions(addRejectOptions(command))));
}

/** What an ingest reads, made when everything around it is there. */
export interface Input
  extends Pick<
    IngestOptions,
    'records' | 'endWatermark' | 'dispatch' | 'onPublished' | 'onFenced'
  > {
  lags?(): readonly Lag[];
  partitions?(): PartitionCount;
  close?(): Promise<void>;
}

export interface IngestProcess {
  readonly flags: IngestFlags;
  readonly signal: AbortSignal;
  /** What it keeps its knowledge in, where the flags do not say it all. */
  readonly place?: StorePlace;
  /** Takes the dead letters, in the place of the flags' file or topic. */
  readonly deadLetters?: RejectSink;
  /** A topic of Kafka, where the input comes from there: as its sources are named, without its id. */
  readonly topicSource?: string;
  open(around: {
    journeys: CompiledJourneys;
    store: Store;
    kafka: Kafka | null;
    owner: string;
    log: Logger;
  }): Promise<Input>;
  readonly graceMs?: Millis;
}

/** Runs an ingest in this process, with a worker beside it where the flags say so. */
export async function runIngest(process: IngestProcess): Promise<IngestCounts> {
  const { flags, signal, topicSource: source } = process;
  const log = createLogger('info');
  const cleanUp: (() => Promise<unknown> | undefined)[] = [];
  // What is wrong here is known at once; a server that does not answer takes its time.
  const { journeys: ofModule } = await loadJourneys(flags.journeys);
  const effects = await loadEffects(flags.effects);
  const goals = goalsOf(effects);
  const dataConverter = await dataConverterOf(flags);
  const secret = keySecret();
  const place =
    process.place ??
    (flags.withWorker && flags.dataFolder !== undefined
      ? ownStore(flags.database, flags.dataFolder)
      : sharedStore(flags.database));
  try {
    const files = rejectFiles(flags);
    const isKafkaNeeded =
      source !== undefined ||
      namesRejectTopic(flags) ||
      (flags.withWorker === true && needsKafka(flags));
    const kafka = isKafkaNeeded ? await connectKafka(flags.brokers, log) : null;
    const { connection, namespace } = await connectNative();
    cleanUp.push(() => connection.close());
    const store = await openPlace(place);
    cleanUp.push(() => store.close());
    const registry = new Registry();
    const rules = await openRules(flags, store, place);
    if (rules) cleanUp.push(() => rules.close());
    const discovered = await discoverRules({ flags, rules, journeys: ofModule, registry, log });
    cleanUp.push(() => discovered.close());
    const { journeys } = discovered;
    if (flags.withWorker) {
      const sinks = openSinks(flags, kafka, log);
      cleanUp.push(() => sinks.close());
      const worker = await startSessionWorkers({
        journeys: flags.journeys,
        effects: flags.effects,
        taskQueue: flags.taskQueue,
        connection,
        namespace,
        store,
        rules: rules && revisionReader(rules, log),
        dataConverter,
        alerts: sinks.alerts,
        late: sinks.late,
        registry,
        log,
      });
      cleanUp.push(() => worker.stop());
    }
    const sinks = openRejects(flags, files, kafka, log);
    cleanUp.push(sinks.close);
    const lateSink = sinks.late;
    const deadLetters = process.deadLetters ?? sinks.deadLetters;
    const owner = ownerName();
    const { lags, partitions, close, ...input } = await process.open({
      journeys,
      store,
      kafka,
      owner,
      log,
    });
    if (close) cleanUp.push(close);
    let counts: IngestCounts | null = null;
    const pause = new IngestPause();
    if (rules && source !== undefined) {
      const watch = new HandOverWatch({
        ...{ store: rules, source, owner, pause, log },
        isInForce: discovered.hasBegun,
        partitions: () => counts?.partitions ?? [],
      });
      cleanUp.push(() => watch.stop());
      await watch.start();
    }
    ingestMetrics(registry, {
      counts: () => counts,
      lags: () => lags?.() ?? [],
      ...(partitions ? { partitions } : {}),
    });
    cleanUp.push(await showMetrics(registry, flags.metricsPort));
    const client = openClient({ connection, namespace }, dataConverter);
    const patienceMs = flags.patience ?? patienceOf(journeys);
    const result = await ingest({
      ...input,
      dispatch: {
        ...(flags.patience === undefined ? {} : { patienceMs: flags.patience }),
        ...input.dispatch,
      },
      journeys,
      gateway: temporalGateway({
        journeys,
        client,
        taskQueue: flags.taskQueue,
        ...(secret === undefined ? {} : { keySecret: secret }),
        settings: {
          outOfOrdernessMs: flags.outOfOrderness,
          publicationIntervalMs: PUBLICATION_INTERVAL_MS,
          patienceMs,
        },
      }),
      store: store.progress,
      parked: store.parked,
      // Asked of every event, where anybody wants to know.
      ...(Object.keys(effects.goals).length > 0
        ? {
            goals: new GoalWatch({
              ...{ goals, ledger: store.effects, tell: temporalGoals(client), log },
            }),
          }
        : {}),
      owner,
      pause,
      outOfOrdernessMs: flags.outOfOrderness,
      ...(process.graceMs === undefined ? {} : { graceMs: process.graceMs }),
      publishMs: seconds(1),
      ...(lateSink ? { late: lateSink } : {}),
      ...(deadLetters ? { deadLetters } : {}),
      log,
      signal,
      onProgress: (now) => {
        counts = now;
        progress(`${now.read} read, ${now.batches} batches signalled`);
      },
    });
    if (flags.withWorker && input.endWatermark !== 'none') {
      await sessionsEnded(client, flags.taskQueue, signal);
      if (flags.effects !== undefined) await effectsSent(client, flags.taskQueue, signal);
    }
    return result;
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

/** The input has ended, and with it every window; the worker of this process has to see to that. */
async function sessionsEnded(
  client: Client,
  taskQueue: string,
  signal: AbortSignal,
): Promise<void> {
  const query = `WorkflowType = '${SESSION_WORKFLOW}' AND TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
  // The list lags behind, so that it has to say so twice.
  for (let times = 0; times < 2 && !signal.aborted; ) {
    await sleep(VISIBILITY_MS, undefined, { signal }).catch(() => {});
    const { count } = await client.workflow.count(query);
    times = count === 0 ? times + 1 : 0;
    if (count > 0) progress(`${counted(count, 'session')} not ended yet; Ctrl-C leaves them open`);
  }
}

/** What is to be sent at once is; what waits longer is left to the next worker, and said. */
async function effectsSent(client: Client, taskQueue: string, signal: AbortSignal): Promise<void> {
  const query = `WorkflowType = '${EFFECT_WORKFLOW}' AND TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
  const until = performance.now() + EFFECTS_MS;
  let waiting = 0;
  do {
    await sleep(VISIBILITY_MS, undefined, { signal }).catch(() => {});
    ({ count: waiting } = await client.workflow.count(query));
  } while (waiting > 0 && performance.now() < until && !signal.aborted);
  if (waiting > 0) {
    note(
      `The effects of ${counted(waiting, 'alert')} wait for their time: a worker with --effects sends them`,
    );
  }
}

/** The counts for people. */
export function countsAsText(source: string, counts: IngestCounts): string {
  const { unrouted, skipped, batches, parked, watermark } = counts;
  return [
    readText(source, counts),
    `${counted(batches, 'signal')}; ${counted(skipped, 'delivery', 'deliveries')} skipped (nothing to begin, no session), ${counted(unrouted, 'event')} for no journey, ${counted(parked, 'session')} parked`,
    `Event time reached ${formatTimestamp(watermark)}`,
  ].join('\n');
}

/** What became of the records that were read. */
export function readText(source: string, counts: IngestCounts): string {
  const { read, repeats, events, late } = counts;
  const dead = countedByName(counts.dead);
  const changes = countedByName(counts.changes);
  return [
    `${source}: ${counted(read, 'record')}`,
    ...(repeats > 0 ? [`, ${repeats} read before`] : []),
    `, ${counted(events, 'event')} in time, ${late} late, ${dead || '0'} dead letters`,
    ...(changes ? [`; no events: ${changes}`] : []),
  ].join('');
}
