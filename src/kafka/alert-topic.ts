import type { Kafka } from 'kafkajs';
import type { AlertSink } from '../activities/sinks.js';
import type { Logger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { type Outgoing, topicWriter } from './topic-writer.js';

/** Default topic of the alerts. */
export const ALERT_TOPIC = 'alerts';
/** Longest text that an alert keeps when the topic does not take it whole. */
const MESSAGE_LENGTH_MAX = 10_000;

/** What {@link alertTopic} is made of. */
export interface AlertTopicOptions {
  readonly kafka: Kafka;
  /** Default {@link ALERT_TOPIC}. */
  readonly topic?: string;
  readonly log: Logger;
}

/**
 * Publishes alerts to a Kafka topic, at least once: the key is the alert's id, by which a reader, or
 * compaction, drops repetitions. Headers `id`, `type`, `journey`, `rule`; the value is the alert as JSON.
 *
 * An alert larger than the topic takes is published without its `match`, with `"matchOmitted": true`, and
 * named in the log as an error: tried again it would hold up its session for ever.
 *
 * Connects with the first alert. `publish` throws when Kafka has not acknowledged, and the activity
 * tries again.
 *
 * @throws CepError from `publish`: `BROKER_UNREACHABLE`, `INPUT_MISSING` when the topic is not there,
 * `SETTING_INVALID` when it may not be written
 */
export function alertTopic(options: AlertTopicOptions): AlertSink & { close(): Promise<void> } {
  const { kafka, topic = ALERT_TOPIC, log } = options;
  const writer = topicWriter({ kafka, topic });
  return {
    publish: (alerts) => writer.write(alerts.map((alert) => messageFor(alert, { topic, log }))),
    close: () => writer.close(),
  };
}

function messageFor(alert: Alert, { topic, log }: { topic: string; log: Logger }): Outgoing {
  const { id, type, journey, rule } = alert;
  const value = JSON.stringify(alert);
  return {
    key: id,
    headers: { id, type, journey, rule },
    value,
    smaller: () => {
      const bytes = Buffer.byteLength(value);
      log.error('alert published without its match: it is larger than the topic takes', {
        alert: id,
        journey,
        rule,
        topic,
        bytes,
      });
      const { match: _, message, ...rest } = alert;
      const short = message.slice(0, MESSAGE_LENGTH_MAX);
      return JSON.stringify({ ...rest, message: short, matchOmitted: true });
    },
  };
}
