// `temporal-cep backtest --hand-over` from end to end, while events come: it is killed at each of its steps, and the ingestor with it.
// What matched before the cut and what sessions find from there on are together what an offline run over the whole topic finds.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OfflineRun, runOffline } from '../../src/backtest/offline.js';
import { FAILPOINT_VARIABLE } from '../../src/failpoints.js';
import { cel, patterns, skipPastLastEvent } from '../../src/index.js';
import { readTopicRange, topicEnd } from '../../src/ingest/read-topic.js';
import type { RawRecord } from '../../src/ingest/record.js';
import { loadJourneys } from '../../src/journeys-module.js';
import { openRuleStore, type RuleStore } from '../../src/rule-store/rule-store.js';
import type { CompiledJourneys } from '../../src/rules/compiled.js';
import { encode } from '../../src/rules/encode.js';
import { LiveJourneys } from '../../src/rules/live-journeys.js';
import type { RuleStart } from '../../src/rules/revision.js';
import type { Alert } from '../../src/rules/rule.js';
import { days, seconds } from '../../src/time.js';
import { temporaryFolder } from '../servers/helpers.js';
import { until } from '../support/until.js';
import { ROOT, run } from './support/cli.js';
import { type Produced, type Shop, Stall, startShop } from './support/shop.js';

const JOURNEYS = join(ROOT, 'test/e2e/support/handed-journeys.ts');
const PARTITIONS = 2;
const KEYS = 40;
const T0 = Date.now() - days(10);
/** How long an ingestor waits for a hand-over of which it hears nothing, and some more. */
const GIVEN_UP_MS = seconds(60);

const { begin } = patterns<{ eventType: string }>();
const is = (type: string) => cel(`event.eventType == '${type}'`);
const RULES = [
  {
    id: 'carts',
    pattern: begin('cart')
      .where(is('cart'))
      .followedBy('purchase')
      .where(is('purchase'))
      .within(seconds(120)),
    onMatch: { alert: 'BOUGHT' },
    onTimeout: { alert: 'LEFT' },
  },
  {
    id: 'interest',
    pattern: begin('views')
      .where(is('view'))
      .times(3)
      .next('cart')
      .where(is('cart'))
      .within(seconds(300))
      .afterMatch(skipPastLastEvent()),
    onMatch: { alert: 'INTEREST' },
  },
];

let shop: Shop;
let rules: RuleStore;
let stall: Stall;
const folder = temporaryFolder();
const document = join(folder, 'rules.json');

beforeAll(async () => {
  shop = await startShop();
  rules = await openRuleStore(shop.postgres.url, { migrate: true });
  shop.dev.onStop(() => rules.close());
  stall = await Stall.open(shop, { name: 'handed', journeys: JOURNEYS, partitions: PARTITIONS });
  writeFileSync(
    document,
    JSON.stringify({
      eventTime: 'eventTime',
      journeys: [{ id: 'visits', key: 'userSession' }],
      rules: RULES.map(({ pattern, ...rule }) => ({
        ...{ ...rule, version: 1, journey: 'visits', pattern: encode(pattern) },
      })),
    }),
  );
});
afterAll(() => shop?.stop());

/** Events a second apart, up to two seconds out of order, of forty sessions over two partitions. */
class Stream {
  #next = 0;
  #seed = 7;
  #isOver = false;

  async more(count: number): Promise<void> {
    const records: Produced[] = [];
    for (let i = 0; i < count; i++) records.push(this.#event());
    await stall.produce(records);
  }

  /** Until it is told to end. */
  async flow(): Promise<void> {
    while (!this.#isOver) {
      await this.more(5);
      await sleep(50);
    }
  }

  end(): void {
    this.#isOver = true;
  }

  get time(): number {
    return T0 + this.#next * seconds(1);
  }

  #random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    return (this.#seed >>> 8) % below;
  }

  #event(): Produced {
    const id = this.#next++;
    const key = this.#random(KEYS);
    const dice = this.#random(10);
    const eventType = dice < 6 ? 'view' : dice < 9 ? 'cart' : 'purchase';
    const eventTime = T0 + id * seconds(1) - this.#random(1_900);
    const userSession = `session-${key}`;
    return {
      partition: key % PARTITIONS,
      key: userSession,
      value: { id, eventTime, eventType, userSession },
    };
  }
}

function handOver(failpoint?: string) {
  const args = [
    ...['backtest', '--rules', document, '--events', `kafka:${stall.topic}`, '--hand-over'],
    ...['--journeys', JOURNEYS, '--group', stall.name, '--task-queue', stall.taskQueue, '--json'],
  ];
  const env = { ...shop.env, ...(failpoint ? { [FAILPOINT_VARIABLE]: failpoint } : {}) };
  return run(args, { env });
}

const states = async () =>
  shop.query<{ state: string }>('select state from cep_hand_overs order by created_at');

/** The rules in force, for an offline run: without their start. */
async function offlineJourneys(): Promise<{ journeys: CompiledJourneys; start: RuleStart }> {
  const { journeys } = await loadJourneys(JOURNEYS);
  const revision = await rules.newestRevision();
  const live = new LiveJourneys(journeys);
  live.take({ revision: 1, rules: (revision?.rules ?? []).map(({ start: _, ...rule }) => rule) });
  return { journeys: live, start: revision?.rules[0]?.start as RuleStart };
}

async function recordsOf(): Promise<RawRecord[]> {
  const kafka = shop.client;
  const end = await topicEnd({ kafka, topic: stall.topic, groupId: stall.name });
  const records: RawRecord[] = [];
  for await (const batch of readTopicRange({ ...end, kafka, isKeyed: true }))
    records.push(...batch);
  return records;
}

const idsOf = (alerts: readonly Alert[]) => alerts.map(({ id }) => id).sort();

test('what is open at the cut goes on live, whatever is killed at the seam: nothing twice, nothing lost', async () => {
  const env = { TEMPORAL_CEP_RULES_DATABASE: shop.postgres.url };
  await stall.worker(env);
  let ingestor = await stall.ingestor([], env);
  const stream = new Stream();
  await stream.more(1_500);
  // The last ones wait for what may come before them.
  await until('the past is read', async () => {
    const progress = await stall.progress();
    return progress.reduce((sum, { lowWater }) => sum + lowWater, 0) > 1_450;
  });
  const flowing = stream.flow();

  // Killed before its end it has changed nothing, and the stream goes on by itself.
  for (const failpoint of ['hand-over-session:3', 'hand-over-told']) {
    const killed = await handOver(failpoint);
    expect(killed.code, killed.stderr).toBe(null);
    await until(
      `the one killed at ${failpoint} is given up`,
      async () => (await states()).at(-1)?.state === 'given-up',
      GIVEN_UP_MS,
    );
    expect(await rules.list()).toEqual([]);
  }
  // Killed behind it, and an ingestor that stood still as well: the rules are in force.
  const killed = await handOver('hand-over-done');
  expect(killed.code, killed.stderr).toBe(null);
  ingestor.child.kill('SIGKILL');
  await ingestor.ended;
  ingestor = await stall.ingestor([], env);
  await until(
    'its rules are in force',
    async () => (await states()).at(-1)?.state === 'in-force',
    GIVEN_UP_MS,
  );
  await sleep(seconds(3));
  stream.end();
  await flowing;
  const after = stream.time + days(1);
  await stall.produce(
    [0, 1].flatMap((partition) =>
      [0, 1].map((day) => ({
        partition,
        key: `closer-${partition}`,
        value: {
          id: `c${partition}${day}`,
          eventTime: after + days(day),
          eventType: 'view',
          userSession: `closer-${partition}`,
        },
      })),
    ),
  );

  const { journeys, start } = await offlineJourneys();
  const records = await recordsOf();
  const { source, offsets } = start;
  const partitions = Object.keys(offsets).map((id) => ({ source, partition: Number(id) }));
  const all = runOffline({ journeys, records, partitions, endWatermark: 'last-event' }).alerts;
  const past = new OfflineRun({ journeys, partitions });
  for (const record of records) {
    if (record.offset < (offsets[record.partition] ?? 0)) past.push(record);
  }
  const before = past.handOver((partition) => past.watermarkOf(partition));
  const known = new Set(idsOf(before.alerts));
  const expected = all.filter(({ id }) => !known.has(id));
  const crossing = expected.filter(({ match }) =>
    (Object.values(match).flat() as { id: unknown }[]).some(({ id }) => isPast(records, start, id)),
  );
  expect(known.size).toBeGreaterThan(100);
  expect(expected.length).toBeGreaterThan(50);
  expect(crossing.length).toBeGreaterThan(5);
  const live = async () => (await stall.alerts()).map(({ value }) => value);
  await until(
    'all alerts have come',
    async () => (await live()).length >= expected.length,
    120_000,
  );
  await sleep(seconds(3));
  expect(idsOf(await live())).toEqual(idsOf(expected));
}, 400_000);

/** Whether the record of an event lies before the cut. */
function isPast(records: readonly RawRecord[], { offsets }: RuleStart, id: unknown): boolean {
  const record = records.find(({ value }) => JSON.parse(value as string).id === id);
  return record !== undefined && record.offset < (offsets[record.partition] ?? 0);
}

test('a rule that is on as it is, a file instead of a topic, a group that reads nothing: one line each', async () => {
  const again = await handOver();
  expect([again.code, again.stderr.trim().split('\n').at(-1)]).toEqual([
    1,
    'temporal-cep: rule "carts" is on as it is: temporal-cep rules off carts, then hand it over',
  ]);
  const args = ['backtest', '--rules', document, '--hand-over', '--journeys', JOURNEYS];
  const file = await run([...args, '--events', document], { env: shop.env });
  expect([file.code, file.stderr]).toEqual([
    1,
    'temporal-cep: --hand-over needs one topic, which ingestors read: write --events kafka:TOPIC\n',
  ]);
  const other = await run([...args, '--events', `kafka:${stall.topic}`, '--group', 'other'], {
    env: shop.env,
  });
  expect([other.code, other.stderr.trim().split('\n').at(-1)]).toEqual([
    1,
    `temporal-cep: no ingestor of the group other has read ${stall.topic}: there is nobody to hand over to; start temporal-cep ingest kafka ${stall.topic} --group other`,
  ]);
});
