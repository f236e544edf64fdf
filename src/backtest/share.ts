// One thread's share of a backtest: all records are read, and the keys that are its own are run.

import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { goalsOf } from '../effects/goals.js';
import type { GoalReached } from '../effects/simulation.js';
import { loadEffects } from '../effects-module.js';
import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { ChangeOptions } from '../ingest/debezium.js';
import { fileSource, readFileBatches } from '../ingest/read-file.js';
import { readTopicRange, requireOwn, type TopicEnd } from '../ingest/read-topic.js';
import type { RawRecord } from '../ingest/record.js';
import { createKafka, type KafkaSettings } from '../kafka/settings.js';
import { createLogger } from '../log.js';
import type { PlannedAlert } from '../rules/alert.js';
import type { Alert } from '../rules/rule.js';
import type { RuleCounts } from '../rules/session.js';
import type { Millis, Timestamp } from '../time.js';
import type { ActionCounts } from './actions.js';
import { OfflineRun } from './offline.js';
import { loadRules } from './rules.js';

/** A topic's events, as data: each thread reads them for itself. */
export interface TopicEvents extends TopicEnd {
  readonly settings: KafkaSettings;
  /** Whether its records' keys are the journeys' key; found out by default. */
  readonly isKeyed?: boolean;
}

/** What is run over what. */
export interface BacktestInput {
  /** Path of a rule set document (`.json`), or of a journeys module. */
  readonly rules: string;
  /** Path of a journeys module whose conditions a rule set may name. None by default. */
  readonly conditions?: string | undefined;
  /** Paths of files with events, each NDJSON or CSV. Several are one stream, one after the other; topics come after them. */
  readonly events: readonly string[];
  /** Topics with events, which are read side by side. None by default. */
  readonly topics?: readonly TopicEvents[] | undefined;
  /** Where records, but those of CSV, are what Debezium writes. */
  readonly changes?: ChangeOptions | undefined;
  /** Events from this time on, and before the other; all by default. */
  readonly from?: Timestamp | undefined;
  readonly to?: Timestamp | undefined;
  /** Path of a declaration of effects, which are then played. None by default. */
  readonly effects?: string | undefined;
}

export interface ShareOptions extends BacktestInput {
  readonly outOfOrdernessMs: Millis;
  readonly endWatermark: Timestamp | 'last-event';
  /** Which of how many shares this is. */
  readonly share: number;
  readonly shares: number;
  /** Whether the alerts themselves are wanted, and not just how many there were. */
  readonly keepsAlerts: boolean;
}

export interface ShareResult {
  /** The same in each share. */
  readonly read: OfflineRun['counts'];
  readonly late: number;
  readonly from: Timestamp;
  readonly to: Timestamp;
  /** Matches and timeouts by `journey/rule`. */
  readonly rules: readonly [rule: string, counts: RuleCounts][];
  readonly sessions: number;
  readonly open: number;
  /** Alerts by type and hour of event time, in ms since the epoch. */
  readonly alertsOver: readonly [type: string, hour: Timestamp, count: number][];
  /** The keys with most events, as `journey/key`. */
  readonly busiest: readonly [key: string, events: number][];
  readonly alerts: readonly Alert[];
  /** Those that set something off, and the goals that users have reached, where effects are played. */
  readonly setOff: readonly PlannedAlert[];
  /** Of all events: of the first share alone. */
  readonly goals: readonly GoalReached[];
  readonly actions: ActionCounts;
}

/** What a share says while it runs, and at its end. */
export type ShareNews =
  | { readonly records: number }
  | { readonly result: ShareResult }
  | { readonly refused: Pick<CepError, 'code' | 'message' | 'details'> };

const HOUR: Millis = 3_600_000;
const BUSIEST = 10;
const TOLD_EVERY = 20_000;

async function runShare(
  options: ShareOptions,
  told: (records: number) => void,
): Promise<ShareResult> {
  const { share, shares } = options;
  const { journeys } = await loadRules(options.rules, options.conditions);
  const owns = (key: string) => hash(key) % shares === share;
  const over = new Map<string, [string, Timestamp, number]>();
  const onAlert = (type: string, at: Timestamp) => {
    const hour = Math.floor(at / HOUR) * HOUR;
    const known = over.get(`${hour} ${type}`);
    if (known) known[2]++;
    else over.set(`${hour} ${type}`, [type, hour, 1]);
  };
  const setOff: PlannedAlert[] = [];
  const goals: GoalReached[] = [];
  const run = new OfflineRun({
    journeys,
    from: options.from,
    to: options.to,
    outOfOrdernessMs: options.outOfOrdernessMs,
    onAlert,
    keepsAlerts: options.keepsAlerts,
    ...(shares > 1 ? { owns } : {}),
    ...(options.effects === undefined
      ? {}
      : {
          onSetOff: (alert) => setOff.push(alert),
          ...(share === 0 ? { onEvent: await goalsInto(goals, options.effects) } : {}),
        }),
  });
  const take = (record: RawRecord) => {
    run.push(record);
    if (run.counts.records % TOLD_EVERY === 0) told(run.counts.records);
  };
  for (const path of options.events) {
    for await (const reads of readFileBatches({ path, changes: options.changes })) {
      for (const read of reads) if (!('endOfLog' in read)) take(read);
    }
    run.ended({ source: fileSource(path), partition: 0 });
  }
  await readTopics(options, run, take);
  const { rules, sessions, open, late, alerts } = run.end(options.endWatermark);
  return {
    read: run.counts,
    late: late.length,
    ...run.span,
    rules: [...rules],
    sessions,
    open: open.size,
    alertsOver: [...over.values()],
    busiest: [...run.taken()].sort((a, b) => b[1] - a[1]).slice(0, BUSIEST),
    alerts,
    setOff,
    goals,
    actions: run.actions.counts,
  };
}

async function goalsInto(
  goals: GoalReached[],
  effects: string,
): Promise<(event: CepEvent) => void> {
  const reachedBy = goalsOf(await loadEffects(effects));
  return ({ data, timestamp: at }) => {
    for (const { goal, userId: user } of reachedBy(data)) goals.push({ at, user, goal });
  };
}

/** All topics at once, in turn: they share an order, and what is far ahead in one would wait for the others. */
async function readTopics(
  { topics = [], changes }: BacktestInput,
  run: OfflineRun,
  take: (record: RawRecord) => void,
): Promise<void> {
  const log = createLogger('error');
  for (const { source, partitions } of topics) {
    for (const { partition } of partitions) run.add({ source, partition });
  }
  const readers = topics.map(({ settings, ...topic }) => {
    const of = (partition: number) => ({ source: topic.source, partition });
    return {
      topic: topic.topic,
      batches: readTopicRange({
        ...topic,
        changes,
        kafka: createKafka(settings, log),
        isAhead: (partition) => run.isAhead(of(partition)),
        onEnd: (partition) => run.ended(of(partition)),
      }),
    };
  });
  try {
    for (let left = readers; left.length > 0; ) {
      for (const reader of left) {
        const { topic, batches } = reader;
        const { done, value: records = [] } = await batches.next();
        if (done) left = left.filter((each) => each !== reader);
        else for (const record of records) take(requireOwn(record, topic));
      }
    }
  } finally {
    await Promise.all(readers.map(({ batches }) => batches.return(undefined)));
  }
}

/** FNV-1a over UTF-16 units: where a key goes. */
function hash(key: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) value = Math.imul(value ^ key.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

if (!isMainThread && parentPort && (workerData as { backtest?: ShareOptions })?.backtest) {
  const port = parentPort;
  const tell = (news: ShareNews) => port.postMessage(news);
  const { backtest } = workerData as { backtest: ShareOptions };
  try {
    tell({ result: await runShare(backtest, (records) => tell({ records })) });
  } catch (error) {
    if (!(error instanceof CepError)) throw error;
    const { code, message, details } = error;
    tell({ refused: { code, message, details } });
  }
}
