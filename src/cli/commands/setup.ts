import { Command } from 'commander';
import { openAnalyticsStore } from '../../analytics-store/analytics-store.js';
import { counted } from '../../counted.js';
import { ensureTopics, type WantedTopic } from '../../kafka/admin.js';
import { createLogger } from '../../log.js';
import { openRuleStore } from '../../rule-store/rule-store.js';
import { openStore } from '../../store/store.js';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.js';
import { analyticsPlace, wantedAggregates } from '../analytics-process.js';
import { connectKafka, KAFKA_HELP } from '../kafka.js';
import { positiveNumber } from '../option-values.js';
import { RULES_HELP, rulesAddress } from '../rule-database.js';
import { connectNative, SERVER_HELP } from '../server.js';
import { DATABASE_HELP, DATABASE_VARIABLE, databaseAddress } from '../store.js';
import { note } from '../terminal.js';

interface SetupFlags {
  readonly database?: string;
  readonly rulesDatabase?: string;
  readonly aggregates?: string;
  readonly brokers?: string;
  readonly topic: string[];
  readonly partitions?: number;
}

export function setupCommand(): Command {
  return new Command('setup')
    .description('prepare Temporal, the database and Kafka topics; may be run again at any time')
    .option('--database <address>', 'the database to prepare (default: the environment)')
    .option('--rules-database <address>', 'the database of rules to prepare (default: the same)')
    .option('--aggregates <file>', 'make the tables of temporal-cep analytics too, in --database')
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: the environment)',
    )
    .option('--topic <topic...>', 'topics to create where they are missing', [])
    .option(
      '--partitions <n>',
      "partitions of topics that are created (default: the brokers')",
      positiveNumber,
    )
    .addHelpText(
      'after',
      `${SERVER_HELP}
${DATABASE_HELP}
${RULES_HELP}
${KAFKA_HELP}

Does what is named: search attributes in Temporal always, tables where there is a database, topics where there
are some. What is there already is left as it is. The topics of a shop:

  temporal-cep setup --topic clickstream alerts late dead-letters`,
    )
    .action(run);
}

async function run(flags: SetupFlags): Promise<void> {
  const { database, rulesDatabase, brokers, topic: topics, partitions } = flags;
  const log = createLogger('warn');
  const { connection, namespace, address } = await connectNative();
  await connection.close();
  note(
    `Temporal at ${address}: namespace ${namespace} has ${Object.keys(SEARCH_ATTRIBUTES).join(', ')}`,
  );
  const databaseAt = databaseAddress(database);
  if (databaseAt === undefined) {
    note(`Database: none is named (${DATABASE_VARIABLE}), nothing was done`);
  } else {
    const store = await openStore(databaseAt, { migrate: true });
    await store.close();
    note('Database: the tables are there');
  }
  const rulesAt = rulesAddress(rulesDatabase, database);
  if (rulesAt !== undefined) {
    const rules = await openRuleStore(rulesAt, { migrate: true });
    await rules.close();
    if (rulesAt !== databaseAt) note('Database of rules: the tables are there');
  }
  if (flags.aggregates !== undefined) {
    const aggregates = wantedAggregates({ aggregates: flags.aggregates });
    const sums = await openAnalyticsStore(analyticsPlace(flags), aggregates);
    await sums.close();
    note('Aggregates: the tables are there');
  }
  if (topics.length === 0) return;
  const kafka = await connectKafka(brokers, log);
  const admin = kafka.admin();
  await admin.connect();
  try {
    const wanted = topics.map(
      (topic): WantedTopic => (partitions === undefined ? { topic } : { topic, partitions }),
    );
    for (const { topic, outcome, partitions: found } of await ensureTopics(admin, wanted)) {
      const said = {
        created: 'created',
        present: 'is there',
        'too-few-partitions': `is there, with fewer partitions than ${partitions}; it was left as it is`,
      }[outcome];
      note(`Topic ${topic}: ${said} (${counted(found, 'partition')})`);
    }
  } finally {
    await admin.disconnect();
  }
}
