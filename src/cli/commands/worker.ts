import { Command } from 'commander';
import { Registry } from 'prom-client';
import { loadEffects } from '../../effects-module.js';
import { loadJourneys } from '../../journeys-module.js';
import { createLogger } from '../../log.js';
import { revisionReader } from '../../rule-store/revision-reader.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import { type AlertFlags, addAlertOptions, needsKafka, openSinks } from '../alerts.js';
import {
  addDataConverterOption,
  type DataConverterFlags,
  dataConverterOf,
  PRIVACY_HELP,
} from '../client.js';
import {
  addDeploymentOptions,
  type DeploymentFlags,
  deploymentOptions,
  howToMakeCurrent,
} from '../deployment.js';
import { connectKafka, KAFKA_HELP } from '../kafka.js';
import { showMetrics } from '../observed.js';
import { portNumber, positiveNumber } from '../option-values.js';
import { addRulesOption, openRules, type RulesFlags } from '../rules-in-force.js';
import { connectNative, SERVER_HELP } from '../server.js';
import { EFFECTS_HELP, startSessionWorkers } from '../session-worker.js';
import { DATABASE_HELP, openPlace, sharedStore } from '../store.js';
import { note, stopSignal, whenAborted } from '../terminal.js';

interface WorkerFlags extends AlertFlags, DataConverterFlags, DeploymentFlags, RulesFlags {
  readonly journeys: string;
  readonly effects?: string;
  readonly taskQueue: string;
  readonly database?: string;
  readonly brokers?: string;
  readonly workers: number;
  readonly metricsPort?: number;
}

export function workerCommand(): Command {
  const command = new Command('worker')
    .description('run the sessions and activities of a journeys module')
    .requiredOption('--journeys <file>', 'the journeys module, JavaScript or TypeScript')
    .option(
      '--database <address>',
      'the database shared with the ingestors (default: the environment)',
    )
    .option(
      '--brokers <list>',
      'Kafka brokers, host:port separated by commas (default: the environment)',
    )
    .option('--effects <file>', EFFECTS_HELP)
    .option('--task-queue <name>', 'task queue of sessions and activities', TASK_QUEUE)
    .option(
      '--workers <n>',
      'Temporal workers in this process, each with a thread and a cache of its own',
      positiveNumber,
      1,
    )
    .option('--metrics-port <port>', 'serve Prometheus metrics at /metrics', portNumber);
  return addAlertOptions(addDeploymentOptions(addDataConverterOption(addRulesOption(command))))
    .addHelpText(
      'after',
      `${SERVER_HELP}
${DATABASE_HELP}
${KAFKA_HELP}
${PRIVACY_HELP}

Alerts are recorded in the database, whatever else becomes of them. Runs until Ctrl-C or SIGTERM: it then
finishes the activities under way and exits with 0. Sessions go on with the next worker. Effects that call
functions of yours need a worker of yours: createWorker() of temporal-cep/worker.`,
    )
    .action(run);
}

async function run(flags: WorkerFlags): Promise<void> {
  const { journeys, taskQueue } = flags;
  const signal = stopSignal();
  const log = createLogger('info');
  const cleanUp: (() => Promise<unknown>)[] = [];
  // What is wrong here is known at once; a server that does not answer takes its time.
  const deployment = deploymentOptions(flags);
  const dataConverter = await dataConverterOf(flags);
  await loadJourneys(journeys);
  await loadEffects(flags.effects);
  const place = sharedStore(flags.database);
  try {
    const kafka = needsKafka(flags) ? await connectKafka(flags.brokers, log) : null;
    const sinks = openSinks(flags, kafka, log);
    cleanUp.push(() => sinks.close());
    const { connection, namespace, address } = await connectNative();
    cleanUp.push(() => connection.close());
    const store = await openPlace(place);
    cleanUp.push(() => store.close());
    const rules = await openRules(flags, store, place);
    if (rules) cleanUp.push(() => rules.close());
    const registry = new Registry();
    cleanUp.push(await showMetrics(registry, flags.metricsPort));
    const workers = await startSessionWorkers({
      journeys,
      effects: flags.effects,
      taskQueue,
      connection,
      workers: flags.workers,
      namespace,
      store,
      rules: rules && revisionReader(rules, log),
      dataConverter,
      alerts: sinks.alerts,
      late: sinks.late,
      ...(deployment ? { workerDeploymentOptions: deployment } : {}),
      registry,
      log,
    });
    cleanUp.push(() => workers.stop());
    if (deployment) note(howToMakeCurrent(deployment, namespace));
    note(`Worker is ready on task queue ${taskQueue} at ${address}; Ctrl-C stops it`);
    await Promise.race([workers.ended, whenAborted(signal)]);
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}
