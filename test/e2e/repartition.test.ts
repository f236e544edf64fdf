// A topic that is not keyed, on its way to sessions by several processes: two repartitions write it into a keyed topic,
// two ingestors read that. Events of each session lie in all source partitions, out of order, with late and malformed
// ones among them; processes are killed in the middle. Id by id the alerts are what the same rules give offline
// over the source's records.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateClickstream } from '../../src/demo/clickstream.js';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import { ensureTopics } from '../../src/kafka/admin.js';
import { days, minutes, seconds } from '../../src/time.js';
import { until } from '../support/until.js';
import { loadJourneys, runOffline } from './support/built.js';
import { ROOT, type Running } from './support/cli.js';
import { type Click, WINDOWS } from './support/journeys.js';
import {
  closers,
  interrupt,
  oddRecords,
  type Produced,
  rawRecords,
  type Shop,
  Stall,
  startShop,
} from './support/shop.js';

const HISTORIC = join(ROOT, 'examples/journeys.ts');
const LIVE = join(ROOT, 'test/e2e/support/journeys.ts');
const SOURCE_PARTITIONS = 3;
const OUTPUT_PARTITIONS = 4;
const TIMEOUT_MS = minutes(6);
let shop: Shop;

beforeAll(async () => {
  shop = await startShop();
});
afterAll(() => shop?.stop());

/** A stall whose topic is read through a second one. */
class Repartitioned {
  readonly #journeys: string;
  readonly stall: Stall;
  readonly topic: string;

  private constructor(stall: Stall, journeys: string) {
    this.#journeys = journeys;
    this.stall = stall;
    this.topic = `${stall.name}.by-key`;
  }

  static async open(name: string, journeys: string, partitions: number): Promise<Repartitioned> {
    const stall = await Stall.open(shop, { name, journeys, partitions });
    const made = new Repartitioned(stall, journeys);
    const admin = shop.client.admin();
    await admin.connect();
    await ensureTopics(admin, [{ topic: made.topic, partitions: OUTPUT_PARTITIONS }]);
    await admin.disconnect();
    return made;
  }

  async repartition(args: readonly string[] = []): Promise<Running> {
    const { topic, name, lateTopic, deadTopic } = this.stall;
    const running = shop.start(
      [
        ...['repartition', topic, '--to', this.topic, '--journeys', this.#journeys],
        ...['--group', name, '--session-timeout', '6s', '--grace', '3s', '--json'],
        ...['--late-topic', lateTopic, '--dead-letters-topic', deadTopic, ...args],
      ],
      shop.env,
    );
    await running.says(/^Reads .*, writes .*; Ctrl-C ends it$/m, 90_000);
    return running;
  }

  async ingestor(): Promise<Running> {
    const { name, lateTopic, deadTopic, taskQueue } = this.stall;
    const running = shop.start(
      [
        ...['ingest', 'kafka', this.topic, '--journeys', this.#journeys],
        ...['--task-queue', taskQueue, '--group', `${name}.sessions`, '--session-timeout', '6s'],
        ...['--late-topic', lateTopic, '--dead-letters-topic', deadTopic, '--json'],
      ],
      shop.env,
    );
    await running.says(/^Reads .*; Ctrl-C ends it$/m, 90_000);
    return running;
  }

  /** What is kept of the source's partitions, or of those of the other topic. */
  rows(of: 'source' | 'output'): Promise<{ partition: number; owner: string; low: number }[]> {
    const topic = of === 'source' ? this.stall.topic : this.topic;
    return shop.query(
      'select partition, owner, low_water::int as low from cep_progress where source like $1 order by partition',
      [`%/${topic}@%`],
    );
  }

  async ownersAre(of: 'source' | 'output', ...processes: Running[]): Promise<void> {
    const pids = processes.map(({ pid }) => pid).sort();
    await until(
      `the ${of} is shared`,
      async () => {
        const owners = (await this.rows(of)).map(({ owner }) => Number(owner.split(':')[1]));
        return [...new Set(owners)].sort().join() === pids.join();
      },
      minutes(2),
    );
  }
}

function sourceOf(repartition: Running): string {
  return /^Reads (.*), writes/m.exec(repartition.stderr())?.[1] ?? '';
}

/** Over the partitions in turn, each a little out of order. */
function clicks(): Produced[] {
  const endsAt = Date.now() - days(30);
  const stream = generateClickstream({ seed: 7, events: 1_000, endsAt }).map((click, i) => ({
    partition: i % SOURCE_PARTITIONS,
    key: JSON.stringify({ id: i }),
    value: click,
  }));
  // Neighbours of one partition, within the bound.
  for (let i = 0; i + SOURCE_PARTITIONS < stream.length; i += 10) {
    const [one, other] = [stream[i], stream[i + SOURCE_PARTITIONS]];
    if (!one || !other || Math.abs(timeOf(one) - timeOf(other)) >= seconds(2)) continue;
    stream[i] = other;
    stream[i + SOURCE_PARTITIONS] = one;
  }
  return stream;
}

function timeOf({ value }: Produced): number {
  return Number((value as { eventTime: number }).eventTime);
}

test(
  'two repartitions and two ingestors, one of each killed: alerts as offline, late and dead ones once',
  async () => {
    const made = await Repartitioned.open('split', HISTORIC, SOURCE_PARTITIONS);
    const { stall } = made;
    const stream = clicks();
    const late = { ...(stream[100]?.value as object), userSession: 'late-comer' };
    const odd = oddRecords(late);
    const records = [
      ...stream.slice(0, 600),
      ...odd,
      ...stream.slice(600),
      ...closers(SOURCE_PARTITIONS),
    ];
    const worker = await stall.worker();
    const [one, other] = await Promise.all([made.repartition(), made.repartition()]);
    const [reader, second] = await Promise.all([made.ingestor(), made.ingestor()]);
    await stall.produce(records.slice(0, 500));
    await made.ownersAre('source', one, other);
    await made.ownersAre('output', reader, second);
    await until('alerts come', async () => (await stall.alerts()).length > 0, minutes(2));
    other.child.kill('SIGKILL');
    second.child.kill('SIGKILL');
    await stall.produce(records.slice(500, 700));
    const [third, fourth] = await Promise.all([made.repartition(), made.ingestor()]);
    await stall.produce(records.slice(700));

    const source = sourceOf(one);
    const { journeys } = await loadJourneys(HISTORIC);
    const offline = runOffline({
      journeys,
      records: rawRecords(records, source),
      partitions: [0, 1, 2].map((partition) => ({ source, partition })),
      endWatermark: 'last-event',
    });
    const expected = offline.alerts.map(({ id }) => id).sort();
    expect(expected.length).toBeGreaterThan(100);
    await until(
      'the alerts are there',
      async () => (await stall.alerts()).length >= expected.length,
      minutes(2),
    );
    const found = (await stall.alerts()).map(({ key }) => key as string);
    // Into Kafka an alert may go twice, under the same key.
    expect([...new Set(found)].sort()).toEqual(expected);
    const rejects = async (topic: string) => {
      const all = (await stall.rejects(topic)).map(
        ({ reason, source: of, partition, offset }) => `${reason} ${of}/${partition}/${offset}`,
      );
      return [...new Set(all)].sort();
    };
    expect(await rejects(stall.lateTopic)).toEqual(offline.late.map((at) => `LATE ${at}`).sort());
    expect(offline.late).toHaveLength(2);
    expect(await rejects(stall.deadTopic)).toEqual([
      `RECORD_NOT_JSON ${source}/0/200`,
      `RECORD_WITHOUT_TIME ${source}/1/200`,
    ]);
    const sums = await Promise.all([interrupt(one), interrupt(third), interrupt(fourth)]);
    const [, , last] = sums.map((text) => JSON.parse(text) as IngestCounts);
    expect(last).toMatchObject({ late: 0, dead: {}, parked: 0, undelivered: 0 });
    await interrupt(reader);
    await interrupt(worker);
  },
  TIMEOUT_MS,
);

function click(partition: number, eventType: Click['eventType'], userSession: string): Produced {
  const value: Click = {
    eventTime: Date.now(),
    eventType,
    productId: 'p1',
    userSession,
    shop: 'short',
  };
  return { partition, key: JSON.stringify({ id: `${userSession}-${eventType}` }), value };
}

test(
  'a live source: a repartition that stands still holds up the windows of all; a partition is added',
  async () => {
    const made = await Repartitioned.open('live', LIVE, 2);
    const { stall } = made;
    const key = (name: string) => `${stall.name}-${name}`;
    const typesOf = async () =>
      (await stall.alerts()).map(({ value: { type, key } }) => `${type} ${key}`).sort();
    const worker = await stall.worker();
    // Its partition shall stay its own while it stands still.
    const patient = ['--session-timeout', '60s', '--metrics-port', '0'];
    const [one, other] = await Promise.all([made.repartition(patient), made.repartition(patient)]);
    const ingestor = await made.ingestor();
    await stall.produce([click(0, 'cart', key('first'))]);
    await stall.produce([click(1, 'purchase', key('first'))]);
    await made.ownersAre('source', one, other);
    const expected = [`PURCHASE_COMPLETION ${key('first')}`];
    await until('the first match', async () => (await typesOf()).length > 0, minutes(2));

    const rows = await made.rows('source');
    const [frozen] = [one, other].filter(({ pid }) => rows[1]?.owner.endsWith(`:${pid}`));
    await stall.produce([click(0, 'cart', key('buyer'))]);
    frozen?.child.kill('SIGSTOP');
    const bought = click(1, 'purchase', key('buyer'));
    await stall.produce([bought]);
    // Long after the window: only its own partition's watermark has passed it.
    await sleep(timeOf(bought) + WINDOWS.short + seconds(8) - Date.now());
    expect(await typesOf()).toEqual(expected);
    frozen?.child.kill('SIGCONT');
    expected.push(`PURCHASE_COMPLETION ${key('buyer')}`);
    await expect.poll(typesOf, { timeout: minutes(1), interval: 500 }).toEqual(expected.sort());

    const admin = shop.client.admin();
    await admin.connect();
    // And to the other topic: the events of some keys go another way from now on.
    const more = { topic: made.topic, count: OUTPUT_PARTITIONS + 3 };
    await admin.createPartitions({ topicPartitions: [{ topic: stall.topic, count: 3 }, more] });
    await admin.disconnect();
    await stall.produce([click(2, 'cart', key('mover')), click(2, 'cart', key('leaver'))]);
    await stall.produce([click(0, 'purchase', key('mover'))]);
    expected.push(`PURCHASE_COMPLETION ${key('mover')}`, `CART_ABANDONMENT ${key('leaver')}`);
    await expect.poll(typesOf, { timeout: minutes(2), interval: 500 }).toEqual(expected.sort());
    for (const each of [one, other]) {
      const [, url = ''] = /^Metrics at (.*)$/m.exec(each.stderr()) ?? [];
      const metrics = await (await fetch(url)).text();
      expect(metrics).toMatch(/^temporal_cep_partitions_added_total\{source="[^"]+"\} 1$/m);
      expect(each.stderr()).toContain('the topic has more partitions than before');
      expect(each.stderr()).toContain('the topic that is written has more partitions');
    }
    expect(ingestor.stderr()).toContain('the topic has more partitions than before');
    expect(await made.rows('output')).toHaveLength(OUTPUT_PARTITIONS + 3);
    expect(await stall.rejects(stall.lateTopic)).toEqual([]);
    for (const each of [one, other, ingestor, worker]) await interrupt(each);
  },
  TIMEOUT_MS,
);
