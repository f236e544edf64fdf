// `temporal-cep backtest --hand-over`: what it has to open, and what it prints.

import { CepError } from '../errors.js';
import { type HandOverResult, handOver } from '../hand-over/hand-over.js';
import { patienceOf } from '../ingest/patience.js';
import { readTopicRange, requireOwn, topicEnd } from '../ingest/read-topic.js';
import type { RawRecord } from '../ingest/record.js';
import { temporalHandOver } from '../ingest/temporal-gateway.js';
import { loadJourneys } from '../journeys-module.js';
import { createLogger } from '../log.js';
import type { ConditionClasses } from '../rules/conditions.js';
import { formatDuration, type Millis, type Timestamp } from '../time.js';
import { writeAlerts } from './alerts.js';
import { type DataConverterFlags, dataConverterOf, keySecret, openClient } from './client.js';
import { editsOf, type FileFlags } from './commands/rules/apply.js';
import { PUBLICATION_INTERVAL_MS } from './ingest-process.js';
import { connectKafka } from './kafka.js';
import { changesOf, type RecordFormatFlags } from './record-format.js';
import { type AuthorFlags, authorOf, withRules } from './rule-database.js';
import { connectNative } from './server.js';
import { openPlace, sharedStore } from './store.js';
import { note, print, table } from './terminal.js';

export interface HandOverFlags
  extends FileFlags,
    AuthorFlags,
    DataConverterFlags,
    RecordFormatFlags {
  readonly rules: string;
  readonly events: readonly string[];
  readonly brokers?: string;
  readonly group: string;
  readonly database?: string;
  readonly taskQueue: string;
  readonly from?: Timestamp;
  readonly outOfOrderness: Millis;
  readonly alerts?: string;
}

/** @throws CepError for flags that do not go together, and as of {@link handOver} */
export async function runHandOver(flags: HandOverFlags, topic: string): Promise<void> {
  if (flags.journeys === undefined) {
    throw new CepError(
      'SETTING_INVALID',
      '--hand-over needs the module of ingestors and workers, which says how events are read: name it by --journeys',
    );
  }
  const changes = changesOf(flags);
  const log = createLogger('warn');
  const { journeys } = await loadJourneys(flags.journeys);
  const edits = await editsOf([flags.rules], flags);
  const dataConverter = await dataConverterOf(flags);
  const place = sharedStore(flags.database);
  const secret = keySecret();
  const kafka = await connectKafka(flags.brokers, log);
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const { connection, namespace } = await connectNative();
    cleanUp.push(() => connection.close());
    const store = await openPlace(place);
    cleanUp.push(() => store.close());
    const of = { kafka, topic, groupId: flags.group };
    const { source } = await topicEnd(of);
    const isKeyed = await store.sources.keyedOf(source);
    if (isKeyed === null) throw unread(topic, flags.group);
    const { author, ...noted } = authorOf(flags);
    const result = await withRules(flags, (rules) =>
      handOver({
        store: rules,
        edits: edits.map((edit) => ({ ...edit, author, ...noted })),
        journeys,
        known: {
          classes: (journeys.set.conditions ?? {}) as ConditionClasses,
          journeys: journeys.set.journeys,
          effects: null,
        },
        past: {
          end: () => topicEnd(of),
          read: (range) => ownRecords(readTopicRange({ ...range, kafka, isKeyed, changes }), topic),
        },
        isKeyed,
        watermark: async (at) =>
          (await store.progress.read(at.source, at.partition))?.watermark ?? null,
        outOfOrdernessMs: flags.outOfOrderness,
        from: flags.from,
        author,
        keepsAlerts: flags.alerts !== undefined,
        teller: (handed) =>
          temporalHandOver({
            client: openClient({ connection, namespace }, dataConverter),
            journeys: handed,
            taskQueue: flags.taskQueue,
            ...(secret === undefined ? {} : { keySecret: secret }),
            settings: {
              outOfOrdernessMs: flags.outOfOrderness,
              publicationIntervalMs: PUBLICATION_INTERVAL_MS,
              patienceMs: patienceOf(handed),
            },
          }),
        report: note,
        log,
      }),
    );
    tell(result, flags);
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

async function* ownRecords(
  batches: AsyncIterable<readonly RawRecord[]>,
  topic: string,
): AsyncGenerator<readonly RawRecord[]> {
  for await (const records of batches) yield records.map((record) => requireOwn(record, topic));
}

function tell({ alerts, ...result }: HandOverResult, flags: HandOverFlags): void {
  if (flags.alerts) {
    writeAlerts(flags.alerts, alerts);
  }
  if (flags.json) {
    print(JSON.stringify(result));
    return;
  }
  const { sessions, records, start, pausedMs, rules } = result;
  print(
    table(
      ['rule', 'matches', 'timeouts'],
      Object.entries(rules).map(([rule, { matches, timeouts }]) => [rule, matches, timeouts]),
    ),
  );
  const cut = Object.entries(start.offsets)
    .map(([partition, offset]) => `${partition}:${offset}`)
    .join(' ');
  print(`before the cut at ${cut} (partition:offset), in ${records} records`);
  print(
    `${sessions} sessions go on with what is open; the ingestors stood still for ${formatDuration(Math.round(pausedMs))}`,
  );
}

function unread(topic: string, group: string): CepError {
  return new CepError(
    'SETTING_INVALID',
    `no ingestor of the group ${group} has read ${topic}: there is nobody to hand over to; start temporal-cep ingest kafka ${topic} --group ${group}`,
    { details: { topic, group } },
  );
}
