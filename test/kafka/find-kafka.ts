// Kafka's jars through Maven.

import type { Environment } from '../../src/servers/process.js';
import { findJavaServer, type TrialRun } from '../support/maven.js';

/** Of the brokers that tests start. */
export const KAFKA_VERSION = '4.1.2';
/** What its jars, and those of Connect, log through. */
export const LOGGER = 'org.slf4j:slf4j-simple:1.7.36';

/**
 * The path of a script that starts a broker with the properties file it is given, and whose first line
 * is `pid <its process id>`.
 *
 * @throws CepError `SERVER_NOT_FOUND` with every step that was tried
 */
export async function findKafka(trial: TrialRun, env: Environment = process.env): Promise<string> {
  return await findJavaServer(
    {
      what: 'Kafka',
      name: 'kafka',
      folder: `kafka-${KAFKA_VERSION}`,
      jars: [`org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`, LOGGER],
      main: 'kafka.Kafka',
      trial,
      tried: [{ step: 'TEMPORAL_CEP_TEST_BROKERS', outcome: 'not set' }],
      remedy:
        'Install Java 17 or later and Maven, so that `java` and `mvn` are on PATH, or set TEMPORAL_CEP_TEST_BROKERS to the host:port of a Kafka.',
    },
    env,
  );
}
