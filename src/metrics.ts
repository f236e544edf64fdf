// Counters for people who watch: Prometheus text at /metrics.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { AnalyticsCounts } from './analytics-store/count-records.js';
import { CepError, messageOf } from './errors.js';
import type { IngestCounts } from './ingest/ingest.js';
import type { Lag, PartitionCount } from './ingest/read-kafka.js';
import type { Alert } from './rules/rule.js';
import type { NotTakenReason } from './workflows/messages.js';

const PARTITION = ['source', 'partition'] as const;

/** Counters of what this worker's sessions have published, and of what they have not taken or not kept. */
export function workerMetrics(registry: Registry): {
  published(alerts: readonly Alert[]): void;
  notTaken(reason: NotTakenReason, events: number): void;
  dropped(journey: string, rule: string, partialMatches: number): void;
} {
  const alerts = new Counter({
    name: 'temporal_cep_alerts_total',
    help: 'Alerts that reached the sink',
    labelNames: ['journey', 'rule', 'type'] as const,
    registers: [registry],
  });
  const late = new Counter({
    name: 'temporal_cep_session_late_events_total',
    help: 'Events that came too late for their session',
    registers: [registry],
  });
  const refused = new Counter({
    name: 'temporal_cep_session_refused_events_total',
    help: 'Events that waited in their session when there was no room for more',
    registers: [registry],
  });
  const dropped = new Counter({
    name: 'temporal_cep_dropped_partial_matches_total',
    help: 'Partial matches dropped at a limit of their rule, or because it changed or went',
    labelNames: ['journey', 'rule'] as const,
    registers: [registry],
  });
  return {
    published: (published) => {
      for (const { journey, rule, type } of published) alerts.inc({ journey, rule, type });
    },
    notTaken: (reason, events) => (reason === 'LATE_FOR_SESSION' ? late : refused).inc(events),
    dropped: (journey, rule, partialMatches) => dropped.inc({ journey, rule }, partialMatches),
  };
}

/** What an ingestor counts; read at the moment that somebody asks. */
export function ingestMetrics(
  registry: Registry,
  read: {
    counts(): IngestCounts | null;
    lags(): readonly Lag[];
    /** Of a topic. */
    partitions?(): PartitionCount;
  },
): void {
  const counter = countersOf(registry, 'temporal_cep', read.counts);
  counter('records', 'Records read', ({ read }) => read);
  counter('events', 'Records that became events in time', ({ events }) => events);
  counter('late_events', 'Events behind the watermark of their partition', ({ late }) => late);
  counter('repeats', 'Records read again that were done with', ({ repeats }) => repeats);
  counter('tombstones', 'Records that say a key is gone', ({ tombstones }) => tombstones);
  counter('unrouted_events', 'Events that no journey accepts', ({ unrouted }) => unrouted);
  counter('skipped_deliveries', 'Deliveries that could begin nothing', ({ skipped }) => skipped);
  counter('signals', 'Signals accepted by Temporal', ({ batches }) => batches);
  new Counter({
    name: 'temporal_cep_dead_letters_total',
    help: 'Records and events that could not be used',
    labelNames: ['reason'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(read.counts()?.dead ?? {})) {
        this.inc({ reason }, count);
      }
    },
  });
  changesCounter(registry, 'temporal_cep', read.counts);
  new Counter({
    name: 'temporal_cep_partitions_added_total',
    help: 'Partitions that the topic has got since it was first read',
    labelNames: ['source'] as const,
    registers: [registry],
    collect() {
      this.reset();
      const known = read.partitions?.();
      if (known) this.inc({ source: known.source }, known.added);
    },
  });
  const gauge = (name: string, help: string, of: (counts: IngestCounts) => number) =>
    new Gauge({
      name: `temporal_cep_${name}`,
      help,
      registers: [registry],
      collect() {
        const counts = read.counts();
        if (counts) this.set(of(counts));
      },
    });
  gauge('parked_sessions', 'Sessions that refuse signals', ({ parked }) => parked);
  gauge('undelivered_events', 'Events on their way to sessions', ({ undelivered }) => undelivered);
  new Gauge({
    name: 'temporal_cep_watermark_seconds',
    help: 'Event time reached, in seconds since the epoch',
    labelNames: PARTITION,
    registers: [registry],
    collect() {
      this.reset();
      for (const { source, partition, watermark } of read.counts()?.partitions ?? []) {
        // Before its first event a partition has no time at all.
        if (watermark > 0) this.set({ source, partition }, watermark / 1_000);
      }
    },
  });
  new Gauge({
    name: 'temporal_cep_live',
    help: '1 for a stream of the present, 0 for a historic one',
    labelNames: PARTITION,
    registers: [registry],
    collect() {
      this.reset();
      for (const { source, partition, isLive } of read.counts()?.partitions ?? []) {
        this.set({ source, partition }, isLive ? 1 : 0);
      }
    },
  });
  lagGauge(registry, () => read.lags());
}

function lagGauge(registry: Registry, lags: () => readonly Lag[]): void {
  new Gauge({
    name: 'temporal_cep_lag_records',
    help: 'Records between what is settled and the end of the partition',
    labelNames: PARTITION,
    registers: [registry],
    collect() {
      this.reset();
      for (const { source, partition, records } of lags()) {
        this.set({ source, partition }, records);
      }
    },
  });
}

/** Makes counters that say what is counted elsewhere. */
function countersOf<Counts>(registry: Registry, prefix: string, read: () => Counts | null) {
  return (name: string, help: string, of: (counts: Counts) => number) =>
    new Counter({
      name: `${prefix}_${name}_total`,
      help,
      registers: [registry],
      collect() {
        const counts = read();
        this.reset();
        if (counts) this.inc(of(counts));
      },
    });
}

function changesCounter(
  registry: Registry,
  prefix: string,
  read: () => Pick<IngestCounts, 'changes'> | null,
): void {
  new Counter({
    name: `${prefix}_skipped_changes_total`,
    help: 'Changes of rows that are no events',
    labelNames: ['change'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const [change, count] of Object.entries(read()?.changes ?? {})) {
        this.inc({ change }, count);
      }
    },
  });
}

/** What a process that counts aggregates has done; read at the moment that somebody asks. */
export function analyticsMetrics(
  registry: Registry,
  read: { counts(): AnalyticsCounts | null; lags(): readonly Lag[] },
): void {
  const counter = countersOf(registry, 'temporal_cep_analytics', read.counts);
  counter('records', 'Records read', ({ read }) => read);
  counter('transactions', 'Transactions', ({ transactions }) => transactions);
  counter('retries', 'Transactions that were done again', ({ retries }) => retries);
  changesCounter(registry, 'temporal_cep_analytics', read.counts);
  new Counter({
    name: 'temporal_cep_analytics_events_total',
    help: 'What became of records: counted, late, skipped, repeats, or the code of a dead letter',
    labelNames: ['aggregate', 'outcome'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const [aggregate, tally] of Object.entries(read.counts()?.aggregates ?? {})) {
        const { dead, ...others } = tally;
        for (const [outcome, count] of Object.entries({ ...others, ...dead })) {
          this.inc({ aggregate, outcome }, count);
        }
      }
    },
  });
  lagGauge(registry, () => read.lags());
}

/** Gauges of what an ingestor knows of the rules in tables. */
export function rulesMetrics(
  registry: Registry,
  read: {
    readonly revision: number;
    readonly quarantined: number;
    readonly polls: number;
    readonly failures: number;
    readonly lastSuccessAt: number | null;
  },
): void {
  const gauge = (name: string, help: string, of: () => number) =>
    new Gauge({
      name: `temporal_cep_rules_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(of());
      },
    });
  gauge('revision', 'The revision of the rules in force', () => read.revision);
  gauge('quarantined', 'Rows of rule tables that cannot be used', () => read.quarantined);
  gauge(
    'read_seconds',
    'When all rule tables were read last, in seconds since the epoch',
    () => (read.lastSuccessAt ?? 0) / 1_000,
  );
  for (const [name, help, of] of [
    ['polls', 'Times that rule tables were looked at', () => read.polls],
    ['poll_failures', 'Times that one of them could not be read', () => read.failures],
  ] as const) {
    new Counter({
      name: `temporal_cep_rules_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(of());
      },
    });
  }
}

/**
 * Serves a registry at `/metrics`.
 *
 * @param port - 0 for any
 * @param host - all interfaces by default, because it is another machine that asks
 * @throws CepError `PORT_OCCUPIED`
 */
export async function serveMetrics(
  registry: Registry,
  { port, host }: { readonly port: number; readonly host?: string },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer(({ url }, response) => {
    if (url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end('see /metrics\n');
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error) => response.writeHead(500).end(`${messageOf(error)}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new CepError(
          'PORT_OCCUPIED',
          `the metrics cannot be served at port ${port} (${messageOf(cause)}): name another --metrics-port`,
          { details: { port }, cause },
        ),
      ),
    );
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
