import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { type BacktestResult, backtest } from '../../backtest/backtest.js';
import { type Comparison, compareAlerts } from '../../backtest/compare.js';
import type { TopicEvents } from '../../backtest/share.js';
import { CepError } from '../../errors.js';
import { topicEnd } from '../../ingest/read-topic.js';
import { createKafka } from '../../kafka/settings.js';
import { createLogger } from '../../log.js';
import { formatTimestamp, seconds, type Timestamp } from '../../time.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { writeAlerts } from '../alerts.js';
import { addDataConverterOption } from '../client.js';
import { comparisonLines } from '../comparison-text.js';
import type { HandOverFlags } from '../hand-over.js';
import { answeringBrokers, KAFKA_HELP } from '../kafka.js';
import { duration, positiveNumber, timestamp } from '../option-values.js';
import { addRecordFormatOptions, changesOf } from '../record-format.js';
import { addAuthorOptions } from '../rule-database.js';
import { print, progress, table } from '../terminal.js';
import { CONDITIONS_HELP } from './rules/validate.js';

interface BacktestFlags extends HandOverFlags {
  readonly against?: string;
  readonly conditions?: string;
  readonly effects?: string;
  readonly events: string[];
  readonly to?: Timestamp;
  readonly leaveOpen?: boolean;
  readonly threads: number;
  readonly handOver?: boolean;
}

/** Lines of a table that is read by people. */
const ROWS_MAX = 24;

export function backtestCommand(): Command {
  const command = new Command('backtest')
    .description('try rules on the events of the past, in process')
    .requiredOption('--rules <file>', 'a rule set (.json), or a journeys module')
    .requiredOption(
      '--events <file...>',
      'NDJSON or CSV, several are one stream, one after the other; or kafka:TOPIC, what it holds at the start',
    )
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: the environment)',
    )
    .option(
      '--group <id>',
      'the consumer group of the ingest to compare with: ids of alerts follow from it; nothing joins it',
      'temporal-cep',
    )
    .option(
      '--from <time>',
      'events from this time on: 2026-01-31, 2026-01-31T12:00:00Z, or ms',
      timestamp,
    )
    .option('--to <time>', 'events before this time', timestamp)
    .option('--against <file>', 'other rules: tells what only they, or only --rules, would alert')
    .option('--conditions <module>', CONDITIONS_HELP)
    .option('--effects <file>', 'tell what its effects would have come to: as for a worker')
    .option(
      '--out-of-orderness <duration>',
      'how far event times may lag, as for ingest',
      duration,
      seconds(2),
    )
    .option('--leave-open', 'leave windows open at the end, instead of ending them all')
    .option(
      '--threads <n>',
      'keys are shared out between them',
      threadCount,
      availableParallelism(),
    )
    .option('--alerts <file>', 'write the alerts, one JSON object per line')
    .option(
      '--hand-over',
      'put the rules in force, and have live sessions go on with what is open at the end of a topic',
    )
    .option('--json', 'print the report as JSON')
    .option('--journeys <module>', 'of a hand-over: the module of ingestors and workers')
    .option(
      '--ignore-accepts',
      'of a hand-over: let journeys of the file have all events of their key',
    )
    .option('--task-queue <name>', 'of the sessions that a hand-over starts', TASK_QUEUE)
    .option(
      '--rules-database <address>',
      'of a hand-over: the database of rules (default: the environment)',
    )
    .option(
      '--database <address>',
      'of a hand-over: shared with workers and ingestors (default: the environment)',
    );
  return addAuthorOptions(addDataConverterOption(addRecordFormatOptions(command)))
    .addHelpText(
      'after',
      `
Runs the automaton of the sessions, so that the alerts are those of an ingest of the same events, ids included.
A topic is read up to where it ended at the start, by each thread; topics are read side by side, after the files.
With --effects the policies of that declaration are played on the clock of the events, without what suppression lists say; nothing is
sent. Actions are an estimate of what sessions would ask of Temporal; docs/scaling.md says what they lead to.
Exits with 1 when a file or topic cannot be read, or a rule is refused.

With --hand-over the rules of the file are on afterwards, as if they had been so all along: ingestors of the --group stand
still at the end of the topic, every session gets what is open for it, and the rules begin there. What matched before is told here
only. Nothing has changed where it is interrupted before its end: do it again. It needs --journeys, one kafka:TOPIC that is no
repartition's, a running ingestor for each partition, and workers.
${KAFKA_HELP}`,
    )
    .action(run);
}

function threadCount(text: string): number {
  const threads = positiveNumber(text);
  if (threads > 256) throw new InvalidArgumentError('It must be at most 256.');
  return threads;
}

const TOPIC = 'kafka:';

async function run(flags: BacktestFlags): Promise<void> {
  const { against, threads, handOver } = flags;
  const changes = changesOf(flags);
  if (handOver) {
    // With the databases that it needs, a third of the time in which a backtest starts.
    const { runHandOver } = await import('../hand-over.js');
    return await runHandOver(flags, topicOfHandOver(flags));
  }
  // Measured once: all that is compared has read the same.
  const topics = await topicsOf(flags);
  const runOf = (rules: string, effects?: string) =>
    backtest({
      rules,
      effects,
      conditions: flags.conditions,
      events: flags.events.filter((name) => !name.startsWith(TOPIC)),
      topics,
      from: flags.from,
      to: flags.to,
      threads,
      changes,
      outOfOrdernessMs: flags.outOfOrderness,
      keepsAlerts: flags.alerts !== undefined || against !== undefined,
      ...(flags.leaveOpen ? { endWatermark: 'last-event' as const } : {}),
      onProgress: (records) => progress(`${rules}: ${records.toLocaleString('en')} records`),
    });
  const result = await runOf(flags.rules, flags.effects);
  const comparison = against
    ? compareAlerts((await runOf(against)).alerts, result.alerts)
    : undefined;
  if (flags.alerts) {
    writeAlerts(flags.alerts, result.alerts);
  }
  const { alerts: _, ...report } = result;
  if (flags.json) print(JSON.stringify({ ...report, ...(comparison ? { comparison } : {}) }));
  else print(asText(result, comparison));
}

/** @throws CepError `SETTING_INVALID` for flags of a backtest that changes nothing */
function topicOfHandOver({ events, against, to, leaveOpen, effects }: BacktestFlags): string {
  const [topic = ''] = events;
  const isOne = events.length === 1 && topic.startsWith(TOPIC) && topic.length > TOPIC.length;
  const isOther = [against, to, leaveOpen, effects].some((flag) => flag !== undefined);
  if (isOne && !isOther) return topic.slice(TOPIC.length);
  throw new CepError(
    'SETTING_INVALID',
    isOne
      ? '--hand-over goes on where the topic ends: leave out --against, --effects, --to and --leave-open'
      : '--hand-over needs one topic, which ingestors read: write --events kafka:TOPIC',
  );
}

async function topicsOf({ events, brokers, group }: BacktestFlags): Promise<TopicEvents[]> {
  const names = events.filter((name) => name.startsWith(TOPIC));
  if (names.length === 0) return [];
  const topics = new Set(names.map((name) => name.slice(TOPIC.length)));
  if (topics.has('')) {
    throw new CepError('SETTING_INVALID', '--events kafka: names no topic: write kafka:TOPIC');
  }
  const log = createLogger('error');
  const settings = await answeringBrokers(brokers, log);
  const kafka = createKafka(settings, log);
  return await Promise.all(
    [...topics].map(async (topic) => ({
      ...(await topicEnd({ kafka, topic, groupId: group })),
      settings,
    })),
  );
}

function asText(result: BacktestResult, comparison: Comparison | undefined): string {
  const { events, records, bad, changes, late, span, sessions, open, actions } = result;
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  const total = Object.values(actions).reduce((sum, each) => sum + each, 0);
  const lines = [
    `${whole(events)} events of ${whole(records)} records in ${result.seconds.toFixed(1)} s: ${whole(result.eventsPerSecond)} a second, ${result.cpuSeconds.toFixed(1)} s of CPU`,
    ...(span ? [`from ${formatTimestamp(span.from)} to ${formatTimestamp(span.to)}`] : []),
    `${whole(bad)} bad records, ${changes > 0 ? `${whole(changes)} changes that are no events, ` : ''}${whole(late)} late events; ${whole(sessions)} sessions, ${whole(open)} of them with something open`,
    '',
    table(
      ['rule', 'matches', 'timeouts', 'errors', 'failures', 'dropped'],
      Object.entries(result.rules).map(([rule, counts]) => [
        rule,
        counts.matches,
        counts.timeouts,
        counts.errors,
        counts.failures,
        counts.dropped,
      ]),
    ),
    table(
      ['alert', 'count'],
      Object.entries(result.alertCounts).sort(([, a], [, b]) => b - a),
    ),
    table(['from', 'alerts'], alertsOverTime(result)),
    ...(result.effects.length === 0
      ? []
      : [
          table(
            ['effect', 'became', 'because', 'count', 'users'],
            result.effects.map(({ effect, state, reason, count, users }) => [
              ...[effect, state, reason ?? '', count, users],
            ]),
          ),
        ]),
    table(
      ['busiest key', 'events'],
      result.busiest.map(({ key, events }) => [key, events]),
    ),
    `about ${whole(total)} Temporal actions: ${Object.entries(actions)
      .map(([kind, count]) => `${whole(count)} ${kind}`)
      .join(', ')}`,
  ];
  if (comparison) lines.push('', ...comparisonLines(comparison, ['--against', '--rules']));
  return lines.join('\n');
}

/** By the hour, or by as many hours as make few enough lines. */
function alertsOverTime({ alertsOver }: BacktestResult): [string, number][] {
  const first = alertsOver[0]?.hour;
  const last = alertsOver.at(-1)?.hour;
  if (first === undefined || last === undefined) return [];
  const hour = 3_600_000;
  const step = hour * Math.ceil(((last - first) / hour + 1) / ROWS_MAX);
  const counts = new Map<number, number>();
  for (let from = first; from <= last; from += step) counts.set(from, 0);
  for (const { hour: at, count } of alertsOver) {
    const from = first + Math.floor((at - first) / step) * step;
    counts.set(from, (counts.get(from) ?? 0) + count);
  }
  return [...counts].map(([from, count]) => [formatTimestamp(from), count]);
}
