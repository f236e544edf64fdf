// Records in from a real Kafka, sessions on a real Temporal, progress and ledger in a real PostgreSQL, alerts
// out into Kafka: worker and ingestor are processes of the command line. What an ordinary consumer reads
// back is, id by id, what the same rules give offline.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateClickstream } from '../../src/demo/clickstream.js';
import type { IngestCounts } from '../../src/ingest/ingest.js';
import { days } from '../../src/time.js';
import { until } from '../support/until.js';
import { loadJourneys, runOffline } from './support/built.js';
import { ROOT } from './support/cli.js';
import {
  closers,
  interrupt,
  oddRecords,
  type Produced,
  rawRecords,
  type Shop,
  Stall,
  sourceOf,
  startShop,
} from './support/shop.js';

const JOURNEYS = join(ROOT, 'examples/journeys.ts');
let shop: Shop;

beforeAll(async () => {
  shop = await startShop();
});
afterAll(() => shop?.stop());

/** Clicks as an upsert-kafka connector writes them, over the partitions in turn. */
function clicks(partitions: number): Produced[] {
  const endsAt = Date.now() - days(30);
  return generateClickstream({ seed: 4, events: 1_200, endsAt }).map((click, i) => ({
    partition: i % partitions,
    key: JSON.stringify({ id: i }),
    value: click,
  }));
}

describe('from records to alerts', () => {
  test('a topic keyed by record id, with late and malformed records and tombstones', async () => {
    const partitions = 2;
    const stall = await Stall.open(shop, { name: 'all', journeys: JOURNEYS, partitions });
    const stream = clicks(partitions);
    const late = { ...(stream[100]?.value as object), userSession: 'late-comer' };
    const odd = oddRecords(late);
    const records = [...stream.slice(0, 900), ...odd, ...stream.slice(900), ...closers(partitions)];
    await stall.produce(records);
    const worker = await stall.worker();
    const ingestor = await stall.ingestor();
    await stall.isRead();

    const source = sourceOf(ingestor);
    const { journeys } = await loadJourneys(JOURNEYS);
    const offline = runOffline({
      journeys,
      records: rawRecords(records, source),
      partitions: [0, 1].map((partition) => ({ source, partition })),
      endWatermark: 'last-event',
    });
    const expected = offline.alerts.map(({ id }) => id).sort();
    expect(expected.length).toBeGreaterThan(200);
    await until(
      'the alerts are there',
      async () => (await stall.alerts()).length >= expected.length,
      90_000,
    );
    const alerts = await stall.alerts();
    expect(alerts.map(({ value }) => value.id).sort()).toEqual(expected);
    for (const { key, headers, value } of alerts) {
      const { id, type, journey, rule } = value;
      expect({ key, headers }).toEqual({ key: id, headers: { id, type, journey, rule } });
    }
    expect(offline.late).toEqual([`${source}/0/451`, `${source}/1/451`]);
    const rejects = async (topic: string) =>
      (await stall.rejects(topic)).map(({ reason, partition, offset, source: of }) => [
        of,
        partition,
        offset,
        reason,
      ]);
    expect((await rejects(stall.lateTopic)).sort()).toEqual([
      [source, 0, 451, 'LATE'],
      [source, 1, 451, 'LATE'],
    ]);
    expect((await rejects(stall.deadTopic)).sort()).toEqual([
      [source, 0, 450, 'RECORD_NOT_JSON'],
      [source, 1, 450, 'RECORD_WITHOUT_TIME'],
    ]);
    const counts = JSON.parse(await interrupt(ingestor)) as IngestCounts;
    expect(counts).toMatchObject({
      read: records.length,
      late: 2,
      tombstones: 1,
      parked: 0,
      undelivered: 0,
    });
    await interrupt(worker);
  });
});
