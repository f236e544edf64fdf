// A backtest: rules over the events of the past, in process, with the keys shared out between threads.

import { Worker } from 'node:worker_threads';
import { requireDeclared } from '../effects/declaration.js';
import { loadEffects } from '../effects-module.js';
import { CepError } from '../errors.js';
import { sampleKeyed } from '../ingest/read-topic.js';
import { createKafka } from '../kafka/settings.js';
import { createLogger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { addCounts, type RuleCounts } from '../rules/session.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Millis, seconds, type Timestamp } from '../time.js';
import { type ActionCounts, sumOfActions } from './actions.js';
import { type EffectOutcome, outcomesOf, playEffects } from './effects.js';
import { loadRules } from './rules.js';
import type { BacktestInput, ShareNews, ShareOptions, ShareResult, TopicEvents } from './share.js';

export interface BacktestOptions extends BacktestInput {
  /** As for ingest. Default 2 s. */
  readonly outOfOrdernessMs?: Millis;
  /** The last watermark. The end of time by default, which ends every open window. */
  readonly endWatermark?: Timestamp | 'last-event';
  /** Default 1. Each one reads all events, and runs its share of the keys. */
  readonly threads?: number;
  /** Whether the alerts are wanted, and not just how many there were. Default false, but where effects are played. */
  readonly keepsAlerts?: boolean;
  /** Told how many records each thread has read. */
  readonly onProgress?: (records: number) => void;
}

export interface BacktestResult {
  readonly records: number;
  readonly events: number;
  /** Records that are no events. */
  readonly bad: number;
  /** Changes of rows that are no events. */
  readonly changes: number;
  readonly late: number;
  /** Of event times; null where there were no events. */
  readonly span: { readonly from: Timestamp; readonly to: Timestamp } | null;
  readonly rules: Readonly<Record<string, RuleCounts>>;
  readonly sessions: number;
  /** Sessions with a partial match that is still open. */
  readonly open: number;
  /** By type. */
  readonly alertCounts: Readonly<Record<string, number>>;
  /** By hour of event time, in ms since the epoch, and by type. */
  readonly alertsOver: readonly { hour: Timestamp; type: string; count: number }[];
  readonly busiest: readonly { key: string; events: number }[];
  /** In order of event time; empty unless they are kept. */
  readonly alerts: readonly Alert[];
  /** What would have become of effects; empty unless they are played. */
  readonly effects: readonly EffectOutcome[];
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
  /** What Temporal would be asked for, as an estimate. */
  readonly actions: ActionCounts;
}

const BUSIEST = 10;
/** Most of what a thread makes is gone with the next event; what sessions hold is not. */
const RESOURCES = { maxYoungGenerationSizeMb: 256, maxOldGenerationSizeMb: 16_384 };

/** @throws CepError for rules and files that can't be used */
export async function backtest(options: BacktestOptions): Promise<BacktestResult> {
  const { rules, conditions, events, changes, from, to, effects } = options;
  const { threads = 1, onProgress = () => {} } = options;
  const began = performance.now();
  const cpu = process.cpuUsage();
  const topics = await judged(options);
  const declared = effects === undefined ? undefined : await loadEffects(effects);
  if (declared) {
    const { journeys } = await loadRules(rules, conditions);
    requireDeclared(
      journeys,
      declared,
      (name) =>
        `declare it; for a function of your workers with "send": {"kind": "function", "name": "${name}"}`,
    );
  }
  const input: BacktestInput = { rules, conditions, events, topics, changes, from, to, effects };
  const shareOf = (share: number): ShareOptions => ({
    ...input,
    outOfOrdernessMs: options.outOfOrdernessMs ?? seconds(2),
    endWatermark: options.endWatermark ?? MAX_TIMESTAMP,
    keepsAlerts: effects !== undefined || (options.keepsAlerts ?? false),
    share,
    shares: threads,
  });
  const shares = await Promise.all(
    Array.from({ length: threads }, (_, share) =>
      // All read the same: one of them may speak.
      inThread(shareOf(share), share === 0 ? onProgress : () => {}),
    ),
  );
  const setOff = shares.flatMap((share) => share.setOff);
  const played = declared ? playEffects(declared, setOff, shares[0]?.goals ?? []) : [];
  const elapsed = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { ...merged(shares, elapsed, (user + system) / 1e6), effects: outcomesOf(played) };
}

/** Topics of which it is known whether they are keyed: found out once, so that all threads go by the same. */
async function judged({
  rules,
  conditions,
  changes,
  topics = [],
}: BacktestInput): Promise<TopicEvents[]> {
  if (topics.length === 0) return [];
  const { journeys } = await loadRules(rules, conditions);
  const log = createLogger('error');
  const judge = async (topic: TopicEvents): Promise<TopicEvents> => {
    if (topic.isKeyed !== undefined) return topic;
    const verdict = await sampleKeyed(
      { ...topic, changes, kafka: createKafka(topic.settings, log) },
      journeys,
    );
    return { ...topic, isKeyed: verdict?.isKeyed ?? false };
  };
  return await Promise.all(topics.map(judge));
}

function inThread(
  options: ShareOptions,
  onProgress: (records: number) => void,
): Promise<ShareResult> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./share.js', import.meta.url), {
      workerData: { backtest: options },
      resourceLimits: RESOURCES,
    });
    thread.on('message', (news: ShareNews) => {
      if ('result' in news) resolve(news.result);
      else if ('records' in news) onProgress(news.records);
      else {
        const { code, message, details } = news.refused;
        reject(new CepError(code, message, { details }));
      }
    });
    thread.on('error', reject);
    thread.on('exit', (code) => reject(new Error(`a thread of the backtest ended with ${code}`)));
  });
}

function merged(
  shares: readonly ShareResult[],
  elapsed: number,
  cpuSeconds: number,
): Omit<BacktestResult, 'effects'> {
  const [{ read, late, from, to }] = shares as [ShareResult];
  const rules = new Map<string, RuleCounts>();
  const alertCounts: Record<string, number> = {};
  const over = new Map<string, { hour: Timestamp; type: string; count: number }>();
  for (const share of shares) {
    for (const [id, counts] of share.rules) addCounts(rules, id, counts);
    for (const [type, hour, count] of share.alertsOver) {
      alertCounts[type] = (alertCounts[type] ?? 0) + count;
      const known = over.get(`${hour} ${type}`);
      if (known) known.count += count;
      else over.set(`${hour} ${type}`, { hour, type, count });
    }
  }
  const sum = (of: (share: ShareResult) => number) =>
    shares.reduce((total, share) => total + of(share), 0);
  return {
    ...read,
    late,
    span: to === MIN_TIMESTAMP ? null : { from, to },
    rules: Object.fromEntries([...rules].sort(([a], [b]) => (a < b ? -1 : 1))),
    sessions: sum(({ sessions }) => sessions),
    open: sum(({ open }) => open),
    alertCounts,
    alertsOver: [...over.values()].sort((a, b) => a.hour - b.hour || (a.type < b.type ? -1 : 1)),
    busiest: shares
      .flatMap(({ busiest }) => busiest.map(([key, events]) => ({ key, events })))
      .sort((a, b) => b.events - a.events)
      .slice(0, BUSIEST),
    alerts: shares.flatMap(({ alerts }) => alerts).sort((a, b) => a.at - b.at),
    seconds: elapsed,
    eventsPerSecond: read.events / elapsed,
    cpuSeconds,
    actions: sumOfActions(shares.map(({ actions }) => actions)),
  };
}
