// A hand-over: rules run over the past of a topic, and the sessions of the present go on with what that leaves open.
//
//   1. The past is run while the stream goes on.
//   2. The ingestors of the topic stand still, and the rest is run, up to the end of the log: the cut.
//   3. Every session of which something is open gets that by update-with-start.
//   4. The rules are on, from the cut on, in the transaction that ends the hand-over. The ingestors go on.
//
// Until 4 nothing has changed: what sessions have got is for this hand-over alone, and they drop it when it was given up.
// What matched before the cut is the backtest's; what matches later is the sessions'.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OfflineRun, type OpenSession } from '../backtest/offline.js';
import { CepError, messageOf } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { PartitionRange, TopicEnd } from '../ingest/read-topic.js';
import type { RawRecord } from '../ingest/record.js';
import type { Logger } from '../log.js';
import { type HandOvers, handOversOf } from '../rule-store/hand-overs.js';
import { RULE_TABLE, type RuleEdit, type RuleStore } from '../rule-store/rule-store.js';
import { type Known, ruleInForce } from '../rule-store/table-row.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { LiveJourneys } from '../rules/live-journeys.js';
import type { RuleStart } from '../rules/revision.js';
import type { Alert } from '../rules/rule.js';
import type { HandedOver, RuleCounts } from '../rules/session.js';
import { type Millis, seconds, type Timestamp } from '../time.js';
import type { SessionRef, SourcePartition } from '../workflows/messages.js';

/** How often it says that it is at it. */
const BEAT_MS: Millis = seconds(1);
/** How long ingestors may take to stand still, and rules to be in force. */
const ANSWER_MS: Millis = seconds(30);
const LOOK_MS: Millis = 200;
/** Sessions that are told at one time. */
const CALLS_MAX = 16;
/** How long one session may refuse what it gets. */
const TELLING_MS: Millis = seconds(60);

/** The topic, as far as it goes at a moment. */
export interface TopicPast {
  end(): Promise<TopicEnd>;
  read(range: TopicEnd): AsyncIterable<readonly RawRecord[]>;
}

export interface HandOverOptions {
  readonly store: RuleStore;
  /** The rules; whatever their state, they are on afterwards. */
  readonly edits: readonly RuleEdit[];
  /** Those of a module; their own rules are not run. */
  readonly journeys: CompiledJourneys;
  readonly known: Known;
  readonly past: TopicPast;
  /** Whether all events of a session lie in one partition, as ingestors see it. */
  readonly isKeyed: boolean;
  /** How far an ingestor has promised a partition to be; null where that is not known. */
  watermark(partition: SourcePartition): Promise<Timestamp | null>;
  readonly outOfOrdernessMs: Millis;
  /** Events from this time on; all by default. */
  readonly from?: Timestamp | undefined;
  readonly author: string;
  /** Whether the alerts of the past are wanted. Default false. */
  readonly keepsAlerts?: boolean;
  /** Makes what brings a session that which is open for it. @param journeys - with the rules that are handed over */
  teller(journeys: CompiledJourneys): Tell;
  report(line: string): void;
  readonly log: Logger;
}

type Tell = (ref: SessionRef, open: HandedOver) => Promise<void>;

export interface HandOverResult {
  readonly handOver: string;
  readonly records: number;
  /** Sessions that go on with something. */
  readonly sessions: number;
  /** Matches and timeouts before the cut, by `journey/rule`. */
  readonly rules: Readonly<Record<string, RuleCounts>>;
  /** Of those; empty unless they are kept. */
  readonly alerts: readonly Alert[];
  readonly start: RuleStart;
  /** How long the ingestors stood still. */
  readonly pausedMs: Millis;
}

/**
 * @throws CepError `HAND_OVER_LOST` where the ingestors gave it up, `SETTING_INVALID` where they do not stand still or a rule is on
 *   already, and what a rule is refused for
 */
export async function handOver(options: HandOverOptions): Promise<HandOverResult> {
  const { store, past, author, report } = options;
  const id = randomUUID();
  const { edits, journeys } = await prepared(options);
  const run = new OfflineRun({
    journeys,
    outOfOrdernessMs: options.outOfOrdernessMs,
    from: options.from,
    keepsAlerts: options.keepsAlerts ?? false,
  });
  const first = await past.end();
  for (const { partition } of first.partitions) run.add({ source: first.source, partition });
  await readAll(run, past, first);
  report(`${run.counts.records} records of the past are run`);

  const handOvers = handOversOf(store);
  const { source } = first;
  await handOvers.begin({ id, source, author });
  const pausedAt = performance.now();
  let isOver = false;
  const beating = setInterval(() => {
    // What it can't say now it may say the next time; the end finds out.
    if (!isOver) handOvers.beat(id).catch(() => {});
  }, BEAT_MS);
  try {
    const end = await paused(handOvers, id, past);
    const rest = end.partitions.map((range) => ({ ...range, from: endOf(first, range) }));
    await readAll(run, past, { ...end, partitions: rest });
    const { open, rules, alerts } = run.handOver(await watermarks(run, end, options));
    report(`at the cut something is open in ${open.length} sessions`);
    await tellAll(open, id, options.teller(journeys), options.log);
    failpoint('hand-over-told');
    const offsets = end.partitions.map(({ partition, end }) => [partition, end]);
    const start: RuleStart = { handOver: id, source, offsets: Object.fromEntries(offsets) };
    await handOvers.finish(
      id,
      edits.map((edit) => ({ ...edit, start })),
    );
    failpoint('hand-over-done');
    isOver = true;
    await inForce(handOvers, id);
    return {
      handOver: id,
      records: run.counts.records,
      sessions: open.length,
      rules: Object.fromEntries(rules),
      alerts,
      start,
      pausedMs: performance.now() - pausedAt,
    };
  } catch (error) {
    if (!isOver) await handOvers.giveUp(id).catch(() => {});
    throw error;
  } finally {
    clearInterval(beating);
  }
}

/** The rules as they will stand in the table: their versions, which alerts' ids follow from, are given there. */
async function prepared({ store, edits, journeys, known }: HandOverOptions) {
  const now = new Map((await store.list()).map((rule) => [rule.id, rule]));
  const wanted = edits.map((edit): RuleEdit => {
    return { ...edit, state: 'on', expectedChange: now.get(edit.id)?.change ?? 0 };
  });
  const rows = await store.preview(wanted);
  for (const { id, hash } of rows) {
    const { state, hash: before } = now.get(id) ?? {};
    if (before !== hash || (state !== 'on' && state !== 'shadow')) continue;
    throw new CepError(
      'SETTING_INVALID',
      `rule "${id}" is ${state} as it is: temporal-cep rules off ${id}, then hand it over`,
      { details: { rule: id } },
    );
  }
  const bare = [...journeys.byId].map(
    ([name, journey]) => [name, { ...journey, rules: [] }] as const,
  );
  const rules = rows.map((row) => ruleInForce(row, RULE_TABLE, known));
  const named = rules.map(({ row }) => row.journey);
  const live = new LiveJourneys({ ...journeys, byId: new Map(bare) }, named);
  live.take({ revision: 1, rules });
  return { edits: wanted, journeys: live };
}

async function readAll(run: OfflineRun, past: TopicPast, range: TopicEnd): Promise<void> {
  for await (const records of past.read(range)) for (const record of records) run.push(record);
}

/** Where what was read before has ended. A partition that was added since is read whole. */
function endOf({ partitions }: TopicEnd, { partition, from }: PartitionRange): number {
  return partitions.find((before) => before.partition === partition)?.end ?? from;
}

/** Waits until no record is taken any more. @returns the end of the log, behind all that was taken */
async function paused(handOvers: HandOvers, id: string, past: TopicPast): Promise<TopicEnd> {
  const giveUpAt = performance.now() + ANSWER_MS;
  for (;;) {
    const end = await past.end();
    const still = await handOvers.pausedPartitions(id);
    const moving = end.partitions.filter(({ partition }) => !still.has(partition));
    // Measured before it was known that all stand still, it may lie in front of what was taken.
    if (moving.length === 0) return await past.end();
    if (performance.now() > giveUpAt) {
      const names = moving.map(({ partition }) => partition).join(', ');
      throw new CepError(
        'SETTING_INVALID',
        `no ingestor says that it stands still in partition ${names} of ${end.topic}: have temporal-cep ingest kafka run for all of them, with this --group and this --rules-database`,
        { details: { topic: end.topic, partitions: moving.map(({ partition }) => partition) } },
      );
    }
    await sleep(LOOK_MS);
  }
}

/** How far event time is for the sessions of a partition: as far as the ingestor is, by its promise or by the records. */
async function watermarks(
  run: OfflineRun,
  { source, partitions }: TopicEnd,
  { isKeyed, watermark }: HandOverOptions,
): Promise<(partition: SourcePartition) => Timestamp> {
  for (const { partition } of partitions) {
    const promised = await watermark({ source, partition });
    if (promised !== null) run.promise({ source, partition }, promised);
  }
  return (partition) => (isKeyed ? run.watermarkOf(partition) : run.watermark);
}

async function tellAll(
  open: readonly OpenSession[],
  id: string,
  tell: Tell,
  log: Logger,
): Promise<void> {
  const left = open.values();
  const teller = async () => {
    for (const { journey, key, session } of left) {
      for (const handedOver of session.handOver(id)) {
        await telling(() => tell({ journey, key }, handedOver), `${journey}/${key}`, log);
        failpoint('hand-over-session');
      }
    }
  };
  await Promise.all(Array.from({ length: CALLS_MAX }, teller));
}

async function telling(tell: () => Promise<void>, name: string, log: Logger): Promise<void> {
  const giveUpAt = performance.now() + TELLING_MS;
  for (;;) {
    try {
      await tell();
      return;
    } catch (error) {
      if (performance.now() > giveUpAt) {
        throw new CepError(
          'SERVER_UNREACHABLE',
          `the session ${name} does not take what is open for it (${messageOf(error)}): see that workers run, and hand over again`,
          { details: { session: name }, cause: error },
        );
      }
      log.warn('a session has not taken what is open for it; tried again', {
        session: name,
        error: messageOf(error),
      });
      await sleep(BEAT_MS);
    }
  }
}

/** The first ingestor that has taken the rules up says so. */
async function inForce(handOvers: HandOvers, id: string): Promise<void> {
  const giveUpAt = performance.now() + ANSWER_MS;
  while ((await handOvers.find(id))?.state !== 'in-force') {
    if (performance.now() > giveUpAt) {
      throw new CepError(
        'SETTING_INVALID',
        'the rules are on, and no ingestor has taken them up: look at its log, and at temporal-cep rules list',
        { details: { handOver: id } },
      );
    }
    await sleep(LOOK_MS);
  }
}
