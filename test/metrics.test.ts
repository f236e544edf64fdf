// What is counted of rules in tables, and of changes of rows, as Prometheus reads it.

import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { IngestCounts } from '../src/ingest/ingest.js';
import { ingestMetrics, rulesMetrics } from '../src/metrics.js';

test('a revision, what is in quarantine, and tables that cannot be read', async () => {
  const registry = new Registry();
  const counters = {
    ...{ polls: 3, failures: 1, quarantined: 0, revision: 0 },
    lastSuccessAt: null as number | null,
  };
  rulesMetrics(registry, counters);
  const lines = async () =>
    (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(await lines()).toEqual([
    'temporal_cep_rules_revision 0',
    'temporal_cep_rules_quarantined 0',
    'temporal_cep_rules_read_seconds 0',
    'temporal_cep_rules_polls_total 3',
    'temporal_cep_rules_poll_failures_total 1',
  ]);
  Object.assign(counters, { polls: 4, quarantined: 2, revision: 7, lastSuccessAt: 1_500 });
  expect(await lines()).toEqual([
    'temporal_cep_rules_revision 7',
    'temporal_cep_rules_quarantined 2',
    'temporal_cep_rules_read_seconds 1.5',
    'temporal_cep_rules_polls_total 4',
    'temporal_cep_rules_poll_failures_total 1',
  ]);
});

test('changes of rows that are no events, by what they are', async () => {
  const registry = new Registry();
  const counts = { changes: { update: 3, delete: 1 } } as unknown as IngestCounts;
  ingestMetrics(registry, { counts: () => counts, lags: () => [] });
  const changes = await registry.getSingleMetric('temporal_cep_skipped_changes_total')?.get();
  expect(changes?.values).toEqual([
    { labels: { change: 'update' }, value: 3 },
    { labels: { change: 'delete' }, value: 1 },
  ]);
});
