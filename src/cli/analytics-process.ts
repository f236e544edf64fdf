// What the analytics commands share: their options, the process around the counting, and what it says at its end.

import { type Command, InvalidArgumentError } from 'commander';
import type { Kafka } from 'kafkajs';
import { Registry } from 'prom-client';
import { type Aggregate, aggregatesOf } from '../analytics/aggregate.js';
import { readAnalytics } from '../analytics/declaration.js';
import { type AnalyticsStore, openAnalyticsStore } from '../analytics-store/analytics-store.js';
import { type AnalyticsCounts, countRecords } from '../analytics-store/count-records.js';
import { counted, countedByName } from '../counted.js';
import { CepError } from '../errors.js';
import type { Lag } from '../ingest/read-kafka.js';
import type { Read } from '../ingest/record.js';
import { loggedRejects } from '../ingest/rejects.js';
import { naming, readJson } from '../json-file.js';
import { createLogger, type Logger } from '../log.js';
import { analyticsMetrics } from '../metrics.js';
import { connectKafka } from './kafka.js';
import { showMetrics } from './observed.js';
import { portNumber, positiveNumber } from './option-values.js';
import {
  addRejectOptions,
  namesRejectTopic,
  openRejects,
  type RejectFlags,
  rejectFiles,
  requireRejectTopics,
} from './rejects.js';
import { DATABASE_VARIABLE, databaseAddress } from './store.js';
import { note, print, progress } from './terminal.js';

/** Events of a transaction: five times as many are a quarter faster, and hold its locks for longer (docs/scaling.md). */
const BATCH = 1_000;
const BATCH_MAX = 50_000;

export const ANALYTICS_HELP = `
The database is the one of --database or ${DATABASE_VARIABLE}, such as postgres://user:password@host/name, mysql://user:password@host/name or
mariadb://..., or one of this process's own in --data-folder. Tables that are missing in it are made.

Each event counts once, however often this is killed and started again, and however many of these run: with its sums the database keeps which
record is next. The file of --aggregates says what is summed (examples/analytics.json); --only takes some of what is in it.`;

export interface AnalyticsFlags extends RejectFlags {
  readonly aggregates: string;
  readonly only?: string[];
  readonly database?: string;
  readonly dataFolder?: string;
  readonly brokers?: string;
  readonly batch: number;
  readonly metricsPort?: number;
  readonly json?: boolean;
}

export function addAnalyticsOptions(command: Command): Command {
  command
    .requiredOption('--aggregates <file>', 'JSON that says what is summed')
    .option('--only <names...>', 'of those only these')
    .option('--database <address>', 'where the sums are kept (default: the environment)')
    .option('--data-folder <folder>', 'keep them in a folder, for this process alone')
    .option('--batch <n>', 'most events in a transaction', batchSize, BATCH)
    .option('--metrics-port <port>', 'serve Prometheus metrics at /metrics', portNumber)
    .option('--json', 'print the counts as JSON');
  return addRejectOptions(command).addHelpText('after', ANALYTICS_HELP);
}

function batchSize(text: string): number {
  const size = positiveNumber(text);
  if (size > BATCH_MAX) throw new InvalidArgumentError(`It must be ${BATCH_MAX} at most.`);
  return size;
}

/** What a command reads, opened when everything around it is there. */
export interface AnalyticsInput {
  readonly source: string;
  readonly reads: AsyncIterable<Read>;
  lags?(): readonly Lag[];
  onCounted?(source: string, next: ReadonlyMap<number, number>): void;
  close?(): Promise<void>;
}

export interface AnalyticsProcess {
  readonly flags: AnalyticsFlags;
  readonly signal: AbortSignal;
  readonly readsKafka?: boolean;
  open(around: {
    readonly store: AnalyticsStore;
    /** Where it reads Kafka. */
    readonly kafka: Kafka | null;
    readonly log: Logger;
  }): Promise<AnalyticsInput>;
}

/** Counts in this process, and says what became of the records. */
export async function runAnalytics(process: AnalyticsProcess): Promise<AnalyticsCounts> {
  const { flags, signal, readsKafka = false, open } = process;
  const log = createLogger('info');
  const cleanUp: (() => Promise<unknown>)[] = [];
  const aggregates = wantedAggregates(flags);
  const place = analyticsPlace(flags);
  const files = rejectFiles(flags);
  try {
    const needsKafka = readsKafka || namesRejectTopic(flags);
    const kafka = needsKafka ? await connectKafka(flags.brokers, log) : null;
    if (kafka) await requireRejectTopics(flags, kafka);
    const store = await openAnalyticsStore(place, aggregates);
    cleanUp.push(() => store.close());
    const sinks = openRejects(flags, files, kafka, log);
    cleanUp.push(sinks.close);
    const input = await open({ store, kafka, log });
    if (input.close) cleanUp.push(input.close);
    let counts: AnalyticsCounts | null = null;
    const registry = new Registry();
    analyticsMetrics(registry, { counts: () => counts, lags: () => input.lags?.() ?? [] });
    cleanUp.push(await showMetrics(registry, flags.metricsPort));
    const result = await countRecords({
      ...{ store, log, signal, batch: flags.batch, reads: input.reads },
      rejects: {
        late: sinks.late ?? loggedRejects(log, 'late event'),
        dead: sinks.deadLetters ?? loggedRejects(log, 'record that cannot be used'),
      },
      onProgress: (now) => {
        counts = now;
        progress(`${now.read} read, ${now.transactions} transactions`);
      },
      onCounted: (source, next) => input.onCounted?.(source, next),
    });
    print(flags.json ? JSON.stringify(result) : countsAsText(input.source, result));
    if (result.uncounted > 0) {
      note(
        `${counted(result.uncounted, 'record was', 'records were')} read and not counted: the database, or a topic for late events or dead letters, was away. The next run counts them`,
      );
      globalThis.process.exitCode = 1;
    }
    return result;
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

/**
 * Those of the file, or some of them.
 *
 * @throws CepError `INPUT_MISSING`, `AGGREGATES_INVALID`, `SETTING_INVALID`
 */
export function wantedAggregates({
  aggregates: file,
  only,
}: Pick<AnalyticsFlags, 'aggregates' | 'only'>): Aggregate[] {
  const json = readJson(file, 'declaration of aggregates', 'name a JSON file');
  const all = aggregatesOf(naming(file, () => readAnalytics(json)));
  for (const name of only ?? []) {
    if (all.some((aggregate) => aggregate.name === name)) continue;
    const names = all.map((aggregate) => aggregate.name).join(', ');
    throw new CepError(
      'SETTING_INVALID',
      `${file} has no aggregate "${name}": --only takes ${names}`,
      { details: { file, name } },
    );
  }
  return only ? all.filter(({ name }) => only.includes(name)) : all;
}

/** @throws CepError `SETTING_INVALID` where nothing names one */
export function analyticsPlace({
  database,
  dataFolder,
}: Pick<AnalyticsFlags, 'database' | 'dataFolder'>): string | { folder: string } {
  if (dataFolder !== undefined && database === undefined) return { folder: dataFolder };
  const address = databaseAddress(database);
  if (address !== undefined) return address;
  throw new CepError(
    'SETTING_INVALID',
    `sums are kept in a database: set ${DATABASE_VARIABLE} or --database to postgres://user:password@host/name or mysql://user:password@host/name, or name a --data-folder`,
  );
}

/** The counts for people. */
function countsAsText(source: string, counts: AnalyticsCounts): string {
  const { read, passedOver, transactions, retries } = counts;
  return [
    `${source}: ${read} records, ${passedOver} of them without a value, in ${transactions} transactions, ${retries} done again`,
    ...Object.entries(counts.aggregates).map(
      ([name, { counted, late, skipped, repeats, dead }]) =>
        `${name}: ${counted} counted, ${repeats} counted before, ${late} late, ${skipped} not meant, ${countedByName(dead) || '0'} dead letters`,
    ),
  ].join('\n');
}
