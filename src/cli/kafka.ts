// The Kafka brokers of a command.

import type { Kafka } from 'kafkajs';
import { checkBrokers } from '../kafka/admin.js';
import { createKafka, type KafkaSettings, kafkaSettingsFromEnv } from '../kafka/settings.js';
import type { Logger } from '../log.js';

export const KAFKA_HELP = `
The brokers are those of --brokers or KAFKA_BROKERS (host:port, separated by commas); KAFKA_SSL, KAFKA_SSL_CA,
KAFKA_SSL_CERT, KAFKA_SSL_KEY, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD say how to
be let in.`;

/**
 * A client of brokers that answer.
 *
 * @throws CepError `SETTING_INVALID`, `BROKER_UNREACHABLE`
 */
export async function connectKafka(brokers: string | undefined, log: Logger): Promise<Kafka> {
  return createKafka(await answeringBrokers(brokers, log), log);
}

/** The settings of brokers that answer, for threads that make clients of their own. */
export async function answeringBrokers(
  brokers: string | undefined,
  log: Logger,
): Promise<KafkaSettings> {
  const settings = kafkaSettingsFromEnv(process.env, { brokers });
  await checkBrokers(settings, log);
  return settings;
}
