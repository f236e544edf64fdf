// Where a command's alerts and late events go: the terminal, a file, a topic.

import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Kafka } from 'kafkajs';
import { type AlertSink, fileAlerts, type LateSink } from '../activities/index.js';
import { counted } from '../counted.js';
import { alertTopic } from '../kafka/alert-topic.js';
import { lateTopic } from '../kafka/reject-topic.js';
import type { Logger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { note } from './terminal.js';

export interface AlertFlags {
  readonly alerts?: string;
  readonly alertsTopic?: string;
  readonly sessionLateTopic?: string;
}

export function addAlertOptions(command: Command): Command {
  return command
    .option('--alerts <file>', 'append alerts to this NDJSON file (default: print them)')
    .option('--alerts-topic <topic>', 'publish alerts to this Kafka topic, with their id as key')
    .option(
      '--session-late-topic <topic>',
      'publish events that their session did not take, mostly too late, here (default: the log)',
    );
}

/** Whether the flags need a Kafka client. */
export function needsKafka({ alertsTopic, sessionLateTopic }: AlertFlags): boolean {
  return alertsTopic !== undefined || sessionLateTopic !== undefined;
}

/** The sinks of the flags; with neither file nor topic alerts are printed. */
export function openSinks(
  { alerts, alertsTopic, sessionLateTopic }: AlertFlags,
  kafka: Kafka | null,
  log: Logger,
): { alerts: AlertSink | null; late: LateSink | null; close(): Promise<void> } {
  const sinks: AlertSink[] = [];
  if (alerts !== undefined) sinks.push(fileAlerts(alerts));
  if (alertsTopic !== undefined && kafka)
    sinks.push(alertTopic({ kafka, topic: alertsTopic, log }));
  const late =
    sessionLateTopic !== undefined && kafka
      ? lateTopic({ kafka, topic: sessionLateTopic, log })
      : null;
  return {
    alerts: sinks.length === 0 ? null : sinks.length === 1 ? (sinks[0] as AlertSink) : all(sinks),
    late,
    close: async () => {
      for (const sink of sinks) await sink.close?.();
      await late?.close();
    },
  };
}

function all(sinks: readonly AlertSink[]): AlertSink {
  return {
    // Each drops what it has taken before, so that the next try goes on where this one ended.
    publish: async (alerts) => {
      for (const sink of sinks) await sink.publish(alerts);
    },
  };
}

/** Writes the alerts of a past, one JSON object per line, and says so. */
export function writeAlerts(file: string, alerts: readonly Alert[]): void {
  writeFileSync(file, alerts.map((alert) => `${JSON.stringify(alert)}\n`).join(''));
  note(`${file} has ${counted(alerts.length, 'alert')}`);
}
